"""Structs: created by position or name, with defaults; immutable, and equal by their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from assist_cli.structs import Struct


class Point(Struct):
    unit: ClassVar[str] = "m"

    x: int
    y: int = 0


class Place(Point):
    name: str = ""


class Other(Struct):
    x: int
    y: int = 0


def test_values_come_by_position_by_name_or_by_default() -> None:
    place = Place(1, name="a")
    assert (place.x, place.y, place.name) == (1, 0, "a")
    assert place.as_dict() == {"x": 1, "y": 0, "name": "a"}
    assert repr(place) == "Place(x=1, y=0, name='a')"


@pytest.mark.parametrize(
    "make", [lambda: Point(), lambda: Point(1, z=2), lambda: Point(1, x=1), lambda: Point(1, 2, 3)]
)
def test_missing_and_unknown_values_are_refused(make: Callable[[], Point]) -> None:
    with pytest.raises(TypeError, match="cannot make a Point"):
        make()


def test_values_do_not_change() -> None:
    point = Point(1)
    with pytest.raises(AttributeError):
        point.x = 2  # type: ignore[misc]
    assert point.replace(y=3) == Point(1, 3)
    assert point == Point(1)


def test_structs_are_equal_by_type_and_values() -> None:
    assert Point(1) == Point(x=1, y=0)
    assert hash(Point(1)) == hash(Point(x=1, y=0))
    assert Point(1) != Point(2)
    assert Point(1) != Other(1)
    assert Point(1) != (1, 0)
