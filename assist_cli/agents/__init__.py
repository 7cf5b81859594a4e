"""Connections to agents."""
