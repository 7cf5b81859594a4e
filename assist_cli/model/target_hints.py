"""Hints for a target that names no instance: what its user may have meant, in the forms of targets that exist.

People write targets in the forms of other tools: ``role=web``, ``all``, ``10.0.0.5``, ``root@web01``, ``web01 web02``,
``web{01..20}``, ``web.*``. The rules below are tried in their order. A hint shows only targets that name an instance.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from assist_cli.model import names
from assist_cli.model.folding import fold, folded, likeness, natural_key
from assist_cli.model.instance import LOCAL, Instance

SHOWN = 3
LIST = "assist instance list shows all"
FORMS = "assist help targets shows the forms"

ALL = frozenset({"all", "any", "every", "everything", "everywhere"})
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1", "self", "this", "."})
_TAG_PREFIX = re.compile(r"(?:key=)?(?:tags?[:.=]|[GIP]@)|@", re.IGNORECASE)
_FILE = re.compile(r"\.(?:ini|ya?ml|txt|cfg|conf|list|json|csv)$", re.IGNORECASE)
_SPAN = re.compile(r"(?P<stem>.*?)(?P<first>[0-9]+)(?:-|:|\.\.)(?P=stem)?(?P<last>[0-9]+)(?P<rest>\D*)")
_BRACES = re.compile(r"\{([0-9]+)\.\.([0-9]+)\}")
_EXCEPT = re.compile(r"(?P<all>.*?)\s*(?::\s*)?(?:!|(?:\band\s+)?\bnot\s)\s*(?P<but>[^!]+)", re.IGNORECASE)
_HOST_LINE = re.compile(r"\S+(?:\s+[^\s=]+=.*)+")  # of a file for ``install -f``
_SCHEME = re.compile(r"(?:(?:ssh|tls|https?)://|(?:ssh|tls):)", re.IGNORECASE)
_HOST = re.compile(r"(?:[^@\s]*@)?(?:\[(?P<six>[^\]]+)\]|(?P<name>[^:\s]+))(?::[0-9]+)?(?:\?sudo)?")
_IP = re.compile(r"[0-9]+(?:\.[0-9]+){3}|[0-9a-f]*:[0-9a-f:]+", re.IGNORECASE)

Finds = Callable[[str], bool]
Rule = Callable[[str, Sequence[Instance], Finds], Iterator[str]]


def hint(
    term: str,
    instances: Sequence[Instance],
    finds: Finds,
    missing: Sequence[str] = (),
    *,
    registered: bool = True,
    one: bool = False,
) -> str:
    """Return the hint for ``term``, which names no instance, or lacks the ``missing`` names of its range.

    ``finds`` tells whether a target names an instance, and with ``one`` no other. The instances are all that are
    ``registered``, or those of one invocation.
    """
    if not registered:
        where = f"it has these instances: {names.some_of(folded(each.name for each in instances))}"
        return f"{_question(_meant(term, instances, finds))}{where}"
    word = term.strip().strip("'\"").casefold()
    if word.lstrip("@") in ALL and one:
        return "name one instance; for all: assist instance status"
    if word.lstrip("@") in ALL:
        return f"did you mean --all? It is every instance but '{LOCAL}'"
    if word in _THIS_MACHINE:
        return f"did you mean '{LOCAL}'? It is the agent of this machine"
    if _HOST_LINE.fullmatch(term):
        return "it is a line for assist instance install -f; a line here is a target, as web01 or @role=web"
    but = _all_but(word, finds)
    if but and not one:
        return f"did you mean --all -i {_shown(f'!{but}')}? {FORMS}"
    if all(each.name == LOCAL for each in instances):
        return f"no instance is registered besides '{LOCAL}'; to add one: {_install(term)}"
    if missing:
        return _of_range(term, instances, finds, missing)
    if re.search(r"[{}]|\[[^]]*$", term) and not _BRACES.search(term):
        return f"a range has brackets, as in 'web[1-3,5]'; {FORMS}"
    found = _meant(term, instances, finds)
    if found:
        return f"{_question(found)}{LIST}"
    if term.startswith("@"):
        return _of_tags(term, instances)
    if "/" in term or _FILE.search(term):
        return f"-i takes names, not a file of hosts; {FORMS}"
    if _is_address(term):
        return f"no instance has this address; to add one: {_install(term)}"
    return LIST


def joined(hints: Mapping[str, str]) -> str:
    """Return one hint for several terms, from the hint of each; the first ones if there are many."""
    own = {term: text.removesuffix(LIST).strip() for term, text in hints.items()}
    if len(set(own.values())) == 1:
        return next(iter(hints.values()))
    texts = [f"'{term}': {text.rstrip('?')}" for term, text in own.items() if text][:SHOWN]
    return "; ".join([*texts, LIST])


def _meant(term: str, instances: Sequence[Instance], finds: Finds) -> list[str]:
    """Return what the first successful rule finds."""
    for rule in _RULES:
        found = list(itertools.islice(_existing(rule(term, instances, finds), finds, term), SHOWN))
        if found:
            return found
    return []


def _of_range(term: str, instances: Sequence[Instance], finds: Finds, missing: Sequence[str]) -> str:
    found = list(_existing([_alike(missing, instances)], finds, term))
    glob = re.sub(r"\*+", "*", re.sub(r"\[[^]]*\]", "*", term))
    there = f"; those that exist: {_shown(glob)}" if finds(glob) and not found else ""
    return f"{_question(found)}every name of a range must be registered{there}"


def _question(found: Sequence[str]) -> str:
    """Return the beginning of a hint: ``did you mean 'web*' or 'web01'? ``, or nothing."""
    if not found:
        return ""
    *first, last = map(_shown, found)
    return f"did you mean {', '.join(first)}{' or ' if first else ''}{last}? "


def _shown(target: str) -> str:
    """Return a target in quotes, to be pasted into a shell."""
    word = names.quoted(target)
    return f"'{word}'" if word == target else word


def _existing(targets: Iterable[str], finds: Finds, term: str) -> Iterator[str]:
    """Yield the targets that name an instance, each once."""
    done = {term, ""}
    for target in targets:
        if target not in done:
            done.add(target)
            if finds(target):
                yield target


# The rules: each yields targets that a term may mean.


def _same(term: str, instances: Sequence[Instance], finds: Finds) -> Iterator[str]:
    """Yield the same name without punctuation, in another case, or with other leading zeros."""
    bare = term.strip(" .,;:'\"“”‘’")
    yield bare
    yield _alike([bare], instances)
    if bare.casefold() == LOCAL:
        yield LOCAL


def _alike(wanted: Iterable[str], instances: Sequence[Instance]) -> str:
    alike = {likeness(each) for each in wanted}
    return fold(each.name for each in instances if likeness(each.name) in alike)


def _all_but(word: str, finds: Finds) -> str:
    """Return the target that ``all:!web07``, ``* and not web07`` or ``not web07`` excludes from all; else nothing."""
    found = _EXCEPT.fullmatch(word)
    return found["but"] if found and found["all"] in {"", "*", *ALL} and finds(found["but"]) else ""


def _excluded(term: str, instances: Sequence[Instance], finds: Finds) -> Iterator[str]:
    """Yield the list of ``web:!web07``, ``web* and not web07`` and ``web*!web07``."""
    found = _EXCEPT.fullmatch(term)
    if found:
        sides = [side if finds(side) else _first(side, instances, finds) for side in (found["all"], found["but"])]
        if all(sides):
            yield ",!".join(sides)


def _tagged(term: str, instances: Sequence[Instance], finds: Finds) -> Iterator[str]:
    """Yield the tag of ``role=web``, ``tag:role=web``, ``G@role:web`` and ``Key=tag:role``."""
    bare = _TAG_PREFIX.sub("", term, 1)
    key, _, value = bare.replace("==", "=").replace(":", "=", 1).partition("=")
    if value:
        yield f"@{key}={value}"
        yield from (f"@{key}={near}" for near in names.nearest(value, _values(instances).get(key, ())))
    elif bare != term:
        yield f"@{key}"


def _several(term: str, instances: Sequence[Instance], finds: Finds) -> Iterator[str]:
    """Yield a list for several targets that stand in one: ``web01 web02``, ``web:db``, ``web and @canary``."""
    for sign, separator in ((",", r"\s+or\s+|[\s;|]+|\s*:(?!/)\s*"), ("&", r"\s+and\s+|\s*&+\s*|:&")):
        parts = [part for part in re.split(separator, term) if part]
        if len(parts) > 1:
            right = [part if finds(part) else _first(part, instances, finds) for part in parts]
            if all(right):
                yield sign.join(right)


def _first(part: str, instances: Sequence[Instance], finds: Finds) -> str:
    rules = (rule for rule in _RULES if rule not in (_several, _excluded) and rule is not _similar)
    return next((found for rule in rules for found in _existing(rule(part, instances, finds), finds, "")), "")


def _placed(term: str, instances: Sequence[Instance], finds: Finds) -> Iterator[str]:
    """Yield the instances at this address: ``10.0.0.5``, ``root@web01``, ``web01:22``, ``web01.example.com``."""
    host = _host(term)
    at = [each.name for each in instances if term == each.address or (host and _host(each.address) == host)]
    yield from sorted(at, key=natural_key)
    yield host
    if not _IP.fullmatch(host):
        yield host.partition(".")[0]
    yield from sorted((each.name for each in instances if each.name.startswith(f"{term}.")), key=natural_key)


def _spanned(term: str, instances: Sequence[Instance], finds: Finds) -> Iterator[str]:
    """Yield the range of ``web{01..20}``, ``web01-05`` and ``web01-web05``."""
    yield _BRACES.sub(r"[\1-\2]", term)
    span = _SPAN.fullmatch(term)
    if span:
        yield f"{span['stem']}[{span['first']}-{span['last']}]{span['rest']}"


def _matching(term: str, instances: Sequence[Instance], finds: Finds) -> Iterator[str]:
    """Yield the glob of a regular expression, of another case, or of the beginning of names; and tags of this value."""
    plain = re.sub(r"^(?:[ELSN]@|~)?\^?|\$$", "", term).replace(".*", "*").replace(".+", "*")
    stem = plain.strip("*?")
    begun = [name for name in _names(instances) if stem and name.casefold().startswith(stem.casefold())]
    yield plain
    if begun:
        yield f"{begun[0][: len(stem)]}*"
    known = _values(instances)
    key = term.lstrip("@").rstrip(":")  # "web:" is left of "web:&db"
    yield f"@{key}"
    yield from (f"@{other}={key}" for other in sorted(known) if key in known[other])
    yield from begun
    if "*" in plain and stem:
        yield f"*{stem}*"


def _similar(term: str, instances: Sequence[Instance], finds: Finds) -> Iterator[str]:
    """Yield names and tags that are spelt in a similar way."""
    known = _values(instances)
    key, _, value = term[1:].partition("=") if term.startswith("@") else (term, "", "")
    if term.startswith("@"):
        for other in names.nearest(key, sorted(known)):
            if not value or not known[other]:
                yield f"@{other}"
            yield from (f"@{other}={near}" for near in names.nearest(value, known[other]))
        yield key
    word = (_host(term) or term).strip("*?")
    cutoff = 0.85 if _is_address(term) else names.SIMILAR
    yield from names.nearest(word, _names(instances), cutoff)
    yield from (f"{stem}*" for stem in names.nearest(word, dict.fromkeys(map(_stem, _names(instances))), cutoff))
    yield from (f"@{other}={near}" for other in sorted(known) for near in names.nearest(value or key, known[other]))


_RULES: Sequence[Rule] = (_same, _tagged, _excluded, _several, _spanned, _placed, _matching, _similar)


def _names(instances: Sequence[Instance]) -> list[str]:
    """Return the names in natural order, with that of this machine."""
    return sorted({each.name for each in instances} | {LOCAL}, key=natural_key)


def _stem(name: str) -> str:
    return name.rstrip("0123456789")


def _host(address: str) -> str:
    """Return the host of an address; empty where it has none."""
    if address.startswith("unix:"):
        return ""
    bare = _SCHEME.sub("", address, 1)
    if _IP.fullmatch(bare):
        return bare.casefold()
    found = _HOST.fullmatch(bare)
    return (found["six"] or found["name"]).casefold() if found else ""


def _is_address(term: str) -> bool:
    host = _host(term)
    is_host = re.fullmatch(r"[\w.-]*[.][\w.-]*", host) is not None or host != term.casefold()
    return bool(host) and "=" not in term and (is_host or _IP.fullmatch(host) is not None)


def _install(term: str) -> str:
    """Return the command that adds a machine, with what is known of it."""
    host = _host(term) if _is_address(term) else ""
    user = term.rpartition("@")[0].rpartition(":")[2] or "root"
    place = f"{user}@[{host}]" if ":" in host else f"{user}@{host}"
    return f"assist instance install {names.quoted(place)}" if host else "assist instance install root@HOST"


def _values(instances: Sequence[Instance]) -> dict[str, list[str]]:
    """Return the values of each tag."""
    found: dict[str, set[str]] = {}
    for each in instances:
        for key, value in each.tags.items():
            found.setdefault(key, set()).add(value)
    return {key: sorted(values - {""}, key=natural_key) for key, values in found.items()}


def _of_tags(term: str, instances: Sequence[Instance]) -> str:
    """Return the hint for a tag that is like none."""
    known = _values(instances)
    key = term[1:].partition("=")[0]
    if not known:
        return "no instance has a tag; to set one: assist instance tag NAME role=web"
    if known.get(key):
        return f"values of '{key}': {names.some_of(known[key])}"
    return f"there are these tags: {names.some_of(sorted(known))}"
