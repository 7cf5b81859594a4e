"""The files of an inventory: the one that was given, and ``group_vars`` and ``host_vars`` beside it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assist_cli import codes
from assist_cli.errors import FileFailure, InvalidParameter
from assist_cli.model.names import quoted
from assist_cli.operations.fleet.ansible import documents, ini
from assist_cli.operations.fleet.ansible.inventory import Inventory, InventoryError

BY_ANSIBLE = "let Ansible read it: ansible-inventory -i {} --list > inventory.json; then --from-ansible inventory.json"

_ENDINGS = ("", ".yml", ".yaml", ".json")
_YAML = re.compile(r"---(\s|$)|[^\s:#;\[]+:\s*(#.*)?$")
_VAULT = "$ANSIBLE_VAULT;"


@dataclass(frozen=True)
class Source:
    """An inventory with the final variables and the groups of each host, in the order of the inventory.

    ``vaulted`` has the files that only Ansible can decrypt, which were not read.
    """

    what: str  # the file in messages
    variables: Mapping[str, Mapping[str, Any]]
    groups: Mapping[str, list[str]]
    lines: Mapping[str, int]
    vaulted: list[str]

    def origin(self, host: str) -> str:
        """Return the place of a host for messages."""
        line = self.lines.get(host)
        return f"line {line} of {self.what}" if line else f"the host '{host}' of {self.what}"


def refuse_folder(file: str) -> None:
    """Raise InvalidParameter if an inventory is a folder, which only Ansible reads."""
    if Path(file).is_dir():
        raise _refusal(f"'{file}'", file, InventoryError("it is a folder"))


def read(data: bytes, file: str) -> Source:
    """Return the source in ``data``, which was read from ``file``. Raises InvalidParameter and FileFailure."""
    what = "stdin" if file == "-" else f"'{file}'"
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise _refusal(what, file, InventoryError("it is not UTF-8 text", number)) from None
    try:
        inventory, is_final = _parsed(text, file)
        groups = inventory.groups_of()
    except InventoryError as error:
        raise _refusal(what, file, error) from None
    folder = None if is_final or file == "-" else Path(file).parent
    vaulted: list[str] = []
    files = _VariableFiles(folder, vaulted)
    variables = {}
    for host, own in inventory.hosts.items():
        merged: dict[str, Any] = {}
        for group in groups[host]:
            merged.update(inventory.groups[group].variables)
        for group in groups[host]:
            merged.update(files.of("group_vars", group))
        merged.update(own)
        merged.update(files.of("host_vars", host))
        variables[host] = merged
    return Source(what, variables, groups, inventory.lines, vaulted)


def _parsed(text: str, file: str) -> tuple[Inventory, bool]:
    """Return the inventory, and True if the variables of all files are in it. Raises InventoryError."""
    first = next((line for line in text.splitlines() if line.strip() and line[0] not in "#;"), "")
    if text.startswith("#!"):
        raise InventoryError("it is a program")
    if text.startswith(_VAULT):
        raise InventoryError("it is encrypted by ansible-vault", 1)
    ending = Path(file).suffix.lower()
    if first.lstrip().startswith("{") or ending == ".json":
        return documents.from_json(text)
    if ending in (".yml", ".yaml") or (not ending and _YAML.match(first)):
        return documents.static(documents.mapping_of_yaml(text)), False
    return ini.read(text), False


class _VariableFiles:
    """The variables in ``group_vars`` and ``host_vars`` of a folder; each file is read once."""

    def __init__(self, folder: Path | None, vaulted: list[str]) -> None:
        self._folder = folder
        self._vaulted = vaulted
        self._known: dict[tuple[str, str], dict[str, Any]] = {}

    def of(self, kind: str, name: str) -> dict[str, Any]:
        """Return the variables of a group or a host. Raises InvalidParameter and FileFailure."""
        if self._folder is None or "/" in name or name.startswith("."):
            return {}
        if (kind, name) not in self._known:
            found: dict[str, Any] = {}
            for ending in _ENDINGS:
                for path in _files(self._folder / kind / f"{name}{ending}"):
                    found.update(self._read(path))
            self._known[kind, name] = found
        return self._known[kind, name]

    def _read(self, path: Path) -> Mapping[str, Any]:
        try:
            text = path.read_text("utf-8")
        except OSError as error:
            raise FileFailure(f"cannot read the file '{path}': {error.strerror}") from error
        except UnicodeDecodeError:
            raise _refusal(f"'{path}'", str(path), InventoryError("it is not UTF-8 text")) from None
        if text.startswith(_VAULT):
            self._vaulted.append(str(path))
            return {}
        try:
            found = documents.mapping_of_yaml(text)
            if not isinstance(found, Mapping | None):
                raise InventoryError("it is not a mapping of variables")
        except InventoryError as error:
            raise _refusal(f"'{path}'", str(path), error) from None
        return {str(key): value for key, value in (found or {}).items()}


def _files(path: Path) -> Iterator[Path]:
    """Yield a file, or the files in a folder, as Ansible finds them."""
    if path.is_dir():
        for each in sorted(path.iterdir()):
            if not each.name.startswith(".") and (each.is_dir() or each.suffix in _ENDINGS):
                yield from _files(each)
    elif path.is_file():
        yield path


def _refusal(what: str, file: str, error: InventoryError) -> InvalidParameter:
    place = f"line {error.line} of {what}" if error.line else what
    hint = BY_ANSIBLE.format(quoted(file) if file != "-" else "FILE")
    if "PyYAML" in str(error):
        hint = f"pip install 'assist-cli[ansible]'; or {hint}"
    return InvalidParameter(f"cannot use {place}: {error}", hint=hint, code=codes.INVALID_DOCUMENT)
