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
says ``None`` had not begun, and its name is still in stock; a token that speaks without its lease
is over. ``begin``, and ``end`` of a lease with one speaker, have no jump back and no call between
the two marks, so that nothing can tear them. What may need memory comes before the one line from
which on a token speaks, or is over: so either all has happened, or nothing has.

On a caller's thread, an exception that strikes before, in or after the transition leaves a token
that the caller ends, in its ``except`` or by its block's guard. On the pool's own thread there is
none from outside but ``MemoryError``; the state is mended then, and the message answered with it.

*What is told.* An observer makes an event before the change that it tells of, and the event is
written down between the marks, before that line and without a call in between. So each is told
once, in order, or neither has happened.

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

from collections import deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any, NamedTuple

from namepool.actors.later import LATER
from namepool.core.known import Admission
from namepool.core.leases import Binding, Lease, Token, bindings, speakers
from namepool.core.links import OVER
from namepool.core.options import PoolOptions
from namepool.core.speakers import Speakers


class OwnerEnded(NamedTuple):
    """An owner has ended."""

    owner: str


class LateChunk(NamedTuple):
    """Candidates that came for a dead pool, unchecked, and the epoch they were asked for in."""

    names: tuple[object, ...]
    epoch: int
    theme: str | None = None


class PoolState(Speakers):
    """All that a pool knows; it outlives the pool's actor.

    ``NamePool.start(state=state)`` starts a pool that goes on with it. One thread at a time may
    call it; ``speaking`` may be read by any.
    """

    def __init__(self) -> None:
        super().__init__()
        self.options: PoolOptions = PoolOptions()
        self.epoch: int = 0  # counts resets: what was fetched before the last one is not wanted
        self.signal: Any = SimpleQueue()
        self.signalled: deque[Any] = deque()
        """What came by the signal, or beside it, until the pool's own thread has dealt with it."""
        self.is_busy: Callable[[], bool] = bool  # requests are on their way, as the shell knows
        self.wants_places: bool = False  # a lease is to know the line that asks for it

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
        lease.number = number = self.number + 1
        self.leases[name] = lease
        self.owners[owner][lease] = None
        if told:
            self.log.entries += told
        self.number = number  # from here on it has begun, and memory is not needed
        lease.says = name
        del names[0]
        if lease.outside:
            self.given[owner] = lease
        if told:
            self.log.wake()
        self.torn = False
        return name

    def end(self, token: Token, is_reclaimed: bool = False) -> bool:
        """End a lease, a binding or a wait; ``False``: it is over, or had not begun."""
        name, leases = token.name, self.leases
        if name not in leases or leases[name] is not token:
            return self._end_other(token)
        lease: Lease = token
        stock, mine = lease.stock, self.owners.get(lease.owner)
        told = () if self.observer is None else self.observer.ended(lease, is_reclaimed)
        self.torn = True
        names = stock.names
        names += (name,)
        if told:
            self.log.entries += told
        lease.says = OVER  # from here on it has ended, and memory is not needed
        if mine is not None and lease in mine:
            del mine[lease]
        del leases[name]
        if lease.further or lease.outside or self.orphans:
            self._end_rest(lease)
        if told:
            self.log.wake()
        self.torn = False
        if stock.waiters:
            self.signal.put(lease)  # for the pool's own thread, which serves them
        return True

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
            return self.end_binding(token)
        token.says = OVER  # what has not begun never will
        stock = self.stocks.get(token.theme)
        is_waiting = stock is not None and token in stock.waiters
        if is_waiting:
            self.signal.put(token)  # for the pool's own thread, which counts it
        return is_waiting

    def take(self, lease: Lease, name: str) -> str:
        """Check out this very name, known or not, which is not checked out; return it.

        Raises:
            LookupError: the lease ended before it began
        """
        if lease.says is None:
            stock = self.known.home(name)
            lease.theme = stock.theme
            self.torn = True
            stock.names.appendleft(name)
            if not self.known.learn(name):
                del stock.names[stock.names.index(name, 1)]
            self.torn = False
        return self.begin(lease, spare=0)  # type: ignore[no-any-return]

    # -- owners -----------------------------------------------------------------------------

    def owner_gone(self, owner: str) -> None:
        """Note that an owner has ended, and wake the pool. Any thread, finalisers too."""
        # Whether a request of its own may be on its way comes first: what that does shows then.
        if self.is_busy() or self.owners.get(owner) or self.stocks.waiting:
            self.signalled.append(OwnerEnded(owner))  # at once: lookups ask for it
            self.signal.put(None)

    def look_up(self, owner: str) -> Any:
        """Return the name of ``owner``, or ``LATER`` if it may just have ended."""
        return LATER if self.signalled else self.name_of(owner)

    def owner_ended(self, owner: str, now: float) -> None:
        """Silence an owner that has ended, but for its blocks, which end for certain.

        A lease that nobody is left to speak under, but for blocks, is an orphan.
        """
        self.torn = True
        for token in [*self.owners.get(owner, ())]:
            if not token.in_block:
                lease = token.lease
                others = [one for one in speakers(lease) if one is not token]
                if not lease.in_block and all(one.in_block for one in others):
                    self.orphans[lease] = now
                self._silence(token)
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
                others = {one: when for one, when in self.orphans.items() if one is not lease}
                self.orphans: dict[Lease, float] = {**others, lease: now}
            else:
                self.end(lease, is_reclaimed=True)
                self.counters.reclaimed_count += 1
                reclaimed.append(lease.name)
        return reclaimed

    # -- all of it --------------------------------------------------------------------------

    def admit(self, candidates: Iterable[object], theme: str | None = None) -> Admission:
        """Stock the good ones: issuable, unlike any known name and the default name."""
        self.torn = True
        admission = self.known.admit(candidates, theme)
        self.torn = False
        self.counters.invalid_count += admission.invalid
        self.counters.duplicate_count += admission.duplicate
        return admission

    def reset(self) -> None:
        """Forget every name, lease and binding. Who waits for a name still does."""
        self.torn = True
        self.epoch += 1
        for stock in self.stocks.values():
            stock.clear()
        self.counters.forgotten += len(self.leases)
        self.leases.clear()
        self.recover()  # silences all that has no lease now

    def silence_all(self) -> None:
        """Forget the signals, and be silent; in a forked child, whose pool stayed behind."""
        self.signal = SimpleQueue()
        self.signalled.clear()
        self.silence()

    def silence(self) -> None:
        """Have every token speak no more: there is no pool of this state, and will not be."""
        # A thread that was in the midst of a transition is not here: what it began may be torn.
        begun = [token for lease in self.leases.values() for token in speakers(lease)]
        for token in [*begun, *[token for mine in self.owners.values() for token in mine]]:
            token.says = OVER

    def recover(self) -> None:
        """Rebuild every index from what is true, whatever was left half done."""
        self.torn = True
        for name, lease in [*self.leases.items()]:
            if lease.says is None and bindings(lease):
                lease.says = OVER  # it had begun, with a binding
            elif lease.says is None:
                del self.leases[name]  # it had not begun: the name is still in stock
        for token in [token for mine in self.owners.values() for token in mine]:
            lease = token.lease
            is_there = token is lease or token in (lease.further or ())
            if token.says and not (is_there and self.leases.get(token.name) is lease):
                token.says = OVER  # it has ended, or its lease has
        for stock in self.stocks.values():
            stock.recover(self.leases)
        self.known.rebuild(self.leases)
        tokens: list[Token] = []
        for lease in self.leases.values():
            lease.further = dict.fromkeys(bindings(lease))
            tokens += speakers(lease)
        owners: dict[str, dict[Token, None]] = {}
        for token in sorted(tokens, key=lambda token: token.number):
            owners.setdefault(token.owner, {})[token] = None
        self.owners = owners
        for owner in {*owners, *self.given}:  # in place: others are reading it
            self._give(owner)
        for lease in [*self.orphans]:
            is_spoken = any(not token.in_block for token in speakers(lease))
            if is_spoken or self.leases.get(lease.name) is not lease:
                del self.orphans[lease]
        self.log.wake(all_of_them=True)
        self.torn: bool = False
