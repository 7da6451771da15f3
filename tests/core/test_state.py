"""``PoolState``: what each of its transitions promises."""

from __future__ import annotations

import sys
from queue import Empty
from typing import Any

import pytest

from namepool.actors.later import LATER
from namepool.core.leases import Token, WholeLease
from namepool.core.state import OwnerEnded, PoolState
from tests.core.scene import (
    admit,
    associate,
    available,
    binding_for,
    checkin,
    checkout,
    look_at,
    picture,
    speakers_of,
    state_with,
)
from tests.support import lease_for, park


def signalled(state: PoolState) -> list[object]:
    """Take what waits for the pool's own thread, which was woken for it."""
    found: list[object] = []
    while True:
        try:
            what = state.signal.get_nowait()
        except Empty:
            assert not state.signalled, "nobody was woken"
            return found
        found.append(state.signalled.popleft() if what is None else what)


# Checkout


def test_names_are_issued_in_the_order_they_came() -> None:
    state = state_with("Ada", "Bea", "Cid")
    assert [checkout(state, "o").name for _ in range(3)] == ["Ada", "Bea", "Cid"]


def test_a_lease_that_begins_is_answered_with_its_name_and_says_it() -> None:
    state = state_with("Ada")
    lease = lease_for(state, "o")

    assert state.begin(lease, spare=0) == "Ada"

    assert (lease.says, lease.name, state.leases) == ("Ada", "Ada", {"Ada": lease})


@pytest.mark.parametrize(("spare", "expected"), [(0, "Ada"), (1, "Ada"), (2, LATER), (3, LATER)])
def test_a_lease_begins_only_if_more_names_are_ready_than_are_to_be_spared(
    spare: int, expected: object
) -> None:
    state = state_with("Ada", "Bea")

    assert state.begin(lease_for(state, "o"), spare) == expected


@pytest.mark.parametrize(("floor", "expected"), [(0, "Ada"), (1, "Ada"), (2, LATER)])
def test_a_lease_that_spares_what_the_stock_says_waits_until_no_fetch_is_due(
    floor: int, expected: object
) -> None:
    state = state_with("Ada", "Bea")
    state.stocks[None].floor = floor

    assert state.begin(lease_for(state, "o")) == expected


def test_nobody_overtakes_who_waits() -> None:
    state = state_with("Ada", "Bea")
    state.stocks[None].floor = 0
    park(state, "first")

    assert state.begin(lease_for(state, "o")) is LATER


def test_a_lease_is_granted_though_others_wait_if_it_is_said_what_to_spare() -> None:
    state = state_with("Ada")
    first = park(state, "first")

    assert state.begin(first, spare=0) == "Ada"


@pytest.mark.parametrize("theme", [None, "sea"])
@pytest.mark.parametrize("spare", [None, 0])
def test_what_is_done_later_has_changed_nothing(theme: str | None, spare: int | None) -> None:
    state = state_with()
    before = picture(state)
    lease = lease_for(state, "o", theme)

    assert state.begin(lease, spare) is LATER

    assert picture(state) == before
    assert (lease.says, lease.name) == (None, None)


def test_what_has_begun_is_answered_with_its_name_again() -> None:
    state = state_with("Ada", "Bea")
    lease = checkout(state, "o")

    assert state.begin(lease, spare=0) == "Ada"
    state.dissociate("o")
    assert state.begin(lease, spare=0) == "Ada"

    assert list(state.leases) == ["Ada"]


def test_what_has_ended_never_begins_again() -> None:
    state = state_with("Ada")
    lease = checkout(state, "o")
    state.end(lease)

    with pytest.raises(LookupError, match="^the request was given up before it was answered$"):
        state.begin(lease, spare=0)

    assert available(state) == ["Ada"]


# Taking a name by name


def test_a_name_in_stock_is_taken_by_name() -> None:
    state = state_with("Ada", "Bea", "Cid")
    lease = lease_for(state, "o")

    assert state.take(lease, "Bea") == "Bea"

    assert available(state) == ["Ada", "Cid"]
    assert (lease.says, state.leases["Bea"]) == ("Bea", lease)


