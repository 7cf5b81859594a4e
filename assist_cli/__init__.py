"""Assist: the controller of a self-hosted Cloud Assistant."""

__version__ = "0.1.0"
