"""``PoolState``: leases, bindings, waiters and the transitions over them; outlives its actor. Pure.

The truth is one dict (``leases``), a queue for each theme, and of which theme a name is; a
transition adds to one before it takes from the other, so that a crash between two lines loses no
name; all else is an index that ``recover`` rebuilds. ``in_transition``: one has not ended yet.

The code that every request runs changes the state without calling a function: CPython raises what
comes from outside a thread after calls only, so it cannot be cut short at all.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeAlias

from namepool.core.bindings import Bindings, Speaking
from namepool.core.events import NO_JOURNAL, Journal, LateChunk, OwnerEnded, Withdrawal
from namepool.core.leases import Admission, Lease, LeaseRecord, Leases, UsedNames
from namepool.core.log import EventLog
from namepool.core.stats import Counters
from namepool.core.stock import Stock, Stocks
from namepool.core.waiters import Waiter, Waiters

Event: TypeAlias = OwnerEnded | LateChunk | Withdrawal | Lease | LeaseRecord | Speaking


class PoolState:
    """All that a pool knows. One thread at a time may call it; ``speaking`` may be read by any."""

    signal: Any = None
    """Wakes the actor when something happened outside; the shell's, kept for the next one."""
    epoch: int = 0  # counts resets: what was fetched before the last one is not wanted

    def __init__(self) -> None:
        self._leases, self._bindings = leases, bindings = Leases(), Bindings()
        self.lease_of: Callable[[str], Lease] = leases.lease_of
        self.is_current: Callable[[Lease], bool] = leases.is_current
        self.forget: Callable[[str], bool] = leases.forget
        self.canonical: Callable[[str], str] = leases.canonical
        self.knows: Callable[[str], bool] = leases.knows
        self.used: Callable[[], UsedNames] = leases.used
        self.speakers_of: Callable[[str], Collection[str]] = leases.speakers_of
        self.names_of: Callable[[str], tuple[str, ...]] = bindings.names_of
        # The same objects for life: the hot transitions need no second step to them.
        self.leases: dict[str, LeaseRecord] = leases.checked_out
        self.stocks: Stocks = leases.stocks
        self.available: deque[str] = leases.available
        self.homes: dict[str, Stock] = leases.homes
        self._latest, self._several = bindings.latest, bindings.several
        self.orphans: OrderedDict[str, float] = leases.orphans
        self.waiters: Waiters = self.stocks[None].waiters
        self.log: EventLog = EventLog()  # what subscribers are told
        self.events: deque[Event] = deque()  # outside the actor's turn, until ``apply_events``
        self.leaving: deque[str] = deque()  # owners that ended; what is on its way may be theirs
        self.is_busy: Callable[[], bool] = bool  # requests are on their way, as the shell knows
        self.in_transition: bool = False  # one is under way, or was cut short
        self.counters: Counters = Counters()
        self._moment = 0
        self.speaking: Mapping[str, str] = bindings.view
        """Owner → the name it speaks under; read-only, always current, readable by any thread."""

    def checkout(
        self, owner: str, journal: Journal = NO_JOURNAL, theme: str | None = None
    ) -> str | None:
        """Lease the oldest available name of ``theme`` to ``owner``; ``None`` if there is none.

        ``journal.undelivered`` is set to the lease first: if the owner never receives the name, it
        is put into ``events`` and taken back.
        """
        available = self.available
        if theme is not None:
            available = self.stocks[theme].names
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
        """End the lease of ``name``; it goes to the back of its queue. ``False``: no such lease."""
        record = self.leases.get(name)
        if record is not None:
            self.end_lease(name, record)
        return record is not None

    def end_lease(self, name: str, record: LeaseRecord) -> None:
        """End the present lease of ``name``, which is ``record``."""
        self.in_transition = True
        available = self.available
        if name in self.homes:
            available = self.homes[name].names
        available += (name,)
        del self.leases[name]
        if self.orphans:
            self.orphans.pop(name, None)
        for speaker in record[1]:
            if speaker in self._several:
                self._bindings.unbind(speaker, name)
            else:
                del self._latest[speaker]
        self.in_transition = False

    def reclaim(self, before: float) -> list[str]:
        """Check in what was orphaned ``before`` that moment and found no speaker since."""
        reclaimed = self._leases.orphaned_before(before)
        for name in reclaimed:
            self.checkin(name)
        self.counters.reclaimed += len(reclaimed)
        return reclaimed

    # -- bindings ---------------------------------------------------------------------------

    def associate(self, owner: str, name: str, *, exclusive: bool = False) -> str:
        """Let ``owner`` speak under ``name``, known or not, leased or not; return its spelling."""
        name = self.canonical(name)
        self.in_transition = True
        begun = self.new_ticket()
        record = self.leases.get(name)
        if record is None:
            record = self.leases[name] = (begun, {})
            self.counters.adopted += 1
            if not self._leases.learn(name):
                self._leases.take(name)
        self.orphans.pop(name, None)
        if exclusive:
            for speaker in [s for s in record[1] if s != owner]:
                self.end_binding(speaker, name)
        record[1][owner] = begun
        self._bindings.bind(owner, name)
        self.in_transition = False
        return name

    def dissociate(self, owner: str, name: str | None = None) -> bool:
        """Stop ``owner`` speaking under ``name`` (the latest if ``None``); the lease stays."""
        name = self._latest.get(owner) if name is None else self.canonical(name)
        if name is None or owner not in self.speakers_of(name):
            return False
        self.end_binding(owner, name)
        return True

    def begin_scope(
        self, owner: str, name: str, *, exclusive: bool = False, journal: Journal = NO_JOURNAL
    ) -> Speaking:
        """Like ``associate``, until ``end_scope``; a binding from before the scope stays."""
        name = self.canonical(name)
        scope = self.new_ticket()
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
            self.associate(owner, before)  # the lease must know, or a restart would undo it

    def end_binding(self, owner: str, name: str) -> None:
        """Stop ``owner``, which does, speaking under ``name``."""
        before, self.in_transition = self.in_transition, True
        del self.leases[name][1][owner]
        self._bindings.unbind(owner, name)
        self.in_transition = before

    # -- what happens outside the actor's turn ----------------------------------------------

    def owner_gone(self, owner: str) -> None:
        """Note that an owner has ended, and wake the actor. Any thread, finalisers too."""
        # Whether a request of its own may be on its way comes first: what that does shows then.
        if self.is_busy() or owner in self._latest or self.stocks.waiting:
            self.events.append(OwnerEnded(owner))
            if self.signal is not None:
                self.signal.put(None)  # else an idle pool would hear of it at the next request

    def apply_events(self, now: float) -> int:
        """Apply what happened outside: owners that ended, grants that came home, late chunks.

        Returns how many owners are to ``leave`` once what is on its way has been handled.
        """
        before = len(self.leaving)
        while self.events:
            try:
                _apply(self, self.events[0], now)
            except MemoryError:
                raise  # it is applied again: twice is harmless
            except Exception:
                self.events.popleft()  # it may cost this incarnation, but not the next
                raise
            self.events.popleft()
        return len(self.leaving) - before

    def leave(self, count: int, now: float) -> None:
        """End the first ``count`` of ``leaving`` again: their requests have been handled."""
        for _ in range(min(count, len(self.leaving))):
            _end_owner(self, self.leaving.popleft(), now)

    def new_ticket(self) -> int:
        """Return the moment of what is no checkout; parking one comes before it."""
        self.counters.tickets += 1  # no call in between: moments less tickets are checkouts
        self._moment = ticket = self._moment + 1
        return ticket

    def grant(self, waiter: Waiter, now: float, journal: Journal = NO_JOURNAL) -> str:
        """Lease an available name of its theme to a waiter.

        If its owner has ended, the lease is an orphan: it has no living speaker.
        """
        name = self.checkout(waiter.owner, journal, waiter.theme)
        assert name is not None, "a grant needs an available name"  # noqa: S101
        if waiter.has_ended:
            _end_owner(self, waiter.owner, now)
        return name

    def admit(self, candidates: Iterable[object], theme: str | None = None) -> Admission:
        """Stock the good ones: issuable, unlike any known name and the default name."""
        admission = self._leases.admit(candidates, theme)
        self.counters.invalid += admission.invalid
        self.counters.duplicates += admission.duplicate
        return admission

    @property
    def known_count(self) -> int:
        """How many names are known: available or checked out."""
        return self._leases.known_count

    def reset(self) -> None:
        """Forget every name, lease and binding. Who waits for a name still does."""
        self.epoch += 1
        self.counters.forgotten += len(self.leases)
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