def test_a_name_that_was_never_seen_is_taken_and_known_and_goes_home_to_the_stock() -> None:
    state = state_with("Ada")
    lease = lease_for(state, "o")

    assert state.take(lease, "Zoe") == "Zoe"
    assert (available(state), list(state.known.used())) == (["Ada"], ["Ada", "Zoe"])

    state.end(lease)
    assert available(state) == ["Ada", "Zoe"]


def test_a_name_of_a_theme_is_taken_from_its_stock_whatever_the_lease_asked_for() -> None:
    state = state_with()
    admit(state, ["Gil", "Hal"], "sea")
    lease = lease_for(state, "o")

    state.take(lease, "Hal")
    state.end(lease)

    assert list(state.stocks["sea"].names) == ["Gil", "Hal"]
    assert lease.theme == "sea"


def test_what_was_given_up_before_is_not_taken() -> None:
    state = state_with("Ada", "Bea")
    lease = lease_for(state, "o")
    state.end(lease)

    with pytest.raises(LookupError):
        state.take(lease, "Bea")

    assert available(state) == ["Ada", "Bea"]


def test_a_lease_that_took_its_name_is_answered_with_it_again() -> None:
    state = state_with("Ada", "Bea")
    lease = lease_for(state, "o")
    state.take(lease, "Bea")

    assert state.take(lease, "Bea") == "Bea"
    assert available(state) == ["Ada"]


# The end


def test_a_name_given_back_goes_to_the_back_of_the_queue() -> None:
    state = state_with("Ada", "Bea")
    state.end(checkout(state, "o"))
    assert [checkout(state, "o").name, checkout(state, "o").name] == ["Bea", "Ada"]


def test_fresh_names_go_to_the_back() -> None:
    state = state_with("Ada")
    admit(state, ["Bea"])
    state.end(checkout(state, "o"))
    admit(state, ["Cid"])
    assert available(state) == ["Bea", "Ada", "Cid"]


def test_the_end_of_a_lease_silences_everybody_who_speaks_under_it() -> None:
    state = state_with("Ada")
    lease = checkout(state, "one")
    tokens = [lease, associate(state, "two", "Ada"), associate(state, "two", "Ada", in_block=True)]

    assert state.end(lease) is True

    assert dict(state.speaking) == {}
    assert {token.says for token in tokens} == {""}


def test_a_lease_ends_once() -> None:
    state = state_with("Ada", "Bea")
    lease = checkout(state, "o")
    assert state.end(lease) is True
    before = picture(state)

    assert state.end(lease) is False

    assert picture(state) == before


def test_a_lease_that_is_over_does_not_end_a_later_one_of_the_name() -> None:
    state = state_with("Ada")
    old = checkout(state, "one")
    state.end(old)
    new = checkout(state, "two")
    assert new.name == old.name

    assert state.end(old) is False

    assert (state.leases["Ada"], new.says) == (new, "Ada")
    assert new.token > old.token


def test_a_lease_from_before_a_reset_does_not_end_a_later_one_of_the_name() -> None:
    state = state_with("Ada")
    old = checkout(state, "one")
    state.reset()
    admit(state, ["Ada"])
    new = checkout(state, "two")

    assert state.end(old) is False

    assert state.leases["Ada"] is new


def test_a_lease_that_ended_before_it_began_is_granted_nothing() -> None:
    state = state_with("Ada")
    lease = lease_for(state, "o")

    assert state.end(lease) is False

    with pytest.raises(LookupError):
        state.begin(lease, spare=0)
    assert available(state) == ["Ada"]


def test_the_end_of_a_wait_is_left_to_the_pools_own_thread() -> None:
    state = state_with()
    lease = park(state, "o", theme="sea")

    assert state.end(lease) is True

    assert lease.says == ""
    assert list(state.stocks["sea"].waiters) == [lease]
    assert signalled(state) == [lease]


def test_who_waits_is_served_by_the_pools_own_thread_when_a_name_of_its_theme_comes_home() -> None:
    state = state_with("Ada", "Bea")
    admit(state, ["Gil"], "sea")
    leases = [checkout(state, "o"), checkout(state, "o", "sea")]
    park(state, "p", theme="sea")

    for lease in leases:
        state.end(lease)

    assert signalled(state) == [leases[1]]


