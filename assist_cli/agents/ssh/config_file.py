"""A reader of the user's SSH configuration, for machines without OpenSSH's client: the part of ssh_config(5) in use.

Other keywords are ignored. Settings that only ssh can evaluate are refused with file and line: ``Match exec`` and the
like, ``CanonicalizeHostname``, and tokens in ``Include``.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from assist_cli.agents import destination as destinations
from assist_cli.agents.destination import Destination
from assist_cli.agents.ssh import known_hosts, tokens
from assist_cli.errors import ClientNotOnline, InvalidParameter

USUAL_KEYS = ("~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519")  # some of the defaults of ssh

_SYSTEM = Path("/etc/ssh")
_DEPTH = 16  # of files that include files
_DEFAULTS = {
    "identityfile": list(USUAL_KEYS),
    "userknownhostsfile": ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"],
    "globalknownhostsfile": [f"{_SYSTEM}/ssh_known_hosts", f"{_SYSTEM}/ssh_known_hosts2"],
}
_LINE = re.compile(r'[ \t]*"?([^\s="]+)"?[ \t]*=?[ \t]*(.*)', re.DOTALL)


def read(destination: Destination) -> tokens.Values:
    """Return the values by keyword, as ``openssh.ask`` does. Raises ClientNotOnline for an unreadable configuration."""
    reading = _Reading(destination)
    for folder, name in ((Path(tokens.home(), ".ssh"), "config"), (_SYSTEM, "ssh_config")):
        reading.read(folder / name, folder)
    try:
        return reading.completed()
    except ValueError as error:
        raise _refusal(destination, str(error)) from error


def concrete_hosts() -> list[tuple[str, str]]:
    """Return the hosts of the user's configuration that are no patterns, each with its place: ``line 3 of FILE``.

    Files that it includes count. Raises ClientNotOnline for an unreadable configuration.
    """
    folder = Path(tokens.home(), ".ssh")
    found: dict[str, str] = {}

    def read(path: Path, depth: int) -> None:
        for number, keyword, rest in _lines(path, None):
            try:
                if keyword == "include":
                    for included in _included(_several(rest), folder, depth):
                        read(included, depth + 1)
                elif keyword == "host":
                    words = _several(rest)
                    for word in words:
                        if not set("*?!") & set(word) and known_hosts.fits_patterns(words, word):
                            found.setdefault(word, f"line {number} of '{path}'")
            except ValueError as error:
                raise _refusal(None, f"{path} line {number}: {error}") from error

    read(folder / "config", 0)
    return list(found.items())


def _lines(path: Path, destination: Destination | None) -> Iterator[tuple[int, str, str]]:
    """Yield the number, the keyword in lower case and the value of each line. Raises ClientNotOnline."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return
    except OSError as error:
        raise _refusal(destination, f"{path}: {error.strerror}") from error
    if os.name == "posix" and (status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022):
        raise _refusal(destination, f"{path}: another user may change it, and it names programs to run")
    for number, line in enumerate(text.split("\n"), 1):
        found = _LINE.fullmatch(line.rstrip(" \t\r\f"))
        if found is None or found[1].startswith("#"):
            continue
        if "\0" in line:
            raise _refusal(destination, f"{path} line {number}: it has a zero byte")
        yield number, found[1].lower(), found[2]


