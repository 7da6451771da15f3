"""Who reads along, what is known of each lease, and which of them may have leaked.

Runs in the pool's turn, on its own thread; what the observed state asks for, on whatever thread has
the turn.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pykka._envelope import Envelope

from namepool.actors import Reply
from namepool.actors.inbox import Inbox
from namepool.core.leases import LeaseRecord
from namepool.core.log import EventLog
from namepool.core.names import one_line
from namepool.core.observed import LeaseInfo, ObservedState, Told, observe, unobserve
from namepool.core.state import PoolState
from namepool.events import PoolRestarted
from namepool.pool import messages as m
from namepool.pool.call_sites import place_of_caller
from namepool.pool.waiting_list import WaitingList
from namepool.pool.warnings import warn

_ROUNDING = 1e-6
"""Seconds by which sums of times may differ."""


class LookForLeaks(NamedTuple):
    """A lease may have lasted ``leak_after`` seconds."""


class LeakEnded(NamedTuple):
    """A lease has ended that was called a leak."""

    name: str
    told: Told
    held: float


class Observing:
    """Has the state observed while somebody reads along, or leaks are looked for.

    ``replying`` returns the reply to the message that the pool's own thread handles.
    """

    def __init__(
        self,
        state: PoolState,
        waiting: WaitingList,
        inbox: Inbox,
        leak_after: float | None,
        replying: Callable[[], Reply[Any] | None],
    ) -> None:
        self._state = state
        self._waiting = waiting
        self._inbox = inbox
        self._leak_after = leak_after
        self._replying = replying
        self._thread: threading.Thread | None = None
        self._is_looking = False

    def table(self) -> dict[type, Callable[[Any], Any]]:
        """Return the handler of each message."""
        return {
            m.Subscribe: self.subscribe,
            m.Unsubscribe: self.unsubscribe,
            m.LeasesRequest: lambda _: self.leases(),
            LookForLeaks: self.look_for_leaks,
            LeakEnded: self.say_it_ended,
        }

    def resume(self) -> None:
        """Observe as the incarnation before did; on the pool's own thread, before all else."""
        self._thread = threading.current_thread()
        self._observe()
        if restarts := self._state.counters.starts:
            self._state.log.add(PoolRestarted(restarts, at=self.clock()))
        if self._state.leases:
            self.lease_began()

    def subscribe(self, message: m.Subscribe) -> None:
        """Have a reader told of what happens from now on."""
        log = self._state.log
        message.reader.begin(log)
        log.readers = (*log.readers, message.reader)
        self._observe()

    def unsubscribe(self, message: m.Unsubscribe) -> None:
        """Write nothing more for that reader, which may read what there is."""
        log = self._state.log
        log.readers = tuple(reader for reader in log.readers if reader is not message.reader)
        if not log.readers:
            self._state.log = EventLog()
        self._observe()

    def _observe(self) -> None:
        is_read = any(reader.wants_leases for reader in self._state.log.readers)
        if is_read or self._leak_after is not None:
            observe(self._state, self)
        else:
            unobserve(self._state)

    def leases(self) -> list[LeaseInfo]:
        """Return what is known of each lease, the oldest first."""
        told = self._state.told if isinstance(self._state, ObservedState) else {}
        now, today = self._inbox.clock(), datetime.now().astimezone()
        oldest_first = sorted(self._state.leases.items(), key=lambda item: item[1][0])
        return [_info(name, record, told.get(name), now, today) for name, record in oldest_first]

    # -- for the observed state -------------------------------------------------------------

    def clock(self) -> float:
        """Return the seconds of the pool's clock."""
        return self._inbox.clock()

    def where(self) -> str | None:
        """Return the line that makes the running request, if leaks are looked for."""
        if self._leak_after is None:
            return None
        if threading.current_thread() is not self._thread:
            return place_of_caller()
        reply = self._waiting.granting or self._replying()
        return None if reply is None else reply.asked_from

    def lease_began(self) -> None:
        """See to it that somebody looks when it has lasted too long."""
        if self._leak_after is not None and not self._is_looking:
            self._inbox.schedule(self._leak_after, LookForLeaks())
            self._is_looking = True  # last: one that was cut short is followed by another

    def leak_ended(self, name: str, told: Told) -> None:
        """Have the pool's own thread say so."""
        held = self._inbox.clock() - told.began
        self._inbox.put(Envelope(LeakEnded(name, told, held)))

    # -- leaks ------------------------------------------------------------------------------

    def look_for_leaks(self, _: LookForLeaks) -> None:
        """Warn of each lease that has lasted too long, once; look again when the next one will."""
        self._is_looking = False
        if self._leak_after is None or not isinstance(self._state, ObservedState):
            return
        now = self._inbox.clock()
        for name, told in [*self._state.told.items()]:
            left = told.began + self._leak_after - now
            if left > _ROUNDING:
                self._inbox.schedule(left, LookForLeaks())
                self._is_looking = True
                return
            if not told.is_warned:
                told.is_warned = True
                text = "%a may have leaked: %a has held it for %.1f s, checked out at %s"
                warn(text, name, told.owner, now - told.began, _place(told))

    def say_it_ended(self, message: LeakEnded) -> None:
        """Say that it was none."""
        name, told, held = message
        warn("%a was returned after all, after %.1f s: %s", name, held, _place(told))


def _place(told: Told) -> str:
    return "a place that is not known" if told.where is None else one_line(told.where)


def _info(
    name: str, record: LeaseRecord, told: Told | None, now: float, today: datetime
) -> LeaseInfo:
    token, speakers = record
    owner = next((owner for owner, begun in speakers.items() if begun == token), None)
    if told is None:
        return LeaseInfo(name, (*speakers,), owner, None, None, None)
    held = now - told.began if told.is_timed else None
    since = None if held is None else today - timedelta(seconds=held)
    return LeaseInfo(name, (*speakers,), told.owner, since, held, told.where)
