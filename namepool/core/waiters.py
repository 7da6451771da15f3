"""Who waits for a name, first come first served. Pure."""

from __future__ import annotations

from math import inf
from typing import Any

from namepool.core.leases import Lease


class Wait:
    """How a lease waits for its name."""

    __slots__ = ("deadline", "has_ended", "reply", "since")

    def __init__(self, reply: Any, since: float, deadline: float | None) -> None:
        self.reply: Any = reply
        """What its caller reads; the shell's business."""
        self.since: float = since
        self.deadline: float | None = deadline
        """Seconds by the pool's clock; ``None``: it waits for ever."""
        self.has_ended: bool = False
        """Its owner has ended; somebody else may still read the reply."""


class Waiters(dict[Lease, None]):
    """Leases that wait for a name, in the order in which they came."""

    def first(self) -> Lease:
        """Return the lease that is served next: this line decides the order."""
        return next(iter(self))

    def since(self) -> float:
        """Return the moment at which the next one began to wait; infinity if nobody does."""
        return self.first().wait.since if self else inf

    def take_all(self) -> list[Lease]:
        """Take all of them out and return them, first come first."""
        taken = list(self)
        self.clear()
        return taken
