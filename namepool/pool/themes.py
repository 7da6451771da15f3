"""The stocks of the requested themes, and the bound on their number.

A source may know any theme, so a program may ask for thousands. If all their stocks stayed, the
pool would grow without end. So the pool forgets the themes that nobody uses, with their names.

The names do not go to the stock without a theme, because nobody may ever ask there, and then they
would pile up. They are free again: the ledger releases them, and the source may give them later.
"""

from __future__ import annotations

from typing import Any

from namepool.core.state import PoolState
from namepool.core.stock import Stock
from namepool.ledgers.keeper import Keeping, Unwanted
from namepool.pool.fetches import Fetches
from namepool.sources.base import NameSource, knows_themes

MOST_THEMES = 100
"""The most themes that are kept. More are kept only while they are in use."""

AT_ONCE = 10
"""The themes that are forgotten at once, because each time costs a look at all known names."""


class Themes:
    """The themes of one incarnation of the pool. It runs in the pool's turn, on its own thread."""

    def __init__(
        self, source: NameSource, state: PoolState, fetches: Fetches[Any], keeping: Keeping
    ) -> None:
        self._knows_themes = knows_themes(source)
        self._state = state
        self._fetches = fetches
        self._keeping = keeping
        self._limit = MOST_THEMES

    def requested(self, theme: str | None) -> Stock:
        """Return the stock of a requested theme, or without one if the source knows no themes."""
        theme = theme if self._knows_themes else None
        stocks = self._state.stocks
        if theme not in stocks and len(stocks) > self._limit:
            self._make_room()
        stock = stocks[theme]
        stock.in_use = True
        stock.asked = self._state.number
        return stock

    def _make_room(self) -> None:
        """Forget the themes that nobody has asked for in the longest time, and that nobody uses."""
        kept = len(self._state.stocks) - 1
        unused = sorted(self._unused(), key=lambda stock: stock.asked)
        gone = unused[: kept - MOST_THEMES + AT_ONCE]
        names = self._state.forget(gone)
        for stock in gone:
            self._fetches.forget(stock.theme)
        # While more are in use than may be kept, not every new theme looks at all the others.
        self._limit = max(MOST_THEMES, (kept - len(gone)) * 11 // 10)
        if names:
            self._keeping.tell(Unwanted(tuple(names)))

    def _unused(self) -> list[Stock]:
        """Return the stocks of themes without a lease, a waiting caller or a fetch under way.

        A lease counts, because its name goes back to its stock.
        """
        of_leases = {id(lease.stock) for lease in self._state.leases.values()}
        return [
            stock
            for stock in self._state.stocks.values()
            if stock.theme is not None
            and not stock.waiters
            and id(stock) not in of_leases
            and not self._fetches.under_way(stock)
        ]
