"""The targets of a person as instances (docs/cli.md section 2).

A target is one of these; several stand in a comma list (commas in brackets belong to the range):

==================  ==================================================================
``i-01kbdk…``       an id, or a unique beginning of one
``web1``            a name
``web*`` ``db?``    a glob: ``*`` any text, ``?`` any character
``web[01-20,30]``   a range: numbers with their leading zeros, ``a-b/step`` too
``@canary``         every instance that has the tag
``@role=web``       every instance whose tag has this value; ``*`` and ``?`` in it too
``@os=debian``      every instance without a tag ``os`` whose fact has this value
``group:NAME``      the instances of a saved target
``file:PATH``       the instances of the targets in a file, a list on each line
``x&y``             the instances in both ``x`` and ``y``; it binds tighter than the comma
``!x``              excludes the instances in ``x``, anywhere in the list
==================  ==================================================================

Each part of a target must match something: with a misspelt ``!web03`` that excluded nothing, the command would run
where it must not. The exact name of an instance wins over the meaning of its characters.
``target_hints`` has the hints for those that name nothing.

Facts, groups and files come from ``Sources``. Without them, ``@`` means tags only, and groups and files are refused. So
the scope of an access key or a user, which is resolved without sources, never depends on the report of an agent.
"""

import contextlib
import fnmatch
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from assist_cli import codes
from assist_cli.errors import AssistError, InvalidParameter, NotFound
from assist_cli.model import ids, names
from assist_cli.model.folding import fold, is_padded, natural_key
from assist_cli.model.instance import COMMON_FACTS, FACTS, LOCAL, Instance
from assist_cli.structs import Struct

RANGE_LIMIT = 100_000

_BRACKETS = r"\[([^\[\]]*)\]"
_DIGITS = f"([0-9]{{1,{names.DIGITS}}})"
_PART = f"{_DIGITS}(?:-{_DIGITS}(?:/{_DIGITS})?)?"
_GLOB = r"[*?]"
_GIB = 2**30
_NO_PLACES: Mapping[str, str] = MappingProxyType({})


class TargetGroup(Struct):
    """A saved target and its name."""

    name: str
    target: str


class Sources(Protocol):
    """The source of targets that are more than names and tags of instances."""

    def fact(self, name: str, glob: str) -> Mapping[str, Any]:
        """Return a fact by id of instance, as the agent reported it, but a list as a tuple.

        Instances whose value does not match ``glob`` may be missing.
        """

    def group(self, name: str) -> str:
        """Return the target of a saved group. Raises NotFound."""

    def file(self, path: str) -> Sequence[tuple[int, str]]:
        """Return the targets in a file, with the numbers of their lines. Raises FileFailure, InvalidParameter."""


class Selection(Struct):
    """The targets that a person gave, or ``everything``, and how many of these to ``pick`` at random.

    ``everything`` is each instance but ``local``. The same ``seed`` picks the same of the same instances; None picks
    others each time. ``reads_files`` allows ``file:PATH``: the targets come from the owner of the home, not from a
    client of the API or of the web console, to whom an error would show lines of any file.
    """

    targets: tuple[str, ...] = ()
    everything: bool = False
    pick: int | None = None
    seed: int | None = None
    reads_files: bool = False

    @property
    def is_empty(self) -> bool:
        """Return True if no targets are given, which means this machine."""
        return not self.targets and not self.everything and self.pick is None


def fact_words(name: str, value: Any) -> tuple[str, ...]:
    """Return the values that match a fact in a target: the memory in GiB, rounded up; each address."""
    if name == "memory":
        return (f"{-(-value // _GIB)}GiB",)
    return tuple(value) if isinstance(value, (list, tuple)) else (str(value),)


def choose(
    instances: Sequence[Instance],
    selection: Selection,
    *,
    sources: Sources | None = None,
    with_local: bool = False,
    one: bool = False,
) -> list[Instance]:
    """Return the selected instances, each one time, in the order of their names.

    Without ``sources`` only names, ids and tags select them. With ``pick`` and no target it picks from everything;
    ``with_local`` adds ``local`` to everything; with ``one`` hints show only targets that name one instance. Raises
    NotFound (InstanceNotExists) when a part matches nothing or nothing is left, InvalidParameter for an invalid target,
    and the errors of ``sources``.
    """
    wanted, unwanted = _parted(selection)
    everything = selection.everything or (selection.pick is not None and not wanted)
    if unwanted and not wanted and not everything:
        raise InvalidParameter(
            f"cannot exclude '{unwanted[0]}': there is no target to exclude it from",
            hint=f"from all: --all -i {names.quoted('!' + unwanted[0])}; or give another target before it",
            code=codes.INVALID_TARGET,
        )
    found: dict[str, Instance] = {}
    if everything:
        found = {each.id: each for each in instances if with_local or each.name != LOCAL}
        if not found:
            raise NotFound(
                f"cannot find a target: no instance is registered except '{LOCAL}'",
                hint=f"-i {LOCAL} is the agent of this machine",
                code=codes.INSTANCE_NOT_EXISTS,
            )
    index = _Index(instances, sources, files=selection.reads_files, registered=not with_local, one=one)
    found.update((each.id, each) for each in _all_of(index, wanted))
    for each in _all_of(index, unwanted):
        found.pop(each.id, None)
    if not found:
        raise NotFound(
            "cannot find a target: no instance is left",
            hint="assist instance list shows what there is",
            code=codes.INSTANCE_NOT_EXISTS,
        )
    chosen = ordered(found.values())
    return chosen if selection.pick is None else _sample(chosen, selection.pick, selection.seed)


