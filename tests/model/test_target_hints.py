"""Hints for targets that name no instance: the forms of other tools in our own."""

from __future__ import annotations

import contextlib
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assist_cli.errors import AssistError
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.instance import Instance
from assist_cli.model.target import Selection, choose

NOW = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)


def instance(name: str, address: str, **tags: str) -> Instance:
    return Instance(new_id(Kind.INSTANCE, 0), name, address, NOW, tags=tags)


FLEET = [
    *(instance(f"web{number:02}", f"ssh:root@10.0.0.{number}", role="web") for number in range(10, 0, -1)),
    instance("db1", "tls:db.example.com:7433", role="db", canary=""),
    instance("mail.example.com", "ssh:ops@[2001:db8::25]:2222?sudo"),
    instance("local", "local"),
]


def hint(target: str, fleet: list[Instance] = FLEET, *, with_local: bool = False) -> str:
    with pytest.raises(AssistError) as caught:
        choose(fleet, Selection((target,)), with_local=with_local)
    return caught.value.hint


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        # tags
        ("role=web", "'@role=web'"),
        ("role:web", "'@role=web'"),
        ("role=wbe", "'@role=web'"),
        ("tag:role=web", "'@role=web'"),
        ("tag:role", "'@role'"),
        ("G@role:web", "'@role=web'"),
        ("@role=wbe", "'@role=web'"),
        ("@rol=web", "'@role=web'"),
        ("@rule", "'@role'"),
        ("@canary=yes", "'@canary'"),
        ("@web", "'@role=web'"),
        ("@web01", "'web01'"),
        ("canary", "'@canary'"),
        # all but some
        ("web*!web01", "'web*,!web01'"),
        ("web*:!web01", "'web*,!web01'"),
        ("web and not web01", "'web*,!web01'"),
        ("all:!web01", "--all -i '!web01'"),
        ("* and not @role=web", "--all -i '!@role=web'"),
        ("not web01", "--all -i '!web01'"),
        ("canary:", "'@canary'"),
        # everything, and this machine
        ("all", "--all"),
        ("ALL", "--all"),
        ("@all", "--all"),
        ("localhost", "'local'"),
        ("127.0.0.1", "'local'"),
        ("local.", "'local'"),
        # addresses
        ("10.0.0.5", "'web05'"),
        ("root@10.0.0.5", "'web05'"),
        ("10.0.0.5:22", "'web05'"),
        ("ssh:root@10.0.0.5", "'web05'"),
        ("2001:db8::25", "'mail.example.com'"),
        ("db.example.com", "'db1'"),
        ("root@web01", "'web01'"),
        ("web01:22", "'web01'"),
        ("web01.example.com", "'web01'"),
        ("mail", "'mail.example.com'"),
        # several in one
        ("web01 web02", "'web01,web02'"),
        ("web01;web02", "'web01,web02'"),
        ("web01:db1", "'web01,db1'"),
        ("role=web db1", "'@role=web,db1'"),
        ("web01 or db1", "'web01,db1'"),
        ("role=db and canary", "'@role=db&@canary'"),
        # ranges and patterns
        ("web{01..05}", "'web[01-05]'"),
        ("web01-05", "'web[01-05]'"),
        ("web01-web05", "'web[01-05]'"),
        ("web01..05", "'web[01-05]'"),
        ("web[1-3]", "'web[01-03]'"),
        ("~web.*", "'web*'"),
        ("WEB*", "'web*'"),
        ("wbe*", "'web*'"),
        # names
        ("WEB01", "'web01'"),
        ("web1", "'web01'"),
        ("wbe03", "'web03'"),
        ("'web01'", "'web01'"),
    ],
)
def test_the_target_that_is_meant_comes_first(target: str, meant: str) -> None:
    assert hint(target).startswith(f"did you mean {meant}")


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("web", "did you mean 'web*', '@role=web' or 'web01'? assist instance list shows all"),
        ("web99", "did you mean 'web09', 'web*' or '@role=web'? assist instance list shows all"),
        ("10.0.0.99", "no instance has this address; to add one: assist instance install root@10.0.0.99"),
        (
            "ops@new.example.com",
            "no instance has this address; to add one: assist instance install ops@new.example.com",
        ),
        ("2001:db8::9", "no instance has this address; to add one: assist instance install 'root@[2001:db8::9]'"),
        ("@role=zzz", "values of 'role': db, web"),
        ("@zzz", "there are these tags: canary, role"),
        ("hosts.ini", "-i takes names, not a file of hosts; assist help targets shows the forms"),
        ("web[01-20]", "every name of a range must be registered; those that exist: 'web*'"),
        ("web{1,2}", "a range has brackets, as in 'web[1-3,5]'; assist help targets shows the forms"),
        (
            "root@10.0.0.1:22 name=web01 role=web",
            "it is a line for assist instance install -f; a line here is a target, as web01 or @role=web",
        ),
        ("web[1:5]", "write 'web[1-5]'"),
        ("web01,", "without the empty part: -i web01"),
        ("!web01", "from all: --all -i '!web01'; or give another target before it"),
        ("@role=web&@role=db", "no instance is in all parts of it; of one part: assist instance list @role=web"),
        ("zzzzzz", "assist instance list shows all"),
    ],
)
def test_hints(target: str, text: str) -> None:
    assert hint(target) == text


def test_a_range_that_is_registered_in_part_names_what_is_missing() -> None:
    with pytest.raises(AssistError, match=r"'web\[11-20\]' of 'web\[01-20\]'"):
        choose(FLEET, Selection(("web[01-20]",)))


def test_all_terms_that_match_nothing_are_named() -> None:
    with pytest.raises(AssistError, match="cannot find the instances 'localhost', 'role=web', 'zzz'") as caught:
        choose(FLEET, Selection(("localhost,role=web", "zzz,db1")))
    assert caught.value.hint == (
        "'localhost': did you mean 'local'? It is the agent of this machine; "
        "'role=web': did you mean '@role=web'; assist instance list shows all"
    )


def test_for_one_instance_no_hint_shows_several() -> None:
    with pytest.raises(AssistError) as caught:
        choose(FLEET, Selection(("web",)), one=True)
    assert caught.value.hint.startswith("did you mean 'web01', 'web02' or 'web03'?")


def test_the_glob_of_a_range_has_one_star() -> None:
    assert hint("web[1-3]*").endswith("those that exist: 'web*'")


def test_a_home_without_instances_says_how_to_add_one() -> None:
    local = [instance("local", "local")]
    assert hint("web01", local).endswith("to add one: assist instance install root@HOST")
    assert hint("ops@10.0.0.5", local).endswith("to add one: assist instance install ops@10.0.0.5")


def test_of_an_invocation_the_hint_names_its_instances() -> None:
    assert hint("web12", FLEET[:3], with_local=True).endswith("it has these instances: web[08-10]")
    assert hint("web01", FLEET[-1:], with_local=True) == "it has these instances: local"


@given(st.text(max_size=30))
def test_no_text_does_harm(text: str) -> None:
    with contextlib.suppress(AssistError):
        choose(FLEET, Selection((text,)))
