"""Targets and folded names: what users may write, and the round trip of both."""

from __future__ import annotations

import contextlib
import random
import string
import time
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assist_cli.errors import AssistError, InvalidParameter, NotFound
from assist_cli.model.folding import fold, fold_some, folded
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.instance import Instance
from assist_cli.model.names import checked_tag, checked_target_name
from assist_cli.model.target import Selection, choose, may_mean

NOW = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)


def instance(name: str, tags: Mapping[str, str] | None = None, id: str = "") -> Instance:
    return Instance(id or new_id(Kind.INSTANCE, 0), name, f"tls:{name}", NOW, tags=tags or {})


FLEET = [
    *(instance(f"web{number:02}", {"role": "web", "zone": f"z{number % 3}"}) for number in range(1, 21)),
    instance("db1", {"role": "db"}, "i-01kbdk5g8w3m9v6yx2r4hq7cne"),
    instance("db2", {"role": "db", "canary": ""}, "i-01kbdk5g8w3m9v6yx2r4hq7cnf"),
    instance("rack1-node10"),
    instance("odd[1]"),
    instance("Zürich 1"),
]


def names(*targets: str, **more: int | bool) -> list[str]:
    return [each.name for each in choose(FLEET, Selection(targets, **more))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["web01"], "web01"),
        (["db1", "web03"], "db1,web03"),
        (["db1,web03"], "db1,web03"),
        (["db1", "db1", "db?"], "db[1-2]"),
        (["i-01kbdk5g8w3m9v6yx2r4hq7cne"], "db1"),
        (["i-01kbdk5g8w3m9v6yx2r4hq7cnf,web0*"], "db2,web[01-09]"),
        (["web*"], "web[01-20]"),
        (["web?5"], "web[05,15]"),
        (["*"], "Zürich 1,db[1-2],odd[1],rack1-node10,web[01-20]"),
        (["web[01-03]"], "web[01-03]"),
        (["web[01,03,05-07]"], "web[01,03,05-07]"),
        (["web[01-09/4]"], "web[01,05,09]"),
        (["web[08-12]"], "web[08-12]"),
        (["web[0-1][1-9]"], "web[01-09,11-19]"),
        (["web[0-1]*"], "web[01-19]"),
        (["rack[1]-node[10]"], "rack1-node10"),
        (["odd[1]"], "odd[1]"),
        (["Zürich 1"], "Zürich 1"),
        (["Zu\u0308rich 1"], "Zürich 1"),
        (["@role=db"], "db[1-2]"),
        (["@canary"], "db2"),
        (["@canary="], "db2"),
        (["@role=w*,!@zone=z0"], "web[01-02,04-05,07-08,10-11,13-14,16-17,19-20]"),
        (["web*,!web03"], "web[01-02,04-20]"),
        (["!web03,web*"], "web[01-02,04-20]"),
        (["web*", "!web[02-20]"], "web01"),
        (["@role=web,!web1*,!web20"], "web[01-09]"),
        (["@role=web&@zone=z0"], "web[03,06,09,12,15,18]"),
        (["db1,@role=web & @zone=z0 & web0*"], "db1,web[03,06,09]"),
        (["@role=web&@zone=z0,!web03", "!web[06-09]&@zone=z0"], "web[12,15,18]"),
        (["web[01-05]&web[04-08]"], "web[04-05]"),
        (["i-01kbdk5g8w3m9v6yx2r4hq7cne&@role=db"], "db1"),
    ],
)
def test_the_meaning_of_targets(targets: list[str], expected: str) -> None:
    assert fold(names(*targets)) == expected


def test_all_with_exclusions() -> None:
    assert len(names(everything=True)) == len(FLEET)
    assert fold(names("!web*,!db*", everything=True)) == "Zürich 1,odd[1],rack1-node10"


def test_all_instances_excludes_local() -> None:
    fleet = [*FLEET, instance("local")]
    assert choose(fleet, Selection(everything=True)) == choose(FLEET, Selection(("*",)))
    assert instance("local").name not in [each.name for each in choose(fleet, Selection(pick=len(FLEET)))]
    for every in (choose(fleet, Selection(("*",))), choose(fleet, Selection(everything=True), with_local=True)):
        assert len(every) == len(fleet)
    with pytest.raises(NotFound) as caught:
        choose([instance("local")], Selection(everything=True))
    assert caught.value.hint.startswith("-i local")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("local", True),
        ("web1,*", True),
        ("l?c*&*l", True),
        ("local&@role=web", False),
        ("web*", False),
        ("web*,!local", False),
        ("@role=*", False),
    ],
)
def test_a_selection_knows_whether_it_may_mean_a_name(target: str, expected: bool) -> None:
    assert may_mean(Selection((target,)), "local") is expected


def test_names_come_in_natural_order() -> None:
    fleet = [instance(name) for name in ("web10", "web9", "web1", "db")]
    assert [each.name for each in choose(fleet, Selection(everything=True))] == ["db", "web1", "web9", "web10"]