# The published view


def test_the_published_view_cannot_be_written() -> None:
    view: Any = PoolState().speaking
    with pytest.raises(TypeError):
        view["o"] = "Ada"


def test_the_published_view_stays_the_same_object_through_reset_and_recovery() -> None:
    state = state_with("Ada", "Bea")
    view = state.speaking
    checkout(state, "o")
    state.recover()
    state.reset()
    admit(state, ["Cid"])
    checkout(state, "p")
    assert dict(view) == {"p": "Cid"}


def test_the_published_view_tells_which_names_are_checked_out() -> None:
    state = state_with("Ada", "Bea", "Cid")
    for _ in range(2):
        checkout(state, "o")
    state.dissociate("o")
    assert state.speaking.names() == ["Ada", "Bea"]


def test_the_published_view_says_what_is_in_it() -> None:
    state = state_with("Ada", "Bea")
    checkout(state, "o")
    state.end(checkout(state, "gone"))
    assert repr(state.speaking) == "Speaking({'o': 'Ada'})"
    assert (len(state.speaking), "o" in state.speaking) == (1, True)
    for owner in ("gone", "stranger"):
        assert owner not in state.speaking
        with pytest.raises(KeyError, match=owner):
            state.speaking[owner]


def test_owners_that_come_and_go_leave_little_behind() -> None:
    state = state_with("Ada", "Bea")
    checkout(state, "stays")
    for n in range(1000):
        state.end(checkout(state, f"o{n}"))
    assert len(state.owners) <= 105
    assert dict(state.speaking) == {"stays": "Ada"}


# Owners that end


def test_an_owner_that_has_ended_is_silent_and_its_lease_stays() -> None:
    state = state_with("Ada")
    lease = checkout(state, "o")
    state.owner_ended("o", 100.0)
    assert dict(state.speaking) == {}
    assert state.leases["Ada"] is lease


def test_an_orphan_is_noted_with_the_moment_it_became_one() -> None:
    state = state_with("Ada", "Bea")
    lease = checkout(state, "o")
    checkout(state, "p")
    state.owner_ended("o", 7.5)
    assert state.orphans == {lease: 7.5}


@pytest.mark.parametrize(("before", "reclaimed"), [(99.9, []), (100.0, ["Ada"]), (200.0, ["Ada"])])
def test_an_orphan_is_reclaimed_only_after_the_given_moment(
    before: float, reclaimed: list[str]
) -> None:
    state = state_with("Ada")
    checkout(state, "o")
    state.owner_ended("o", 100.0)
    assert state.reclaim(before, 200.0) == reclaimed
    assert available(state) == reclaimed
    assert state.counters.reclaimed_count == len(reclaimed)


def test_orphans_are_reclaimed_in_the_order_they_became_so() -> None:
    state = state_with("Ada", "Bea", "Cid")
    for owner in ("a", "b", "c"):
        checkout(state, owner)
    for moment, owner in enumerate(("c", "a", "b")):
        state.owner_ended(owner, float(moment))
    assert state.reclaim(1.0, 2.0) == ["Cid", "Ada"]
    assert available(state) == ["Cid", "Ada"]


def test_a_lease_that_somebody_else_speaks_under_is_no_orphan() -> None:
    state = state_with("Ada")
    checkout(state, "parent")
    associate(state, "worker", "Ada")
    state.owner_ended("parent", 0.0)
    assert state.reclaim(1e9, 1e9) == []
    assert speakers_of(state, "Ada") == ("worker",)


def test_the_last_owner_that_ends_leaves_an_orphan() -> None:
    state = state_with("Ada")
    checkout(state, "parent")
    associate(state, "worker", "Ada")
    state.owner_ended("parent", 1.0)
    state.owner_ended("worker", 2.0)
    assert list(state.orphans.values()) == [2.0]


@pytest.mark.parametrize("spelling", ["Ada", "ADA!"])
@pytest.mark.parametrize("exclusive", [False, True])
def test_an_orphan_that_found_a_speaker_is_not_reclaimed(spelling: str, exclusive: bool) -> None:
    state = state_with("Ada")
    checkout(state, "o")
    state.owner_ended("o", 0.0)
    associate(state, "p", spelling, exclusive=exclusive)
    assert not state.orphans
    assert state.reclaim(1e9, 1e9) == []


