"""Reaching agents by way of SSH: the one home of paramiko."""
