"""The broker of agents that dial out: to make one, to run it, to query it, and to shut an instance out."""
