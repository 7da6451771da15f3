"""When a fetch is due, how many names it asks for, and how pauses grow."""

from __future__ import annotations

import datetime
import math
import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from namepool.core.refill import (
    BACKOFF,
    FIRST_DEVIATION,
    LEAST_SHARE,
    LONGEST_REQUEST,
    MEMORY,
    Learnt,
    Pauses,
    RefillPolicy,
    requested_pause,
)

POLICY = RefillPolicy(max_fetches=1)  # chunks of 12 to 50, low-water mark 6
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
    policy = RefillPolicy(low_water_mark=0, max_fetches=1)
    assert policy.plan(0, waiting, 0, 0) == max(waiting, 12)


@pytest.mark.parametrize(("available", "waiting"), [(0, 0), (0, 1), (0, 1000), (5, 0)])
def test_no_more_fetches_begin_than_may_be_under_way(available: int, waiting: int) -> None:
    assert POLICY.plan(available, waiting, 1, 12) == 0


def test_a_fetch_whose_chunk_is_no_longer_wanted_still_counts_as_one() -> None:
    assert POLICY.plan(0, 5, 1, 0) == 0


def test_several_fetches_share_the_waiters_that_one_cannot_serve() -> None:
    policy = RefillPolicy(max_fetches=3)
    assert policy.plan(0, 130, 0, 0) == 44
    assert policy.plan(0, 130, 1, 44) == 43
    assert policy.plan(0, 130, 2, 87) == 43
    assert policy.plan(0, 130, 3, 130) == 0


def test_few_who_wait_are_served_by_small_chunks_at_once_rather_than_by_a_large_one() -> None:
    policy = RefillPolicy(max_fetches=4)
    assert [policy.plan(0, 30, n, 12 * n) for n in range(4)] == [12, 12, 12, 0]


def test_names_that_have_just_come_are_not_fetched_again_for_those_who_wait() -> None:
    assert POLICY.plan(50, 80, 0, 0) == 30


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


# Learnt


def _taught(seconds: Iterable[float] = (1.0,), demand: float = 0.0, share: float = 1.0) -> Learnt:
    """Return what is learnt of these fetches, then of a demand that has lasted long."""
    learnt = Learnt()
    for each in seconds:
        learnt.fetched(each, 100, round(100 * share))
    learnt.skip(0.0, 0)
    for n in range(1, 1001):
        learnt.look(n / 10, round(demand * n / 10))
    return learnt


@pytest.mark.parametrize("rate", [0.0, 0.1, 1.0, 20.0, 200.0])
def test_a_steady_demand_is_learnt_however_often_one_looks(rate: float) -> None:
    for every in (1, 7, 50):
        learnt = Learnt()
        learnt.fetched(1.0, 12, 12)
        learnt.skip(0.0, 0)
        for now in range(every, 2000, every):
            learnt.look(now / 10, round(rate * now / 10))
        assert learnt.demand == pytest.approx(rate, rel=0.1, abs=0.5)


def test_a_demand_that_changes_is_followed_within_a_few_latencies() -> None:
    learnt = _taught(demand=10.0)
    drawn = 1000
    for n in range(1, 51):
        drawn += 10
        learnt.look(100 + n / 10, drawn)
    assert 95.0 <= learnt.demand <= 101.0


def test_after_a_rest_of_a_few_latencies_no_demand_is_left() -> None:
    learnt = _taught(demand=100.0)
    learnt.look(110.0, 10_000)
    assert learnt.demand < 1.0


def test_what_is_given_back_is_no_demand() -> None:
    learnt = Learnt()
    learnt.fetched(1.0, 12, 12)
    learnt.skip(0.0, 0)
    for n in range(1, 200):
        learnt.look(n / 10, 5 if n % 2 else 0)
    assert abs(learnt.demand) < 5.0
    learnt.look(20.0, -100)
    assert learnt.demand < 0.0
    assert learnt.policy(RefillPolicy()) == RefillPolicy()


def test_what_is_skipped_teaches_nothing() -> None:
    learnt = _taught(demand=10.0)
    before = learnt.demand
    learnt.skip(500.0, 100_000)
    learnt.look(500.0, 100_000)
    assert learnt.demand == before


def test_before_a_fetch_has_brought_names_nothing_is_concluded() -> None:
    learnt = Learnt()
    for n in range(100):
        learnt.look(n / 10, n)
    assert learnt.seconds is None
    assert learnt.policy(RefillPolicy()) == RefillPolicy()


