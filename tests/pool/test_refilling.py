"""How the pool learns what is wanted, and lets those come who come together."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from namepool import (
    DEFAULT_NAME,
    CheckinName,
    CheckoutName,
    NamePool,
    NumberedNames,
    PoolHandle,
    PoolState,
    PoolStats,
    PoolStatsRequest,
)
from namepool.errors import NamesUnavailable
from namepool.pool import refilling
from namepool.pool.ref import NamePoolRef
from tests.support import (
    PATIENCE,
    Crews,
    GatedSource,
    MovableClock,
    ScriptedSource,
    threads_dying,
    wait_until,
)


def _ask_together(ref: NamePoolRef, count: int) -> list[Any]:
    """Queue checkouts so that the pool finds them all at once."""
    with ref.actor_inbox.turn:
        return [ref.ask(CheckoutName(owner=f"agent {n}"), block=False) for n in range(count)]


def _waiting(ref: NamePoolRef) -> int:
    stats: PoolStats = ref.ask(PoolStatsRequest())
    return stats.waiting_count


def test_one_that_comes_alone_is_fetched_for_at_once(clock: MovableClock) -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    clock.drive(ref)

    future = ref.ask(CheckoutName(owner="agent"), block=False)

    source.wait_asked()  # though the clock stands still
    assert source.counts == [12]
    source.gate.set()
    assert future.get(timeout=PATIENCE) == "Name 1"


def test_fetches_for_a_burst_begin_when_no_more_are_coming(clock: MovableClock) -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    clock.drive(ref)

    futures = _ask_together(ref, 30)
    wait_until(lambda: _waiting(ref) == 30, ref)
    assert source.counts == []
    futures += _ask_together(ref, 70)
    wait_until(lambda: _waiting(ref) == 100, ref)
    clock.advance(refilling.FIRST_TICK)
    assert _waiting(ref) == 100  # and its answer comes after the look
    assert source.counts == []  # more have come: they are waited for once more
    clock.advance(refilling.FIRST_TICK)

    for _ in range(4):
        source.wait_asked()
    assert source.counts == [25, 25, 25, 25]
    source.gate.set()
    assert len({future.get(timeout=PATIENCE) for future in futures}) == 100


def test_a_burst_that_does_not_end_is_not_waited_for(clock: MovableClock) -> None:
    source = GatedSource(is_open=True)
    ref = NamePool.start(source=source)
    clock.drive(ref)

    futures = _ask_together(ref, 2)
    wait_until(lambda: _waiting(ref) == 2, ref)
    assert _waiting(ref) == 2  # and its answer comes after the first look
    for n in range(3, 3 + refilling.GATHERING_ROUNDS):
        futures += [ref.ask(CheckoutName(owner=f"one more {n}"), block=False)]
        wait_until(lambda n=n: _waiting(ref) in (0, n), ref)  # type: ignore[misc]
        clock.advance(refilling.FIRST_TICK)

    source.wait_asked()
    assert len({future.get(timeout=PATIENCE) for future in futures}) == len(futures)


def test_a_burst_that_fills_every_fetch_is_not_waited_for(clock: MovableClock) -> None:
    source = GatedSource()
    ref = NamePool.start(source=source, max_fetches=2, max_chunk_size=12)
    clock.drive(ref)

    futures = _ask_together(ref, 24)

    for _ in range(2):
        source.wait_asked()  # though the clock stands still
    source.gate.set()
    assert len({future.get(timeout=PATIENCE) for future in futures}) == 24


def test_a_burst_in_the_pause_after_a_failure_is_refused_at_once(clock: MovableClock) -> None:
    source = ScriptedSource(OSError("no network"))
    ref = NamePool.start(source=source)
    clock.drive(ref)
    with pytest.raises(NamesUnavailable):
        ref.ask(CheckoutName(owner="the first"))

    for future in _ask_together(ref, 30):
        with pytest.raises(NamesUnavailable, match="no network"):
            future.get(timeout=PATIENCE)

    assert source.calls == 1


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_where_no_thread_can_be_started_the_caller_is_told_so_and_later_served(
    monkeypatch: pytest.MonkeyPatch, clock: MovableClock
) -> None:
    ref = NamePool.start(source=NumberedNames())
    clock.drive(ref)
    pool = PoolHandle(ref)
    monkeypatch.setattr(threading.Thread, "start", no_thread)

    with pytest.raises(NamesUnavailable, match="thread cannot be started: can't start new thread"):
        pool.checkout_name()
    with pool.named(default=True) as name:
        assert name == DEFAULT_NAME

    monkeypatch.undo()
    clock.advance(10.0)
    assert pool.checkout_name().startswith("NPC #")
    assert pool.pool_stats().fetch_failure_count == 1


def test_where_a_fetchers_thread_dies_at_its_start_those_who_wait_get_the_reason() -> None:
    ref = NamePool.start(source=NumberedNames())

    with threads_dying(), pytest.raises(NamesUnavailable, match="TypeError: the tracer failed"):
        ref.ask(CheckoutName(owner="agent"), timeout=PATIENCE)


def test_fetchers_that_run_serve_on_where_no_thread_can_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = GatedSource(is_open=True)
    pool = PoolHandle(NamePool.start(source=source, chunk_size=2, max_chunk_size=2))
    pool.checkout_name()
    monkeypatch.setattr(threading.Thread, "start", no_thread)

    names = {pool.checkout_name(timeout=PATIENCE) for _ in range(20)}

    assert len(names) == 20
    assert len(set(source.threads)) == 1


def test_those_who_wait_get_names_from_a_fetcher_that_runs_where_no_other_can_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str | None] = []
    begun, gate = threading.Event(), threading.Event()

    class Gated(Crews):
        def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
            asked.append(theme)
            begun.set()
            assert gate.wait(PATIENCE)
            return super().fetch(count, used, theme)

    ref = NamePool.start(source=Gated(), chunk_size=2, max_chunk_size=2)
    waiting = [ref.ask(CheckoutName(owner="first"), block=False)]
    assert begun.wait(PATIENCE)
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    for theme in (None, "sea", "kitchen"):
        message = CheckoutName(owner=f"{theme}", theme=theme)
        waiting.append(ref.ask(message, block=False))
    wait_until(lambda: _waiting(ref) == 4, ref)

    gate.set()

    names = [future.get(timeout=PATIENCE) for future in waiting]
    assert [name.split(" #")[0] for name in names] == ["NPC", "NPC", "Sea", "Kitchen"]
    assert set(asked) == {None, "sea", "kitchen"}
    assert caplog.text == ""  # nothing failed


def test_a_source_is_closed_also_where_no_thread_can_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    monkeypatch.setattr(threading.Thread, "start", no_thread)

    ref.stop()

    assert source.closed.is_set()


@pytest.mark.parametrize("when", ["at_first", "later"])
def test_a_program_whose_main_thread_has_ended_names_its_agents_or_says_why_it_cannot(
    when: str,
) -> None:
    program = f"""