@contextlib.contextmanager
def placed(place: str) -> Iterator[None]:
    """Add the place of a target, as ``line 3 of 'hosts'``, to the message of an error."""
    try:
        yield
    except (NotFound, InvalidParameter) as error:
        if not place:
            raise
        raise type(error)(f"{error.message} ({place})", hint=error.hint, code=error.code) from None


def _all_of(index: "_Index", wanted: Iterable[str], places: Mapping[str, str] = _NO_PLACES) -> list[Instance]:
    """Return the instances of all terms. ``places`` has those of terms in groups and files, for messages.

    Raises InvalidParameter, and NotFound with all terms that match nothing.
    """
    found: list[Instance] = []
    lost: dict[str, NotFound] = {}
    for term in wanted:
        try:
            with placed(places.get(term, "")):
                found += index.find(term)
        except NotFound as error:
            lost[term] = error
    if len(lost) == 1:
        raise next(iter(lost.values()))
    if lost:
        from assist_cli.model import target_hints

        hints = {term: error.hint for term, error in lost.items()}
        quoted = [f"'{term}' ({places[term]})" if term in places else f"'{term}'" for term in lost]
        raise NotFound(
            f"cannot find the instances {names.some_of(quoted)}",
            hint=target_hints.joined(hints),
            code=codes.INSTANCE_NOT_EXISTS,
        )
    return found


def terms(selection: Selection) -> list[str]:
    """Return the parts of the comma lists of a selection. Raises InvalidParameter for an empty one."""
    found = []
    for target in selection.targets:
        parts = _split(names.normal(target), ",")
        if not all(part.removeprefix("!").strip() for part in parts):
            rest = ",".join(part for part in parts if part.removeprefix("!").strip())
            hint = f"without the empty part: -i {names.quoted(rest)}" if rest else "give a name, or --all"
            raise _invalid(target, "a part of it is empty", hint=hint)
        found += parts
    return found


def atoms(term: str) -> list[str]:
    """Return the parts of a term between ``&``, without a ``!`` before the first one.

    Raises InvalidParameter for a part that cannot be used there.
    """
    parts = _split(term.removeprefix("!"), "&")
    for part in parts:
        if not part:
            raise _invalid(term, "a part of it is empty")
        if part.startswith("!"):
            raise _invalid(term, "'!' excludes from the whole list", hint=f"write a comma before '{part}'")
    return parts


def refuse_files(text: str) -> None:
    """Check a list of targets for a group or a file, if it is not empty. Raises InvalidParameter, also for a file."""
    for term in terms(Selection((text,))) if text else ():
        if any(part.startswith("file:") for part in atoms(term)):
            raise _invalid(term, "'file:' cannot be used in a group or in a file", hint="give the targets in that file")


def may_mean(selection: Selection, name: str, sources: Sources | None = None) -> bool:
    """Return True if the selection includes an instance of this name, which has no number and no tag.

    Raises the errors of ``sources``.
    """
    wanted, _ = _parted(selection)
    kinds = names.RESERVED if selection.reads_files else names.RESERVED[:1]
    return any(
        all(_may_mean(part, name, sources if part.startswith(kinds) else None) for part in _split(term, "&"))
        for term in wanted
    )


def _may_mean(part: str, name: str, sources: Sources | None) -> bool:
    if sources is not None:
        kind, _, listed = part.partition(":")
        lines = [sources.group(listed)] if kind == "group" else [text for _, text in sources.file(listed)]
        return any(may_mean(Selection((text,)), name, sources) for text in lines)
    return not part.startswith("@") and _glob(part).match(name) is not None


def _parted(selection: Selection) -> tuple[list[str], list[str]]:
    """Return the terms that include, and those that exclude, without their ``!``."""
    wanted: list[str] = []
    unwanted: list[str] = []
    for term in terms(selection):
        if term.startswith("!"):
            unwanted.append(term[1:].strip())
        else:
            wanted.append(term)
    return wanted, unwanted