def test_an_orphan_that_somebody_was_associated_with_since_is_not_reclaimed() -> None:
    state = state_with("Ada")
    lease = checkout(state, "worker")
    state.owner_ended("worker", 0.0)
    associate(state, "parent", "Ada")
    state.dissociate("parent", "Ada")
    assert state.reclaim(1e9, 1e9) == []
    assert state.leases["Ada"] is lease


def test_an_orphan_that_is_orphaned_again_waits_from_then_on() -> None:
    state = state_with("Ada")
    checkout(state, "o")
    state.owner_ended("o", 0.0)
    associate(state, "p", "Ada")
    state.owner_ended("p", 100.0)
    assert state.reclaim(50.0, 100.0) == []
    assert state.reclaim(100.0, 100.0) == ["Ada"]


@pytest.mark.parametrize("comes_first", ["the block", "the end of the owner"])
def test_a_block_that_speaks_under_an_orphan_puts_off_its_reclaim_and_no_more(
    comes_first: str,
) -> None:
    state = state_with("Ada", "Bea")
    for owner in "op":
        checkout(state, owner)
    if comes_first == "the block":
        block = associate(state, "q", "Ada", in_block=True)
        state.owner_ended("o", 0.0)
    else:
        state.owner_ended("o", 0.0)
        block = associate(state, "q", "Ada", in_block=True)
    state.owner_ended("p", 1.0)

    assert state.reclaim(0.0, 5.0) == []
    assert [(lease.name, since) for lease, since in state.orphans.items()] == [
        ("Bea", 1.0),
        ("Ada", 5.0),
    ]

    state.end(block)
    assert state.reclaim(4.0, 6.0) == ["Bea"]
    assert state.reclaim(5.0, 6.0) == ["Ada"]


def test_an_orphan_that_was_given_back_is_not_taken_from_its_next_holder() -> None:
    state = state_with("Ada")
    checkout(state, "o")
    state.owner_ended("o", 0.0)
    checkin(state, "Ada")
    new = checkout(state, "p")
    state.dissociate("p")
    assert state.reclaim(1e9, 1e9) == []
    assert state.leases["Ada"] is new


def test_a_lease_that_is_no_orphan_is_ended_beside_one_that_is() -> None:
    state = state_with("Ada", "Bea")
    checkout(state, "o")
    checkout(state, "p")
    state.owner_ended("o", 0.0)
    assert checkin(state, "Bea")
    assert state.reclaim(0.0, 0.0) == ["Ada"]


def test_a_lease_whose_owner_left_it_on_purpose_is_no_orphan() -> None:
    state = state_with("Ada")
    lease = checkout(state, "o")
    state.dissociate("o")
    state.owner_ended("o", 0.0)
    assert state.reclaim(1e9, 1e9) == []
    assert state.leases["Ada"] is lease


def test_orphans_that_were_given_back_leave_nothing_behind() -> None:
    state = state_with("Ada")
    for n in range(100):
        name = checkout(state, f"o{n}").name
        state.owner_ended(f"o{n}", float(n))
        checkin(state, name)  # by a parent, say; with reclaim_after=None nothing reclaims, ever
    assert not state.orphans


def test_a_block_goes_on_after_its_owner_has_ended() -> None:
    state = state_with("Ada", "Bea")
    blocks = [checkout(state, "o", in_block=True), checkout(state, "p")]
    speaking = associate(state, "o", "Bea", in_block=True)

    state.owner_ended("o", 0.0)

    assert (blocks[0].says, speaking.says) == ("Ada", "Bea")
    assert not state.orphans


@pytest.mark.parametrize("dissociated", [False, True])
def test_a_lease_of_a_block_is_not_reclaimed_whoever_spoke_under_it(dissociated: bool) -> None:
    state = state_with("Ada")
    lease = checkout(state, "o", in_block=True)
    associate(state, "helper", "Ada")
    if dissociated:
        state.dissociate("o")

    state.owner_ended("helper", 0.0)

    assert state.reclaim(1e9, 1e9) == []
    assert state.leases["Ada"] is lease


