"""What SDKs say: the HTTP API of the original Cloud Assistant, spoken unpatched (docs/api.md)."""
