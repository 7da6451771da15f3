"""What is available, what is checked out, what is known."""

from __future__ import annotations

import pytest

from namepool.core.leases import Lease, Leases


def _leases(*available: str) -> Leases:
    leases = Leases()
    for name in available:
        assert leases.learn(name)
        leases.available.append(name)
    return leases


def test_a_name_that_reads_like_a_known_one_is_not_learnt() -> None:
    leases = _leases("Ada the Yak Shaver")

    assert not leases.learn("ada, the yak-shaver")
    assert leases.known_count == 1
    assert leases.canonical("ada, the yak-shaver") == "Ada the Yak Shaver"
    assert leases.canonical("Bea") == "Bea"


def test_the_used_names_are_those_of_the_moment_they_were_asked_for() -> None:
    leases = _leases("Ada", "Bea")
    used = leases.used()
    leases.learn("Cid")

    assert list(used) == ["Ada", "Bea"]
    assert used[-1] == "Bea"
    assert used[:1] == ["Ada"]
    with pytest.raises(IndexError):
        used[2]


def test_only_the_checkout_that_lasts_is_current() -> None:
    leases = _leases("Ada")
    leases.checked_out["Ada"] = (7, {"o": 7})

    assert leases.lease_of("Ada") == Lease("Ada", 7)
    assert leases.is_current(Lease("Ada", 7))
    assert not leases.is_current(Lease("Ada", 6))
    assert not leases.is_current(Lease("Bea", 7))
    assert list(leases.speakers_of("Ada")) == ["o"]
    assert list(leases.speakers_of("Bea")) == []


def test_what_was_orphaned_before_a_moment_is_found_oldest_first() -> None:
    leases = Leases()
    leases.orphans.update({"Ada": 1.0, "Bea": 2.0, "Cid": 3.0})

    assert leases.orphaned_before(2.0) == ["Ada", "Bea"]


def test_a_name_that_stands_twice_after_a_crash_stands_once_after_the_recovery() -> None:
    leases = _leases("Ada", "Bea", "Cid")
    available = leases.available
    leases.checked_out["Ada"] = (1, {})  # leased, and not yet taken from the queue
    available.append("Bea")  # a recovery was cut short
    leases.orphans.update({"Ada": 1.0, "Gone": 2.0})

    leases.recover()

    assert list(leases.available) == ["Bea", "Cid"]
    assert leases.available is available
    assert leases.known_count == 3
    assert list(leases.orphans) == ["Ada"]


def test_after_a_reset_nothing_is_known_and_an_old_view_still_reads() -> None:
    leases = _leases("Ada")
    used = leases.used()

    leases.clear()
    leases.recover()

    assert leases.known_count == 0
    assert list(leases.used()) == []
    assert list(used) == ["Ada"]
