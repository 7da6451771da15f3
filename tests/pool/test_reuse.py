"""A name that was given back comes again late; a source may have no more names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from math import inf
from typing import Any

import pytest

import namepool
from namepool import (
    AssociateName,
    CheckinName,
    CheckoutName,
    ListedNames,
    NamePool,
    NumberedNames,
    PoolHandle,
    PoolState,
    PoolStatsRequest,
    SourceExhausted,
)
from namepool.core.refill import BACKOFF, SHORTEST_PATIENCE
from namepool.errors import CheckoutTimeout, InvalidOption
from namepool.events import FetchFailed
from namepool.pool.ref import NamePoolRef
from tests.support import (
    PATIENCE,
    Crews,
    GatedSource,
    MovableClock,
    ScriptedSource,
    run_together,
    switching_often,
    wait_until,
)

FAILURE = ConnectionError("the service is down")


def agents(pool: PoolHandle, count: int, theme: str | None = None) -> list[str]:
    """Return the names of agents that work one after another."""
    names = []
    for _ in range(count):
        with pool.named(theme=theme) as name:
            names.append(name)
    return names


def later(ref: NamePoolRef, owner: str, timeout: float | None = None) -> Callable[[], str]:
    """Ask for a name; return what waits for it."""
    future = ref.ask(CheckoutName(timeout, owner), block=False)
    return lambda: future.get(timeout=PATIENCE)


def waits(ref: NamePoolRef, count: int = 1) -> bool:
    return bool(ref.ask(PoolStatsRequest()).waiting_count == count)


def waits_in_vain(ref: NamePoolRef) -> bool:
    """Tell whether one waits, and the source has said that it has no more names.

    Before, its answer would be a turn of the pool, in which it looks at its timers.
    """
    return waits(ref) and bool(ref.ask(PoolStatsRequest()).fetch_failure_count)


def one_rests(clock: MovableClock) -> tuple[GatedSource, NamePoolRef]:
    """Return a source that hangs from now on, and its pool, in which "Name 1" rests."""
    source = GatedSource(is_open=True)
    ref = NamePool.start(source=source, chunk_size=1, max_chunk_size=1, low_water_mark=0)
    clock.drive(ref)
    agents(PoolHandle(ref), 1)
    source.gate.clear()
    return source, ref


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


# -- the gap --------------------------------------------------------------------------------


def test_a_hundred_agents_one_after_another_get_a_hundred_names() -> None:
    with namepool.open_pool() as pool:
        assert len({*agents(pool, 100)}) == 100


@pytest.mark.parametrize("gap", [1, 40, 100])
def test_the_pool_fetches_the_gap_once_and_then_recycles(gap: int) -> None:
    with namepool.open_pool(source=NumberedNames(), reuse_gap=gap) as pool:
        names = agents(pool, 3 * gap + 60)
        stats = pool.pool_stats()
    last: dict[str, int] = {}
    for at, name in enumerate(names):
        assert at - last.get(name, -inf) > gap
        last[name] = at
    assert gap < len(last) <= gap + 2 * 50  # with what is in stock
    assert (stats.early_reuse_count, stats.all_used_count) == (0, stats.available_count)


def test_a_gap_of_0_hands_a_name_out_again_at_once() -> None:
    with namepool.open_pool(source=NumberedNames(), chunk_size=1, reuse_gap=0) as pool:
        assert len({*agents(pool, 50)}) <= 2


def test_the_gap_is_counted_for_each_theme() -> None:
    with namepool.open_pool(source=Crews(), reuse_gap=20) as pool:
        cooks = agents(pool, 15, "kitchen")
        assert len({*agents(pool, 100)}) > 20
        assert {*cooks}.isdisjoint(agents(pool, 5, "kitchen"))


def test_a_checkout_needs_no_fetch_once_the_gap_is_filled() -> None:
    source = GatedSource(is_open=True)
    ref = NamePool.start(source=source, reuse_gap=100)
    agents(PoolHandle(ref), 400)
    wait_until(lambda: ref.ask(PoolStatsRequest()).fetching_count == 0, ref)
    fetches = len(source.counts)
    agents(PoolHandle(ref), 2_000)
    assert len(source.counts) == fetches


@pytest.mark.parametrize("gap", [-1, 1.5, True, "1000", None])
def test_a_gap_that_is_no_count_is_refused(gap: object) -> None:
    with pytest.raises(InvalidOption, match="reuse_gap must be an integer of at least 0, not "):
        namepool.open_pool(reuse_gap=gap)  # type: ignore[arg-type]


# -- the source gives nothing ----------------------------------------------------------------


def test_in_an_outage_the_name_that_was_given_back_first_is_handed_out() -> None:
    source = ScriptedSource(["Ada", "Bea", "Cid"], *[FAILURE] * 99)
    with namepool.open_pool(source=source, low_water_mark=0) as pool:
        assert agents(pool, 9) == ["Ada", "Bea", "Cid"] * 3
        stats = pool.pool_stats()
    assert stats.early_reuse_count == 6
    assert stats.unavailable_count == 0


def test_of_those_who_wait_when_the_source_fails_some_get_the_names_that_rest() -> None:
    source = GatedSource(is_open=True)
    ref = NamePool.start(source=source, chunk_size=2, max_chunk_size=2, low_water_mark=0)
    pool = PoolHandle(ref)
    assert agents(pool, 2) == ["Name 1", "Name 2"]
    source.gate.clear()
    source.error = FAILURE
    waiting = [later(ref, f"agent {n}") for n in range(3)]
    wait_until(lambda: waits(ref, 3), ref)

    source.gate.set()

    assert [wait() for wait in waiting[:2]] == ["Name 1", "Name 2"]
    with pytest.raises(namepool.NamesUnavailable):
        waiting[2]()
    assert pool.pool_stats().early_reuse_count == 2


def test_a_source_that_is_late_is_not_waited_for_while_a_name_rests(clock: MovableClock) -> None:
    source, ref = one_rests(clock)
    wait = later(ref, "agent")
    wait_until(lambda: len(source.counts) == 2, ref)
    clock.advance(SHORTEST_PATIENCE * 0.9)
    assert waits(ref)

    clock.advance(SHORTEST_PATIENCE * 0.2)

    assert wait() == "Name 1"
    stats = ref.ask(PoolStatsRequest())
    assert (stats.early_reuse_count, stats.fetching_count) == (1, 1)
    source.gate.set()


def test_a_source_that_is_always_slow_is_waited_for_as_long_as_it_takes(
    clock: MovableClock,
) -> None:
    source = GatedSource()
    ref = NamePool.start(source=source, chunk_size=1, max_chunk_size=1, low_water_mark=0)
    clock.drive(ref)
    for n in range(1, 6):  # it learns that a fetch takes 5 seconds
        source.gate.clear()
        wait = later(ref, f"agent {n}")
        wait_until(lambda n=n: len(source.counts) == n, ref)  # type: ignore[misc]
        clock.advance(5.0)
        source.gate.set()
        assert wait() == f"Name {n}"
        assert ref.ask(CheckinName(f"Name {n}", f"agent {n}"))
    assert ref.ask(PoolStatsRequest()).early_reuse_count == 0


def test_a_caller_whose_timeout_passes_gets_a_name_that_rests(clock: MovableClock) -> None:
    source, ref = one_rests(clock)
    wait = later(ref, "agent", timeout=0.5)
    wait_until(lambda: waits(ref), ref)

    clock.advance(0.5)

    assert wait() == "Name 1"
    assert ref.ask(PoolStatsRequest()).timeout_count == 0
    source.gate.set()


# -- a source has no more ---------------------------------------------------------------------


def test_who_finds_a_short_list_empty_waits_until_a_name_comes_back() -> None:
    ref = NamePool.start(source=ListedNames(["Ada", "Bo", "Cy"]))
    names = [ref.ask(CheckoutName(None, f"agent {n}")) for n in range(3)]
    assert names == ["Ada", "Bo", "Cy"]
    fourth = later(ref, "fourth")
    wait_until(lambda: waits(ref), ref)

    ref.ask(CheckinName("Bo", "agent 1"))

    assert fourth() == "Bo"
    stats = ref.ask(PoolStatsRequest())
    assert (stats.early_reuse_count, stats.unavailable_count) == (1, 0)
    assert stats.last_error == "SourceExhausted: the list has no more than its 3 names"


def test_who_waits_for_a_short_list_waits_no_longer_than_its_timeout(clock: MovableClock) -> None:
    ref = NamePool.start(source=ListedNames(["Ada"]))
    clock.drive(ref)
    ref.ask(CheckoutName(None, "agent"))
    future = ref.ask(CheckoutName(7.0, "second"), block=False)
    wait_until(lambda: waits_in_vain(ref), ref)
    clock.advance(6.9)
    assert waits(ref)
    clock.advance(0.1)
    with pytest.raises(CheckoutTimeout, match="within 7 s .*1 checked out.*no more than its 1 nam"):
        future.get(timeout=PATIENCE)


def test_a_list_is_asked_no_more_once_it_is_at_its_end() -> None:
    class Counted(ListedNames):
        calls = 0

        def fetch(self, count: int, used: Sequence[str]) -> list[str]:
            self.calls += 1
            return super().fetch(count, used)

    source = Counted(["Ada", "Bo"])
    with namepool.open_pool(source=source) as pool:
        agents(pool, 50)
        wait_until(lambda: pool.pool_stats().fetching_count == 0, pool._target)
        calls = source.calls
        assert {*agents(pool, 500)} == {"Ada", "Bo"}
        assert source.calls == calls <= 5


def test_the_end_of_a_list_is_told_once_and_never_as_an_outage(
    caplog: pytest.LogCaptureFixture,
) -> None:
    events: list[FetchFailed] = []
    source = ListedNames(["Ada", "Bo"])
    with namepool.open_pool(source=source) as pool, pool.subscribe(events.append, FetchFailed):
        agents(pool, 50)
        with pool.named(), pool.named(), pytest.raises(CheckoutTimeout):
            pool.checkout_name(0, owner="third")
    assert [r.getMessage() for r in caplog.records] == [
        "the source has no more names: SourceExhausted: the list has no more than its 2 names"
    ]
    assert [event.retry_in for event in events] == [inf]


def test_a_reset_begins_the_list_anew() -> None:
    with namepool.open_pool(source=ListedNames(["Ada", "Bo"])) as pool:
        for _ in range(3):
            assert {pool.checkout_name(owner=f"agent {n}") for n in range(2)} == {"Ada", "Bo"}
            pool.reset()


def test_a_name_that_a_program_brought_counts_as_used() -> None:
    with namepool.open_pool(source=ListedNames(["Ada", "Bo"])) as pool:
        pool.associate_name("ADA", owner="restored")
        assert pool.checkout_name(owner="agent") == "Bo"
        with pytest.raises(CheckoutTimeout):
            pool.checkout_name(0.05, owner="late")


@pytest.mark.parametrize("rounds", [20, pytest.param(200, marks=pytest.mark.proof)])
def test_however_many_ask_for_a_short_list_at_once_none_is_refused(rounds: int) -> None:
    """Fetches that begin at once bring the same names, which is no failure of the source."""

    def work(pool: PoolHandle) -> None:
        with pool.named() as name:
            assert name in {"Ada", "Bo", "Cy"}

    for _ in range(rounds):
        with namepool.open_pool(source=ListedNames(["Ada", "Bo", "Cy"])) as pool, switching_often():
            run_together([lambda: work(pool) for _ in range(8)])
            stats = pool.pool_stats()
            assert (stats.unavailable_count, stats.timeout_count) == (0, 0)
            assert (stats.checkout_count, stats.all_used_count) == (8, 3)


def test_a_chunk_that_another_fetch_brought_meanwhile_is_no_failure() -> None:
    class Twice:
        """Both fetches have seen the same used names."""

        def __init__(self) -> None:
            self.both, self.calls = threading.Barrier(2), 0

        def fetch(self, count: int, used: Sequence[str]) -> Iterator[str]:
            self.calls += 1
            if self.calls <= 2:
                self.both.wait(PATIENCE)
                return iter(["Ada", "Bo"])
            raise SourceExhausted("that is all")

    ref = NamePool.start(
        source=Twice(), chunk_size=1, max_chunk_size=1, low_water_mark=0, max_fetches=2
    )
    waiting = [later(ref, f"agent {n}") for n in range(3)]
    assert {waiting[0](), waiting[1]()} == {"Ada", "Bo"}
    wait_until(lambda: ref.ask(PoolStatsRequest()).fetch_count >= 3, ref)
    wait_until(lambda: ref.ask(PoolStatsRequest()).fetching_count == 0, ref)
    assert waits(ref)
    assert ref.ask(PoolStatsRequest()).fetch_failure_count == 1  # the end of the source
    ref.ask(CheckinName("Ada", "agent 0"))
    assert waiting[2]() == "Ada"


def test_a_pool_that_restarts_goes_on_with_the_names_that_there_are() -> None:
    class Crash:
        def __repr__(self) -> str:
            raise SystemExit

    with namepool.open_pool(source=ListedNames(["Ada", "Bo"])) as pool:
        assert {*agents(pool, 10)} == {"Ada", "Bo"}
        handle: Any = pool._target
        handle.current.tell(Crash())
        wait_until(lambda: pool.pool_stats().restart_count == 1, handle)
        assert {*agents(pool, 10)} == {"Ada", "Bo"}


def test_two_programs_with_one_list_and_one_ledger_share_it(tmp_path: object) -> None:
    url = f"sqlite:///{tmp_path}/names.db"
    with namepool.open_pool(source=ListedNames(["Ada", "Bo"]), ledger=url, chunk_size=1) as one:
        first = one.checkout_name()
        with closing(
            namepool.open_pool(source=ListedNames(["Ada", "Bo"]), ledger=url, chunk_size=1)
        ) as two:
            second = two.checkout_name(owner="other")
            assert {first, second} <= {"Ada", "Bo"}
            assert first != second


def test_names_of_a_list_that_others_hold_may_come_free(
    tmp_path: object, clock: MovableClock
) -> None:
    url = f"sqlite:///{tmp_path}/names.db"
    with namepool.open_pool(source=ListedNames(["Ada"]), ledger=url) as one:
        assert one.checkout_name() == "Ada"
        two = NamePool.start(source=ListedNames(["Ada"]), ledger=url)
        clock.drive(two)
        with pytest.raises(namepool.NamesUnavailable, match="others have claimed all 1 names"):
            two.ask(CheckoutName(None, "agent"))
        one.checkin_name("Ada")
    clock.advance(BACKOFF.longest)
    assert two.ask(CheckoutName(None, "agent")) == "Ada"
    two.stop()


def test_a_source_that_knows_only_known_names_has_failed_whatever_else_became_known() -> None:
    """Names that programs bring are no sign that another fetch brought the same names."""
    source = GatedSource(is_open=True)
    ref = NamePool.start(source=source, chunk_size=1, max_chunk_size=1, low_water_mark=0)
    ref.ask(CheckoutName(None, "agent"))
    source.gate.clear()
    source._next = 0  # it will say the same name again
    waiting = later(ref, "second")
    wait_until(lambda: len(source.counts) == 2, ref)
    ref.ask(AssociateName("Zoe", owner="restored"))

    source.gate.set()

    with pytest.raises(namepool.NamesUnavailable, match="0 invalid, 1 known already"):
        waiting()
    assert len(source.counts) == 2


@pytest.mark.parametrize("most", [1, 2])
def test_fetches_of_other_themes_that_hang_keep_no_name_that_rests(
    clock: MovableClock, most: int
) -> None:
    class Stuck(Crews):
        def __init__(self) -> None:
            super().__init__()
            self.gate, self.calls = threading.Event(), 0
            self.gate.set()

        def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
            self.calls += 1
            assert self.gate.wait(PATIENCE)
            return super().fetch(count, used, theme)

    source = Stuck()
    ref = NamePool.start(
        source=source, chunk_size=1, max_chunk_size=1, low_water_mark=0, max_fetches=most
    )
    clock.drive(ref)
    pool = PoolHandle(ref)
    rests = agents(pool, 1, "kitchen")
    source.gate.clear()
    sailors = [
        ref.ask(CheckoutName(None, theme, theme=theme), block=False)
        for theme in (None, "sea")[:most]
    ]
    wait_until(lambda: source.calls == 1 + most, ref)
    cook = ref.ask(CheckoutName(None, "cook", theme="kitchen"), block=False)
    wait_until(lambda: waits(ref, most + 1), ref)

    clock.advance(SHORTEST_PATIENCE)

    assert [cook.get(timeout=PATIENCE)] == rests
    source.gate.set()
    assert len({sailor.get(timeout=PATIENCE) for sailor in sailors}) == most


def test_a_fetch_that_is_late_is_noticed_although_the_pool_learnt_to_wait_longer(
    clock: MovableClock,
) -> None:
    source, ref = one_rests(clock)
    wait = later(ref, "agent")
    wait_until(lambda: len(source.counts) == 2, ref)
    actor: Any = ref._actor
    learnt = actor._state.stocks[None].learnt
    learnt.seconds, learnt.deviation = 3.0, 0.5  # as other fetches taught meanwhile
    clock.advance(SHORTEST_PATIENCE)
    assert waits(ref)

    clock.advance(learnt.patience - SHORTEST_PATIENCE)

    assert wait() == "Name 1"
    assert ref.ask(PoolStatsRequest()).fetching_count == 1
    source.gate.set()


def test_who_is_served_late_by_a_busy_pool_gets_the_name_that_came_in_time(
    clock: MovableClock,
) -> None:
    ref = NamePool.start(source=ListedNames(["Ada"]))
    clock.drive(ref)
    ref.ask(CheckoutName(None, "agent"))
    wait = later(ref, "second", timeout=1.0)
    wait_until(lambda: waits_in_vain(ref), ref)
    clock.now += 2.0  # the pool was busy, and no timer has fired yet
    ref.ask(CheckinName("Ada", "agent"))

    assert wait() == "Ada"
    stats = ref.ask(PoolStatsRequest())
    assert (stats.early_reuse_count, stats.timeout_count) == (1, 0)


@pytest.mark.parametrize("theme", [None, "sea"])
@pytest.mark.parametrize("prefetch", [False, True])
def test_a_source_that_never_had_a_name_lets_nobody_wait_in_vain(
    theme: str | None, prefetch: bool
) -> None:
    class Empty:
        def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
            raise SourceExhausted("not one")

    with namepool.open_pool(source=Empty(), prefetch=prefetch) as pool:
        for _ in range(2):
            with pytest.raises(namepool.NamesUnavailable, match="not one; it has no more, and non"):
                pool.checkout_name(None, theme=theme)
        pool.associate_name("Zoe", owner="restored")
        if theme is None:
            future = pool._target.ask(CheckoutName(None, "agent"), block=False)
            pool.checkin_name("Zoe", owner="restored")
            assert future.get(timeout=PATIENCE) == "Zoe"


def test_a_later_pool_of_a_state_has_its_own_gap() -> None:
    state, source = PoolState(), NumberedNames()
    first = NamePool.start(source=source, state=state, chunk_size=3, low_water_mark=0)
    agents(PoolHandle(first), 3)
    first.stop()
    second = NamePool.start(source=source, state=state, reuse_gap=0, low_water_mark=0)
    assert {*agents(PoolHandle(second), 50)} == {"NPC #1", "NPC #2", "NPC #3"}


class Draining:
    """Gives its last names to the first fetch, which hangs; the second is told that this was all.

    ``last`` is the answer to the first fetch, or its error.
    """

    def __init__(self, last: list[str] | Exception) -> None:
        self.last, self.calls = last, 0
        self.gate, self.told = threading.Event(), threading.Event()

    def fetch(self, count: int, used: Sequence[str]) -> list[str]:
        self.calls += 1
        if self.calls > 1:
            self.told.set()
            raise SourceExhausted("that was all")
        assert self.gate.wait(PATIENCE)
        if isinstance(self.last, Exception):
            raise self.last
        return self.last


def test_the_last_names_of_a_source_may_come_behind_the_news_that_there_are_no_more() -> None:
    source = Draining(["Ada", "Bo"])
    ref = NamePool.start(source=source, chunk_size=1, max_chunk_size=1, low_water_mark=0)
    waiting = [later(ref, f"agent {n}") for n in range(2)]
    assert source.told.wait(PATIENCE)
    wait_until(lambda: ref.ask(PoolStatsRequest()).fetching_count == 1, ref)
    assert waits(ref, 2)

    source.gate.set()

    assert {wait() for wait in waiting} == {"Ada", "Bo"}


def test_if_these_do_not_come_either_nobody_waits_in_vain(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = Draining(FAILURE)
    ref = NamePool.start(source=source, chunk_size=1, max_chunk_size=1, low_water_mark=0)
    waiting = [later(ref, f"agent {n}") for n in range(2)]
    assert source.told.wait(PATIENCE)
    wait_until(lambda: ref.ask(PoolStatsRequest()).fetching_count == 1, ref)

    source.gate.set()

    for wait in waiting:
        with pytest.raises(namepool.NamesUnavailable):
            wait()
    ref.ask(PoolStatsRequest())  # behind the failure, which is logged last
    assert ["no more names" in r.getMessage() for r in caplog.records] == [True]


def test_a_pool_whose_names_all_rest_prefetches_none_when_it_starts_again() -> None:
    state, source = PoolState(), GatedSource(is_open=True)
    first = NamePool.start(source=source, state=state, chunk_size=2, low_water_mark=0)
    agents(PoolHandle(first), 2)
    first.stop()
    second = NamePool.start(source=source, state=state, prefetch=True, low_water_mark=0)
    assert second.ask(PoolStatsRequest()).fetch_count == 1
    assert source.counts == [2]
