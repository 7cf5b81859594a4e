"""Common parts of the HTTP listeners: the API and the web console."""
