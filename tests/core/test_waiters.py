"""The queue of those who wait."""

from __future__ import annotations

import pytest

from namepool.core.waiters import Waiter, Waiters


def _waiters(*owners: str) -> Waiters:
    waiters = Waiters()
    for ticket, owner in enumerate(owners, 1):
        waiters[ticket] = Waiter(ticket, owner, None, None)
    return waiters


def test_the_oldest_is_who_came_first() -> None:
    assert _waiters("a", "b").oldest().owner == "a"


def test_nobody_is_the_oldest_of_none() -> None:
    with pytest.raises(StopIteration):
        Waiters().oldest()


def test_who_withdraws_is_gone_and_the_order_of_the_others_stays() -> None:
    waiters = _waiters("a", "b", "c")

    withdrawn = waiters.withdraw(2)

    assert withdrawn is not None
    assert withdrawn.owner == "b"
    assert list(waiters) == [1, 3]
    assert waiters.withdraw(2) is None


def test_all_are_taken_in_the_order_in_which_they_came() -> None:
    waiters = _waiters("a", "b")

    assert [waiter.owner for waiter in waiters.take_all()] == ["a", "b"]
    assert not waiters


def test_an_ended_owner_keeps_its_places_and_they_say_so() -> None:
    waiters = _waiters("a", "b", "a")

    waiters.owner_ended("a")

    assert [(w.owner, w.has_ended) for w in waiters.values()] == [
        ("a", True),
        ("b", False),
        ("a", True),
    ]
