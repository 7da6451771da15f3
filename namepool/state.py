"""``PoolState``: what is available, leased, spoken under and waited for. Pure.

No thread, clock, log or I/O: time is an argument, and each method is one transition. The truth is
one dict (``leases``) and one queue (``available``), and a transition adds to one before it takes
from the other, so that a crash between two lines loses no name; everything else is an index that
``recover`` rebuilds. ``changing`` says that a transition began and did not end: ``mend`` then. The
object outlives the actor that owns it.

What every request runs makes its changes without a call: CPython raises what comes from outside a
thread after calls only, so those cannot be cut short at all.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeAlias, cast, overload

from namepool.guard import why_unissuable
from namepool.names import is_default_name, name_key, plain


class Lease(NamedTuple):
    """That a name is checked out: the token tells this checkout from a later one of the name."""

    name: str
    token: int


class Waiter(NamedTuple):
    """A parked checkout. ``reply`` is the shell's business."""

    ticket: int
    owner: str
    deadline: float | None
    reply: Any
    ended: bool = False
    """Its owner has ended; somebody else may still read the reply."""


class Departed(NamedTuple):
    """An owner has ended."""

    owner: str


class Chunk(NamedTuple):
    """Candidates from a source, unchecked, and the epoch they were asked for in."""

    names: tuple[object, ...]
    epoch: int


class Speaking(NamedTuple):
    """A scope: an owner speaks under a name, and spoke under another ``before``."""

    owner: str
    name: str
    before: str | None
    scope: int


class Withdrawal(NamedTuple):
    """Who waits under this ticket does not wait any more."""

    ticket: int


class Journal(Protocol):
    """Who is told of a grant before it is made."""

    undelivered: Any


class _NoJournal:
    undelivered: Any = None


class Admission(NamedTuple):
    """What became of a chunk of candidates."""

    accepted: int
    invalid: int
    duplicate: int


class Tally:
    """What is counted over the life of a pool, restarts included."""

    def __init__(self) -> None:
        self.starts = 0
        self.fetches = 0
        self.failures = 0
        self.invalid = 0
        self.duplicates = 0
        self.reclaimed = 0
        self.last_error: str | None = None
        self.last_source: str | None = None


@dataclass(frozen=True)
class PoolStats:
    """A pool at one moment. Counts of events are over its whole life, restarts included."""

    available_count: int
    """Names ready to be checked out."""
    checked_out_count: int
    """Names under a lease."""
    all_used_count: int
    """Names known: available or checked out."""
    chunk_size: int
    """Names asked for at a time, while demand is low."""
    waiting_count: int
    """Checkouts parked until a name comes."""
    fetching_count: int
    """Fetches under way."""
    fetch_count: int
    """Fetches begun."""
    fetch_failure_count: int
    """Fetches that brought no new name: failed, overdue, or nothing usable in them."""
    invalid_count: int
    """Candidates dropped because they may not be names."""
    duplicate_count: int
    """Candidates dropped because they read like a name the pool knows."""
    reclaimed_count: int
    """Names taken back from owners that ended without giving them back."""
    restart_count: int
    """Times the pool was restarted."""
    last_error: str | None
    """What the last failed fetch died of, on one line; ``None`` after a good one."""
    last_source: str | None
    """Where the last chunk came from."""


Held: TypeAlias = tuple[int, dict[str, int]]
"""A lease: its token, and its speakers, each with the number of the moment it began to speak."""


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


