"""The SQLite file of a ledger, opened by the first call and again after a failure or a fork.

SQLite keeps one table of all files that its process has open, with its locks on them. A forked
child inherits the table but not the locks, so the child would read and write without a lock. For
this reason no file is open while the process forks.
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from namepool.core.names import one_line
from namepool.errors import LedgerError
from namepool.ledgers import schema
from namepool.ledgers.files import check_beside, check_file, check_file_system, make_file

T = TypeVar("T")

_HINTS = {
    sqlite3.SQLITE_BUSY: "another process has held it locked for longer than the timeout",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "this process may not write to it or to its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: may this user read and write it and its folder?",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: keep it, and begin a new one",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database",
}

_CLOSED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)

_SETTLING, _PAUSE = 0.5, 0.01
"""Seconds after which an unwritable file is an error, and seconds between two tries."""

_NO_FILE = (0, 0)

_gate = threading.RLock()
"""A lock that is held during a fork, and while a database is added to ``_known``.

So no thread can make a new database, and open its file, during a fork.
"""

_making = threading.Lock()
"""A lock that is held while ``make_file`` makes a file and closes it.

If a process closes a file, the locks of its other threads on this file are lost. So no other thread
may open the file before ``make_file`` has closed it.
"""

_known: weakref.WeakSet[Database] = weakref.WeakSet()

_held: list[Database] = []
"""During a fork, the databases that are closed: no thread may use them."""

_spoilt: set[tuple[int, int]] = set()
"""Files that this process may not use: its parent used them during the fork."""

_left_to_the_parent: list[sqlite3.Connection | None] = []


_NUMBERED = re.compile(r"\?(\d+)")


class Database:
    """A connection to the file at ``path``; one thread at a time works with it.

    A fork waits for this thread, up to the timeout, and closes the connection. The parent and the
    child open the file again when they need it. If the thread takes longer, the child cannot use
    the file: its calls raise ``LedgerError``. A missing file is made with exactly this ``mode``.
    SQLite gives the same mode to the files that it puts beside the database.
    """

    def __init__(self, path: str, timeout: float, mode: int) -> None:
        self.path: Path = Path(path).absolute()
        self._mode = mode
        self._timeout = timeout
        self._mutex = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode = _NO_FILE
        with _gate:
            _known.add(self)

    def transact(self, work: Callable[[], T], begin: str = "BEGIN IMMEDIATE") -> T:
        """Do ``work`` in a transaction that waits for other transactions, up to the timeout.

        With ``begin="BEGIN"`` the work may only read. It sees the state of one moment, and nobody
        waits for it. Work that writes needs the default, ``BEGIN IMMEDIATE``, which waits for
        SQLite's lock for writers before the work begins. Without it, the work would ask for this
        lock in the middle of its transaction, and SQLite may then refuse the lock at once.

        Raises:
            LedgerError: the file cannot be used, and nothing was done; the next call opens it again
        """
        if not self._mutex.acquire(timeout=self._timeout):
            raise LedgerError(f"{self}: another thread has used it for over {self._timeout:g} s")
        try:
            return self._settled(work, begin)
        except (sqlite3.Error, OSError) as error:
            self._hang_up()
            reason = _HINTS.get(_code(error), "it cannot be used")
            raise LedgerError(f"{self}: {reason} ({one_line(error)})") from error
        except LedgerError as error:
            self._hang_up()
            raise LedgerError(f"{self}: {error}") from error.__cause__
        finally:
            self._mutex.release()

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Execute a statement with values for ``?`` or ``?1``.

        Only the ``work`` of ``transact`` may call this method.
        """
        assert self._connection is not None  # noqa: S101  it is open in a transaction
        named, numbered = _NUMBERED.subn(r":v\1", statement)
        if not numbered:
            return self._connection.execute(statement, values)
        # Bound by name: CPython 3.14 binds no sequence to numbered ones, and 3.12 warns of it.
        return self._connection.execute(named, {f"v{n}": v for n, v in enumerate(values, 1)})

    def close(self) -> None:
        """Close the file. The next call opens it again."""
        with self._mutex:
            self._hang_up()

    def before_fork(self, began: float) -> bool:
        """Close the file, and keep threads off it; return ``False`` if a thread took too long."""
        left = began + self._timeout - time.monotonic()
        if not self._mutex.acquire(timeout=max(left, 0.0)):
            return False
        self._hang_up()
        return True

    def after_fork(self) -> None:
        """Let threads use the file again after ``before_fork``."""
        self._mutex.release()

    def forked(self) -> None:
        """In the child, give up a file that was in use: to close it here could damage it."""
        if self._connection is not None or self._mutex.locked():
            _left_to_the_parent.append(self._connection)
            self._connection = None
            self._mutex = threading.Lock()
            _spoilt.update({_inode_of(self.path)} - {_NO_FILE})

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None:  # else ``__init__`` was cut short
            self._hang_up()

    def __str__(self) -> str:
        return f"the ledger {str(self.path)!r}"

    def _settled(self, work: Callable[[], T], begin: str) -> T:
        """Do the work; if the file may not be written, try again for a moment.

        A process makes a file first and sets its mode a little later. SQLite does the same with the
        files beside it. Until then the other users of a group may not write. A failed try has
        changed nothing.
        """
        deadline = time.monotonic() + min(_SETTLING, self._timeout)
        while True:
            try:
                return self._in_transaction(work, begin)
            except sqlite3.Error as error:
                if _code(error) not in _CLOSED or time.monotonic() > deadline:
                    raise
            self._hang_up()
            time.sleep(_PAUSE)

    def _in_transaction(self, work: Callable[[], T], begin: str) -> T:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._open()
        elif _inode_of(self.path) != self._inode:
            raise LedgerError("the file was removed or replaced while it was in use")
        connection.execute(begin)
        try:
            result = work()
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return result

    def _open(self) -> sqlite3.Connection:
        check_file_system(self.path)
        with _making:
            if not check_file(self.path):
                make_file(self.path, self._mode)
        if _spoilt and _inode_of(self.path) in _spoilt:
            raise LedgerError(
                "this process was forked while its parent had the file in use: "
                "start it without a fork ('spawn'), or fork before the ledger is used"
            )
        check_beside(self.path)
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?mode=rw",  # SQLite would make a file that all could read
            uri=True,
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        with ExitStack() as undo:
            undo.callback(connection.close)
            connection.text_factory = _text
            schema.prepare(connection, time.monotonic() + self._timeout)
            check_beside(self.path)  # another user may have been faster than SQLite
            self._inode = _inode_of(self.path)
            undo.pop_all()
        return connection

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _text(raw: bytes) -> str:
    """Return a text of the file; another program may have written one that is not UTF-8."""
    return raw.decode("utf-8", "backslashreplace")


def _code(error: Exception) -> int:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _inode_of(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return _NO_FILE
    return (stat.st_dev, stat.st_ino)


def _before_fork() -> None:
    _gate.acquire()
    began = time.monotonic()
    _held.extend(database for database in _known if database.before_fork(began))


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().after_fork()
    _gate.release()


def _after_fork_in_child() -> None:
    global _gate, _making
    while _held:
        _held.pop().after_fork()
    for database in _known:
        database.forked()
    _making = threading.Lock()
    _gate = threading.RLock()  # this thread may not hold the old one, if C code forked


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