def _sample(chosen: list[Instance], size: int, seed: int | None) -> list[Instance]:
    """Return ``size`` of the instances. The choice follows from their ids, so that a renamed one stays picked."""
    if not 0 < size <= len(chosen):
        raise InvalidParameter(
            f"cannot pick {size} of {len(chosen)}: there are only {len(chosen)}" if size > 0 else f"cannot pick {size}",
            hint=f"give --pick a number from 1 to {len(chosen)}",
            code=codes.INVALID_PICK,
        )
    by_id = sorted(chosen, key=lambda each: each.id)
    import random  # takes 5 ms, and few pick

    picked = {each.id for each in random.Random(seed).sample(by_id, size)}
    return [each for each in chosen if each.id in picked]


def _split(text: str, sign: str) -> list[str]:
    """Return the parts of a text between signs outside of brackets."""
    masked = re.sub(_BRACKETS, lambda found: found[0].replace(sign, "\0"), text)
    return [part.replace("\0", sign).strip() for part in masked.split(sign)]


def _invalid(target: str, reason: str, hint: str = "assist help targets shows the forms") -> InvalidParameter:
    return InvalidParameter(f"cannot use the target '{target}': {reason}", hint=hint, code=codes.INVALID_TARGET)


class _Index:
    """An index of instances by name and id."""

    def __init__(
        self,
        instances: Sequence[Instance],
        sources: Sources | None = None,
        *,
        files: bool = False,
        registered: bool = True,
        with_hints: bool = True,
        one: bool = False,
    ) -> None:
        self._instances = instances
        self._sources = sources
        self._files = files
        self._one = one
        self._registered = registered
        self._with_hints = with_hints
        self._by_name = {each.name: each for each in instances}

    def find(self, term: str) -> list[Instance]:
        """Return the instances that one term matches, at least one. Raises NotFound, InvalidParameter."""
        first, *others = [term] if term in self._by_name else atoms(term)
        found = self._find(first)
        for part in others:
            also = {each.id for each in self._find(part)}
            found = [each for each in found if each.id in also]
        if not found:
            raise NotFound(
                f"cannot find an instance '{term}'",
                hint=f"no instance is in all parts of it; of one part: assist instance list {names.quoted(first)}",
                code=codes.INSTANCE_NOT_EXISTS,
            )
        return found

    def _find(self, term: str) -> list[Instance]:
        if term in self._by_name:
            return [self._by_name[term]]
        if term.startswith("@"):
            return self._tagged(term) or self._nothing(term)
        if term.startswith(names.RESERVED):
            return self._listed(term)
        if ids.is_prefix(term, ids.Kind.INSTANCE):
            return self._by_id(term)
        if not re.search(_BRACKETS, term):
            return self._named(term) or self._nothing(term)
        found: list[Instance] = []
        missing = []
        for name in _expanded(term):
            named = self._named(name)
            found += named
            if not named:
                missing.append(name)
        return found if not missing else self._nothing(term, missing)

    def _named(self, text: str) -> list[Instance]:
        if re.search(_GLOB, text):
            matches = _glob(text).match
            return [each for each in self._instances if matches(each.name)]
        found = self._by_name.get(text)
        return [] if found is None else [found]

    def _tagged(self, term: str) -> list[Instance]:
        key, equals, value = term[1:].partition("=")
        wanted = value if equals else "*"
        matches = _glob(wanted).match
        facts = self._sources.fact(key, wanted) if self._sources is not None and key in FACTS else {}
        if not facts:
            return [each for each in self._instances if key in each.tags and matches(each.tags[key])]
        # Most instances share their values, so each value is matched one time.
        fits = {value: any(map(matches, fact_words(key, value))) for value in set(facts.values())}
        return [
            each
            for each in self._instances
            if (matches(each.tags[key]) if key in each.tags else fits.get(facts.get(each.id)))
        ]

    def _listed(self, term: str) -> list[Instance]:
        """Return the instances of ``group:NAME`` or ``file:PATH``. Raises as ``find``, and FileFailure."""
        kind, _, name = term.partition(":")
        if self._sources is None or (kind == "file" and not self._files):
            raise _invalid(term, f"'{kind}:' cannot be used here", hint="give names, whole ids and tags")
        if kind == "group":
            lines = [(f"in the group '{name}'", self._sources.group(name))]
        else:
            lines = [(f"line {number} of '{name}'", text) for number, text in self._sources.file(name)]
        wanted: dict[str, str] = {}
        unwanted: dict[str, str] = {}
        for place, text in lines:
            for part in terms(Selection((text,))):
                if part.startswith("!"):
                    unwanted.setdefault(part[1:].strip(), place)
                else:
                    wanted.setdefault(part, place)
        found = {each.id: each for each in _all_of(self, wanted, wanted)}
        for each in _all_of(self, unwanted, unwanted):
            found.pop(each.id, None)
        if not found:
            raise NotFound(
                f"cannot find an instance '{term}'",
                hint="no instance is left in it",
                code=codes.INSTANCE_NOT_EXISTS,
            )
        return list(found.values())

    def _by_id(self, term: str) -> list[Instance]:
        found = [each for each in self._instances if each.id.startswith(term)]
        if len(found) > 1:
            raise NotFound(
                f"cannot tell which instance '{term}' is: {len(found)} ids begin with it",
                hint=f"write more of it, or use the name: {names.some_of([each.name for each in found])}",
                code=codes.INSTANCE_NOT_EXISTS,
            )
        return found or self._nothing(term)

    def _nothing(self, term: str, missing: Sequence[str] = ()) -> list[Instance]:
        """Raise NotFound for a term, or for the ``missing`` names of its range, with the targets that may be meant."""
        hint = ""
        if self._with_hints:
            from assist_cli.model import target_hints  # most targets need none

            hint = target_hints.hint(
                term, self._with_facts(term), self._names_any, missing, registered=self._registered, one=self._one
            )
        what = f"'{fold(missing)}' of '{term}'" if missing and fold(missing) != term else f"'{term}'"
        raise NotFound(f"cannot find an instance {what}", hint=hint, code=codes.INSTANCE_NOT_EXISTS)

    def _with_facts(self, term: str) -> Sequence[Instance]:
        """Return the instances for hints, with the facts that targets often name, or that ``term`` names, as tags."""
        if self._sources is None:
            return self._instances
        keys = dict.fromkeys((*COMMON_FACTS, *(name for name in FACTS if term.startswith(f"@{name}="))))
        facts = {
            name: {id: ", ".join(fact_words(name, value)) for id, value in self._sources.fact(name, "*").items()}
            for name in keys
        }
        return [
            each._replace(
                tags={**{name: facts[name][each.id] for name in facts if each.id in facts[name]}, **each.tags}
            )
            for each in self._instances
        ]

    def _names_any(self, text: str) -> bool:
        """Return True if a target names an instance, or exactly one."""
        try:
            index = _Index(self._instances, self._sources, with_hints=False)
            found = {each.id for term in terms(Selection((text,))) for each in index.find(term)}
            return len(found) == 1 if self._one else bool(found)
        except AssistError:
            return text == LOCAL


