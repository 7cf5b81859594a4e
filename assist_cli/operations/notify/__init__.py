"""Notifications: receivers of the outcomes of invocations, and the process that delivers to them."""
