"""The groups and hosts of an inventory, and the variables that count for a host, by Ansible's rules.

Variables of a child group win over those of its parents, those of a host over those of groups. Of groups at the same
depth, the one with the higher ``ansible_group_priority`` wins, then the last by name. Files in ``group_vars`` and
``host_vars`` win over the inventory itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from string import ascii_letters
from typing import Any

ALL, UNGROUPED = "all", "ungrouped"
MOST_HOSTS = 100_000

_PORT = re.compile(r"\[(?P<bracketed>.+)\]:(?P<port>[0-9]+)|(?P<plain>(?:[^:\[\]]|\[[^\]]*\])*):(?P<plain_port>[0-9]+)")
_RANGE = re.compile(r"\[([^\[\]]*)\]")

Variables = Mapping[str, Any]


class InventoryError(ValueError):
    """An inventory that Ansible would not read. ``line`` is 0 if it is not known."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(reason)
        self.line = line


@dataclass
class InventoryGroup:
    """One group: its own hosts and variables, and the names of its child groups."""

    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)


class Inventory:
    """An inventory while it is read, and its answers then. ``lines`` has the first line of each host, if known."""

    def __init__(self) -> None:
        self.groups: dict[str, InventoryGroup] = {ALL: InventoryGroup(), UNGROUPED: InventoryGroup()}
        self.hosts: dict[str, dict[str, Any]] = {}
        self.lines: dict[str, int] = {}

    def group(self, name: str) -> InventoryGroup:
        """Return a group, which is made if it is new."""
        return self.groups.setdefault(name, InventoryGroup())

    def add_hosts(self, group: str, pattern: str, variables: Variables, line: int = 0) -> None:
        """Add the hosts of a pattern such as ``web[01:50].example.com:2222`` to a group. Raises InventoryError."""
        found = _PORT.fullmatch(pattern)
        pattern = (found["bracketed"] or found["plain"]) if found else pattern
        port = int(found["port"] or found["plain_port"]) if found else None
        for name in expanded(pattern, line):
            if len(self.hosts) >= MOST_HOSTS and name not in self.hosts:
                raise InventoryError(f"it has more than {MOST_HOSTS:,} hosts", line)
            if name not in self.hosts:
                self.hosts[name] = {} if port is None else {"ansible_port": port}
                self.lines[name] = line
            self.group(group).hosts[name] = None
            self.hosts[name].update(variables)

    def groups_of(self) -> dict[str, list[str]]:
        """Return the groups of each host, those that win last; a child's host is also in its parents.

        Raises InventoryError if groups contain each other.
        """
        depths = self._depths()
        order = sorted(self.groups, key=lambda name: (depths[name], self._priority(name), name))
        members: dict[str, dict[str, None]] = {}
        for name in sorted(order, key=depths.__getitem__, reverse=True):  # children before their parents
            group = self.groups[name]
            members[name] = dict(group.hosts)
            for child in group.children:
                members[name].update(members[child])
        grouped = {host for name in members if name not in (ALL, UNGROUPED) for host in members[name]}
        members[UNGROUPED] = {host: None for host in self.hosts if host not in grouped}
        members[ALL] = dict.fromkeys(self.hosts)
        found: dict[str, list[str]] = {name: [] for name in self.hosts}
        for name in order:
            for host in members[name]:
                found[host].append(name)
        return found

    def _priority(self, name: str) -> int:
        value = self.groups[name].variables.get("ansible_group_priority", 1)
        try:
            return int(value)
        except (TypeError, ValueError):
            raise InventoryError(f"the ansible_group_priority of '{name}' is not a number: {value!r}") from None

    def _depths(self) -> dict[str, int]:
        """Return the length of the longest way from ``all`` to each group."""
        depths = dict.fromkeys(self.groups, 1)
        depths[ALL] = 0
        open_parents = dict.fromkeys(self.groups, 0)
        for group in self.groups.values():
            for child in group.children:
                open_parents[child] += 1
        ready = [name for name, number in open_parents.items() if not number]
        done = 0
        while ready:
            name = ready.pop()
            done += 1
            for child in self.groups[name].children:
                depths[child] = max(depths[child], depths[name] + 1)
                open_parents[child] -= 1
                if not open_parents[child]:
                    ready.append(child)
        if done < len(self.groups):
            circle = ", ".join(sorted(name for name, number in open_parents.items() if number)[:4])
            raise InventoryError(f"these groups contain each other: {circle}")
        return depths


def expanded(pattern: str, line: int = 0) -> Iterator[str]:
    """Yield the names of a pattern with ranges: ``web[01:50]``, ``db-[a:f]``, ``n[0:10:2]``. Raises InventoryError."""
    found = _RANGE.search(pattern)
    if found is None:
        if "[" in pattern or "]" in pattern:
            raise InventoryError(f"'{pattern}' is not a host: a bracket has no other one", line)
        yield pattern
        return
    try:
        middle = _range(found[1])
    except ValueError as error:
        raise InventoryError(f"'{pattern}' is not a range of hosts: {error}", line) from None
    head, tail = pattern[: found.start()], pattern[found.end() :]
    for text in middle:
        for rest in expanded(tail, line) if "[" in tail or "]" in tail else (tail,):
            yield head + text + rest


def _range(text: str) -> Iterable[str]:
    """Return the values of BEGIN:END[:STEP]. Raises ValueError."""
    bounds = text.split(":")
    if len(bounds) not in (2, 3):
        raise ValueError("write begin:end or begin:end:step")
    begin, end, step = bounds[0] or "0", bounds[1], int(bounds[2]) if len(bounds) == 3 else 1
    if not end or step < 1:
        raise ValueError("it has no end" if not end else "its step is less than 1")
    if len(begin) == len(end) == 1 and begin in ascii_letters and end in ascii_letters:
        first, last = ascii_letters.index(begin), ascii_letters.index(end)
        if first > last:
            raise ValueError("it ends before it begins")
        return ascii_letters[first : last + 1 : step]
    if not (begin.isascii() and begin.isdigit() and end.isascii() and end.isdigit()) or len(end) > 18:
        raise ValueError("its ends are neither two numbers nor two letters")
    if (int(end) - int(begin)) // step >= MOST_HOSTS:
        raise ValueError(f"it has more than {MOST_HOSTS:,} hosts")
    size = len(begin) if begin[0] == "0" and len(begin) > 1 else 0
    if size and size != len(end):
        raise ValueError("its ends are not of the same length")
    return (str(number).zfill(size) for number in range(int(begin), int(end) + 1, step))
