"""A ledger in memory, for tests and simulations: the plainest engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from namepool.actors.never_copied import NeverCopied
from namepool.ledgers.base import Holder, Session
from namepool.ledgers.engine import Me, SessionLost
from namepool.ledgers.rows import read_holder, read_session
from namepool.ledgers.session import SessionLedger

T = TypeVar("T")

KEPT_ELSEWHERE = "use a ledger in a file or on a server"
"""The advice for sharing names with another process."""


class _Claim(NamedTuple):
    name: str
    session: str
    token: str
    identity: str | None
    at: float
    is_kept: bool = False


class _Session(NamedTuple):
    me: Me
    started: float
    seen: float
    ended: bool = False
    is_pruned: bool = False


class _Namespace:
    def __init__(self) -> None:
        self.claims: dict[str, _Claim] = {}
        self.sessions: dict[str, _Session] = {}
        self.keys_of: dict[str, dict[str, None]] = {}  # a session's claims: an index
        self.names_of: dict[str, str] = {}  # identity → key: an index
        self.walks: dict[str, int] = {}
        self.spares: dict[str, list[int]] = {}
        self.next_turn = 0.0


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

    def namespaces(self) -> list[str]:
        """Return the namespaces in which a session has claimed a name.

        Examples:
            >>> book.namespaces()
            ['default']
        """
        return [name for name, one in self._namespaces.items() if one.claims]


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

    def _seen(self) -> str:
        """Renew the session, or register it at first; return its id."""
        me, now, sessions = self._me, self._book.clock(), self._all.sessions
        known = sessions.get(me.id)
        if known is None or known.is_pruned:
            if self._registered:
                raise SessionLost
            known = _Session(me, now, now)
            self._all.keys_of[me.id] = {}
        sessions[me.id] = known._replace(me=me, seen=max(now, known.seen))
        return me.id

    def _renew(self, turn: float | None = None) -> bool:
        self._seen()
        now = self._book.clock()
        if turn is None or self._all.next_turn - turn <= now < self._all.next_turn:
            return False
        self._all.next_turn = now + turn
        return True

    def _claim(self, wanted: Mapping[str, str], token: str) -> Collection[str]:
        me, ours = self._seen(), set()
        for key, name in wanted.items():
            claim = self._all.claims.get(key)
            if claim is None:
                self._put(key, _Claim(name, me, token, None, self._book.clock()))
                ours.add(key)
            elif (claim.session, claim.token) == (me, token):
                ours.add(key)
        return ours

    def _put(self, key: str, claim: _Claim) -> None:
        self._all.claims[key] = claim
        self._all.keys_of[claim.session][key] = None
        if claim.identity is not None:
            self._all.names_of[claim.identity] = key

    def _take(self, key: str, name: str, identity: str | None, before: str | None) -> Holder | None:
        me, claim = self._seen(), self._all.claims.get(key)
        if identity is not None and self._all.names_of.get(identity, key) != key:
            return self._kept(identity)
        if claim is None:
            claim = _Claim(name, me, "", identity, self._book.clock())
        is_ours = claim.session == me and claim.identity is None
        is_back = identity is not None and identity == claim.identity
        if not is_ours and not (is_back and (claim.is_kept or claim.session in (me, before))):
            return self._holder(key, claim)
        before, identity = claim.session, identity or claim.identity
        self._all.keys_of.get(before, {}).pop(key, None)
        self._put(key, claim._replace(session=me, identity=identity, is_kept=False))
        other = self._all.sessions.get(before)
        if other is not None and not self._all.keys_of[before] and (other.ended or other.is_pruned):
            self._forget(before)
        return None

    def _release(self, keys: Sequence[str], token: str | None) -> None:
        me = self._seen()
        for key in keys:
            claim = self._all.claims.get(key)
            if claim is None or claim.session != me or token not in (None, claim.token):
                continue
            if claim.identity is None:
                del self._all.claims[key], self._all.keys_of[me][key]
            else:
                self._all.claims[key] = claim._replace(is_kept=True)

    def _advance(self, walk: str, count: int) -> int:
        self._seen()
        start = self._all.walks.get(walk, 0)
        self._all.walks[walk] = start + count
        return start

    def _spares(self, walk: str, count: int) -> Sequence[int]:
        self._seen()
        spares = self._all.spares.get(walk, [])
        taken, spares[:count] = spares[:count], []
        return taken

    def _end(self, keys: Sequence[str], spare: Mapping[str, Collection[int]]) -> None:
        self._release(keys, None)
        for walk, positions in spare.items():
            self._all.spares.setdefault(walk, []).extend(positions)
        me = self._me.id
        self._all.sessions[me] = self._all.sessions[me]._replace(ended=True)
        if not self._all.keys_of[me]:
            self._forget(me)

    def _forget(self, session: str) -> None:
        del self._all.sessions[session], self._all.keys_of[session]

    def _free(
        self, sessions: Sequence[str], silent: float, identities: bool
    ) -> tuple[int, Sequence[str]]:
        freed = 0
        for session in sessions:
            known = self._all.sessions.get(session)
            if known is None or self._book.clock() - known.seen <= silent:
                continue
            for key in list(self._all.keys_of[session]):
                identity = self._all.claims[key].identity
                if identities or identity is None:
                    del self._all.claims[key], self._all.keys_of[session][key]
                    self._all.names_of.pop(identity or "", None)
                    freed += 1
            if self._all.keys_of[session]:
                self._all.sessions[session] = known._replace(is_pruned=True)
            else:
                self._forget(session)
        return freed, ()

    # -- for people who look ----------------------------------------------------------------

    def _find(self, key: str) -> Holder | None:
        claim = self._all.claims.get(key)
        return None if claim is None else self._holder(key, claim)

    def _kept(self, identity: str) -> Holder | None:
        key = self._all.names_of.get(identity)
        return None if key is None else self._find(key)

    def _page(self, after: Any) -> tuple[Iterable[Holder], Any]:
        return [self._holder(key, claim) for key, claim in self._all.claims.items()], None

    def _old(
        self, silent: float, skip: int, count: int, identities: bool
    ) -> Sequence[Session | None]:
        now = self._book.clock()
        old = [
            self._session(one)
            for one in self._all.sessions.values()
            if now - one.seen > silent and (identities or not one.is_pruned)
        ]
        return sorted(old, key=lambda session: session.seen)[skip : skip + count]

    def _sessions(self) -> Iterator[Session | None]:
        return (self._session(one) for one in self._all.sessions.values())

    def _count(self) -> int:
        return len(self._all.claims)

    def _namespaces(self) -> Iterable[str]:
        return self._book.namespaces()

    def _session(self, one: _Session) -> Session:
        values = one.me._asdict()
        return read_session(
            self._book.clock(),
            id_=values.pop("id"),
            started=one.started,
            seen=one.seen,
            ended=int(one.ended),
            **values,
        )

    def _holder(self, key: str, claim: _Claim) -> Holder:
        return read_holder(
            self._session(self._all.sessions[claim.session]),
            key=key,
            name=claim.name,
            claimed=claim.at,
            identity=claim.identity,
            kept=int(claim.is_kept),
        )