def test_the_demand_before_the_first_chunk_counts_once_it_is_here() -> None:
    learnt = Learnt()
    for n in range(1, 11):
        learnt.look(n / 10, 10 * n)
    learnt.fetched(1.0, 12, 12)
    learnt.look(1.1, 110)
    assert learnt.demand == pytest.approx(49.0, rel=0.05)  # half of it: a single latency


def test_a_clock_that_stands_still_does_no_harm() -> None:
    learnt = _taught()
    learnt.look(100.0, 3)
    learnt.look(100.0, 6)
    assert learnt.demand == pytest.approx(6 / MEMORY)


def test_the_first_fetch_says_how_long_one_takes() -> None:
    learnt = _taught([0.2])
    assert (learnt.seconds, learnt.deviation) == (0.2, 0.2 * FIRST_DEVIATION)


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_a_latency_that_jumps_tenfold_is_followed_within_a_few_fetches(factor: float) -> None:
    assert _taught([1.0] * 20).deviation < 0.01
    after = _taught([1.0] * 20 + [factor] * 6).seconds
    assert after is not None
    assert abs(after - factor) < 0.1 * abs(1.0 - factor)


def test_one_late_fetch_does_not_unlearn_the_others() -> None:
    after = _taught([1.0] * 20 + [2.0] + [1.0] * 3).seconds
    assert after is not None
    assert after < 1.15


@pytest.mark.parametrize("rate", [0.1, 1.0, 2.0, 4.0, 5.0, 8.0, 20.0, 50.0, 200.0])
def test_what_is_wanted_at_most_is_four_latencies_of_demand_or_a_chunk_above_the_mark(
    rate: float,
) -> None:
    for seconds in ([1.0] * 20, [0.4, 1.6] * 10):
        learnt = _taught(seconds, rate)
        policy = learnt.policy(RefillPolicy())
        assert learnt.seconds is not None
        one = learnt.demand * learnt.seconds
        late = min(one + 4 * learnt.demand * learnt.deviation, 2 * one)
        most = max(4 * one, max(6, late + 2 * late**0.5) + 12)
        assert policy.low_water_mark + policy.chunk_size <= most + 2


@pytest.mark.parametrize("rate", [0.1, 1.0, 4.0, 20.0, 50.0, 200.0])
def test_the_low_water_mark_covers_what_is_asked_for_in_one_latency(rate: float) -> None:
    learnt = _taught([1.0] * 20, rate)
    assert learnt.policy(RefillPolicy()).low_water_mark >= rate + 1.5 * rate**0.5


def test_a_jittery_source_is_met_with_a_larger_margin() -> None:
    steady = _taught([1.0] * 20, 20.0).policy(RefillPolicy())
    jittery = _taught([0.6, 1.4] * 10, 20.0).policy(RefillPolicy())
    assert jittery.low_water_mark > steady.low_water_mark + 10


def test_the_chunk_lasts_one_latency_within_its_bounds() -> None:
    sizes = [_taught(demand=rate).policy(RefillPolicy()).chunk_size for rate in (1, 30, 200)]
    assert sizes == [12, pytest.approx(30, abs=2), 50]


def test_the_options_are_bounds() -> None:
    bounds = RefillPolicy(60, 60, 300, 2)
    assert _taught(demand=100.0).policy(bounds) == bounds
    assert _taught(demand=0.0).policy(bounds) == bounds


def test_a_low_water_mark_of_zero_stays_zero_whatever_is_learnt() -> None:
    assert _taught(demand=100.0).policy(RefillPolicy(low_water_mark=0)).low_water_mark == 0


def test_of_a_source_that_gives_half_twice_as_many_are_asked_for() -> None:
    whole = _taught([1.0] * 20, 20.0).policy(RefillPolicy())
    half = _taught([1.0] * 20, 20.0, share=0.5).policy(RefillPolicy())
    assert half.chunk_size == pytest.approx(2 * whole.chunk_size, abs=2)


def test_a_source_that_gives_nearly_nothing_is_not_asked_for_everything() -> None:
    learnt = _taught([1.0] * 50, share=0.01)
    assert learnt.share == pytest.approx(LEAST_SHARE, abs=0.01)
    assert _taught([1.0] * 50, share=3.0).share == 1.0


def test_a_fetch_that_is_late_says_at_once_that_fetches_take_longer() -> None:
    learnt = _taught([1.0] * 20, 10.0)
    usual, late = learnt.policy(RefillPolicy()), learnt.policy(RefillPolicy(), age=5.0)
    assert late.low_water_mark > 2 * usual.low_water_mark
    assert learnt.seconds == pytest.approx(1.0)


