"""A NATS broker for agents that dial out: its keys and tokens, and the files of its machine (docs/scale.md)."""