def _glob(text: str) -> re.Pattern[str]:
    """Return the pattern of a glob, in which only ``*`` and ``?`` have a meaning."""
    return re.compile(fnmatch.translate(text.replace("[", "[[]")))


def _expanded(term: str) -> Iterator[str]:
    """Yield the names of a term with ranges. Raises InvalidParameter for too many names or an invalid range."""
    pieces = re.split(_BRACKETS, term)  # text, range, text, range, …, text
    ranges = [_numbers(term, text) for text in pieces[1::2]]
    size = 1
    for parts in ranges:
        size *= sum(len(numbers) for numbers, _ in parts)
    if size > RANGE_LIMIT:
        raise _invalid(term, f"it has more than {RANGE_LIMIT} names", hint="use a glob, as in web*")
    texts = [[f"{number:0{width}}" for numbers, width in parts for number in numbers] for parts in ranges]
    for chosen in itertools.product(*texts):
        yield "".join(itertools.chain.from_iterable(itertools.zip_longest(pieces[::2], chosen, fillvalue="")))


def _numbers(term: str, text: str) -> list[tuple[range, int]]:
    """Parse ``01-20/2,30`` into ranges, each with the width that its leading zeros require."""
    parts = []
    for part in text.split(","):
        found = re.fullmatch(_PART, part.strip())
        first, last, step = (found[1], found[2] or found[1], int(found[3] or 1)) if found else ("1", "0", 1)
        if int(last) < int(first) or step < 1:
            hint = "write [1-20], [01-20], [1,3,5-9] or [0-10/2]"
            other = re.sub(r"([0-9]+)(?::|\.\.)([0-9]+)", r"\1-\2", text)  # as Ansible and shells write ranges
            if other != text:
                hint = f"write {names.quoted(term.replace(f'[{text}]', f'[{other}]'))}"
            raise _invalid(term, f"'[{text}]' is not a range", hint=hint)
        if len(first) != len(last) and (is_padded(last) or (is_padded(first) and len(last) < len(first))):
            hint = f"write both ends with as many digits, as in [{first.zfill(len(last))}-{last.zfill(len(first))}]"
            raise _invalid(term, f"the ends of '[{part.strip()}]' have different leading zeros", hint=hint)
        parts.append((range(int(first), int(last) + 1, step), len(first) if is_padded(first) else 1))
    return parts


def ordered(instances: Iterable[Instance]) -> list[Instance]:
    """Return the instances in the natural order of their names."""
    return sorted(instances, key=lambda each: natural_key(each.name))
