"""The ready names of a theme, the leases that wait for a name, and the learnt demand. Pure."""

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
    """The wait of a lease for its name."""

    reply: Any
    """The reply that the caller reads. Only the pool's actor uses it."""
    since: float
    deadline: float | None
    """Seconds by the pool's clock; ``None`` if the lease waits for ever."""
    has_ended: bool = False
    """The owner has ended. Another reader of the reply may still want the name."""


class Waiters(dict[Lease, None]):
    """The leases that wait for a name, in the order of their arrival."""

    def first(self) -> Lease:
        """Return the lease that is served next. No other code decides the order of serving."""
        return next(iter(self))

    def since(self) -> float:
        """Return the moment at which the first lease began to wait; infinity if no lease waits."""
        return self.first().wait.since if self else inf

    def take_all(self) -> list[Lease]:
        """Take all leases out, and return them in the order of their arrival."""
        taken = list(self)
        self.clear()
        return taken


class Stock:
    """The queue of names of a theme, and the queue of leases that wait for one.

    ``theme`` is ``None`` for the names without a theme.
    """

    __slots__ = ("floor", "in_use", "learnt", "names", "stocked", "theme", "waiters")

    def __init__(self, theme: str | None) -> None:
        self.theme: str | None = theme
        self.names: deque[str] = deque()
        self.waiters: Waiters = Waiters()
        self.learnt: Learnt = Learnt()
        self.floor: float = inf
        """While more names than this are ready, a checkout needs no fetch. The floor is at least
        half of the names that were ready at the last look. So the pool looks at the stock again
        when half of it is gone. Until then, callers only compare numbers, and write nothing."""
        self.in_use: bool = False
        """It was asked for after the last reset. So the pool refills it before it is empty."""
        self.stocked: int = 0
        """The names that ever came, except those that a reset took out of the queue."""

    @property
    def drawn(self) -> int:
        """The number of names asked for minus those given back, computed from the other fields."""
        return self.stocked - len(self.names) + len(self.waiters)

    def clear(self) -> None:
        """Forget the names, as if they had never come. A lease that waits still waits."""
        self.stocked -= len(self.names)
        self.names.clear()
        self.in_use = bool(self.waiters)

    def recover(self, taken: Container[str]) -> list[str]:
        """Take the ``taken`` and the repeated names out of the queue; return the rest."""
        names = self.names
        kept = [name for name in dict.fromkeys(names) if name not in taken]
        size = len(names)
        if len(kept) < size:
            names.extend(kept)  # before the old ones go, so that no name is lost
            for _ in range(size):
                del names[0]
        return kept


class Stocks(dict[str | None, Stock]):
    """Theme → its stock.

    The stock of a theme is made at the first lookup. The stock without a theme always exists.
    """

    def __init__(self) -> None:
        super().__init__({None: Stock(None)})

    def __missing__(self, theme: str | None) -> Stock:
        stock = self[theme] = Stock(theme)
        return stock

    @property
    def available(self) -> int:
        """The number of ready names of all themes."""
        return sum(len(stock.names) for stock in self.values())

    @property
    def waiting(self) -> int:
        """The number of leases that wait, for names of all themes. Any thread may ask."""
        return sum([len(stock.waiters) for stock in list(self.values())])
