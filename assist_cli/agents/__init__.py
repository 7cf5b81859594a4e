"""How an agent is reached."""
