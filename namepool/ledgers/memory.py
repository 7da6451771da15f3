"""A ledger in memory, for tests and simulations: the plainest engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from namepool.actors.never_copied import NeverCopied
from namepool.ledgers.base import Holder, Session, read_holder
from namepool.ledgers.session import Me, SessionLedger, SessionLost

T = TypeVar("T")

KEPT_ELSEWHERE = "use a ledger in a file or on a server"
"""The advice for sharing names with another process."""


class _Claim(NamedTuple):
    name: str
    session: str
    token: str
    identity: str | None
    at: float


class _Namespace:
    def __init__(self) -> None:
        self.claims: dict[str, _Claim] = {}
        self.sessions: dict[str, Session] = {}
        self.keys_of: dict[str, dict[str, None]] = {}  # a session's claims: an index
        self.walks: dict[str, int] = {}


class Book(NeverCopied):
    """The storage that several ``MemoryLedger`` of one process share.

    Examples:
        >>> book = namepool.ledgers.Book()
        >>> first = namepool.ledgers.MemoryLedger(book)
        >>> second = namepool.ledgers.MemoryLedger(book)
        >>> first.claim(["Ada the Yak Shaver"], token="first")
        ['Ada the Yak Shaver']
        >>> second.claim(["Ada the Yak Shaver"], token="second")
        []
    """

    _instead = KEPT_ELSEWHERE

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock: Callable[[], float] = clock
        self.lock: threading.Lock = threading.Lock()
        self._namespaces: dict[str, _Namespace] = {}

    def namespace(self, name: str) -> Any:
        """Return the storage of a namespace.

        Examples:
            >>> len(book.namespace("default").claims)
            1
        """
        return self._namespaces.setdefault(name, _Namespace())


class MemoryLedger(SessionLedger):
    """A ledger that ends with its process; ledgers of one ``Book`` share their names.

    Examples:
        >>> ledger = namepool.ledgers.MemoryLedger(namespace="crew")
        >>> ledger.claim(["Ada the Yak Shaver", "Chet Electron"], token="first")
        ['Ada the Yak Shaver', 'Chet Electron']
        >>> ledger.stats()
        LedgerStats(namespace='crew', claimed=2, living=1, silent=0, ended=0)
    """

    _instead = KEPT_ELSEWHERE

    def __init__(
        self, book: Book | None = None, namespace: str = "default", **options: Any
    ) -> None:
        super().__init__(namespace, **options)
        self._book = Book() if book is None else book
        self._all: _Namespace = self._book.namespace(namespace)

    def __repr__(self) -> str:
        return f"MemoryLedger(namespace={self.namespace!r})"

    def _guarded(self, work: Callable[[], T]) -> T:
        with self._book.lock:
            return work()

    def _seen(self) -> Me:
        """Renew the session, or register it at first; return it."""
        me, now, sessions = self._me, self._book.clock(), self._all.sessions
        known = sessions.get(me.id)
        if known is None:
            if self._registered:
                raise SessionLost
            known = Session(*me, started=now, seen=now, silent=0.0, ended=False)
            self._all.keys_of[me.id] = {}
        sessions[me.id] = known._replace(seen=max(now, known.seen))
        return me

    def _claim(self, wanted: Mapping[str, str], token: str) -> Collection[str]:
        me, ours = self._seen(), set()
        for key, name in wanted.items():
            claim = self._all.claims.get(key)
            if claim is None:
                self._put(key, _Claim(name, me.id, token, None, self._book.clock()))
                ours.add(key)
            elif (claim.session, claim.token) == (me.id, token):
                ours.add(key)
        return ours

    def _put(self, key: str, claim: _Claim) -> None:
        self._all.claims[key] = claim
        self._all.keys_of[claim.session][key] = None

    def _take(self, key: str, name: str, identity: str | None, before: str | None) -> Holder | None:
        me, claim = self._seen(), self._all.claims.get(key)
        if claim is None:
            claim = _Claim(name, me.id, "", identity, self._book.clock())
        elif claim.session not in (me.id, before) or (
            claim.identity is not None and identity not in (None, claim.identity)
        ):
            return self._holder(claim)
        self._all.keys_of.get(claim.session, {}).pop(key, None)
        self._put(key, claim._replace(session=me.id, identity=identity or claim.identity))
        return None

    def _release(self, keys: Sequence[str], token: str | None) -> None:
        me = self._seen()
        for key in keys:
            claim = self._all.claims.get(key)
            if claim is None or claim.session != me.id or claim.identity is not None:
                continue
            if token is None or claim.token == token:
                del self._all.claims[key], self._all.keys_of[me.id][key]

    def _renew(self) -> None:
        self._seen()

    def _advance(self, walk: str, count: int) -> int:
        self._seen()
        start = self._all.walks.get(walk, 0)
        self._all.walks[walk] = start + count
        return start

    def _end(self) -> None:
        me = self._seen()
        self._all.sessions[me.id] = self._all.sessions[me.id]._replace(ended=True)
        if not self._all.keys_of[me.id]:
            self._free(me.id, -1.0)

    def _free(self, session: str, silent: float) -> int:
        known = self._all.sessions.get(session)
        if known is None or self._book.clock() - known.seen <= silent:
            return 0
        keys = self._all.keys_of.pop(session)
        for key in keys:
            del self._all.claims[key]
        del self._all.sessions[session]
        return len(keys)

    def _sessions(self) -> list[Session]:
        now = self._book.clock()
        return [s._replace(silent=max(now - s.seen, 0.0)) for s in self._all.sessions.values()]

    def _count(self) -> tuple[int, list[Session]]:
        return len(self._all.claims), self._sessions()

    def _holders(self) -> Iterable[Holder]:
        return [self._holder(claim) for claim in self._all.claims.values()]

    def _holder(self, claim: _Claim) -> Holder:
        session = self._all.sessions[claim.session]
        silent = max(self._book.clock() - session.seen, 0.0)
        return read_holder(claim.name, session._replace(silent=silent), claim.at, claim.identity)
