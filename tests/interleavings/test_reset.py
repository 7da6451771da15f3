"""A reset against a chunk that is on its way, and against those who have a name or want one."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from namepool import CheckoutName, CheckoutTimeout, NamePool, NamesUnavailable, Reset
from namepool.actors import Reply
from namepool.core.judging import judge
from namepool.core.state import LateChunk, PoolState
from namepool.pool.fetcher import ChunkArrived, ChunkFailed
from namepool.pool.refilling import _deliver
from tests.interleavings import scene as scenes
from tests.interleavings.scene import NAME, PoolScene, caller, cancelling, task
from tests.interleavings.support import POOL, SCHEDULES, NoFetcher, is_found, under_the_explorer
from tests.interleavings.support import holds as _holds

pytestmark = under_the_explorer

holds = partial(_holds, schedules=SCHEDULES // 4)

OWN = PoolScene.own_thread


class FetchScene(PoolScene):
    """A pool without names that has asked for a chunk of one."""

    def __init__(self, callers: int) -> None:
        super().__init__(callers, names=0)
        self.actor._fetches.begin(NoFetcher(), 1, 0.0)
        self.epoch = self.state.epoch
        self.got: list[str] = []

    def deliver(self) -> None:
        _deliver(self.ref, self.state, ChunkArrived(1, judge(["Old Nell"]), "source", self.epoch))

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

    def is_reset(self) -> list[str]:
        """If the reset came before the end of the pool, its successor has nothing."""
        if self.state.epoch == self.epoch:
            self.names.append("Old Nell")
        return self.faults()

    def is_fetched_or_empty(self) -> list[str]:
        """Whoever waits across a reset still waits, and gets no name that the reset forgot."""
        self.held = self.names = [name for name in self.got if name in self.state.leases]
        return self.faults()


DELIVER = caller("fetcher", FetchScene.deliver)
LATE = caller("fetcher", FetchScene.deliver_late)
FAIL = caller("fetcher", FetchScene.fail)
RESET = caller("who resets", FetchScene.reset)
TAKE = caller("a", FetchScene.take_one)


def stop(scene: FetchScene) -> None:
    """Stop the pool, whoever is still there."""
    scene.ref.stop(block=False)


def test_a_chunk_that_a_reset_overtook_is_dropped() -> None:
    holds(partial(FetchScene, 2), [OWN, DELIVER, RESET], FetchScene.faults)


def test_a_chunk_that_comes_for_a_dead_pool_after_a_reset_is_dropped_by_the_next() -> None:
    holds(partial(FetchScene, 9), [OWN, LATE, RESET, stop], FetchScene.is_reset)


def test_a_caller_that_waits_while_the_pool_is_reset_loses_nothing_and_keeps_nothing() -> None:
    workers = [OWN, DELIVER, RESET, TAKE]
    holds(partial(FetchScene, 3), workers, FetchScene.is_fetched_or_empty)


def test_a_caller_that_waits_while_a_fetch_fails_and_the_pool_is_reset_is_answered() -> None:
    workers = [OWN, FAIL, RESET, TAKE]
    holds(partial(FetchScene, 3), workers, FetchScene.is_fetched_or_empty)


def ask_and_end(scene: FetchScene) -> None:
    """Ask for a name that somebody else will read, and end while it is not there yet."""
    scene.kept.append(scene.ref.ask(CheckoutName(None, "a"), block=False))
    scene.state.owner_gone("a")


def is_reclaimed(scene: FetchScene) -> list[str]:
    """What the next incarnation grants to one that waits still is nobody's for long."""
    kept: list[Reply[Any]] = [*scene.kept]
    scene.state.admit(judge(["New Nell"]))
    scene.names = ["New Nell"]
    scene.succeed()
    scene.state.reclaim(float("inf"), float("inf"))
    return scene.faults() + ([] if kept else ["nothing was asked"])


def test_the_end_of_one_that_waits_is_remembered_across_a_reset() -> None:
    workers = [OWN, caller("a", ask_and_end), RESET]
    holds(partial(FetchScene, 2), workers, is_reclaimed, trace=(*POOL, "namepool.core.*"))


def test_it_is_found_when_a_reset_leaves_the_fetches_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NamePool, "reset", lambda self: self._state.reset())
    is_found(partial(FetchScene, 2), [OWN, DELIVER, RESET], FetchScene.faults)


def test_it_is_found_when_a_late_chunk_has_no_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_signal(self: Any, signalled: Any) -> None:
        if isinstance(signalled, LateChunk):
            self._state.admit(signalled.judged)
        else:
            self._waiting.signalled(signalled)

    monkeypatch.setattr(NamePool, "on_signal", on_signal)
    is_found(partial(FetchScene, 9), [OWN, LATE, RESET, stop], FetchScene.is_reset)


class ResetScene(PoolScene):
    """A pool that is reset while its only name is wanted, and gets the same name again.

    After the reset, its source counts as one that may have more names. Nobody asks it here, so with
    a gap the name would rest for ever.
    """

    def __init__(self, callers: int) -> None:
        super().__init__(callers, reuse_gap=0)

    def reset_and_refill(self) -> None:
        self.ref.ask(Reset())
        self.state.signal.put(LateChunk(judge([NAME]), self.state.epoch, None))


def hear(scene: PoolScene, name: str) -> None:
    """Have a name that a reset may take, and hear who speaks."""
    if scene.handle.speaker() not in (name, scene.handle.default_name()):
        scene.surprises.append("another's name is spoken")
    scene.surprises += scene.state.still_speaking()


def have_it_or_not(scene: PoolScene) -> None:
    """Have a name for the length of a block, which a reset may end before."""
    with scene.handle.named(None) as name:
        hear(scene, name)


def call_or_not(scene: PoolScene) -> None:
    """Have a name, or give up."""
    try:
        name = scene.handle.checkout_name(0.001)
    except CheckoutTimeout:
        return
    hear(scene, name)
    scene.handle.checkin_name(name)


async def have_it_or_not_async(scene: PoolScene) -> None:
    async with scene.async_handle.named(None):
        pass


REFILLING = caller("who resets", ResetScene.reset_and_refill)
BLOCK = caller("a", have_it_or_not)
CALL = caller("b", call_or_not)
TASK = task("task", have_it_or_not_async)
SPEAKING = caller("c", lambda scene: scenes.speak_as(scene, NAME))


def test_a_name_that_comes_again_after_a_reset_is_spoken_by_no_earlier_link() -> None:
    workers = [OWN, BLOCK, CALL, REFILLING]
    holds(partial(ResetScene, 3), workers, ResetScene.faults)


def test_a_task_that_is_cancelled_while_the_pool_is_reset_loses_no_name(on_tasks: None) -> None:
    workers = [OWN, TASK, cancelling("task"), REFILLING]
    holds(partial(ResetScene, 3), workers, ResetScene.faults)


def test_a_name_that_is_lent_while_the_pool_is_reset_goes_home() -> None:
    workers = [OWN, SPEAKING, CALL, REFILLING]
    holds(partial(ResetScene, 3), workers, ResetScene.faults)


def test_it_is_found_when_a_reset_leaves_the_links_speaking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def reset(self: PoolState) -> None:
        self.epoch += 1
        self.stocks[None].clear()
        self.leases.clear()
        self.owners = {}
        self.known.rebuild(self.leases)

    monkeypatch.setattr(PoolState, "reset", reset)
    is_found(partial(ResetScene, 3), [OWN, BLOCK, CALL, REFILLING], ResetScene.faults)
