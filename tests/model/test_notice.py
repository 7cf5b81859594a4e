"""Targets of notifications: accepted, refused, and as shown."""

from __future__ import annotations

import pytest

from assist_cli.errors import InvalidParameter
from assist_cli.model.notice import Program, Reference, Webhook, parse


@pytest.mark.parametrize(
    ("text", "meant", "shown"),
    [
        (
            "https://hooks.example.com/T0/B1?x=y",
            Webhook("https://hooks.example.com/T0/B1?x=y"),
            "https://hooks.example.com",
        ),
        (" http://[::1]:8080/ ", Webhook("http://[::1]:8080/"), "http://[::1]:8080"),
        ("mail -s 'two words' ops", Program(("mail", "-s", "two words", "ops")), "mail"),
        ("@/etc/hook", Reference("/etc/hook"), "@/etc/hook"),
    ],
)
def test_a_target_is_a_url_a_program_or_a_file(text: str, meant: object, shown: str) -> None:
    assert parse(text) == meant
    assert str(parse(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "https://ann:canary@example.com/",
        "https://canary@example.com/",
        "ftp://example.com/canary",
        "https:///canary",
        "https://example.com:99999/canary",
        "https://example.com:0/canary",
        "https://example.com/canary x",
        "https://exämple.com/canary",
        "https://[::1/canary",
        "mail 'canary",
        "mail\ncanary",
        "https://example.com/" + "canary" * 400,
    ],
)
def test_a_refused_target_is_not_repeated(text: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse(text)
    assert "canary" not in caught.value.message + caught.value.hint
    assert caught.value.code == "InvalidNotify"
