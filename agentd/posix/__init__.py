"""The parts that depend on the system, for POSIX. ``windows`` has modules of the same names; ``platform`` chooses."""
