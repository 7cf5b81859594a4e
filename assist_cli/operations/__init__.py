"""The operations of the controller: a request in, model objects out. One module per subject."""
