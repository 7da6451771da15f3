"""A grant against a timeout, a drop, a withdrawal, another grant."""

from __future__ import annotations

from functools import partial
from typing import Any

import pykka
import pytest

from namepool import CheckinName, CheckoutName, NamePool
from namepool.actors import LATER, Reply
from namepool.pool.waiting_list import WaitingList
from tests.interleavings.scene import PoolScene, borrow, caller
from tests.interleavings.support import POOL, NoTurn, holds, is_found, under_the_explorer
from tests.support import park

pytestmark = under_the_explorer

OWN = PoolScene.own_thread


def patient(who: str) -> Any:
    return caller(who, partial(borrow, who=who, timeout=None))


def impatient(who: str) -> Any:
    return caller(who, partial(borrow, who=who, timeout=0.001))


def drop(scene: PoolScene) -> None:
    scene.ref.ask(CheckoutName(owner="dropper"), block=False)


def withdraw(scene: PoolScene) -> None:
    """Ask for a name, then think better of it, unless it has come."""
    scene.ref.ask(CheckoutName(owner="withdrawer"), block=False).withdraw()


def read_or_withdraw(scene: PoolScene) -> None:
    """Wait for a name for a moment; hold what has come."""
    reply = scene.ref.ask(CheckoutName(owner="reader"), block=False)
    try:
        name = reply.get_once(0.001)
    except pykka.Timeout:
        return
    scene.hold(name)
    scene.let_go(name)
    assert scene.ref.ask(CheckinName(name, "reader")) is True


DROPPER = caller("dropper", drop)
WITHDRAWER = caller("withdrawer", withdraw)
READER = caller("reader", read_or_withdraw)


def test_one_name_goes_from_caller_to_caller_and_is_never_held_twice() -> None:
    holds(lambda: PoolScene(2), [OWN, patient("a"), patient("b")], PoolScene.is_right)


def test_it_is_found_when_a_caller_works_outside_its_turn() -> None:
    def scene() -> PoolScene:
        scene = PoolScene(2, names=2)
        scene.actor.actor_inbox.turn = NoTurn()
        return scene

    workers = [OWN, patient("a"), patient("b")]
    is_found(scene, workers, PoolScene.is_right, trace=(*POOL, "namepool.core.*"))


def test_a_grant_that_crosses_a_timeout_is_delivered_or_goes_home() -> None:
    holds(lambda: PoolScene(2), [OWN, patient("a"), impatient("b")], PoolScene.is_right)


def test_a_dropped_future_gives_its_name_to_who_waits() -> None:
    holds(lambda: PoolScene(2), [OWN, DROPPER, patient("b")], PoolScene.is_right)


def test_a_grant_that_crosses_a_withdrawal_goes_home() -> None:
    holds(lambda: PoolScene(2), [OWN, WITHDRAWER, patient("b")], PoolScene.is_right)


def test_a_future_that_is_read_for_a_moment_holds_its_name_or_costs_none() -> None:
    holds(lambda: PoolScene(2), [OWN, READER, patient("b")], PoolScene.is_right)


def test_a_grant_a_timeout_and_a_drop_cross_in_any_order() -> None:
    holds(lambda: PoolScene(3), [OWN, DROPPER, impatient("a"), READER], PoolScene.is_right)


def test_it_is_found_when_who_gives_up_returns_what_it_sent_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def get_once(self: Any, timeout: float | None) -> Any:
        try:
            self._wait(timeout)
        except pykka.Timeout:
            if self.withdraw():
                raise
        return self._outcomes[0][1]

    monkeypatch.setattr(Reply, "get_once", get_once)
    is_found(lambda: PoolScene(2), [OWN, READER, patient("b")], PoolScene.is_right)


def test_it_is_found_when_a_dropped_future_is_not_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NamePool, "on_returned", lambda self: self.actor_inbox.returned.clear())
    monkeypatch.setattr(WaitingList, "apply_events", lambda self: None)
    is_found(lambda: PoolScene(2), [OWN, DROPPER, impatient("b")], PoolScene.is_right)


def test_a_check_in_serves_who_was_parked_while_it_ran() -> None:
    holds(lambda: PoolScene(3), [OWN, patient("a"), patient("b"), patient("c")], PoolScene.is_right)


def test_the_callers_turn_is_left_to_the_pool_when_somebody_waits() -> None:
    scene = PoolScene(1)
    park(scene.state, "a")

    assert scene.actor._inline[CheckinName](CheckinName("Name 0", "x")) is LATER

    pykka.ActorRegistry.unregister(scene.ref)
