"""The fleet: the register of instances, connections to them, and how agents get there."""
