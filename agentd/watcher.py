"""Watch a task: send its output to one connection, in order and not faster than it reads."""

from agentd import output
from agentd.wire import protocol

_RETRY = 5.0  # seconds until opening a file is retried


def public_chunk(stream, offset, data):
    """Return a chunk of an OutputReader in the form of the wire, without its record."""
    if stream is None:
        return {"offset": offset, "bytes": data}
    return {"offset": offset, "stream": stream, "data": protocol.pack(data)}


class Watcher:
    """Sends the output of a task to one connection, as fast as the connection reads.

    With a ``budget`` of bytes it sends the first half of them immediately and, after the end of the task, the last
    half. With ``newest`` it skips output that the connection did not read in time.
    """

    def __init__(self, task, connection, offset, budget, newest):
        self._task = task
        self._connection = connection
        self._reader = output.OutputReader(task.folder.path, offset, newest)
        self._budget = budget
        self._head = None if budget is None else budget // 2
        self._told = offset
        self._waiting = False
        task.watchers.add(self)
        connection.watchers.add(self)
        if task.has_output:
            self.wake()

    def wake(self):
        """Send soon: there may be new output, or space in the connection."""
        if not self._waiting:
            self._waiting = True
            self._connection.loop.call_soon(self._pump)

    def close(self):
        self._reader.close()
        self._task.watchers.discard(self)
        self._connection.watchers.discard(self)

    def _pump(self):
        self._waiting = False
        if self not in self._connection.watchers or not self._connection.writable:
            return
        end = None if self._task.result is None else self._task.result["output_bytes"]
        messages = []
        if self._head is not None and self._reader.offset >= self._head:
            if end is None:
                return
            messages += self._go_to_tail(end)
        if not self._has_told(end):
            try:
                chunks = self._reader.read(output.READ, end)
            except OSError:  # no free descriptor: the watch continues when there is one
                self._waiting = True
                self._connection.loop.call_later(_RETRY, self._pump)
                self._connection.send(*messages)
                return
            for chunk in chunks:
                messages += self._about(*chunk)
        is_over = self._has_told(end)
        if is_over:
            words = {"record": self._task.record, "result": self._task.result}
            messages.append(protocol.notification("task.finished", words))
        self._connection.send(*messages)
        if is_over:
            self.close()
        elif self._reader.is_behind or end is not None:  # otherwise a wakeup announces more
            self.wake()

    def _has_told(self, end):
        """Return True if all output of an ended task was sent. ``end`` is its size, None while it runs."""
        return end is not None and self._reader.offset >= end and (self._head is None or end <= self._head)

    def _about(self, stream, offset, data):
        """Return the notification of a chunk in a list, which is empty if the head has all of it."""
        if self._head is not None and stream is not None:
            data = data[: max(self._head - offset, 0)]
        if not data:
            return []
        self._told = offset + (data if stream is None else len(data))
        words = dict(public_chunk(stream, offset, data), record=self._task.record)
        return [protocol.notification("task.gap" if stream is None else "task.output", words)]

    def _go_to_tail(self, end):
        """Skip the output between the two halves of the budget. Return the notification of the gap, if any."""
        here = self._told
        tail = max(end - (self._budget - self._head), here)
        self._head = None
        self._reader.close()
        self._reader = output.OutputReader(self._task.folder.path, tail)
        return self._about(None, here, tail - here)
