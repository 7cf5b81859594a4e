"""What is said: the command line."""
