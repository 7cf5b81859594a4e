"""The server: fires what is due, brings it to the agents, and sees through whatever is open."""
