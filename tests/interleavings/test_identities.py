"""Agents of one pool, and another session, that want the name of one identity."""

from __future__ import annotations

from functools import partial
from typing import Any

from namepool import NameHeld
from namepool.ledgers.identities import Identities
from namepool.ledgers.memory import Book, MemoryLedger
from tests.interleavings.support import SCHEDULES, holds, is_found, under_the_explorer

pytestmark = under_the_explorer

NAME = "Ada the Yak Shaver"
TRACE = ("namepool.ledgers.identities",)


class Scene:
    """A pool with an identity, another session, and those that have the name at a moment."""

    kind = Identities

    def __init__(self) -> None:
        book = Book(lambda: 1000.0)
        self.ledger = MemoryLedger(book)
        self.identities = self.kind(self.ledger)
        self.far = MemoryLedger(book)
        self.far.runs = lambda session: True  # type: ignore[method-assign]
        self.ledger.runs = lambda session: True  # type: ignore[method-assign]
        self.holders: list[str] = []
        self.wrong: list[str] = []

    def use(self, who: str) -> None:
        """Have the name for a moment."""
        self.holders.append(who)
        for _ in range(3):
            holder = self.far.kept("planner")
            if len(self.holders) > 1 or holder is None or holder.is_kept:
                self.wrong.append(f"{self.holders} have it, and others may take it")
        self.holders.remove(who)

    def faults(self) -> list[str]:
        """Return the faults, once all have left."""
        holder = self.far.kept("planner")
        if holder is not None and not holder.is_kept:
            self.wrong.append("nobody has it, and it is not free")
        if self.identities.held():
            self.wrong.append("it is held by nobody")
        return self.wrong


def agent(who: str, scene: Scene) -> None:
    """Be an agent of the pool."""
    try:
        hold = scene.identities.hold("planner")
    except NameHeld:
        return
    try:
        hold.take(NAME)
        scene.use(who)
    except NameHeld:
        pass
    hold.let_go(is_free=True)


def elsewhere(scene: Scene) -> None:
    """Be another session."""
    if scene.far.take(NAME, "planner") is None:
        scene.use("far")
        scene.far.release([NAME])


def test_one_of_all_has_the_name_of_an_identity() -> None:
    workers: list[Any] = [partial(agent, "a"), partial(agent, "b"), elsewhere]

    holds(Scene, workers, Scene.faults, trace=TRACE, schedules=SCHEDULES // 2)


class Given(Scene):
    """The task that gives up has its hold already; ``take`` runs on another thread."""

    def __init__(self) -> None:
        super().__init__()
        self.hold = self.identities.hold("planner")


def take(scene: Given) -> None:
    try:
        scene.hold.take(NAME)
    except NameHeld:
        scene.hold.let_go(is_free=True)


def leave(scene: Given) -> None:
    scene.hold.end()
    scene.hold.let_go(is_free=True)


def test_a_hold_that_is_given_up_while_it_takes_the_name_gives_it_back() -> None:
    workers: list[Any] = [take, leave, partial(agent, "b"), elsewhere]

    holds(Given, workers, Scene.faults, trace=TRACE, schedules=SCHEDULES // 2)


class Careless(Identities):
    """Without the look whether another agent has the name again."""

    def _settle(self, name: str, *, is_free: bool) -> None:
        if self._late.pop(name, None) is not None:
            self.ledger.release([name])


class Carelessly(Given):
    kind = Careless


def test_it_is_found_when_a_name_is_given_back_that_another_agent_has_again() -> None:
    workers: list[Any] = [take, leave, partial(agent, "b"), elsewhere]

    is_found(Carelessly, workers, Scene.faults, trace=TRACE)


class Taken(Given):
    """The agent has the name."""

    def __init__(self) -> None:
        super().__init__()
        self.hold.take(NAME)


class Followed(Taken):
    """A second agent has its hold already, because the first one has said that it leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.hold.end()
        self.second = self.identities.hold("planner")


def follow(scene: Followed) -> None:
    scene.second.take(NAME)
    scene.use("second")
    scene.second.let_go(is_free=True)


class Hasty(Identities):
    """Without the rule that a note is taken away before the holder is looked at."""

    def _settle(self, name: str, *, is_free: bool) -> None:
        identity = self._late.get(name)
        if identity is not None:
            with self.turn_of(identity).lock:
                if self._try_to_settle(identity, name, is_free=is_free):
                    self._late.pop(name, None)


class Hastily(Followed):
    kind = Hasty


def test_two_agents_that_leave_one_after_the_other_free_the_name() -> None:
    holds(Followed, [leave, follow], Scene.faults, trace=TRACE, schedules=SCHEDULES // 2)


def test_it_is_found_when_the_note_of_the_next_agent_is_lost() -> None:
    is_found(Hastily, [leave, follow], Scene.faults, trace=TRACE)


def ask(scene: Taken) -> None:
    """Ask which names are held, and for the identity."""
    held = scene.identities.held()
    if held not in ({}, {NAME: "planner"}):
        scene.wrong.append(f"{held} is held")
    try:
        scene.identities.hold("planner").end()
    except NameHeld as error:
        if "None" in str(error):
            scene.wrong.append(str(error))


def test_a_name_that_is_just_given_back_is_told_or_left_out() -> None:
    holds(Taken, [leave, ask], Scene.faults, trace=TRACE, schedules=SCHEDULES // 2)
