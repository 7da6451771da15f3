"""The protocol of a ledger of claimed names, and the records that a ledger returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from namepool.core.names import one_line
from namepool.core.options import CHECKS

RENEW_EVERY = 30.0
"""Seconds from one renewal of a session to the next. Every claim renews the session, too."""

LIVING_FOR = 150.0
"""Seconds without a renewal after which a session no longer counts as living."""

LEAST_AGE = 600.0
"""Seconds. A session that was renewed more recently is never pruned."""


LONGEST = 300
"""The most characters of a text that a message shows. No text of namepool is longer, but a path."""


class Session(NamedTuple):
    """A process, or one pool of a process, that claims names.

    Examples:
        >>> ledger = namepool.ledgers.MemoryLedger()
        >>> ledger.take("Ada the Yak Shaver")
        >>> [holder] = ledger.holders()
        >>> holder.session.id == ledger.session, holder.session.ended
        (True, False)
    """

    id: str
    host: str
    pid: int
    place: str
    """A text that identifies the machine and the process; empty if the system does not tell it."""
    started: float
    """The moment when the ledger registered the session, in seconds of the Unix clock."""
    seen: float
    """The moment of the last renewal, by the same clock."""
    silent: float
    """Seconds since the last renewal, by the ledger's clock."""
    ended: bool
    """Whether the session was closed. It still holds the names that it did not release."""
    parent: str = ""
    """The path of the agent that the process works for, such as ``Ada/Bo``; empty if it works for
    no agent."""

    def __str__(self) -> str:
        return one_line(f"process {self.pid} on {self.host}", LONGEST)


class Holder(NamedTuple):
    """A claimed name, and the session that holds it."""

    name: str
    session: Session
    claimed: float
    """The moment of the claim, in seconds of the Unix clock."""
    identity: str | None
    """The identity that may take the name back, or ``None`` if it was taken without one."""
    is_kept: bool = False
    """Whether no agent has the name now. The session has given it back, and it waits for its
    identity."""


class LedgerStats(NamedTuple):
    """The counts of a namespace at one moment."""

    namespace: str
    claimed: int
    """Names that are claimed."""
    living: int
    """Sessions whose process runs.

    If nobody can tell whether the process of a session runs, the session counts as living for 150
    seconds after its last renewal.
    """
    silent: int
    """Sessions that are neither living nor closed: the process died, or cannot reach the ledger."""
    ended: int
    """Sessions that were closed and left names behind."""


@runtime_checkable
class Ledger(Protocol):
    """A ledger of claimed names, which all processes with one namespace share.

    Any thread may call the methods. A claim is for the session of the calling process. A forked
    child has a session of its own. Names with the same ``name_key`` are one name. Each call waits a
    bounded time. It raises ``LedgerError`` if it cannot be done.

    A pool also calls two methods that a ledger may lack. ``kept(identity)`` returns the holder of
    the name of an identity, or ``None``. Without it, a pool finds the name of an identity only if
    the agent gives the name as well. ``runs(session)`` tells whether the process of a session runs,
    or ``None`` if nobody knows. The ledgers of this package have both.

    Examples:
        >>> ledger = namepool.ledgers.MemoryLedger()
        >>> ledger.claim(["Ada the Yak Shaver"], token="first")
        ['Ada the Yak Shaver']
    """

    def claim(self, names: Sequence[str], token: str) -> list[str]:
        """Claim ``names``, and return the names that this session holds by this ``token``.

        The order is that of ``names``. A second call with the same token returns the same names, so
        a caller may repeat a call whose answer was lost. The result leaves out the names that the
        session holds by another token.

        Examples:
            >>> ledger.claim(["Ada the Yak Shaver", "Chet Electron"], token="second")
            ['Chet Electron']
        """
        ...

    def take(self, name: str, identity: str | None = None) -> Holder | None:
        """Claim one name; return ``None`` if this session now holds it, else its holder.

        A name that was taken for an ``identity`` belongs to that identity alone. A session with the
        same identity gets the name, once the session that held the name has released it, has ended
        or has died. An identity has one name in a namespace. If it has another name already, the
        result is the holder of that other name.

        Examples:
            >>> ledger.take("Grace Under Load", identity="planner")
            >>> ledger.take("Grace Under Load", identity="tester").identity
            'planner'
        """
        ...

    def release(self, names: Iterable[str], token: str | None = None) -> None:
        """Free the ``names`` that this session holds, so that other sessions may claim them.

        With a ``token``, only the names that were claimed by this token are freed. A name that was
        taken for an identity stays claimed for that identity, and any session may take it for that
        identity from now on.

        Examples:
            >>> ledger.release(["Ada the Yak Shaver"])
            >>> ledger.stats().claimed
            0
        """
        ...

    def renew(self) -> None:
        """Tell the other sessions that this session lives.

        Examples:
            >>> ledger.renew()
            >>> ledger.stats().living
            1
        """
        ...

    def advance(self, walk: str, count: int) -> int:
        """Take the next ``count`` positions of a shared walk, and return the first position.

        No other session gets one of these positions.

        Examples:
            >>> ledger.advance("offline names", 12), ledger.advance("offline names", 12)
            (0, 12)
        """
        ...

    def close(self) -> None:
        """End the session.

        Each name that the session has not released stays claimed. A second call does nothing.

        Examples:
            >>> ledger.close()
            >>> ledger.renew()
            Traceback (most recent call last):
                ...
            namepool.errors.LedgerError: MemoryLedger(namespace='default') is closed
        """
        ...

    def holders(self) -> Iterator[Holder]:
        """Yield a ``Holder`` for each claimed name of the namespace.

        Examples:
            >>> [holder.name for holder in ledger.holders()]
            ['Ada the Yak Shaver']
        """
        ...

    def stats(self) -> LedgerStats:
        """Return the counts of the namespace.

        Examples:
            >>> ledger.stats()
            LedgerStats(namespace='default', claimed=1, living=1, silent=0, ended=0)
        """
        ...

    def prune(self, older_than: float) -> int:
        """Free the names of sessions that were not renewed for ``older_than`` seconds.

        Returns the number of freed names. A session whose process is known to run keeps its names,
        even after a longer silence. A caller can know this only of processes on its own machine
        and, with containers, in its own PID namespace. The names of identities stay claimed.

        Examples:
            >>> ledger.prune(older_than=7 * 86400.0)
            0
        """
        ...


def check_ledger(ledger: object) -> None:
    """Refuse an object that lacks a method of a ledger, and a class that was not called."""
    if isinstance(ledger, type) or not isinstance(ledger, Ledger):
        raise CHECKS.invalid(
            "ledger", ledger, "a URL, or an object with the methods of namepool.Ledger"
        )
