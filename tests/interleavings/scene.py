"""A pool, or an actor, whose own thread is one worker, and callers that are the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pykka

from namepool import CheckinName, CheckoutName, CheckoutTimeout, NamePool
from namepool.actors import Reply
from tests.interleavings.support import is_whole, run_own_thread, unstarted_pool


class PoolScene:
    """A pool with one name, and what its callers held, in which order they came to hold it."""

    def __init__(self, callers: int, names: int = 1) -> None:
        self.actor: NamePool = unstarted_pool([f"Name {n}" for n in range(names)])
        self.ref: Any = self.actor.actor_ref
        self.state = self.actor._state
        self.left = callers
        self.gone: list[str] = []
        self.held: list[str] = []
        self.twice: list[str] = []
        self.unanswered: list[str] = []
        self.kept: list[Reply[Any]] = []

    def own_thread(self) -> None:
        run_own_thread(self.actor)

    def leave(self, who: str) -> None:
        """The last caller to leave stops the pool."""
        self.gone.append(who)
        if len(self.gone) == self.left:
            self.ref.stop(block=False)

    def hold(self, name: str) -> None:
        if name in self.held:
            self.twice.append(name)
        self.held.append(name)

    def let_go(self, name: str) -> None:
        self.held.remove(name)

    def take_home(self) -> None:
        """Be the next incarnation: take in what happened since the last one looked."""
        while not self.state.signal.empty():
            note = self.state.signal.get(block=False)
            if note is not None:
                self.state.events.append(getattr(note, "grant", note))
        self.state.mend()
        self.state.leave(len(self.state.leaving), 0.0)
        self.state.apply_events(0.0)

    def is_right(self) -> bool:
        """Nothing held twice, nobody unanswered; what nobody holds is available."""
        self.state.apply_events(0.0)
        self.kept.clear()
        self.take_home()
        return (
            not self.twice
            and not self.unanswered
            and is_whole(self.state)
            and sorted(self.state.leases) == sorted(self.held)
        )


def borrow(scene: PoolScene, who: str, timeout: float | None) -> None:
    """Hold a name for a moment, or give up."""
    try:
        name = scene.ref.ask(CheckoutName(timeout, who), timeout=timeout)
    except CheckoutTimeout:
        return
    scene.hold(name)
    scene.let_go(name)
    assert scene.ref.ask(CheckinName(name, who)) is True


def caller(who: str, act: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a worker that acts as ``who``, then leaves."""

    def work(scene: Any) -> None:
        try:
            act(scene)
        except pykka.ActorDeadError:
            pass
        finally:
            scene.leave(who)

    return work