class _Reading:
    """The values of one destination while files are read. The first value of a keyword counts."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._values: tokens.Values = {}
        if destination.user:
            self._values["user"] = [destination.user]
        if destination.port:
            self._values["port"] = [str(destination.port)]
        if destination.jump:
            self._jump(destination.jump, True)

    def read(self, path: Path, folder: Path, active: bool = True, depth: int = 0) -> None:
        """Read a file. If not ``active``, its lines do not count, whatever ``Host`` says in it."""
        counts = active
        for number, keyword, rest in _lines(path, self._destination):
            try:
                if keyword == "include":
                    for included in _included(_several(rest), folder, depth):
                        self.read(included, folder, counts, depth + 1)
                elif keyword == "host":
                    counts = known_hosts.fits_patterns(_several(rest), self._destination.host) and active
                elif keyword == "match":
                    counts = self._matches(_several(rest)) and active
                else:
                    self._take(keyword, rest, counts)
            except ValueError as error:
                raise _refusal(self._destination, f"{path} line {number}: {error}") from error

    def _take(self, keyword: str, rest: str, counts: bool) -> None:
        """Take the value of a line that is not a condition. Raises ValueError."""
        if keyword == "proxyjump":
            self._jump(_whole(rest.partition("#")[0])[0], counts)
        elif keyword in _VALUES:
            value = _VALUES[keyword](rest)
            if keyword == "identityfile":
                value = list(dict.fromkeys([*self._values.pop(keyword, []), *value])) if counts else value
            elif keyword == "canonicalizehostname" and counts and keyword not in self._values and value != ["no"]:
                raise ValueError("only OpenSSH's client can follow CanonicalizeHostname")
            if counts:
                self._values.setdefault(keyword, value)

    def _jump(self, hops: str, counts: bool) -> None:
        if hops.lower() == "none":
            if counts:
                self._values.setdefault("proxyjump", ["none"])
            return
        for hop in hops.split(","):
            try:
                destinations.parse_hop(hop)
            except InvalidParameter:
                raise ValueError(f"'{hop}' is not a jump host") from None
        if counts and not {"proxyjump", "proxycommand"} & self._values.keys():
            self._values.update(proxyjump=[hops], proxycommand=["none"])

    def _matches(self, words: list[str]) -> bool:
        """Return True if all criteria of a ``Match`` fit. Raises ValueError for one that only ssh can evaluate."""
        fits, rest = True, iter(words)
        for word in rest:
            name, given, argument = word.partition("=")
            negated, name = name.startswith("!"), name.removeprefix("!").lower()
            if name == "all":
                found = True
            elif name == "final" and not negated:
                raise ValueError("only OpenSSH's client can decide 'Match final'")
            elif name in ("canonical", "final"):
                found = False
            else:
                argument = argument if given else next(rest, "")
                if not argument:
                    raise ValueError(f"a value is missing for '{name}'")
                found = fits and self._fits(name, argument)
            fits = fits and found != negated
        return fits

    def _fits(self, name: str, argument: str) -> bool:
        patterns = argument.split(",")
        if name == "host":
            return known_hosts.fits_patterns(argument.lower().split(","), self._host().lower())
        if name == "originalhost":
            return known_hosts.fits_patterns(argument.lower().split(","), self._destination.host.lower())
        if name == "user":
            return known_hosts.fits_patterns(patterns, self._values.get("user", [tokens.user()])[0])
        if name == "localuser":
            return known_hosts.fits_patterns(patterns, tokens.user())
        raise ValueError(f"only OpenSSH's client can decide 'Match {name}'")

    def _host(self) -> str:
        return tokens.expand(self._values.get("hostname", ["%h"])[0], {"h": self._destination.host})

    def completed(self) -> tokens.Values:
        """Return the values with defaults and, for keywords that ssh expands, without tokens. Raises ValueError."""
        values = {**_DEFAULTS, "user": [tokens.user()], "port": [str(known_hosts.SSH_PORT)], **self._values}
        for keyword in ("proxyjump", "proxycommand"):
            if values.get(keyword, ["none"])[0].lower() == "none":
                values.pop(keyword, None)
        values["hostname"] = [self._host().lower()]
        if "hostkeyalias" in values:
            values["hostkeyalias"] = [values["hostkeyalias"][0].lower()]
        connection = socket.gethostname() + "".join(values[keyword][0] for keyword in ("hostname", "port", "user"))
        values["controlpath"] = [hashlib.sha1(connection.encode(), usedforsecurity=False).hexdigest()]
        known = tokens.of(values, self._destination)
        for keyword in ("userknownhostsfile", "identityagent"):
            if keyword in values:
                values[keyword] = [tokens.expand_path(path, known) for path in values[keyword]]
        for keyword in ("userknownhostsfile", "globalknownhostsfile"):
            values[keyword] = [path for path in values[keyword] if path.lower() != "none"]
        return values


def _included(patterns: list[str], folder: Path, depth: int) -> list[Path]:
    """Return the files of an ``Include``. Raises ValueError."""
    if depth >= _DEPTH:
        raise ValueError("too many files include files")
    if any("%" in pattern or "${" in pattern for pattern in patterns):
        raise ValueError("only OpenSSH's client can expand tokens of Include")
    paths = [str(folder / tokens.expand_home(pattern)) for pattern in patterns]
    # Path.glob also finds names that begin with a dot
    return [Path(name) for path in paths for name in sorted(glob.glob(path))]  # noqa: PTH207


def _words(text: str) -> list[str]:
    r"""Return the words of a line up to a comment. Knows both quotes, and ``\`` before a quote, a space or itself."""
    words, at = [], 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
            continue
        if text[at] == "#":
            break
        word, quote = "", ""
        while at < len(text) and (quote or text[at] not in " \t"):
            letter, following = text[at], text[at + 1 : at + 2]
            if letter == "\\" and following and (following in "'\"\\" or (following == " " and not quote)):
                word += following
                at += 1
            elif letter == quote:
                quote = ""
            elif letter in "'\"" and not quote:
                quote = letter
            else:
                word += letter
            at += 1
        if quote:
            raise ValueError("a quote has no end")
        words.append(word)
    return words


def _one(text: str) -> list[str]:
    words = _several(text)
    if len(words) > 1:
        raise ValueError(f"there is more than one value: '{words[1]}'")
    return words


def _several(text: str) -> list[str]:
    words = _words(text)
    if not all(words or [""]):
        raise ValueError("a value is missing")
    return words


def _whole(text: str) -> list[str]:
    text = text.strip(" \t=")
    if not text:
        raise ValueError("a value is missing")
    return [text]


def _port(text: str) -> list[str]:
    (word,) = _one(text)
    try:
        port = int(word) if word.isdecimal() else socket.getservbyname(word, "tcp")
    except OSError:
        port = 0
    if not 0 < port < 65536:
        raise ValueError(f"'{word}' is not a port")
    return [str(port)]


def _flag(text: str) -> list[str]:
    (word,) = _one(text)
    if word.lower() not in ("yes", "true", "no", "false"):
        raise ValueError(f"'{word}' is neither yes nor no")
    return ["yes" if word.lower() in ("yes", "true") else "no"]


_VALUES: dict[str, Callable[[str], list[str]]] = {
    "canonicalizehostname": lambda text: ["yes"] if _one(text)[0].lower() == "always" else _flag(text),
    "globalknownhostsfile": _several,
    "hashknownhosts": _flag,
    "hostkeyalias": _one,
    "hostname": _one,
    "identitiesonly": _flag,
    "identityagent": _one,
    "identityfile": _one,
    "port": _port,
    "proxycommand": _whole,
    "proxyusefdpass": _flag,
    "user": _one,
    "userknownhostsfile": _several,
}


def _refusal(destination: Destination | None, why: str) -> ClientNotOnline:
    whose = "" if destination is None else f" for '{destination.place}'"
    return ClientNotOnline(
        f"cannot use the SSH configuration{whose}: {why}",
        hint="correct it, or install OpenSSH's client, which reads all of it",
    )
