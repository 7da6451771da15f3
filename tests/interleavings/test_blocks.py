"""Blocks and associations against a check-in, a queue, a timeout, a cancelling, and each other."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from namepool import CheckinName, CheckoutName, CheckoutTimeout, NameHeld, PoolState, owner_scope
from namepool.core.leases import Adopted
from tests.core.scene import checkout
from tests.interleavings import scene as scenes
from tests.interleavings.scene import NAME, PoolScene, caller, cancelling, task
from tests.interleavings.support import POOL, SCHEDULES, under_the_explorer
from tests.interleavings.support import holds as _holds
from tests.interleavings.support import is_found as _is_found

pytestmark = under_the_explorer

TRACE = (*POOL, "namepool.speaking", "namepool.core.*")
holds = partial(_holds, trace=TRACE, schedules=SCHEDULES // 5)
is_found = partial(_is_found, trace=TRACE)

OWN = PoolScene.own_thread


def take_it_away(scene: PoolScene) -> None:
    """Check in what somebody has, as anybody may, then have that name oneself."""
    scene.ref.ask(CheckinName(NAME, "b"))
    name = scene.ref.ask(CheckoutName(None, "b"))
    scene.hold(name)
    if scene.state.speaking.get("b") != name:
        scene.surprises.append("b speaks no more")
    scene.let_go(name)
    scene.ref.ask(CheckinName(name, "b"))


def speak(scene: PoolScene, *, is_sure: bool = True) -> None:
    """Speak under a name for the length of a block."""
    with scene.handle.speaking_as(NAME):
        if is_sure and scene.handle.speaker() != NAME:
            scene.surprises.append("it does not speak in its block")
    if scene.handle.speaker() == NAME:
        scene.surprises.append("it speaks after its block")


def speak_as_one(scene: PoolScene) -> None:
    """Speak as one of several parts of a program that are one owner."""
    with owner_scope("one"), scene.handle.speaking_as(NAME):
        if scene.handle.speaker() != NAME:
            scene.surprises.append("its owner does not speak in its block")


def speak_as_another(scene: PoolScene) -> None:
    with owner_scope("another"):
        speak(scene)


def check_in(scene: PoolScene) -> None:
    scene.ref.ask(CheckinName(NAME, "b"))


def name_oneself(scene: PoolScene) -> None:
    with scene.handle.named(None):
        pass


def work_under_any_name(scene: PoolScene) -> None:
    """Have a name, or work under a default name."""
    with scene.handle.named(0.001, default="Somebody") as name:
        if scene.handle.speaker() != name:
            scene.surprises.append(f"{scene.handle.speaker()} speaks for {name}")
        if name != "Somebody":
            scene.use(name)
    if scene.handle.speaker() == name:
        scene.surprises.append("it speaks after its block")


def take_this_one(scene: PoolScene) -> None:
    """Have this very name, or be told that another has it."""
    try:
        with scene.handle.named(name=NAME) as name:
            scene.use(name)
    except (NameHeld, CheckoutTimeout):
        pass


def associate_as_one(scene: PoolScene) -> None:
    with owner_scope("one"):
        scenes.associate(scene, NAME)


class Leased(PoolScene):
    """A pool whose only name is checked out, for good."""

    def __init__(self, callers: int) -> None:
        super().__init__(callers)
        checkout(self.state, "parent")
        self.held = [NAME]

    def is_its_parents(self) -> list[str]:
        wrong = self.faults()
        return wrong + [owner for owner in self.state.speaking if owner != "parent"]


NAMED = caller("a", name_oneself)
TAKING = caller("b", take_it_away)
IMPATIENT = caller("a", partial(scenes.block, timeout=0.001))
PATIENT = caller("b", partial(scenes.block, timeout=None))
SPEAKING = caller("a", speak_as_one)
SPEAKING_TOO = caller("a too", speak_as_one)
SPEAKING_ITSELF = caller("c", speak)
SPEAKING_AS_ANOTHER = caller("d", speak_as_another)
SPEAKING_OR_NOT = caller("a", partial(speak, is_sure=False))
CHECKING_IN = caller("b", check_in)
DEFAULT = caller("e", work_under_any_name)
ASSOCIATING = caller("h", associate_as_one)
ADOPTING = caller("j", partial(scenes.adopt, name="Name 1"))
THIS_ONE = caller("f", take_this_one)
THIS_ONE_TOO = caller("g", take_this_one)
TASK = task("task", partial(scenes.async_block, timeout=None))


def test_the_end_of_a_block_ends_its_own_checkout_and_no_later_one() -> None:
    holds(partial(PoolScene, 2), [OWN, NAMED, TAKING], PoolScene.faults)


def test_it_is_found_when_a_block_ends_whichever_lease_its_name_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end = PoolState.end

    def end_name(self: PoolState, token: Any, is_reclaimed: bool = False) -> bool:
        return end(self, self.leases.get(token.name, token), is_reclaimed)

    monkeypatch.setattr(PoolState, "end", end_name)
    is_found(partial(PoolScene, 2), [OWN, NAMED, TAKING], PoolScene.faults)


def test_the_end_of_a_block_crosses_its_begin_in_the_queue_and_no_name_is_lost() -> None:
    holds(partial(PoolScene, 2), [OWN, IMPATIENT, PATIENT], PoolScene.faults)


def test_a_task_that_is_cancelled_on_its_way_into_a_block_or_out_of_it_loses_no_name(
    on_tasks: None,
) -> None:
    workers = [OWN, TASK, cancelling("task"), PATIENT]
    holds(partial(PoolScene, 3), workers, PoolScene.faults)


def test_overlapping_blocks_of_one_owner_keep_it_speaking_until_each_has_ended() -> None:
    holds(partial(Leased, 2), [OWN, SPEAKING, SPEAKING_TOO], PoolScene.faults)


def test_it_is_found_when_the_end_of_a_block_silences_its_owner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end = PoolState.end

    def end_all(self: PoolState, token: Any, is_reclaimed: bool = False) -> bool:
        is_done = end(self, token, is_reclaimed)
        return self.dissociate(token.owner, NAME) or is_done

    monkeypatch.setattr(PoolState, "end", end_all)
    is_found(partial(Leased, 2), [OWN, SPEAKING, SPEAKING_TOO], PoolScene.faults)


def test_a_name_that_was_not_checked_out_goes_home_with_the_last_block() -> None:
    workers = [OWN, SPEAKING, SPEAKING_ITSELF, SPEAKING_AS_ANOTHER]
    holds(partial(PoolScene, 3), workers, PoolScene.faults)


def test_it_is_found_when_the_first_block_to_end_takes_the_name_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    end = PoolState.end

    def end_both(self: PoolState, token: Any, is_reclaimed: bool = False) -> bool:
        lease, is_done = token.lease, end(self, token, is_reclaimed)
        if isinstance(lease, Adopted):
            end(self, lease)
        return is_done

    monkeypatch.setattr(PoolState, "end", end_both)
    is_found(partial(PoolScene, 2), [OWN, SPEAKING, SPEAKING_ITSELF], PoolScene.faults)


def test_a_check_in_inside_a_block_takes_the_name_and_the_blocks_end_takes_nothing() -> None:
    def is_home(scene: Leased) -> list[str]:
        scene.held.clear()
        return scene.faults()

    holds(partial(Leased, 2), [OWN, SPEAKING_OR_NOT, CHECKING_IN], is_home)


def test_a_name_that_is_lent_and_one_that_waits_for_it_are_never_at_odds() -> None:
    holds(partial(PoolScene, 3), [OWN, SPEAKING_OR_NOT, IMPATIENT, PATIENT], PoolScene.faults)


def test_a_name_that_is_asked_for_by_name_is_one_callers_only() -> None:
    workers = [OWN, THIS_ONE, THIS_ONE_TOO, IMPATIENT]
    holds(partial(PoolScene, 3), workers, PoolScene.faults)


def test_a_default_name_is_spoken_only_where_no_name_came() -> None:
    holds(partial(PoolScene, 2), [OWN, DEFAULT, PATIENT], PoolScene.faults)


def test_an_association_that_times_out_is_undone() -> None:
    holds(partial(Leased, 1), [OWN, ASSOCIATING], Leased.is_its_parents)
    holds(partial(PoolScene, 2, names=2), [OWN, ADOPTING, PATIENT], PoolScene.faults)


def test_it_is_found_when_an_association_that_times_out_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(PoolState, "end_binding", lambda self, binding: False)
    is_found(partial(Leased, 1), [OWN, ASSOCIATING], Leased.is_its_parents)
