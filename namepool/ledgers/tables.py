"""The steps of an SQLite ledger that only read its tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Any

from namepool.core.names import one_line
from namepool.core.options import CHECKS
from namepool.errors import InvalidOption
from namepool.ledgers.base import LONGEST, Holder, Session
from namepool.ledgers.connection import fault
from namepool.ledgers.rows import PATH, read_holder, read_session, stand_in, unknown_session
from namepool.ledgers.session import SessionLedger


def _text(column: str, longest: int = LONGEST) -> str:
    """Return SQL for a text that is cut, so that the reader still sees that it is too long."""
    return f"substr({column}, 1, {longest + 1})"


def number_of(column: str) -> str:
    """Return SQL for a number, and the beginning of any other value."""
    cut = f"substr({column}, 1, 50)"
    return f"CASE WHEN typeof({column}) IN ('integer', 'real') THEN {column} ELSE {cut} END"


_SESSION = {
    "id_": _text("uuid"),
    "host": _text("host"),
    "pid": number_of("pid"),
    "place": _text("place"),
    "parent": _text("parent", PATH),
    "started": number_of("started"),
    "seen": number_of("seen"),
    "ended": number_of("ended"),
}
_CLAIM = {
    "key": _text("key"),
    "name": _text("name"),
    "claimed": number_of("claimed"),
    "identity": _text("identity"),
    "kept": number_of("kept"),
}

KEY: int = len(_SESSION)
"""The place of the key in a row of ``_HOLDERS``."""

_KEY_BYTES = 1300

_SESSIONS = f"SELECT {', '.join(_SESSION.values())} FROM session WHERE namespace = ?1"  # noqa: S608
_HOLDERS = (
    f"SELECT {', '.join([*_SESSION.values(), *_CLAIM.values()])}, "  # noqa: S608
    f"substr(CAST(key AS BLOB), 1, {_KEY_BYTES}) "
    "FROM claim LEFT JOIN session ON number = session WHERE claim.namespace = ?1"
)

PAGE = 1000
"""Claims that are read in one step."""


class Tables(SessionLedger):
    """The part of ``SQLiteLedger`` that reads sessions and claims.

    Another program may have written the rows. So each text is cut before it is loaded.
    """

    _sql: Callable[..., sqlite3.Cursor]
    _clock: Callable[[], float]

    def _find(self, key: str) -> Holder | None:
        row = self._row("AND key = ?2", key)
        return self._held(row, stand_in(key)) if row else None

    def _kept(self, identity: str) -> Holder | None:
        row = self._row("AND identity = ?2", identity)
        return self._held(row, stand_in(row[KEY])) if row else None

    def _page(self, after: Any) -> tuple[Iterable[Holder], Any]:
        rows = self._sql(
            f"{_HOLDERS} AND key >= CAST(?2 AS TEXT) AND typeof(key) = 'text' "
            f"ORDER BY key LIMIT {PAGE}",
            *(self.namespace, after or b""),
        ).fetchall()
        session_of = cache(self._session)  # many claims are of one session
        holders = [
            self._holder(row, session_of(row[:KEY]) or unknown_session(row[0])) for row in rows
        ]
        if len(rows) < PAGE:
            return filter(None, holders), None
        further = _behind(rows[-1][-1])
        if further is not None and further <= (after or b""):  # a list without an end
            raise fault(
                sqlite3.SQLITE_CORRUPT, "its keys are out of order"
            )  # a list without an end
        return filter(None, holders), further

    def _old(
        self, silent: float, skip: int, count: int, identities: bool
    ) -> Sequence[Session | None]:
        old = "SELECT number AS n, seen AS s FROM session WHERE namespace = ?1 AND seen < ?2 AND "
        old = f"{old} ended < 2 UNION ALL {old} ended >= 2" if identities else f"{old} ended < 2"
        rows = self._sql(
            f"SELECT {', '.join(_SESSION.values())} FROM "  # noqa: S608
            f"({old} ORDER BY s LIMIT ?3 OFFSET ?4) JOIN session ON number = n ORDER BY s",
            *(self.namespace, self._clock() - silent, count, skip),
        )
        return [self._session(row) for row in rows]

    def _sessions(self) -> Iterator[Session | None]:
        return map(self._session, self._sql(_SESSIONS, self.namespace))

    def _count(self) -> Any:
        counted = self._sql("SELECT count(*) FROM claim WHERE namespace = ?", self.namespace)
        return counted.fetchone()[0]

    def _namespaces(self) -> Iterable[str]:
        for (name,) in self._sql(f"SELECT DISTINCT {_text('namespace', 100)} FROM claim"):  # noqa: S608
            with suppress(InvalidOption):  # nobody could open a ledger with another text
                yield CHECKS.text("namespace", name, 100)

    def _row(self, where: str, value: str) -> Any:
        return self._sql(f"{_HOLDERS} {where}", self.namespace, value).fetchone()

    def _session(self, row: Sequence[Any]) -> Session | None:
        values = dict(zip(_SESSION, row, strict=False))
        return self._read(lambda: read_session(self._clock(), **values))

    def _holder(self, row: Sequence[Any], session: Session) -> Holder | None:
        values = dict(zip(_CLAIM, row[KEY:], strict=False))
        return self._read(lambda: read_holder(session, **values))

    def _held(self, row: Sequence[Any], instead: str) -> Holder:
        """Return the holder in a row; if it is bad, nobody known holds the name ``instead``."""
        nobody = unknown_session(row[0])
        holder = self._holder(row, self._session(row) or nobody)
        whose = row[KEY + 3]
        whose = None if whose is None else one_line(whose, LONGEST)
        return holder or Holder(instead, nobody, 0.0, whose)


def _behind(key: bytes) -> bytes | None:
    """Return the least key behind ``key``; if ``key`` is cut, behind all that begin with it."""
    if len(key) < _KEY_BYTES:
        return key + b"\0"
    key = key.rstrip(b"\xff")
    return key[:-1] + bytes([key[-1] + 1]) if key else None
