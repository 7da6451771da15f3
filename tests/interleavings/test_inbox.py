"""An inbox and its turn: put, run on the caller's thread, get, close."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import Any, NamedTuple

import pykka
import pytest

from namepool.actors import ServiceActor
from namepool.actors.inbox import Inbox
from tests.interleavings.support import NoTurn, run_own_thread, under_the_explorer, unstarted
from tests.interleavings.support import holds as _holds
from tests.interleavings.support import is_found as _is_found

pytestmark = under_the_explorer

TRACE = (
    "namepool.actors.inbox",
    "namepool.actors.service_actor",
    "namepool.actors.ref",
)
holds = partial(_holds, trace=TRACE)
is_found = partial(_is_found, trace=TRACE)


class Note(NamedTuple):
    """What a clerk writes down."""

    who: str
    number: int


class Clerk(ServiceActor):
    """Writes down what it is told; that takes some opcodes, in which nobody may interfere."""

    non_blocking = True

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[Note] = []
        self._handlers[Note] = self.write
        self.turns = 0
        self.disturbed = False

    def write(self, note: Note) -> int:
        turn = self.turns
        self.notes.append(note)
        self.turns = turn + 1
        self.disturbed |= len(self.notes) != turn + 1
        return len(self.notes)


class Office:
    """A clerk and its callers; the last one to leave stops it."""

    def __init__(self, callers: int = 2) -> None:
        self.clerk: Any = unstarted(Clerk)
        self.ref: Any = self.clerk.actor_ref
        self.callers = callers
        self.gone: list[str] = []
        self.answered: list[Note] = []
        self.dead: list[Note] = []
        self.told: list[Note] = []

    def own_thread(self) -> None:
        run_own_thread(self.clerk)

    def leave(self) -> None:
        self.gone.append("one more")  # counting would lose one between two opcodes
        if len(self.gone) == self.callers:
            self.ref.stop(block=False)

    def ask(self, who: str) -> None:
        for number in range(2):
            self.ask_once(Note(who, number))
        self.leave()

    def tell_and_ask(self, who: str) -> None:
        self.told.append(Note(who, 0))
        self.ref.tell(Note(who, 0))
        self.ask_once(Note(who, 1))
        self.leave()

    def ask_once(self, note: Note) -> None:
        try:
            self.ref.ask(note)
            self.answered.append(note)
        except pykka.ActorDeadError:
            self.dead.append(note)

    def stop(self) -> None:
        self.ref.stop(block=False)

    def is_right(self) -> bool:
        """Each request was handled once if it was answered, else not; each caller's in order."""
        notes = self.clerk.notes
        return (
            not self.clerk.disturbed
            and sorted(notes) == sorted(self.answered + self.told)
            and not set(notes) & set(self.dead)
            and all(self.is_in_order(who) for who in "ab")
        )

    def is_in_order(self, who: str) -> bool:
        numbers = [note.number for note in self.clerk.notes if note.who == who]
        return numbers == sorted(numbers)


OWN = Office.own_thread


def asking(who: str) -> Any:
    return partial(_act, act=Office.ask, who=who)


def telling(who: str) -> Any:
    return partial(_act, act=Office.tell_and_ask, who=who)


def _act(office: Office, act: Any, who: str) -> None:
    act(office, who)


def test_one_message_at_a_time_each_once_and_in_the_order_of_each_caller() -> None:
    holds(Office, [OWN, asking("a"), telling("b")], Office.is_right)


def test_it_is_found_when_everybody_has_the_turn() -> None:
    def office() -> Office:
        office = Office()
        office.clerk.actor_inbox.turn = NoTurn()
        return office

    is_found(office, [OWN, asking("a"), asking("b")], Office.is_right)


def test_it_is_found_when_a_caller_overtakes_what_is_queued() -> None:
    def office() -> Office:
        office = Office()
        inbox = office.clerk.actor_inbox

        class Unseen(deque[Any]):
            def __bool__(self) -> bool:  # who has the turn sees nothing queued
                return len(self) > 0 and not inbox.is_mine()

        inbox.queue = Unseen()
        return office

    is_found(office, [OWN, telling("a"), telling("b")], Office.is_right)


def test_it_is_found_when_the_actor_pops_before_it_has_the_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def get(self: Any) -> Any:
        self.is_open = True
        self.turn.release()
        while not self._look():
            pass
        envelope = self.queue.popleft()
        self.turn.acquire()
        return envelope

    monkeypatch.setattr(Inbox, "get", get)
    is_found(Office, [OWN, telling("a"), telling("b")], Office.is_right)


def test_what_is_put_while_the_inbox_closes_is_answered_once() -> None:
    office = partial(Office, callers=9)
    holds(office, [OWN, asking("a"), asking("b"), Office.stop], Office.is_right)


def test_it_is_found_when_put_does_not_look_whether_the_inbox_was_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def put(self: Any, envelope: Any) -> None:
        self.queue.append(envelope)
        self.signal.put(None)

    monkeypatch.setattr(Inbox, "put", put)
    office = partial(Office, callers=9)
    is_found(office, [OWN, asking("a"), Office.stop], Office.is_right)
