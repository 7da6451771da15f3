"""Strikes by the interpreter itself, from other threads, at random moments."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pykka
import pytest

from namepool import (
    CheckinName,
    CheckoutName,
    NamePool,
    NumberedNames,
    PoolHandle,
    PoolStats,
    open_pool,
)
from tests.strikes.tracing import HardStrike, Strike
from tests.support import PATIENCE, on_thread, strike, switching_often


def by_handle(pool: PoolHandle, ref: Any) -> None:
    pool.checkin_name(pool.checkout_name())


def by_ask(pool: PoolHandle, ref: Any) -> None:
    ref.ask(CheckinName(ref.ask(CheckoutName(), timeout=PATIENCE)), timeout=PATIENCE)


def by_scope(pool: PoolHandle, ref: Any) -> None:
    with pool.named():
        pool.speaker()


def by_future(pool: PoolHandle, ref: Any) -> None:
    name = ref.ask(CheckoutName(), block=False).get(timeout=PATIENCE)
    ref.ask(CheckinName(name), block=False).get(timeout=PATIENCE)


def settled(pool: PoolHandle, at_most: int) -> PoolStats:
    """Return the stats once what the struck had is home, or at the latest after many looks."""
    for _ in range(2000):
        stats = pool.pool_stats(timeout=5)
        if stats.checked_out_count <= at_most:
            break
    return stats


@pytest.mark.parametrize("strikes", [50, pytest.param(1500, marks=pytest.mark.proof)])
@pytest.mark.parametrize("act", [by_handle, by_ask, by_scope, by_future])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_threads_struck_at_random_leave_the_pool_to_the_others(
    act: Callable[[PoolHandle, Any], None], strikes: int
) -> None:
    ref = NamePool.start(source=NumberedNames(), chunk_size=50, reclaim_after=0.0)
    pool = PoolHandle(ref)
    problems: list[str] = []

    def victim(ready: threading.Event) -> None:
        try:
            ready.set()
            while True:
                act(pool, ref)
        except (Strike, HardStrike):
            return
        except BaseException as error:
            problems.append(repr(error))

    with switching_often():
        for n in range(strikes):
            ready = threading.Event()
            thread = threading.Thread(target=victim, args=(ready,))
            with contextlib.suppress(Strike, HardStrike):
                thread.start()
            ready.wait(PATIENCE)
            for _ in range(random.randrange(300)):
                thread.is_alive()
            while thread.is_alive():
                strike(thread, (Strike, HardStrike)[n % 2])
                thread.join(0.1)

    assert problems == []
    stats = settled(pool, at_most=0)
    assert stats.available_count + stats.checked_out_count == stats.all_used_count
    if act is by_scope:
        # What a scope held goes home with it; elsewhere a caller may be struck with a name in hand.
        assert stats.checked_out_count == 0
    assert pool.checkin_name(pool.checkout_name(timeout=5)) is True


def at_depth(left: int, operation: Callable[[], Any]) -> Any:
    """Run ``operation`` with about ``left`` frames to go until the recursion limit."""

    def descend(depth: int) -> Any:
        return operation() if depth <= 0 else descend(depth - 1)

    frame, used = sys._getframe(), 0
    while frame is not None:
        frame, used = frame.f_back, used + 1  # type: ignore[assignment]
    return descend(sys.getrecursionlimit() - used - left)


@pytest.mark.parametrize("place", [lambda run: run(), on_thread], ids=["main thread", "worker"])
@pytest.mark.parametrize("supervised", [False, True])
def test_a_caller_close_to_the_recursion_limit_harms_nobody_else(
    supervised: bool, place: Callable[[Any], Any]
) -> None:
    pool = open_pool(source=NumberedNames()) if supervised else None
    ref: Any = None if pool else NamePool.start(source=NumberedNames())
    handle = pool or PoolHandle(ref)
    handle.checkin_name(handle.checkout_name())

    def both() -> None:
        with handle.named():
            handle.checkin_name(handle.checkout_name())

    def count() -> int:
        failed = 0
        for left in [*range(1, 60)] * 3:
            try:
                at_depth(left, both)
            except RecursionError:
                failed += 1
            except (pykka.Timeout, pykka.ActorDeadError) as error:
                raise AssertionError(f"at {left} frames from the limit: {error!r}") from error
        return failed

    assert place(count) > 3

    problems: list[BaseException] = []

    def stranger() -> None:
        try:
            handle.checkin_name(handle.checkout_name(timeout=5))
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=stranger)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert problems == []
    stats = handle.pool_stats(timeout=5)
    assert stats.available_count + stats.checked_out_count == stats.all_used_count
    assert stats.restart_count == 0
    if pool is not None:
        pool.close()


@pytest.mark.proof
def test_a_caller_without_memory_harms_nobody_else() -> None:
    pytest.importorskip("_testcapi", reason="it takes the memory away")
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-m", "tests.strikes.without_memory"], capture_output=True, timeout=60
        )
        if done.returncode >= 0:
            break
    else:
        pytest.skip("where allocations fail, this CPython itself crashes")

    assert done.returncode == 0, done.stderr.decode()
