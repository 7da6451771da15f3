"""A grant against a timeout, a future that nobody reads, a cancelled task, another grant."""

from __future__ import annotations

from functools import partial
from typing import Any

import pykka
import pytest

from namepool import CheckinName, CheckoutLease, CheckoutName, PoolState
from namepool.actors import LATER
from namepool.pool.access import Access
from namepool.pool.waiting_list import WaitingList
from tests.core.scene import checkout
from tests.interleavings import scene as scenes
from tests.interleavings.scene import NAME, PoolScene, caller, cancelling, task
from tests.interleavings.support import POOL, SCHEDULES, NoTurn, is_found, under_the_explorer
from tests.interleavings.support import holds as _holds
from tests.support import lease_for, park

pytestmark = under_the_explorer

holds = partial(_holds, schedules=SCHEDULES // 5)

OWN = PoolScene.own_thread


def asking(who: str, timeout: float | None = None) -> Any:
    return caller(who, partial(scenes.ask, who=who, timeout=timeout))


def calling(who: str, timeout: float | None = None) -> Any:
    return caller(who, partial(scenes.call, timeout=timeout))


def drop(scene: PoolScene) -> None:
    """Ask for a name and keep no future of it."""
    scene.ref.ask(CheckoutName(None), block=False)


def give_up(scene: PoolScene) -> None:
    """Ask for a name, and give it up while somebody else keeps the future."""
    reply = scene.ref.ask(CheckoutName(None), block=False)
    scene.given_up.append(reply)
    reply.give_up()


def read_for_a_moment(scene: PoolScene) -> None:
    """Wait for a lease for a moment; have what came."""
    reply = scene.ref.ask(CheckoutLease(None), block=False)
    try:
        lease = reply.get(timeout=0.001)
    except pykka.Timeout:
        return
    scene.hold(lease.name)
    if scene.handle.speaker() != lease.name:
        scene.surprises.append("who reads it does not speak under it")
    scene.let_go(lease.name)
    assert scene.ref.ask(CheckinName(lease.name)) is True


DROPPER = caller("dropper", drop)
GIVING_UP = caller("giver-up", give_up)
READER = caller("reader", read_for_a_moment)
TASK = task("task", scenes.async_call)
IN_A_BLOCK = task("task", partial(scenes.async_block, timeout=None))
CANCELLING = cancelling("task")


@pytest.mark.parametrize("gap", [0, 1_000])
def test_one_name_goes_from_caller_to_caller_and_is_never_held_twice(gap: int) -> None:
    workers = [OWN, asking("a"), calling("b")]
    holds(lambda: PoolScene(2, reuse_gap=gap), workers, PoolScene.faults)


def test_it_is_found_when_a_caller_works_outside_its_turn() -> None:
    def scene() -> PoolScene:
        scene = PoolScene(2, names=2)
        scene.actor.actor_inbox.turn = NoTurn()
        return scene

    workers = [OWN, asking("a"), asking("b")]
    is_found(scene, workers, PoolScene.faults, trace=(*POOL, "namepool.core.*"))


@pytest.mark.parametrize("gap", [0, 1_000])
def test_a_check_in_serves_one_that_was_parked_while_it_ran(gap: int) -> None:
    workers = [OWN, asking("a"), calling("b"), calling("c")]
    holds(lambda: PoolScene(3, reuse_gap=gap), workers, PoolScene.faults)


def test_a_grant_that_crosses_a_timeout_is_delivered_or_goes_home() -> None:
    workers = [OWN, asking("a"), calling("b", 0.001)]
    holds(lambda: PoolScene(2), workers, PoolScene.faults)


def test_a_dropped_future_gives_its_name_to_one_that_waits() -> None:
    holds(lambda: PoolScene(2), [OWN, DROPPER, calling("b")], PoolScene.faults)


def test_a_grant_that_crosses_its_giving_up_goes_home() -> None:
    holds(lambda: PoolScene(2), [OWN, GIVING_UP, calling("b")], PoolScene.faults)


def test_a_future_that_is_read_for_a_moment_holds_its_name_or_costs_none() -> None:
    holds(lambda: PoolScene(2), [OWN, READER, calling("b")], PoolScene.faults)


def test_a_grant_that_crosses_the_cancelling_of_its_task_goes_home(on_tasks: None) -> None:
    holds(lambda: PoolScene(3), [OWN, TASK, CANCELLING, asking("b")], PoolScene.faults)


def test_a_grant_a_timeout_and_a_drop_cross_in_any_order() -> None:
    workers = [OWN, DROPPER, calling("a", 0.001), READER]
    holds(lambda: PoolScene(3), workers, PoolScene.faults)


def test_it_is_found_when_a_future_that_nobody_reads_is_not_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(WaitingList, "signalled", lambda self, what: self.serve())
    is_found(lambda: PoolScene(2), [OWN, DROPPER, calling("b", 0.001)], PoolScene.faults)


def test_it_is_found_when_what_was_given_up_begins_all_the_same(
    monkeypatch: pytest.MonkeyPatch, on_tasks: None
) -> None:
    monkeypatch.setattr(PoolState, "_end_other", lambda self, token: False)
    workers = [OWN, TASK, CANCELLING, asking("b")]
    is_found(lambda: PoolScene(3), workers, PoolScene.faults)


def test_the_callers_turn_is_left_to_the_pool_when_somebody_waits() -> None:
    scene = PoolScene(1)
    park(scene.state, "a")

    assert scene.state.begin(lease_for(scene.state, "b")) is LATER

    pykka.ActorRegistry.unregister(scene.ref)


class Awaited(PoolScene):
    """A pool whose name is checked out, and a task that waits for it."""

    def __init__(self, callers: int) -> None:
        super().__init__(callers)
        checkout(self.state, "c")


def give_back(scene: PoolScene) -> None:
    assert scene.ref.ask(CheckinName(NAME, "c")) is True


SERVED = [OWN, IN_A_BLOCK, CANCELLING, caller("c", give_back)]


def test_a_task_that_is_cancelled_while_it_is_served_loses_no_name(on_tasks: None) -> None:
    trace = ("namepool.pool.waiting_list", "namepool.pool.access", "namepool.core.state")
    holds(lambda: Awaited(3), SERVED, PoolScene.faults, trace=trace, schedules=SCHEDULES // 2)


def test_it_is_found_when_a_task_that_is_cancelled_gives_nothing_up(
    monkeypatch: pytest.MonkeyPatch, on_tasks: None
) -> None:
    def until_left(self: Access, token: Any) -> Any:
        yield
        if token.says is not None:
            self.state.signal.put(token)

    monkeypatch.setattr(Access, "until_left", until_left)
    is_found(lambda: Awaited(3), SERVED, PoolScene.faults)


def test_a_task_that_is_cancelled_before_it_is_heard_does_not_wait(on_tasks: None) -> None:
    def is_heard(scene: Awaited) -> list[str]:
        scene.held = [NAME]
        return scene.faults()

    holds(lambda: Awaited(3), [OWN, IN_A_BLOCK, CANCELLING, calling("b", 0.001)], is_heard)
