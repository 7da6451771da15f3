"""Exploring: how many schedules, what is traced, and actors whose own thread is a worker."""

from __future__ import annotations

import gc
import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import pykka
import pytest

from namepool import NamePool, PoolState
from namepool.actors import ServiceActor, latch
from namepool.errors import SourceExhausted
from tests.support import PATIENCE

S = TypeVar("S")

Verdict = bool | list[str]
"""What an invariant says: whether it holds; or what it is broken by, if anything."""

SCHEDULES = int(os.environ.get("NAMEPOOL_SCHEDULES", "2000"))
"""Schedules that a test explores; where one takes long, a part of them."""

FOUND = 5000
"""Schedules within which a guard that was taken out is missed."""

under_the_explorer = pytest.mark.skipif(
    "FRONTRUN_ACTIVE" not in os.environ,
    reason="run it by: frontrun pytest tests/interleavings",
)


RUNTIME = ("namepool.actors.*",)
POOL = (
    "namepool.pool.*",
    "namepool.actors.inbox",
    "namepool.actors.ref",
    "namepool.actors.reply",
    "namepool.actors.service_actor",
)
"""What is traced: a thread may be interrupted at any opcode of these, and nowhere else."""


class Explored(NamedTuple):
    """How far the schedules were explored, and how the invariant was broken, if it was."""

    schedules: int
    broken: str | None
    inconclusive: str | None


def explored(
    setup: Callable[[], S],
    workers: Sequence[Callable[[Any], Any]],
    invariant: Callable[[S], Verdict],
    *,
    trace: tuple[str, ...] = POOL,
    schedules: int = SCHEDULES,
) -> Explored:
    """Run the workers to their ends under so many schedules, or until the invariant is broken."""
    from frontrun import explore

    from tests.interleavings.turns import take_over

    wrong: list[str] = []

    def is_right(scene: S) -> bool:
        verdict = invariant(scene)
        wrong[:] = verdict if isinstance(verdict, list) else []
        return not verdict if isinstance(verdict, list) else verdict

    with pytest.MonkeyPatch.context() as patch, undisturbed():
        take_over(patch)
        patch.setattr(latch, "shut", Gate)
        result = explore(
            setup,
            list(workers),
            is_right,
            strategy="random",
            clock="explored",
            trace_packages=[*trace, "tests.interleavings.test_*"],  # guards taken out are there
            max_attempts=schedules,
            seed=20,
            detect_io=False,
            reproduce_on_failure=0,
            timeout_per_run=PATIENCE,
        )
    broken = None
    if result.property_holds is False:
        broken = "; ".join([*wrong, str(result.explanation)])
    inconclusive = result.inconclusive_reason if result.property_holds is None else None
    return Explored(result.num_explored, broken, inconclusive)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Log nothing, and collect no garbage: finalisers would come at moments that nobody chose."""
    gc.collect()
    gc.freeze()
    gc.disable()
    logging.disable()  # dying is what many of these are about
    before = pykka.ActorRegistry.get_all()
    try:
        yield
    finally:
        for ref in pykka.ActorRegistry.get_all():
            if ref not in before:
                pykka.ActorRegistry.unregister(ref)  # its threads ended, or it never had one
        logging.disable(logging.NOTSET)
        gc.enable()
        gc.unfreeze()


class Gate:
    """A lock that one thread takes and another opens: the explorer thinks that a deadlock."""

    def __init__(self) -> None:
        self._tokens: queue.Queue[None] = queue.Queue()

    def acquire(self, timeout: float = -1.0) -> bool:
        try:
            self._tokens.get(timeout=None if timeout < 0 else timeout)
        except queue.Empty:
            return False
        return True

    def release(self) -> None:
        self._tokens.put(None)


def holds(
    setup: Callable[[], S],
    workers: Sequence[Callable[[Any], Any]],
    invariant: Callable[[S], Verdict],
    *,
    trace: tuple[str, ...] = POOL,
    schedules: int = SCHEDULES,
) -> None:
    """Assert that every schedule explored ends, and that the invariant holds then."""
    began = time.process_time()
    result = explored(setup, workers, invariant, trace=trace, schedules=schedules)
    print(f"{result.schedules} schedules, {time.process_time() - began:.1f} s of processor time")
    assert result.broken is None, f"after {result.schedules} schedules: {result.broken}"
    assert result.inconclusive is None, result.inconclusive
    assert result.schedules == schedules


def is_found(
    setup: Callable[[], S],
    workers: Sequence[Callable[[Any], Any]],
    invariant: Callable[[S], Verdict],
    *,
    trace: tuple[str, ...] = POOL,
) -> None:
    """Assert that the explorer breaks the invariant: what was taken out is needed, and seen."""
    result = explored(setup, workers, invariant, trace=trace, schedules=FOUND)
    print(f"found after {result.schedules} schedules: {str(result.broken)[:100]}")
    assert result.broken is not None, result.inconclusive or f"not in {result.schedules} schedules"


def unstarted(actor_class: type[ServiceActor], *args: Any, **kwargs: Any) -> Any:
    """Return an actor without a thread: a worker runs its loop, so that the explorer sees it."""
    return _up(_made(actor_class, *args, **kwargs))


def unstarted_pool(state: PoolState, **options: Any) -> Any:
    """Return a pool of that state without a thread, which will get no further names."""
    actor = _made(NamePool, source=Nothing(), state=state, low_water_mark=0, **options)
    actor.actor_inbox.signal = state.signal
    actor._refilling.refill = lambda: None
    # Its thread would be out of the explorer's sight.
    actor._refilling._start_fetcher = lambda stock: NoFetcher()
    # So a name that was given back does not wait until others were handed out.
    actor._fetches.failed(0.0, SourceExhausted("that is all"))
    return _up(actor)


def _made(actor_class: type[ServiceActor], *args: Any, **kwargs: Any) -> Any:
    actor: Any = actor_class(*args, **kwargs)
    actor.actor_inbox.signal = queue.Queue()  # the explorer sees no queue that is written in C
    actor.actor_inbox.clock = lambda: time.monotonic()  # the explorer's, while it explores
    return actor


def _up(actor: Any) -> Any:
    pykka.ActorRegistry.register(actor.actor_ref)
    actor.on_start()
    actor.on_start = lambda: None  # it is over: what the explorer interrupts comes after it
    return actor


class NoFetcher:
    """Stands for a fetcher, whose part a worker has."""

    def stop(self, block: bool = True) -> None:
        pass


class Nothing:
    """A source that is never asked."""

    def fetch(self, count: int, used: Any) -> list[str]:
        raise AssertionError("asked")


class NoTurn:
    """A turn that everybody has; only the actor's own thread is told so."""

    _thread: threading.Thread | None = None

    def _is_owned(self) -> bool:
        return threading.current_thread() is self._thread

    def acquire(self, blocking: bool = True) -> bool:
        if blocking:  # as the actor's own thread alone asks
            self._thread = threading.current_thread()
        return True

    def release(self) -> None:
        pass


def run_own_thread(actor: Any) -> None:
    """Be the actor's own thread until it has been stopped."""
    actor._actor_loop()
