"""Notifications: who is told how an invocation ended, and the process that tells them."""
