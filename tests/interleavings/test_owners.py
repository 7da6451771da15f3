"""An owner's end against its own checkout and association, that are still on their way."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from namepool import AssociateName, CheckinName, CheckoutName, PoolState
from namepool.actors import Reply
from namepool.core.events import OwnerEnded
from tests.interleavings.scene import PoolScene, borrow, caller
from tests.interleavings.support import POOL, under_the_explorer
from tests.interleavings.support import holds as _holds
from tests.interleavings.support import is_found as _is_found

pytestmark = under_the_explorer

TRACE = (*POOL, "namepool.core.*")
holds = partial(_holds, trace=TRACE)
is_found = partial(_is_found, trace=TRACE)

OWN = PoolScene.own_thread


def request_and_end(scene: PoolScene, message: Any) -> None:
    """Ask for what somebody else will read, and end at once."""
    scene.kept.append(scene.ref.ask(message, block=False))
    scene.state.owner_gone(message.owner)


def ending(message: Any) -> Any:
    return caller(message.owner, partial(request_and_end, message=message))


def impatient(who: str) -> Any:
    return caller(who, partial(borrow, who=who, timeout=0.001))


def comes_home(scene: PoolScene) -> bool:
    """What the dead hold is reclaimed, although whoever has their futures keeps them."""
    kept: list[Reply[Any]] = list(scene.kept)
    scene.take_home()
    scene.state.reclaim(float("inf"))
    return scene.is_right() and len(kept) == 1


def test_a_checkout_whose_owner_ends_meanwhile_is_reclaimed() -> None:
    workers = [OWN, ending(CheckoutName(None, "a")), impatient("b")]
    holds(lambda: PoolScene(2), workers, comes_home)


def test_an_association_whose_owner_ends_meanwhile_is_reclaimed() -> None:
    workers = [OWN, ending(AssociateName("Name 0", owner="a")), impatient("b")]
    holds(lambda: PoolScene(2, names=2), workers, comes_home)


def held_by_another() -> PoolScene:
    """A pool whose name is checked out. It never refills: the shorter, the better explored."""
    scene = PoolScene(2)
    scene.state.checkout("c")
    scene.actor._refilling.refill_for_waiter = lambda stock: None  # type: ignore[method-assign]
    return scene


def give_back(scene: PoolScene) -> None:
    assert scene.ref.ask(CheckinName("Name 0", "c")) is True


WAITING = [OWN, ending(CheckoutName(None, "a")), caller("c", give_back)]


def test_what_is_granted_to_who_ended_while_it_waited_is_reclaimed() -> None:
    holds(held_by_another, WAITING, comes_home)


def test_it_is_found_when_the_end_of_who_waits_is_not_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def owner_gone(self: PoolState, owner: str) -> None:
        if self.is_busy() or owner in self._latest:
            self.events.append(OwnerEnded(owner))

    monkeypatch.setattr(PoolState, "owner_gone", owner_gone)
    is_found(held_by_another, WAITING, comes_home)


def test_it_is_found_when_the_end_of_who_has_just_asked_is_not_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def owner_gone(self: PoolState, owner: str) -> None:
        if owner in self._latest or self.waiters:
            self.events.append(OwnerEnded(owner))

    monkeypatch.setattr(PoolState, "owner_gone", owner_gone)
    workers = [OWN, ending(AssociateName("Name 0", owner="a")), impatient("b")]
    is_found(lambda: PoolScene(2, names=2), workers, comes_home)


def test_it_is_found_when_who_ends_is_buried_before_what_it_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(PoolState, "leave", lambda self, count, now: None)
    workers = [OWN, ending(AssociateName("Name 0", owner="a")), impatient("b")]
    is_found(lambda: PoolScene(2, names=2), workers, comes_home)
