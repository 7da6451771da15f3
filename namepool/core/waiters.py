"""Who waits for a name, first come first served."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple


class Waiter(NamedTuple):
    """A parked checkout. ``reply`` is the shell's business."""

    ticket: int
    owner: str
    deadline: float | None
    """Seconds by the pool's clock; ``None``: it waits for ever."""
    reply: Any
    theme: str | None = None
    has_ended: bool = False
    """Its owner has ended; somebody else may still read the reply."""


class Waiters(OrderedDict[int, Waiter]):
    """Ticket → waiter, in the order in which they came."""

    def oldest(self) -> Waiter:
        """Return who has waited longest.

        Raises:
            StopIteration: nobody waits
        """
        return next(iter(self.values()))

    def withdraw(self, ticket: int) -> Waiter | None:
        """Take a waiter out; ``None`` if it is not here any more."""
        return self.pop(ticket, None)

    def take_all(self) -> list[Waiter]:
        """Take everybody out and return them, first come first."""
        taken = list(self.values())
        self.clear()
        return taken

    def owner_ended(self, owner: str) -> None:
        """Note that an owner has ended; its place is kept."""
        for ticket, waiter in self.items():
            if waiter.owner == owner:  # no key is added or taken, so this may be done on the way
                self[ticket] = waiter._replace(has_ended=True)
