"""One place where names are kept, of each kind; sessions of it are opened and left to die."""

from __future__ import annotations

import atexit
import tempfile
from pathlib import Path
from typing import Any

import pytest

from namepool.ledgers.memory import Book, MemoryLedger
from namepool.ledgers.session import SessionLedger
from tests.ledgers.redis_server import RedisServer, need_server
from tests.support import PATIENCE, MovableClock

ENGINES = ["memory", "sqlite", pytest.param("redis", marks=pytest.mark.proof)]


class Engine:
    """A place where names are kept. Its clock, where it has one of its own, is the test's."""

    kind: str

    def __init__(self) -> None:
        self.clock = MovableClock()
        self._open: list[SessionLedger] = []

    def open(self, namespace: str = "default", **options: Any) -> SessionLedger:
        """Return a session of its own."""
        ledger = self._make(namespace, **options)
        self._open.append(ledger)
        return ledger

    def crash(self, ledger: SessionLedger) -> None:
        """Let a session end as a process does that is killed: nothing is told to anybody."""
        self._open.remove(ledger)
        ledger._closed = True
        forget(ledger)

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass."""
        self.clock.advance(seconds)

    def close(self) -> None:
        """Close every session, and what is behind them."""
        for ledger in self._open:
            ledger.close()

    def _make(self, namespace: str, **options: Any) -> SessionLedger:
        raise NotImplementedError


def forget(ledger: SessionLedger) -> None:
    """Have this process forget that a session of it is open."""
    from namepool.ledgers import looking

    looking.opened.pop(ledger.session, None)
    ledger._disconnect()


class MemoryEngine(Engine):
    kind = "memory"

    def __init__(self) -> None:
        super().__init__()
        self._book = Book(self.clock)

    def _make(self, namespace: str, **options: Any) -> SessionLedger:
        return MemoryLedger(self._book, namespace, **options)


class SQLiteEngine(Engine):
    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "names.db"
        first = self._make("default")
        first.renew()  # a call that only reads would make no file
        first.close()

    def _make(self, namespace: str, **options: Any) -> SessionLedger:
        from namepool.ledgers.sqlite import SQLiteLedger

        return SQLiteLedger(self.path, namespace, clock=self.clock, **options)


RIGHTS = (
    "resetkeys resetchannels ~namepool:* -@all +eval +evalsha +time +info +scan +wait +exists "
    "+hget +hset +hdel +hlen +hscan +sadd +srem +spop +zadd +zrem +zscore +zrange"
)
"""What a user of a Redis server must be allowed."""


class RedisEngine(Engine):
    """Its clock is the server's: time passes there when it is written back in what was seen."""

    kind = "redis"
    server: RedisServer | None = None
    """One for all tests; each has it empty."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        if RedisEngine.server is None:
            need_server()
            place = tempfile.TemporaryDirectory()
            RedisEngine.server = RedisServer(Path(place.name))
            atexit.register(place.cleanup)
            atexit.register(RedisEngine.server.stop)
        self._server = RedisEngine.server
        self._server.do("FLUSHALL")
        self._server.do("ACL", "SETUSER", "worker", "reset", "on", ">word", *RIGHTS.split())

    def pass_time(self, seconds: float) -> None:
        for key in self._server.do("KEYS", "*:seen"):
            for session in self._server.do("ZRANGE", key, 0, -1):
                self._server.do("ZINCRBY", key, -seconds, session)
        for key in self._server.do("KEYS", "*:turn"):
            self._server.do("HINCRBYFLOAT", key, "at", -seconds)

    def _make(self, namespace: str, **options: Any) -> SessionLedger:
        from namepool.ledgers.redis import RedisLedger

        url = self._server.url.replace("://", "://worker:word@")
        return RedisLedger(url, namespace, **{"timeout": PATIENCE, **options})


def engine_of(kind: str, folder: Path) -> Engine:
    """Return a new, empty engine of a kind."""
    if kind == "memory":
        return MemoryEngine()
    return SQLiteEngine(folder) if kind == "sqlite" else RedisEngine(folder)
