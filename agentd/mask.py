"""Mask secret values in the output of a script, before it reaches the spool.

The controller fetches, shows and stores the contents of the spool, now or after a crash. So the output must be masked
here. A value may be split over several reads. Only bytes that may still become a value are held back.
"""

MASK = b"********"


_WORD = 4  # bytes of the shortest word of a value that is masked


def hide(text, values):
    """Return the text with ``values`` (bytes) masked.

    The text may quote a part of a script. So the words inside a value are masked too, also in Python's escaped form.
    """
    words = [word for value in values for word in value.split() if len(word) >= _WORD]
    parts = {part.decode("utf-8", "replace") for part in list(values) + words}
    parts.update([repr(part)[1:-1] for part in parts])
    for part in sorted(parts, key=len, reverse=True):
        text = text.replace(part, MASK.decode())
    return text


class Mask:
    """The mask of one stream: hides ``values`` (bytes, none empty). Overlapping values become one MASK."""

    def __init__(self, values):
        self._values = values
        self._held = b""
        self._covered = 0  # number of held bytes that are masked already

    def feed(self, data):
        """Add output and return the part that can be shown now."""
        data = self._held + data
        return self._show(data, self._undecided(data))

    def rest(self):
        """Return the held bytes at the end of the stream."""
        return self._show(self._held, len(self._held))

    def _show(self, data, end):
        """Return the bytes of ``data`` before ``end``, masked. Hold the others."""
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
        """Return the positions of the values, overlapping ones too: (begin, end), in order."""
        found = []
        for value in self._values:
            begin = data.find(value)
            while begin >= 0:
                found.append((begin, begin + len(value)))
                begin = data.find(value, begin + 1)
        return sorted(found)

    def _undecided(self, data):
        """Return the first position from which ``data`` may be the beginning of a value."""
        first = len(data)
        for value in self._values:
            begin = data.find(value[:1], max(len(data) - len(value) + 1, 0))
            while 0 <= begin < first:
                if value.startswith(data[begin:]):
                    first = begin
                    break
                begin = data.find(value[:1], begin + 1)
        return first
