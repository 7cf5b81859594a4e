"""An unfinished command line, parsed as its shell does it.

bash, zsh and fish share these rules: white space separates words. A backslash quotes the next character. In single
quotes everything is literal. In double quotes a backslash quotes only ``"``, ``$``, `` ` `` and itself.
"""

from __future__ import annotations

_LEADING = "$@"  # word breaks of bash that belong to the word after them (rl_special_prefixes)
_ESCAPED_IN_QUOTES = '"$`\\\n'


class Line:
    """A parsed line: ``words`` before the cursor, unquoted, and ``last`` at the cursor, empty after white space.

    ``quote`` is the quote that is open at the cursor, or empty. ``kept`` is the number of characters of ``last`` that
    the shell does not replace: bash replaces the part after an unquoted character of ``breaks``, or after the open
    quote.
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
                if after != "\n":  # a line continuation
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
