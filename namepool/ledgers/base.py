"""What a ledger of claimed names promises: the protocol, and what it tells of itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from namepool.core.names import one_line
from namepool.core.options import invalid

RENEW_EVERY = 30.0
"""Seconds from one renewal of a session to the next; it is renewed by every claim, too."""

LIVING_FOR = 150.0
"""Seconds without a renewal after which nobody takes a session for a living one."""

LEAST_AGE = 600.0
"""Seconds; what was seen more recently is never pruned."""


LONGEST = 300
"""Characters; a longer text in a ledger is none of ours."""

LATEST = 253402300799.0
"""Seconds; the end of the year 9999, which is the last that can be shown."""


class Session(NamedTuple):
    """One process, or one pool of it, that claims names."""

    id: str
    host: str
    pid: int
    place: str
    """Which process of which machine it is, where that can be told; else empty."""
    started: float
    """When it first claimed something, as the seconds of a Unix clock."""
    seen: float
    """When it was renewed last, by the same clock."""
    silent: float
    """Seconds since then, by the ledger's own clock."""
    ended: bool
    """It was closed; what it still holds was checked out then."""

    def __str__(self) -> str:
        return one_line(f"process {self.pid} on {self.host}", LONGEST)


class Holder(NamedTuple):
    """A claimed name, and who holds it."""

    name: str
    session: Session
    claimed: float
    """When, as the seconds of a Unix clock."""
    identity: str | None
    """Whose name it is, if it was taken for somebody who may come back for it."""


class LedgerStats(NamedTuple):
    """A namespace at one moment."""

    namespace: str
    claimed: int
    """Names that are claimed."""
    living: int
    """Sessions that were renewed of late, or whose process is known to run."""
    silent: int
    """Sessions that were not, and were not closed either: their processes died, or are cut off."""
    ended: int
    """Sessions that were closed and left names behind."""


@runtime_checkable
class Ledger(Protocol):
    """Who has which name, for every process that shares a namespace; any thread may call it.

    A name is claimed by its ``name_key``, for the session of the process that calls: a forked child
    is a session of its own. Each call waits a bounded time and raises ``LedgerError`` if it cannot
    be done.
    """

    def claim(self, names: Sequence[str], token: str) -> list[str]:
        """Claim ``names`` and return those that are ours by this ``token``, in their order.

        Asking again with the same token gives the same answer, also if the first was lost on its
        way. What the session got by another token is not among them.
        """
        ...

    def take(self, name: str, identity: str | None = None) -> Holder | None:
        """Claim one name, whoever proposed it; return ``None`` if it is ours, else who has it.

        A name that was taken for an ``identity`` is given back to that identity once the session
        that held it has ended.
        """
        ...

    def release(self, names: Iterable[str], token: str | None = None) -> None:
        """Free those of ``names`` that are ours (by this ``token``): others may claim them.

        A name that was taken for an identity stays claimed for it.
        """
        ...

    def renew(self) -> None:
        """Tell the others that this session lives."""
        ...

    def advance(self, walk: str, count: int) -> int:
        """Take the next ``count`` positions of a walk that all share; return the first of them."""
        ...

    def close(self) -> None:
        """End the session. What it has not released stays claimed. Twice does no harm."""
        ...

    def holders(self) -> Iterator[Holder]:
        """Yield every claimed name, for people who look."""
        ...

    def stats(self) -> LedgerStats:
        """Return the counts of the namespace."""
        ...

    def prune(self, older_than: float) -> int:
        """Free what sessions hold that were not seen for so many seconds; return how many names.

        A session whose process is known to run keeps its names, however long it was silent. That
        can be known only of processes of this machine and, with containers, of this PID namespace.
        """
        ...


def read_session(
    id_: object,
    host: object,
    pid: object,
    place: object,
    started: object,
    seen: object,
    silent: object,
    ended: object,
) -> Session:
    """Return a session as it is stored. Somebody else may have written it: it may be anything.

    Its texts are fit for one log line, its numbers are numbers. The id and the place are not for
    people, and are left as they are.
    """
    return Session(
        str(id_),
        one_line(host, LONGEST),
        int(_number(pid)),
        str(place),
        _number(started),
        _number(seen),
        _number(silent),
        bool(_number(ended)),
    )


def read_holder(name: object, session: Session, claimed: object, identity: object) -> Holder:
    """Return a claim as it is stored; see ``read_session``."""
    whose = None if identity is None else one_line(identity, LONGEST)
    return Holder(one_line(name, LONGEST), session, _number(claimed), whose)


def _number(stored: Any) -> float:
    """Return a moment or a number of seconds, 0 where there is none."""
    try:
        number = float(stored)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(number, 0.0), LATEST) if number == number else 0.0


def check_ledger(ledger: object) -> None:
    """Refuse what is not a ledger: it lacks a method, or it is a class that was not called."""
    if isinstance(ledger, type) or not isinstance(ledger, Ledger):
        raise invalid("ledger", ledger, "a URL, or an object with the methods of namepool.Ledger")
