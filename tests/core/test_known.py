"""Which names are known, and how a chunk of candidates is admitted."""

from __future__ import annotations

from typing import Any

import pytest

from namepool.core.judging import judge
from namepool.core.known import Admission, KnownNames, UsedNames
from namepool.core.names import DEFAULT_NAME
from namepool.core.state import PoolState
from namepool.core.stock import Stocks
from tests.core.scene import admit, associate, available, checkin, checkout, state_with
from tests.support import lease_for


def test_a_name_that_reads_like_a_known_one_is_not_learnt() -> None:
    known = KnownNames(Stocks())
    assert known.learn("Ada the Yak Shaver")

    assert not known.learn("ada, the yak-shaver")
    assert len(known) == 1
    assert "ADA THE YAK SHAVER" in known
    assert known.canonical("ada, the yak-shaver") == "Ada the Yak Shaver"
    assert known.canonical("Bea") == "Bea"


def test_after_a_rebuild_is_known_what_is_in_stock_or_checked_out_in_the_order_it_came() -> None:
    stocks = Stocks()
    known = KnownNames(stocks)
    admit(known, ["Dan", "Ada", "Cid", "Bea"], "sea")
    stocks["sea"].names.remove("Ada")
    stocks["sea"].names.remove("Cid")
    stocks[None].names.append("Eve")

    known.rebuild(["Cid", "Flo"])

    assert list(known.used()) == ["Dan", "Cid", "Bea", "Eve", "Flo"]
    assert (len(known), "Ada" in known, "flo" in known) == (5, False, True)
    assert known.home("Cid") is stocks["sea"]
    assert known.home("Ada") is known.home("Eve") is stocks[None]


# Names that the program brings


def test_a_source_hears_of_the_names_that_came_from_it_and_of_no_others() -> None:
    state = state_with("Ada", "Bea")
    associate(state, "doctor", "Patient John Doe")
    assert state.take(lease_for(state, "nurse"), "Patient Jane Doe") == "Patient Jane Doe"
    admit(state, ["Cid", "patient john doe"])

    assert [*state.known.of_source()] == ["Ada", "Bea", "Cid"]
    assert len([*state.known.used()]) == 5
    assert state.known.is_brought("PATIENT JANE DOE")
    assert not state.known.is_brought("Ada")


def test_a_name_of_the_source_stays_one_when_a_program_speaks_under_it() -> None:
    state = state_with("Ada")
    associate(state, "planner", "ADA")

    assert [*state.known.of_source()] == ["Ada"]
    assert not state.known.is_brought("Ada")


def test_after_a_rebuild_a_brought_name_is_still_no_name_of_the_source() -> None:
    state = state_with("Ada", "Bea")
    associate(state, "doctor", "Patient John Doe")
    state.recover()
    checkin(state, "Patient John Doe")  # at home, it could be handed out
    state.recover()

    assert [*state.known.of_source()] == ["Ada", "Bea"]
    assert state.known.is_brought("Patient John Doe")


def test_after_a_reset_a_brought_name_may_come_from_the_source() -> None:
    state = state_with("Ada")
    associate(state, "doctor", "Patient John Doe")
    state.reset()
    assert not state.known.is_brought("Patient John Doe")
    admit(state, ["Patient John Doe"])

    assert [*state.known.of_source()] == ["Patient John Doe"]


def test_a_view_of_the_names_of_the_source_does_not_change() -> None:
    state = state_with("Ada")
    view = state.known.of_source()
    admit(state, ["Bea"])

    assert [*view] == ["Ada"]


# Admission


def test_an_admission_counts_what_it_drops() -> None:
    state = state_with("Ada")
    candidates = ["Bea", "ADA", "Bea", "bea.", "", None, 7, "a\nb", DEFAULT_NAME, "nemo nobody"]
    assert admit(state, candidates) == Admission(accepted=1, invalid=6, duplicate=3)
    assert available(state) == ["Ada", "Bea"]
    assert (state.counters.invalid_count, state.counters.duplicate_count) == (6, 3)


def test_a_leased_name_is_not_admitted_again() -> None:
    state = state_with("Ada")
    checkout(state, "o")
    assert admit(state, ["Ada"]) == Admission(0, 0, 1)
    assert available(state) == []


def test_an_admission_may_be_empty() -> None:
    assert admit(PoolState(), []) == Admission(0, 0, 0)


def test_after_a_reset_a_name_may_be_admitted_again() -> None:
    state = state_with("Ada")
    checkout(state, "o")
    state.reset()
    assert len(state.known) == 0
    assert admit(state, ["Ada"]) == Admission(1, 0, 0)


def test_what_was_admitted_before_a_candidate_failed_is_in_stock() -> None:
    def candidates() -> Any:
        yield "Ada"
        raise ZeroDivisionError

    state = PoolState()
    judged: Any = judge([])
    judged.names = candidates()
    with pytest.raises(ZeroDivisionError):
        state.admit(judged)
    assert state.torn

    state.recover()

    assert available(state) == list(state.known.used()) == ["Ada"]
    assert state.stocks[None].drawn == 0


# UsedNames


def test_used_names_are_a_sequence_oldest_first() -> None:
    used = state_with("Cid", "Ada", "Bea").known.used()
    assert isinstance(used, UsedNames)
    assert list(used) == ["Cid", "Ada", "Bea"]
    assert list(reversed(used)) == ["Bea", "Ada", "Cid"]
    assert (len(used), used.index("Ada"), "Bea" in used, "Dan" in used) == (3, 1, True, False)


@pytest.mark.parametrize("index", [-4, 3, 100, -100])
def test_used_names_end_where_they_ended_when_they_were_taken(index: int) -> None:
    state = state_with("Ada", "Bea", "Cid")
    used = state.known.used()
    admit(state, [f"Later {n}" for n in range(200)])
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
    state = state_with("Ada", "Bea", "Cid")
    used = state.known.used()
    admit(state, ["Dan", "Eve"])
    assert used[where] == ["Ada", "Bea", "Cid"][where]


def test_used_names_do_not_change_with_a_reset() -> None:
    state = state_with("Ada", "Bea")
    used = state.known.used()
    state.reset()
    admit(state, ["Cid"])
    assert list(used) == ["Ada", "Bea"]
    assert list(state.known.used()) == ["Cid"]


def test_used_names_do_not_change_with_a_recovery() -> None:
    state = state_with("Ada", "Bea")
    used = state.known.used()
    state.recover()
    admit(state, ["Cid"])
    assert list(used) == ["Ada", "Bea"]


def test_used_names_stay_in_the_order_in_which_they_came() -> None:
    state = state_with("Ada", "Bea")
    checkout(state, "o")
    checkin(state, "Ada")
    assert list(state.known.used()) == ["Ada", "Bea"]


def test_used_names_cannot_be_changed() -> None:
    used: Any = state_with("Ada").known.used()
    with pytest.raises(TypeError):
        used[0] = "Bea"
