"""A picture of a pool's leases that is made of its events only."""

from __future__ import annotations

from collections.abc import Iterable

from namepool import events as e
from namepool.core.leases import Lease, speaking_owners
from namepool.core.log import EventLog


class Mirror:
    """Who speaks under which name, by the events; refuses one that cannot follow those before."""

    def __init__(self) -> None:
        self.leases: dict[str, set[str]] = {}
        self.ids: dict[str, str] = {}
        """The name of each lease, by the id of the lease, also if it has ended."""
        self.events: list[e.PoolEvent] = []

    def __call__(self, event: e.PoolEvent) -> None:
        self.events.append(event)
        if isinstance(event, e.LeaseEvent):
            is_new = event.lease_id not in self.ids
            assert is_new == isinstance(event, e.NameCheckedOut), f"of another lease: {event}"
            assert self.ids.setdefault(event.lease_id, event.name) == event.name
        if isinstance(event, e.NameCheckedOut):
            assert event.name not in self.leases, f"checked out twice: {event}"
            assert event.owner is not None
            self.leases[event.name] = {event.owner}
        elif isinstance(event, e.NameCheckedIn):
            assert event.name in self.leases, f"checked in twice: {event}"
            del self.leases[event.name]
        elif isinstance(event, e.NameAssociated):
            assert event.owner is not None
            self.leases[event.name].add(event.owner)
        elif isinstance(event, e.NameDissociated):
            assert event.owner is not None
            self.leases[event.name].remove(event.owner)
        elif isinstance(event, e.PoolReset):
            self.leases.clear()

    def kinds(self) -> list[str]:
        """Return the names of the events' classes, in order."""
        return [type(event).__name__ for event in self.events]


class StillReader:
    """Reads a log when the test says so; counts how often it was woken."""

    wants_leases = True

    def __init__(self, log: EventLog | None = None) -> None:
        self.is_woken = False
        self.woken = 0
        self.has_ended = False
        self.log = EventLog()
        self.seen = 0
        if log is not None:
            self.begin(log)
            log.readers = (*log.readers, self)

    def begin(self, log: EventLog) -> None:
        self.log, self.seen = log, log.count

    def wake(self) -> None:
        self.woken += 1

    def end(self) -> None:
        self.has_ended = True

    def read(self) -> list[e.PoolEvent]:
        """Return what is new."""
        self.is_woken = False
        entries = self.log.after(self.seen)
        if entries:
            self.seen = entries[-1][0]
        return [event for _, event in entries]


def spoken(leases: dict[str, Lease]) -> dict[str, set[str]]:
    """Return a state's leases as a mirror shows them."""
    return {name: set(speaking_owners(lease)) for name, lease in leases.items()}


def kinds(events: Iterable[e.PoolEvent]) -> list[str]:
    """Return the names of the events' classes."""
    return [type(event).__name__ for event in events]
