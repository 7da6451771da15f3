"""Speaking under a name for a while: what a scope changes, and what its end puts back."""

from __future__ import annotations

from typing import Any

import pytest

from namepool.core.bindings import Speaking
from namepool.core.state import PoolState


class Journal:
    undelivered: Any = None


@pytest.fixture
def state() -> PoolState:
    """The owner o holds Ada and Bea, and speaks under Bea; p holds Cid."""
    state = PoolState()
    state.admit(["Ada", "Bea", "Cid"])
    for owner in ("o", "o", "p"):
        state.checkout(owner)
    return state


def test_a_scope_speaks_under_its_name_until_it_ends(state: PoolState) -> None:
    scope = state.begin_scope("o", "Cid")
    assert state.speaking["o"] == "Cid"

    state.end_scope(scope)

    assert state.speaking["o"] == "Bea"
    assert state.names_of("o") == ("Ada", "Bea")
    assert list(state.speakers_of("Cid")) == ["p"]


def test_the_end_of_the_only_scope_of_an_owner_leaves_it_silent(state: PoolState) -> None:
    state.end_scope(state.begin_scope("q", "Cid"))

    assert "q" not in state.speaking
    assert list(state.speakers_of("Cid")) == ["p"]


def test_a_scope_says_its_owner_the_known_spelling_and_the_name_from_before(
    state: PoolState,
) -> None:
    first = state.begin_scope("o", "CID")
    second = state.begin_scope("q", "Cid")

    assert first == Speaking("o", "Cid", "Bea", first.scope)
    assert second == Speaking("q", "Cid", None, second.scope)
    assert second.scope > first.scope


def test_a_scope_is_told_to_the_journal_so_that_it_can_be_ended_from_there(
    state: PoolState,
) -> None:
    journal = Journal()

    scope = state.begin_scope("o", "Cid", journal=journal)
    assert journal.undelivered == scope

    state.events.append(journal.undelivered)
    state.apply_events(0.0)

    assert state.names_of("o") == ("Ada", "Bea")


def test_a_scope_shares_its_name_unless_it_is_exclusive(state: PoolState) -> None:
    state.begin_scope("q", "Cid")
    assert list(state.speakers_of("Cid")) == ["p", "q"]

    state.begin_scope("o", "Cid", exclusive=True)
    assert list(state.speakers_of("Cid")) == ["o"]


def test_what_was_bound_before_the_scope_stays_bound(state: PoolState) -> None:
    scope = state.begin_scope("o", "Ada")
    assert state.speaking["o"] == "Ada"

    state.end_scope(scope)

    assert state.names_of("o") == ("Ada", "Bea")


def test_the_name_from_before_speaks_again_though_another_was_taken_since(
    state: PoolState,
) -> None:
    state.admit(["Dan"])
    scope = state.begin_scope("o", "Cid")
    state.checkout("o")

    state.end_scope(scope)

    assert state.names_of("o") == ("Ada", "Dan", "Bea")


def test_a_name_from_before_that_was_given_back_does_not_speak_again(state: PoolState) -> None:
    scope = state.begin_scope("o", "Cid")
    state.checkin("Bea")

    state.end_scope(scope)

    assert state.speaking["o"] == "Ada"


def test_a_scope_ends_once(state: PoolState) -> None:
    scope = state.begin_scope("o", "Cid")
    state.end_scope(scope)
    state.associate("o", "Cid")

    state.end_scope(scope)

    assert state.speaking["o"] == "Cid"


def test_the_end_of_a_scope_that_was_dissociated_within_changes_nothing_more(
    state: PoolState,
) -> None:
    scope = state.begin_scope("q", "Cid")
    state.dissociate("q")

    state.end_scope(scope)

    assert "q" not in state.speaking


@pytest.mark.parametrize("name", ["Ada", "Cid"], ids=["its own", "another's"])
def test_who_speaks_again_after_a_scope_still_does_after_a_recovery(
    state: PoolState, name: str
) -> None:
    state.admit(["Dan"])
    scope = state.begin_scope("o", name)
    state.checkout("o")
    state.end_scope(scope)
    before = state.names_of("o")

    state.recover()

    assert state.names_of("o") == before
    assert state.speaking["o"] == "Bea"


def test_after_a_reset_the_end_of_a_scope_changes_nothing(state: PoolState) -> None:
    scope = state.begin_scope("o", "Cid")
    state.reset()
    state.associate("o", "Cid")

    state.end_scope(scope)

    assert state.speaking["o"] == "Cid"


# What was granted and never heard of


def test_a_grant_that_was_not_heard_of_comes_home(state: PoolState) -> None:
    state.admit(["Dan"])
    journal = Journal()
    state.checkout("o", journal)

    state.events.append(journal.undelivered)
    state.apply_events(0.0)

    assert list(state.available) == ["Dan"]
    assert state.speaking["o"] == "Bea"


def test_a_grant_comes_home_though_its_owner_has_ended(state: PoolState) -> None:
    state.admit(["Dan", "Eve"])
    journal = Journal()
    state.checkout("x")
    state.checkout("q", journal)
    for owner in "xq":
        state.owner_gone(owner)
    state.apply_events(0.0)

    state.events.append(journal.undelivered)
    state.apply_events(0.0)

    assert list(state.available) == ["Eve"]
    assert "Dan" in state.leases


def test_a_grant_that_has_ended_already_takes_no_later_one_with_it(state: PoolState) -> None:
    state.admit(["Dan"])
    journal = Journal()
    state.checkout("q", journal)
    state.checkin("Dan")
    state.checkout("q")

    state.events.append(journal.undelivered)
    state.apply_events(0.0)

    assert state.speaking["q"] == "Dan"
