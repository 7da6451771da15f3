"""A ledger in Redis or Valkey, for fleets on many machines."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from namepool.core.options import CHECKS
from namepool.ledgers import lua
from namepool.ledgers.base import Holder, Session, read_holder, read_session
from namepool.ledgers.server import Server
from namepool.ledgers.session import SessionLedger, SessionLost

T = TypeVar("T")

_BATCH = 1000
"""Names that one script frees or releases. A script blocks all other clients meanwhile."""


class RedisLedger(SessionLedger):
    """A ledger in the Redis (6.2 or later) or Valkey at ``url``; see ``SessionLedger``.

    It needs redis-py, which comes with the extra ``redis``. The URL is one of redis-py:
    ``redis://``, ``rediss://`` for TLS, or ``unix://``, with a user and a password if the server
    wants them. The ledger never shows them. It uses the server's clock only. The first call
    connects. A claim that was answered may still be lost if the server loses its data, or fails
    over to a replica that lags: see the guide on fleets.

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
        self._prefix = f"namepool:{{{quote(namespace, safe='')}}}"

    def __repr__(self) -> str:
        return f"RedisLedger({self._server.shown!r}, namespace={self.namespace!r})"

    def _guarded(self, work: Callable[[], T]) -> T:
        return self._server.reach(work)

    def _disconnect(self) -> None:
        self._server.close()

    def _forked(self) -> None:
        self._server.forked()

    def _key(self, name: str) -> str:
        return f"{self._prefix}:{name}"

    def _keys(self, session: str) -> list[str]:
        return [*map(self._key, ("claims", "sessions", "seen")), self._key(f"of:{session}")]

    def _run(
        self, script: str, *arguments: str | int, key: str | None = None, replicas: int = 0
    ) -> list[Any]:
        """Run a script for this session; return its answer without the "ok" or "held" in front."""
        me = self._me
        about = lua.SEPARATOR.join(["0", me.host, str(me.pid), me.place])
        keys = self._keys(me.id) + ([] if key is None else [self._key(key)])
        registered = "1" if self._registered else "0"
        answer = self._server.run(script, keys, [me.id, about, registered, *arguments], replicas)
        if answer[0] == "lost":
            raise SessionLost
        return answer[1:]

    # -- the claims -------------------------------------------------------------------------

    def _claim(self, wanted: Mapping[str, str], token: str) -> Collection[str]:
        pairs = [text for pair in wanted.items() for text in pair]
        return set(self._run(lua.CLAIM, token, *pairs, replicas=self._replicas))

    def _take(self, key: str, name: str, identity: str | None, before: str | None) -> Holder | None:
        held = self._run(
            lua.TAKE,
            key,
            name,
            identity or "",
            before or "",
            key=f"of:{before or self._me.id}",
            replicas=self._replicas,
        )
        if not held:
            return None
        claim, about, seen, now = held
        return _holder(claim, {claim.partition(lua.SEPARATOR)[0]: about}, {}, float(now), seen)

    def _release(self, keys: Sequence[str], token: str | None) -> None:
        for start in range(0, len(keys), _BATCH):
            self._run(lua.RELEASE, token or "", *keys[start : start + _BATCH])

    def _renew(self) -> None:
        self._run(lua.RENEW)

    def _advance(self, walk: str, count: int) -> int:
        return int(self._run(lua.ADVANCE, walk, count, key="walks")[0])

    def _end(self) -> None:
        self._run(lua.END)  # if its answer is lost, the next try finds no session

    def _free(self, session: str, silent: float) -> int:
        freed, left = 0, 1
        while left:
            arguments: list[str | int] = [session, repr(silent), _BATCH]
            now, left = self._server.run(lua.FREE, self._keys(session), arguments)
            freed += now
        return freed

    # -- for people who look ----------------------------------------------------------------

    def _sessions(self) -> list[Session]:
        about, seen, now = self._all()
        return [_session(id_, text, seen.get(id_, 0.0), now) for id_, text in about.items()]

    def _count(self) -> tuple[int, list[Session]]:
        return int(self._server.client.hlen(self._key("claims"))), self._sessions()

    def _holders(self) -> Iterable[Holder]:
        about, seen, now = self._all()
        claims = self._server.client.hscan_iter(self._key("claims"), count=_BATCH)
        # A scan may return a name twice.
        found = {key: _holder(claim, about, seen, now) for key, claim in claims}
        return found.values()

    def _all(self) -> tuple[dict[str, str], dict[str, float], float]:
        """Return the description of each session, its last renewal, and the time now."""
        client = self._server.client
        about = client.hgetall(self._key("sessions"))
        seen = dict(client.zrange(self._key("seen"), 0, -1, withscores=True))
        return about, seen, self._server.now()


def _holder(
    claim: str, about: Mapping[str, str], seen: Mapping[str, float], now: float, last: str = "0"
) -> Holder:
    id_, _, claimed, identity, name = _fields(claim)
    session = _session(id_, about.get(id_, ""), seen.get(id_, last), now)
    return read_holder(name, session, claimed, identity or None)


def _session(id_: str, about: str, seen: float | str, now: float) -> Session:
    ended, host, pid, place, started = _fields(about or "1\x1f?\x1f0\x1f\x1f0")
    session = read_session(id_, host, pid, place, started, seen, 0.0, ended)
    return session._replace(silent=max(now - session.seen, 0.0))


def _fields(text: str) -> list[str]:
    """Return the five fields of a claim or a session, also if another program wrote it."""
    return [*text.split(lua.SEPARATOR, 4), *[""] * 4][:5]
