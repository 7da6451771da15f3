"""When a fetch is due, how many names it asks for, and how pauses grow."""

from __future__ import annotations

import datetime
import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from namepool.core.refill import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    LONGEST_REQUEST,
    Backoff,
    RefillPolicy,
    requested_pause,
)

POLICY = RefillPolicy()  # chunks of 12 to 50, low-water mark 6, one fetch at a time
quick = settings(deadline=None, max_examples=150)
small = st.integers(0, 120)


# plan


@pytest.mark.parametrize("available", [0, 1, 5])
def test_a_fetch_is_due_below_the_low_water_mark(available: int) -> None:
    assert POLICY.plan(available, 0, 0, 0) == 12


@pytest.mark.parametrize("available", [6, 7, 500])
def test_no_fetch_is_due_at_or_above_the_low_water_mark(available: int) -> None:
    assert POLICY.plan(available, 0, 0, 0) == 0


def test_a_low_water_mark_of_zero_fetches_for_nobody() -> None:
    assert RefillPolicy(low_water_mark=0).plan(0, 0, 0, 0) == 0


@pytest.mark.parametrize("waiting", [1, 12, 13])
def test_a_low_water_mark_of_zero_fetches_for_those_who_wait(waiting: int) -> None:
    assert RefillPolicy(low_water_mark=0).plan(0, waiting, 0, 0) == max(waiting, 12)


@pytest.mark.parametrize(("available", "waiting"), [(0, 0), (0, 1), (0, 1000), (5, 0)])
def test_there_is_one_fetch_at_a_time(available: int, waiting: int) -> None:
    assert POLICY.plan(available, waiting, 1, 12) == 0


def test_a_fetch_whose_chunk_is_no_longer_wanted_still_counts_as_one() -> None:
    assert POLICY.plan(0, 5, 1, 0) == 0


def test_several_fetches_share_the_waiters_that_one_cannot_serve() -> None:
    policy = RefillPolicy(max_fetches=3)
    assert policy.plan(0, 130, 0, 0) == 50
    assert policy.plan(0, 130, 1, 50) == 50
    assert policy.plan(0, 130, 2, 100) == 30
    assert policy.plan(0, 130, 3, 130) == 0


def test_another_fetch_is_not_begun_while_enough_names_are_on_their_way() -> None:
    assert RefillPolicy(max_fetches=3).plan(0, 6, 1, 12) == 0


def test_another_fetch_is_begun_if_those_on_their_way_leave_too_few_behind() -> None:
    assert RefillPolicy(max_fetches=3).plan(0, 7, 1, 12) == 12


@pytest.mark.parametrize("waiting", [13, 30, 49])
def test_the_chunk_grows_while_waiters_outnumber_it(waiting: int) -> None:
    assert POLICY.plan(0, waiting, 0, 0) == waiting


@pytest.mark.parametrize("waiting", [50, 51, 10_000])
def test_the_chunk_does_not_grow_beyond_its_bound(waiting: int) -> None:
    assert POLICY.plan(0, waiting, 0, 0) == 50


def test_the_chunk_is_back_at_its_size_when_fewer_wait() -> None:
    assert [POLICY.plan(0, waiting, 0, 0) for waiting in (40, 12, 1)] == [40, 12, 12]


def test_a_chunk_that_may_not_grow_stays_as_it_is() -> None:
    assert RefillPolicy(chunk_size=5, max_chunk_size=5).plan(0, 100, 0, 0) == 5


@quick
@given(small, small, st.integers(0, 4), small, st.integers(0, 20), st.integers(1, 4))
def test_a_plan_is_nothing_or_between_the_two_chunk_sizes(
    available: int, waiting: int, fetching: int, expected: int, low: int, most: int
) -> None:
    policy = RefillPolicy(low_water_mark=low, max_fetches=most)
    count = policy.plan(available, waiting, fetching, expected)
    assert count == 0 or (12 <= count <= 50 and fetching < most)


@quick
@given(small, st.integers(0, 4), small, st.integers(0, 20), st.integers(1, 4))
def test_the_floor_is_the_least_that_may_be_left_over_without_a_fetch(
    left: int, fetching: int, expected: int, low: int, most: int
) -> None:
    policy = RefillPolicy(low_water_mark=low, max_fetches=most)
    is_due = policy.plan(left, 0, fetching, expected) > 0
    assert is_due is (left < policy.floor(fetching, expected))


@quick
@given(st.integers(1, 500), st.integers(0, 20), st.integers(1, 4), st.integers(1, 20))
def test_fetch_after_fetch_everybody_who_waits_is_served(
    waiting: int, low: int, most: int, chunk: int
) -> None:
    policy = RefillPolicy(chunk, 50, low, most)
    on_their_way: list[int] = []
    available = rounds = 0
    while waiting:
        while count := policy.plan(available, waiting, len(on_their_way), sum(on_their_way)):
            on_their_way.append(count)
        assert on_their_way, "somebody waits and nothing is fetched"
        got = on_their_way.pop(0)
        served = min(waiting, got)
        waiting -= served
        available += got - served
        rounds += 1
        assert rounds <= 501
    assert available <= 50 * most + low


# Backoff


def _steady(value: float) -> Backoff:
    return Backoff(random=lambda: value)


