"""Observability: the overview of the fleet, metrics, and the doctor."""
