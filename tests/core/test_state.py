"""``PoolState``: single promises, and a machine that holds it against a tiny model."""

from __future__ import annotations

import sys
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from namepool.core.events import LateChunk, OwnerEnded, Withdrawal
from namepool.core.leases import Admission, Lease, LeaseRecord, UsedNames
from namepool.core.names import DEFAULT_NAME, name_key, why_invalid
from namepool.core.state import PoolState
from tests.support import park


def _state(*names: str) -> PoolState:
    state = PoolState()
    state.admit(names)
    return state


def _lease(state: PoolState, owner: str) -> Lease:
    name = state.checkout(owner)
    assert name is not None
    return state.lease_of(name)


def _speakers(state: PoolState) -> dict[str, dict[str, int]]:
    return {name: dict(held[1]) for name, held in state.leases.items()}


def _indexes(state: PoolState) -> tuple[Any, ...]:
    return (
        list(state.available),
        _speakers(state),
        dict(state._leases._known),
        list(state._leases._log),
        {owner: list(names) for owner, names in state._several.items()},
        dict(state.speaking),
    )


# Checkout and checkin


def test_names_are_issued_in_the_order_they_came() -> None:
    state = _state("Ada", "Bea", "Cid")
    assert [_lease(state, "o").name for _ in range(3)] == ["Ada", "Bea", "Cid"]


def test_an_empty_pool_has_no_name_to_give() -> None:
    state = PoolState()
    assert state.checkout("o") is None
    assert dict(state.speaking) == {}


def test_a_name_given_back_goes_to_the_back_of_the_queue() -> None:
    state = _state("Ada", "Bea")
    state.checkin(_lease(state, "o").name)
    assert [_lease(state, "o").name, _lease(state, "o").name] == ["Bea", "Ada"]


def test_fresh_names_go_to_the_back() -> None:
    state = _state("Ada")
    state.admit(["Bea"])
    state.checkin(_lease(state, "o").name)
    state.admit(["Cid"])
    assert list(state.available) == ["Bea", "Ada", "Cid"]


def test_a_checkin_unbinds_every_speaker() -> None:
    state = _state("Ada")
    _lease(state, "one")
    state.associate("two", "Ada")
    assert state.checkin("Ada")
    assert dict(state.speaking) == {}
    assert tuple(state.speakers_of("Ada")) == ()


@pytest.mark.parametrize("name", ["Ada", "Nobody Knows", ""])
def test_a_checkin_of_what_is_not_checked_out_changes_nothing(name: str) -> None:
    state = _state("Ada", "Bea")
    before = _indexes(state)
    assert state.checkin(name) is False
    assert _indexes(state) == before


def test_a_lease_is_current_until_its_checkin() -> None:
    state = _state("Ada")
    lease = _lease(state, "o")
    assert state.is_current(lease)
    state.checkin("Ada")
    assert not state.is_current(lease)


def test_a_later_checkout_of_the_name_does_not_make_an_old_lease_current() -> None:
    state = _state("Ada")
    old = _lease(state, "one")
    state.checkin("Ada")
    new = _lease(state, "two")
    assert new.name == old.name
    assert not state.is_current(old)
    assert state.is_current(new)


def test_a_name_leased_again_after_a_reset_does_not_make_an_old_lease_current() -> None:
    state = _state("Ada")
    old = _lease(state, "one")
    state.reset()
    state.admit(["Ada"])
    _lease(state, "two")
    assert not state.is_current(old)


# Bindings


def test_an_owner_of_several_names_speaks_under_the_latest() -> None:
    state = _state("Ada", "Bea")
    _lease(state, "o")
    _lease(state, "o")
    assert state.speaking["o"] == "Bea"


def test_an_owner_that_gives_the_latest_back_speaks_under_the_one_before() -> None:
    state = _state("Ada", "Bea", "Cid")
    for _ in range(3):
        _lease(state, "o")
    state.checkin("Bea")
    assert state.speaking["o"] == "Cid"
    state.checkin("Cid")
    assert state.speaking["o"] == "Ada"


def test_a_name_associated_again_is_the_latest_again() -> None:
    state = _state("Ada", "Bea", "Cid")
    for _ in range(3):
        _lease(state, "o")
    state.associate("o", "Ada")
    assert state.speaking["o"] == "Ada"
    state.checkin("Ada")
    assert state.speaking["o"] == "Cid"


def test_several_speakers_share_a_name() -> None:
    state = _state("Ada")
    _lease(state, "parent")
    for worker in ("w1", "w2", "w3"):
        assert state.associate(worker, "Ada") == "Ada"
    assert tuple(state.speakers_of("Ada")) == ("parent", "w1", "w2", "w3")


def test_an_exclusive_association_silences_the_others() -> None:
    state = _state("Ada", "Bea")
    _lease(state, "one")
    _lease(state, "one")
    state.associate("two", "Bea", exclusive=True)
    assert tuple(state.speakers_of("Bea")) == ("two",)
    assert dict(state.speaking) == {"one": "Ada", "two": "Bea"}


