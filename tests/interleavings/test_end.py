"""An ask against a stop and a crash: every request is answered, and the answer is true."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import pykka
import pytest

from namepool.actors import NotHandled, ServiceActor
from namepool.actors.inbox import Inbox
from tests.interleavings.support import holds as _holds
from tests.interleavings.support import is_found as _is_found
from tests.interleavings.support import run_own_thread, under_the_explorer, unstarted

pytestmark = under_the_explorer

TRACE = (
    "namepool.actors.inbox",
    "namepool.actors.service_actor",
    "namepool.actors.ref",
)
holds = partial(_holds, trace=TRACE)
is_found = partial(_is_found, trace=TRACE)


class Work(NamedTuple):
    """Is done, and answered with its number."""

    number: int


class Fatal(NamedTuple):
    """Kills the worker, by ``tell`` with an error and by ``ask`` with a ``BaseException``."""

    error: BaseException


class Worker(ServiceActor):
    """Does what it is asked, until it is stopped or killed."""

    non_blocking = True

    def __init__(self) -> None:
        super().__init__()
        self.done: list[int] = []
        self._handlers[Work] = self.work
        self._handlers[Fatal] = self.die

    def work(self, message: Work) -> int:
        self.done.append(message.number)
        return message.number

    def die(self, message: Fatal) -> None:
        raise message.error

    def on_failure(self, *_: object) -> None:
        pass


class Life:
    """A worker, what it was asked, and how it was answered."""

    def __init__(self) -> None:
        self.worker: Any = unstarted(Worker)
        self.ref: Any = self.worker.actor_ref
        self.deaths: list[str | None] = []
        self.ref.watch(self.deaths.append)
        self.answered: list[int] = []
        self.unseen: list[int] = []
        self.lost: list[int] = []

    def own_thread(self) -> None:
        run_own_thread(self.worker)

    def ask(self) -> None:
        self.count(1, lambda: self.ref.ask(Work(1)))

    def ask_for_a_future(self) -> None:
        self.count(2, lambda: self.ref.ask(Work(2), block=False).get())

    def count(self, number: int, ask: Any) -> None:
        try:
            assert ask() == number
            self.answered.append(number)
        except NotHandled:
            self.unseen.append(number)
        except pykka.ActorDeadError:
            self.lost.append(number)

    def stop(self) -> None:
        self.ref.stop()
        assert self.ref.wait_gone() or not self.ref.is_alive()

    def kill(self) -> None:
        self.ref.tell(Fatal(ValueError("told")))

    def strike_dead(self) -> None:
        with pytest.raises(pykka.ActorDeadError):
            self.ref.ask(Fatal(SystemExit("asked")))

    def is_right(self) -> bool:
        """What was answered was done, what the worker did not see was not; it died once."""
        done = self.worker.done
        asked = len(self.answered) + len(self.unseen) + len(self.lost)
        return (
            asked == 2
            and sorted(done) == sorted(self.answered)
            and not self.lost
            and len(self.deaths) == 1
            and self.ref.lifecycle.is_gone.is_set()
        )


OWN = Life.own_thread


def test_a_request_that_crosses_a_stop_is_answered_or_was_not_seen() -> None:
    holds(Life, [OWN, Life.ask, Life.ask_for_a_future, Life.stop], Life.is_right)


def test_a_request_that_crosses_a_crash_is_answered_or_was_not_seen() -> None:
    holds(Life, [OWN, Life.ask, Life.ask_for_a_future, Life.kill], Life.is_right)


def test_a_request_that_crosses_a_crash_on_a_callers_thread_is_answered_or_was_not_seen() -> None:
    holds(Life, [OWN, Life.ask, Life.ask_for_a_future, Life.strike_dead], Life.is_right)


def test_it_is_found_when_nobody_closes_the_inbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Inbox, "close", lambda self, refuse: setattr(self, "is_open", False))
    is_found(Life, [OWN, Life.ask, Life.ask_for_a_future, Life.stop], Life.is_right)


def test_it_is_found_when_a_dead_actors_turn_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    is_open = property(lambda self: True, lambda self, value: None)
    monkeypatch.setattr(Inbox, "is_open", is_open, raising=False)
    is_found(Life, [OWN, Life.ask, Life.ask_for_a_future, Life.kill], Life.is_right)
