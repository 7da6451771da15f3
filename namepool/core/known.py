"""The known names, and the admission of a chunk of candidates. Pure."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Sequence
from typing import NamedTuple, overload

from namepool.core.judging import Judged
from namepool.core.names import name_key
from namepool.core.stock import Stock, Stocks


class Admission(NamedTuple):
    """The numbers of candidates in a chunk that were accepted, invalid or duplicate."""

    accepted: int
    invalid: int
    duplicate: int


class UsedNames(Sequence[str]):
    """The names of one moment, the oldest first. It is a view of a list that only grows."""

    __slots__ = ("_log", "_size")

    def __init__(self, log: list[str]) -> None:
        self._log = log
        self._size = len(log)

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._log[i] for i in range(*index.indices(self._size))]
        return self._log[range(self._size)[index]]


class KnownNames:
    """Every name that is in one of the ``stocks`` or checked out.

    A name comes from the source, or the program *brings* it: it speaks under a name that it gives
    itself. A name of the second kind may be that of a person, so no source hears of it.
    """

    def __init__(self, stocks: Stocks) -> None:
        self._stocks = stocks
        self._homes: dict[str, Stock] = {}
        """Known name → its stock. A name of the stock without a theme is not listed."""
        self._by_key: dict[str, str] = {}  # name_key → the name in its first spelling
        self._log: list[str] = []
        self._of_source: list[str] = []
        self._brought: set[str] = set()
        """The keys of the names that are not from the source."""

    def __len__(self) -> int:
        return len(self._by_key)

    def __contains__(self, name: str) -> bool:
        """Tell whether ``name``, or a name that reads alike, is known. Any thread may ask."""
        return name_key(name) in self._by_key

    def used(self) -> UsedNames:
        """Return every name known now, the oldest first; the cost is the same for any number."""
        return UsedNames(self._log)

    def of_source(self) -> UsedNames:
        """Return those of the known names that came from the source, like ``used``."""
        return UsedNames(self._of_source)

    def is_brought(self, name: str) -> bool:
        """Tell whether the program brought a name that reads like ``name``. Any thread may ask."""
        return name_key(name) in self._brought

    def canonical(self, name: str) -> str:
        """Return the known name that reads like ``name``; if there is none, ``name`` itself."""
        return self._by_key.get(name_key(name), name)

    def home(self, name: str) -> Stock:
        """Return the stock that a name belongs to."""
        return self._homes.get(name) or self._stocks[None]

    def learn(self, name: str) -> bool:
        """Record a name that the program brings.

        Return ``False`` if a name that reads alike is known already.
        """
        if not self._record(name):
            return False
        self._brought.add(name_key(name))
        return True

    def _record(self, name: str) -> bool:
        key = name_key(name)
        if key in self._by_key:
            return False
        self._by_key[key] = name
        self._log.append(name)
        return True

    def left(self, name: str, checked_out: Container[str]) -> None:
        """Forget a name that has left the pool with the end of its lease, unless it came back.

        A view that ``used`` returned earlier still shows it.
        """
        if name in checked_out or name in self.home(name).names:
            return
        key = name_key(name)
        self._log = _without(self._log, name)
        self._of_source = _without(self._of_source, name)
        self._homes.pop(name, None)
        self._brought.discard(key)
        self._by_key.pop(key, None)

    def withdraw(self, name: str) -> None:
        """Forget a name, also if it is in a stock."""
        stock = self.home(name)
        if name in stock.all_names():
            stock.take_out(name)
        self.left(name, ())

    def admit(self, judged: Judged, theme: str | None = None) -> Admission:
        """Stock each name that reads unlike every known name, and count the other candidates."""
        stock = self._stocks[theme]
        accepted = 0
        for name in judged.names:
            if self._record(name):
                self._of_source.append(name)
                if theme is not None:
                    self._homes[name] = stock
                stock.names.append(name)
                stock.stocked += 1
                accepted += 1
        return Admission(accepted, len(judged.refused), len(judged.names) - accepted)

    def forget(self, theme: str) -> bool:
        """Drop the stock of a theme unless a name belongs to it; tell whether the stock is gone."""
        stock = self._stocks.get(theme)
        if stock is None or stock in self._homes.values():
            return stock is None
        del self._stocks[theme]
        return True

    def drop(self, stocks: Collection[Stock]) -> list[str]:
        """Forget the stocks of themes and the names in them; return these names."""
        names = [name for stock in stocks for name in stock.all_names()]
        for stock in stocks:  # first, because a rebuild keeps every name in a stock
            self._stocks.pop(stock.theme, None)
        gone = set(names)
        self._log = [name for name in self._log if name not in gone]
        self._of_source = [name for name in self._of_source if name not in gone]
        for name in gone:
            self._homes.pop(name, None)
            self._brought.discard(name_key(name))
            self._by_key.pop(name_key(name), None)
        return names

    def rebuild(self, checked_out: Iterable[str]) -> None:
        """Rebuild the records, which may be half written, from the stocks and the checkouts."""
        missing = set(checked_out).union(*[stock.all_names() for stock in self._stocks.values()])
        names = [name for name in self._log if name in missing]
        names += sorted(missing.difference(names))
        self._log = names
        self._by_key = {name_key(name): name for name in names}
        self._of_source = [name for name in self._of_source if name in missing]
        self._brought = self._by_key.keys() - set(map(name_key, self._of_source))
        for name in self._homes.keys() - missing:
            del self._homes[name]


def _without(log: list[str], name: str) -> list[str]:
    """Return a log without a name; quicker than a loop, because callers wait meanwhile."""
    try:
        place = log.index(name)
    except ValueError:
        return log
    return log[:place] + log[place + 1 :]
