"""The speakers under each name: the leases, and the bindings of further speakers to them. Pure.

This is one part of a pool's state. ``state`` has the rest, and explains how all of it works.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, Protocol

from namepool.core.known import KnownNames
from namepool.core.leases import Adopted, Binding, Lease, Token, speakers
from namepool.core.links import OVER
from namepool.core.log import Entry, EventLog
from namepool.core.stats import Counters
from namepool.core.stock import Apart, Stock, Stocks

Told = tuple[Entry, ...]
"""The log entries of one event, or none."""


class Observer(Protocol):
    """The maker of the events of an observed state. It runs in the turn, before the change."""

    def began(self, lease: Lease, name: str, owner: str) -> Told:
        """Return the event of a lease that begins."""
        ...

    def ended(self, lease: Lease, is_reclaimed: bool) -> Told:
        """Return the event of a lease that ends."""
        ...

    def speaks(self, token: Token, lease: Lease) -> Told:
        """Return the event of one more owner that speaks under the name of a lease."""
        ...

    def is_silent(self, token: Token) -> Told:
        """Return the event of an owner that stops speaking under a name."""
        ...


class Speaking(Mapping[str, str]):
    """A view: owner → the name that it speaks under by its own tokens.

    The view is always current. Any thread may read it.
    """

    __slots__ = ("__weakref__", "state")

    def __init__(self, state: Speakers) -> None:
        self.state: Any = state

    def __getitem__(self, owner: str) -> str:
        name: str | None = self.state.name_of(owner)
        if name is None:
            raise KeyError(owner)
        return name

    def __iter__(self) -> Iterator[str]:
        return iter([owner for owner in [*self.state.owners] if self.state.name_of(owner)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def names(self) -> list[str]:
        """Return the names that are checked out now, in one step."""
        return [*self.state.leases]

    def __repr__(self) -> str:
        return f"Speaking({dict(self)!r})"


_serials = count(1)


class Speakers:
    """The owners, their tokens, and the leases under whose names the tokens speak."""

    def __init__(self) -> None:
        self.serial: int = next(_serials)
        """The number of this state. No other state of this process has it."""
        self.id_prefix: str = ""
        """The beginning of the id of each lease. The pool sets it."""
        self.stocks: Stocks = Stocks()
        self.known: KnownNames = KnownNames(self.stocks)
        self.leases: dict[str, Lease] = {}
        self.owners: dict[str, dict[Token, None]] = {}
        """Owner → its tokens, the latest last."""
        self.given: dict[str, Token] = {}
        """Owner → the latest of its tokens that another party took for it."""
        self.orphans: dict[Lease, float] = {}
        """Lease without speakers, except blocks → the end of its last owner; the oldest first."""
        self.number: int = 0
        self.torn: bool = False
        self.is_over: bool = False
        """No pool uses this state, and none will."""
        self.counters: Counters = Counters()
        self.log: EventLog = EventLog()
        self.observer: Observer | None = None
        self.speaking: Speaking = Speaking(self)

    def end(self, token: Token, is_reclaimed: bool = False) -> bool:
        """End a lease; see ``PoolState``."""
        raise NotImplementedError

    def name_of(self, owner: str) -> str | None:
        """Return the name of the latest token of ``owner`` that speaks. Any thread may ask."""
        for token in reversed([*self.owners.get(owner, ())]):
            name: str | None = token.says
            if name:
                return name
        return None

    def associate(self, binding: Binding) -> str:
        """Let the binding's owner speak under the name it wants; return the pool's spelling.

        The name may be unknown, or not checked out. If the owner already speaks under it, the owner
        goes on by the token that it has: ``binding.spoken``.

        Raises:
            LookupError: the binding ended before it began
        """
        if binding.says is not None:
            return self._begun(binding)
        name = binding.wanted
        if name not in self.leases:
            name = self.known.canonical(name)
        self.torn = True
        self.number = number = self.number + 1
        self.counters.tickets += 1
        lease = self.leases.get(name) or self._adopted(name, number, binding)
        if binding.exclusive:
            for other in speakers(lease):
                if other.owner != binding.owner:
                    self._silence(other)
        if not self._again(lease, binding, number):
            self._speak(lease, binding, number)
        if not binding.in_block:
            self.orphans.pop(lease, None)
            if isinstance(lease, Adopted):
                lease.is_lent = False
                lease.by = binding if lease.by is binding else None
        self.torn = False
        return lease.name  # type: ignore[no-any-return]

    def _again(self, lease: Lease, binding: Binding, number: int) -> bool:
        """Make the token by which the owner already speaks under the name its latest one.

        Return ``False`` if there is no such token, or if a block speaks here.
        """
        if binding.in_block:
            return False
        for token in speakers(lease):
            if token.owner == binding.owner and not token.in_block:
                told = () if self.observer is None else self.observer.speaks(token, lease)
                mine = self.owners[token.owner]
                self.log.entries += told
                token.number = number
                del mine[token]
                mine[token] = None
                if token.outside or binding.outside:
                    token.outside = True
                    self.given[token.owner] = token
                binding.spoken, binding.says = token, OVER  # so that no chain keeps the binding
                if told:
                    self.log.wake()
                return True
        return False

    def _speak(self, lease: Lease, binding: Binding, number: int) -> None:
        owner, name, observer = binding.owner, lease.name, self.observer
        if owner not in self.owners:
            self._meet(owner)
        told: Told = ()
        if observer is not None and lease.says is None:
            told = observer.began(lease, name, owner)
        elif observer is not None:
            told = observer.speaks(binding, lease)
        binding.lease, binding.name, binding.number, binding.spoken = lease, name, number, binding
        if lease.further is None:
            lease.further = {}
        lease.further[binding] = None
        self.leases[name] = lease
        self.owners[owner][binding] = None
        if told:
            self.log.entries += told
        binding.says = name  # from here on the binding speaks
        if binding.outside:
            self.given[owner] = binding
        if lease.says is None:
            lease.says = OVER
            self.counters.adopted += 1
            if not self.known.learn(name):
                lease.stock.take_out(name)
        if told:
            self.log.wake()

    def _adopted(self, name: str, number: int, binding: Binding) -> Lease:
        """Return the lease that begins when the binding speaks."""
        lease = Adopted()
        lease.state, lease.owner, lease.outside, lease.before = self, binding.owner, False, None
        lease.name, lease.token, lease.number, lease.says = name, number, number, None
        lease.stock = stock = self.known.home(name)
        lease.theme, lease.further, lease.seen = stock.theme, {}, binding.seen
        lease.in_block, lease.is_lent, lease.by = False, binding.in_block, binding
        return lease

    def dissociate(self, owner: str, name: str | None = None) -> bool:
        """Stop ``owner`` from speaking under ``name``; return whether it did.

        ``None`` stands for the latest name of the owner. The lease stays.
        """
        if name is None:
            name = self.name_of(owner)
        elif name not in self.leases:
            name = self.known.canonical(name)
        mine = [token for token in self.owners.get(owner, ()) if name and token.says == name]
        self.torn = True
        for token in mine:
            self._silence(token)
        self.torn = False
        return bool(mine)

    def _silence(self, token: Token, *, quietly: bool = False) -> None:
        """Make a token speak no more. Its lease stays."""
        mine = self.owners.get(token.owner)
        # The caller of a binding may have made it say nothing already. So the binding ends when it
        # leaves the others.
        others = token.lease.further if isinstance(token, Binding) else mine
        told: Told = ()
        if self.observer is not None and others and token in others and not quietly:
            told = self.observer.is_silent(token)
        if told:
            self.log.entries += told
        if others and token in others:
            del others[token]
        token.says = OVER
        if told:
            self.log.wake()
        if mine is not None:
            mine.pop(token, None)
        if token.outside:
            self._give(token.owner)

    def withdraw(self, name: str) -> None:
        """Let a name leave the pool now, or with the end of its lease."""
        name = self.known.canonical(name)
        if (lease := self.leases.get(name)) is not None:
            lease.stock = Apart(lease, lease.stock)
            return
        self.torn = True
        self.known.withdraw(name)
        self.torn = False

    def forget(self, stocks: list[Stock]) -> list[str]:
        """Forget the stocks of themes, and return the names in them, which are known no more.

        No lease waits for such a stock or has a name of it.
        """
        self.torn = True
        names = self.known.drop(stocks)
        self.torn = False
        return names

    def silence(self) -> None:
        """Make every token speak no more. This state has no pool, and will have none."""
        self.is_over = True
        # In a forked child, a thread that was in a transition is missing. So the state may be torn.
        begun = [token for lease in self.leases.values() for token in speakers(lease)]
        for token in [*begun, *[token for mine in self.owners.values() for token in mine]]:
            token.says = OVER

    def end_binding(self, binding: Binding) -> bool:
        """End a binding; return whether it spoke.

        If nobody else speaks under the name of the lease, the lease may end, too. For the binding
        of a block, this happens if the lease lasts only as long as its blocks (``is_lent``). For
        any other binding, this happens if the lease began with this binding (``by``).
        """
        lease, spoke = binding.lease, bool(binding.says)
        if lease is None:
            binding.says = OVER  # the binding has not begun, and never will
            return False
        self.torn = True
        self._silence(binding)
        self.torn = False
        is_current = self.leases.get(lease.name) is lease
        goes_too = lease.is_lent if binding.in_block else lease.by is binding
        if goes_too and is_current and not lease.further:
            self.end(lease)
        return spoke

    def _give(self, owner: str) -> None:
        """Find again the latest token that another party took for ``owner``, and record it."""
        given = self.latest_given(owner)
        if given is None:
            self.given.pop(owner, None)
        else:
            self.given[owner] = given

    def latest_given(self, owner: str) -> Token | None:
        """Return the latest speaking token that another party took for ``owner``.

        Any thread may ask.
        """
        given = [t for t in [*self.owners.get(owner, ())] if t.outside and t.says]
        return max(given, key=lambda token: token.number, default=None)

    def _begun(self, token: Token) -> str:
        """Return the answer to a request that is made for the second time."""
        spoken: Any = token.spoken if isinstance(token, Binding) else token
        if spoken is not None and (spoken.says or self.leases.get(spoken.name) is spoken):
            return spoken.name  # type: ignore[no-any-return]
        raise LookupError("the request was given up before it was answered")

    def _meet(self, owner: str) -> None:
        """Add an owner that has no tokens yet.

        Its entry stays when its tokens are over, until there are many more owners than leases.
        """
        if len(self.owners) > 2 * len(self.leases) + 100:
            for gone in [gone for gone, mine in self.owners.items() if not mine]:
                del self.owners[gone]
        self.owners[owner] = {}
