"""The events of a pool, numbered: written in its turn, read by any thread. Pure.

There is one log for all who read, and each knows how far it has come: so who is slow, or has died,
keeps nobody up. An event is written without a call, and with it what it tells of: an exception from
outside, which CPython raises after calls only, cannot come in between.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Protocol, TypeAlias

from namepool.events import PoolEvent

KEPT_EVENTS = 10_000
"""Events that are kept; who is further behind loses the oldest."""

Entry: TypeAlias = tuple[int, PoolEvent]


class Reader(Protocol):
    """Who reads along."""

    is_woken: bool
    """It will look at the log; it sets this to ``False`` before it does."""
    wants_leases: bool
    """It wants to know of single leases, which is what costs."""

    def begin(self, log: EventLog) -> None:
        """Read what is written to that log from now on."""
        ...

    def wake(self) -> None:
        """Have it look at the log; never blocks."""
        ...

    def end(self) -> None:
        """Have it read what there is, and end; never blocks."""
        ...


class EventLog:
    """The last events; ``add`` in the pool's turn, ``after`` anywhere."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=KEPT_EVENTS)
        self.readers: tuple[Reader, ...] = ()

    @property
    def count(self) -> int:
        """The number of the last event."""
        return self.entries[-1][0] if self.entries else 0

    def add(self, event: PoolEvent) -> None:
        """Note an event, if anybody reads."""
        if self.readers:
            self.entries += ((self.count + 1, event),)
            self.wake()

    def wake(self, *, all_of_them: bool = False) -> None:
        """Wake who reads; all of them, if one that woke them may have been cut short."""
        for reader in self.readers:
            if all_of_them or not reader.is_woken:
                reader.is_woken = True  # first: it may look before the next line
                reader.wake()

    def end(self) -> None:
        """Nothing more will be written: let everybody read what there is, and end."""
        for reader in self.readers:
            reader.end()

    def after(self, number: int) -> list[Entry]:
        """Return the entries after that number, oldest first, those that are still kept."""
        wanted = self.count - number
        while wanted > 0:
            try:
                found = list(islice(reversed(self.entries), wanted))
            except RuntimeError:
                continue  # it grew meanwhile
            if not found:
                break
            wanted = found[0][0] - number  # more than before, if it grew since
            if len(found) >= min(wanted, KEPT_EVENTS):
                return found[:wanted][::-1]
        return []