@quick
@given(
    st.lists(st.floats(0.0, 1e4), max_size=20),
    st.floats(0.0, 1e6),
    st.integers(-(10**6), 10**6),
    st.floats(0.0, 1e6),
    st.integers(0, 100),
    st.integers(1, 60),
)
def test_whatever_is_learnt_the_policy_keeps_its_bounds(
    seconds: list[float], later: float, drawn: int, age: float, low: int, chunk: int
) -> None:
    learnt = _taught(seconds, 1.0)
    learnt.look(100.0 + later, drawn)
    bounds = RefillPolicy(chunk, max(chunk, 50), low, 4)
    policy = learnt.policy(bounds, age)
    assert chunk <= policy.chunk_size <= bounds.max_chunk_size
    assert policy.low_water_mark >= low
    assert (policy.max_chunk_size, policy.max_fetches) == (bounds.max_chunk_size, 4)


# Pauses


def _steady(value: float) -> Pauses:
    return Pauses(jitter=lambda: value)


class _Busy(Exception):
    def __init__(self, retry_after: Any) -> None:
        super().__init__("busy")
        self.retry_after = retry_after


def test_a_new_backoff_allows_at_once() -> None:
    assert Pauses().allows(0.0)
    assert Pauses().allows(-1e9)


def test_the_pause_doubles_with_each_failure_in_a_row() -> None:
    pauses = _steady(1.0)
    assert [pauses.failed(0.0) for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]


def test_the_pause_is_capped() -> None:
    pauses = _steady(1.0)
    assert [pauses.failed(0.0) for _ in range(2000)][7:] == [BACKOFF.longest] * 1993


def test_the_smallest_draw_gives_half_the_pause() -> None:
    pauses = _steady(0.0)
    assert [pauses.failed(0.0) for _ in range(3)] == [0.25, 0.5, 1.0]


@quick
@given(st.integers(0, 2**32), st.integers(0, 40))
def test_the_pause_is_between_half_and_the_whole_of_the_nominal(seed: int, earlier: int) -> None:
    pauses = Pauses(jitter=random.Random(seed).random)
    for _ in range(earlier):
        pauses.failed(0.0)
    nominal = min(BACKOFF.first * 2**earlier, BACKOFF.longest)
    assert nominal / 2 <= pauses.failed(0.0) <= nominal


def test_two_clients_do_not_pause_alike() -> None:
    assert len({Pauses().failed(0.0) for _ in range(50)}) > 1


def test_the_pause_is_at_least_what_the_source_asks_for() -> None:
    assert _steady(1.0).failed(0.0, _Busy(7.5)) == 7.5


def test_a_source_may_ask_for_more_than_the_cap() -> None:
    assert _steady(1.0).failed(0.0, _Busy(100.0)) == 100.0


def test_a_source_that_asks_for_less_does_not_shorten_the_pause() -> None:
    assert _steady(1.0).failed(0.0, _Busy(0.1)) == 0.5


def test_an_error_that_asks_for_nothing_pauses_as_none_does() -> None:
    assert _steady(1.0).failed(0.0, ValueError("gone")) == _steady(1.0).failed(0.0) == 0.5


def test_a_request_counts_as_one_failure() -> None:
    pauses = _steady(1.0)
    pauses.failed(0.0, _Busy(100.0))
    assert not pauses.allows(99.9)
    assert pauses.allows(100.0)
    assert pauses.failed(100.0) == 1.0


def test_nothing_is_allowed_before_the_pause_is_over() -> None:
    pauses = _steady(1.0)
    pauses.failed(1000.0)
    assert not pauses.allows(1000.0)
    assert not pauses.allows(1000.49)


def test_everything_is_allowed_from_the_moment_the_pause_is_over() -> None:
    pauses = _steady(1.0)
    pauses.failed(1000.0)
    assert pauses.allows(1000.5)
    assert pauses.allows(2000.0)


def test_the_end_of_a_pause_does_not_reset_its_growth() -> None:
    pauses = _steady(1.0)
    pauses.failed(0.0)
    assert pauses.allows(100.0)
    assert pauses.failed(100.0) == 1.0


def test_a_success_ends_the_pause() -> None:
    pauses = _steady(1.0)
    pauses.failed(1000.0, _Busy(100.0))
    pauses.succeeded()
    assert pauses.allows(1000.0)


def test_after_a_success_the_next_failure_pauses_as_the_first_did() -> None:
    pauses = _steady(1.0)
    for _ in range(5):
        pauses.failed(0.0)
    pauses.succeeded()
    assert [pauses.failed(0.0), pauses.failed(0.0)] == [0.5, 1.0]
    assert pauses.failures == 2


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
