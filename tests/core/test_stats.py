"""What is counted over the life of a pool."""

from __future__ import annotations

from namepool.core.stats import BOUNDS, Counters, Durations
from tests.core.scene import admit, associate, checkout, state_with
from tests.support import lease_for


def test_at_first_nothing_is_counted() -> None:
    counters = vars(Counters())

    assert {name for name, value in counters.items() if value is None} == {
        "last_error",
        "last_source",
    }
    assert {value for value in counters.values() if value is not None} == {0, Durations()}
    assert set(Durations().counts) == {0}


def test_a_duration_is_counted_up_to_the_bound_it_does_not_pass() -> None:
    durations = Durations().with_one(0.0).with_one(0.005).with_one(0.0051).with_one(60.5)

    assert durations.counts == (2, 1, *[0] * (len(BOUNDS) - 2), 1)
    assert durations.seconds == 60.5101


def test_a_wait_is_counted_by_how_it_ended_and_by_its_length() -> None:
    counters = Counters()

    counters.wait_ended(1.0, "served")
    counters.wait_ended(3.0, "timeout")
    counters.wait_ended(2.0, "served")

    ended = (
        counters.served_count,
        counters.timeout_count,
        counters.unavailable_count,
        counters.withdrawn_count,
    )
    assert ended == (2, 1, 0, 0)
    assert counters.wait_times == Durations().with_one(1.0).with_one(3.0).with_one(2.0)
    assert counters.longest_wait == 3.0


def test_the_moments_that_are_no_tickets_are_the_checkouts() -> None:
    state = state_with("Ada", "Bea", "Cid")
    for owner in "opq":
        checkout(state, owner)
    state.begin(lease_for(state, "r"), spare=0)  # there is none
    associate(state, "o", "Bea")
    associate(state, "o", "Zoe")
    associate(state, "o", "Zoe")
    state.end(associate(state, "q", "Ada", in_block=True))
    state.take(lease_for(state, "q"), "Yan")

    assert state.number - state.counters.tickets == 4


def test_leases_that_begin_with_an_association_are_counted() -> None:
    state = state_with("Ada", "Bea", "Cid")
    checkout(state, "o")
    for name in ("Ada", "Bea", "Zoe", "zoe"):
        associate(state, "p", name)

    assert state.counters.adopted == 2


def test_leases_that_resets_end_add_up() -> None:
    state = state_with()
    for count in (2, 0, 1):
        admit(state, ["Ada", "Bea", "Cid"])
        for _ in range(count):
            checkout(state, "o")
        state.reset()

    assert state.counters.forgotten == 3


def test_what_admissions_drop_adds_up() -> None:
    state = state_with()

    admit(state, ["Ada", "Ada", "", "\n"])
    admit(state, ["ada", None])

    assert (state.counters.duplicate_count, state.counters.invalid_count) == (2, 3)


def test_what_is_reclaimed_adds_up() -> None:
    state = state_with("Ada", "Bea", "Cid")
    for owners in ("op", "q"):
        for owner in owners:
            checkout(state, owner)
            state.owner_ended(owner, 0.0)
        state.reclaim(0.0, 0.0)

    assert state.counters.reclaimed_count == 3


def test_the_epoch_counts_the_resets() -> None:
    state = state_with()
    epochs = [state.epoch]
    for _ in range(2):
        state.reset()
        epochs.append(state.epoch)

    assert epochs == [0, 1, 2]
