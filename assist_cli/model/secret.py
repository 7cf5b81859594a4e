"""Secret values: a type that prints as asterisks, and the texts that would reveal one (docs/rules.md section 4)."""

from __future__ import annotations

MASK = "********"
SHORTEST_LINE = 8


class Secret:
    """A value that must not be shown: it prints as asterisks in every way, and JSON and pickle refuse it.

    Only ``reveal()`` returns the value; call it where the value is sent to the instance, and nowhere else.
    ``reference`` is where the value was read, so that it can be read there again; None when it was typed in.
    """

    __slots__ = ("_value", "reference")

    def __init__(self, value: str | None, reference: str | None = None) -> None:
        self._value = value
        self.reference = reference

    def reveal(self) -> str:
        """Return the value. Raises LookupError for a secret from the history, which has no value."""
        if self._value is None:
            raise LookupError("the value of this secret was not kept")
        return self._value

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("cannot pickle a secret")


def reveal(value: object) -> object:
    """Return the value of a Secret; anything else as it is."""
    return value.reveal() if isinstance(value, Secret) else value


def spellings(secret: Secret) -> set[str]:
    """Return the texts that would reveal a secret in output: its own, its longer lines, and its quoted forms.

    An empty secret has none. A line of less than 8 characters is too common to be masked alone.
    """
    text = secret.reveal()
    found = {text, text.strip(), text.replace("'", "'\"'\"'"), text.replace("'", "'\\''")}
    found.update(line for line in text.splitlines() if len(line) >= SHORTEST_LINE)
    return found - {""}
