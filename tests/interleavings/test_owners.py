"""An owner's end against its own requests, which are still on their way, and against its blocks."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from namepool import AssociateName, CheckinName, CheckoutName, PoolState
from namepool.actors import Reply
from namepool.core.state import OwnerEnded
from namepool.owners import current_owner
from namepool.pool.waiting_list import WaitingList
from tests.core.scene import checkout
from tests.interleavings import scene as scenes
from tests.interleavings.scene import NAME, Lives, PoolScene, caller
from tests.interleavings.support import POOL, SCHEDULES, under_the_explorer
from tests.interleavings.support import holds as _holds
from tests.interleavings.support import is_found as _is_found

pytestmark = under_the_explorer

TRACE = (*POOL, "namepool.core.*")
holds = partial(_holds, trace=TRACE, schedules=SCHEDULES // 4)
is_found = partial(_is_found, trace=TRACE)

OWN = PoolScene.own_thread


def request_and_end(scene: PoolScene, message: Any) -> None:
    """Ask for what somebody else will read, and end at once."""
    scene.kept.append(scene.handle._ask(message, block=False))
    scene.state.owner_gone(message.owner)


def ending(message: Any) -> Any:
    return caller(message.owner, partial(request_and_end, message=message))


def comes_home(scene: PoolScene) -> list[str]:
    """What the dead hold is reclaimed, although whoever has their futures keeps them."""
    kept: list[Reply[Any]] = [*scene.kept]
    scene.succeed()
    scene.state.reclaim(float("inf"), float("inf"))
    return scene.faults() + ([] if len(kept) == 1 else ["nothing was asked"])


ASKING = ending(CheckoutName(None, "a"))
ASSOCIATING = ending(AssociateName(NAME, owner="a"))
IMPATIENT = caller("b", partial(scenes.call, timeout=0.001))


def test_a_checkout_whose_owner_ends_meanwhile_is_reclaimed() -> None:
    holds(partial(PoolScene, 2), [OWN, ASKING, IMPATIENT], comes_home)


def test_an_association_whose_owner_ends_meanwhile_is_reclaimed() -> None:
    holds(partial(PoolScene, 2, names=2), [OWN, ASSOCIATING, IMPATIENT], comes_home)


class Leased(PoolScene):
    """A pool whose name is checked out. It never refills: the shorter, the better explored."""

    def __init__(self, callers: int, **options: Any) -> None:
        super().__init__(callers, **options)
        checkout(self.state, "c")
        self.actor._refilling.refill_for_waiter = lambda stock: None


def give_back(scene: PoolScene) -> None:
    assert scene.ref.ask(CheckinName(NAME, "c")) is True


GIVING_BACK = caller("c", give_back)


def wait_and_end(scene: PoolScene) -> None:
    """Ask, and end when the pool has heard of that."""
    scene.kept.append(scene.handle._ask(CheckoutName(None, "a"), block=False))
    scene.handle.pool_stats(timeout=None)
    scene.state.owner_gone("a")


WAITING = [OWN, caller("a", wait_and_end), GIVING_BACK]


def test_what_is_granted_to_an_owner_that_ended_while_it_waited_is_reclaimed() -> None:
    holds(partial(Leased, 2), WAITING, comes_home)


def ask_end_and_kill(scene: Lives) -> None:
    """Ask, end, and have the pool die of the next message."""
    request_and_end(scene, CheckoutName(None, "a"))
    scene.kill()


DYING = [Lives.own_thread, caller("a", ask_end_and_kill), IMPATIENT]


def test_an_end_that_crosses_a_restart_is_remembered() -> None:
    holds(partial(Lives, 2), DYING, comes_home)


def end_in_a_block(scene: PoolScene) -> None:
    """End as an owner, while a block of it goes on, in which others are told of that."""
    with scene.handle.named(None) as name:
        scene.hold(name)
        scene.state.owner_gone(current_owner())
        if scene.handle.speaker() != name:
            scene.surprises.append("the block does not speak any more")
        scene.let_go(name)


IN_A_BLOCK = caller("a", end_in_a_block)
PATIENT = caller("b", partial(scenes.block, timeout=None))


def test_a_block_whose_owner_has_ended_keeps_its_name_until_it_ends() -> None:
    scene = partial(PoolScene, 2, reclaim_after=0.001)
    holds(scene, [OWN, IN_A_BLOCK, PATIENT], PoolScene.faults)


def test_it_is_found_when_the_name_of_a_block_is_reclaimed(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = PoolState.begin

    def begin_outside(self: PoolState, lease: Any, spare: int | None = None) -> Any:
        lease.in_block = False
        return begin(self, lease, spare)

    monkeypatch.setattr(PoolState, "begin", begin_outside)
    scene = partial(PoolScene, 2, reclaim_after=0.001)
    is_found(scene, [OWN, IN_A_BLOCK, PATIENT], PoolScene.faults)


def end(scene: PoolScene) -> None:
    scene.state.owner_gone("c")


def end_and_look(scene: PoolScene) -> None:
    scene.state.owner_gone("c")
    if scene.handle.get_name_by_owner("c", timeout=None) is not None:
        scene.surprises.append("an owner that has ended has a name")


def test_an_owner_that_has_ended_is_looked_up_in_vain() -> None:
    def is_orphaned(scene: PoolScene) -> list[str]:
        scene.held = [NAME]
        return scene.faults()

    workers = [OWN, caller("d", end_and_look), caller("e", end_and_look), IMPATIENT]
    holds(partial(Leased, 3, reclaim_after=None), workers, is_orphaned)


def associate(scene: PoolScene) -> None:
    """Speak under a name whose last speaker is ending."""
    assert scene.ref.ask(AssociateName(NAME, owner="d")) == NAME
    scene.held.append(NAME)


def is_kept(scene: PoolScene) -> list[str]:
    return scene.faults() + ([] if scene.state.speaking == {"d": NAME} else ["d is nobody"])


def test_a_name_that_is_spoken_again_before_it_is_reclaimed_is_kept() -> None:
    scene = partial(Leased, 2, reclaim_after=0.001)
    holds(scene, [OWN, caller("c", end), caller("d", associate)], is_kept)


def test_it_is_found_when_the_end_of_one_that_waits_is_not_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def owner_gone(self: PoolState, owner: str) -> None:
        if self.is_busy() or self.owners.get(owner):
            self.signal.put(OwnerEnded(owner))

    monkeypatch.setattr(PoolState, "owner_gone", owner_gone)
    is_found(partial(Leased, 2), WAITING, comes_home)


def test_it_is_found_when_the_end_of_one_that_has_just_asked_is_not_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def owner_gone(self: PoolState, owner: str) -> None:
        if self.owners.get(owner) or self.stocks.waiting:
            self.signal.put(OwnerEnded(owner))

    monkeypatch.setattr(PoolState, "owner_gone", owner_gone)
    is_found(partial(PoolScene, 2, names=2), [OWN, ASSOCIATING, IMPATIENT], comes_home)


def test_it_is_found_when_an_owner_is_buried_before_what_it_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signalled = WaitingList.signalled

    def bury_at_once(self: Any, what: Any) -> None:
        if isinstance(what, OwnerEnded):
            self.owner_ended(what)
        else:
            signalled(self, what)

    monkeypatch.setattr(WaitingList, "signalled", bury_at_once)
    is_found(partial(PoolScene, 2, names=2), [OWN, ASSOCIATING, IMPATIENT], comes_home)


def test_it_is_found_when_an_end_dies_with_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WaitingList, "let_go", lambda self: None)
    is_found(partial(Lives, 2), DYING, comes_home)
