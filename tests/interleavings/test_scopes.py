"""Scopes (``named``, ``speaking_as``) against a check-in, and against each other."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from namepool import CheckinName, CheckoutName, PoolHandle, PoolState, owner_scope
from namepool.core.leases import Leases
from tests.interleavings.scene import PoolScene, caller
from tests.interleavings.support import POOL, under_the_explorer
from tests.interleavings.support import holds as _holds
from tests.interleavings.support import is_found as _is_found

pytestmark = under_the_explorer

TRACE = (*POOL, "namepool.pool.handle", "namepool.pool.scopes")
holds = partial(_holds, trace=TRACE)
is_found = partial(_is_found, trace=TRACE)

OWN = PoolScene.own_thread


class ScopeScene(PoolScene):
    """A pool, its handle, and what its callers saw that they should not."""

    def __init__(self, callers: int) -> None:
        super().__init__(callers)
        self.handle = PoolHandle(self.ref)
        self.surprised: list[str] = []

    def is_left(self) -> bool:
        """Nobody speaks under anything any more; nothing is lost, nobody was surprised."""
        return not self.surprised and self.is_right() and not self.state.speaking

    def is_bound(self) -> bool:
        """Nobody speaks any more under what was only spoken under; its lease stays."""
        self.held = list(self.state.leases)
        return self.is_left()


def name_oneself(scene: ScopeScene) -> None:
    with owner_scope("a"), scene.handle.named(None):
        pass


def take_it_away(scene: ScopeScene) -> None:
    """Check in what "a" has, as anybody may, then hold that name oneself."""
    scene.ref.ask(CheckinName("Name 0", "b"))
    name = scene.ref.ask(CheckoutName(None, "b"))
    scene.hold(name)
    if scene.state.speaking.get("b") != name:
        scene.surprised.append("b speaks no more")
    scene.let_go(name)
    scene.ref.ask(CheckinName(name, "b"))


def speak(scene: ScopeScene, check: bool = True) -> None:
    with owner_scope("a"), scene.handle.speaking_as("Name 0"):
        if check and scene.handle.speaker() != "Name 0":
            scene.surprised.append("a speaks no more")


def check_in(scene: ScopeScene) -> None:
    scene.ref.ask(CheckinName("Name 0", "b"))


NAMED = caller("a", name_oneself)
SPEAKING = caller("a", speak)
SPEAKING_STILL = caller("a too", speak)
SPEAKING_OR_NOT = caller("a", partial(speak, check=False))
TAKING = caller("b", take_it_away)
CHECKING_IN = caller("b", check_in)


def test_the_end_of_a_scope_ends_its_own_checkout_and_no_later_one() -> None:
    holds(partial(ScopeScene, 2), [OWN, NAMED, TAKING], ScopeScene.is_left)


def test_it_is_found_when_a_scope_ends_whichever_lease_its_name_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Leases, "is_current", lambda self, lease: lease.name in self.checked_out)
    is_found(partial(ScopeScene, 2), [OWN, NAMED, TAKING], ScopeScene.is_left)


def test_overlapping_scopes_of_one_owner_keep_it_speaking_until_the_last_ends() -> None:
    holds(partial(ScopeScene, 2), [OWN, SPEAKING, SPEAKING_STILL], ScopeScene.is_bound)


def test_it_is_found_when_each_scope_unbinds_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    def end_scope(self: Any, speaking: Any) -> None:
        self._scopes.pop((speaking.owner, speaking.name), None)
        self.dissociate(speaking.owner, speaking.name)

    monkeypatch.setattr(PoolState, "end_scope", end_scope)
    is_found(partial(ScopeScene, 2), [OWN, SPEAKING, SPEAKING_STILL], ScopeScene.is_bound)


def test_a_check_in_inside_a_scope_takes_the_name_and_the_scopes_end_takes_nothing() -> None:
    holds(partial(ScopeScene, 2), [OWN, SPEAKING_OR_NOT, CHECKING_IN], ScopeScene.is_bound)


def test_it_is_found_when_a_scope_ends_without_looking_who_speaks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def end_scope(self: Any, speaking: Any) -> None:
        self._silence(speaking.owner, speaking.name)

    monkeypatch.setattr(PoolState, "end_scope", end_scope)
    is_found(partial(ScopeScene, 2), [OWN, SPEAKING_OR_NOT, CHECKING_IN], ScopeScene.is_bound)
