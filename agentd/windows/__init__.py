"""The parts that depend on the system, for Windows. ``posix`` has modules of the same names; ``platform`` chooses.

Only ``_kernel`` is of this package alone: it calls what Windows offers and Python does not.
"""
