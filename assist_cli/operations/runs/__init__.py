"""Runs: from a request to the outcome of every record."""
