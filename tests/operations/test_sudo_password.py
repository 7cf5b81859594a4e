"""The password of sudo: asked for one time, and a wrong one is tried on one machine only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from assist_cli.errors import AssistError, InvalidParameter, Refused
from assist_cli.model.secret import Secret
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet.many import Many, Progress, Question
from assist_cli.operations.fleet.sudo_password import SudoPassword

PLACES = [f"web{number}" for number in range(12)]


def tried(password: SudoPassword, right: str) -> tuple[list[str], list[str]]:
    """Prove a password on all places in threads. Return the attempts and the messages."""
    attempts, messages = [], []

    def prove(place: str) -> None:
        def attempt(secret: Secret) -> str:
            attempts.append(place)
            return "" if secret.reveal() == right else "wrong"

        try:
            password.prove(place, attempt)
        except Refused as error:
            messages.append(error.message)

    with ThreadPoolExecutor(len(PLACES)) as pool:
        list(pool.map(prove, PLACES))
    return attempts, messages


def test_it_is_asked_for_once_and_used_on_all() -> None:
    asked: list[str] = []
    attempts, messages = tried(SudoPassword(lambda place: asked.append(place) or Secret("canary")), "canary")
    assert (len(asked), sorted(attempts), messages) == (1, sorted(PLACES), [])


def test_a_wrong_one_is_tried_on_one_machine_only() -> None:
    attempts, messages = tried(SudoPassword(lambda place: Secret("canary")), "other")
    assert len(attempts) == 1
    first = f"cannot become root on '{attempts[0]}': sudo refused the password: wrong"
    assert first in messages
    assert all(message == first or "so it was not tried here" in message for message in messages)
    assert len(messages) == len(PLACES)
    assert "canary" not in "".join(messages)


@pytest.mark.parametrize("text", ["", "a\nb", "a\0"])
def test_what_is_not_one_line_is_refused_without_an_attempt(text: str) -> None:
    with pytest.raises(InvalidParameter, match="it is empty, or not one line"):
        SudoPassword(lambda place: Secret(text)).prove("web1", lambda secret: pytest.fail("it was tried"))


def test_an_item_can_ask_the_person_and_without_an_answer_nobody_is_asked_again(controller: Controller) -> None:
    def work(_: Controller, item: int, progress: Progress) -> str:
        return many.ask(f"question {item}")

    many = Many(controller, range(30), work, str)
    many.start()
    answers = iter(["yes", None])
    for event in many.events():
        if isinstance(event, Question):
            event.answer(next(answers, None))
    values = [outcome.value for outcome in many.close()]
    assert values.count("yes") == 1
    assert values.count(None) == 29
    assert all(isinstance(each.error, AssistError) for each in many.close() if each.value is None)
