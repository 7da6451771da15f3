"""A ledger in an SQLite file, for several processes on one machine, without a server."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from namepool.core.options import CHECKS
from namepool.ledgers.base import Holder
from namepool.ledgers.database import Database
from namepool.ledgers.engine import SessionLost
from namepool.ledgers.files import check_mode
from namepool.ledgers.rows import FURTHEST, BadRow, read_position, stand_in
from namepool.ledgers.schema import PRUNED
from namepool.ledgers.tables import KEY, Tables, number_of

T = TypeVar("T")


NAMES = 400
"""Names that one step of a prune frees, at most. It takes some milliseconds."""


class SQLiteLedger(Tables):
    """A ledger in the file at ``path``, which is made if it is missing; see ``SessionLedger``.

    Several processes of one machine can share the file, also in containers that mount the same
    local disk. A claim survives a crash of the machine (``synchronous=FULL``). The first call opens
    the file. A call that only reads changes no data, and makes no file.

    Args:
        mode: the mode of a new file, also against the umask: with ``0o600`` only this user may use
            it, with ``0o660`` its group, too. An existing file keeps its mode

    Raises:
        LedgerBusy: other processes had the file locked for the whole ``timeout`` of a call
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
        file = getattr(self, "_file", None)  # ``__init__`` may have been cut short
        return f"SQLiteLedger({str(file.path)!r}, namespace={self.namespace!r})" if file else "?"

    def exists(self) -> bool:
        """Tell whether the file exists. Calls that change something make a missing file.

        Examples:
            >>> ledger.exists(), namepool.ledgers.SQLiteLedger("other.db").exists()
            (True, False)
        """
        return self._file.path.exists()

    def _guarded(self, work: Callable[[], T]) -> T:
        return self._file.transact(work)

    def _look(self, work: Callable[[], T]) -> T:
        return self._file.look(work)

    def _disconnect(self) -> None:
        self._file.close()

    # -- the session ------------------------------------------------------------------------

    def _seen(self) -> int:
        """Renew the session, or register it at first; return its number."""
        me, now = self._me, self._clock()
        found = self._sql(
            "UPDATE session SET seen = max(seen, ?), pid = ?, place = ?, parent = ? "
            "WHERE uuid = ? AND ended = 0 RETURNING number",
            *(now, me.pid, me.place, me.parent, me.id),
        ).fetchall()
        if found:
            return int(found[0][0])
        if self._registered:
            raise SessionLost
        cursor = self._sql(
            "INSERT INTO session (namespace, uuid, host, pid, place, parent, started, seen, ended) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)",
            *(self.namespace, me.id, me.host, me.pid, me.place, me.parent, now, now),
        )
        return int(cursor.lastrowid or 0)

    def _renew(self, turn: float | None = None) -> bool:
        self._seen()
        if turn is None:
            return False
        changed = self._sql(
            "INSERT INTO turn (namespace, next) VALUES (?1, ?2 + ?3) ON CONFLICT DO UPDATE "
            "SET next = excluded.next WHERE next <= ?2 OR next > excluded.next",
            *(self.namespace, self._clock(), turn),
        )
        return changed.rowcount > 0

    def _end(self, keys: Sequence[str], spare: Mapping[str, Collection[int]]) -> None:
        self._release(keys, None)
        for walk, positions in spare.items():
            for position in positions:
                self._sql(
                    "INSERT OR IGNORE INTO spare (namespace, walk, position) VALUES (?, ?, ?)",
                    *(self.namespace, walk, position),
                )
        number = self._seen()
        self._sql("UPDATE session SET ended = 1 WHERE number = ?", number)
        self._forget(number)

    def _forget(self, *numbers: int) -> None:
        """Remove those of the sessions that have ended or were pruned, and have no names."""
        self._sql(
            f"DELETE FROM session WHERE number IN ({_marks(numbers)}) AND ended > 0 "  # noqa: S608
            "AND NOT EXISTS (SELECT 1 FROM claim WHERE session = number)",
            *numbers,
        )

    def _free(
        self, sessions: Sequence[str], silent: float, identities: bool
    ) -> tuple[int, Sequence[str]]:
        found = self._sql(
            f"SELECT number FROM session WHERE uuid IN ({_marks(sessions)}) "  # noqa: S608
            "AND namespace = ? AND seen < ?",
            *(*sessions, self.namespace, self._clock() - silent),
        )
        numbers = [number for (number,) in found]
        marks, kind = _marks(numbers), "" if identities else "AND identity IS NULL"
        freed = self._sql(
            "DELETE FROM claim WHERE (namespace, key) IN (SELECT namespace, key FROM claim "  # noqa: S608
            f"WHERE session IN ({marks}) {kind} LIMIT {NAMES})",
            *numbers,
        ).rowcount
        has_more = freed == NAMES
        self._sql(
            f"UPDATE session SET ended = max(ended, ?) WHERE number IN ({marks})",  # noqa: S608
            *(1 if has_more else PRUNED, *numbers),
        )
        self._forget(*numbers)
        return freed, sessions if has_more else ()

    # -- the claims -------------------------------------------------------------------------

    def _claim(self, wanted: Mapping[str, str], token: str) -> Collection[str]:
        number, ours, now = self._seen(), set(), self._clock()
        for key, name in wanted.items():
            row = self._sql(
                "INSERT INTO claim (namespace, key, name, session, token, kept, claimed) "
                "VALUES (?, ?, ?, ?, ?, 0, ?) ON CONFLICT DO UPDATE SET token = token "
                "WHERE session = excluded.session AND token = excluded.token RETURNING 1",
                *(self.namespace, key, name, number, token, now),
            ).fetchone()
            if row is not None:
                ours.add(key)
        return ours

    def _take(self, key: str, name: str, identity: str | None, before: str | None) -> Holder | None:
        number = self._seen()
        if identity is not None:
            theirs = self._row("AND identity = ?2", identity)
            if theirs is not None and theirs[KEY] != key:
                return self._held(theirs, stand_in(theirs[KEY]))
        old = self._sql(
            "SELECT session FROM claim WHERE namespace = ? AND key = ?", self.namespace, key
        ).fetchone()
        if old is None:
            self._sql(
                "INSERT INTO claim (namespace, key, name, session, token, identity, kept, claimed) "
                "VALUES (?, ?, ?, ?, '', ?, 0, ?)",
                *(self.namespace, key, name, number, identity, self._clock()),
            )
            return None
        changed = self._sql(
            "UPDATE claim SET session = ?1, identity = ifnull(identity, ?2), kept = 0 "
            "WHERE namespace = ?3 AND key = ?4 AND ("
            "session = ?1 AND identity IS NULL OR "
            "identity = ?2 AND (kept = 1 OR session = ?1 OR "
            "session = (SELECT number FROM session WHERE uuid = ?5 AND namespace = ?3)))",
            *(number, identity, self.namespace, key, before),
        ).rowcount
        if not changed:
            return self._held(self._row("AND key = ?2", key), name)
        self._forget(*old)
        return None

    def _release(self, keys: Sequence[str], token: str | None) -> None:
        number = self._seen()
        for key in keys:
            ours = (self.namespace, key, number, token)
            where = (
                "WHERE namespace = ?1 AND key = ?2 AND session = ?3 "
                "AND (?4 IS NULL OR token = ?4) AND identity IS"
            )
            if not self._sql(f"DELETE FROM claim {where} NULL", *ours).rowcount:  # noqa: S608
                self._sql(f"UPDATE claim SET kept = 1 {where} NOT NULL", *ours)  # noqa: S608

    def _advance(self, walk: str, count: int) -> Any:
        self._seen()
        row = self._sql(
            f"SELECT {number_of('position')} FROM walk "  # noqa: S608
            "WHERE namespace = ? AND walk = ?",
            *(self.namespace, walk),
        ).fetchone()
        stored = row[0] if row else 0
        with suppress(BadRow):  # the caller says so
            self._sql(
                "INSERT INTO walk (namespace, walk, position) VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET position = excluded.position",
                *(self.namespace, walk, read_position(stored) + count),
            )
        return stored

    def _spares(self, walk: str, count: int) -> Sequence[Any]:
        self._seen()
        found = self._sql(
            "DELETE FROM spare WHERE namespace = ?1 AND walk = ?2 AND position IN ("
            "SELECT position FROM spare WHERE namespace = ?1 AND walk = ?2 "
            "AND position BETWEEN 0 AND ?3 ORDER BY position LIMIT ?4) RETURNING position",
            *(self.namespace, walk, FURTHEST - 1, count),
        )
        return sorted(position for (position,) in found)


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))
