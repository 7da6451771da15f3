"""A handle against a restart: each request goes to one incarnation, none waits in vain."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import pykka
import pytest

from namepool.actors import ActorHandle, Reply, ServiceActor
from tests.interleavings.support import holds as _holds
from tests.interleavings.support import is_found as _is_found
from tests.interleavings.support import run_own_thread, under_the_explorer, unstarted

pytestmark = under_the_explorer

TRACE = ("namepool.actors.supervision.handle", "namepool.actors.reply")
holds = partial(_holds, trace=TRACE)
is_found = partial(_is_found, trace=TRACE)


class Work(NamedTuple):
    """Is done, and answered with its number."""

    number: int


class Worker(ServiceActor):
    """Does what it is asked."""

    non_blocking = True

    def __init__(self, done: list[int]) -> None:
        super().__init__()
        self.done = done
        self._handlers[Work] = self.work

    def work(self, message: Work) -> int:
        self.done.append(message.number)
        return message.number

    def on_receive(self, message: Any) -> None:
        raise ValueError("fatal")


class Lives:
    """Two incarnations of a worker behind a handle; the first is killed."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.first: Any = unstarted(Worker, self.done)
        self.second: Any = unstarted(Worker, self.done)
        self.handle = ActorHandle("worker")
        self.handle.install(self.first.actor_ref)
        self.answered: list[int] = []
        self.refused: list[int] = []

    def first_thread(self) -> None:
        self.first.actor_ref.tell("die")
        run_own_thread(self.first)
        self.handle.vacate()  # as its supervisor does when it hears of the death
        self.handle.install(self.second.actor_ref)
        run_own_thread(self.second)

    def given_up(self) -> None:
        self.first.actor_ref.tell("die")
        run_own_thread(self.first)
        self.handle.vacate()
        self.handle.close("it has ended")

    def ask(self) -> None:
        self.count(lambda: self.handle.ask(Work(1)))

    def ask_for_a_future(self) -> None:
        self.count(lambda: self.handle.ask(Work(2), block=False).get())

    def count(self, ask: Any) -> None:
        try:
            self.answered.append(ask())
        except pykka.ActorDeadError:
            self.refused.append(0)
        if len(self.answered) + len(self.refused) == 2:
            self.second.actor_ref.stop(block=False)

    def is_right(self) -> bool:
        """Each request was handled once, whoever did it, and answered."""
        return sorted(self.done) == sorted(self.answered) == [1, 2]

    def is_answered(self) -> bool:
        """Each request was handled once and answered, or refused."""
        return (
            sorted(self.done) == sorted(self.answered)
            and len(self.answered) + len(self.refused) == 2
        )


WORKERS = [Lives.first_thread, Lives.ask, Lives.ask_for_a_future]


def test_a_request_goes_to_one_incarnation_and_is_answered() -> None:
    holds(Lives, WORKERS, Lives.is_right)


def test_a_request_that_waits_for_an_incarnation_is_refused_when_there_will_be_none() -> None:
    holds(Lives, [Lives.given_up, Lives.ask, Lives.ask_for_a_future], Lives.is_answered)


def test_it_is_found_when_a_request_is_parked_without_the_lock() -> None:
    def lives() -> Lives:
        lives = Lives()
        lives.handle._lock = nullcontext()  # type: ignore[assignment]
        return lives

    is_found(lives, WORKERS, Lives.is_right)


def test_it_is_found_when_who_follows_an_answer_is_told_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Reply, "_call", lambda self, waiting: waiting[0]())
    is_found(Lives, WORKERS, Lives.is_right)


def test_it_is_found_when_what_is_parked_is_not_sent_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActorHandle, "_send_parked", lambda self: None)
    is_found(Lives, [Lives.given_up, Lives.ask, Lives.ask_for_a_future], Lives.is_answered)
