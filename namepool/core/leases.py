"""What is available and what is checked out: the truth; and which names are known."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, TypeAlias, cast, overload

from namepool.core.guard import why_unissuable
from namepool.core.names import is_default_name, name_key, plain
from namepool.core.stock import Stock, Stocks


class Lease(NamedTuple):
    """That a name is checked out: the token tells this checkout from a later one of the name."""

    name: str
    token: int


LeaseRecord: TypeAlias = tuple[int, dict[str, int]]
"""A lease as it is kept: its token, and its speakers, each with the moment it began to speak."""


class Admission(NamedTuple):
    """What became of a chunk of candidates."""

    accepted: int
    invalid: int
    duplicate: int


class UsedNames(Sequence[str]):
    """The names known at one moment, oldest first: a view of a list that only grows."""

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


class Leases:
    """A name is in ``checked_out``, or in one of the ``stocks``; in both only while it moves."""

    def __init__(self) -> None:
        self.checked_out: dict[str, LeaseRecord] = {}
        self.stocks: Stocks = Stocks()
        self.available: deque[str] = self.stocks[None].names
        self.homes: dict[str, Stock] = {}
        """Name → the stock it came for, while it is known; that without a theme is not listed."""
        self.orphans: OrderedDict[str, float] = OrderedDict()
        """Leases whose speakers have all ended: name → since when."""
        self._known: dict[str, str] = {}  # name_key → the name as it was first spelled
        self._log: list[str] = []

    @property
    def known_count(self) -> int:
        """How many names are known: available or checked out."""
        return len(self._known)

    def used(self) -> UsedNames:
        """Return every name known now, oldest first; costs the same for ten or a million."""
        return UsedNames(self._log)

    def knows(self, name: str) -> bool:
        """Tell whether this name, or one that reads alike, is known; any thread may ask."""
        return name_key(name) in self._known

    def learn(self, name: str) -> bool:
        """Record a name as known; ``False`` if one that reads alike is known already."""
        key = name_key(name)
        if key in self._known:
            return False
        self._known[key] = name
        self._log.append(name)
        return True

    def admit(self, candidates: Iterable[object], theme: str | None = None) -> Admission:
        """Stock the good ones: issuable, unlike any known name and the default name."""
        stock = self.stocks[theme]
        accepted = invalid = duplicate = 0
        for candidate in candidates:
            if why_unissuable(candidate) is not None:
                invalid += 1
                continue
            name = cast("str", plain(candidate))
            if is_default_name(name) or not self.learn(name):
                duplicate += 1
            else:
                if theme is not None:
                    self.homes[name] = stock
                stock.names.append(name)
                accepted += 1
        stock.stocked += accepted
        return Admission(accepted, invalid, duplicate)

    def take(self, name: str) -> None:
        """Take a name that is available out of its stock."""
        self.homes.get(name, self.stocks[None]).names.remove(name)

    def forget(self, theme: str) -> bool:
        """Drop the stock of a theme, unless some name is of it; tell whether it is gone."""
        stock = self.stocks.get(theme)
        if stock is None or stock in self.homes.values():
            return stock is None
        del self.stocks[theme]
        return True

    def canonical(self, name: str) -> str:
        """Return the known name that reads like ``name``, or ``name`` itself."""
        return name if name in self.checked_out else self._known.get(name_key(name), name)

    def lease_of(self, name: str) -> Lease:
        """Return the present lease of a name that is checked out."""
        return Lease(name, self.checked_out[name][0])

    def is_current(self, lease: Lease) -> bool:
        """Tell whether this very checkout still lasts, rather than a later one of its name."""
        record = self.checked_out.get(lease.name)
        return record is not None and record[0] == lease.token

    def speakers_of(self, name: str) -> Collection[str]:
        """Return the owners that speak under ``name``; none if it is not checked out."""
        record = self.checked_out.get(name)
        return () if record is None else record[1].keys()

    def orphaned_before(self, moment: float) -> list[str]:
        """Return the names that have had no living speaker since before that moment."""
        found = []
        for name, since in self.orphans.items():
            if since > moment:
                break
            found.append(name)
        return found

    def clear(self) -> None:
        """Forget every name and lease, as if the available ones never came; ``recover`` then."""
        for stock in self.stocks.values():
            stock.clear()
        self.checked_out.clear()

    def recover(self) -> None:
        """Take what is checked out out of the stocks, and index what is left anew."""
        leases = self.checked_out
        for name in [name for name in self.orphans if name not in leases]:
            del self.orphans[name]
        missing = set(leases).union(*[stock.recover(leases) for stock in self.stocks.values()])
        names = [name for name in self._log if name in missing]
        names += sorted(missing.difference(names))
        self._log = names
        self._known = {name_key(name): name for name in names}
        for name in self.homes.keys() - self._known.values():
            del self.homes[name]
