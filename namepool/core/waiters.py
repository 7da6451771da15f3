"""Who waits for a name, first come first served. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

from namepool.core.leases import Lease


@dataclass(slots=True)
class Wait:
    """How a lease waits for its name."""

    reply: Any
    """What its caller reads; the shell's business."""
    since: float
    deadline: float | None
    """Seconds by the pool's clock; ``None``: it waits for ever."""
    has_ended: bool = False
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