class _Busy(Exception):
    def __init__(self, retry_after: Any) -> None:
        super().__init__("busy")
        self.retry_after = retry_after


def test_a_new_backoff_allows_at_once() -> None:
    assert Backoff().allows(0.0)
    assert Backoff().allows(-1e9)


def test_the_pause_doubles_with_each_failure_in_a_row() -> None:
    backoff = _steady(1.0)
    assert [backoff.failed(0.0) for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]


def test_the_pause_is_capped() -> None:
    backoff = _steady(1.0)
    assert [backoff.failed(0.0) for _ in range(2000)][7:] == [LONGEST_PAUSE] * 1993


def test_the_smallest_draw_gives_half_the_pause() -> None:
    backoff = _steady(0.0)
    assert [backoff.failed(0.0) for _ in range(3)] == [0.25, 0.5, 1.0]


@quick
@given(st.integers(0, 2**32), st.integers(0, 40))
def test_the_pause_is_between_half_and_the_whole_of_the_nominal(seed: int, earlier: int) -> None:
    backoff = Backoff(random=random.Random(seed).random)
    for _ in range(earlier):
        backoff.failed(0.0)
    nominal = min(FIRST_PAUSE * 2**earlier, LONGEST_PAUSE)
    assert nominal / 2 <= backoff.failed(0.0) <= nominal


def test_two_clients_do_not_pause_alike() -> None:
    assert len({Backoff().failed(0.0) for _ in range(50)}) > 1


def test_the_pause_is_at_least_what_the_source_asks_for() -> None:
    assert _steady(1.0).failed(0.0, _Busy(7.5)) == 7.5


def test_a_source_may_ask_for_more_than_the_cap() -> None:
    assert _steady(1.0).failed(0.0, _Busy(100.0)) == 100.0


def test_a_source_that_asks_for_less_does_not_shorten_the_pause() -> None:
    assert _steady(1.0).failed(0.0, _Busy(0.1)) == 0.5


def test_an_error_that_asks_for_nothing_pauses_as_none_does() -> None:
    assert _steady(1.0).failed(0.0, ValueError("gone")) == _steady(1.0).failed(0.0) == 0.5


def test_a_request_counts_as_one_failure() -> None:
    backoff = _steady(1.0)
    backoff.failed(0.0, _Busy(100.0))
    assert not backoff.allows(99.9)
    assert backoff.allows(100.0)
    assert backoff.failed(100.0) == 1.0


def test_nothing_is_allowed_before_the_pause_is_over() -> None:
    backoff = _steady(1.0)
    backoff.failed(1000.0)
    assert not backoff.allows(1000.0)
    assert not backoff.allows(1000.49)


def test_everything_is_allowed_from_the_moment_the_pause_is_over() -> None:
    backoff = _steady(1.0)
    backoff.failed(1000.0)
    assert backoff.allows(1000.5)
    assert backoff.allows(2000.0)


def test_the_end_of_a_pause_does_not_reset_its_growth() -> None:
    backoff = _steady(1.0)
    backoff.failed(0.0)
    assert backoff.allows(100.0)
    assert backoff.failed(100.0) == 1.0


def test_a_success_ends_the_pause() -> None:
    backoff = _steady(1.0)
    backoff.failed(1000.0, _Busy(100.0))
    backoff.succeeded()
    assert backoff.allows(1000.0)


def test_after_a_success_the_next_failure_pauses_as_the_first_did() -> None:
    backoff = _steady(1.0)
    for _ in range(5):
        backoff.failed(0.0)
    backoff.succeeded()
    assert [backoff.failed(0.0), backoff.failed(0.0)] == [0.5, 1.0]
    assert backoff.failures == 2


# requested_pause

UNHEEDED = [
    *(None, "", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "0:00:30", b"\xff", [30], object()),
    *(-1, -0.001, math.nextafter(LONGEST_REQUEST, math.inf), 121, 1e300, 10**400, "1e9"),
    *(math.nan, math.inf, -math.inf, "nan", "inf", 3j, datetime.timedelta(seconds=30)),
]


@pytest.mark.parametrize("seconds", [0, 0.0, 0.5, 30, 119.9, LONGEST_REQUEST, "30", " 2.5 "])
def test_a_sensible_request_is_heeded(seconds: Any) -> None:
    assert requested_pause(_Busy(seconds)) == float(seconds)


@pytest.mark.parametrize("seconds", UNHEEDED, ids=lambda value: ascii(value)[:20])
def test_a_request_that_is_not_sensible_is_none(seconds: Any) -> None:
    assert requested_pause(_Busy(seconds)) == 0.0
    assert _steady(1.0).failed(0.0, _Busy(seconds)) == 0.5


@pytest.mark.parametrize("error", [None, ValueError(), object(), "30"], ids=repr)
def test_what_has_no_request_asks_for_nothing(error: object) -> None:
    assert requested_pause(error) == 0.0


class _Grudging(Exception):
    @property
    def retry_after(self) -> float:
        raise RuntimeError("ask me later")


def test_a_request_that_cannot_be_read_is_none() -> None:
    assert requested_pause(_Grudging()) == 0.0
    assert _steady(1.0).failed(0.0, _Grudging()) == 0.5
