"""The table of all answers, notifications and refusals of agents, and the check against it.

An agent may be broken or hostile. So each message is checked here before it is used: each field has a type, a range and
a length. Unknown fields are dropped, because a newer agent may send more. A field that does not fit makes the message a
``Misfit``. docs/protocol.md shows the table.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from agentd.wire import protocol
from assist_cli import codes
from assist_cli.model.instance import FACTS, Facts
from assist_cli.model.output import Stream

MOST_BYTES = 2**53  # of output, memory or disk: the largest exact number in JSON
LATEST = 250_000_000_000  # seconds since the epoch: the year 9892, a valid date in every time zone
LONG_TEXT = 4000  # characters of a sentence; an agent's own limit is 1,000
SHORT_TEXT = 255
PATH_TEXT = 4096

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"


class Misfit(Exception):
    """A message of an agent that does not fit the table. The text gives the reason."""


class Greeting(NamedTuple):
    """The answer to agent.hello: instance id, versions and system of an agent, and its known ``facts`` by name."""

    instance: str
    agent: str
    protocol: tuple[int, int]
    boot: str
    hostname: str
    os: str
    python: str = ""
    features: tuple[str, ...] = ()
    enrolment: str = ""
    facts: Facts = MappingProxyType({})


class FieldKind:
    """The kind of a value. ``words`` complete the sentence "'field' is not …", and are shown in docs/protocol.md."""

    words: str

    def check(self, value: object, name: str) -> Any:
        """Return the value of the field ``name``, converted. Raises Misfit."""
        raise NotImplementedError

    def misfit(self, name: str) -> Misfit:
        return Misfit(f"'{name}' is not {self.words}" if name else f"it is not {self.words}")


class Whole(FieldKind):
    """A whole number."""

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high
        self.words = f"a whole number from {low:,} to {high:,}"

    def check(self, value: object, name: str) -> int:
        if type(value) is not int or not self._low <= value <= self._high:
            raise self.misfit(name)
        return value


class Number(FieldKind):
    """A number, with or without a fraction; not NaN."""

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high
        self.words = f"a number from {low:,} to {high:,}"

    def check(self, value: object, name: str) -> float:
        if (type(value) is not float and type(value) is not int) or not self._low <= value <= self._high:
            raise self.misfit(name)
        return float(value)


class Flag(FieldKind):
    """True or false."""

    words = "true or false"

    def check(self, value: object, name: str) -> bool:
        if type(value) is not bool:
            raise self.misfit(name)
        return value


class Text(FieldKind):
    """Text that UTF-8 can encode, without NUL: ``begin``, then only characters of ``of``, if given.

    The table is made at each start. Regular expressions are not used, because compiling each one would take as long.
    """

    def __init__(self, most: int, words: str = "text", *, least: int = 0, begin: str = "", of: str = "") -> None:
        self._least, self._most, self._begin, self._of = least, most, begin, of
        self.words = f"{words} of at most {most:,} characters"

    def check(self, value: object, name: str) -> str:
        if type(value) is not str or not self._least <= len(value) <= self._most:
            raise self.misfit(name)
        if "\0" in value or not (value.isascii() or _is_unicode(value)) or not value.startswith(self._begin):
            raise self.misfit(name)
        if self._of and value[len(self._begin) :].strip(self._of):
            raise self.misfit(name)
        return value


class PrintableText(Text):
    """Text of one line, without control characters and invisible characters."""

    def __init__(self, most: int) -> None:
        super().__init__(most, "printable text")

    def check(self, value: object, name: str) -> str:
        text = super().check(value, name)
        if not text.isprintable():
            raise self.misfit(name)
        return text


class ErrorCodeText(Text):
    """An error code, known or not, but none of those that only a controller may set."""

    def __init__(self) -> None:
        super().__init__(64, "a code", of=f"{_LETTERS}.")

    def check(self, value: object, name: str) -> str:
        code = super().check(value, name)
        if code in _OF_CONTROLLERS:
            raise Misfit(f"'{name}' is {code}, which only a controller may set")
        return code


class OneOf(FieldKind):
    """One word of a fixed set."""

    def __init__(self, *values: str) -> None:
        self._values = values
        self.words = f"one of {', '.join(values)}"

    def check(self, value: object, name: str) -> str:
        if type(value) is not str or value not in self._values:
            raise self.misfit(name)
        return value


class Data(FieldKind):
    """Bytes, sent as base64 text."""

    words = "base64"

    def check(self, value: object, name: str) -> bytes:
        try:
            return protocol.unpack(value)  # type: ignore[no-any-return]
        except ValueError:
            raise self.misfit(name) from None


class OrNull(FieldKind):
    """A value, or null."""

    def __init__(self, kind: FieldKind) -> None:
        self.kind = kind
        self.words = f"{kind.words}, or null"

    def check(self, value: object, name: str) -> Any:
        return None if value is None else self.kind.check(value, name)


class May(FieldKind):
    """A value that may be missing, because older agents do not send it. Then it is ``default``."""

    def __init__(self, kind: FieldKind, default: object = None) -> None:
        self.kind = kind
        self.default = default
        self.words = kind.words

    def check(self, value: object, name: str) -> Any:
        return self.kind.check(value, name)


class ListOf(FieldKind):
    """A list of at most ``most`` values of one kind."""

    def __init__(self, kind: FieldKind, most: int, least: int = 0) -> None:
        self.kind = kind
        self._least, self._most = least, most
        self.words = f"a list of at most {most:,}"

    def check(self, value: object, name: str) -> list[Any]:
        if type(value) is not list or not self._least <= len(value) <= self._most:
            raise self.misfit(name)
        return [self.kind.check(each, name) for each in value]


class Object(FieldKind):
    """An object with these fields."""

    words = "an object"

    def __init__(self, **fields: FieldKind) -> None:
        self.fields = fields

    def check(self, value: object, name: str = "") -> dict[str, Any]:
        if type(value) is not dict:
            raise self.misfit(name)
        found = {}
        for key, kind in self.fields.items():
            if key in value:
                found[key] = kind.check(value[key], f"{name}.{key}" if name else key)
            elif isinstance(kind, May):
                found[key] = kind.default
            else:
                raise Misfit(f"'{name}.{key}' is missing" if name else f"'{key}' is missing")
        return found


class Piece(FieldKind):
    """A chunk of output, or a gap in it."""

    words = "a chunk or a gap"

    def check(self, value: object, name: str) -> dict[str, Any]:
        return (_GAP if type(value) is dict and "bytes" in value else _CHUNK).check(value, name)


def _is_unicode(text: str) -> bool:
    """Return False for a lone surrogate, which JSON can name and UTF-8 cannot carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_OF_CONTROLLERS = frozenset({codes.CLIENT_NOT_RESPONSE, codes.DELIVERY_TIMEOUT})

