"""The domain: immutable values and pure functions, without clock, disk or network."""
