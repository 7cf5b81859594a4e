"""Destinations: the text after ``ssh:`` in an address."""

from __future__ import annotations

import pytest

from assist_cli.agents.destination import Destination, parse
from assist_cli.errors import InvalidParameter


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("web1", Destination("web1")),
        ("root@web1", Destination("web1", "root")),
        ("ops@web1:2222?sudo", Destination("web1", "ops", 2222, sudo=True)),
        ("[2001:db8::5]:22", Destination("2001:db8::5", port=22)),
        ("2001:db8::5", Destination("2001:db8::5")),
        ("root@fe80::1%eth0", Destination("fe80::1%eth0", "root")),
        ("ann@corp.example@web1", Destination("web1", "ann@corp.example")),
        ("CORP\\ann@web1", Destination("web1", "CORP\\ann")),
        ("web1?identity=/k%26%20y&jump=a@b:1,c", Destination("web1", identity="/k& y", jump="a@b:1,c")),
    ],
)
def test_reading_and_writing_a_destination_round_trips(text: str, meant: Destination) -> None:
    assert parse(text) == meant
    assert parse(str(meant)) == meant


@pytest.mark.parametrize(
    "text",
    [
        *("", "@web1", "web1:", "web1:0", "web1:65536", "web1:x", "a b", "web1\n", "web1?x", "web1?sudo=yes"),
        *("-oProxyCommand=x", "-x@web1", "$(id)", "`id`@web1", "a;b", "a|b", "a'b", 'a"b@web1', "web1?jump=$(id)"),
        *("web1?jump=a?sudo", "a/b", "[::1", "web1?jump=a,,b"),
    ],
)
def test_an_invalid_destination_or_one_with_shell_characters_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse(text)
    assert caught.value.code == "InvalidAddress"
    assert text in caught.value.message or "jump" in text
