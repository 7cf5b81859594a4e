"""Settings: named values with defaults, which do not change.

Their classes are created at each start. To create a named tuple takes ten times as long, and a dataclass eighty times,
since their methods are compiled.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, get_origin

if TYPE_CHECKING:
    from typing_extensions import Self


class Settings:
    """Base class of settings. A subclass has an annotated attribute for each value, with its default.

    Settings are created from values in this order, or by name. The others have their defaults.
    """

    def __init__(self, *values: Any, **named: Any) -> None:
        vars(self).update(zip(self.annotations(), values, strict=False), **named)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"cannot change the setting {name!r}")

    @classmethod
    def annotations(cls) -> dict[str, Any]:
        """Return the annotations of the values by name, in their order: those of a base class first."""
        found: dict[str, Any] = {}
        for each in reversed(cls.__mro__):
            found |= inspect.get_annotations(each, eval_str=True)
        return {name: annotation for name, annotation in found.items() if get_origin(annotation) is not ClassVar}

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.annotations()}

    def replace(self, **changes: Any) -> Self:
        """Return the same settings with other values of these names."""
        return type(self)(**vars(self) | changes)