def test_an_exclusive_association_of_a_speaker_keeps_it() -> None:
    state = _state("Ada")
    lease = _lease(state, "one")
    state.associate("two", "Ada")
    state.associate("one", "Ada", exclusive=True)
    assert tuple(state.speakers_of("Ada")) == ("one",)
    assert state.is_current(lease)


def test_an_associated_name_that_was_available_is_no_longer_issued() -> None:
    state = _state("Ada", "Bea")
    state.associate("o", "Ada")
    assert _lease(state, "p").name == "Bea"
    assert state.checkout("p") is None


def test_an_associated_name_that_was_never_seen_is_known_and_never_admitted() -> None:
    state = PoolState()
    assert state.associate("o", "Ada") == "Ada"
    assert state.admit(["Ada", "ADA"]) == Admission(0, 0, 2)
    assert list(state.used()) == ["Ada"]


def test_an_association_finds_the_name_that_reads_alike() -> None:
    state = _state("Ada the Yak-Shaver")
    assert state.associate("o", "ADA THE YAK SHAVER") == "Ada the Yak-Shaver"
    assert state.known_count == 1


def test_what_was_held_before_an_association_stays_held() -> None:
    state = _state("Ada")
    lease = _lease(state, "o")
    state.associate("o", "Bea")
    assert state.is_current(lease)
    assert tuple(state.speakers_of("Ada")) == ("o",)


def test_a_dissociated_owner_is_silent_and_the_lease_stays() -> None:
    state = _state("Ada")
    lease = _lease(state, "o")
    assert state.dissociate("o")
    assert "o" not in state.speaking
    assert state.is_current(lease)


def test_a_dissociation_can_name_an_older_name_in_another_spelling() -> None:
    state = _state("Ada", "Bea")
    _lease(state, "o")
    _lease(state, "o")
    assert state.dissociate("o", "ada")
    assert state.speaking["o"] == "Bea"
    state.checkin("Bea")
    assert "o" not in state.speaking


@pytest.mark.parametrize("name", [None, "Ada", "Bea", "Cid"])
def test_who_does_not_speak_cannot_be_dissociated(name: str | None) -> None:
    state = _state("Ada", "Bea")
    _lease(state, "o")
    before = _indexes(state)
    assert state.dissociate("p", name) is False
    assert _indexes(state) == before


def test_the_published_view_cannot_be_written() -> None:
    view: Any = PoolState().speaking
    with pytest.raises(TypeError):
        view["o"] = "Ada"


def test_the_published_view_stays_the_same_object_through_reset_and_recovery() -> None:
    state = _state("Ada", "Bea")
    view = state.speaking
    _lease(state, "o")
    state.recover()
    state.reset()
    state.admit(["Cid"])
    _lease(state, "p")
    assert dict(view) == {"p": "Cid"}


# Owners that end


def test_a_departed_owner_is_silent_after_the_next_settling() -> None:
    state = _state("Ada")
    lease = _lease(state, "o")
    state.owner_gone("o")
    state.apply_events(100.0)
    assert dict(state.speaking) == {}
    assert state.is_current(lease)


@pytest.mark.parametrize(("before", "reclaimed"), [(99.9, []), (100.0, ["Ada"]), (200.0, ["Ada"])])
def test_an_orphan_is_reclaimed_only_after_the_given_moment(
    before: float, reclaimed: list[str]
) -> None:
    state = _state("Ada")
    _lease(state, "o")
    state.owner_gone("o")
    state.apply_events(100.0)
    assert state.reclaim(before) == reclaimed
    assert list(state.available) == reclaimed
    assert state.counters.reclaimed == len(reclaimed)


def test_a_lease_that_somebody_else_speaks_under_is_no_orphan() -> None:
    state = _state("Ada")
    _lease(state, "parent")
    state.associate("worker", "Ada")
    state.owner_gone("parent")
    state.apply_events(0.0)
    assert state.reclaim(1e9) == []
    assert tuple(state.speakers_of("Ada")) == ("worker",)


def test_an_orphan_is_noted_by_its_name_with_the_moment_it_became_one() -> None:
    state = _state("Ada", "Bea")
    _lease(state, "o")
    _lease(state, "p")
    state.owner_gone("o")
    state.apply_events(7.5)
    assert dict(state.orphans) == {"Ada": 7.5}


@pytest.mark.parametrize("spelling", ["Ada", "ADA!"])
@pytest.mark.parametrize("exclusive", [False, True])
def test_an_orphan_that_found_a_speaker_is_not_reclaimed(spelling: str, exclusive: bool) -> None:
    state = _state("Ada")
    _lease(state, "o")
    state.owner_gone("o")
    state.apply_events(0.0)
    state.associate("p", spelling, exclusive=exclusive)
    assert not state.orphans
    assert state.reclaim(1e9) == []


