"""The domain: frozen dataclasses and pure functions, without clock, disk or network."""
