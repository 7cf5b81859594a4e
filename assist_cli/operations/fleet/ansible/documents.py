"""Inventories in YAML, and in the JSON of ``ansible-inventory --list`` and of inventory scripts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from assist_cli.operations.fleet.ansible.inventory import ALL, Inventory, InventoryError

if TYPE_CHECKING:
    import yaml

_MEMBERS = ("hosts", "vars", "children")


class Word(str):
    """A text of YAML that knows its line."""

    __slots__ = ("line",)
    line: int


class Vaulted:
    """A value that only Ansible can decrypt."""


def from_json(text: str) -> tuple[Inventory, bool]:
    """Return the inventory in a JSON text, and True if its hosts have all their variables. Raises InventoryError."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise InventoryError(f"it is not JSON: {error.msg.lower()}", error.lineno) from None
    except (ValueError, RecursionError):  # a number of thousands of digits
        raise InventoryError("it is not JSON: it is nested too deeply, or has an endless number") from None
    if not isinstance(found, dict):
        raise InventoryError("it is not an object of groups")
    return (_listed(found), True) if _is_list_form(found) else (static(found), False)


def static(found: object) -> Inventory:
    """Return the inventory of groups with ``hosts``, ``vars`` and ``children``. Raises InventoryError."""
    if not isinstance(found, Mapping) or not found:
        raise InventoryError("it is not a mapping of groups")
    if "plugin" in found:
        raise InventoryError(f"it is the configuration of the plugin '{found['plugin']}'", _line(*found))
    inventory = Inventory()
    waiting: list[tuple[str, Any]] = list(found.items())
    seen: set[tuple[str, int]] = set()
    while waiting:
        name, members = waiting.pop(0)
        if not isinstance(members, Mapping | None):
            raise InventoryError(f"'{name}' is not a group", _line(name))
        group = inventory.group(str(name))
        for key, value in (members or {}).items():
            if key not in _MEMBERS:
                raise InventoryError(f"'{key}' in the group '{name}' is not one of hosts, vars, children", _line(key))
            value = {value: None} if isinstance(value, str) else value
            if not isinstance(value, Mapping | None):
                raise InventoryError(f"the {key} of the group '{name}' are not a mapping", _line(key))
            for word, inner in (value or {}).items():
                if key == "vars":
                    group.variables[str(word)] = inner
                elif key == "children":
                    group.children[str(word)] = None
                    inventory.group(str(word))
                    if (str(word), id(inner)) not in seen:  # an alias of YAML may contain itself
                        seen.add((str(word), id(inner)))
                        waiting.insert(0, (str(word), inner))
                else:
                    if not isinstance(word, str) or not isinstance(inner, Mapping | None):
                        raise InventoryError(f"'{word}' in the group '{name}' is not a host", _line(word, key))
                    variables = {str(variable): each for variable, each in (inner or {}).items()}
                    inventory.add_hosts(str(name), word, variables, _line(word))
    return inventory


def mapping_of_yaml(text: str) -> object:
    """Return the document of a YAML text; its texts are Words, and a vaulted value is a Vaulted.

    Raises InventoryError, also if PyYAML is not installed.
    """
    try:
        import yaml
    except ModuleNotFoundError:
        raise InventoryError("PyYAML is not installed, so YAML cannot be read") from None

    class Loader(yaml.SafeLoader):
        """SafeLoader, with lines and with the tags of Ansible."""

    Loader.add_constructor("tag:yaml.org,2002:str", _word)
    Loader.add_constructor("!unsafe", _word)
    for tag in ("!vault", "!vault-encrypted"):
        Loader.add_constructor(tag, lambda loader, node: Vaulted())
    try:
        return yaml.load(text, Loader)  # noqa: S506  a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InventoryError(f"it is not YAML: {error.problem}", mark.line + 1 if mark else 0) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: an impossible date
        raise InventoryError(f"it is not YAML: {str(error).splitlines()[0]}") from None


def _word(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Word:
    found = Word(loader.construct_scalar(node))
    found.line = node.start_mark.line + 1
    return found


def _line(*keys: object) -> int:
    """Return the line of the first key that knows one."""
    return next((key.line for key in keys if isinstance(key, Word)), 0)


def _is_list_form(found: Mapping[str, Any]) -> bool:
    return "_meta" in found or any(
        isinstance(group, list)
        or (isinstance(group, dict) and any(isinstance(group.get(key), list) for key in ("hosts", "children")))
        for group in found.values()
    )


def _listed(found: Mapping[str, Any]) -> Inventory:
    """Return the inventory of an inventory script. Raises InventoryError."""
    inventory = Inventory()
    meta = found.get("_meta")
    known = meta.get("hostvars", {}) if isinstance(meta, dict) else {}
    if not isinstance(known, dict) or not all(isinstance(each, dict) for each in known.values()):
        raise InventoryError("its _meta.hostvars are not objects")
    for name, members in found.items():
        if name == "_meta":
            continue
        group = inventory.group(name)
        members = {"hosts": members} if isinstance(members, list) else members
        if not isinstance(members, dict):
            raise InventoryError(f"'{name}' is not a group")
        for host in _names(name, members, "hosts"):
            inventory.hosts.setdefault(host, {})
            group.hosts[host] = None
        for child in _names(name, members, "children"):
            group.children[child] = None
            inventory.group(child)
        variables = members.get("vars") or {}
        if not isinstance(variables, dict):
            raise InventoryError(f"the vars of the group '{name}' are not an object")
        group.variables.update({key: _plain(value) for key, value in variables.items()})
    for host, variables in known.items():
        if host not in inventory.hosts:
            inventory.hosts[host] = {}
            inventory.group(ALL).hosts[host] = None
        inventory.hosts[host].update({key: _plain(value) for key, value in variables.items()})
    return inventory


def _names(group: str, members: Mapping[str, Any], key: str) -> Iterator[str]:
    found = members.get(key) or []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise InventoryError(f"the {key} of the group '{group}' are not a list of names")
    yield from found


def _plain(value: Any) -> Any:
    if isinstance(value, dict) and "__ansible_vault" in value:
        return Vaulted()
    if isinstance(value, dict) and "__ansible_unsafe" in value:
        return value["__ansible_unsafe"]
    return value
