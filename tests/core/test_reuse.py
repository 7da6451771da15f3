"""A name that was given back rests until ``reuse_gap`` other names were handed out."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from namepool.actors.later import LATER
from namepool.core.leases import Lease, Taking
from namepool.core.options import PoolOptions
from tests.core.scene import admit, available, checkin, checkout, look_at, state_with
from tests.support import lease_for


def serially(gap: int, names: int, rounds: int) -> list[str]:
    """Return the names that agents get one after another; each gives its name back at once."""
    state = state_with(*(f"Name {n}" for n in range(names)), gap=gap)
    got = []
    for _ in range(rounds):
        lease = checkout(state, "agent")
        got.append(lease.name)
        state.end(lease)
    return got


@pytest.mark.parametrize("gap", [0, 1, 2, 7])
def test_a_name_comes_again_after_so_many_others_and_no_later_than_it_must(gap: int) -> None:
    got = serially(gap, gap + 1, 100)
    assert len({*got}) == gap + 1
    assert got == got[: gap + 1] * (100 // (gap + 1)) + got[: 100 % (gap + 1)]


def test_a_name_that_rests_is_not_handed_out_and_is_available_all_the_same() -> None:
    state = state_with("Ada", gap=2)
    state.end(checkout(state, "agent"))
    assert state.begin(lease_for(state, "agent"), spare=0) is LATER
    assert state.stocks.available == 1
    assert available(state) == ["Ada"]
    look_at(state)


def test_the_gap_is_counted_for_each_theme() -> None:
    state = state_with("Ada", "Bea", "Cid", gap=2)
    admit(state, ["Gil", "Hal", "Ide"], "sea")
    state.end(checkout(state, "agent", "sea"))
    for _ in range(3):
        checkout(state, "agent")
    state.stocks["sea"].ready_due(2)
    assert list(state.stocks["sea"].resting) == [("Gil", 1)]
    for _ in range(2):
        checkout(state, "agent", "sea")
    state.stocks["sea"].ready_due(2)
    assert list(state.stocks["sea"].names) == ["Gil"]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_held_and_given_back_the_gap_is_kept_and_the_names_are_bounded(
    seed: int,
) -> None:
    rng = random.Random(seed)
    gap, most = rng.choice([(0, 3), (5, 1), (20, 7), (50, 30)])
    state = state_with(gap=gap)
    handed: list[str] = []
    held: list[Lease] = []
    fresh = 0
    for _ in range(1_500):
        if held and (len(held) == most or rng.random() < 0.5):
            state.end(held.pop(rng.randrange(len(held))))
            continue
        stock = state.stocks[None]
        stock.ready_due(gap)
        if not stock.names:
            fresh += 1
            admit(state, [f"Name {fresh}"])
        lease = checkout(state, "agent")
        held.append(lease)
        handed.append(lease.name)
    look_at(state)
    last: dict[str, int] = {}
    for at, name in enumerate(handed):
        assert at - last.get(name, -gap - 1) > gap, name
        last[name] = at
    assert fresh <= gap + 2 * most


def test_a_checkout_from_stock_finds_a_name_that_an_end_made_ready() -> None:
    """So a pool in its stride never needs its own thread for a checkout."""
    state = state_with(*(f"Name {n}" for n in range(12)), gap=5)
    for _ in range(1_000):
        lease = lease_for(state, "agent")
        state.stocks[None].floor = 3
        assert state.begin(lease) is not LATER
        state.end(lease)


def test_the_name_that_was_given_back_first_is_ready_first() -> None:
    state = state_with("Ada", "Bea", gap=9)
    leases = [checkout(state, "agent") for _ in range(2)]
    for lease in reversed(leases):
        state.end(lease)
    stock = state.stocks[None]
    stock.ready_next()
    assert checkout(state, "agent").name == "Bea"
    assert [name for name, _ in stock.resting] == ["Ada"]
    look_at(state)


def test_a_name_that_rests_may_be_taken_by_name_and_spoken_under() -> None:
    state = state_with("Ada", "Bea", gap=9)
    for _ in range(2):
        state.end(checkout(state, "agent"))
    assert state.take(lease_for(state, "agent"), "Ada") == "Ada"
    look_at(state)
    assert Counter(available(state)) == Counter(["Bea"])
    assert checkin(state, "Ada")
    assert [name for name, _ in state.stocks[None].resting] == ["Bea", "Ada"]


def test_a_reset_forgets_the_names_that_rest() -> None:
    state = state_with("Ada", gap=9)
    state.end(checkout(state, "agent"))
    state.reset()
    assert (available(state), len(state.known)) == ([], 0)
    assert admit(state, ["Ada"]).accepted == 1


@pytest.mark.parametrize("twice", ["ready", "resting", "leased"])
def test_a_name_in_two_places_is_mended_to_one(twice: str) -> None:
    state = state_with("Ada", "Bea", gap=9)
    lease = checkout(state, "agent")
    state.end(lease)
    stock = state.stocks[None]
    if twice == "ready":
        stock.names.append("Ada")
    elif twice == "resting":
        stock.resting.append(("Ada", 30))
    else:
        stock.resting.append((checkout(state, "other").name, 30))
    state.recover()
    look_at(state)
    assert [*stock.names].count("Ada") == (twice == "ready")
    assert [name for name, _ in stock.resting].count("Ada") == (twice != "ready")


def test_a_name_that_is_asked_for_by_name_does_not_count_as_another_one() -> None:
    state = state_with("Ada", "Bea", "Cid", gap=2)
    state.end(checkout(state, "agent"))
    for _ in range(5):
        lease = lease_for(state, "agent", kind=Taking)
        assert state.take(lease, "Zoe") == "Zoe"
        state.end(lease)
    state.stocks[None].ready_due(2)
    assert list(state.stocks[None].names) == ["Bea", "Cid"]


def test_another_gap_holds_from_then_on_for_the_names_that_rest_already() -> None:
    state = state_with("Ada", "Bea", "Cid", gap=1_000)
    for _ in range(3):
        state.end(checkout(state, "agent"))
    state.options = PoolOptions(reuse_gap=0)
    state.stocks[None].ready_due(0)
    assert list(state.stocks[None].names) == ["Ada", "Bea", "Cid"]
