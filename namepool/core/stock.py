"""The names of a theme that are ready, who waits for one, and what is known of the demand. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Container
from dataclasses import dataclass
from math import inf
from typing import Any

from namepool.core.leases import Lease
from namepool.core.refill import Learnt


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


class Stock:
    """One queue of names, and one of those who wait; ``theme`` is ``None`` for all other names."""

    __slots__ = ("floor", "in_use", "learnt", "names", "stocked", "theme", "waiters")

    def __init__(self, theme: str | None) -> None:
        self.theme: str | None = theme
        self.names: deque[str] = deque()
        self.waiters: Waiters = Waiters()
        self.learnt: Learnt = Learnt()
        self.floor: float = inf
        """While more names than this are ready, a checkout makes no fetch due and needs no look.
        Callers compare, and write nothing: so a look comes when half the stock is gone."""
        self.in_use: bool = False
        """It was asked for, and not forgotten since: then it is refilled before it is empty."""
        self.stocked: int = 0
        """Names that ever came, but for those that a reset took out of the queue."""

    @property
    def drawn(self) -> int:
        """How many more names were asked for than given back; found from what is there anyway."""
        return self.stocked - len(self.names) + len(self.waiters)

    def clear(self) -> None:
        """Forget the names, as if they never came; who waits still does."""
        self.stocked -= len(self.names)
        self.names.clear()
        self.in_use = bool(self.waiters)

    def recover(self, taken: Container[str]) -> list[str]:
        """Take out of the queue what is ``taken``, or stands there twice; return what is left."""
        names = self.names
        kept = [name for name in dict.fromkeys(names) if name not in taken]
        size = len(names)
        if len(kept) < size:
            names.extend(kept)  # before the old ones go: a name that stands twice is not lost
            for _ in range(size):
                del names[0]
        return kept


class Stocks(dict[str | None, Stock]):
    """Theme → its stock, made when it is first looked up; that without a theme is always there."""

    def __init__(self) -> None:
        super().__init__({None: Stock(None)})

    def __missing__(self, theme: str | None) -> Stock:
        stock = self[theme] = Stock(theme)
        return stock

    @property
    def available(self) -> int:
        """How many names are ready, of all themes."""
        return sum(len(stock.names) for stock in self.values())

    @property
    def waiting(self) -> int:
        """How many wait, for names of any theme. Any thread may ask."""
        return sum([len(stock.waiters) for stock in list(self.values())])