def _apply(state: PoolState, event: Event, now: float) -> None:
    if isinstance(event, OwnerEnded):
        _end_owner(state, event.owner, now)
        if state.is_busy():
            state.leaving.append(event.owner)
    elif isinstance(event, Withdrawal):
        state.stocks.give_up(event.ticket)
    elif isinstance(event, LateChunk):
        if event.epoch == state.epoch:
            state.admit(event.names, event.theme)
    elif isinstance(event, Speaking):
        state.end_scope(event)
    elif isinstance(event, Lease):
        if state.is_current(event):
            state.checkin(event.name)
    else:
        _take_back(state, event)


def _end_owner(state: PoolState, owner: str, now: float) -> None:
    """Unbind who has ended; a lease that nobody is left to speak under is an orphan."""
    for name in state.names_of(owner):
        state.end_binding(owner, name)
        if not state.speakers_of(name):
            state.orphans[name] = now
    for stock in state.stocks.values():
        stock.waiters.owner_ended(owner)


def _take_back(state: PoolState, record: LeaseRecord) -> None:
    """End this very lease if it still lasts; if others speak under its name, only the grantee's."""
    likely = {name: None for owner in record[1] for name in state.names_of(owner)}
    for name in (*likely, *state.leases):
        if state.leases.get(name) is record:
            grantee = [owner for owner, begun in record[1].items() if begun == record[0]]
            if len(grantee) < len(record[1]):
                for owner in grantee:
                    state.end_binding(owner, name)
            else:
                state.end_lease(name, record)
            return
