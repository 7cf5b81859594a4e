"""Numbers with their units, for people."""

from __future__ import annotations

UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))  # of time, with their seconds
_BINARY = (("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10))


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: ``1 byte``, ``1,234 bytes``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: int) -> str:
    """Return a number of bytes in the unit that fits: ``300 bytes``, ``1.5 KiB``, ``20 GiB``."""
    for unit, power in _BINARY:
        value = number / 2**power
        if value >= 0.9995:  # 1,023.9 KiB is 1 MiB
            return f"{value:.0f} {unit}" if value >= 99.5 else f"{value:.1f} {unit}".replace(".0 ", " ")
    return count(number, "byte")


def span(seconds: float) -> str:
    """Return a time in its largest unit: ``3 s``, ``2 min``, ``5 d``."""
    for unit, length in UNITS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return "0 s"
