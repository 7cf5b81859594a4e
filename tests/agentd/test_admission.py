"""Admission: a new connection replaces an old one that has not said hello, never one that has."""

from __future__ import annotations

from agentd.admission import Admission


def names(admission: Admission) -> set[object]:
    return set(admission.everybody())


def test_the_oldest_connection_without_hello_of_the_busiest_address_is_closed() -> None:
    admission = Admission(6)
    for name in ("a1", "b1", "a2", "b2", "c1", "b3"):
        assert admission.enter(name, name[0]) is None
    assert admission.enter("d1", "d") == "b1"
    assert names(admission) == {"a1", "a2", "b2", "b3", "c1", "d1"}


def test_an_address_gets_half_of_the_connections() -> None:
    admission = Admission(6)
    for number in range(3):
        assert admission.enter(number, "10.0.0.1") is None
    assert admission.enter(3, "10.0.0.1") == 0
    assert admission.enter("other", "10.0.0.2") is None


def test_addresses_of_one_ipv6_network_are_one() -> None:
    admission = Admission(4)
    admission.enter(1, "2001:db8::1")
    admission.enter(2, "2001:db8::2%eth0")
    assert admission.enter(3, "2001:db8::ffff:3") == 1
    assert admission.enter(4, "2001:db8:1::1") is None
    mapped = Admission(2)
    mapped.enter(1, "::ffff:10.0.0.1")
    assert mapped.enter(2, "::ffff:10.0.0.2") is None


def test_a_connection_that_said_hello_is_kept() -> None:
    admission = Admission(2)
    for number in range(2):
        admission.enter(number)
        assert admission.greet(number)
    for number in range(2, 9):
        admission.enter(number)
        assert not admission.greet(number)
    assert names(admission) == {0, 1, 7, 8}
    admission.leave(0)
    assert admission.greet(8)
