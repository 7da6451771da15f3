"""``Engine``: the steps of a ledger in its storage, which each kind of storage implements.

``SessionLedger`` makes the public calls out of these steps. An engine only stores and reads. It
passes each row that it reads to ``rows``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from namepool.actors.logs import Logger
from namepool.actors.never_copied import NeverCopied
from namepool.core.names import one_line
from namepool.ledgers.base import Holder, Session
from namepool.ledgers.rows import BadRow

logger: Logger = Logger("namepool.ledgers")

T = TypeVar("T")

WARNINGS = 100
"""The most bad rows of which one ledger warns. Somebody may have written a million of them."""


class Me(NamedTuple):
    """The session that makes the calls, as an engine registers it."""

    id: str
    host: str
    pid: int
    place: str
    parent: str


class SessionLost(Exception):
    """The ledger does not know this session any more. Engines raise it."""


class Engine(NeverCopied, ABC):
    """A storage of claims and sessions. A step is done as a whole, or not at all.

    The steps run in the function that ``_guarded`` or ``_look`` gets. A step that changes something
    also renews the session ``_me``. It registers the session first, or raises ``SessionLost`` if
    the session was ``_registered`` before and is not there any more.
    """

    _instead = "open the ledger there, for a session of its own"

    joins: bool = True
    """Whether several steps in one ``_guarded`` call are done as one."""

    namespace: str = "?"
    """A text, also while the ledger is made and an error shows it."""

    _me: Me
    _registered: bool = False

    def _begin_reading(self) -> None:
        self._told: set[str] = set()

    def _read(self, reader: Callable[[], T]) -> T | None:
        """Return what ``reader`` makes of a row; ``None`` if the row is bad, with one warning."""
        try:
            return reader()
        except BadRow as error:
            text = one_line(error, 500)
            if text not in self._told and len(self._told) < WARNINGS:
                self._told.add(text)
                logger.warning("%s: a row that no namepool wrote is left out: %s", self, text)
            return None

    # -- reaching the storage ---------------------------------------------------------------

    @abstractmethod
    def _guarded(self, work: Callable[[], T]) -> T:
        """Do ``work`` in bounded time; failures of the storage become ``LedgerError``."""

    def _look(self, work: Callable[[], T]) -> T:
        """Do ``work``, which only reads. No writer waits for it, and it writes nothing."""
        return self._guarded(work)

    def _forked(self) -> None:
        """Let go of the parent's open storage, without closing it for the parent."""

    def _disconnect(self) -> None:
        """Close the storage."""

    # -- steps that change something --------------------------------------------------------

    @abstractmethod
    def _renew(self, turn: float | None = None) -> bool:
        """Note that the session lives, with its present process.

        With ``turn`` tell whether it is the turn of this session to free names: no session of the
        namespace had it in the last ``turn`` seconds. Then the next turn is that much later.
        """

    @abstractmethod
    def _claim(self, wanted: Mapping[str, str], token: str) -> Collection[str]:
        """Claim the keys, given with their names; return those that session and token hold now."""

    @abstractmethod
    def _take(self, key: str, name: str, identity: str | None, before: str | None) -> Holder | None:
        """Claim one name for this session and ``identity``; return ``None``, or its holder.

        The name must be free, ours, kept for ``identity``, or held for ``identity`` by the session
        ``before``. A name that was taken for an identity is given to that identity only. If
        ``identity`` has another name, nothing is claimed, and the result is the holder of that
        other name. If the row of the holder is bad, the result is a ``Holder`` with an
        ``unknown_session``.
        """

    @abstractmethod
    def _release(self, keys: Sequence[str], token: str | None) -> None:
        """Free our names, and keep those of an identity for it; only those of a token, if given."""

    @abstractmethod
    def _advance(self, walk: str, count: int) -> Any:
        """Move a walk on, and return the stored position before; leave a bad position alone."""

    @abstractmethod
    def _spares(self, walk: str, count: int) -> Sequence[Any]:
        """Remove at most ``count`` positions of a walk that were given back; return them."""

    @abstractmethod
    def _end(self, keys: Sequence[str], spare: Mapping[str, Collection[int]]) -> None:
        """End the session; forget it if it holds no name.

        First free the names, as ``_release`` does, and note the positions of walks that nobody
        used.
        """

    @abstractmethod
    def _free(
        self, sessions: Sequence[str], silent: float, identities: bool
    ) -> tuple[int, Sequence[str]]:
        """Free some names of sessions that are still silent for so long, in at most 10 ms.

        Return the number of freed names, and the sessions that have more. A session whose last
        name was freed is forgotten. A session that has begun to lose its names must not go on.
        Without ``identities`` the names of identities stay, and so does their session; ``_old``
        then does not return that session any more. This step does not renew the session ``_me``.
        """

    # -- steps that only read ---------------------------------------------------------------

    @abstractmethod
    def _find(self, key: str) -> Holder | None:
        """Return the holder of a name."""

    @abstractmethod
    def _kept(self, identity: str) -> Holder | None:
        """Return the holder of the name of an identity."""

    @abstractmethod
    def _page(self, after: Any) -> tuple[Iterable[Holder], Any]:
        """Return some holders, and the place where the next page begins: ``None`` after the last.

        ``after`` is such a place, or ``None`` for the first page.
        """

    @abstractmethod
    def _old(
        self, silent: float, skip: int, count: int, identities: bool
    ) -> Sequence[Session | None]:
        """Return sessions that are silent for longer, the longest first; ``None`` for a bad row.

        ``skip`` sessions are passed over, and at most ``count`` are returned. Without
        ``identities``, the sessions that have only names of identities are left out, once ``_free``
        has seen them.
        """

    @abstractmethod
    def _sessions(self) -> Iterator[Session | None]:
        """Yield the sessions of the namespace; ``None`` for a bad row."""

    @abstractmethod
    def _count(self) -> Any:
        """Return the stored number of claims."""

    @abstractmethod
    def _namespaces(self) -> Iterable[str]:
        """Return the namespaces of the storage, or none if this user may not ask for them."""
