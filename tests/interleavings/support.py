"""Exploring: how many schedules, what is traced, and actors whose own thread is a worker."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import pykka
import pytest

from namepool import NamePool, PoolState
from namepool.actors import ServiceActor, latch
from tests.support import PATIENCE

S = TypeVar("S")

SCHEDULES = int(os.environ.get("NAMEPOOL_SCHEDULES", "2000"))
"""Schedules that each test explores."""

under_the_explorer = pytest.mark.skipif(
    "FRONTRUN_ACTIVE" not in os.environ,
    reason="run it by: frontrun pytest tests/interleavings",
)


def explored(
    setup: Callable[[], S],
    workers: list[Callable[[S], Any]],
    invariant: Callable[[S], bool],
    *,
    schedules: int = SCHEDULES,
) -> str | None:
    """Run the workers under so many schedules; return how the invariant was broken, or ``None``."""
    from frontrun import explore

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latch, "shut", Gate)
        return _explored(explore, setup, workers, invariant, schedules)


def _explored(explore: Any, setup: Any, workers: Any, invariant: Any, schedules: int) -> str | None:
    result = explore(
        setup,
        workers,
        invariant,
        strategy="random",
        clock="explored",
        trace_packages=["namepool*"],
        max_attempts=schedules,
        seed=20,
        detect_io=False,
        reproduce_on_failure=0,
        timeout_per_run=PATIENCE,
    )
    return None if result.property_holds else str(result.explanation)


class Gate:
    """A lock that one thread takes and another opens: the explorer thinks that a deadlock."""

    def __init__(self) -> None:
        self._tokens = threading.Semaphore(0)

    def acquire(self, timeout: float = -1.0) -> bool:
        return self._tokens.acquire(timeout=None if timeout < 0 else timeout)

    def release(self) -> None:
        self._tokens.release()


def holds(
    setup: Callable[[], S], workers: list[Callable[[S], Any]], invariant: Callable[[S], bool]
) -> None:
    """Assert that the invariant holds under every schedule explored."""
    broken = explored(setup, workers, invariant)
    assert broken is None, broken


def is_found(
    setup: Callable[[], S], workers: list[Callable[[S], Any]], invariant: Callable[[S], bool]
) -> None:
    """Assert that the explorer breaks the invariant: what was taken out is needed, and seen."""
    assert explored(setup, workers, invariant) is not None


def unstarted(actor_class: type[ServiceActor], *args: Any, **kwargs: Any) -> Any:
    """Return an actor without a thread: a worker runs its loop, so that the explorer sees it."""
    actor: Any = actor_class(*args, **kwargs)
    actor.actor_inbox.signal = queue.Queue()  # the explorer sees no queue that is written in C
    pykka.ActorRegistry.register(actor.actor_ref)
    return actor


def unstarted_pool(names: list[str], **options: Any) -> Any:
    """Return a pool without a thread that has ``names`` and will get no others."""
    state = PoolState()
    state.signal = queue.Queue()
    state.admit(names)
    actor: Any = unstarted(NamePool, source=Nothing(), state=state, low_water_mark=0, **options)
    actor.actor_inbox.signal = state.signal
    actor._refilling.refill = lambda: (
        None
    )  # no fetcher: its thread would be out of the explorer's sight
    return actor


class Nothing:
    """A source that is never asked."""

    def fetch(self, count: int, used: Any) -> list[str]:
        raise AssertionError("asked")


def run_own_thread(actor: Any) -> None:
    """Be the actor's own thread until it has been stopped."""
    actor._actor_loop()


def is_whole(state: PoolState) -> bool:
    """Tell whether every name is either available or checked out, and every index agrees."""
    known = sorted([*state.available, *state.leases])
    bound = {owner for _, speakers in state.leases.values() for owner in speakers}
    return (
        known == sorted(set(known))
        and len(known) == state.known_count
        and set(state.speaking) == bound
        and not state.in_transition
    )