@pytest.mark.parametrize(
    ("targets", "named"),
    [
        (["web99"], "'web99'"),
        (["web01,web99"], "'web99'"),
        (["mail*"], "'mail*'"),
        (["web[01-22]"], "'web[21-22]'"),
        (["@rule=web"], "'@rule=web'"),
        (["@"], "'@'"),
        (["i-09"], "'i-09'"),
        (["web*,!wbe03"], "'wbe03'"),
        (["@role=web&@zone=z9"], "'@zone=z9'"),
        (["@role=web&@role=db"], "'@role=web&@role=db'"),
        (["web*,!db1&web01"], "'db1&web01'"),
        (["web01,!web01"], "no instance is left"),
    ],
)
def test_a_target_without_a_match_is_an_error(targets: list[str], named: str) -> None:
    with pytest.raises(NotFound) as caught:
        names(*targets)
    assert named in caught.value.message
    assert caught.value.code == "InstanceNotExists"


def test_an_ambiguous_prefix_is_an_error() -> None:
    with pytest.raises(NotFound, match="2 ids"):
        names("i-01kbdk")


@pytest.mark.parametrize(
    "target",
    [
        *("", "web01,,web02", "!", "! ", "!web01", "web01&", "&web01", "web01&&web02", "web*&!web01", "!web01&!web02"),
        *("web[]", "web[5-1]", "web[a-c]", "web[1-5/0]", "web[0-999999]", "web[1-]", "web[1&2]"),
        *("web[9-010]", "web[1-010]", "web[01-010]", "web[001-10]", "web[00-5]", "group:web", "web*,!file:/tmp/hosts"),
    ],
)
def test_an_invalid_target_is_refused(target: str) -> None:
    with pytest.raises(InvalidParameter):
        names(target)


def test_a_range_of_many_digits_is_refused_immediately() -> None:
    with pytest.raises(InvalidParameter):
        names("web[1-" + "9" * 6000 + "]")


def test_an_empty_inventory() -> None:
    with pytest.raises(NotFound, match="no instance is registered"):
        choose([], Selection(everything=True))


@given(st.text(max_size=40))
def test_any_text_is_harmless(text: str) -> None:
    with contextlib.suppress(AssistError):
        assert names(text)


# random picks


def test_a_pick_is_repeatable_with_its_seed() -> None:
    picked = names("web*", pick=5, seed=7)
    assert len(set(picked)) == 5
    assert picked == names("web*", pick=5, seed=7)
    assert {tuple(names("web*", pick=5, seed=seed)) for seed in range(20)} != {tuple(picked)}


def test_a_pick_without_targets_is_from_all() -> None:
    assert len(names(pick=len(FLEET))) == len(FLEET)


def test_a_pick_does_not_depend_on_the_order_of_the_list_or_on_names() -> None:
    before = {each.id for each in choose(FLEET, Selection(everything=True, pick=4, seed=1))}
    renamed = [instance(f"x{number}", id=each.id) for number, each in enumerate(reversed(FLEET))]
    assert {each.id for each in choose(renamed, Selection(everything=True, pick=4, seed=1))} == before


@pytest.mark.parametrize("pick", [0, -1, 21])
def test_a_pick_of_zero_or_too_many_is_refused(pick: int) -> None:
    with pytest.raises(InvalidParameter):
        names("web*", pick=pick)


# folding


def expanded(text: str, of: list[str]) -> list[str]:
    """The names that a folded text means, in a fleet of these."""
    return [each.name for each in choose([instance(name) for name in of], Selection((text,)))]


@pytest.mark.parametrize(
    ("given_names", "text"),
    [
        ([], ""),
        (["web"], "web"),
        (["web1"], "web1"),
        (["web1", "web1"], "web1"),
        (["web1", "web2", "web4"], "web[1-2,4]"),
        (["web08", "web09", "web10", "web11"], "web[08-11]"),
        (["web1", "web01", "web001"], "web[1,01,001]"),
        (["web0", "web1", "web2"], "web[0-2]"),
        (["99", "100", "101"], "[99-101]"),
        (["web9", "web10"], "web[9-10]"),
        (["db", "web2", "web1", "db1"], "db,db1,web[1-2]"),
        ([f"rack{a}-node{b:02}" for a in (1, 2) for b in (1, 2, 3)], "rack[1-2]-node[01-03]"),
        (["10.0.0.1", "10.0.0.2", "10.0.1.1", "10.0.1.2"], "10.0.[0-1].[1-2]"),
        (["a[1]", "a[2]"], "a[1],a[2]"),
        (["x&y1", "x&y2", "w^1", "東京1", "東京2", "n٣"], "n٣,w^1,x&y1,x&y2,東京[1-2]"),
        (["a12345678901234567890", "a12345678901234567891"], "a12345678901234567890,a12345678901234567891"),
        (["a999999999999999998", "a999999999999999999"], "a[999999999999999998-999999999999999999]"),
    ],
)
def test_folding_of_names(given_names: list[str], text: str) -> None:
    assert fold(given_names) == text