import threading, namepool

def work():
    threading.main_thread().join()
    with pool.named(default=True) as name:
        print(name)
    try:
        pool.checkout_name()
    except namepool.NamePoolError as error:
        assert "thread" in str(error), error

pool = namepool.open_pool(source=namepool.NumberedNames())
if {when == "later"}:
    pool.checkin_name(pool.checkout_name())
threading.Thread(target=work).start()
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)

    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout.decode().strip() in ("NPC #1", "NPC #2", DEFAULT_NAME)


def test_stats_tell_what_was_learnt_and_who_waited(clock: MovableClock) -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    clock.drive(ref)
    stats = ref.ask(PoolStatsRequest())
    assert (stats.fetch_seconds, stats.demand_per_second, stats.longest_wait) == (None, 0.0, 0.0)
    assert (stats.low_water_mark, stats.waited_count) == (6, 0)

    future = ref.ask(CheckoutName(owner="agent"), block=False)
    source.wait_asked()
    clock.advance(2.0)
    source.gate.set()
    future.get(timeout=PATIENCE)
    for n in range(5):
        ref.ask(CheckoutName(owner=f"agent {n}"))

    stats = ref.ask(PoolStatsRequest())
    assert (stats.fetch_seconds, stats.waited_count, stats.longest_wait) == (2.0, 1, 2.0)
    assert 1.0 < stats.demand_per_second < 3.0
    assert stats.low_water_mark > 6


def test_those_who_gave_up_or_were_refused_waited_too(clock: MovableClock) -> None:
    source = GatedSource()
    source.error = OSError("no network")
    ref = NamePool.start(source=source, max_fetches=1)
    clock.drive(ref)
    patient = ref.ask(CheckoutName(owner="patient"), block=False)
    hasty = ref.ask(CheckoutName(1.0, owner="hasty"), block=False)
    wait_until(lambda: _waiting(ref) == 2, ref)

    clock.advance(1.5)
    with pytest.raises(TimeoutError):
        hasty.get(timeout=PATIENCE)

    stats = ref.ask(PoolStatsRequest())
    assert (stats.waited_count, stats.longest_wait) == (2, 1.5)

    clock.advance(1.0)
    source.gate.set()
    with pytest.raises(NamesUnavailable):
        patient.get(timeout=PATIENCE)
    assert ref.ask(PoolStatsRequest()).longest_wait == 2.5


def test_what_was_learnt_survives_a_restart(clock: MovableClock) -> None:
    state, source = PoolState(), GatedSource()
    first = NamePool.start(source=source, state=state)
    clock.drive(first)
    future = first.ask(CheckoutName(owner="agent"), block=False)
    source.wait_asked()
    clock.advance(2.0)
    source.gate.set()
    future.get(timeout=PATIENCE)
    for n in range(5):
        first.ask(CheckoutName(owner=f"agent {n}"))
    before = first.ask(PoolStatsRequest())
    first.stop()

    second = NamePool.start(source=source, state=state)
    clock.drive(second)
    after = second.ask(PoolStatsRequest())

    assert after.fetch_seconds == before.fetch_seconds == 2.0
    assert after.demand_per_second == pytest.approx(before.demand_per_second, rel=0.2)
    assert after.low_water_mark == pytest.approx(before.low_water_mark, abs=2)
    assert (after.waited_count, after.longest_wait) == (1, 2.0)


def test_names_that_come_and_go_make_no_fetch_due() -> None:
    source = GatedSource(is_open=True)
    ref = NamePool.start(source=source, reuse_gap=0)

    for n in range(2000):
        ref.ask(CheckinName(ref.ask(CheckoutName(owner=f"agent {n}")), owner=f"agent {n}"))

    assert source.counts == [12]
