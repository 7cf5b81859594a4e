"""What is remembered: the one home of SQL."""
