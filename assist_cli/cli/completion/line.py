"""A command line that is not finished yet, as its shell reads it.

bash, zsh and fish agree on what is needed here: white space parts words, a backslash takes the next character as it
is, single quotes take everything, double quotes all but a backslash before ``"``, ``$``, `` ` `` and itself.
"""

from __future__ import annotations

_LEADING = "$@"  # what parts words in bash and belongs to the one behind it (rl_special_prefixes)
_ESCAPED_IN_QUOTES = '"$`\\\n'


class Line:
    """``words`` are those before the cursor, unquoted; ``last`` is the one at the cursor, empty after white space.

    ``quote`` is the quote that is open at the cursor, or empty. ``kept`` counts the characters of ``last`` before the
    piece that the shell replaces: bash takes up after one of ``breaks`` that is not quoted, or after the open quote.
    """

    def __init__(self, text: str, breaks: str = "") -> None:
        self.words: list[str] = []
        self.quote = ""
        self.kept = 0
        self._breaks = breaks
        self._read(text)
        self.last = self.words.pop()

    def _read(self, text: str) -> None:
        word: list[str] = []
        begun = False
        characters = iter(text)
        for each in characters:
            if each == "\\" and self.quote != "'":
                after = next(characters, "")
                if self.quote and after not in _ESCAPED_IN_QUOTES:
                    word.append(each)
                if after != "\n":  # which only goes on with the line
                    word.append(after)
                begun = True
            elif each == self.quote:
                self.quote = ""
                self.kept = len(word)
            elif self.quote:
                word.append(each)
            elif each in "'\"":
                self.quote = each
                self.kept = len(word)
                begun = True
            elif each in " \t\n":
                if begun or word:
                    self.words.append("".join(word))
                word, begun, self.kept = [], False, 0
            else:
                word.append(each)
                if each in self._breaks:
                    self.kept = len(word) - (each in _LEADING)
        self.words.append("".join(word))
