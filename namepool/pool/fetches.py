"""The fetches under way, the idle fetchers, and the time of the next try. Pure.

The module knows nothing of actors: any object can stand for a fetcher.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from math import inf
from typing import Generic, TypeVar

from namepool.core.refill import Learnt, Pauses, RefillPolicy
from namepool.core.stock import Stock
from namepool.errors import LedgerBusy, SourceExhausted

F = TypeVar("F")


class Fetch(Generic[F]):
    """A fetch under way. ``expected`` falls to 0 when its chunk is no longer wanted."""

    __slots__ = ("among", "asked", "began", "expected", "fetcher", "stocked")

    def __init__(self, fetcher: F, asked: int, began: float, among: Fetches[F]) -> None:
        self.fetcher: F = fetcher
        self.asked: int = asked
        self.expected: int = asked
        self.began: float = began
        self.among: Fetches[F] = among
        self.stocked: int = among.stock.stocked
        """The number of names that had come for the theme when the fetch began."""

    def is_stale(self) -> bool:
        """Tell whether other fetches have brought names for the theme meanwhile."""
        return self.among.stock.stocked > self.stocked

    def late_in(self, now: float) -> float:
        """Return the seconds after which the fetch is late; 0 or less if it is late."""
        return self.began + self.among.stock.learnt.patience - now


class Shared(Generic[F]):
    """The part that the fetches of all themes share: the fetchers and the requests under way."""

    def __init__(self) -> None:
        self.under_way: dict[int, Fetch[F]] = {}
        self.idle: list[F] = []
        self.numbers: Iterator[int] = itertools.count(1)
        self.by_theme: dict[str | None, Fetches[F]] = {}


class Fetches(Generic[F]):
    """The bookkeeping of fetches. Each fetch ends once: its chunk came, it failed or it is overdue.

    Each theme has a ``Fetches`` of its own (see ``of``), with its own demand, failures and pause.
    All themes share the fetchers. Together they may have ``max_fetches`` fetches under way. While
    there is more than one theme, and all but one of these fetches are under way, only a theme
    without a fetch under way may begin another one.
    """

    def __init__(
        self,
        bounds: RefillPolicy,
        stock: Stock | None = None,
        pauses: Pauses | None = None,
        shared: Shared[F] | None = None,
    ) -> None:
        self.stock: Stock = Stock(None) if stock is None else stock
        self.theme: str | None = self.stock.theme
        self._shared: Shared[F] = Shared() if shared is None else shared
        self.by_theme: dict[str | None, Fetches[F]] = self._shared.by_theme
        self._bounds = bounds
        self._learnt: Learnt = self.stock.learnt
        self.policy: RefillPolicy = self._learnt.policy(bounds)
        """The refill policy since the last look."""
        self._half = 0
        self.pauses: Pauses = Pauses() if pauses is None else pauses
        self.cause: BaseException | None = None
        """The error of the last failed fetch; ``None`` after a fetch that brought names."""
        self.is_exhausted: bool = False
        """The source has said that it has no more names for this theme."""
        self.stock.floor = self.policy.floor(0, 0)
        self.brought: int = 0
        """The number of names in the last chunk that the program had brought.

        The source may give them again, because it does not hear of them. So the next fetch asks
        for so many names more.
        """
        self.answered: int = 0
        """The latest answered request."""
        self.by_theme[self.theme] = self  # last, because any thread may look at it from now on

    def of(self, stock: Stock) -> Fetches[F]:
        """Return the fetches for a stock."""
        fetches = self.by_theme.get(stock.theme)
        if fetches is None or fetches.stock is not stock:  # an earlier stock was forgotten
            fetches = Fetches(self._bounds, stock, None, self._shared)
        return fetches

    def forget(self, theme: str | None) -> None:
        """Drop the bookkeeping for a theme; its fetches under way still end by themselves."""
        self.by_theme.pop(theme, None)
        self._all_changed()

    def under_way(self, stock: Stock) -> int:
        """Return the number of fetches under way for a stock."""
        return sum(fetch.among.stock is stock for fetch in self._shared.under_way.values())

    def __len__(self) -> int:
        """Return the number of fetches under way for this theme."""
        return len(self._mine())

    @property
    def total(self) -> int:
        """The number of fetches under way, of all themes."""
        return len(self._shared.under_way)

    @property
    def expected(self) -> int:
        """The number of new names that the fetches under way will probably bring.

        This is the number of requested names, multiplied by ``Learnt.share``.
        """
        asked = sum(fetch.expected for fetch in self._mine().values())
        return int(asked * self._learnt.share)

    @property
    def fetchers(self) -> list[F]:
        """Every fetcher, the idle ones first."""
        busy = [fetch.fetcher for fetch in self._shared.under_way.values()]
        return list(dict.fromkeys([*self._shared.idle, *busy]))

    def look(self, now: float, drawn: int, available: int) -> None:
        """Learn the demand up to now; after a failure learn nothing until names come again."""
        if self.pauses.failures:
            self._learnt.skip(now, drawn)
        else:
            self._learnt.look(now, drawn)
        self.policy = self._learnt.policy(self._bounds, self._age(now))
        self._half = available // 2
        self.changed()

    def due(self, available: int, waiting: int) -> int:
        """Return how many names the next fetch should ask for; 0 if none is due."""
        if self.is_exhausted:
            return 0
        return self._allowed().plan(available, waiting, self.total, self.expected)

    def keep_idle(self, start: Callable[[], F | None]) -> None:
        """Start a fetcher if none is idle; ``start`` returns ``None`` if it cannot."""
        if not self._shared.idle and (fetcher := start()) is not None:
            self._shared.idle.append(fetcher)

    def take_idle(self) -> F | None:
        """Return an idle fetcher, which is busy from now on; ``None`` if there is none."""
        return self._shared.idle.pop() if self._shared.idle else None

    def begin(self, fetcher: F, count: int, now: float) -> int:
        """Note a fetch of ``count`` names; return the number of its request."""
        request = next(self._shared.numbers)
        self._shared.under_way[request] = Fetch(fetcher, count, now, self)
        self._all_changed()
        return request

    def end(self, request: int) -> Fetch[F] | None:
        """End an answered fetch and return it; ``None`` if it was overdue.

        Its fetcher is idle again.
        """
        fetch = self._remove(request)
        if fetch is not None:
            fetch.among.answered = max(fetch.among.answered, request)
            self._shared.idle.append(fetch.fetcher)
        return fetch

    def abandon(self, request: int) -> Fetch[F] | None:
        """End an overdue fetch and return it; ``None`` if it was answered.

        Its fetcher is not used again.
        """
        return self._remove(request)

    def fetcher_died(self, fetcher: F) -> list[Fetch[F]]:
        """Forget a fetcher; return the fetches that died with it."""
        shared = self._shared
        shared.idle = [idle for idle in shared.idle if idle is not fetcher]
        lost = {n: fetch for n, fetch in shared.under_way.items() if fetch.fetcher is fetcher}
        for request in lost:
            self._remove(request)
        return list(lost.values())

    def succeeded(self, fetch: Fetch[F], came: int, now: float) -> None:
        """Note that a fetch brought names."""
        self._learnt.fetched(max(now - fetch.began, 0.0), fetch.asked, came)
        self._forget_failures()

    def failed(self, now: float, cause: BaseException) -> float:
        """Note a failure; return the pause before the next try, in seconds.

        If the source has no more names for this theme, no fetch begins until a reset.
        """
        self.cause = cause
        if isinstance(cause, SourceExhausted):
            self.is_exhausted = True
            self.changed()
            return inf
        return self.pauses.briefly(now) if self.is_busy else self.pauses.failed(now, cause)

    @property
    def is_busy(self) -> bool:
        """Whether the last fetch failed only because other processes had the ledger locked."""
        return isinstance(self.cause, LedgerBusy)

    def asks_more(self, brought: int) -> bool:
        """Note how many names of a chunk the program had brought.

        Tell whether the next fetch asks for more names than this one, for that reason.
        """
        before, self.brought = self.brought, brought
        return brought > before

    def pause(self, now: float) -> float:
        """Return the seconds until the next try; 0 if it may begin now."""
        return max(self.pauses.until - now, 0.0)

    def gives_nothing(self, now: float) -> bool:
        """Tell whether no name is to be expected soon.

        This is so if the source has no more names, in the pause after a failure, and if all fetches
        under way are late. If none may begin for this theme, those of the other themes count.
        """
        under_way = self._mine()
        if self.is_exhausted or (not under_way and self.pause(now) > 0.0):
            return True
        if not under_way and self.total >= self._allowed().max_fetches:
            under_way = self._shared.under_way
        return bool(under_way) and all(one.late_in(now) <= 0.0 for one in under_way.values())

    def late_in(self, request: int, now: float) -> float:
        """Return the seconds after which a fetch is late; 0 or less if it is late, or has ended."""
        fetch = self._shared.under_way.get(request)
        return 0.0 if fetch is None else fetch.late_in(now)

    def reset(self) -> None:
        """Mark the fetches under way as unwanted, and forget the failures."""
        self._forget_failures()
        self.is_exhausted = False
        for fetch in self._mine().values():
            fetch.expected = 0
        self.changed()

    def _forget_failures(self) -> None:
        self.pauses.succeeded()
        self.cause = None

    def _age(self, now: float) -> float:
        """Return the seconds that the oldest fetch has taken so far.

        A fetch does not count if a later one was answered before it.
        """
        under_way = self._mine().items()
        return max((now - f.began for n, f in under_way if n > self.answered), default=0.0)

    def _remove(self, request: int) -> Fetch[F] | None:
        fetch = self._shared.under_way.pop(request, None)
        self._all_changed()
        return fetch

    def _mine(self) -> dict[int, Fetch[F]]:
        return {n: fetch for n, fetch in self._shared.under_way.items() if fetch.among is self}

    def _all_changed(self) -> None:
        for fetches in self.by_theme.values():
            fetches.changed()

    def changed(self) -> None:
        """Compute ``stock.floor`` again.

        While more names than this floor are ready, a checkout needs no fetch.
        """
        floor = max(self._allowed().floor(self.total, self.expected), self._half)
        self.stock.floor = 0 if self.is_exhausted else floor

    def _allowed(self) -> RefillPolicy:
        """Return the policy for now, perhaps with ``max_fetches`` reduced by one.

        That keeps one fetch for the other themes. Otherwise the callers of one theme could use all
        fetches, and a slow theme would stop the others.
        """
        others, most = len(self.by_theme) > 1, self.policy.max_fetches
        has_the_last = self.total == most - 1 and not len(self)
        if most == 1 or not others or has_the_last:
            return self.policy
        return self.policy._replace(max_fetches=most - 1)