def test_an_orphan_that_somebody_spoke_under_since_is_not_reclaimed() -> None:
    state = _state("Ada")
    lease = _lease(state, "worker")
    state.owner_gone("worker")
    state.apply_events(0.0)
    state.associate("parent", "Ada")
    state.dissociate("parent", "Ada")  # as speaking_as() does at its end: "the lease stays"
    assert state.reclaim(1e9) == []
    assert state.is_current(lease)


def test_an_orphan_that_is_orphaned_again_waits_from_then_on() -> None:
    state = _state("Ada")
    _lease(state, "o")
    state.owner_gone("o")
    state.apply_events(0.0)
    state.associate("p", "Ada")
    state.owner_gone("p")
    state.apply_events(100.0)
    assert state.reclaim(50.0) == []
    assert state.reclaim(100.0) == ["Ada"]


def test_an_orphan_that_was_checked_in_is_not_taken_from_its_next_holder() -> None:
    state = _state("Ada")
    _lease(state, "o")
    state.owner_gone("o")
    state.apply_events(0.0)
    state.checkin("Ada")
    new = _lease(state, "p")
    state.dissociate("p")
    assert state.reclaim(1e9) == []
    assert state.is_current(new)


def test_orphans_are_reclaimed_in_the_order_they_became_so() -> None:
    state = _state("Ada", "Bea", "Cid")
    for owner in ("a", "b", "c"):
        _lease(state, owner)
    for moment, owner in enumerate(("c", "a", "b")):
        state.owner_gone(owner)
        state.apply_events(float(moment))
    assert state.reclaim(1.0) == ["Cid", "Ada"]
    assert list(state.available) == ["Cid", "Ada"]


def test_a_lease_whose_owner_left_it_on_purpose_is_no_orphan() -> None:
    state = _state("Ada")
    lease = _lease(state, "o")
    state.dissociate("o")
    state.owner_gone("o")
    state.apply_events(0.0)
    assert state.reclaim(1e9) == []
    assert state.is_current(lease)


def test_the_end_of_an_owner_that_holds_nothing_is_not_noted() -> None:
    state = _state("Ada")
    state.owner_gone("stranger")
    assert not state.events


def test_names_checked_in_after_their_owners_ended_leave_nothing_behind() -> None:
    state = _state("Ada")
    for n in range(100):
        name = _lease(state, f"o{n}").name
        state.owner_gone(f"o{n}")
        state.apply_events(float(n))
        state.checkin(name)  # by a parent, say; with reclaim_after=None nothing reclaims, ever
    assert not state.orphans


def test_who_ended_while_requests_were_on_their_way_leaves_what_they_brought_it() -> None:
    state = _state("Ada", "Bea", "Cid")
    state.is_busy = lambda: True
    state.owner_gone("o")
    assert state.apply_events(1.0) == 1
    _lease(state, "p")
    _lease(state, "o")  # its request, which was on its way
    state.leave(1, 5.0)
    assert dict(state.orphans) == {"Bea": 5.0}
    assert dict(state.speaking) == {"p": "Ada"}
    assert not state.leaving


def test_who_is_to_leave_is_counted_once_and_leaves_in_turn() -> None:
    state = _state("Ada", "Bea")
    state.is_busy = lambda: True
    for owner in ("a", "b"):
        state.owner_gone(owner)
        assert state.apply_events(0.0) == 1
        _lease(state, owner)
    state.leave(1, 1.0)
    assert (dict(state.orphans), dict(state.speaking)) == ({"Ada": 1.0}, {"b": "Bea"})
    state.leave(2, 2.0)  # one of the two has left already
    assert dict(state.orphans) == {"Ada": 1.0, "Bea": 2.0}


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


def test_an_owner_that_ends_during_a_recovery_is_noted() -> None:
    state = _state("Ada", "Bea")
    telltale = _Telltale("telltale")
    _lease(state, telltale)
    _lease(state, "o")
    telltale.state = state
    state.recover()
    state.apply_events(0.0)
    assert "o" not in state.speaking


# What happened outside


def test_a_lease_given_back_outside_is_checked_in_with_the_next_events() -> None:
    state = _state("Ada", "Bea")
    state.events.append(_lease(state, "o"))
    state.apply_events(0.0)
    assert list(state.available) == ["Bea", "Ada"]


def test_a_stale_lease_given_back_outside_ends_nothing() -> None:
    state = _state("Ada")
    stale = _lease(state, "o")
    state.checkin("Ada")
    new = _lease(state, "p")
    state.events.append(stale)
    state.apply_events(0.0)
    assert state.is_current(new)


class _Journal:
    undelivered: Any = None


def _undelivered(state: PoolState, owner: str) -> LeaseRecord:
    """Return the lease that a checkout noted, which its caller never received."""
    journal = _Journal()
    state.checkout(owner, journal)
    record: LeaseRecord = journal.undelivered
    return record


def test_a_name_that_never_reached_its_owner_comes_home_with_the_next_events() -> None:
    state = _state("Ada", "Bea")
    state.events.append(_undelivered(state, "o"))
    state.apply_events(0.0)
    assert list(state.available) == ["Bea", "Ada"]
    assert not state.speaking


