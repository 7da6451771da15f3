"""Who reads along, what is known of each lease, and which of them may have leaked.

Runs in the pool's turn: what the state asks for, on whatever thread has that, and all else on the
pool's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pykka._envelope import Envelope

from namepool.actors.inbox import Inbox
from namepool.call_sites import Place, line_of
from namepool.core.leases import Lease, Token, bindings, speaking_owners
from namepool.core.log import EventLog
from namepool.core.names import one_line
from namepool.core.speakers import Told
from namepool.core.state import PoolState
from namepool.events import (
    NameAssociated,
    NameCheckedIn,
    NameCheckedOut,
    NameDissociated,
    NameReclaimed,
    PoolEvent,
    PoolRestarted,
)
from namepool.pool import messages as m
from namepool.pool.warnings import warn

if TYPE_CHECKING:
    from datetime import datetime

_ROUNDING = 1e-6
"""Seconds by which sums of times may differ."""


@dataclass(frozen=True)
class LeaseInfo:
    """A name that is checked out: by whom, since when, and from where.

    A pool that is not asked to keep them does not know the last three: see ``PoolHandle.leases``.
    """

    name: str
    speakers: tuple[str, ...]
    """The owners that speak under it; none if they have all ended."""
    owner: str | None
    """Who checked it out."""
    since: datetime | None
    """When that was, on this machine's clock."""
    held_seconds: float | None
    """How long ago that was."""
    where: str | None
    """The line of the program that checked it out: ``path/to/file.py:12``."""


class Seen(NamedTuple):
    """What is noted of a lease while the pool is observed."""

    since: float
    place: Place | None
    is_timed: bool
    """``since`` is when it began, rather than when it was first seen."""
    is_warned: bool
    """It has been called a leak."""


_new = tuple.__new__  # one is made for each lease


class LookForLeaks(NamedTuple):
    """A lease may have lasted ``leak_after`` seconds."""


class LeakEnded(NamedTuple):
    """A lease has ended that was called a leak."""

    name: str
    seen: Seen
    held: float


class Observing:
    """Observes the state while somebody reads along, or leaks are looked for."""

    def __init__(self, state: PoolState, inbox: Inbox) -> None:
        self._state = state
        self._inbox = inbox
        self._leak_after = state.options.leak_after
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
        self._observe()
        if restarts := self._state.counters.starts:
            self._state.log.add(PoolRestarted(restarts, at=self._inbox.clock()))
        self.look_for_leaks(LookForLeaks())  # what was held before the restart counts

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
        is_observed = is_read or self._leak_after is not None
        self._state.observer = self if is_observed else None
        self._state.wants_places = self._leak_after is not None
        now = self._inbox.clock()
        for lease in self._state.leases.values():
            if not is_observed:
                lease.seen = None
            elif not isinstance(lease.seen, Seen):
                lease.seen = Seen(now, None, is_timed=False, is_warned=False)

    def leases(self) -> list[LeaseInfo]:
        """Return what is known of each lease, the oldest first."""
        from datetime import datetime, timedelta  # a slow import, for the few who look

        now, today = self._inbox.clock(), datetime.now().astimezone()
        oldest_first = sorted(self._state.leases.values(), key=lambda lease: lease.number)
        return [
            _info(lease, now, lambda held: today - timedelta(seconds=held))
            for lease in oldest_first
        ]

    # -- for the state: what it is about to do -----------------------------------------------

    def began(self, lease: Lease, name: str, owner: str) -> Told:
        """Tell that a lease begins, and see to it that somebody looks when it lasts too long."""
        now, place = self._inbox.clock(), lease.seen
        if isinstance(place, Seen):
            place = place.place  # a begin that was cut short
        lease.seen = _new(Seen, (now, place, True, False))
        if self._leak_after is not None and not self._is_looking:
            self._inbox.schedule(self._leak_after, LookForLeaks())
            self._is_looking = True  # last: one that was cut short is followed by another
        return self._told(now, NameCheckedOut, name, owner)

    def ended(self, lease: Lease, is_reclaimed: bool) -> Told:
        """Tell that a lease ends."""
        seen = lease.seen
        is_warned = isinstance(seen, Seen) and seen.is_warned
        if not is_warned and not self._state.log.readers:
            return ()  # as most leases end, so it is not worth a look at the clock
        now = self._inbox.clock()
        held = now - seen.since if isinstance(seen, Seen) else 0.0
        if is_warned:
            self._inbox.put(Envelope(LeakEnded(lease.name, seen, held)))
        kind = NameReclaimed if is_reclaimed else NameCheckedIn
        return self._told(now, kind, lease.name, lease.owner, held)

    def speaks(self, token: Token, name: str) -> Told:
        """Tell that an owner speaks under a name, with those that do already."""
        return self._told(self._inbox.clock(), NameAssociated, name, token.owner)

    def is_silent(self, token: Token) -> Told:
        """Tell that an owner stops speaking under a name, unless it does by another token."""
        lease = token.lease
        others = [*([lease] if lease.says else ()), *bindings(lease)]
        if token.owner in [other.owner for other in others if other is not token]:
            return ()
        return self._told(self._inbox.clock(), NameDissociated, token.name, token.owner)

    def _told(self, at: float, kind: Callable[..., PoolEvent], *fields: object) -> Told:
        """Return the entry of an event; nothing is made that nobody reads."""
        log = self._state.log
        return ((log.count + 1, kind(*fields, at=at)),) if log.readers else ()

    # -- leaks ------------------------------------------------------------------------------

    def look_for_leaks(self, _: LookForLeaks) -> None:
        """Warn of each lease that has lasted too long, once; look again when the next one will."""
        self._is_looking = False
        if self._leak_after is None:
            return
        now = self._inbox.clock()
        for lease in sorted(self._state.leases.values(), key=lambda lease: lease.seen.since):
            seen: Seen = lease.seen
            left = seen.since + self._leak_after - now
            if left > _ROUNDING:
                self._inbox.schedule(left, LookForLeaks())
                self._is_looking = True
                return
            if not seen.is_warned:
                lease.seen = seen._replace(is_warned=True)
                text = "%a may have leaked: %a has held it for %.1f s, checked out at %s"
                warn(text, lease.name, lease.owner, now - seen.since, _place(seen))

    def say_it_ended(self, message: LeakEnded) -> None:
        """Say that it was none."""
        name, seen, held = message
        warn("%a was returned after all, after %.1f s: %s", name, held, _place(seen))


def _place(seen: Seen) -> str:
    return "a place that is not known" if seen.place is None else one_line(line_of(seen.place))


def _info(lease: Lease, now: float, ago: Callable[[float], datetime]) -> LeaseInfo:
    owners, seen = speaking_owners(lease), lease.seen
    if not isinstance(seen, Seen):
        return LeaseInfo(lease.name, owners, lease.owner, None, None, None)
    held = now - seen.since if seen.is_timed else None
    since = None if held is None else ago(held)
    where = None if seen.place is None else line_of(seen.place)
    return LeaseInfo(lease.name, owners, lease.owner, since, held, where)
