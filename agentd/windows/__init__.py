"""The parts that depend on the system, for Windows. ``posix`` has modules of the same names; ``platform`` chooses.

Only ``_kernel`` has no counterpart: it makes system calls that Python does not offer.
"""