def test_a_name_that_never_reached_its_owner_stays_with_who_speaks_under_it_since() -> None:
    state = _state("Ada", "Bea")
    state.events.append(_undelivered(state, "o"))
    state.associate("p", "Ada")
    state.checkout("o")
    state.apply_events(0.0)
    assert dict(state.speaking) == {"p": "Ada", "o": "Bea"}
    assert state.names_of("o") == ("Bea",)
    assert list(state.speakers_of("Ada")) == ["p"]


def test_a_name_that_never_reached_its_owner_comes_home_though_it_speaks_under_it_no_more() -> None:
    state = _state("Ada")
    state.events.append(_undelivered(state, "o"))
    state.dissociate("o")
    state.apply_events(0.0)
    assert list(state.available) == ["Ada"]


def test_a_name_that_came_home_already_is_not_taken_from_its_next_holder() -> None:
    state = _state("Ada")
    state.events.append(_undelivered(state, "o"))
    state.checkin("Ada")
    new = _lease(state, "o")
    state.apply_events(0.0)
    assert state.is_current(new)


def test_a_late_chunk_is_admitted_at_the_next_settling() -> None:
    state = _state("Ada")
    state.events.append(LateChunk(("Ada", "Bea", 3), epoch=0))
    state.apply_events(0.0)
    assert list(state.available) == ["Ada", "Bea"]
    assert (state.counters.invalid, state.counters.duplicates) == (1, 1)


def test_a_chunk_from_before_a_reset_is_not_admitted() -> None:
    state = PoolState()
    state.events.append(LateChunk(("Ada",), state.epoch))
    state.reset()
    state.apply_events(0.0)
    assert not state.available


def test_who_withdraws_outside_waits_no_more_after_the_next_events() -> None:
    state = PoolState()
    first, second = park(state, "o"), park(state, "p")
    state.events.append(Withdrawal(first))
    state.apply_events(0.0)
    assert list(state.waiters) == [second]


def test_a_name_that_is_no_orphan_is_checked_in_beside_one_that_is() -> None:
    state = _state("Ada", "Bea")
    _lease(state, "o")
    _lease(state, "p")
    state.owner_gone("o")
    state.apply_events(0.0)
    assert state.checkin("Bea")
    assert state.reclaim(0.0) == ["Ada"]


def test_what_happened_outside_is_apply_eventsd_in_order() -> None:
    state = _state("Ada")
    lease = _lease(state, "o")
    state.events.extend([OwnerEnded("o"), lease])
    state.apply_events(5.0)
    assert not state.events
    assert state.reclaim(5.0) == []
    assert list(state.available) == ["Ada"]


# What was drawn


def test_what_was_drawn_is_what_was_asked_for_and_not_given_back() -> None:
    state = _state("Ada", "Bea", "Cyd")
    assert state.stocks[None].drawn == 0
    state.checkout("o")
    park(state, "p")
    assert state.stocks[None].drawn == 2
    state.checkin("Ada")
    assert state.stocks[None].drawn == 1


def test_a_name_brought_along_is_drawn_from_nowhere() -> None:
    state = _state("Ada", "Bea")
    state.associate("o", "Zoe")
    assert state.stocks[None].drawn == 0
    state.associate("o", "Ada")
    assert state.stocks[None].drawn == 1


def test_a_reset_draws_nothing() -> None:
    state = _state("Ada", "Bea", "Cyd")
    state.checkout("o")
    state.reset()
    assert state.stocks[None].drawn == 1
    state.admit(["Dot"])
    assert state.stocks[None].drawn == 1


# Waiters


def test_waiters_are_taken_first_come_first() -> None:
    state = PoolState()
    tickets = [park(state, owner, reply=owner.upper()) for owner in ("c", "a", "b")]
    taken = state.waiters.take_all()
    assert [w.ticket for w in taken] == tickets
    assert [(w.owner, w.deadline, w.reply) for w in taken] == [
        ("c", None, "C"),
        ("a", None, "A"),
        ("b", None, "B"),
    ]
    assert not state.waiters


def test_a_withdrawn_waiter_leaves_the_others_in_order() -> None:
    state = PoolState()
    tickets = [park(state, "o", 1.5, n) for n in range(3)]
    withdrawn = state.waiters.withdraw(tickets[1])
    assert withdrawn is not None
    assert (withdrawn.reply, withdrawn.deadline) == (1, 1.5)
    assert [w.reply for w in state.waiters.values()] == [0, 2]


def test_a_waiter_can_be_withdrawn_once() -> None:
    state = PoolState()
    ticket = park(state, "o")
    assert state.waiters.withdraw(ticket) is not None
    assert state.waiters.withdraw(ticket) is None


