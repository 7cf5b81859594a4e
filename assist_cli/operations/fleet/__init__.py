"""The fleet: the inventory of instances, connections to their agents, and the installation of agents."""
