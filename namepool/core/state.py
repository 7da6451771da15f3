"""The heart: ``PoolState``, all that a pool knows, and the transitions of it. Pure.

THEORY OF OPERATION

A caller makes a token for what it asks for (``core.leases``), and then asks. ``begin(lease)``
grants a name, ``associate(binding)`` adds a speaker, and ``end(token)`` is the only way out,
whichever way that is: the end of a block, a check-in, a timeout, a cancelled task, a future that
nobody read, an exception from outside. ``end`` may come twice, or for nothing, or before its
``begin``, which then grants nothing. So the one that grants needs no proof that the grant arrived,
and the one that gives up needs not know how far it had come.

*What is true.* The names in the ``stocks``, the ``leases`` by name, their further speakers, and
what each of these tokens ``says``. The rest is an index, which ``recover`` builds anew: ``owners``
(owner → its tokens, the latest last), ``given`` (owner → the latest of its tokens that another
party took for it), ``orphans``, and ``known``, the names that are known. The published view,
``speaking``, reads the index.

*Who runs this.* One thread at a time, which has the pool's *turn* (``actors.inbox``): a caller, for
its own request, or the pool's own thread. Readers need no turn: ``says`` and the dicts are read by
single operations of C.

*What an exception from outside leaves behind.* CPython raises one where it looks for it: after a
call, at a function's entry, and at a jump back; and where memory ends, anywhere. A transition sets
``torn`` before its first change and clears it after its last. Whoever has the turn next and finds
``torn`` set calls ``recover`` before anything else. To that end a transition writes where a thing
goes before it takes it from where it was: a name that stands in two places is leased; a lease that
says ``None`` had not begun, and its name is still in stock. ``begin``, and ``end`` of a lease with
one speaker, have no jump back and no call between the two marks, so that nothing can tear them.

On a caller's thread, an exception that strikes before, in or after the transition leaves a token
that the caller ends, in its ``except`` or by its block's guard. On the pool's own thread there is
none from outside but ``MemoryError``; the state is mended then, and the message answered with it.

*What is told.* An observer makes an event before the change that it tells of, and the event is
written down between the marks, without a call, beside the change. So each is told once, in order,
or neither has happened.

*What is not done here.* A lease that finds no name to spare is answered ``LATER``. Then the pool's
own thread hands out what is left and has more fetched, or lets the lease wait: ``pool.operations``.
An owner that ends, a token that is given up from within a finaliser, a chunk that comes for a dead
pool: each is put into ``signal``, which outlives the actors, and done by the pool's own thread.

*Order.* ``number`` counts the moments. The later of two tokens of an owner is the one it speaks
under; when that ends, the one before speaks again. Names go home to the back of their stock.

*Restarts.* The state outlives its actor. The next incarnation calls ``recover`` and goes on: every
lease lasts, whoever waits still does, and a name is never given twice.

*Reset.* Every token is over, wherever its link was copied; who waits for a name still does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from queue import SimpleQueue
from typing import Any, Protocol

from namepool.actors.later import LATER
from namepool.core.events import OwnerEnded
from namepool.core.known import Admission, KnownNames
from namepool.core.leases import Adopted, Binding, Lease, Token, speakers
from namepool.core.links import OVER
from namepool.core.log import Entry, EventLog
from namepool.core.stats import Counters
from namepool.core.stock import Stocks

Told = tuple[Entry, ...]
"""Entries for the log: of one event, or of none."""


class Observer(Protocol):
    """What makes the events of a state that is observed; in the turn, before the change."""

    def began(self, lease: Lease, name: str, owner: str) -> Told:
        """Tell that a lease begins."""
        ...

    def ended(self, lease: Lease, is_reclaimed: bool) -> Told:
        """Tell that a lease ends."""
        ...

    def speaks(self, token: Token, name: str) -> Told:
        """Tell that one more owner speaks under a name."""
        ...

    def is_silent(self, token: Token) -> Told:
        """Tell that an owner stops speaking under a name."""
        ...


class Speaking(Mapping[str, str]):
    """Owner → the name it speaks under by its own tokens; always current, read by any thread."""

    __slots__ = ("__weakref__", "state")

    def __init__(self, state: PoolState) -> None:
        self.state: PoolState = state

    def __getitem__(self, owner: str) -> str:
        name = self.state.name_of(owner)
        if name is None:
            raise KeyError(owner)
        return name

    def __iter__(self) -> Iterator[str]:
        return iter([owner for owner in [*self.state.owners] if self.state.name_of(owner)])

    def __len__(self) -> int:
        return len([*self])

    def names(self) -> list[str]:
        """Return the names that are checked out now; in one step."""
        return [*self.state.leases]

    def __repr__(self) -> str:
        return f"Speaking({dict(self)!r})"


class PoolState:
    """All that a pool knows; it outlives the pool's actor.

    ``NamePool.start(state=state)`` starts a pool that goes on with it. One thread at a time may
    call it; ``speaking`` may be read by any.
    """

    def __init__(self) -> None:
        self.stocks: Stocks = Stocks()
        self.known: KnownNames = KnownNames(self.stocks)
        self.leases: dict[str, Lease] = {}
        self.owners: dict[str, dict[Token, None]] = {}
        self.given: dict[str, Token] = {}
        self.orphans: dict[Lease, float] = {}
        """Leases whose speakers have all ended: since when, the oldest first."""
        self.number: int = 0
        self.torn: bool = False
        self.epoch: int = 0  # counts resets: what was fetched before the last one is not wanted
        self.counters: Counters = Counters()
        self.log: EventLog = EventLog()
        self.observer: Observer | None = None
        self.signal: Any = SimpleQueue()
        self.is_busy: Callable[[], bool] = bool  # requests are on their way, as the shell knows
        self.wants_places: bool = False  # a lease is to know the line that asks for it
        self.speaking: Speaking = Speaking(self)

    # -- leases -----------------------------------------------------------------------------

    def begin(self, lease: Lease, spare: int | None = None) -> Any:
        """Grant the oldest name of the lease's theme; return it, or ``LATER``, changing nothing.

        ``LATER`` unless more than ``spare`` names are ready; if that is left out: unless no fetch
        is due and nobody waits. What has begun is answered with its name.

        Raises:
            LookupError: the lease ended before it began
        """
        stock = self.stocks.get(lease.theme)
        if stock is None or (spare is None and stock.waiters):
            return LATER
        names = stock.names
        if lease.says is not None:
            return self._begun(lease)
        if len(names) <= (stock.floor if spare is None else spare):
            return LATER
        name, owner = names[0], lease.owner
        if owner not in self.owners:
            self._meet(owner)
        told = () if self.observer is None else self.observer.began(lease, name, owner)
        self.torn = True
        lease.name, lease.stock = name, stock
        lease.number = self.number = self.number + 1
        self.leases[name] = lease
        self.owners[owner][lease] = None
        if lease.outside:
            self.given[owner] = lease
        lease.says = name
        del names[0]
        if told:
            self.log.entries += told
            self.log.wake()
        self.torn = False
        return name

    def end(self, token: Token, is_reclaimed: bool = False) -> bool:
        """End a lease, a binding or a wait; ``False``: it is over, or had not begun."""
        name = token.name
        if name not in self.leases or self.leases[name] is not token:
            return self._end_other(token)
        lease: Lease = token
        stock, mine = lease.stock, self.owners.get(lease.owner)
        told = () if self.observer is None else self.observer.ended(lease, is_reclaimed)
        self.torn = True
        lease.says = OVER
        if mine is not None and lease in mine:
            del mine[lease]
        if lease.further or lease.outside or self.orphans:
            self._end_rest(lease)
        names = stock.names
        names += (name,)
        del self.leases[name]
        if told:
            self.log.entries += told
            self.log.wake()
        self.torn = False
        if stock.waiters:
            self.signal.put(lease)  # for the pool's own thread, which serves them
        return True

    def _begun(self, token: Token) -> str:
        """Answer again to what is asked for the second time."""
        if token.says or self.leases.get(token.name) is token:
            return token.name  # type: ignore[no-any-return]
        raise LookupError("the request was given up before it was answered")

    def _meet(self, owner: str) -> None:
        """Make room for what an owner has.

        It stays when that is over, until there are many more owners than leases.
        """
        if len(self.owners) > 2 * len(self.leases) + 100:
            for gone in [gone for gone, mine in self.owners.items() if not mine]:
                del self.owners[gone]
        self.owners[owner] = {}

    def _end_rest(self, lease: Lease) -> None:
        """End what most leases do not have."""
        for binding in [*(lease.further or ())]:
            self._silence(binding, quietly=True)
        self.orphans.pop(lease, None)
        if lease.outside:
            self._give(lease.owner)

    def _end_other(self, token: Token) -> bool:
        """End what is no lease, or not yet."""
        if isinstance(token, Binding):
            return self._end_binding(token)
        token.says = OVER  # what has not begun never will
        stock = self.stocks.get(token.theme)
        is_waiting = stock is not None and token in stock.waiters
        if is_waiting:
            self.signal.put(token)  # for the pool's own thread, which counts it
        return is_waiting

    # -- further speakers -------------------------------------------------------------------

    def associate(self, binding: Binding) -> str:
        """Let the binding's owner speak under the name it wants; return the pool's spelling.

        The name may be unknown, or not checked out. An owner that speaks under it already goes on
        by the token that it has: ``binding.spoken``.

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
        lease = self.leases.get(name)
        is_new = lease is None
        if lease is None:
            lease = self._adopt(name, binding)
        if binding.exclusive:
            for other in speakers(lease):
                if other.owner != binding.owner:
                    self._silence(other)
        if not binding.in_block:
            self.orphans.pop(lease, None)
            if isinstance(lease, Adopted):
                lease.is_lent = False
        if not self._again(lease, binding, number):
            self._speak(lease, binding, number, is_new)
        self.torn = False
        return lease.name  # type: ignore[no-any-return]

    def _again(self, lease: Lease, binding: Binding, number: int) -> bool:
        """Make the token by which an owner speaks under a name already its latest, if it does."""
        if binding.in_block:
            return False
        for token in speakers(lease):
            if token.owner == binding.owner and not token.in_block:
                mine = self.owners[token.owner]
                token.number = number
                del mine[token]
                mine[token] = None
                if token.outside or binding.outside:
                    token.outside = True
                    self.given[token.owner] = token
                if self.observer is not None:
                    self.log.entries += self.observer.speaks(token, lease.name)
                    self.log.wake()
                binding.spoken = token
                return True
        return False

    def _speak(self, lease: Lease, binding: Binding, number: int, is_new: bool) -> None:
        owner = binding.owner
        if owner not in self.owners:
            self._meet(owner)
        told: Told = ()
        if self.observer is not None and not is_new:
            told = self.observer.speaks(binding, lease.name)
        binding.lease, binding.number, binding.spoken = lease, number, binding
        if lease.further is None:
            lease.further = {}
        lease.further[binding] = None
        self.owners[owner][binding] = None
        if binding.outside:
            self.given[owner] = binding
        binding.says = lease.name
        if told:
            self.log.entries += told
            self.log.wake()

    def _adopt(self, name: str, binding: Binding) -> Lease:
        """Check out a name by a binding of it."""
        lease = Adopted()
        lease.name, lease.says, lease.number = name, OVER, self.number
        lease.state, lease.owner, lease.outside, lease.before = self, binding.owner, False, None
        lease.further, lease.seen, lease.in_block = {}, binding.seen, False
        lease.is_lent = binding.in_block
        lease.stock = stock = self.known.home(name)
        lease.theme = stock.theme
        told = () if self.observer is None else self.observer.began(lease, name, binding.owner)
        self.leases[name] = lease
        self.counters.adopted += 1
        if told:
            self.log.entries += told
            self.log.wake()
        if not self.known.learn(name):
            stock.names.remove(name)
        return lease

    def take(self, lease: Lease, name: str) -> str:
        """Check out this very name, known or not, which is not checked out; return its spelling."""
        if lease.says is not None:
            return self._begun(lease)
        owner, stock = lease.owner, self.known.home(name)
        if owner not in self.owners:
            self._meet(owner)
        told = () if self.observer is None else self.observer.began(lease, name, owner)
        self.torn = True
        lease.name, lease.stock, lease.theme = name, stock, stock.theme
        lease.number = self.number = self.number + 1
        self.counters.tickets += 1
        self.counters.adopted += 1
        self.leases[name] = lease
        self.owners[owner][lease] = None
        if lease.outside:
            self.given[owner] = lease
        lease.says = name
        if told:
            self.log.entries += told
            self.log.wake()
        if not self.known.learn(name):
            stock.names.remove(name)
        self.torn = False
        return name

    def dissociate(self, owner: str, name: str | None = None) -> bool:
        """Stop ``owner`` speaking under ``name`` (the latest if ``None``); the lease stays."""
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
        """Have a token speak no more; its lease stays."""
        mine = self.owners.get(token.owner)
        told: Told = ()
        if self.observer is not None and mine and token in mine and not quietly:
            told = self.observer.is_silent(token)
        token.says = OVER
        if told:
            self.log.entries += told
            self.log.wake()
        if mine is not None:
            mine.pop(token, None)
        if isinstance(token, Binding) and token.lease.further:
            token.lease.further.pop(token, None)
        if token.outside:
            self._give(token.owner)

    def _end_binding(self, binding: Binding) -> bool:
        lease, spoke = binding.lease, bool(binding.says)
        if lease is None:
            binding.says = OVER  # what has not begun never will
            return False
        self.torn = True
        self._silence(binding)
        self.torn = False
        is_current = self.leases.get(lease.name) is lease
        if is_current and lease.is_lent and not lease.further:
            self.end(lease)
        return spoke

    def _give(self, owner: str) -> None:
        """Find the latest token anew that another party took for ``owner``."""
        given = [t for t in self.owners.get(owner, ()) if t.outside and t.says]
        if given:
            self.given[owner] = max(given, key=lambda token: token.number)
        else:
            self.given.pop(owner, None)

    # -- owners -----------------------------------------------------------------------------

    def name_of(self, owner: str) -> str | None:
        """Return the name of ``owner``'s latest token that speaks; any thread may ask."""
        for token in reversed([*self.owners.get(owner, ())]):
            name: str | None = token.says
            if name:
                return name
        return None

    def owner_gone(self, owner: str) -> None:
        """Note that an owner has ended, and wake the pool. Any thread, finalisers too."""
        # Whether a request of its own may be on its way comes first: what that does shows then.
        if self.is_busy() or self.owners.get(owner) or self.stocks.waiting:
            self.signal.put(OwnerEnded(owner))

    def owner_ended(self, owner: str, now: float) -> None:
        """Silence an owner that has ended, but for its blocks, which end for certain.

        A lease that nobody is left to speak under is an orphan.
        """
        self.torn = True
        for token in [*self.owners.get(owner, ())]:
            if not token.in_block:
                lease = token.lease
                self._silence(token)
                if not speakers(lease):
                    self.orphans[lease] = now
        for stock in self.stocks.values():
            for lease in stock.waiters:
                if lease.owner == owner:
                    lease.wait.has_ended = True
        self.torn = False

    def reclaim(self, before: float, now: float) -> list[str]:
        """End the leases that were orphaned ``before`` that moment; return their names.

        One that somebody speaks under, for the length of a block, is looked at again later.
        """
        reclaimed = []
        for lease, since in [*self.orphans.items()]:
            if since > before:
                break
            if speakers(lease):
                del self.orphans[lease]
                self.orphans[lease] = now
            else:
                self.end(lease, is_reclaimed=True)
                reclaimed.append(lease.name)
        self.counters.reclaimed += len(reclaimed)
        return reclaimed

    # -- all of it --------------------------------------------------------------------------

    def admit(self, candidates: Iterable[object], theme: str | None = None) -> Admission:
        """Stock the good ones: issuable, unlike any known name and the default name."""
        admission = self.known.admit(candidates, theme)
        self.counters.invalid += admission.invalid
        self.counters.duplicates += admission.duplicate
        return admission

    def reset(self) -> None:
        """Forget every name, lease and binding. Who waits for a name still does."""
        self.torn = True
        self.epoch += 1
        self.counters.forgotten += len(self.leases)
        for lease in [*self.leases.values()]:
            for token in speakers(lease):
                token.says = OVER
        self.leases.clear()
        for stock in self.stocks.values():
            stock.clear()
        self.recover()

    def silence_all(self) -> None:
        """Have every token speak no more; in a forked child, whose pool stayed with its parent."""
        self.signal = SimpleQueue()
        for lease in [*self.leases.values()]:
            for token in speakers(lease):
                token.says = OVER

    def recover(self) -> None:
        """Rebuild every index from what is true, whatever was left half done."""
        self.torn = True
        for name in [name for name, lease in self.leases.items() if lease.says is None]:
            del self.leases[name]  # it had not begun: the name is still in stock
        for stock in self.stocks.values():
            stock.recover(self.leases)
        self.known.rebuild(self.leases)
        tokens: list[Token] = []
        for lease in self.leases.values():
            if lease.further:
                lease.further = {further: None for further in lease.further if further.says}
            tokens += speakers(lease)
        owners: dict[str, dict[Token, None]] = {}
        for token in sorted(tokens, key=lambda token: token.number):
            owners.setdefault(token.owner, {})[token] = None
        self.owners = owners
        for owner in {*owners, *self.given}:  # in place: others are reading it
            self._give(owner)
        for lease in [lease for lease in self.orphans if self.leases.get(lease.name) is not lease]:
            del self.orphans[lease]
        self.log.wake(all_of_them=True)
        self.torn = False
