"""The pool's readers, the start and the line of each lease, and the leases that may have leaked.

All of it runs in the pool's turn. The state calls the methods ``began``, ``ended``, ``speaks`` and
``is_silent`` before each change, on the thread that has the turn. All other code here runs on the
pool's own thread.
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
    LeaseEvent,
    NameAssociated,
    NameCheckedIn,
    NameCheckedOut,
    NameDissociated,
    NameReclaimed,
    PoolRestarted,
)
from namepool.pool import messages as m
from namepool.pool.warnings import warn

if TYPE_CHECKING:
    from datetime import datetime

_ROUNDING = 1e-6
"""The rounding error of a sum of times, in seconds."""


@dataclass(frozen=True)
class LeaseInfo:
    """A name that is checked out: its lease, its owner, its start, the line that checked it out.

    ``since``, ``held_seconds`` and ``where`` may be ``None``: see ``PoolHandle.leases``.

    Examples:
        >>> pool = namepool.open_pool(source=namepool.NumberedNames())
        >>> pool.checkout_name(owner="planner-7")
        'NPC #1'
        >>> pool.leases()[0].speakers
        ('planner-7',)
        >>> pool.leases()[0].id
        '...-...-1'
    """

    name: str
    """The name that is checked out."""
    id: str
    """The id of the lease: see ``Lease.id``."""
    speakers: tuple[str, ...]
    """The owners that speak under the name; none if they have all ended."""
    owner: str | None
    """The owner that checked the name out."""
    since: datetime | None
    """The time of the checkout, on this machine's clock."""
    held_seconds: float | None
    """The seconds since the checkout."""
    where: str | None
    """The line of the program that checked the name out: ``path/to/file.py:12``."""


class Seen(NamedTuple):
    """The notes about a lease while the pool is observed."""

    since: float
    place: Place | None
    is_timed: bool
    """Whether ``since`` is the start of the lease, rather than the first look at it."""
    is_warned: bool
    """Whether the log has called the lease a leak."""


_new = tuple.__new__  # fast, because each lease makes a ``Seen``


class LookForLeaks(NamedTuple):
    """A timer's message: a lease may have lasted ``leak_after`` seconds."""


class LeakEnded(NamedTuple):
    """A message: a lease that the log called a leak has ended."""

    name: str
    seen: Seen
    held: float


class Observing:
    """The observer of the state while the pool has a reader of leases, or looks for leaks."""

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
        """Observe as the incarnation before did; runs first, on the pool's own thread."""
        self._observe()
        if restarts := self._state.counters.starts:
            self._state.log.add(PoolRestarted(restarts, at=self._inbox.clock()))
        self.look_for_leaks(LookForLeaks())  # leases from before the restart count too

    def subscribe(self, message: m.Subscribe) -> None:
        """Add a reader, which gets each event from now on."""
        log = self._state.log
        message.reader.begin(log)
        log.readers = (*log.readers, message.reader)
        self._observe()

    def unsubscribe(self, message: m.Unsubscribe) -> None:
        """Remove a reader, which gets no new event. It may still read the events so far."""
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
        """Return a ``LeaseInfo`` for each lease, the oldest first."""
        from datetime import datetime, timedelta  # imported here because the import is slow

        now, today = self._inbox.clock(), datetime.now().astimezone()
        oldest_first = sorted(self._state.leases.values(), key=lambda lease: lease.token)
        return [
            _info(lease, now, lambda held: today - timedelta(seconds=held))
            for lease in oldest_first
        ]

    # -- the state calls these before each change --------------------------------------------

    def began(self, lease: Lease, name: str, owner: str) -> Told:
        """Tell that a lease begins, and schedule a look for leaks if none is scheduled."""
        now, place = self._inbox.clock(), lease.seen
        if isinstance(place, Seen):
            place = place.place  # an earlier begin of this lease was cut short
        lease.seen = _new(Seen, (now, place, True, False))
        if self._leak_after is not None and not self._is_looking:
            self._inbox.schedule(self._leak_after, LookForLeaks())
            self._is_looking = True  # last: if this is cut short, the next lease schedules a look
        return self._told(now, lease, NameCheckedOut, name, owner)

    def ended(self, lease: Lease, is_reclaimed: bool) -> Told:
        """Tell that a lease ends."""
        seen = lease.seen
        is_warned = isinstance(seen, Seen) and seen.is_warned
        if not is_warned and not self._state.log.readers:
            return ()  # most leases end here, without the cost of a look at the clock
        now = self._inbox.clock()
        held = now - seen.since if isinstance(seen, Seen) else 0.0
        if is_warned:
            self._inbox.put(Envelope(LeakEnded(lease.name, seen, held)))
        kind = NameReclaimed if is_reclaimed else NameCheckedIn
        return self._told(now, lease, kind, lease.name, lease.owner, held)

    def speaks(self, token: Token, lease: Lease) -> Told:
        """Tell that a further owner speaks under the name of a lease."""
        return self._told(self._inbox.clock(), lease, NameAssociated, lease.name, token.owner)

    def is_silent(self, token: Token) -> Told:
        """Tell that an owner stops speaking under a name, unless it still has another token."""
        lease = token.lease
        others = [*([lease] if lease.says else ()), *bindings(lease)]
        if token.owner in [other.owner for other in others if other is not token]:
            return ()
        return self._told(self._inbox.clock(), lease, NameDissociated, token.name, token.owner)

    def _told(
        self, at: float, lease: Lease, kind: Callable[..., LeaseEvent], *fields: object
    ) -> Told:
        """Return the log entry of a new event of a lease, or nothing if the log has no reader."""
        log = self._state.log
        return ((log.count + 1, kind(*fields, lease_id=lease.id, at=at)),) if log.readers else ()

    # -- leaks ------------------------------------------------------------------------------

    def look_for_leaks(self, _: LookForLeaks) -> None:
        """Warn once of each lease that has lasted too long; schedule a look for the next one."""
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
        """Log that a name which was called a leak was returned after all."""
        name, seen, held = message
        warn("%a was returned after all, after %.1f s: %s", name, held, _place(seen))


def _place(seen: Seen) -> str:
    return "a place that is not known" if seen.place is None else one_line(line_of(seen.place))


def _info(lease: Lease, now: float, ago: Callable[[float], datetime]) -> LeaseInfo:
    owners, seen = speaking_owners(lease), lease.seen
    if not isinstance(seen, Seen):
        return LeaseInfo(lease.name, lease.id, owners, lease.owner, None, None, None)
    held = now - seen.since if seen.is_timed else None
    since = None if held is None else ago(held)
    where = None if seen.place is None else line_of(seen.place)
    return LeaseInfo(lease.name, lease.id, owners, lease.owner, since, held, where)
