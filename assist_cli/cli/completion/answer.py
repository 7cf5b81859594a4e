"""``assist completion answer SHELL``: the answer to the script of a shell, which passes the line in the environment.

The line up to the cursor is followed through the tree of ``words.json``. The first line of the answer is the kind of
the completions that follow: ``words``, ``open`` (words without a space after them), ``files`` or ``folders``, which
the shell completes itself. Errors are never printed, because they would damage the line that is being typed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from assist_cli.cli.completion import shells, values
from assist_cli.cli.completion.line import Line
from assist_cli.cli.completion.values import Offer
from assist_cli.cli.streams import Streams

WORDS = os.path.join(os.path.dirname(__file__), "words.json")
BY_THE_SHELL = ("files", "folders")


def answer(shell: str) -> None:
    """Print the completions of the line in the environment, for ``shell``. On any error, print nothing."""
    stdout = Streams().stdout
    try:
        text = os.fsencode(os.environ["COMP_LINE"]).decode("utf-8", "replace")
        line = Line(text, os.environ.get("COMP_WORDBREAKS", "") if shell == "bash" else "")
        place = Cursor(tree(), line)
        stdout.write("\n".join([place.form, *shells.FORMS[shell](line, place.offers)]) + "\n")
        stdout.flush()
    except Exception:
        stdout.discard()


def tree() -> dict[str, Any]:
    """Load the tree of commands: ``help``, ``options``, ``arguments`` and ``commands`` of each."""
    with open(WORDS, encoding="utf-8") as file:
        known: dict[str, Any] = json.load(file)
    return known


class Cursor:
    """The completions at the cursor: ``form`` is the first line of the answer, ``offers`` are the words."""

    def __init__(self, root: dict[str, Any], line: Line) -> None:
        self._command = root
        self._arguments: list[str] = []
        self._ended = False
        value = self._follow(line.words[1:])
        prefix, text = "", line.last
        if value is None and not self._ended and text.startswith("-"):
            prefix, value = self._attached(text)
        if value is None:
            value = self._next(text)
        self.form = value if value in BY_THE_SHELL else "words"
        self.offers: list[Offer] = []
        if self.form == "words":
            found = self._offers(value, text[len(prefix) :])
            self.offers = [(prefix + word, about) for word, about in found if (prefix + word).startswith(text)]
        if self.offers and all(word.endswith("=") for word, _ in self.offers):
            self.form = "open"

    def _follow(self, words: list[str]) -> object:
        """Parse the complete words. Return the kind of value that the last one takes, or None."""
        wanted: object = None
        for word in words:
            if wanted is not None:
                wanted = None
            elif self._ended or not word.startswith("-") or word == "-":
                if not self._arguments and word in self._command["commands"]:
                    self._command = self._command["commands"][word]
                else:
                    self._arguments.append(word)
            elif word == "--":
                self._ended = True
            else:
                wanted = self._options().get(word, {}).get("value")
        return wanted

    def _options(self) -> dict[str, Any]:
        return {name: option for option in self._command["options"] for name in option["names"]}

    def _attached(self, text: str) -> tuple[str, object]:
        """Split ``--name=value`` and ``-nvalue``: return the part before the value, and its kind, None if unknown."""
        name, equals, _ = text.partition("=") if text.startswith("--") else (text[:2], text[2:], "")
        value = self._options().get(name, {}).get("value") if equals else None
        return (name + equals if text.startswith("--") else name, value) if value is not None else ("", None)

    def _next(self, text: str) -> object:
        """Return the kind of the next word: the names of commands or options, or the kind of an argument."""
        if not self._ended and text.startswith("-"):
            return self._names_of_options()
        if self._command["commands"] and not self._arguments:
            return [[name, command["help"]] for name, command in self._command["commands"].items()]
        kinds = self._command["arguments"]
        kind = kinds[min(len(self._arguments), len(kinds) - 1)] if kinds else None
        if kinds and (len(self._arguments) < len(kinds) or self._command["repeats"]):
            if kind == "program":
                return "files" if self._ended else self._names_of_options()
            if kind != "text":
                return kind
        return "text" if text or self._ended else self._names_of_options()

    def _names_of_options(self) -> list[list[str]]:
        """Return all names of the options, each with its help. Long names come before short ones."""
        return [[name, option["help"]] for option in self._command["options"] for name in option["names"]]

    def _offers(self, value: object, text: str) -> Iterable[Offer]:
        if isinstance(value, list):
            return [(word, about) for word, about in value]
        if value == "zone":
            return values.zones()
        return values.offers(value, text, self._arguments) if value in values.KINDS else []
