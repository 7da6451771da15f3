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
    """The names of a theme, ready or resting, and the queue of leases that wait for one.

    ``theme`` is ``None`` for the names without a theme. A name that was given back *rests* until
    it is *due*: until ``PoolOptions.reuse_gap`` other names were handed out. Then it is ready.
    """

    __slots__ = (
        *("asked", "floor", "handed", "in_use", "learnt", "names", "resting", "stocked"),
        *("theme", "waiters"),
    )

    def __init__(self, theme: str | None) -> None:
        self.theme: str | None = theme
        self.names: deque[str] = deque()
        """The ready names, the next one first."""
        self.resting: deque[tuple[str, int]] = deque()
        """The names that rest, each with the value of ``handed`` when it was given back."""
        self.handed: int = 0
        """The number of names that were handed out so far, each as the next one of the queue."""
        self.waiters: Waiters = Waiters()
        self.learnt: Learnt = Learnt()
        self.floor: float = inf
        """While more names than this are ready, a checkout needs no fetch. The floor is at least
        half of the names that were ready at the last look. So the pool looks at the stock again
        when half of it is gone. Until then, callers only compare numbers, and write nothing."""
        self.asked: int = 0
        """The ``number`` of the state when the stock was asked for last."""
        self.in_use: bool = False
        """It was asked for after the last reset. So the pool refills it before it is empty."""
        self.stocked: int = 0
        """The names that ever came, except those that a reset took out of the queue."""

    @property
    def drawn(self) -> int:
        """The number of names asked for, minus those that came back and are ready again."""
        return self.stocked - len(self.names) + len(self.waiters)

    def all_names(self) -> list[str]:
        """Return the names in stock: the ready ones, then those that rest."""
        return [*self.names, *[name for name, _ in self.resting]]

    def ready_due(self, gap: int) -> None:
        """Make the names ready that rested while ``gap`` others were handed out.

        ``PoolState.end`` does the same for one name. If memory ends, the others stay as they are.
        """
        while self.resting and self.handed - self.resting[0][1] >= gap:
            self.ready_next()

    def ready_next(self) -> None:
        """Make the name ready that was given back first, due or not."""
        self.names += (self.resting[0][0],)
        del self.resting[0]

    def take_out(self, name: str, start: int = 0) -> None:
        """Take a name out of the stock. The first ``start`` ready names are not looked at."""
        try:
            del self.names[self.names.index(name, start)]
        except ValueError:
            del self.resting[[resting for resting, _ in self.resting].index(name)]

    def clear(self) -> None:
        """Forget the names, as if they had never come. A lease that waits still waits."""
        self.stocked -= len(self.names)
        self.names.clear()
        self.resting.clear()
        self.in_use = bool(self.waiters)

    def recover(self, taken: Container[str]) -> None:
        """Take the ``taken`` and the repeated names out of the stock."""
        names = self.names
        kept = [name for name in dict.fromkeys(names) if name not in taken]
        size = len(names)
        if len(kept) < size:
            names.extend(kept)  # before the old ones go, so that no name is lost
            for _ in range(size):
                del names[0]
        ready, resting = set(names), dict(self.resting)
        left = [name for name in resting if name not in taken and name not in ready]
        self.resting = deque((name, resting[name]) for name in left)


class Apart(Stock):
    """The stock of one lease whose name leaves the pool with its end. No pool has this stock.

    The lease stands in it as if it waited. So ``PoolState.end`` tells the pool's own thread of the
    end, and that thread forgets the name.
    """

    __slots__ = ("before",)

    def __init__(self, lease: Lease, before: Stock) -> None:
        super().__init__(None)
        self.before: Stock = before
        """The stock that the name came from."""
        self.waiters[lease] = None


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
        """The number of names in stock, ready or resting, of all themes."""
        return sum(len(stock.names) + len(stock.resting) for stock in self.values())

    @property
    def waiting(self) -> int:
        """The number of leases that wait, for names of all themes. Any thread may ask."""
        return sum([len(stock.waiters) for stock in list(self.values())])
