"""Saved commands: their versions, parameters and quotas, in and out as JSON."""
