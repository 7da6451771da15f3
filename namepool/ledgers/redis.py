"""A ledger in Redis or Valkey, for fleets on many machines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from namepool.actors.bare import raises_bare
from namepool.core.options import CHECKS
from namepool.errors import InvalidOption, LedgerError
from namepool.ledgers import lua
from namepool.ledgers.base import Holder, Session
from namepool.ledgers.engine import SessionLost
from namepool.ledgers.rows import (
    BadRow,
    read_count,
    read_groups,
    read_list,
    read_position,
    read_texts,
)
from namepool.ledgers.scan import Scan
from namepool.ledgers.server import Server
from namepool.ledgers.texts import TextLedger

T = TypeVar("T")

_BATCH = 1000
"""Names that one script frees or releases. A script blocks all other clients meanwhile."""

_PAGE = 500
"""Rows that one script lists."""

_ANSWERS = ("ok", "lost", "held", "owner")

_TRIES = 5
"""Tries to take a name whose owner changes meanwhile."""


class RedisLedger(TextLedger):
    """A ledger in the Redis (6.2 or later) or Valkey at ``url``; see ``SessionLedger``.

    It needs redis-py, which comes with the extra ``redis``. The URL is one of redis-py:
    ``redis://``, ``rediss://`` for TLS, or ``unix://``, with a user and a password if the server
    wants them. ``valkey://`` and ``valkeys://`` mean the same as the first two. The ledger never
    shows the user and the password. It uses the server's clock only. The first call connects. A
    claim that was answered may still be lost if the server loses its data, or fails over to a
    replica that lags: see the guide on fleets.

    A call ends within its timeout, also if the server is slow or hostile. Only the search for the
    address of a host (DNS) cannot be interrupted.

    Args:
        replicas: the replicas that must have a claim before it counts; if fewer have it, the call
            raises ``LedgerError``
        cluster: whether the URL is that of a node of a Redis cluster

    Raises:
        InvalidOption: the URL is no URL of redis-py, or another option is wrong
        LedgerError: redis-py is missing

    Examples:
        >>> namepool.ledgers.RedisLedger("redis://ada:secret@redis.example:6379/0", "crew")
        RedisLedger('redis://redis.example:6379/0', namespace='crew')
    """

    joins = False  # each step is a call of its own

    @raises_bare(InvalidOption, LedgerError, TypeError)  # the last one of an unknown option
    def __init__(
        self,
        url: str,
        namespace: str = "default",
        *,
        replicas: int = 0,
        cluster: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(namespace, **options)
        CHECKS.count("replicas", replicas, 0)
        self._replicas = replicas
        self._server = Server(url, self._timeout, cluster=cluster)
        self._prefix = _prefix(namespace)

    def __repr__(self) -> str:
        server = getattr(self, "_server", None)  # it may be half made
        return f"RedisLedger({getattr(server, 'shown', '?')!r}, namespace={self.namespace!r})"

    def _call(self, work: Callable[[], T]) -> T:
        with self._server.in_time():  # also if the call begins a new session
            return super()._call(work)

    def _guarded(self, work: Callable[[], T]) -> T:
        return self._server.reach(work)

    def _disconnect(self) -> None:
        self._server.close()

    def _forked(self) -> None:
        if hasattr(self, "_server"):
            self._server.forked()

    def _script(
        self, script: str, names: Iterable[str], arguments: Iterable[str | int], replicas: int = 0
    ) -> Any:
        """Run a script with the keys of ``names``, after those that every script has."""
        keys = [f"{self._prefix}:{name}" for name in (*lua.COMMON, *names)]
        return self._server.run(script, keys, list(arguments), replicas)

    def _run(
        self, script: str, *arguments: str | int, keys: Iterable[str] = (), replicas: int = 0
    ) -> list[Any]:
        """Run a script for this session; return its answer without an "ok" in front."""
        me = self._me
        about = lua.SEPARATOR.join([me.host, str(me.pid), me.place, me.parent])
        registered = "1" if self._registered else "0"
        names = (f"of:{me.id}", f"ids:{me.id}", *keys)
        answer = self._script(script, names, (me.id, about, registered, *arguments), replicas)
        if not isinstance(answer, list) or not answer or answer[0] not in _ANSWERS:
            raise BadRow(f"{type(answer).__name__} is no answer of the script")
        if answer[0] == "lost":
            raise SessionLost
        return answer[answer[0] == "ok" :]

    # -- the claims -------------------------------------------------------------------------

    def _claim(self, wanted: Mapping[str, str], token: str) -> Collection[str]:
        pairs = [text for pair in wanted.items() for text in pair]
        return set(read_texts(self._run(lua.CLAIM, token, *pairs, replicas=self._replicas)))

    def _take(self, key: str, name: str, identity: str | None, before: str | None) -> Holder | None:
        owner = before or self._me.id
        for _ in range(_TRIES):
            answer = self._run(
                lua.TAKE,
                *(key, name, identity or "", before or "", owner),
                keys=(f"of:{owner}", f"ids:{owner}"),
                replicas=self._replicas,
            )
            if not answer:
                return None
            if answer[0] != "owner":
                return self._held(answer, name)
            _, owner = read_texts(answer, 2)
        raise LedgerError(f"{self}: the name changes its owner too often; try again")

    def _release(self, keys: Sequence[str], token: str | None) -> None:
        for start in range(0, len(keys), _BATCH):
            self._run(lua.RELEASE, token or "", *keys[start : start + _BATCH])

    def _renew(self, turn: float | None = None) -> bool:
        seconds = "" if turn is None else repr(turn)
        (has_turn,) = read_list(self._run(lua.RENEW, seconds, keys=["turn"]), 1)
        return bool(has_turn == 1)

    def _advance(self, walk: str, count: int) -> Any:
        (position,) = read_list(self._run(lua.ADVANCE, walk, count, keys=["walks"]), 1)
        return position

    def _spares(self, walk: str, count: int) -> Sequence[Any]:
        stored = self._run(lua.SPARES, count, keys=[f"spares:{walk}"])[:count]
        found = [self._read(partial(read_position, at)) for at in stored]
        return [position for position in found if position is not None]

    def _end(self, keys: Sequence[str], spare: Mapping[str, Collection[int]]) -> None:
        self._release(keys[_BATCH:], None)
        spares = [value for places in spare.values() for value in [len(places), *places]]
        self._run(
            lua.END,
            len(spare),
            *spares,
            *keys[:_BATCH],
            keys=[f"spares:{walk}" for walk in spare],
        )  # if its answer is lost, the next try finds no session

    def _free(
        self, sessions: Sequence[str], silent: float, identities: bool
    ) -> tuple[int, Sequence[str]]:
        names = [f"{kind}:{session}" for session in sessions for kind in ("of", "ids")]
        limits = (repr(silent), str(int(identities)), str(_BATCH))
        freed, left = read_list(self._script(lua.FREE, names, (*limits, *sessions)), 2)
        left = read_texts(left)
        if read_count(freed) > _BATCH or len(left) > len(sessions) or set(left) - set(sessions):
            raise BadRow("it must free only names of the sessions that it gets")
        return int(freed), left

    # -- for people who look ----------------------------------------------------------------

    def _find(self, key: str) -> Holder | None:
        answer = self._script(lua.FIND, (), [key])
        return None if answer is None else self._held(answer)

    def _kept(self, identity: str) -> Holder | None:
        answer = self._script(lua.KEPT, (), [identity])
        return None if answer is None else self._held(answer)

    def _page(self, after: Any) -> tuple[Iterable[Holder], Any]:
        scan = after or Scan()
        answer = self._script(lua.PAGE, (), [scan.cursor, _PAGE])
        cursor, now, about, claims = read_list(answer, 4)
        sessions = dict(self._listed(now, about))
        pairs = read_groups(claims, 2)
        found = [self._holder(key, claim, sessions) for key, claim in pairs if scan.is_new(key)]
        return [holder for holder in found if holder is not None], scan.next(cursor)

    def _sessions(self) -> Iterator[Session | None]:
        scan: Scan | None = Scan()
        while scan is not None:
            answer = self._script(lua.SESSIONS, (), [scan.cursor, _PAGE])
            cursor, now, about = read_list(answer, 3)
            yield from (one for id_, one in self._listed(now, about) if scan.is_new(id_))
            scan = scan.next(cursor)

    def _old(
        self, silent: float, skip: int, count: int, identities: bool
    ) -> Sequence[Session | None]:
        arguments = (repr(silent), skip, count, int(identities))
        _, now, about = read_list(self._script(lua.OLD, (), arguments), 3)
        return [session for _, session in self._listed(now, about)]

    def _count(self) -> Any:
        return self._script(lua.COUNT, (), ())

    def _namespaces(self) -> Iterable[str]:
        first, last = _prefix("").split("}")
        for key in self._server.keys(f"{first}*}}{last}:claims"):
            namespace = unquote(key[len(first) : -len("}:claims")])
            if len(namespace) <= 100 and key == f"{_prefix(namespace)}:claims":
                yield namespace


def _prefix(namespace: str) -> str:
    return f"namepool:{{{quote(namespace, safe='')}}}"
