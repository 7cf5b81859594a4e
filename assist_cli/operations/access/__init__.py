"""Access: keys of the API, and the retried requests of its clients."""
