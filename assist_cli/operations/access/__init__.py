"""Access: keys of the API, and requests that clients repeat."""
