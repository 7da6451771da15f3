"""The SQLite file of a ledger: opened when it is needed, and again after a failure or a fork.

SQLite keeps one table of all files that its process has open, with the locks it holds on them. A
forked child inherits the table, but not the locks: it would read and write without any. So no file
is open while the process forks.
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
"""Seconds after which a file that may not be written stays so, and between two tries."""

_NO_FILE = (0, 0)

_gate = threading.RLock()
"""Held while the process forks, so that no file is opened meanwhile; taken to know one more."""

_making = threading.Lock()
"""Held while a file is made: closing it drops what other threads have locked of it since."""

_known: weakref.WeakSet[Database] = weakref.WeakSet()

_held: list[Database] = []
"""During a fork: those that are closed, and that no thread may use."""

_spoilt: set[tuple[int, int]] = set()
"""Files that this process may not use: they were in use when its parent forked it."""

_left_to_the_parent: list[sqlite3.Connection | None] = []


_NUMBERED = re.compile(r"\?(\d+)")


class Database:
    """One connection to the file at ``path``; one thread at a time works with it.

    A fork waits for the thread that works with it, up to the timeout, and closes the connection;
    it is opened again when it is needed, here and in the child. If the thread takes longer, the
    child cannot use the file: its calls raise ``LedgerError``. A file that is missing is made with
    exactly this ``mode``, which SQLite gives to those that it puts beside it, too.
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
        """Do ``work`` in a transaction that waits for those of others, up to the timeout.

        With ``begin="BEGIN"`` it may only read, one moment's state, and nobody waits for it. Who
        writes needs the other: a transaction that reads first could not wait for the lock.

        Raises:
            LedgerError: the file cannot be used, and nothing was done; it is opened anew next time
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
        """Execute a statement, its values as ``?`` or ``?1``; for what ``transact`` does."""
        assert self._connection is not None  # noqa: S101  it is open in a transaction
        named, numbered = _NUMBERED.subn(r":v\1", statement)
        if not numbered:
            return self._connection.execute(statement, values)
        # By name: CPython 3.14 binds no sequence to numbered ones, and 3.12 warns of it.
        return self._connection.execute(named, {f"v{n}": v for n, v in enumerate(values, 1)})

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        with self._mutex:
            self._hang_up()

    def before_fork(self, began: float) -> bool:
        """Close the file and let no thread use it; ``False``: one has used it for too long."""
        left = began + self._timeout - time.monotonic()
        if not self._mutex.acquire(timeout=max(left, 0.0)):
            return False
        self._hang_up()
        return True

    def after_fork(self) -> None:
        """Let threads use the file again, which ``before_fork`` closed."""
        self._mutex.release()

    def forked(self) -> None:
        """Give up, in the child, a file that was in use: to close it here could damage it."""
        if self._connection is not None or self._mutex.locked():
            _left_to_the_parent.append(self._connection)
            self._connection = None
            self._mutex = threading.Lock()
            _spoilt.update({_inode_of(self.path)} - {_NO_FILE})

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None:  # else its making was cut short
            self._hang_up()

    def __str__(self) -> str:
        return f"the ledger {str(self.path)!r}"

    def _settled(self, work: Callable[[], T], begin: str) -> T:
        """Do the work; try again for a moment where it may not write, which changes nothing.

        A process that makes a file gives it its mode a little later, and so does SQLite with the
        files beside it. Until then the file may be closed to the others of a group.
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
            f"{self.path.as_uri()}?mode=rw",  # it must not make one, which all could read
            uri=True,
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        with ExitStack() as undo:
            undo.callback(connection.close)
            connection.text_factory = _text
            schema.prepare(connection, time.monotonic() + self._timeout)
            check_beside(self.path)  # one may have been put there before SQLite has made its own
            self._inode = _inode_of(self.path)
            undo.pop_all()
        return connection

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _text(raw: bytes) -> str:
    """Return a text of the file; somebody else may have written one that is not UTF-8."""
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
    _gate = threading.RLock()  # who forks past Python does not hold the old one


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
