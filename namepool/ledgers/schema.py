"""The tables of a ledger's SQLite file: making them, and checking them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from namepool.errors import LedgerError

APPLICATION = 0x6E706C67
"""The ``application_id`` of SQLite that marks the file as a ledger: "nplg"."""

VERSION = 1
"""The version of the tables (SQLite's ``user_version``)."""

_TABLES = (
    """CREATE TABLE session (
        number INTEGER PRIMARY KEY AUTOINCREMENT, namespace TEXT NOT NULL,
        uuid TEXT NOT NULL UNIQUE, host TEXT NOT NULL, pid INTEGER NOT NULL, place TEXT NOT NULL,
        started REAL NOT NULL, seen REAL NOT NULL, ended INTEGER NOT NULL)""",
    """CREATE TABLE claim (
        namespace TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, session INTEGER NOT NULL,
        token TEXT NOT NULL, identity TEXT, claimed REAL NOT NULL,
        PRIMARY KEY (namespace, key)) WITHOUT ROWID""",
    "CREATE INDEX claim_session ON claim (session)",
    """CREATE TABLE walk (
        namespace TEXT NOT NULL, walk TEXT NOT NULL, position INTEGER NOT NULL,
        PRIMARY KEY (namespace, walk)) WITHOUT ROWID""",
)

_PAUSE = 0.01
"""Seconds between two tries to switch the file to its journal while other processes open it."""


def prepare(connection: sqlite3.Connection, deadline: float) -> None:
    """Make the tables if the file is empty, else check that they are those of a ledger.

    Several processes may call this at once.

    Raises:
        LedgerError: SQLite is too old, or the file is another program's database or has tables of
            another version; the file is unchanged
        sqlite3.Error: the file cannot be read, or cannot be written before ``deadline``
    """
    if sqlite3.sqlite_version_info < (3, 35):
        raise LedgerError(f"SQLite 3.35 or later is needed, not {sqlite3.sqlite_version}")
    with _transaction(connection, "BEGIN"):  # other processes may be making the tables
        ready = _is_ready(connection)
    if not ready:
        _switch_to_wal(connection, deadline)
        with _transaction(connection, "BEGIN IMMEDIATE"):
            if not _is_ready(connection):
                _make(connection)
    connection.execute("PRAGMA synchronous = FULL")


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _make(connection: sqlite3.Connection) -> None:
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _is_ready(connection: sqlite3.Connection) -> bool:
    """Tell whether the tables are there; refuse a file that is neither a ledger nor empty."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application == APPLICATION and version == VERSION:
        return True
    if application == APPLICATION:
        raise LedgerError(
            f"the file has schema {version}, and this namepool knows {VERSION}: "
            "use a newer namepool, or another file"
        )
    if version or application or connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
        raise LedgerError("the file is another program's database: give the ledger one of its own")
    return False


def _switch_to_wal(connection: sqlite3.Connection, deadline: float) -> None:
    """Switch to a journal in which readers and the writer do not block each other.

    The file remembers its journal.
    """
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:  # SQLite does not wait for this lock
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