class PoolState:
    """See the module. One thread at a time may call it; ``speaking`` may be read by any."""

    def __init__(self) -> None:
        self.leases: dict[str, Held] = {}
        self.available: deque[str] = deque()
        self.waiters: OrderedDict[int, Waiter] = OrderedDict()
        self.orphans: OrderedDict[str, float] = OrderedDict()  # name → since when
        self.outside: deque[Lease | Held | Speaking | Departed | Chunk | Withdrawal] = deque()
        """What happened outside the actor's turn, until ``settle`` takes it in."""
        self.mail: Any = None
        """What wakes the actor when a grant comes home; the shell's business, kept for the next."""
        self.changing = False
        """A transition is under way, or was cut short."""
        self.tally = Tally()
        self.epoch = 0
        """Counts resets: what was fetched before the last one is not wanted."""
        # (owner, name) → their scopes, each with whether it, or one before it, bound the two
        self._scopes: dict[tuple[str, str], dict[int, bool]] = {}
        self._known: dict[str, str] = {}  # name_key → the name as it was first spelled
        self._log: list[str] = []
        self._speaking: dict[str, str] = {}  # owner → its latest name
        self._several: dict[str, dict[str, None]] = {}  # owner of several → all, the latest last
        self._moment = 0
        self.speaking: Mapping[str, str] = MappingProxyType(self._speaking)
        """Owner → the name it speaks under; read-only, always current, readable by any thread."""

    # -- leases -----------------------------------------------------------------------------

    def checkout(self, owner: str, journal: Journal = _NoJournal()) -> str | None:  # noqa: B008
        """Lease the oldest available name to ``owner``; ``None`` if there is none.

        ``journal.undelivered`` is what is being leased, from before it is: ``take_back`` it if the
        owner never hears of it.
        """
        available = self.available
        if not available:
            return None
        self.changing = True
        name = available[0]
        self._moment = token = self._moment + 1
        journal.undelivered = self.leases[name] = (token, {owner: token})
        del available[0]
        if owner in self._speaking:
            self._bind(owner, name)
        else:
            self._speaking[owner] = name
        self.changing = False
        return name

    def checkin(self, name: str) -> bool:
        """End the lease of ``name``; it goes to the back of the queue. ``False``: no such lease."""
        held = self.leases.get(name)
        if held is None:
            return False
        self.changing = True
        available = self.available
        available += (name,)
        del self.leases[name]
        if self.orphans:
            self.orphans.pop(name, None)
        for speaker in held[1]:
            if speaker in self._several:
                self._unbind(speaker, name)
            else:
                del self._speaking[speaker]
        self.changing = False
        return True

    def take_back(self, held: Held) -> None:
        """End this very lease if it still lasts, however its owner is doing."""
        names = {name: None for owner in held[1] for name in self.names_of(owner)}
        for name in (*names, *self.orphans):
            if self.leases.get(name) is held:
                self.checkin(name)
                return

    def lease_of(self, name: str) -> Lease:
        """Return the present lease of a name that is checked out."""
        return Lease(name, self.leases[name][0])

    def is_current(self, lease: Lease) -> bool:
        """Tell whether this very checkout still lasts, rather than a later one of its name."""
        held = self.leases.get(lease.name)
        return held is not None and held[0] == lease.token

    def canonical(self, name: str) -> str:
        """Return the known name that reads like ``name``, or ``name`` itself."""
        return name if name in self.leases else self._known.get(name_key(name), name)

    # -- bindings ---------------------------------------------------------------------------

    def associate(self, owner: str, name: str, *, exclusive: bool = False) -> str:
        """Let ``owner`` speak under ``name``, known or not, leased or not; return its spelling."""
        name = self.canonical(name)
        self.changing = True
        self._moment += 1
        held = self.leases.get(name)
        if held is None:
            held = self.leases[name] = (self._moment, {})
            if self._learn(name) is None:
                self.available.remove(name)
        self.orphans.pop(name, None)
        if exclusive:
            for speaker in [s for s in held[1] if s != owner]:
                self._silence(speaker, name)
        held[1][owner] = self._moment
        self._bind(owner, name)
        self.changing = False
        return name

    def dissociate(self, owner: str, name: str | None = None) -> bool:
        """Stop ``owner`` speaking under ``name`` (the latest if ``None``); the lease stays."""
        name = self._speaking.get(owner) if name is None else self.canonical(name)
        if name is None or owner not in self.speakers_of(name):
            return False
        self._silence(owner, name)
        return True

    def begin_scope(
        self,
        owner: str,
        name: str,
        *,
        exclusive: bool = False,
        journal: Journal = _NoJournal(),  # noqa: B008
    ) -> Speaking:
        """Like ``associate``, until ``end_scope``; a binding from before the scope stays."""
        name = self.canonical(name)
        self._moment = scope = self._moment + 1
        speaking = Speaking(owner, name, self._speaking.get(owner), scope)
        journal.undelivered = speaking
        scopes = self._scopes.setdefault((owner, name), {})
        scopes[scope] = owner not in self.speakers_of(name) or any(scopes.values())
        self.associate(owner, name, exclusive=exclusive)
        return speaking

    def end_scope(self, speaking: Speaking) -> None:
        """End a scope, once; the owner speaks under the name from before again if it still may."""
        owner, name, before, scope = speaking
        scopes = self._scopes.get((owner, name), {})
        if scope not in scopes:
            return
        binds = scopes.pop(scope)
        if not scopes:
            del self._scopes[owner, name]
        if binds and not any(scopes.values()):
            self.dissociate(owner, name)
        if before is not None and owner in self.speakers_of(before):
            self.changing = True
            self._bind(owner, before)
            self.changing = False

    def speakers_of(self, name: str) -> Collection[str]:
        """Return the owners that speak under ``name``; none if it is not checked out."""
        held = self.leases.get(name)
        return () if held is None else held[1].keys()

    def names_of(self, owner: str) -> tuple[str, ...]:
        """Return the names that ``owner`` is bound to, the latest last."""
        latest = self._speaking.get(owner)
        if latest is None:
            return ()
        return tuple(self._several.get(owner, (latest,)))

    # -- what happens outside the actor's turn ---------------------------------------------

    def owner_gone(self, owner: str) -> None:
        """Note that an owner has ended. Any thread, any moment, finalisers too: one append."""
        if owner in self._speaking or self.waiters:
            self.outside.append(Departed(owner))

    def settle(self, now: float) -> None:
        """Take in what happened outside: owners that ended, leases given back, late chunks."""
        while self.outside:
            event = self.outside.popleft()
            if isinstance(event, Departed):
                self._bury(event.owner, now)
            elif isinstance(event, Withdrawal):
                self.withdraw(event.ticket)
            elif isinstance(event, Chunk):
                if event.epoch == self.epoch:
                    self.admit(event.names)
            elif isinstance(event, Speaking):
                self.end_scope(event)
            elif isinstance(event, Lease):
                if self.is_current(event):
                    self.checkin(event.name)
            else:
                self.take_back(event)

    def _bury(self, owner: str, now: float) -> None:
        """Unbind who has ended; a lease that nobody is left to speak under is an orphan."""
        for name in self.names_of(owner):
            self._silence(owner, name)
            if not self.speakers_of(name):
                self.orphans[name] = now
        for waiter in self.waiters.values():
            if waiter.owner == owner:  # its key stays, so this may be done on the way
                self.waiters[waiter.ticket] = waiter._replace(ended=True)

    def reclaim(self, before: float) -> list[str]:
        """Check in what was orphaned ``before`` that moment and found no speaker since."""
        reclaimed = []
        for name, since in self.orphans.items():
            if since > before:
                break
            reclaimed.append(name)
        for name in reclaimed:
            self.checkin(name)
        self.tally.reclaimed += len(reclaimed)
        return reclaimed

    # -- waiters ----------------------------------------------------------------------------

    def park(self, owner: str, deadline: float | None, reply: Any) -> int:
        """Queue a checkout behind those that wait already; return its ticket."""
        self._moment = ticket = self._moment + 1
        self.waiters[ticket] = Waiter(ticket, owner, deadline, reply)
        return ticket

    def grant(self, waiter: Waiter, now: float) -> str:
        """Lease an available name to a waiter; to one whose owner has ended, as an orphan."""
        name = self.checkout(waiter.owner)
        if name is None:
            raise LookupError("a grant needs an available name")
        if waiter.ended:
            self._bury(waiter.owner, now)
        return name

    def withdraw(self, ticket: int) -> Waiter | None:
        """Take a waiter out of the queue; ``None`` if it is not in it any more."""
        return self.waiters.pop(ticket, None)

    def take_waiters(self) -> list[Waiter]:
        """Empty the queue of waiters and return them, first come first."""
        taken = list(self.waiters.values())
        self.waiters.clear()
        return taken

    # -- names ------------------------------------------------------------------------------

    def admit(self, candidates: Iterable[object]) -> Admission:
        """Make the good ones available: issuable, unlike any known name and the default name."""
        accepted = invalid = duplicate = 0
        for candidate in candidates:
            if why_unissuable(candidate) is not None:
                invalid += 1
                continue
            name = cast("str", plain(candidate))
            if is_default_name(name) or self._learn(name) is None:
                duplicate += 1
            else:
                self.available.append(name)
                accepted += 1
        self.tally.invalid += invalid
        self.tally.duplicates += duplicate
        return Admission(accepted, invalid, duplicate)

    def used(self) -> UsedNames:
        """Return every name known now, oldest first; costs the same for ten or a million."""
        return UsedNames(self._log)

    @property
    def known_count(self) -> int:
        return len(self._known)

    def reset(self) -> None:
        """Forget every name, lease and binding. Who waits for a name still does."""
        self.epoch += 1
        self.available.clear()
        self.leases.clear()
        self._scopes.clear()
        self.recover()

    def mend(self) -> None:
        """Put right what a transition that was cut short left half done."""
        if self.changing:
            self.recover()

    def recover(self) -> None:
        """Rebuild every index from the truth, whatever a crash left half done."""
        self.orphans = OrderedDict((n, t) for n, t in self.orphans.items() if n in self.leases)
        self.available = deque(n for n in dict.fromkeys(self.available) if n not in self.leases)
        missing = set(self.leases).union(self.available)
        names = [n for n in self._log if n in missing]
        names += sorted(missing.difference(names))
        self._log = names
        self._known = {name_key(name): name for name in names}
        begun = [(at, o, n) for n, held in self.leases.items() for o, at in held[1].items()]
        bound: dict[str, dict[str, None]] = {}
        for _, owner, name in sorted(begun):
            bound.setdefault(owner, {})[name] = None
        self._several = {owner: names for owner, names in bound.items() if len(names) > 1}
        # In place and never empty in between: other threads are reading it.
        self._speaking.update({owner: next(reversed(names)) for owner, names in bound.items()})
        for owner in [o for o in self._speaking if o not in bound]:
            del self._speaking[owner]
        self.changing = False

    # -- the indexes ------------------------------------------------------------------------

    def _learn(self, name: str) -> str | None:
        """Record a name as known; ``None`` if one that reads alike is known already."""
        key = name_key(name)
        if key in self._known:
            return None
        self._known[key] = name
        self._log.append(name)
        return name

    def _bind(self, owner: str, name: str) -> None:
        latest = self._speaking.get(owner)
        if latest is not None and latest != name:
            names = self._several.setdefault(owner, {latest: None})
            names.pop(name, None)
            names[name] = None
        self._speaking[owner] = name

    def _silence(self, owner: str, name: str) -> None:
        before, self.changing = self.changing, True
        del self.leases[name][1][owner]
        self._unbind(owner, name)
        self.changing = before

    def _unbind(self, owner: str, name: str) -> None:
        names = self._several.get(owner)
        if names is None:
            del self._speaking[owner]
            return
        if name == self._speaking[owner]:
            names.popitem()  # unlike del, this keeps the next look at the end short
            self._speaking[owner] = next(reversed(names))
        else:
            del names[name]
        if len(names) == 1:
            del self._several[owner]
