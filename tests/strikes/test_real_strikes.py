"""Strikes by the interpreter itself, from other threads, at random moments."""

from __future__ import annotations

import contextlib
import itertools
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pykka
import pytest

from namepool import (
    DEFAULT_NAME,
    AssociateName,
    CheckinName,
    CheckoutName,
    NamePool,
    NumberedNames,
    PoolHandle,
    PoolStats,
    open_pool,
)
from namepool.pool import messages as m
from tests.mirror import Mirror, StillReader, spoken
from tests.strikes.scene import inconsistencies
from tests.strikes.tracing import HardStrike, Strike
from tests.support import PATIENCE, on_thread, strike, switching_often

_numbers = itertools.count()


def new_name() -> str:
    """Return a name that nobody else may have from the pool."""
    return f"Grace {next(_numbers)}"


def by_handle(pool: PoolHandle, ref: Any) -> None:
    pool.checkin_name(pool.checkout_name())


def by_handle_for_another(pool: PoolHandle, ref: Any) -> None:
    owner = f"another {next(_numbers)}"
    pool.checkin_name(pool.checkout_name(owner=owner), owner=owner)


def by_ask(pool: PoolHandle, ref: Any) -> None:
    ref.ask(CheckinName(ref.ask(CheckoutName(), timeout=PATIENCE)), timeout=PATIENCE)


def by_future(pool: PoolHandle, ref: Any) -> None:
    name = ref.ask(CheckoutName(), block=False).get(timeout=PATIENCE)
    ref.ask(CheckinName(name), block=False).get(timeout=PATIENCE)


def by_dropped_future(pool: PoolHandle, ref: Any) -> None:
    ref.ask(CheckoutName(), block=False)


def by_association(pool: PoolHandle, ref: Any) -> None:
    name = new_name()
    pool.associate_name(name)
    ref.ask(AssociateName(name))
    pool.checkin_name(name)


def by_block(pool: PoolHandle, ref: Any) -> None:
    with pool.named():
        pool.speaker()


def by_nested_blocks(pool: PoolHandle, ref: Any) -> None:
    with pool.named() as outer, pool.named(), pool.speaking_as(outer), pool.unnamed():
        pool.speaker()


def by_lent_name(pool: PoolHandle, ref: Any) -> None:
    name = new_name()
    with pool.speaking_as(name), pool.speaking_as(name, exclusive=True):
        pool.speaker()


def by_generator(pool: PoolHandle, ref: Any) -> None:
    @pool.named()
    def agent() -> Iterator[str]:
        yield pool.speaker()
        yield pool.speaker()

    for _ in agent():
        pool.speaker()


BLOCKS = [by_block, by_nested_blocks, by_lent_name, by_generator]
OTHERS = [
    *(by_handle, by_handle_for_another, by_ask, by_future, by_dropped_future, by_association),
]


def settled(pool: PoolHandle, at_most: int) -> PoolStats:
    """Return the stats once what the struck had is home, or at the latest after many looks."""
    for _ in range(2000):
        stats = pool.pool_stats(timeout=5)
        if stats.checked_out_count <= at_most:
            break
    return stats


def speaker_after(pool: PoolHandle) -> str:
    """Return under which name a thread speaks once the pool has dealt with what it left."""
    while True:
        try:
            pool.pool_stats(timeout=5)  # its own thread answers: after what was signalled
            return pool.speaker()
        except (Strike, HardStrike):
            continue  # one more


@pytest.mark.parametrize("strikes", [50, pytest.param(1500, marks=pytest.mark.proof)])
@pytest.mark.parametrize("is_observed", [False, True], ids=["plain", "observed"])
@pytest.mark.parametrize("act", [*BLOCKS, *OTHERS])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_threads_struck_at_random_leave_the_pool_to_the_others(
    act: Callable[[PoolHandle, Any], None], is_observed: bool, strikes: int
) -> None:
    leak_after = 1000.0 if is_observed else None
    ref = NamePool.start(
        source=NumberedNames(), chunk_size=50, reclaim_after=0.0, leak_after=leak_after
    )
    pool, reader, mirror = PoolHandle(ref), StillReader(), Mirror()
    if is_observed:
        ref.ask(m.Subscribe(reader))
    problems: list[str] = []
    stopping = threading.Event()
    rounds = threading.Semaphore(0)  # so that fewer events than are kept come between two looks

    def bystander() -> None:
        try:
            while rounds.acquire(timeout=PATIENCE) and not stopping.is_set():
                with pool.named(PATIENCE) as name:
                    assert pool.speaker() == name
        except BaseException as error:
            problems.append(f"a bystander got {error!r}")

    def victim(ready: threading.Event) -> None:
        try:
            ready.set()
            for _ in range(1000):
                act(pool, ref)
            while True:
                threading.current_thread().is_alive()
        except (Strike, HardStrike):
            pass
        except BaseException as error:
            problems.append(repr(error))
        name = speaker_after(pool)
        if act in BLOCKS and name != DEFAULT_NAME:
            problems.append(f"a struck thread speaks as {name} behind its block")

    bystanders = [threading.Thread(target=bystander) for _ in range(2)]
    with switching_often():
        for thread in bystanders:
            thread.start()
        for n in range(strikes):
            ready = threading.Event()
            thread = threading.Thread(target=victim, args=(ready,))
            while rounds.acquire(blocking=False):
                pass
            rounds.release(300)
            with contextlib.suppress(Strike, HardStrike):
                thread.start()
            ready.wait(PATIENCE)
            for _ in range(random.randrange(300)):
                thread.is_alive()
            while thread.is_alive():
                strike(thread, (Strike, HardStrike)[n % 2])
                thread.join(1.0)  # one that hit a finaliser has vanished: once more, then
            for event in reader.read():
                mirror(event)
        stopping.set()
        rounds.release(len(bystanders))
        for thread in bystanders:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a bystander hangs"

    assert problems == []
    for lease in pool.leases():
        if lease.speakers and lease.speakers[0].startswith("another"):
            pool.checkin_name(lease.name)  # such an owner ends when it says so
    stats = settled(pool, at_most=0)
    assert (stats.checked_out_count, stats.waiting_count, stats.restart_count) == (0, 0, 0)
    assert stats.available_count == stats.all_used_count
    assert [*inconsistencies(ref)] == []
    assert pool.checkin_name(pool.checkout_name(timeout=5)) is True
    for event in reader.read():
        mirror(event)
    assert mirror.leases == spoken(ref.state.leases) == {}


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