def test_a_name_granted_to_who_ended_while_waiting_is_an_orphan_and_comes_home() -> None:
    state = PoolState()
    ticket = park(state, "o")
    state.owner_gone("o")
    state.apply_events(5.0)
    state.admit(["Ada"])
    waiter = state.waiters.withdraw(ticket)
    assert waiter is not None
    assert state.grant(waiter, 10.0) == "Ada"
    assert dict(state.speaking) == {}
    assert dict(state.orphans) == {"Ada": 10.0}
    assert state.reclaim(9.9) == []
    assert state.reclaim(10.0) == ["Ada"]
    assert list(state.available) == ["Ada"]
    assert state.counters.reclaimed == 1


def test_a_name_granted_to_a_living_waiter_is_its_own_although_another_ended() -> None:
    state = PoolState()
    dead, living = park(state, "o"), park(state, "p")
    state.owner_gone("o")
    state.apply_events(5.0)
    state.waiters.withdraw(dead)
    state.admit(["Ada"])
    waiter = state.waiters.withdraw(living)
    assert waiter is not None
    assert state.grant(waiter, 10.0) == "Ada"
    assert dict(state.speaking) == {"p": "Ada"}
    assert not state.orphans
    assert state.reclaim(1e9) == []


def test_a_grant_to_who_ended_while_waiting_does_not_touch_the_next_waiters_name() -> None:
    state = PoolState()
    tickets = [park(state, owner) for owner in ("o", "p")]
    state.owner_gone("o")
    state.apply_events(5.0)
    state.admit(["Ada", "Bea"])
    waiters = [state.waiters.withdraw(ticket) for ticket in tickets]
    assert [state.grant(w, 10.0) for w in waiters if w is not None] == ["Ada", "Bea"]
    assert dict(state.speaking) == {"p": "Bea"}
    assert state.reclaim(1e9) == ["Ada"]


def test_all_that_is_granted_to_who_ended_while_waiting_twice_comes_home() -> None:
    state = PoolState()
    tickets = [park(state, "o") for _ in range(2)]
    state.owner_gone("o")
    state.apply_events(5.0)
    state.admit(["Ada", "Bea"])
    for ticket in tickets:  # one by one, as the pool serves them
        waiter = state.waiters.withdraw(ticket)
        assert waiter is not None
        state.grant(waiter, 10.0)
    assert dict(state.speaking) == {}
    assert state.reclaim(1e9) == ["Ada", "Bea"]


def test_a_grant_needs_a_name() -> None:
    state = PoolState()
    waiter = state.waiters.withdraw(park(state, "o"))
    assert waiter is not None
    with pytest.raises(AssertionError, match="^a grant needs an available name$"):
        state.grant(waiter, 0.0)


def test_who_waits_still_waits_after_a_reset() -> None:
    state = _state("Ada")
    ticket = park(state, "o")
    state.reset()
    assert list(state.waiters) == [ticket]


# Admission


def test_an_admission_counts_what_it_drops() -> None:
    state = _state("Ada")
    candidates = ["Bea", "ADA", "Bea", "bea.", "", None, 7, "a\nb", DEFAULT_NAME, "nemo nobody"]
    assert state.admit(candidates) == Admission(accepted=1, invalid=4, duplicate=5)
    assert list(state.available) == ["Ada", "Bea"]
    assert (state.counters.invalid, state.counters.duplicates) == (4, 5)


def test_a_leased_name_is_not_admitted_again() -> None:
    state = _state("Ada")
    _lease(state, "o")
    assert state.admit(["Ada"]) == Admission(0, 0, 1)
    assert not state.available


def test_an_admission_may_be_empty() -> None:
    assert PoolState().admit([]) == Admission(0, 0, 0)


def test_after_a_reset_a_name_may_be_admitted_again() -> None:
    state = _state("Ada")
    _lease(state, "o")
    state.reset()
    assert state.known_count == 0
    assert state.admit(["Ada"]) == Admission(1, 0, 0)


def test_a_reset_forgets_names_leases_and_bindings() -> None:
    state = _state("Ada", "Bea")
    _lease(state, "o")
    state.reset()
    assert _indexes(state) == _indexes(PoolState())


# UsedNames


def test_used_names_are_a_sequence_oldest_first() -> None:
    used = _state("Cid", "Ada", "Bea").used()
    assert isinstance(used, UsedNames)
    assert list(used) == ["Cid", "Ada", "Bea"]
    assert list(reversed(used)) == ["Bea", "Ada", "Cid"]
    assert (len(used), used.index("Ada"), "Bea" in used, "Dan" in used) == (3, 1, True, False)


@pytest.mark.parametrize("index", [-4, 3, 100, -100])
def test_used_names_end_where_they_ended_when_they_were_taken(index: int) -> None:
    state = _state("Ada", "Bea", "Cid")
    used = state.used()
    state.admit(f"Later {n}" for n in range(200))
    with pytest.raises(IndexError):
        used[index]


@pytest.mark.parametrize(
    "where",
    [
        *(0, 2, -1, -3, slice(None), slice(1, None), slice(-2, None), slice(None, None, -1)),
        *(slice(5, 1), slice(0, 100, 2), slice(-100, 2)),
    ],
    ids=str,
)
def test_used_names_can_be_indexed_as_a_list_whatever_comes_later(where: Any) -> None:
    state = _state("Ada", "Bea", "Cid")
    used = state.used()
    state.admit(["Dan", "Eve"])
    assert used[where] == ["Ada", "Bea", "Cid"][where]


