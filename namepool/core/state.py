"""``PoolState``: leases, bindings and waiters, and each transition over the three. Pure.

The truth is one dict and one queue (``leases``), and a transition adds to one before it takes from
the other, so that a crash between two lines loses no name; everything else is an index that
``recover`` rebuilds. ``in_transition`` says that one began and did not end: ``mend`` then. The
object outlives the actor that owns it.

What every request runs makes its changes without a call: CPython raises what comes from outside a
thread after calls only, so those cannot be cut short at all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

from namepool.core.bindings import Bindings, Speaking
from namepool.core.events import LateChunk, OwnerEnded, Withdrawal
from namepool.core.leases import Lease, LeaseRecord, Leases, UsedNames
from namepool.core.names import is_default_name, plain, why_invalid
from namepool.core.refill import Learnt
from namepool.core.stats import Counters, PoolStats
from namepool.core.waiters import Waiter, Waiters

Event: TypeAlias = OwnerEnded | LateChunk | Withdrawal | Lease | LeaseRecord | Speaking


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


class PoolState:
    """See the module. One thread at a time may call it; ``speaking`` may be read by any."""

    def __init__(self) -> None:
        self._leases = Leases()
        self._bindings = Bindings()
        # The same objects for life, so that the hot transitions need no second step to them.
        self.leases = self._leases.checked_out
        self.available = self._leases.available
        self._latest = self._bindings.latest
        self._several = self._bindings.several
        self.waiters = Waiters()
        self.events: deque[Event] = deque()
        """What happened outside the actor's turn, until ``apply_events``."""
        self.signal: Any = None
        """What wakes the actor when a grant comes home; the shell's business, kept for the next."""
        self.in_transition = False
        """A transition is under way, or was cut short."""
        self.counters = Counters()
        self.learnt = Learnt()
        """What the refill has learnt, kept for the next incarnation."""
        self._stocked = 0
        self.epoch = 0
        """Counts resets: what was fetched before the last one is not wanted."""
        self._moment = 0
        self.speaking: Mapping[str, str] = self._bindings.view
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
        self.in_transition = True
        name = available[0]
        self._moment = token = self._moment + 1
        journal.undelivered = self.leases[name] = (token, {owner: token})
        del available[0]
        if owner in self._latest:
            self._bindings.bind(owner, name)
        else:
            self._latest[owner] = name
        self.in_transition = False
        return name

    def checkin(self, name: str) -> bool:
        """End the lease of ``name``; it goes to the back of the queue. ``False``: no such lease."""
        record = self.leases.get(name)
        if record is not None:
            self.end_lease(name, record)
        return record is not None

    def end_lease(self, name: str, record: LeaseRecord) -> None:
        """End the present lease of ``name``, which is ``record``."""
        self.in_transition = True
        available = self.available
        available += (name,)
        del self.leases[name]
        if self._leases.orphans:
            self._leases.orphans.pop(name, None)
        for speaker in record[1]:
            if speaker in self._several:
                self._bindings.unbind(speaker, name)
            else:
                del self._latest[speaker]
        self.in_transition = False

    def take_back(self, record: LeaseRecord) -> None:
        """End this very lease if it still lasts, however its owner is doing."""
        names = {name: None for owner in record[1] for name in self.names_of(owner)}
        for name in (*names, *self._leases.orphans):
            if self.leases.get(name) is record:
                self.end_lease(name, record)
                return

    def reclaim(self, before: float) -> list[str]:
        """Check in what was orphaned ``before`` that moment and found no speaker since."""
        reclaimed = self._leases.orphaned_before(before)
        for name in reclaimed:
            self.checkin(name)
        self.counters.reclaimed += len(reclaimed)
        return reclaimed

    def lease_of(self, name: str) -> Lease:
        """Return the present lease of a name that is checked out."""
        return self._leases.lease_of(name)

    def is_current(self, lease: Lease) -> bool:
        """Tell whether this very checkout still lasts, rather than a later one of its name."""
        return self._leases.is_current(lease)

    def canonical(self, name: str) -> str:
        """Return the known name that reads like ``name``, or ``name`` itself."""
        return self._leases.canonical(name)

    # -- bindings ---------------------------------------------------------------------------

    def associate(self, owner: str, name: str, *, exclusive: bool = False) -> str:
        """Let ``owner`` speak under ``name``, known or not, leased or not; return its spelling."""
        name = self.canonical(name)
        self.in_transition = True
        self._moment += 1
        record = self.leases.get(name)
        if record is None:
            record = self.leases[name] = (self._moment, {})
            if not self._leases.learn(name):
                self.available.remove(name)
        self._leases.orphans.pop(name, None)
        if exclusive:
            for speaker in [s for s in record[1] if s != owner]:
                self._end_binding(speaker, name)
        record[1][owner] = self._moment
        self._bindings.bind(owner, name)
        self.in_transition = False
        return name

    def dissociate(self, owner: str, name: str | None = None) -> bool:
        """Stop ``owner`` speaking under ``name`` (the latest if ``None``); the lease stays."""
        name = self._latest.get(owner) if name is None else self.canonical(name)
        if name is None or owner not in self.speakers_of(name):
            return False
        self._end_binding(owner, name)
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
        speaking = Speaking(owner, name, self._latest.get(owner), scope)
        journal.undelivered = speaking
        self._bindings.begin_scope(speaking, is_bound=owner in self.speakers_of(name))
        self.associate(owner, name, exclusive=exclusive)
        return speaking

    def end_scope(self, speaking: Speaking) -> None:
        """End a scope, once; the owner speaks under the name from before again if it still may."""
        owner, name, before, _ = speaking
        binding_ends = self._bindings.end_scope(speaking)
        if binding_ends is None:
            return
        if binding_ends:
            self.dissociate(owner, name)
        if before is not None and owner in self.speakers_of(before):
            self.in_transition = True
            self._bindings.bind(owner, before)
            self.in_transition = False

    def speakers_of(self, name: str) -> Collection[str]:
        """Return the owners that speak under ``name``; none if it is not checked out."""
        return self._leases.speakers_of(name)

    def names_of(self, owner: str) -> tuple[str, ...]:
        """Return the names that ``owner`` is bound to, the latest last."""
        return self._bindings.names_of(owner)

    def _end_binding(self, owner: str, name: str) -> None:
        before, self.in_transition = self.in_transition, True
        del self.leases[name][1][owner]
        self._bindings.unbind(owner, name)
        self.in_transition = before

    # -- what happens outside the actor's turn ----------------------------------------------

    def owner_gone(self, owner: str) -> None:
        """Note that an owner has ended. Any thread, any moment, finalisers too: one append."""
        if owner in self._latest or self.waiters:
            self.events.append(OwnerEnded(owner))

    def apply_events(self, now: float) -> None:
        """Apply what happened outside: owners that ended, grants that came home, late chunks."""
        while self.events:
            event = self.events.popleft()
            if isinstance(event, OwnerEnded):
                self._end_owner(event.owner, now)
            elif isinstance(event, Withdrawal):
                self.waiters.withdraw(event.ticket)
            elif isinstance(event, LateChunk):
                if event.epoch == self.epoch:
                    self.admit(event.names)
            elif isinstance(event, Speaking):
                self.end_scope(event)
            elif isinstance(event, Lease):
                if self.is_current(event):
                    self.checkin(event.name)
            else:
                self.take_back(event)

    def _end_owner(self, owner: str, now: float) -> None:
        """Unbind who has ended; a lease that nobody is left to speak under is an orphan."""
        for name in self.names_of(owner):
            self._end_binding(owner, name)
            if not self.speakers_of(name):
                self._leases.orphans[name] = now
        self.waiters.owner_ended(owner)

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
        if waiter.has_ended:
            self._end_owner(waiter.owner, now)
        return name

    # -- names ------------------------------------------------------------------------------

    def admit(self, candidates: Iterable[object]) -> Admission:
        """Make the good ones available: valid, unlike any known name and the default name."""
        accepted = invalid = duplicate = 0
        for candidate in candidates:
            if why_invalid(candidate) is not None:
                invalid += 1
                continue
            name = cast("str", plain(candidate))
            if is_default_name(name) or not self._leases.learn(name):
                duplicate += 1
            else:
                self.available.append(name)
                accepted += 1
        self._stocked += accepted
        self.counters.invalid += invalid
        self.counters.duplicates += duplicate
        return Admission(accepted, invalid, duplicate)

    def used(self) -> UsedNames:
        """Return every name known now, oldest first; costs the same for ten or a million."""
        return self._leases.used()

    @property
    def known_count(self) -> int:
        """How many names are known: available or checked out."""
        return self._leases.known_count

    @property
    def drawn(self) -> int:
        """How many more names were asked for than given back; found from what is there anyway."""
        return self._stocked - len(self.available) + len(self.waiters)

    def stats(self, chunk_size: int, *, fetching: int, low_water_mark: int) -> PoolStats:
        """Return the counts at this moment."""
        counters, learnt = self.counters, self.learnt
        return PoolStats(
            available_count=len(self.available),
            checked_out_count=len(self.leases),
            all_used_count=self.known_count,
            chunk_size=chunk_size,
            waiting_count=len(self.waiters),
            fetching_count=fetching,
            fetch_count=counters.fetches,
            fetch_failure_count=counters.failures,
            invalid_count=counters.invalid,
            duplicate_count=counters.duplicates,
            reclaimed_count=counters.reclaimed,
            restart_count=max(counters.starts - 1, 0),
            demand_per_second=max(learnt.demand, 0.0),
            fetch_seconds=learnt.seconds,
            low_water_mark=low_water_mark,
            waited_count=counters.waited,
            longest_wait=counters.longest_wait,
            last_error=counters.last_error,
            last_source=counters.last_source,
        )

    def reset(self) -> None:
        """Forget every name, lease and binding. Who waits for a name still does."""
        self.epoch += 1
        self._stocked -= len(self.available)
        self._leases.clear()
        self._bindings.clear_scopes()
        self.recover()

    def mend(self) -> None:
        """Put right what a transition that was cut short left half done."""
        if self.in_transition:
            self.recover()

    def recover(self) -> None:
        """Rebuild every index from the truth, whatever a crash left half done."""
        self.in_transition = True
        self._leases.recover()
        self._bindings.rebuild(self.leases)
        self.in_transition = False