def test_a_few_long_names_are_all_shown() -> None:
    long = [f"{name}.{'frankfurt' * 4}.example" for name in "abcde"]
    assert fold_some(long[:2]) == ",".join(long[:2])
    assert fold_some(long) == ",".join(long)
    assert fold_some([*long, "f", "g"]) == f"{','.join(long)} and 2 more"


def is_accepted(name: str) -> bool:
    with contextlib.suppress(AssistError):
        return checked_target_name(name) == name
    return False


# Signs of targets, digits with and without zeros, spaces, combining characters: everything that a name may have
# besides letters, and what it may not have, which is filtered below as it is refused when a name is given.
ANY_NAME = st.one_of(
    st.from_regex(r"\A[a-c]{0,2}[0-2]{1,3}(-[ab][0-3]{1,2})?\Z"),
    st.text("ab0129-.:=!@#$%^&*()[]{}<>?/\\|~ '\"\u0338\u0301ü東", min_size=1, max_size=8),
    st.from_regex(r"\A[ab][0-9]{1,19}\Z"),
    st.text(min_size=1, max_size=12),
).filter(is_accepted)
NAMES = st.lists(ANY_NAME, min_size=1, max_size=60, unique=True)


@given(NAMES)
def test_folded_text_expands_to_the_same_names(given_names: list[str]) -> None:
    known = sorted({unicodedata.normalize("NFC", name) for name in given_names})
    assert sorted(expanded(fold(known), known)) == known


@given(NAMES)
def test_folding_expanded_names_gives_the_same_text(given_names: list[str]) -> None:
    known = list({unicodedata.normalize("NFC", name) for name in given_names})
    text = fold(known)
    assert fold(expanded(text, known)) == text
    assert fold(known[::-1]) == text


@settings(max_examples=50)
@given(ANY_NAME, ANY_NAME.filter(lambda key: "=" not in key), ANY_NAME)
def test_an_accepted_tag_can_be_selected(name: str, key: str, value: str) -> None:
    assert checked_tag(key, value) == (key, value)
    fleet = [instance(name, {key: value}), instance(f"{name}-", {f"{key}-": value})]
    for target in (f"@{key}={value}", f"@{key}", f"@{key}={value}&{name}", f"{name}-,{name},!@{key}-={value}"):
        assert [each.name for each in choose(fleet, Selection((target,)))] == [name]


@pytest.mark.parametrize(
    "name",
    ["!web", "group:web", "file:web", "a&b", "web*", "web?", "web[1]", "a]", "\u0338x", "web" + "1" * 19],
)
def test_a_name_that_no_target_can_express_is_refused(name: str) -> None:
    for check, words in ((checked_target_name, [name]), (checked_tag, [name, ""]), (checked_tag, ["a", name])):
        with pytest.raises(InvalidParameter) as refused:
            check(*words)
        assert refused.value.code == "InvalidName"


@pytest.mark.parametrize(
    ("said", "near"),
    [("web[1-3]", "'web[01-03]'"), ("WEB01", "'web01'"), ("Web[07,008]", "'web[07-08]'"), ("web100", "'web10'")],
)
def test_an_unknown_name_gets_a_suggestion(said: str, near: str) -> None:
    fleet = [instance(f"web{number:02}") for number in range(1, 11)]
    with pytest.raises(NotFound) as refused:
        choose(fleet, Selection((said,)))
    assert refused.value.hint.startswith("did you mean ")
    assert near in refused.value.hint


def test_a_name_does_not_start_like_an_id_and_a_tag_may() -> None:
    with pytest.raises(InvalidParameter, match="it looks like the beginning of an id") as refused:
        checked_target_name("i-01m8j8aveg")
    assert refused.value.hint == "do not begin it with 'i-'"
    assert checked_target_name("i-robot") == "i-robot"
    assert checked_tag("t-1", "r-2") == ("t-1", "r-2")


def test_the_key_of_a_tag_has_no_equals_sign() -> None:
    with pytest.raises(InvalidParameter, match="'='"):
        checked_tag("a=b", "")


def test_an_old_invalid_name_is_still_selected_by_its_exact_text() -> None:
    old = ["a*b", "a&b", "web[1]", "web[2]", "x12345678901234567890", "x12345678901234567891"]
    assert expanded(fold(old), [*old, "aab"]) == sorted(old)


def irregular(kind: str, count: int) -> list[str]:
    chance = random.Random(1)
    if kind == "addresses":
        return [f"10.{chance.randrange(4)}.{chance.randrange(250)}.{chance.randrange(250)}" for _ in range(count)]
    if kind == "hashes":
        return ["i-" + "".join(chance.choices("0123456789abcdef", k=8)) for _ in range(count)]
    letters = string.ascii_lowercase + string.digits + "-."
    return ["".join(chance.choices(letters, k=12)) for _ in range(count)]


@pytest.mark.parametrize("kind", ["addresses", "hashes", "letters"])
def test_ten_thousand_irregular_names_take_less_than_a_second(kind: str) -> None:
    given_names = irregular(kind, 10_000)
    begin = time.process_time()
    parts = folded(given_names)
    assert time.process_time() - begin < 1
    assert len(parts) <= len(set(given_names))
