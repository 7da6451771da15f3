"""A grant against a timeout, a drop, a withdrawal, another grant."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from namepool import CheckinName, CheckoutName, CheckoutTimeout, NamePool
from namepool.actors import LATER
from tests.interleavings.scene import PoolScene, caller
from tests.interleavings.support import holds, is_found, under_the_explorer

pytestmark = under_the_explorer

OWN = PoolScene.own_thread


def borrow(scene: PoolScene, who: str, timeout: float | None) -> None:
    """Hold a name for a moment, or give up."""
    try:
        name = scene.ref.ask(CheckoutName(timeout, who), timeout=timeout)
    except CheckoutTimeout:
        return
    scene.hold(name)
    scene.let_go(name)
    assert scene.ref.ask(CheckinName(name, who)) is True


def patient(who: str) -> Any:
    return caller(who, partial(borrow, who=who, timeout=None))


def impatient(who: str) -> Any:
    return caller(who, partial(borrow, who=who, timeout=0.001))


def drop(scene: PoolScene) -> None:
    scene.ref.ask(CheckoutName(owner="dropper"), block=False)


def test_one_name_goes_from_caller_to_caller_and_is_never_held_twice() -> None:
    holds(lambda: PoolScene(2), [OWN, patient("a"), patient("b")], PoolScene.is_right)


def test_it_is_found_when_a_caller_works_outside_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoTurn:
        """A turn that everybody has."""

        def _is_owned(self) -> bool:
            return False

        def acquire(self, blocking: bool = True) -> bool:
            return True

        def release(self) -> None:
            pass

    def scene() -> PoolScene:
        scene = PoolScene(2, names=2)
        scene.actor.actor_inbox.turn = NoTurn()
        return scene

    is_found(scene, [OWN, patient("a"), patient("b")], PoolScene.is_right)


def test_a_grant_that_crosses_a_timeout_is_delivered_or_goes_home() -> None:
    holds(lambda: PoolScene(2), [OWN, patient("a"), impatient("b")], PoolScene.is_right)


def test_a_dropped_future_gives_its_name_to_who_waits() -> None:
    holds(lambda: PoolScene(2), [OWN, caller("dropper", drop), patient("b")], PoolScene.is_right)


def test_it_is_found_when_a_dropped_future_is_not_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NamePool, "on_returned", lambda self: self.actor_inbox.returned.clear())
    monkeypatch.setattr(NamePool, "_apply_events", lambda self: None)
    is_found(
        lambda: PoolScene(2), [OWN, caller("dropper", drop), impatient("b")], PoolScene.is_right
    )


def test_a_check_in_serves_who_was_parked_while_it_ran() -> None:
    holds(lambda: PoolScene(3), [OWN, patient("a"), patient("b"), patient("c")], PoolScene.is_right)


def test_the_callers_turn_is_left_to_the_pool_when_somebody_waits() -> None:
    scene = PoolScene(1)
    scene.state.park("a", None, None)

    assert scene.actor._inline[CheckinName](CheckinName("Name 0", "x")) is LATER
