"""What is done: one module per subject."""
