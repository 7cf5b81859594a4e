"""How an agent gets to where it runs."""