_RECORD = Text(64)
_SIZE = Whole(0, MOST_BYTES)
_COUNT = Whole(0, 2**31 - 1)
_MOMENT = Number(0, LATEST)
_LABEL = PrintableText(64)
_SENTENCE = Text(LONG_TEXT)
PATH = Text(PATH_TEXT, "a path", least=1)
INSTANCE = Text(64, "an instance id", least=3, begin="i-", of=f"{_LETTERS}{_DIGITS}-_")
_STATE = OneOf(
    *(protocol.RUNNING, protocol.STOPPING, protocol.STOPPED, protocol.FINISHED, protocol.FAILED, protocol.FORGOTTEN)
)

RESULT = Object(
    state=OneOf(protocol.STOPPED, protocol.FINISHED, protocol.FAILED),
    exit_code=OrNull(Whole(-(2**31), 2**32 - 1)),
    error_code=ErrorCodeText(),
    error_info=_SENTENCE,
    started=OrNull(_MOMENT),
    finished=OrNull(_MOMENT),
    output_bytes=_SIZE,
    dropped=May(_SIZE, 0),
)
_CHUNK = Object(offset=_SIZE, stream=OneOf(*(each.value for each in Stream)), data=Data())
_GAP = Object(offset=_SIZE, bytes=_SIZE)
_STANDING = Object(record=May(_RECORD), state=_STATE)

GUARD = Object(
    pid=_COUNT,
    started=May(OrNull(_MOMENT)),
    agent_pid=May(OrNull(_COUNT)),
    restarts=_COUNT,
    last_restart=May(OrNull(Object(time=_MOMENT, why=_SENTENCE))),
    samples=May(ListOf(Object(time=_MOMENT, rss=OrNull(_SIZE), cpu=OrNull(_MOMENT), files=OrNull(_COUNT)), 100), ()),
)

DIAL = Object(broker=OrNull(_SENTENCE), since=_MOMENT, error=OrNull(_SENTENCE))

