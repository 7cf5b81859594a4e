"""Hides secret values in what a script prints, before any of it reaches the spool.

What stands in the spool is what the controller fetches, shows and keeps, now or after a crash of either side, so this
is the one place where it must be done. A value may be split over any number of reads; no more is held back than what
could still become one.
"""

MASK = b"********"


_WORD = 4  # bytes of the shortest word of a value that tells something of it


def hide(text, values):
    """Return the text without ``values`` (bytes).

    It may quote a part of a script, so the words that a value has are hidden too, also as Python writes them out.
    """
    words = [word for value in values for word in value.split() if len(word) >= _WORD]
    parts = {part.decode("utf-8", "replace") for part in list(values) + words}
    parts.update([repr(part)[1:-1] for part in parts])
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, MASK.decode())
    return text


class Mask:
    """Hides ``values`` (bytes, none of them empty) in one stream; values that overlap become one MASK."""

    def __init__(self, values):
        self._values = values
        self._held = b""
        self._covered = 0  # so many bytes of what is held are hidden already

    def feed(self, data):
        """Return what can be shown of the stream so far and was not shown yet."""
        data = self._held + data
        return self._show(data, self._undecided(data))

    def rest(self):
        """Return what is still held back, at the end of the stream."""
        return self._show(self._held, len(self._held))

    def _show(self, data, end):
        """The bytes of ``data`` before ``end`` with the values hidden; the others are held back."""
        shown = []
        position = self._covered
        for begin, finish in self._places(data):
            if begin >= end:
                break
            if begin >= position:
                shown += [data[position:begin], MASK]
            position = max(position, finish)
        if position < end:
            shown.append(data[position:end])
        self._held = data[end:]
        self._covered = max(position - end, 0)
        return b"".join(shown)

    def _places(self, data):
        """Return the places of the values, overlapping ones too: (begin, end), in order."""
        found = []
        for value in self._values:
            begin = data.find(value)
            while begin >= 0:
                found.append((begin, begin + len(value)))
                begin = data.find(value, begin + 1)
        return sorted(found)

    def _undecided(self, data):
        """The first place from which on ``data`` may be the beginning of a value."""
        first = len(data)
        for value in self._values:
            begin = data.find(value[:1], max(len(data) - len(value) + 1, 0))
            while 0 <= begin < first:
                if value.startswith(data[begin:]):
                    first = begin
                    break
                begin = data.find(value[:1], begin + 1)
        return first
