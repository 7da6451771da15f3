"""A reset against a chunk that is on its way."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from namepool import CheckoutName, NamePool, NamesUnavailable, PoolState, Reset
from namepool.pool.fetcher import ChunkArrived, ChunkFailed
from namepool.pool.refilling import _deliver
from tests.interleavings.scene import PoolScene, caller
from tests.interleavings.support import POOL, NoFetcher, holds, is_found, under_the_explorer

pytestmark = under_the_explorer

OWN = PoolScene.own_thread


class FetchScene(PoolScene):
    """A pool without names that has asked for a chunk of one."""

    def __init__(self, callers: int) -> None:
        super().__init__(callers, names=0)
        self.actor._fetches.begin(NoFetcher(), 1, 0.0)  # type: ignore[arg-type]
        self.epoch = self.state.epoch
        self.got: list[str] = []

    def deliver(self) -> None:
        _deliver(self.ref, self.state, ChunkArrived(1, ("Old Name",), "source", self.epoch))

    def deliver_late(self) -> None:
        self.ref.wait_gone()
        self.deliver()

    def fail(self) -> None:
        _deliver(self.ref, self.state, ChunkFailed(1, ValueError("no names")))

    def reset(self) -> None:
        self.ref.ask(Reset())

    def take_one(self) -> None:
        try:
            self.got.append(self.ref.ask(CheckoutName(None, "a"), timeout=0.001))
        except (TimeoutError, NamesUnavailable):
            pass

    def is_empty(self) -> bool:
        """A chunk that was asked for before the reset is not in the pool after it."""
        self.take_home()
        known = [*self.state.available, *self.state.leases]
        return known == [] and self.state.known_count == 0

    def is_fetched_or_empty(self) -> bool:
        """Whoever waits across a reset still waits, and gets no name that the reset forgot."""
        self.held = [name for name in self.got if name in self.state.leases]
        return self.is_right() and not self.state.waiters


DELIVER = caller("fetcher", FetchScene.deliver)
FAIL = caller("fetcher", FetchScene.fail)
RESET = caller("who resets", FetchScene.reset)
TAKE = caller("a", FetchScene.take_one)


def stop(scene: FetchScene) -> None:
    """Stop the pool, whoever is still there."""
    scene.ref.stop(block=False)


def test_a_chunk_that_a_reset_overtook_is_dropped() -> None:
    holds(partial(FetchScene, 2), [OWN, DELIVER, RESET], FetchScene.is_empty)


def is_reset(scene: FetchScene) -> bool:
    """If the reset came before the end of the pool, its successor has nothing."""
    scene.take_home()
    return scene.state.epoch == scene.epoch or scene.is_empty()


def test_a_chunk_that_comes_for_a_dead_pool_after_a_reset_is_dropped_by_the_next() -> None:
    holds(partial(FetchScene, 9), [OWN, DELIVER, RESET, stop], is_reset)


def test_who_waits_while_the_pool_is_reset_loses_nothing_and_keeps_nothing() -> None:
    holds(partial(FetchScene, 3), [OWN, DELIVER, RESET, TAKE], FetchScene.is_fetched_or_empty)


def test_who_waits_while_a_fetch_fails_and_the_pool_is_reset_is_answered() -> None:
    holds(partial(FetchScene, 3), [OWN, FAIL, RESET, TAKE], FetchScene.is_fetched_or_empty)


def ask_and_end(scene: FetchScene) -> None:
    """Ask for a name that somebody else will read, and end while it is not there yet."""
    scene.kept.append(scene.ref.ask(CheckoutName(None, "a"), block=False))
    scene.state.owner_gone("a")


def is_reclaimed(scene: FetchScene) -> bool:
    """What the next incarnation grants to who waits still is nobody's for long."""
    scene.take_home()
    scene.state.admit(["New Name"])
    for waiter in scene.state.waiters.take_all():
        scene.state.grant(waiter, 0.0)
    scene.state.reclaim(float("inf"))
    return not scene.state.leases


def test_the_end_of_who_waits_is_remembered_across_a_reset() -> None:
    ending = caller("a", ask_and_end)
    holds(
        partial(FetchScene, 2), [OWN, ending, RESET], is_reclaimed, trace=(*POOL, "namepool.core.*")
    )


def test_it_is_found_when_a_reset_leaves_the_fetches_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NamePool, "reset", lambda self: self._state.reset())
    is_found(partial(FetchScene, 2), [OWN, DELIVER, RESET], FetchScene.is_empty)


def test_it_is_found_when_a_late_chunk_has_no_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    settle = PoolState.apply_events

    def admit_all(self: Any, now: float) -> int:
        chunks = [event for event in self.events if hasattr(event, "epoch")]
        for event in chunks:
            self.events.remove(event)
            self.admit(event.names)
        return settle(self, now)

    late = caller("fetcher", FetchScene.deliver_late)
    monkeypatch.setattr(PoolState, "apply_events", admit_all)
    is_found(partial(FetchScene, 9), [OWN, late, RESET, stop], is_reset)
