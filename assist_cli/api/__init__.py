"""The HTTP API of the original Cloud Assistant, for its SDKs without changes (docs/api.md)."""
