"""Rollouts: the waves of an invocation over its instances."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assist_cli.errors import InvalidParameter
from assist_cli.model.rollout import AT_ONCE, Rollout, Share, share

shares = st.one_of(
    st.builds(Share, st.integers(1, 50)), st.builds(Share, st.integers(1, 100), st.just(True)), st.none()
)


@given(st.integers(0, 200), shares, shares)
def test_every_instance_is_in_one_wave(total: int, canary: Share | None, batch: Share | None) -> None:
    waves = list(Rollout(canary=canary, batch=batch).waves(total))
    assert [position for wave in waves for position in wave] == list(range(total))
    assert all(len(wave) > 0 for wave in waves)


def test_the_canary_is_first_and_there_is_one() -> None:
    rollout = Rollout(canary=Share(2), batch=Share(25, percent=True))
    assert list(map(len, rollout.waves(10))) == [2, 2, 2, 2, 2]
    assert list(map(len, Rollout(canary=Share(1), batch=Share(4)).waves(10))) == [1, 4, 4, 1]
    assert list(map(len, Rollout(canary=Share(3)).waves(10))) == [3, 7]


def test_a_canary_may_be_a_percentage() -> None:
    canary = Rollout(canary=Share(25, percent=True))
    assert list(map(len, canary.waves(8))) == [2, 6]
    assert list(map(len, canary.waves(3))) == [1, 2]


def test_without_options_there_is_one_wave() -> None:
    assert list(AT_ONCE.waves(1000)) == [range(1000)]
    assert AT_ONCE.is_plain
    assert AT_ONCE.tolerated(1000) is None


def test_a_batch_is_at_least_one_instance() -> None:
    assert list(map(len, Rollout(batch=Share(1, percent=True)).waves(3))) == [1, 1, 1]


@pytest.mark.parametrize(
    ("limit", "total", "tolerated"),
    [
        (Share(0), 10, 0),
        (Share(3), 10, 3),
        (Share(5, percent=True), 100, 5),
        (Share(5, percent=True), 19, 0),
        (Share(5, percent=True), 20, 1),
    ],
)
def test_as_many_may_fail_as_the_limit_says(limit: Share, total: int, tolerated: int) -> None:
    assert Rollout(max_errors=limit).tolerated(total) == tolerated


@pytest.mark.parametrize("text", ["", "x", "-1", "0", "101%", "5 %", "1.5", "5%%", "９"])
def test_an_invalid_share_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="cannot use --batch"):
        share(text, "--batch", least=1)


def test_shares_are_written_as_they_are_read() -> None:
    assert [str(share(text, "--batch", least=0)) for text in ("0", "7", "25%", "100%")] == ["0", "7", "25%", "100%"]
