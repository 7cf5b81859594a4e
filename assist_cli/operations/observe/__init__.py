"""Observing: the fleet on one screen, metrics, and the doctor."""
