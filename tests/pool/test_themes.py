"""Crews of one theme each, from one pool."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from namepool import (
    CheckinName,
    CheckoutLease,
    CheckoutName,
    CheckoutTimeout,
    InvalidOption,
    NamePool,
    NamesUnavailable,
    NumberedNames,
    OfflineNames,
    PoolHandle,
    PoolState,
    PoolStats,
    PoolStatsRequest,
    Reset,
    SourceError,
    UnknownTheme,
    name_key,
    open_pool,
)
from namepool.core.judging import judge
from namepool.pool.fetcher import ChunkArrived
from namepool.pool.ref import NamePoolRef
from namepool.pool.refilling import _deliver
from namepool.sources._theme import built_in
from tests.support import PATIENCE, MovableClock, run_together, wait_until


class Themed:
    """Names such as "Sea 1"; a theme that is ``shut`` waits, one that is ``broken`` raises."""

    def __init__(self, *shut: str | None) -> None:
        self.gates = {theme: threading.Event() for theme in shut}
        self.asked: list[str | None] = []
        self.broken: dict[str | None, Exception] = {}
        self.calls = threading.Semaphore(0)
        self._numbers: dict[str | None, int] = {}

    def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
        self.asked.append(theme)
        self.calls.release()
        if theme in self.gates:
            assert self.gates[theme].wait(PATIENCE)
        if theme in self.broken:
            raise self.broken[theme]
        first = self._numbers.get(theme, 0) + 1
        self._numbers[theme] = first + count - 1
        return [f"{(theme or 'plain').title()} {n}" for n in range(first, first + count)]


def _later(ref: NamePoolRef, owner: str, theme: str | None, timeout: float | None = None) -> Any:
    return ref.ask(CheckoutName(timeout, owner, theme), block=False)


def _stats(ref: NamePoolRef) -> PoolStats:
    stats: PoolStats = ref.ask(PoolStatsRequest(), timeout=PATIENCE)
    return stats


def _until(condition: Callable[[PoolStats], bool], ref: NamePoolRef) -> None:
    wait_until(lambda: condition(_stats(ref)), ref)


def test_each_crew_has_names_of_its_theme_from_one_pool() -> None:
    with open_pool(source=OfflineNames(seed=3)) as pool:
        crews = {
            theme: [
                pool.checkout_name(PATIENCE, owner=f"{theme} {n}", theme=theme) for n in range(30)
            ]
            for theme in ("kitchen", "railway", None)
        }
        for theme in ("kitchen", "railway"):
            firsts = set(built_in(theme).first)
            assert all(firsts.intersection(name.replace(",", "").split()) for name in crews[theme])
        names = list(itertools.chain(*crews.values()))
        assert len(set(map(name_key, names))) == 90
        stats = pool.pool_stats()
        assert stats.checked_out_count == 90
        assert stats.all_used_count == stats.available_count + 90


def test_every_way_to_ask_takes_a_theme() -> None:
    ref = NamePool.start(source=Themed())
    pool = PoolHandle(ref)
    assert pool.checkout_name(theme="sea") == "Sea 1"
    assert ref.ask(CheckoutName(theme="sea"), timeout=PATIENCE) == "Sea 2"
    assert ref.ask(CheckoutLease(theme="sea"), timeout=PATIENCE).name == "Sea 3"
    assert ref.proxy().checkout_name(theme="sea").get(timeout=PATIENCE) == "Sea 4"
    with pool.named(theme="sea") as name:
        assert name == pool.speaker() == "Sea 5"
        with pool.named(theme="kitchen") as inner:
            assert inner == pool.speaker() == "Kitchen 1"
        assert pool.speaker() == "Sea 5"


def test_a_name_given_back_is_for_its_theme_only() -> None:
    ref = NamePool.start(source=Themed(), chunk_size=2, low_water_mark=0, reuse_gap=0)
    pool = PoolHandle(ref)
    mine = [pool.checkout_name(theme="sea") for _ in range(2)]
    for name in mine:
        assert pool.checkin_name(name)
    assert pool.checkout_name() == "Plain 1"
    assert pool.checkout_name(theme="kitchen") == "Kitchen 1"
    assert [pool.checkout_name(theme="sea") for _ in range(3)] == ["Sea 1", "Sea 2", "Sea 3"]


def test_who_waits_for_one_theme_keeps_nobody_else_waiting() -> None:
    source = Themed("sea")
    ref = NamePool.start(source=source)
    waiting = _later(ref, "sailor", "sea")
    _until(lambda stats: stats.waiting_count == 1, ref)

    assert ref.ask(CheckoutName(theme="kitchen"), timeout=PATIENCE) == "Kitchen 1"
    plain = ref.ask(CheckoutName(), timeout=PATIENCE)
    assert ref.ask(CheckinName(plain), timeout=PATIENCE) is True
    assert ref.ask(CheckinName("Kitchen 1"), timeout=PATIENCE) is True
    assert _stats(ref).waiting_count == 1

    source.gates["sea"].set()
    assert waiting.get(timeout=PATIENCE) == "Sea 1"


@pytest.mark.parametrize("most", [2, 4])
def test_however_many_wait_for_one_theme_they_keep_nobody_else_waiting(most: int) -> None:
    source = Themed("sea")
    ref = NamePool.start(source=source, max_fetches=most)
    sailors = [_later(ref, f"sailor {n}", "sea") for n in range(300)]
    for _ in range(most - 1):
        assert source.calls.acquire(timeout=PATIENCE)
    _until(lambda stats: stats.waiting_count == 300, ref)

    assert ref.ask(CheckoutName(theme="kitchen"), timeout=PATIENCE) == "Kitchen 1"
    assert ref.ask(CheckoutName(), timeout=PATIENCE) == "Plain 1"
    _until(lambda stats: stats.fetching_count == most - 1, ref)

    source.gates["sea"].set()
    assert len({sailor.get(timeout=PATIENCE) for sailor in sailors}) == 300


def test_those_who_wait_for_one_theme_are_served_first_come_first_served() -> None:
    source = Themed("sea", "kitchen")
    ref = NamePool.start(source=source)
    sailors = [_later(ref, f"sailor {n}", "sea") for n in range(5)]
    cooks = [_later(ref, f"cook {n}", "kitchen") for n in range(5)]
    _until(lambda stats: stats.waiting_count == 10, ref)

    source.gates["kitchen"].set()
    assert [cook.get(timeout=PATIENCE) for cook in cooks] == [f"Kitchen {n + 1}" for n in range(5)]
    assert _stats(ref).waiting_count == 5

    source.gates["sea"].set()
    assert [one.get(timeout=PATIENCE) for one in sailors] == [f"Sea {n + 1}" for n in range(5)]


@pytest.mark.parametrize("by_lease", [False, True])
def test_a_name_given_back_serves_who_waits_for_its_theme(by_lease: bool) -> None:
    source = Themed()
    ref = NamePool.start(source=source, chunk_size=1, low_water_mark=0, reuse_gap=0)
    pool = PoolHandle(ref)
    with pool.named(theme="sea") as name:
        source.gates.update({"sea": threading.Event(), "kitchen": threading.Event()})
        cook, sailor = _later(ref, "cook", "kitchen"), _later(ref, "sailor", "sea")
        _until(lambda stats: stats.waiting_count == 2, ref)
        if not by_lease:
            assert pool.checkin_name(name)
    assert sailor.get(timeout=PATIENCE) == name == "Sea 1"
    assert _stats(ref).waiting_count == 1
    source.gates["kitchen"].set()
    assert cook.get(timeout=PATIENCE) == "Kitchen 1"
    source.gates["sea"].set()


def test_a_checkout_that_times_out_says_for_what_it_waited_and_costs_no_name(
    clock: MovableClock,
) -> None:
    source = Themed("sea")
    ref = NamePool.start(source=source)
    clock.drive(ref)
    future = _later(ref, "sailor", "sea", timeout=2.0)
    _until(lambda stats: stats.waiting_count == 1, ref)
    clock.advance(2.0)
    with pytest.raises(CheckoutTimeout, match="no name of theme 'sea' within 2 s"):
        future.get(timeout=PATIENCE)

    source.gates["sea"].set()
    assert ref.ask(CheckoutName(theme="sea"), timeout=PATIENCE) == "Sea 1"
    stats = _stats(ref)
    assert (stats.checked_out_count, stats.waiting_count) == (1, 0)
    assert stats.all_used_count == stats.available_count + 1


def test_a_dropped_future_costs_no_name_of_a_theme() -> None:
    source = Themed("sea")
    ref = NamePool.start(source=source)
    dropped = _later(ref, "sailor", "sea")
    _until(lambda stats: stats.waiting_count == 1, ref)
    del dropped
    _until(lambda stats: stats.waiting_count == 0, ref)
    source.gates["sea"].set()
    _until(lambda stats: stats.available_count > 0, ref)
    assert ref.ask(CheckoutName(theme="sea"), timeout=PATIENCE) == "Sea 1"


def test_a_theme_that_its_source_does_not_know_is_refused_and_leaves_nothing_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    state = PoolState()
    ref = NamePool.start(source=OfflineNames(themes=["sea", "kitchen"]), state=state)
    with caplog.at_level(logging.WARNING, "namepool"):
        for _ in range(3):
            with pytest.raises(UnknownTheme, match="one of 'kitchen', 'sea', not 'kitchn'"):
                ref.ask(CheckoutName(theme="kitchn"), timeout=PATIENCE)
    ref.ask(PoolStatsRequest(), timeout=PATIENCE)  # the pool has done with that
    assert issubclass(UnknownTheme, InvalidOption)
    assert not caplog.records
    assert set(state.stocks) == {None}
    assert ref.ask(CheckoutName(theme="kitchen"), timeout=PATIENCE)  # and nobody is paused
    assert ref.ask(CheckoutName(), timeout=PATIENCE)


def test_all_who_wait_for_an_unknown_theme_are_told() -> None:
    source = Themed("sea")
    source.broken["sea"] = UnknownTheme("theme must be 'kitchen', not 'sea'")
    ref = NamePool.start(source=source, chunk_size=1, max_chunk_size=1)
    futures = [_later(ref, f"sailor {n}", "sea") for n in range(6)]
    _until(lambda stats: stats.waiting_count == 6, ref)
    source.gates["sea"].set()
    for future in futures:
        with pytest.raises(UnknownTheme, match="'kitchen', not 'sea'"):
            future.get(timeout=PATIENCE)
    assert _stats(ref).waiting_count == 0
    assert ref.ask(CheckoutName(), timeout=PATIENCE) == "Plain 1"


def test_a_theme_for_which_the_source_fails_pauses_no_other() -> None:
    source = Themed()
    source.broken["sea"] = SourceError("no more of these")
    ref = NamePool.start(source=source, chunk_size=1, low_water_mark=0)
    with pytest.raises(NamesUnavailable, match="no name of theme 'sea': no more of these; next"):
        ref.ask(CheckoutName(theme="sea"), timeout=PATIENCE)
    calls = len(source.asked)
    with pytest.raises(NamesUnavailable):  # at once: the source is left alone, for this theme
        ref.ask(CheckoutName(theme="sea"), timeout=PATIENCE)
    assert len(source.asked) == calls
    for theme, name in (("kitchen", "Kitchen 1"), (None, "Plain 1")):
        assert ref.ask(CheckoutName(theme=theme), timeout=PATIENCE) == name


def test_from_a_source_that_knows_no_themes_everybody_gets_what_there_is() -> None:
    state = PoolState()
    pool = PoolHandle(NamePool.start(source=NumberedNames(), state=state))
    names = [pool.checkout_name(theme=theme) for theme in ("sea", None, "kitchen")]
    assert names == ["NPC #1", "NPC #2", "NPC #3"]
    assert set(state.stocks) == {None}


def test_fetches_are_shared_out_among_the_themes_for_which_somebody_waits() -> None:
    source = Themed("sea", "kitchen", None)
    ref = NamePool.start(source=source, chunk_size=1, max_chunk_size=1, max_fetches=3)
    with ref.actor_inbox.turn:
        futures = [_later(ref, f"sailor {n}", "sea") for n in range(9)]
        futures += [_later(ref, "cook", "kitchen"), _later(ref, "agent", None)]
    for _ in range(3):
        assert source.calls.acquire(timeout=PATIENCE)
    assert sorted(source.asked, key=str) == [None, "kitchen", "sea"]
    assert _stats(ref).fetching_count == 3
    for gate in source.gates.values():
        gate.set()
    assert len({future.get(timeout=PATIENCE) for future in futures}) == 11


def test_what_is_wanted_of_one_theme_is_learnt_of_no_other(clock: MovableClock) -> None:
    state = PoolState()
    ref = NamePool.start(source=Themed(), state=state)
    clock.drive(ref)
    ref.ask(CheckoutName(), timeout=PATIENCE)
    for _ in range(10):
        ref.ask(CheckoutName(theme="sea"), timeout=PATIENCE)
    _stats(ref)
    clock.advance(0.01)
    for _ in range(5):
        ref.ask(CheckoutName(theme="sea"), timeout=PATIENCE)
    before = state.stocks[None].learnt.demand
    stats = _stats(ref)
    assert state.stocks["sea"].learnt.demand > 0.0
    assert state.stocks[None].learnt.demand <= before
    assert stats.demand_per_second >= state.stocks["sea"].learnt.demand


def test_nothing_is_fetched_that_nobody_has_asked_for() -> None:
    source = Themed()
    ref = NamePool.start(source=source)
    for n in range(20):
        assert ref.ask(CheckoutName(theme="sea"), timeout=PATIENCE) == f"Sea {n + 1}"
    assert set(source.asked) == {"sea"}

    _until(lambda stats: stats.fetching_count == 0, ref)
    ref.ask(Reset(), timeout=PATIENCE)
    asked = len(source.asked)
    for _ in range(12):
        ref.ask(CheckoutName(theme="kitchen"), timeout=PATIENCE)
    assert set(source.asked[asked:]) == {"kitchen"}


def test_a_reset_drops_what_is_on_its_way_for_a_theme_and_fetches_anew() -> None:
    source = Themed("sea")
    ref = NamePool.start(source=source)
    future = _later(ref, "sailor", "sea")
    assert source.calls.acquire(timeout=PATIENCE)
    ref.ask(Reset(), timeout=PATIENCE)
    assert source.calls.acquire(timeout=PATIENCE)
    source.gates["sea"].set()
    assert future.get(timeout=PATIENCE)
    _until(lambda stats: stats.fetching_count == 0, ref)
    stats = _stats(ref)
    assert (stats.all_used_count, stats.checked_out_count) == (12, 1)
    assert source.asked == ["sea", "sea"]


def test_who_waits_for_a_theme_is_served_after_a_crash() -> None:
    source = Themed("sea")
    with open_pool(source=source, chunk_size=2, low_water_mark=0, reuse_gap=0) as pool:
        kept = pool.checkout_name(theme="kitchen")
        names: list[str] = []
        asking = threading.Thread(target=lambda: names.append(pool.checkout_name(theme="sea")))
        asking.start()
        assert source.calls.acquire(timeout=PATIENCE)
        assert source.calls.acquire(timeout=PATIENCE)
        handle: Any = pool._target
        wait_until(lambda: pool.pool_stats().waiting_count == 1, handle)

        handle.current.tell(_CRASH)  # what is fetched now comes for a dead pool, or for the next
        wait_until(lambda: pool.pool_stats().restart_count == 1, handle)
        source.gates["sea"].set()
        asking.join(PATIENCE)

        assert [name.split()[0] for name in names] == ["Sea"]  # of either chunk
        assert pool.checkin_name(kept)
        assert pool.checkout_name(theme="kitchen") == "Kitchen 2"
        assert pool.checkout_name(theme="kitchen") == kept


class _Crash:
    """What no pool survives."""

    def __repr__(self) -> str:
        raise SystemExit


_CRASH = _Crash()


def test_what_comes_for_a_dead_pool_keeps_its_theme() -> None:
    state = PoolState()
    ref = NamePool.start(source=Themed(), state=state)
    ref.stop()
    _deliver(ref, state, ChunkArrived(1, judge(["Old Salt"]), "source", state.epoch, "sea"))
    ref = NamePool.start(source=Themed(), state=state)
    assert ref.ask(CheckoutName(theme="sea"), timeout=PATIENCE) == "Old Salt"


def test_crews_on_many_threads_lose_no_name_and_share_none() -> None:
    held: set[str] = set()
    lock = threading.Lock()
    with open_pool(source=Themed()) as pool:

        def agent(theme: str | None) -> None:
            for _ in range(60):
                with pool.named(PATIENCE, theme=theme) as name:
                    assert name.startswith((theme or "plain").title())
                    with lock:
                        assert name not in held
                        held.add(name)
                    assert pool.speaker() == name
                    with lock:
                        held.discard(name)

        run_together([lambda theme=theme: agent(theme) for theme in ("sea", "kitchen", None) * 3])  # type: ignore[misc]
        stats = pool.pool_stats()
        assert (stats.checked_out_count, stats.waiting_count) == (0, 0)
        assert stats.available_count == stats.all_used_count


@pytest.mark.parametrize("theme", ["", 3, "two\nlines", "x" * 201])
def test_what_cannot_be_a_theme_is_refused_when_the_request_is_made(theme: Any) -> None:
    with pytest.raises(InvalidOption, match="theme must be"):
        CheckoutName(theme=theme)
