"""The tables of a ledger's SQLite file: making them, and comparing a file with them."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from namepool.core.names import one_line
from namepool.errors import LedgerError

APPLICATION = 0x6E706C67
"""The ``application_id`` of SQLite that marks the file as a ledger: "nplg"."""

VERSION = 2
"""The version of the tables (SQLite's ``user_version``)."""

PRUNED = 2
"""The state ``ended`` of a session that has only names of identities left, after a prune."""

TABLES: tuple[str, ...] = (
    """CREATE TABLE session (
        number INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT NOT NULL,
        uuid TEXT NOT NULL UNIQUE, host TEXT NOT NULL, pid INTEGER NOT NULL, place TEXT NOT NULL,
        parent TEXT NOT NULL, started REAL NOT NULL, seen REAL NOT NULL,
        ended INTEGER NOT NULL) STRICT""",
    "CREATE INDEX session_seen ON session (namespace, seen) WHERE ended < 2",
    "CREATE INDEX session_pruned ON session (namespace, seen) WHERE ended >= 2",
    """CREATE TABLE claim (
        namespace TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, session INTEGER NOT NULL,
        token TEXT NOT NULL, identity TEXT, kept INTEGER NOT NULL, claimed REAL NOT NULL,
        PRIMARY KEY (namespace, key)) STRICT, WITHOUT ROWID""",
    "CREATE INDEX claim_session ON claim (session, identity)",
    """CREATE UNIQUE INDEX claim_identity ON claim (namespace, identity)
        WHERE identity IS NOT NULL""",
    """CREATE TABLE walk (
        namespace TEXT NOT NULL, walk TEXT NOT NULL, position INTEGER NOT NULL,
        PRIMARY KEY (namespace, walk)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE spare (
        namespace TEXT NOT NULL, walk TEXT NOT NULL, position INTEGER NOT NULL,
        PRIMARY KEY (namespace, walk, position)) STRICT, WITHOUT ROWID""",
    """CREATE TABLE turn (
        namespace TEXT NOT NULL PRIMARY KEY, next REAL NOT NULL) STRICT, WITHOUT ROWID""",
)
"""The statements that make the tables. SQLite stores each as it stands here."""

_NAMED = re.compile(r"CREATE (?:UNIQUE )?(TABLE|INDEX) (\w+)(?: ON (\w+))?")


def _row(statement: str) -> tuple[str, str, str, str]:
    kind, name, table = _NAMED.match(statement).groups()  # type: ignore[union-attr]
    return (kind.lower(), name, table or name, statement)


_OURS = {_row(statement) for statement in TABLES}

_SQLITES = {("table", "sqlite_sequence"), ("table", "sqlite_stat1"), ("table", "sqlite_stat4")}
"""Tables that SQLite makes by itself."""

_LONGEST = 1000
"""The most characters of a statement that are read. Ours are shorter."""

_ROWS = (
    "SELECT substr(type, 1, 100), substr(name, 1, 100), substr(tbl_name, 1, 100), "  # noqa: S608
    f"substr(sql, 1, {_LONGEST}) FROM sqlite_schema LIMIT 100"
)

Execute = Callable[[str], sqlite3.Cursor]


class NoLedger(LedgerError):
    """The file of a ledger is missing or empty, and the call makes none."""


def prepare(execute: Execute) -> None:
    """Make the tables if the file is empty, else check that they are those of a ledger.

    Several processes may call this at once.

    Raises:
        LedgerError: the file is another program's database, or has tables of another version, or
            tables that another program has changed; the file is unchanged
        sqlite3.Error: the file cannot be read or written, or another process has it locked
    """
    with _transaction(execute, "BEGIN"):  # other processes may be making the tables
        ready = is_ready(execute)
    # Readers and the writer do not block each other then. The file remembers its journal.
    execute("PRAGMA journal_mode = WAL")
    if not ready:
        with _transaction(execute, "BEGIN IMMEDIATE"):
            if not is_ready(execute):
                _make(execute)


@contextmanager
def _transaction(execute: Execute, begin: str) -> Iterator[None]:
    execute(begin)
    try:
        yield
    except BaseException:
        execute("ROLLBACK")
        raise
    execute("COMMIT")


def _make(execute: Execute) -> None:
    for statement in TABLES:
        execute(statement)
    execute(f"PRAGMA application_id = {APPLICATION}")
    execute(f"PRAGMA user_version = {VERSION}")


def is_ready(execute: Execute) -> bool:
    """Tell whether the tables are there; refuse a file that is neither a ledger nor empty.

    SQLite runs triggers, views and the expressions of indexes that another program has written. So
    all tables must be the same as ours, letter for letter, and nothing else may be there.

    Raises:
        LedgerError: see ``prepare``
    """
    version = execute("PRAGMA user_version").fetchone()[0]
    application = execute("PRAGMA application_id").fetchone()[0]
    if application == APPLICATION and version != VERSION:
        raise LedgerError(_advice(version))
    if application != APPLICATION:
        if version or application or execute("SELECT 1 FROM sqlite_schema").fetchone():
            raise LedgerError(
                "the file is another program's database: give the ledger one of its own"
            )
        return False
    rows = set(execute(_ROWS))
    others = {row for row in rows - _OURS if not _is_of_sqlite(*row)}
    changed = sorted(one_line(f"{kind} {name}", 100) for kind, name, *_ in others | (_OURS - rows))
    if changed or execute("PRAGMA encoding").fetchone() != ("UTF-8",):
        raise LedgerError(
            "another program has changed the tables of the file, so it is not used "
            f"({', '.join(changed[:3]) or 'the encoding'}): keep it, and begin a new one"
        )
    return True


def _is_of_sqlite(kind: Any, name: Any, _: Any, sql: Any) -> bool:
    # An index without a statement belongs to a PRIMARY KEY or UNIQUE; SQLite checks that it does.
    return (kind, name) in _SQLITES or (kind == "index" and sql is None)


def _advice(version: int) -> str:
    if version < VERSION:
        return (
            f"the file has schema {version} and was made by an earlier namepool, and this one "
            f"knows {VERSION} only: give the ledger another file, or delete this one"
        )
    return (
        f"the file has schema {version}, and this namepool knows {VERSION}: "
        "use a newer namepool, or another file"
    )
