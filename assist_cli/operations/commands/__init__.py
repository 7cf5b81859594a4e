"""Saved commands: versions, parameters, quotas, export and import as JSON."""
