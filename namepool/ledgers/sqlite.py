"""A ledger in an SQLite file, for several processes on one machine, without a server."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from namepool.core.options import CHECKS
from namepool.errors import LedgerError
from namepool.ledgers.base import Holder, Session, read_holder, read_session
from namepool.ledgers.database import Database
from namepool.ledgers.files import check_mode
from namepool.ledgers.session import Me, SessionLedger, SessionLost

T = TypeVar("T")

_SESSION = "uuid, host, pid, place, started, seen, ?1 - seen, ended"


class SQLiteLedger(SessionLedger):
    """A ledger in the file at ``path``, which is made if it is missing; see ``SessionLedger``.

    Several processes of one machine can share the file, also in containers that mount the same
    local disk. A claim survives a crash of the machine (``synchronous=FULL``). The first call opens
    the file.

    Args:
        mode: the mode of a new file, also against the umask: with ``0o600`` only this user may use
            it, with ``0o660`` its group, too. An existing file keeps its mode

    Raises:
        LedgerError: a call cannot use the file; the file stays as it is

    Examples:
        >>> ledger = namepool.ledgers.SQLiteLedger("names.db", namespace="crew")
        >>> ledger.claim(["Ada the Yak Shaver"], token="first")
        ['Ada the Yak Shaver']
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        namespace: str = "default",
        *,
        mode: int = 0o600,
        clock: Callable[[], float] = time.time,
        **options: Any,
    ) -> None:
        text = os.fspath(path) if isinstance(path, str | os.PathLike) else path
        super().__init__(namespace, **options)
        CHECKS.text("path", text, 4096)
        self._file = Database(text, self._timeout, check_mode(mode, mode))
        self._sql = self._file.execute
        self._clock = clock

    def __repr__(self) -> str:
        return f"SQLiteLedger({str(self._file.path)!r}, namespace={self.namespace!r})"

    def exists(self) -> bool:
        """Tell whether the file exists. Calls that read or write the ledger make a missing file.

        Examples:
            >>> ledger.exists(), namepool.ledgers.SQLiteLedger("other.db").exists()
            (True, False)
        """
        return self._file.path.exists()

    def _guarded(self, work: Callable[[], T]) -> T:
        return self._file.transact(work)

    def _look(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise LedgerError(f"{self} is closed")
        return self._file.transact(work, "BEGIN")

    def _disconnect(self) -> None:
        self._file.close()

    # -- the session ------------------------------------------------------------------------

    def _seen(self) -> tuple[Me, int]:
        """Renew the session, or register it at first; return it and its number."""
        me, now = self._me, self._clock()
        found = self._sql(
            "UPDATE session SET seen = max(seen, ?) WHERE uuid = ? RETURNING number", now, me.id
        ).fetchall()
        if found:
            return me, found[0][0]
        if self._registered:
            raise SessionLost
        values = (self.namespace, me.id, me.host, me.pid, me.place, now, now)
        cursor = self._sql(
            "INSERT INTO session (namespace, uuid, host, pid, place, started, seen, ended) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
            *values,
        )
        assert cursor.lastrowid is not None  # noqa: S101
        return me, cursor.lastrowid

    def _renew(self) -> None:
        self._seen()

    def _end(self) -> None:
        _, number = self._seen()
        self._sql("UPDATE session SET ended = 1 WHERE number = ?", number)
        self._sql(
            "DELETE FROM session WHERE number = ?1 "
            "AND NOT EXISTS (SELECT 1 FROM claim WHERE session = ?1)",
            number,
        )

    def _free(self, session: str, silent: float) -> int:
        found = self._sql(
            "SELECT number FROM session WHERE uuid = ? AND ? - seen > ?",
            session,
            self._clock(),
            silent,
        ).fetchone()
        if found is None:
            return 0
        freed = self._sql("DELETE FROM claim WHERE session = ?", *found).rowcount
        self._sql("DELETE FROM session WHERE number = ?", *found)
        return freed

    # -- the claims -------------------------------------------------------------------------

    def _claim(self, wanted: Mapping[str, str], token: str) -> Collection[str]:
        _, number = self._seen()
        ours, now = set(), self._clock()
        for key, name in wanted.items():
            row = self._sql(
                "INSERT INTO claim (namespace, key, name, session, token, claimed) "
                "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET token = token "
                "WHERE session = excluded.session AND token = excluded.token RETURNING key",
                self.namespace,
                key,
                name,
                number,
                token,
                now,
            ).fetchone()
            if row is not None:
                ours.add(key)
        return ours

    def _take(self, key: str, name: str, identity: str | None, before: str | None) -> Holder | None:
        _, number = self._seen()
        self._sql(
            "INSERT INTO claim (namespace, key, name, session, token, claimed) "
            "VALUES (?, ?, ?, ?, '', ?) ON CONFLICT DO NOTHING",
            self.namespace,
            key,
            name,
            number,
            self._clock(),
        )
        changed = self._sql(
            "UPDATE claim SET session = ?1, identity = ifnull(?2, identity) "
            "WHERE namespace = ?3 AND key = ?4 AND (session = ?1 OR session = "
            "(SELECT number FROM session WHERE uuid = ?5)) "
            "AND (identity IS NULL OR ?2 IS NULL OR identity = ?2)",
            number,
            identity,
            self.namespace,
            key,
            before,
        ).rowcount
        if changed:
            return None
        return next(iter(self._holders("AND key = ?3", key)))

    def _release(self, keys: Sequence[str], token: str | None) -> None:
        _, number = self._seen()
        for key in keys:
            self._sql(
                "DELETE FROM claim WHERE namespace = ?1 AND key = ?2 AND session = ?3 "
                "AND identity IS NULL AND (?4 IS NULL OR token = ?4)",
                self.namespace,
                key,
                number,
                token,
            )

    def _advance(self, walk: str, count: int) -> int:
        self._seen()
        row = self._sql(
            "INSERT INTO walk (namespace, walk, position) VALUES (?1, ?2, ?3) "
            "ON CONFLICT DO UPDATE SET position = position + ?3 RETURNING position",
            self.namespace,
            walk,
            count,
        ).fetchone()
        return int(row[0]) - count

    # -- for people who look ----------------------------------------------------------------

    def _sessions(self) -> list[Session]:
        rows = self._sql(
            f"SELECT {_SESSION} FROM session WHERE namespace = ?2",  # noqa: S608
            self._clock(),
            self.namespace,
        )
        return [read_session(*row) for row in rows]

    def _count(self) -> tuple[int, list[Session]]:
        counted = self._sql("SELECT count(*) FROM claim WHERE namespace = ?", self.namespace)
        return counted.fetchone()[0], self._sessions()

    def _holders(self, where: str = "", *values: object) -> Iterable[Holder]:
        rows = self._sql(
            f"SELECT {_SESSION}, name, claimed, identity FROM claim "  # noqa: S608
            f"JOIN session ON number = claim.session WHERE claim.namespace = ?2 {where}",
            self._clock(),
            self.namespace,
            *values,
        )
        return [read_holder(row[8], read_session(*row[:8]), *row[9:]) for row in rows]
