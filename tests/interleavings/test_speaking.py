"""Reading under which name one speaks, while names come and go."""

from __future__ import annotations

from functools import partial

import pytest

from namepool import PoolState, owner_scope, speaking
from namepool.core.names import DEFAULT_NAME
from namepool.pool import handle
from tests.interleavings import scene as scenes
from tests.interleavings.scene import PoolScene, caller
from tests.interleavings.support import POOL, SCHEDULES, under_the_explorer
from tests.interleavings.support import holds as _holds
from tests.interleavings.support import is_found as _is_found

pytestmark = under_the_explorer

TRACE = (*POOL, "namepool.speaking", "namepool.core.*")
holds = partial(_holds, trace=TRACE, schedules=SCHEDULES // 2)
is_found = partial(_is_found, trace=TRACE)

OWN = PoolScene.own_thread


class Hearing(PoolScene):
    """A pool whose callers hear each other speak."""

    def __init__(self, callers: int, names: int = 3) -> None:
        super().__init__(callers, names)
        self.heard: list[str] = []

    def listen(self, times: int = 3) -> None:
        self.heard += [self.handle.speaker() for _ in range(times)]


def give_and_take(scene: Hearing) -> None:
    """Take a name for oneself, and for a while one for another owner."""
    with scene.handle.named(None):
        given = scene.handle.checkout_name(None, owner="x")
        scene.handle.checkin_name(given)


def listen_as_that_owner(scene: Hearing) -> None:
    with owner_scope("x"):
        scene.listen()


GIVING = caller("giver", give_and_take)
TAKING = caller("y", partial(scenes.call, timeout=None))
LISTENING = caller("x", listen_as_that_owner)


def hears_its_own(scene: Hearing) -> list[str]:
    """The first name was the giver's, the second was given."""
    strange = [name for name in scene.heard if name not in ("Name 1", DEFAULT_NAME)]
    return scene.faults() + [f"it spoke as {name}" for name in strange]


def test_an_owner_whose_given_name_ends_while_it_speaks_is_nobody_or_has_that_name() -> None:
    holds(partial(Hearing, 2), [OWN, GIVING, LISTENING], hears_its_own)


def test_it_is_found_when_what_comes_before_a_given_name_is_spoken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def name_of_caller(state: PoolState) -> str | None:
        link = speaking.chain.get()
        link = speaking._given_to_caller(state, link) or link
        while link is not None and not (link.says and link.state is state):
            link = link.before
        return None if link is None else link.says

    monkeypatch.setattr(handle, "name_of_caller", name_of_caller)
    trace = (__name__, "namepool.speaking", "namepool.core.*")  # few places: it is found soon
    _is_found(partial(Hearing, 2), [OWN, GIVING, LISTENING], hears_its_own, trace=trace)


class Nested(Hearing):
    """Two blocks of an owner, of which the outer goes on alone."""

    outer: str | None = None
    """Its name, while it is certain that nothing else is spoken."""


def nest(scene: Nested) -> None:
    """Take a name as an owner, and another one for a while."""
    with owner_scope("x"), scene.handle.named(None) as outer:
        with scene.handle.named(None):
            pass
        scene.outer = outer
        listen_for_the_outer(scene)
        scene.outer = None


def listen_for_the_outer(scene: Nested) -> None:
    for _ in range(4):
        outer, name = scene.outer, scene.handle.speaker()
        if outer is not None and scene.outer is not None and name != outer:
            scene.surprises.append(f"it spoke as {name}")


def listen_from_elsewhere(scene: Nested) -> None:
    """Be the same owner in another context."""
    with owner_scope("x"):
        listen_for_the_outer(scene)


NESTED = [OWN, caller("x", nest), caller("x too", listen_from_elsewhere), TAKING]


def test_an_owner_whose_inner_block_has_ended_speaks_under_the_outer_name_everywhere() -> None:
    holds(partial(Nested, 3), NESTED, Nested.faults)


def test_it_is_found_when_a_block_hides_the_outer_one_until_the_pool_has_ended_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(PoolState, "latest_given", lambda self, owner: None)
    is_found(partial(Nested, 3), NESTED, Nested.faults)
