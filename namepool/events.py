"""The events of a pool, for its subscribers: frozen values, one class for each fact.

::

    PoolEvent
    ├── LeaseEvent
    │   ├── NameCheckedOut      a name was handed out, or associated for the first time
    │   ├── NameCheckedIn       it came home
    │   ├── NameReclaimed       it came home because its owners had ended
    │   ├── NameAssociated      one more owner speaks under it, or one does again
    │   └── NameDissociated     an owner stopped speaking under it
    ├── WaitBegan               a checkout found no name
    ├── WaitEnded               and was served, or was not
    ├── FetchBegan              the source is being asked
    ├── NamesFetched            it gave names
    ├── FetchFailed             it gave none
    ├── PoolReset               the pool forgot its names
    ├── PoolRestarted           the pool had died
    └── EventsLost              the subscriber was too slow

``at`` is when, in seconds by the pool's clock, which is ``time.monotonic``.
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
    """Base of the events of one name and an owner."""

    name: str
    owner: str | None


@dataclass(frozen=True, slots=True)
class NameCheckedOut(LeaseEvent):
    """A lease began, of ``owner``, who speaks under the name from now on.

    So it is also when a name is associated that was not checked out.
    """


@dataclass(frozen=True, slots=True)
class NameCheckedIn(LeaseEvent):
    """A lease ended, and every speaker lost the name; ``owner`` is who had checked it out.

    Also for a name that its owner never received: a future that was dropped, a timeout that crossed
    the grant.
    """

    held_seconds: float


@dataclass(frozen=True, slots=True)
class NameReclaimed(NameCheckedIn):
    """A lease was ended by the pool: all its owners had ended."""


@dataclass(frozen=True, slots=True)
class NameAssociated(LeaseEvent):
    """``owner`` speaks under the name from now on, with those who do already.

    Also when an owner that speaks under it is associated with it once more.
    """


@dataclass(frozen=True, slots=True)
class NameDissociated(LeaseEvent):
    """``owner`` does not speak under the name any more: it said so, lost it to another, or ended.

    The lease stays.
    """


@dataclass(frozen=True, slots=True)
class WaitBegan(PoolEvent):
    """A checkout of ``owner`` found no name, and waits; ``theme``: it wants one of that theme."""

    owner: str
    theme: str | None


@dataclass(frozen=True, slots=True)
class WaitEnded(PoolEvent):
    """A checkout that waited has ended, after ``seconds``.

    ``withdrawn``: the caller gave up by itself (a timeout of its own, a dropped future).
    """

    owner: str
    theme: str | None
    seconds: float
    outcome: Literal["served", "timeout", "unavailable", "withdrawn"]


@dataclass(frozen=True, slots=True)
class FetchBegan(PoolEvent):
    """The source is asked for ``count`` names, of ``theme`` if that is not ``None``."""

    count: int
    theme: str | None


@dataclass(frozen=True, slots=True)
class NamesFetched(PoolEvent):
    """A chunk came: ``accepted`` names are new; the others may not be names, or are known."""

    accepted: int
    invalid: int
    duplicate: int
    seconds: float
    source: str
    theme: str | None


@dataclass(frozen=True, slots=True)
class FetchFailed(PoolEvent):
    """A fetch brought no new name; the source is asked again in ``retry_in`` seconds, if needed."""

    error: str
    retry_in: float
    theme: str | None


@dataclass(frozen=True, slots=True)
class PoolReset(PoolEvent):
    """Every name and lease was forgotten; there is no ``NameCheckedIn`` for them."""


@dataclass(frozen=True, slots=True)
class PoolRestarted(PoolEvent):
    """The pool died and runs again, with what it knew: for the ``restarts``-th time."""

    restarts: int


@dataclass(frozen=True, slots=True)
class EventsLost(PoolEvent):
    """In place of ``count`` events that were dropped, because this subscriber was too slow.

    They are of all kinds, also of those that it does not want.
    """

    count: int
