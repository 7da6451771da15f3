"""The events of a pool, for its subscribers: frozen values, one class for each fact.

::

    PoolEvent
    ├── LeaseEvent
    │   ├── NameCheckedOut      a name was checked out, or associated for the first time
    │   ├── NameCheckedIn       the name was given back
    │   ├── NameReclaimed       the pool took the name back because its owners had ended
    │   ├── NameAssociated      one more owner speaks under the name, or does so again
    │   └── NameDissociated     an owner stopped speaking under the name
    ├── WaitBegan               a checkout found no name
    ├── WaitEnded               a checkout that waited was served, or was not
    ├── FetchBegan              the pool asks the source
    ├── NamesFetched            the source gave names
    ├── FetchFailed             the source gave no new name
    ├── PoolReset               the pool forgot its names
    ├── PoolRestarted           the pool died and runs again
    └── EventsLost              the subscriber was too slow

``at`` is the time of the event in seconds, by the pool's clock. That is ``time.monotonic``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class PoolEvent:
    """Base of all events."""

    at: float = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class LeaseEvent(PoolEvent):
    """Base of the events of a name and an owner.

    ``lease_id`` is the id of the lease: see ``Lease.id``. All events of one lease have the same id.
    """

    name: str
    owner: str | None
    lease_id: str = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class NameCheckedOut(LeaseEvent):
    """A lease of ``owner`` began. The owner speaks under the name from now on.

    The event also comes if an owner is associated with a name that was not checked out.
    """


@dataclass(frozen=True, slots=True)
class NameCheckedIn(LeaseEvent):
    """A lease ended, and every speaker lost the name. ``owner`` is the owner that checked it out.

    The event also comes if the owner never received the name. This happens if the owner dropped the
    future, or if the timeout passed while the pool granted the name.
    """

    held_seconds: float


@dataclass(frozen=True, slots=True)
class NameReclaimed(NameCheckedIn):
    """The pool ended a lease, because all its owners had ended."""


@dataclass(frozen=True, slots=True)
class NameAssociated(LeaseEvent):
    """``owner`` speaks under the name from now on, together with the earlier speakers.

    The event also comes if an owner that speaks under the name is associated with it once more.
    """


@dataclass(frozen=True, slots=True)
class NameDissociated(LeaseEvent):
    """``owner`` does not speak under the name any more. The lease stays.

    The owner gave the name up, lost it to another owner, or ended.
    """


@dataclass(frozen=True, slots=True)
class WaitBegan(PoolEvent):
    """A checkout of ``owner`` found no name and waits. ``theme`` is the theme that it wants."""

    owner: str
    theme: str | None


@dataclass(frozen=True, slots=True)
class WaitEnded(PoolEvent):
    """A checkout that waited has ended after ``seconds``.

    The outcome is ``withdrawn`` if the caller gave up by itself: by a timeout of its own, or by a
    future that it dropped.
    """

    owner: str
    theme: str | None
    seconds: float
    outcome: Literal["served", "timeout", "unavailable", "withdrawn"]


@dataclass(frozen=True, slots=True)
class FetchBegan(PoolEvent):
    """The pool asks the source for ``count`` names, of ``theme`` unless that is ``None``."""

    count: int
    theme: str | None


@dataclass(frozen=True, slots=True)
class NamesFetched(PoolEvent):
    """A chunk came. ``accepted`` of its names are new.

    ``invalid`` names may not be issued, and ``duplicate`` names are known already.
    """

    accepted: int
    invalid: int
    duplicate: int
    seconds: float
    source: str
    theme: str | None


@dataclass(frozen=True, slots=True)
class FetchFailed(PoolEvent):
    """A fetch brought no new name. If needed, the pool asks again after ``retry_in`` seconds.

    ``retry_in`` is infinite if the source has no more names.
    """

    error: str
    retry_in: float
    theme: str | None


@dataclass(frozen=True, slots=True)
class PoolReset(PoolEvent):
    """The pool forgot every name and lease. There is no ``NameCheckedIn`` for them."""


@dataclass(frozen=True, slots=True)
class PoolRestarted(PoolEvent):
    """The pool died and runs again with its state, for the ``restarts``-th time."""

    restarts: int


@dataclass(frozen=True, slots=True)
class EventsLost(PoolEvent):
    """``count`` events were dropped, because this subscriber was too slow.

    The dropped events are of all kinds, also of kinds that the subscriber does not want.
    """

    count: int
