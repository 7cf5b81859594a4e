"""Connections to agents over SSH: the only package that uses paramiko."""
