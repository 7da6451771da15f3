"""The queue of those who wait."""

from __future__ import annotations

from math import inf

import pytest

from namepool.core.state import PoolState
from namepool.core.stock import Wait, Waiters
from tests.support import lease_for


def waiters(*owners: str) -> Waiters:
    waiters = Waiters()
    for number, owner in enumerate(owners):
        lease = lease_for(PoolState(), owner)
        lease.wait = Wait(owner.upper(), float(number), number + 1.5)
        waiters[lease] = None
    return waiters


def test_the_first_is_who_came_first() -> None:
    assert waiters("a", "b").first().owner == "a"


def test_nobody_is_the_first_of_none() -> None:
    with pytest.raises(StopIteration):
        Waiters().first()


def test_the_first_says_since_when_it_waits() -> None:
    several = waiters("a", "b", "c")
    assert several.since() == 0.0

    del several[several.first()]

    assert several.since() == 1.0
    assert Waiters().since() == inf


def test_a_wait_knows_its_reply_and_how_long_it_may_last() -> None:
    wait = waiters("a").first().wait

    assert (wait.reply, wait.since, wait.deadline, wait.has_ended) == ("A", 0.0, 1.5, False)


def test_who_leaves_is_gone_and_the_order_of_the_others_stays() -> None:
    several = waiters("a", "b", "c")
    _, second, _ = several

    del several[second]

    assert [lease.owner for lease in several] == ["a", "c"]
    assert second not in several


def test_all_are_taken_in_the_order_in_which_they_came() -> None:
    several = waiters("b", "a")

    assert [lease.owner for lease in several.take_all()] == ["b", "a"]
    assert not several
