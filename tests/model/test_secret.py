"""A secret prints as asterisks in every form of output."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass

import pytest

from assist_cli.model.secret import MASK, Secret, reveal


def test_it_prints_as_asterisks() -> None:
    @dataclass(frozen=True)
    class Holder:
        value: Secret

    secret = Secret("canary")
    printed = [str(secret), repr(secret), f"{secret}", f"{secret!r:>20}", "{} {!r}".format(*[secret] * 2)]
    printed += [str([secret]), repr({"k": secret}), str(Holder(secret)), repr(vars(Holder(secret)))]
    assert all(MASK in text and "canary" not in text for text in printed)
    assert secret.reveal() == "canary"


def test_it_cannot_be_serialised_by_accident() -> None:
    with pytest.raises(TypeError):
        json.dumps(Secret("canary"))
    with pytest.raises(TypeError):
        pickle.dumps(Secret("canary"))
    assert not hasattr(Secret("canary"), "__dict__")


def test_secrets_are_compared_by_value() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_a_secret_of_the_history_has_no_value() -> None:
    assert str(Secret(None)) == MASK
    with pytest.raises(LookupError):
        Secret(None).reveal()


def test_reveal_leaves_plain_values() -> None:
    assert reveal(Secret("a")) == "a"
    assert reveal("b") == "b"