def test_who_has_ended_is_noted_while_it_waits() -> None:
    state = state_with()
    waits = [park(state, "o"), park(state, "p"), park(state, "o", theme="sea")]

    state.owner_ended("o", 0.0)

    assert [lease.wait.has_ended for lease in waits] == [True, False, True]


# What finalisers say


def test_the_end_of_an_owner_that_has_nothing_is_not_worth_a_word() -> None:
    state = state_with("Ada")
    state.end(checkout(state, "o"))
    state.owner_gone("o")
    state.owner_gone("stranger")
    assert signalled(state) == []


def test_the_end_of_an_owner_that_has_a_name_is_told_to_the_pools_own_thread() -> None:
    state = state_with("Ada", "Bea")
    checkout(state, "o")
    checkout(state, "p")
    associate(state, "q", "Bea")
    for owner in "oq":
        state.owner_gone(owner)
    assert signalled(state) == [OwnerEnded("o"), OwnerEnded("q")]


def test_any_owner_that_ends_is_told_while_somebody_waits() -> None:
    state = state_with()
    park(state, "o", theme="sea")
    state.owner_gone("o")
    assert signalled(state) == [OwnerEnded("o")]


def test_any_owner_that_ends_is_told_while_requests_are_on_their_way() -> None:
    state = state_with()
    state.is_busy = lambda: True
    state.owner_gone("o")
    assert signalled(state) == [OwnerEnded("o")]


def test_an_owner_is_looked_up_later_while_one_may_just_have_ended() -> None:
    state = state_with("Ada")
    checkout(state, "o")
    assert (state.look_up("o"), state.look_up("p")) == ("Ada", None)

    state.owner_gone("o")
    assert state.look_up("o") is LATER

    signalled(state)
    state.owner_ended("o", 0.0)
    assert state.look_up("o") is None


class _Telltale(str):
    """An owner whose first hashing tells that another has ended, as a finaliser might."""

    __slots__ = ("state",)
    state: PoolState | None

    def __hash__(self) -> int:
        state, self.state = getattr(self, "state", None), None
        if state is not None:
            state.owner_gone("o")
        return super().__hash__()

    __eq__ = str.__eq__


def test_an_owner_that_ends_during_a_recovery_is_told() -> None:
    state = state_with("Ada", "Bea")
    telltale = _Telltale("telltale")
    checkout(state, telltale)
    checkout(state, "o")
    telltale.state = state
    state.recover()
    assert signalled(state) == [OwnerEnded("o")]


# What was drawn


def test_what_was_drawn_is_what_was_asked_for_and_not_given_back() -> None:
    state = state_with("Ada", "Bea", "Cyd")
    assert state.stocks[None].drawn == 0
    checkout(state, "o")
    park(state, "p")
    assert state.stocks[None].drawn == 2
    checkin(state, "Ada")
    assert state.stocks[None].drawn == 1


def test_a_name_brought_along_is_drawn_from_nowhere() -> None:
    state = state_with("Ada", "Bea")
    associate(state, "o", "Zoe")
    state.take(lease_for(state, "o"), "Yan")
    assert state.stocks[None].drawn == 0
    associate(state, "o", "Ada")
    state.take(lease_for(state, "o"), "Bea")
    assert state.stocks[None].drawn == 2


def test_a_reset_draws_nothing() -> None:
    state = state_with("Ada", "Bea", "Cyd")
    checkout(state, "o")
    state.reset()
    assert state.stocks[None].drawn == 1
    admit(state, ["Dot"])
    assert state.stocks[None].drawn == 1


# Reset


def test_a_reset_forgets_names_leases_and_bindings() -> None:
    state = state_with("Ada", "Bea")
    checkout(state, "o")
    associate(state, "p", "Zoe")
    state.owner_ended("p", 0.0)
    state.reset()
    assert picture(state) == picture(PoolState())


def test_after_a_reset_every_token_is_over() -> None:
    state = state_with("Ada", "Bea")
    lease = checkout(state, "o", outside=True)
    tokens: list[Token] = [
        *(lease, associate(state, "o", "Ada", in_block=True), associate(state, "p", "Ada")),
        *(associate(state, "p", "Zoe"), checkout(state, "q", in_block=True)),
    ]
    state.reset()
    assert {token.says for token in tokens} == {""}
    assert [state.end(token) for token in tokens] == [False] * 5


