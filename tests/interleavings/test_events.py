"""A reader of the pool's events, while they are written: each once, in order, and true."""

from __future__ import annotations

import queue
from functools import partial
from typing import Any

import pytest

from namepool.core.log import EventLog
from namepool.events import (
    LeaseEvent,
    NameCheckedIn,
    NameCheckedOut,
    PoolEvent,
    WaitBegan,
    WaitEnded,
)
from namepool.pool import messages as m
from tests.interleavings import scene as scenes
from tests.interleavings.scene import KILLING, NAME, Lives, caller
from tests.interleavings.support import POOL, SCHEDULES, under_the_explorer
from tests.interleavings.support import holds as _holds
from tests.interleavings.support import is_found as _is_found

pytestmark = under_the_explorer

TRACE = (*POOL, "namepool.core.*", "namepool.actors.supervision.handle")
holds = partial(_holds, trace=TRACE, schedules=SCHEDULES // 3)
is_found = partial(_is_found, trace=TRACE)


class Reader:
    """Reads along, as a subscription does."""

    def __init__(self) -> None:
        self.is_woken = False
        self.wants_leases = True
        self.read: list[PoolEvent] = []
        self.woken: queue.Queue[bool] = queue.Queue()

    def begin(self, log: EventLog) -> None:
        self.log = log

    def wake(self) -> None:
        self.woken.put(True)

    def end(self) -> None:
        self.woken.put(False)

    def look(self) -> None:
        self.is_woken = False
        self.read += [event for _, event in self.log.after(len(self.read))]


class Observed(Lives):
    """A pool that has a reader from the beginning."""

    def __init__(self, callers: int, names: int = 1) -> None:
        super().__init__(callers, names)
        self.reader = Reader()
        self.actor._observing.subscribe(m.Subscribe(self.reader))

    def leave(self, who: str) -> None:
        super().leave(who)
        if self.is_over:
            self.reader.end()

    def reading(self) -> None:
        while self.reader.woken.get():
            self.reader.look()

    def is_told(self) -> list[str]:
        wrong = [*self._missed(), *self.faults()]
        self.reader.look()
        return wrong + self._untrue()

    def _missed(self) -> list[str]:
        is_behind = len(self.reader.read) < self.state.log.count
        return ["nobody wakes the reader"] if is_behind and not self.reader.is_woken else []

    def _untrue(self) -> list[str]:
        out: dict[str, NameCheckedOut] = {}
        wrong, waiting = [], 0
        for event in self.reader.read:
            waiting += isinstance(event, WaitBegan) - isinstance(event, WaitEnded)
            if isinstance(event, LeaseEvent) and isinstance(event, NameCheckedOut) == (
                event.name in out
            ):
                wrong.append(f"out of order: {event}")
            if isinstance(event, NameCheckedOut):
                out[event.name] = event
            elif isinstance(event, NameCheckedIn):
                out.pop(event.name, None)
        if waiting:
            wrong.append(f"{waiting} wait, by the events")
        if out.keys() != self.state.leases.keys():
            wrong.append(f"checked out, by the events: {[*out]}")
        return wrong


WORKERS: list[Any] = [Observed.own_thread, Observed.reading]
BLOCK = caller("a", partial(scenes.block, timeout=None))
CALL = caller("b", partial(scenes.call, timeout=0.001))
SPEAKING = caller("c", partial(scenes.speak_as, name=NAME))


def test_each_event_is_read_once_and_in_order() -> None:
    holds(partial(Observed, 2), [*WORKERS, BLOCK, CALL], Observed.is_told)


def test_events_of_further_speakers_come_between_those_of_their_lease() -> None:
    holds(partial(Observed, 2), [*WORKERS, SPEAKING, CALL], Observed.is_told)


def test_the_events_go_on_across_a_restart() -> None:
    holds(partial(Observed, 2), [*WORKERS, BLOCK, KILLING], Observed.is_told)


def test_it_is_found_when_a_reader_says_too_late_that_it_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def look(self: Reader) -> None:
        self.read += [event for _, event in self.log.after(len(self.read))]
        self.is_woken = False

    monkeypatch.setattr(Reader, "look", look)
    is_found(partial(Observed, 2), [*WORKERS, BLOCK, CALL], Observed.is_told)