def test_used_names_do_not_change_with_a_reset() -> None:
    state = _state("Ada", "Bea")
    used = state.used()
    state.reset()
    state.admit(["Cid"])
    assert list(used) == ["Ada", "Bea"]
    assert list(state.used()) == ["Cid"]


def test_used_names_do_not_change_with_a_recovery() -> None:
    state = _state("Ada", "Bea")
    used = state.used()
    state.recover()
    state.admit(["Cid"])
    assert list(used) == ["Ada", "Bea"]


def test_used_names_cannot_be_changed() -> None:
    used: Any = _state("Ada").used()
    with pytest.raises(TypeError):
        used[0] = "Bea"


# Recovery


def _busy_state() -> PoolState:
    state = _state("Ada", "Bea", "Cid", "Dan", "Eve")
    for owner in ("o", "p", "o"):
        _lease(state, owner)
    state.associate("p", "Ada")
    state.associate("q", "Zoë")
    state.checkin("Bea")
    return state


def test_a_recovery_of_a_consistent_state_changes_nothing() -> None:
    state = _busy_state()
    before = _indexes(state)
    state.recover()
    assert _indexes(state) == before


def test_a_name_both_leased_and_available_stays_leased() -> None:
    state = _busy_state()
    before = _indexes(state)
    state.available.append("Ada")
    state.available.appendleft("Cid")
    state.recover()
    assert _indexes(state) == before


def test_a_name_that_is_available_twice_is_available_once() -> None:
    state = _busy_state()
    before = _indexes(state)
    state.available.append("Dan")
    state.recover()
    assert _indexes(state) == before


def test_lost_indexes_are_rebuilt_from_the_truth() -> None:
    state = _busy_state()
    available, speakers, known, log, several, speaking = _indexes(state)
    state._leases._known.clear()
    state._leases._log.clear()
    state._several.clear()
    state._latest.clear()
    state.recover()
    assert _indexes(state) == (available, speakers, known, sorted(log), several, speaking)


def test_bindings_that_are_not_true_are_removed() -> None:
    state = _busy_state()
    before = _indexes(state)
    state._latest.update(ghost="Ada", o="Bea")
    state._several["ghost"] = {"Ada": None, "Cid": None}
    state.recover()
    assert _indexes(state) == before


def test_a_recovered_state_issues_no_token_twice() -> None:
    state = _state("Ada")
    old = _lease(state, "o")
    state.recover()
    state.checkin("Ada")
    assert _lease(state, "o").token > old.token


# The price of many names


def _lines_run(n: int, *, latest_first: bool) -> int:
    """Count the lines of ``core.state`` that giving back ``n`` names of one owner takes."""
    state = _state(*(f"Name {i}" for i in range(n)))
    names = [_lease(state, "o").name for _ in range(n)]
    lines = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for name in reversed(names) if latest_first else names:
            state.checkin(name)
    finally:
        sys.settrace(before)
    return lines


@pytest.mark.parametrize("latest_first", [True, False], ids=["latest first", "oldest first"])
def test_giving_back_many_names_takes_as_many_steps_for_each(latest_first: bool) -> None:
    few, many = (_lines_run(n, latest_first=latest_first) for n in (100, 2_000))
    assert many <= 21 * few


class _Counted(dict[str, None]):
    """Counts the entries looked at from the end."""

    looked_at = 0

    def __reversed__(self) -> Any:
        for name in super().__reversed__():
            self.looked_at += 1
            yield name


@pytest.mark.parametrize("latest_first", [True, False], ids=["latest first", "oldest first"])
def test_an_owner_of_2_000_names_looks_at_one_for_each_it_gives_back(latest_first: bool) -> None:
    state = _state(*(f"Name {i}" for i in range(2_000)))
    names = [_lease(state, "o").name for _ in range(2_000)]
    counted = state._several["o"] = _Counted(state._several["o"])
    for name in list(reversed(names)) if latest_first else names:
        assert state.checkin(name)
    assert counted.looked_at <= 2_000
    assert dict(state.speaking) == {}
    assert len(state.available) == 2_000


# The machine

OWNERS = st.sampled_from(["a", "b", "c", "d"])
SPELLINGS = [
    *("Ada", "ADA", "Ada.", "Bea", "b-e-a", "Cid", "Straße", "STRASSE", "Ｄａｎ", "dan", "Eve"),
    *("Finn", "ﬁnn", "Gus", "Hal", "Ivy"),
]
NAMES = st.sampled_from(SPELLINGS)
CANDIDATES = st.one_of(NAMES, st.sampled_from([None, "", "a\nb", 7, DEFAULT_NAME, "nemo nobody"]))