_FACTS = Object(
    os=_LABEL,
    version=May(_LABEL, ""),
    kernel=May(_LABEL, ""),
    cpus=May(OrNull(Whole(0, 1_000_000))),
    memory=May(OrNull(_SIZE)),
    addresses=May(ListOf(_LABEL, 64), ()),
)

ANSWERS: Mapping[str, Object] = {
    "agent.hello": Object(
        protocol=ListOf(Whole(0, 1000), 2, 2),
        agent=_LABEL,
        instance=INSTANCE,
        boot=_LABEL,
        hostname=PrintableText(SHORT_TEXT),
        os=_LABEL,
        arch=May(_LABEL, ""),
        python=May(_LABEL, ""),
        started=May(_MOMENT),
        features=May(ListOf(_LABEL, 100), ()),
        enrolment=May(_LABEL, ""),
        facts=May(_FACTS, MappingProxyType({})),
    ),
    "agent.status": Object(
        uptime=Number(-LATEST, LATEST),  # by the clock, which may be changed
        running=_COUNT,
        total=May(_COUNT, 0),
        rss=May(OrNull(_SIZE)),
        cpu=May(_MOMENT),
        files=May(OrNull(_COUNT)),
        spool=_SIZE,
        guard=OrNull(GUARD),
        dial=May(OrNull(DIAL)),
        home=May(PATH),
        program=May(PATH),
        time=May(_MOMENT),
        free=May(OrNull(_SIZE)),
    ),
    "task.run": Object(**_STANDING.fields, known=May(Flag(), False), watching=May(Flag(), False)),
    "task.watch": _STANDING,
    "task.get": Object(
        **_STANDING.fields,
        result=OrNull(RESULT),
        output=May(ListOf(Piece(), 100_000), ()),
        next=May(OrNull(_SIZE)),
        produced=May(OrNull(_SIZE)),
        started=May(OrNull(_MOMENT)),
    ),
    "task.stop": _STANDING,
    "task.list": Object(tasks=ListOf(Object(record=_RECORD, state=_STATE), 1000), next=OrNull(_RECORD)),
    "task.forget": Object(forgotten=ListOf(_RECORD, 1000)),
    "file.put": Object(**_STANDING.fields, result=OrNull(RESULT)),
}
NOTIFICATIONS: Mapping[str, Object] = {
    "task.output": Object(record=_RECORD, **_CHUNK.fields),
    "task.gap": Object(record=_RECORD, **_GAP.fields),
    "task.finished": Object(record=_RECORD, result=RESULT),
}
REFUSAL = Object(
    code=Whole(-(2**31), 2**31 - 1),
    message=_SENTENCE,
    data=May(
        Object(code=May(ErrorCodeText(), codes.EXECUTION_EXCEPTION), epoch=May(Whole(0, MOST_BYTES), 0)),
        {"code": codes.EXECUTION_EXCEPTION, "epoch": 0},
    ),
)


def checked(method: str, record: str | None, result: object) -> dict[str, Any]:
    """Return the answer to a request about this record, or about none. Raises Misfit."""
    found = ANSWERS[method].check(result)
    if found.get("record") not in (None, record):
        raise Misfit("'record' is not the requested one")
    return found


def greeting(answer: Mapping[str, Any]) -> Greeting:
    """Return the checked answer to agent.hello as a value."""
    major, minor = answer["protocol"]
    facts = {**answer, **answer["facts"]}  # the name, the processor and the Python are older than "facts"
    if not answer["facts"]:
        del facts["os"]  # the kind of system, "Linux", of an older agent
    return Greeting(
        answer["instance"],
        answer["agent"],
        (major, minor),
        answer["boot"],
        answer["hostname"],
        answer["os"],
        answer["python"],
        tuple(answer["features"]),
        answer["enrolment"],
        {name: facts[name] for name in FACTS if facts.get(name)},
    )


def rows() -> Iterator[tuple[str, str, str]]:
    """Return the table for docs/protocol.md: the message, the field, and its allowed values."""
    for where, kind in {**ANSWERS, **NOTIFICATIONS, "a result": RESULT, "an error": REFUSAL}.items():
        yield from _fields(where, "", kind)


def _fields(where: str, before: str, kind: Object) -> Iterator[tuple[str, str, str]]:
    for name, each in kind.fields.items():
        yield where, before + name, each.words + ("; may be missing" if isinstance(each, May) else "")
        inner: FieldKind = each
        while isinstance(inner, May | OrNull | ListOf):
            inner = inner.kind
        if isinstance(inner, Object) and inner is not RESULT:
            yield from _fields(where, f"{before}{name}.", inner)
