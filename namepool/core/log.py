"""The numbered events of a pool. They are written in its turn and read by any thread. Pure.

All readers share one log, and each reader knows how far it has read. So a slow or dead reader does
not hold up the others. No call stands between the writing of an event and the change that the event
tells of. So no exception from outside can come between the two.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Protocol, TypeAlias

from namepool.events import PoolEvent

KEPT_EVENTS = 10_000
"""The number of events that are kept. A reader that is further behind loses the oldest ones."""

Entry: TypeAlias = tuple[int, PoolEvent]


class Reader(Protocol):
    """A reader of the log."""

    is_woken: bool
    """The reader will look at the log. It sets this to ``False`` before it looks."""
    wants_leases: bool
    """The reader wants the events of single leases. They are the costly ones."""

    def begin(self, log: EventLog) -> None:
        """Read the entries that are written to ``log`` from now on."""
        ...

    def wake(self) -> None:
        """Make the reader look at the log; never block."""
        ...

    def end(self) -> None:
        """Make the reader read the rest and end; never block."""
        ...


class EventLog:
    """The last events of a pool. ``add`` needs the pool's turn, ``after`` does not."""

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=KEPT_EVENTS)
        self.readers: tuple[Reader, ...] = ()

    @property
    def count(self) -> int:
        """The number of the last event."""
        return self.entries[-1][0] if self.entries else 0

    def add(self, event: PoolEvent) -> None:
        """Write an event if the log has a reader."""
        if self.readers:
            self.entries += ((self.count + 1, event),)
            self.wake()

    def wake(self, *, all_of_them: bool = False) -> None:
        """Wake each reader that is not woken yet.

        Wake all of the readers if an earlier call may have been cut short.
        """
        for reader in self.readers:
            if all_of_them or not reader.is_woken:
                reader.is_woken = True  # first, because it may look before the next line
                reader.wake()

    def end(self) -> None:
        """Let every reader read the rest and end, because no entry will follow."""
        for reader in self.readers:
            reader.end()

    def after(self, number: int) -> list[Entry]:
        """Return the kept entries after ``number``, the oldest first."""
        wanted = self.count - number
        while wanted > 0:
            try:
                found = list(islice(reversed(self.entries), wanted))
            except RuntimeError:
                continue  # the log grew meanwhile
            if not found:
                break
            wanted = found[0][0] - number  # more than before, if the log grew since
            if len(found) >= min(wanted, KEPT_EVENTS):
                return found[:wanted][::-1]
        return []