class StateAgainstModel(RuleBasedStateMachine):
    """The model: a list of available names, and for each lease its token and speakers."""

    @initialize()
    def begin(self) -> None:
        self.state = PoolState()
        self.available: list[str] = []
        self.tokens: dict[str, int] = {}
        self.speakers: dict[str, list[str]] = {}
        self.bound: dict[str, list[str]] = {}  # owner → names, the latest last
        self.outside: list[str | Lease] = []
        self.orphans: dict[str, float] = {}  # name → since when
        self.past: list[Lease] = []
        self.waiting: dict[int, str] = {}  # ticket → owner
        self.ended: set[str] = set()  # owners that ended while they waited
        self.now = 0.0

    # the model's own moves

    def _known(self) -> list[str]:
        return [*self.available, *self.tokens]

    def _spelled(self, name: str) -> str:
        return {name_key(n): n for n in self._known()}.get(name_key(name), name)

    def _bind(self, owner: str, name: str) -> None:
        names = self.bound.setdefault(owner, [])
        if name in names:
            names.remove(name)
        names.append(name)
        if owner not in self.speakers[name]:
            self.speakers[name].append(owner)

    def _unbind(self, owner: str, name: str) -> None:
        self.speakers[name].remove(owner)
        self.bound[owner].remove(name)
        if not self.bound[owner]:
            del self.bound[owner]

    def _end(self, name: str) -> None:
        for owner in list(self.speakers[name]):
            self._unbind(owner, name)
        del self.tokens[name], self.speakers[name]
        self.orphans.pop(name, None)
        self.available.append(name)

    def _begin(self, owner: str, name: str) -> None:
        assert name == self.available.pop(0)
        lease = self.state.lease_of(name)
        assert lease not in self.past
        self.tokens[name], self.speakers[name] = lease.token, []
        self._bind(owner, name)
        self.past.append(lease)

    def _finish(self, owner: str) -> None:
        for name in list(self.bound.get(owner, [])):
            self._unbind(owner, name)
            if not self.speakers[name]:
                self.orphans[name] = self.now

    # the moves of both

    @rule(candidates=st.lists(CANDIDATES, max_size=6))
    def admit(self, candidates: list[object]) -> None:
        accepted = invalid = 0
        for candidate in candidates:
            if not isinstance(candidate, str) or why_invalid(candidate) is not None:
                invalid += 1
            elif candidate in SPELLINGS and self._spelled(candidate) not in self._known():
                self.available.append(candidate)
                accepted += 1
        expected = Admission(accepted, invalid, len(candidates) - accepted - invalid)
        assert self.state.admit(candidates) == expected

    @rule(owner=OWNERS)
    def checkout(self, owner: str) -> None:
        name = self.state.checkout(owner)
        if not self.available:
            assert name is None
            return
        assert name is not None
        self._begin(owner, name)

    @rule(name=NAMES)
    def checkin(self, name: str) -> None:
        assert self.state.checkin(name) == (name in self.tokens)
        if name in self.tokens:
            self._end(name)

    @rule(owner=OWNERS, name=NAMES, exclusive=st.booleans())
    def associate(self, owner: str, name: str, exclusive: bool) -> None:
        spelled = self._spelled(name)
        assert self.state.associate(owner, name, exclusive=exclusive) == spelled
        if spelled not in self.tokens:
            if spelled in self.available:
                self.available.remove(spelled)
            self.tokens[spelled] = self.state.leases[spelled][0]
            self.speakers[spelled] = []
            self.past.append(Lease(spelled, self.tokens[spelled]))
        if exclusive:
            for speaker in [s for s in self.speakers[spelled] if s != owner]:
                self._unbind(speaker, spelled)
        self._bind(owner, spelled)
        self.orphans.pop(spelled, None)

    @rule(owner=OWNERS, name=st.none() | NAMES)
    def dissociate(self, owner: str, name: str | None) -> None:
        names = self.bound.get(owner, [])
        wanted = (names[-1] if names else None) if name is None else self._spelled(name)
        assert self.state.dissociate(owner, name) == (wanted in names)
        if wanted is not None and wanted in names:
            self._unbind(owner, wanted)

    @rule(owner=OWNERS)
    def owner_gone(self, owner: str) -> None:
        self.state.owner_gone(owner)
        if owner in self.bound or self.waiting:
            self.outside.append(owner)

    @precondition(lambda self: self.past)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        lease = data.draw(st.sampled_from(self.past))
        self.state.events.append(lease)
        self.outside.append(lease)

    @rule(seconds=st.sampled_from([0.0, 1.0, 5.0]))
    def settle(self, seconds: float) -> None:
        self.now += seconds
        self.state.apply_events(self.now)
        for event in self.outside:
            if isinstance(event, Lease):
                if self.tokens.get(event.name) == event.token:
                    self._end(event.name)
                continue
            self._finish(event)
            if event in self.waiting.values():
                self.ended.add(event)
        self.outside.clear()

    @rule(ago=st.sampled_from([0.0, 1.0, 5.0, 50.0]))
    def reclaim(self, ago: float) -> None:
        due = [name for name, since in self.orphans.items() if since <= self.now - ago]
        assert self.state.reclaim(self.now - ago) == due
        for name in due:
            self._end(name)

    @rule(owner=OWNERS)
    def park(self, owner: str) -> None:
        if owner in self.ended:
            return  # who has ended asks for nothing
        ticket = park(self.state, owner)
        assert ticket not in self.waiting
        self.waiting[ticket] = owner

    @precondition(lambda self: self.waiting and self.available)
    @rule()
    def grant(self) -> None:
        ticket, owner = next(iter(self.waiting.items()))
        del self.waiting[ticket]
        waiter = self.state.waiters.withdraw(ticket)
        assert waiter is not None
        self._begin(owner, self.state.grant(waiter, self.now))
        if owner in self.ended:
            if owner not in self.waiting.values():
                self.ended.discard(owner)
            self._finish(owner)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(list(self.waiting)))
        assert self.state.waiters.withdraw(ticket) is not None
        assert self.state.waiters.withdraw(ticket) is None
        del self.waiting[ticket]

    @precondition(lambda self: len(self.waiting) > 2)
    @rule()
    def take_waiters(self) -> None:
        assert [waiter.ticket for waiter in self.state.waiters.take_all()] == list(self.waiting)
        self.waiting.clear()

    @precondition(lambda self: len(self.tokens) > 4)
    @rule()
    def reset(self) -> None:
        self.state.reset()
        self.available.clear()
        self.tokens.clear()
        self.speakers.clear()
        self.bound.clear()
        self.orphans.clear()

    @rule()
    def die_in_a_checkin_and_recover(self) -> None:
        for name in list(self.tokens)[:1]:
            self.state.available.append(name)
        self.state.recover()

    @rule()
    def die_in_a_checkout_and_recover(self) -> None:
        if self.available:  # leased, and not yet taken from the queue
            name = self.available.pop(0)
            held: LeaseRecord = (self.state._moment + 1, {})
            self.state._moment += 1
            self.state.leases[name] = held
            self.tokens[name], self.speakers[name] = held[0], []
            self.past.append(Lease(name, held[0]))
        self.state.recover()

    @rule(index=st.sampled_from(["_leases._known", "_leases._log", "_several", "_latest"]))
    def lose_an_index_and_recover(self, index: str) -> None:
        attrgetter(index)(self.state).clear()
        self.state.recover()

    # what always holds

    @invariant()
    def known_is_available_and_checked_out(self) -> None:
        assert list(self.state.available) == self.available
        assert {n: held[0] for n, held in self.state.leases.items()} == self.tokens
        names = self._known()
        assert self.state.known_count == len(names) == len(set(names))
        assert set(self.state.used()) == set(names)

    @invariant()
    def no_two_names_read_alike(self) -> None:
        names = [*self.state.available, *self.state.leases]
        assert len({name_key(name) for name in names}) == len(names)

    @invariant()
    def who_speaks_speaks_under_the_latest_still_held(self) -> None:
        assert dict(self.state.speaking) == {o: names[-1] for o, names in self.bound.items()}
        for owner in ("a", "b", "c", "d"):
            assert list(self.state.names_of(owner)) == self.bound.get(owner, [])

    @invariant()
    def every_name_has_its_speakers(self) -> None:
        for name, speakers in self.speakers.items():
            assert list(self.state.speakers_of(name)) == speakers
        assert not self.state.speakers_of("Nobody Knows")

    @invariant()
    def only_the_lease_that_lasts_is_current(self) -> None:
        for lease in self.past:
            assert self.state.is_current(lease) == (self.tokens.get(lease.name) == lease.token)

    @invariant()
    def waiters_are_in_order(self) -> None:
        assert list(self.state.waiters) == list(self.waiting)

    @invariant()
    def orphans_are_leased_and_silent_and_in_order(self) -> None:
        assert list(self.state.orphans.items()) == list(self.orphans.items())
        assert not any(self.speakers[name] for name in self.orphans)

    @invariant()
    def a_recovery_would_change_nothing(self) -> None:
        before = _indexes(self.state)
        self.state.recover()
        assert _indexes(self.state) == before


TestStateAgainstModel = StateAgainstModel.TestCase
TestStateAgainstModel.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)


def test_an_event_that_cannot_be_applied_is_met_once() -> None:
    state = _state("Ada")
    state.events.append(None)  # type: ignore[arg-type]

    with pytest.raises(TypeError):
        state.apply_events(0.0)

    assert not state.events


def test_an_event_for_which_there_was_no_memory_is_applied_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = _state("Ada")
    state.checkout("o")
    state.owner_gone("o")
    end_binding = PoolState.end_binding

    def fail(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(PoolState, "end_binding", fail)
    with pytest.raises(MemoryError):
        state.apply_events(0.0)
    monkeypatch.setattr(PoolState, "end_binding", end_binding)
    state.apply_events(0.0)

    assert list(state.orphans) == ["Ada"]
