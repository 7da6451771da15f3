"""A state that tells what each transition did to a lease, in the order of the transitions. Pure.

``observe`` makes one of a state, and ``unobserve`` undoes that: so a pool that nobody observes pays
nothing. What has been told of each lease is kept beside it. After a transition the two are compared
and the difference is told. A transition that is cut short before that is told of when the state is
mended, by the same comparison: nothing is lost, and nothing is told twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from namepool.core.events import NO_JOURNAL, Journal
from namepool.core.leases import LeaseRecord
from namepool.core.state import PoolState
from namepool.events import (
    NameAssociated,
    NameCheckedIn,
    NameCheckedOut,
    NameDissociated,
    NameReclaimed,
    PoolEvent,
)


@dataclass(frozen=True)
class LeaseInfo:
    """A name that is checked out: by whom, since when, and from where.

    A pool that is not asked to keep them does not know the last three: see ``PoolHandle.leases``.
    """

    name: str
    speakers: tuple[str, ...]
    """The owners that speak under it; none if they have all ended."""
    owner: str | None
    """Who checked it out."""
    since: datetime | None
    """When, in local time."""
    held_seconds: float | None
    """For how long."""
    where: str | None
    """The line of the program that checked it out: ``path/to/file.py:12``."""


class Told:
    """What has been told of a lease, and what only its beginning knew."""

    __slots__ = ("began", "is_timed", "is_warned", "owner", "speakers", "token", "where")

    def __init__(self, record: LeaseRecord, began: float, where: str | None) -> None:
        token, speakers = record
        self.token: int = token
        self.owner: str | None = next((o for o, at in speakers.items() if at == token), None)
        self.speakers: dict[str, int] = {} if self.owner is None else {self.owner: token}
        self.began: float = began
        self.where: str | None = where
        self.is_timed: bool = True
        """``began`` is when it began, rather than when it was first seen."""
        self.is_warned: bool = False
        """It has been called a leak."""


class Observer(Protocol):
    """What an observed state needs of its shell, in the turn, on whatever thread has it."""

    def clock(self) -> float:
        """Return the seconds of the pool's clock."""
        ...

    def where(self) -> str | None:
        """Return the line of the program that makes the running request."""
        ...

    def lease_began(self) -> None:
        """Take note that one more lease is kept."""
        ...

    def leak_ended(self, name: str, told: Told) -> None:
        """Take note that a lease has ended that was called a leak."""
        ...


class ObservedState(PoolState):
    """See the module; never made, but for ``observe``."""

    told: dict[str, Told]
    observer: Observer
    _is_reclaiming: bool = False

    def checkout(
        self, owner: str, journal: Journal = NO_JOURNAL, theme: str | None = None
    ) -> str | None:
        """As before, and tell of it."""
        name = PoolState.checkout(self, owner, journal, theme)
        if name is not None:
            self._began(name, self.leases[name], self.observer.where())
        return name

    def end_lease(self, name: str, record: LeaseRecord) -> None:
        """As before, and tell of it."""
        PoolState.end_lease(self, name, record)
        self._ended(name)

    def reclaim(self, before: float) -> list[str]:
        """As before, and tell why."""
        self._is_reclaiming = True
        try:
            return PoolState.reclaim(self, before)
        finally:
            self._is_reclaiming = False

    def associate(self, owner: str, name: str, *, exclusive: bool = False) -> str:
        """As before, and tell of it."""
        name = PoolState.associate(self, owner, name, exclusive=exclusive)
        record = self.leases[name]
        if name in self.told:
            self._speaks(name, owner, record[1][owner])
        else:
            self._began(name, record, self.observer.where())
        return name

    def end_binding(self, owner: str, name: str) -> None:
        """As before, and tell of it."""
        PoolState.end_binding(self, owner, name)
        self._is_silent(name, owner)

    def reset(self) -> None:
        """As before; of single leases nothing is told."""
        self.told.clear()
        PoolState.reset(self)

    def mend(self) -> None:
        """As before, and tell what was done and not told."""
        PoolState.mend(self)
        self.catch_up()

    def recover(self) -> None:
        """As before, and tell what was done and not told."""
        PoolState.recover(self)
        self.catch_up()

    def catch_up(self) -> None:
        """Tell of every difference between what has been told and what is."""
        for name, told in [*self.told.items()]:
            record = self.leases.get(name)
            if record is None or record[0] != told.token:
                self._ended(name)
        for name, record in self.leases.items():
            if name not in self.told:
                self._began(name, record, None)
            known = self.told[name].speakers
            for owner in [o for o in known if o not in record[1]]:
                self._is_silent(name, owner)
            for owner in [o for o, begun in record[1].items() if known.get(o) != begun]:
                self._speaks(name, owner, record[1][owner])
        self.log.wake(all_of_them=True)

    # -- telling ----------------------------------------------------------------------------

    def _began(self, name: str, record: LeaseRecord, where: str | None) -> None:
        now = self.observer.clock()
        told = Told(record, now, where)
        event = NameCheckedOut(name, told.owner, at=now) if self.log.readers else None
        self._tell(event, self.told, name, told)
        self.observer.lease_began()

    def _ended(self, name: str) -> None:
        told = self.told.get(name)
        if told is None:
            return
        event = None
        if self.log.readers:
            now = self.observer.clock()
            kind = NameReclaimed if self._is_reclaiming else NameCheckedIn
            event = kind(name, told.owner, now - told.began, at=now)
        self._tell(event, self.told, name, None)
        if told.is_warned:
            self.observer.leak_ended(name, told)

    def _speaks(self, name: str, owner: str, begun: int) -> None:
        event = None
        if self.log.readers:
            event = NameAssociated(name, owner, at=self.observer.clock())
        self._tell(event, self.told[name].speakers, owner, begun)

    def _is_silent(self, name: str, owner: str) -> None:
        told = self.told.get(name)
        if told is not None and owner in told.speakers:
            event = None
            if self.log.readers:
                event = NameDissociated(name, owner, at=self.observer.clock())
            self._tell(event, told.speakers, owner, None)

    def _tell(self, event: PoolEvent | None, table: dict[str, Any], key: str, value: Any) -> None:
        """Note an event, and in ``table`` what it tells; ``None`` takes the key out."""
        log = self.log
        # No call from here on: see the module ``log``.
        if value is None:
            del table[key]
        else:
            table[key] = value
        if event is not None:
            log.count = number = log.count + 1
            log.entries += ((number, event),)
            # Now there may be some.
            log.wake()


def observe(state: PoolState, observer: Observer) -> ObservedState:
    """Make ``state`` an observed one, also if it is one for another observer; return it."""
    observed: Any = state
    if not isinstance(state, ObservedState):
        now = observer.clock()
        observed.told = {name: _seen(record, now) for name, record in state.leases.items()}
    observed.observer = observer
    observed.__class__ = ObservedState
    return observed  # type: ignore[no-any-return]


def unobserve(state: PoolState) -> None:
    """Make ``state`` what it was."""
    if isinstance(state, ObservedState):
        observed: Any = state
        observed.__class__ = PoolState
        del observed.told, observed.observer


def _seen(record: LeaseRecord, now: float) -> Told:
    told = Told(record, now, None)
    told.speakers = {**record[1]}
    told.is_timed = False
    return told
