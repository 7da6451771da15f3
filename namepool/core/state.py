"""``PoolState``: all that a pool knows, and the transitions that change it. Pure.

THEORY OF OPERATION

*Tokens.* A caller makes a token for its request (``core.leases``), and then asks. ``begin(lease)``
grants a name. ``associate(binding)`` adds a speaker. ``end(token)`` is the only way out. It serves
every end: the end of a block, a checkin, a timeout, a cancelled task, a future that nobody read, an
exception from outside. ``end`` may be called twice, or for a token that never began. If it comes
before ``begin``, ``begin`` grants nothing. So the pool needs no proof that a grant arrived. And a
caller that gives up need not know how far the pool had come.

*The true parts, and their index.* The state has four *true parts*: the names in the ``stocks``, the
``leases`` by name, the further speakers of each lease, and the value of ``says`` in each token. All
other parts are an index, which ``recover`` rebuilds from the true parts:

- ``owners``: owner → its tokens, the latest last;
- ``given``: owner → the latest of its tokens that another party took for it;
- ``orphans``: the leases whose owners have all ended. Only blocks may still speak under the name of
  such a lease;
- ``known``: the names that are known.

The published view, ``speaking``, reads the index.

*Threads.* Only one thread at a time changes the state: the thread that has the pool's *turn*
(``actors.inbox``). That is a caller, for its own request, or the pool's own thread. A reader needs
no turn, because it reads ``says`` and the dicts by single operations of C.

*Exceptions from outside.* CPython raises such an exception only at certain points: after a call, at
the entry of a function, and at a jump back. If memory ends, the exception may come anywhere. A
transition sets ``torn`` before its first change, and clears ``torn`` after its last change. If the
next thread that has the turn finds ``torn`` set, it calls ``recover`` before anything else.

To make this possible, a transition writes a thing to its new place before it takes the thing from
its old place. So ``recover`` can decide all cases:

- A name that stands in two places is leased, or else ready.
- A lease whose ``says`` is ``None`` had not begun, and its name is still in stock.
- A token that speaks without its lease is over.

If the state has no observer, an exception from outside cannot leave ``begin`` half done. The reason
is that ``begin`` makes no call and no jump back between the line that sets ``torn`` and the line
that clears it. The same is true for ``end`` of an ordinary lease while the state has no orphans. An
ordinary lease has only one speaker: the owner that took the lease for itself.

All steps that may need memory come before one decisive line. From that line on, a token speaks, or
is over. So either all of the transition has happened, or nothing.

On a caller's thread, an exception may come before, in or after the transition. In each case the
caller ends its token, in its ``except`` or by the guard of its block. On the pool's own thread, the
only exception from outside is ``MemoryError``. Then the pool mends the state, and answers the
message with that error.

*Events.* An observer makes an event before the change that the event tells of. The transition
writes the event after it has set ``torn`` and before the decisive line, without a call in between.
So either the change happens and its event is told once and in order, or neither happens.

*Work for the pool's own thread.* If a lease finds no name to spare, the answer is ``LATER``. Then
the pool's own thread handles the request (see ``pool.operations``). It grants one of the last names
and begins a fetch, or it lets the lease wait. Other work comes without a turn: an owner ends, a
finaliser gives up a token, a chunk comes for a dead pool. Each of these is put into ``signal``,
which outlives the actors, and the pool's own thread handles it.

*Order.* ``number`` counts the moments. If an owner has two tokens, it speaks under the later one.
When the later one ends, the earlier one speaks again. An association can make an earlier token of
its owner the latest one. So the ``number`` of a lease may grow. ``Lease.token`` never changes: it
is the moment at which the lease began. So ``Lease.id`` is made of ``token``.

A name that is given back rests in its stock until ``reuse_gap`` other names of the stock were
handed out. Then it goes to the end of the queue of ready names. Each end of a lease moves one such
name, so that a checkout finds it ready; the pool's own thread moves the others.

*Restarts.* The state outlives its actor. The next incarnation calls ``recover`` and goes on. Every
lease lasts, every waiting lease still waits, and no name is given twice.

*Reset.* Every token is over, also in each copy of a context that has its link. A lease that waits
for a name still waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, NamedTuple

from namepool.actors.later import LATER
from namepool.core.judging import Judged
from namepool.core.known import Admission
from namepool.core.leases import Binding, Lease, Token, bindings, speakers
from namepool.core.links import OVER
from namepool.core.options import PoolOptions
from namepool.core.speakers import Speakers


class OwnerEnded(NamedTuple):
    """The signal that an owner has ended."""

    owner: str


class Withdrawn(NamedTuple):
    """The signal that the pool must not hand out a name any more."""

    name: str


class LateChunk(NamedTuple):
    """The signal that names came for a dead pool.

    ``epoch`` is the epoch in which the pool asked for them.
    """

    judged: Judged
    epoch: int
    theme: str | None = None


class PoolState(Speakers):
    """The state of a pool: all that the pool knows. It outlives the pool's actor.

    ``NamePool.start(state=state)`` starts a pool that goes on with ``state``. Only one thread at a
    time may call its methods. Any thread may read ``speaking``.

    Examples:
        >>> state = namepool.PoolState()
        >>> ref = namepool.NamePool.start(source=namepool.NumberedNames(), state=state)
        >>> ref.ask(namepool.CheckoutName(owner="planner-7"))
        'NPC #1'
        >>> dict(state.speaking)
        {'planner-7': 'NPC #1'}
    """

    def __init__(self) -> None:
        super().__init__()
        self.options: PoolOptions = PoolOptions()
        self.epoch: int = 0  # counts the resets: a chunk asked for before one is unwanted
        self.signal: Any = SimpleQueue()
        self.signalled: deque[Any] = deque()
        """The signals that the pool's own thread has not handled yet, by the queue or beside it."""
        self.is_busy: Callable[[], bool] = bool  # tells whether requests are on their way
        self.wants_places: bool = False  # each lease notes the line of its caller

    # -- leases -----------------------------------------------------------------------------

    def begin(self, lease: Lease, spare: int | None = None) -> Any:
        """Grant the oldest name of the lease's theme and return it, or return ``LATER``.

        With ``spare``, the answer is ``LATER`` if the number of ready names is at most ``spare``.
        Without ``spare``, the answer is ``LATER`` if a fetch becomes due, or if another lease
        waits. If the answer is ``LATER``, nothing has changed. If the lease began before this call,
        the answer is its name, and nothing changes either.

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
        name, owner, handed = names[0], lease.owner, stock.handed + lease.draws
        lease.token = number = self.number + 1  # here, because an event has the id of the lease
        if owner not in self.owners:
            self._meet(owner)
        told = () if self.observer is None else self.observer.began(lease, name, owner)
        self.torn = True
        lease.name, lease.stock, lease.number = name, stock, number
        stock.asked = number
        self.leases[name] = lease
        self.owners[owner][lease] = None
        if told:
            self.log.entries += told
        self.number = number  # from here on the lease has begun, and nothing needs memory
        lease.says = name
        del names[0]
        stock.handed = handed
        if lease.outside:
            self.given[owner] = lease
        if told:
            self.log.wake()
        self.torn = False
        return name

    def end(self, token: Token, is_reclaimed: bool = False) -> bool:
        """End a lease, a binding or a wait; return ``False`` if it is over, or had not begun."""
        name, leases = token.name, self.leases
        if name not in leases or leases[name] is not token:
            return self._end_other(token)
        lease: Lease = token
        stock, mine = lease.stock, self.owners.get(lease.owner)
        rests, gap = (name, stock.handed), self.options.reuse_gap
        told = () if self.observer is None else self.observer.ended(lease, is_reclaimed)
        self.torn = True
        resting, names = stock.resting, stock.names
        resting += (rests,)
        next_name, since = resting[0]
        if stock.handed - since >= gap:
            names += (next_name,)
        if told:
            self.log.entries += told
        lease.says = OVER  # from here on the lease has ended, and nothing needs memory
        if mine is not None and lease in mine:
            del mine[lease]
        del leases[name]
        if stock.handed - since >= gap:
            del resting[0]
        if lease.further or lease.outside or self.orphans:
            self._end_rest(lease)
        if told:
            self.log.wake()
        self.torn = False
        if stock.waiters:
            self.signal.put(lease)  # the pool's own thread serves them
        return True

    def _end_rest(self, lease: Lease) -> None:
        """End the parts that most leases do not have."""
        for binding in [*(lease.further or ())]:
            self._silence(binding, quietly=True)
        self.orphans.pop(lease, None)
        if lease.outside:
            self._give(lease.owner)

    def _end_other(self, token: Token) -> bool:
        """End a token that is no lease, or a lease that is not there (not yet, or no more)."""
        if isinstance(token, Binding):
            return self.end_binding(token)
        token.says = OVER  # the lease has not begun, and never will
        stock = self.stocks.get(token.theme)
        is_waiting = stock is not None and token in stock.waiters
        if is_waiting:
            self.signal.put(token)  # the pool's own thread counts it
        return is_waiting

    def take(self, lease: Lease, name: str) -> str:
        """Check out one particular name, known or not, and return it; it must not be checked out.

        Raises:
            LookupError: the lease ended before it began
        """
        if lease.says is None:
            stock = self.known.home(name)
            lease.theme = stock.theme
            self.torn = True
            stock.names.appendleft(name)
            if not self.known.learn(name):
                stock.take_out(name, start=1)
            self.torn = False
        return self.begin(lease, spare=0)  # type: ignore[no-any-return]

    # -- owners -----------------------------------------------------------------------------

    def owner_gone(self, owner: str) -> None:
        """Note that an owner has ended, and wake the pool, from any thread or finaliser."""
        # ``is_busy`` comes first. If no request is on its way, the effects of all earlier requests
        # show in the other two.
        if self.is_busy() or self.owners.get(owner) or self.stocks.waiting:
            self.signalled.append(OwnerEnded(owner))  # first, because lookups read it
            self.signal.put(None)

    def look_up(self, owner: str) -> Any:
        """Return the name of ``owner``, or ``LATER`` if the owner may just have ended."""
        return LATER if self.signalled else self.name_of(owner)

    def owner_ended(self, owner: str, now: float) -> None:
        """Silence the tokens of an owner that has ended, except the tokens of its ``with`` blocks.

        The guard of such a block ends the token of the block in any case. A lease becomes an orphan
        if no speaker is left, or if only blocks speak under its name.
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
        """End the leases that became orphans at ``before`` or earlier; return their names.

        If a block still speaks under the name of a lease, the pool looks at the lease again later.
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

    def admit(self, judged: Judged, theme: str | None = None) -> Admission:
        """Stock the new names and count the other candidates: see ``KnownNames.admit``."""
        self.torn = True
        admission = self.known.admit(judged, theme)
        self.torn = False
        self.counters.invalid_count += admission.invalid
        self.counters.duplicate_count += admission.duplicate
        return admission

    def reset(self) -> None:
        """Forget every name, lease and binding. A lease that waits for a name still waits."""
        self.torn = True
        self.epoch += 1
        for stock in self.stocks.values():
            stock.clear()
        self.counters.forgotten += len(self.leases)
        self.leases.clear()
        self.recover()  # silences every token, because no lease is left

    def silence_all(self) -> None:
        """Forget the signals and silence every token, in a forked child that has no pool."""
        self.signal = SimpleQueue()
        self.signalled.clear()
        self.silence()

    def recover(self) -> None:
        """Rebuild every index from the true parts, after a transition that may be half done."""
        self.torn = True
        for name, lease in [*self.leases.items()]:
            if lease.says is None and bindings(lease):
                lease.says = OVER  # the lease had begun, with a binding
            elif lease.says is None:
                del self.leases[name]  # the lease had not begun: the name is still in stock
        for token in [token for mine in self.owners.values() for token in mine]:
            lease = token.lease
            is_there = token is lease or token in (lease.further or ())
            if token.says and not (is_there and self.leases.get(token.name) is lease):
                token.says = OVER  # the token has ended, or its lease has
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
        for owner in {*owners, *self.given}:  # in place, because others read it
            self._give(owner)
        for lease in [*self.orphans]:
            is_spoken = any(not token.in_block for token in speakers(lease))
            if is_spoken or self.leases.get(lease.name) is not lease:
                del self.orphans[lease]
        self.log.wake(all_of_them=True)
        self.torn: bool = False