def test_who_waits_still_waits_after_a_reset() -> None:
    state = state_with("Ada")
    lease = park(state, "o")
    state.reset()
    assert (list(state.stocks[None].waiters), lease.says) == ([lease], None)


# A forked child


def test_in_a_forked_child_every_token_is_over() -> None:
    state = state_with("Ada", "Bea")
    tokens = [
        *(checkout(state, "o"), checkout(state, "o", in_block=True), associate(state, "p", "Ada")),
        *(associate(state, "p", "Zoe"), associate(state, "q", "Ada", in_block=True)),
    ]
    state.owner_gone("o")

    state.silence_all()

    assert {token.says for token in tokens} == {""}
    assert signalled(state) == []


# Recovery


def busy_state() -> PoolState:
    state = state_with("Ada", "Bea", "Cid", "Dan", "Eve")
    for owner in ("o", "p", "o"):
        checkout(state, owner)
    associate(state, "p", "Ada")
    associate(state, "q", "Zoë", outside=True)
    checkin(state, "Bea")
    return state


def test_a_recovery_of_a_consistent_state_changes_nothing() -> None:
    state = busy_state()
    before = picture(state)
    state.recover()
    assert picture(state) == before


def test_a_name_both_leased_and_in_stock_stays_leased() -> None:
    state = busy_state()
    before = picture(state)
    state.stocks[None].names.append("Ada")
    state.stocks[None].names.appendleft("Cid")
    state.recover()
    assert picture(state) == before


def test_a_name_that_is_in_stock_twice_is_in_stock_once() -> None:
    state = busy_state()
    before = picture(state)
    state.stocks[None].names.append("Dan")
    state.recover()
    assert picture(state) == before


def test_a_lease_that_had_not_begun_never_does_and_its_name_stays_in_stock() -> None:
    state = busy_state()
    before = picture(state)
    lease = lease_for(state, "o")
    lease.name = "Dan"
    state.leases["Dan"] = lease
    state.owners["o"][lease] = None
    state.recover()
    assert picture(state) == before


def test_a_token_whose_lease_has_ended_is_over() -> None:
    state = busy_state()
    binding = associate(state, "r", "Ada")
    del state.leases["Ada"]
    state.stocks[None].names.append("Ada")
    state.recover()
    look_at(state)
    assert binding.says == ""


def test_lost_indexes_are_rebuilt_from_the_truth() -> None:
    state = busy_state()
    *before, used, speaking = picture(state)
    state.known._by_key.clear()
    state.known._log.clear()
    state.owners.clear()
    state.given.clear()
    state.recover()
    look_at(state)
    assert picture(state) == (*before, sorted(used), speaking)


def test_indexes_that_are_not_true_are_put_right() -> None:
    state = busy_state()
    before = picture(state)
    ghost = binding_for(state, "ghost", "Ada")
    ghost.outside, ghost.lease, ghost.number = True, state.leases["Ada"], 3
    state.owners["ghost"] = {ghost: None}
    state.given["ghost"] = ghost
    old = lease_for(state, "o", kind=WholeLease)
    old.name, old.says = "Dan", ""
    state.orphans[old] = 1.0
    state.recover()
    assert picture(state) == before


def test_a_recovered_state_issues_no_number_twice() -> None:
    state = state_with("Ada")
    old = checkout(state, "o")
    state.recover()
    state.end(old)
    assert checkout(state, "o").token > old.token


# The price of many names


def lines_run(n: int, *, latest_first: bool) -> int:
    """Count the lines of ``core.state`` that giving back ``n`` names of one owner takes."""
    state = state_with(*(f"Name {i}" for i in range(n)))
    leases = [checkout(state, "o") for _ in range(n)]
    lines = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for lease in reversed(leases) if latest_first else leases:
            state.end(lease)
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize("latest_first", [True, False], ids=["latest first", "oldest first"])
def test_giving_back_many_names_takes_as_many_steps_for_each(latest_first: bool) -> None:
    few, many = (lines_run(n, latest_first=latest_first) for n in (100, 2_000))
    assert many <= 21 * few
