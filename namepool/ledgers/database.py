"""The SQLite file of a ledger, opened by the first call and again after a failure or a fork.

SQLite keeps one table of all files that its process has open, with its locks on them. A forked
child inherits the table but not the locks, so the child would read and write without a lock. For
this reason no file is open while the process forks.
"""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from namepool.core.names import one_line
from namepool.errors import LedgerBusy, LedgerError
from namepool.ledgers import schema
from namepool.ledgers.connection import Connection, naming
from namepool.ledgers.files import (
    NO_FILE,
    Quiet,
    check_beside,
    check_file,
    check_file_system,
    inode_of,
    make_file,
    quiet,
)

T = TypeVar("T")

_HINTS = {
    sqlite3.SQLITE_BUSY: "another process has held it locked for longer than the timeout",
    sqlite3.SQLITE_PROTOCOL: "another process has held it locked, for SQLite's own ten seconds",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "this process may not write to it or to its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: may this user read and write it and its folder?",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: keep it, and begin a new one",
    sqlite3.SQLITE_TOOBIG: "another program has put a huge row there: keep it, and begin a new one",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database",
    sqlite3.SQLITE_INTERRUPT: "the call took longer than the timeout",
}

_READING_HINTS = {
    **_HINTS,
    **dict.fromkeys(
        (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN),
        "it is in use, or its last process died, and this user may not read the files beside it: "
        "ask as the user whose processes use it",
    ),
}

_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL)

_CLOSED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)

_SETTLING = 0.5
"""Seconds after which an unwritable file is an error.

A process makes a file first and sets its mode a little later. SQLite does the same with the files
beside it. Until then the other users of a group may not write.
"""

_LEAST_PAUSE, _MOST_PAUSE, _SHARE = 0.002, 0.05, 0.025
"""Seconds between two tries, and the pause as a share of the time since the first try.

In the first 100 ms a try comes every few milliseconds, so that it meets the gaps of a prune. After
two seconds the pauses are longest, so that a hundred processes do not keep a processor busy.
"""

_MOST = 8
"""The most connections of a database. Each thread that waits for a lock has one."""

_gate = threading.RLock()
"""A lock that is held during a fork, and while a database is added to ``_known``.

So no thread can make a new database, and open its file, during a fork.
"""

_making = threading.Lock()
"""A lock that is held while a file is made, opened, or read without locks.

If a process closes a file, the locks of its other threads on this file are lost. ``make_file``
closes a file, and so does a reader that takes no locks. So no other thread may open the file
meanwhile.
"""

_known: weakref.WeakSet[Database] = weakref.WeakSet()

_held: list[Database] = []
"""The databases that no thread may use during a fork."""

_opened: list[tuple[int, int]] = []
"""The inodes of the files that this process has open with locks; one for each connection."""

_spoilt: set[tuple[int, int]] = set()
"""Files that this process may not use: its parent used them during the fork."""

_left_to_the_parent: list[Connection] = []


class _NotNow(Exception):
    """The file cannot be used at this moment. The text is the reason, if it stays so."""


class Database:
    """The connections to the file at ``path``; each is used by one thread at a time.

    A fork waits for the threads that use one, up to the timeout, and closes the others. The parent
    and the child open the file again when they need it. If a thread takes longer, the child cannot
    use the file: its calls raise ``LedgerError``. A missing file is made with exactly this
    ``mode``. SQLite gives the same mode to the files that it puts beside the database.

    An exception from outside may strike between any two steps of a call. Then the thread's entry in
    ``_used`` may stay. The next call of the thread closes that connection, which ends its
    transaction.
    """

    def __init__(self, path: str, timeout: float, mode: int) -> None:
        self.path: Path = Path(path).absolute()
        self._mode = mode
        self._timeout = timeout
        self._lock = threading.RLock()  # a signal handler may call the ledger, too
        self._idle: list[Connection] = []
        self._used: dict[int, Connection | None] = {}  # by thread
        self._is_held = False
        self._round = 0  # how often it was closed
        with _gate:
            _known.add(self)

    def transact(self, work: Callable[[], T]) -> T:
        """Do ``work`` in a transaction that waits for other transactions, up to the timeout.

        ``BEGIN IMMEDIATE`` asks for SQLite's lock for writers before the work begins. Without it,
        the work would ask for this lock in the middle of its transaction, and SQLite may then
        refuse the lock for good.

        Raises:
            LedgerError: the file cannot be used, and nothing was done; the next call opens it again
        """
        return self._repeated(lambda until: self._in_transaction(work, until), _HINTS)

    def look(self, work: Callable[[], T]) -> T:
        """Do ``work``, which only reads, on the state of one moment; no writer waits for it.

        Nothing is written. If no process has the file open, no file is made beside it either. A
        missing or empty file counts as an empty ledger.

        Raises:
            LedgerError: the file cannot be used
        """
        try:
            return self._repeated(lambda until: self._reading(work, until), _READING_HINTS)
        except schema.NoLedger:
            return self._repeated(lambda until: self._through("mode=memory", work, until), _HINTS)
        finally:
            self._give_back(None)

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Execute a statement with values for ``?`` or ``?1``.

        Only the ``work`` of ``transact`` and ``look`` may call this method.
        """
        connection = self._used[threading.get_ident()]
        assert connection is not None  # noqa: S101  it is open in a transaction
        return connection.execute(statement, *values)

    def close(self) -> None:
        """Close the connections, also those in use at the end of their calls.

        The next call opens the file again.
        """
        with self._lock:
            self._round += 1
            while self._idle:
                _shut(self._idle.pop())

    def __del__(self) -> None:
        for connection in getattr(self, "_idle", ()):  # else ``__init__`` was cut short
            _shut(connection)

    def __str__(self) -> str:
        return f"the ledger {str(self.path)!r}"

    # -- trying again -----------------------------------------------------------------------

    def _repeated(self, attempt: Callable[[float], T], hints: Mapping[int, str]) -> T:
        """Make attempts until one succeeds or the time is over; a failed one has changed nothing.

        SQLite could wait for locks itself. But its pauses are the same in all processes, and last
        up to 100 ms.
        """
        began = time.monotonic()
        until = began + self._timeout
        last = {**dict.fromkeys(_LOCKED, until), **dict.fromkeys(_CLOSED, began + _SETTLING)}
        before: sqlite3.Error | None = None
        while True:
            try:
                return attempt(until)
            except (sqlite3.Error, OSError, OverflowError, _NotNow) as failed:
                now, error, code = time.monotonic(), failed, _code(failed)
                if code == sqlite3.SQLITE_INTERRUPT and before is not None:
                    error = before  # which has taken the time
                elif isinstance(error, sqlite3.Error):
                    before = error
                hint = hints.get(_code(error), "it cannot be used")
                pause = min(max(_LEAST_PAUSE, (now - began) * _SHARE), _MOST_PAUSE)
                pause *= random.uniform(0.5, 1.5)
                if now + pause >= min(last.get(code, began), until):
                    raise _failure(self, error, hint) from error
            time.sleep(pause)

    # -- writing ----------------------------------------------------------------------------

    def _in_transaction(
        self, work: Callable[[], T], until: float, begin: str = "BEGIN IMMEDIATE"
    ) -> T:
        round_, connection = self._round, self._take()
        is_good = False
        try:
            if connection is None:
                connection = self._open(until)
                self._used[threading.get_ident()] = connection
            elif connection.inode != inode_of(self.path):
                self.close()
                raise LedgerError(f"{self}: the file was removed or replaced while it was in use")
            result = connection.transact(work, begin, until)
            is_good = True
        except sqlite3.Error as error:
            is_good = _code(error) in _LOCKED
            raise
        finally:
            self._give_back(connection, is_good and round_ == self._round)
        return result

    def _take(self, is_new: bool = False) -> Connection | None:
        """Return a connection that no thread uses; ``None`` if this thread may open one."""
        thread = threading.get_ident()
        with self._lock:
            left = self._used.pop(thread, None)
            if left is not None:
                _shut(left)
            if self._is_held or len(self._used) >= _MOST:
                raise _NotNow(f"other threads have used it for over {self._timeout:g} s")
            self._used[thread] = self._idle.pop() if self._idle and not is_new else None
            return self._used[thread]

    def _give_back(self, connection: Connection | None, is_good: bool = False) -> None:
        with self._lock:
            self._used.pop(threading.get_ident(), None)
            if connection is not None and is_good:
                self._idle.append(connection)
            elif connection is not None:
                _shut(connection)

    def _open(self, until: float) -> Connection:
        with naming(self.path), _alone(until):
            if not self._is_there():
                make_file(self.path, self._mode)
            self._check_use()
            # With mode=rwc, SQLite would make a file that all users could read.
            connection = Connection(self.path, "mode=rw", until)
            with ExitStack() as undo:
                undo.callback(connection.close)
                schema.prepare(connection.execute)
                check_beside(self.path)  # another user may have been faster than SQLite
                connection.inode = inode_of(self.path)
                _opened.append(connection.inode)
                undo.pop_all()
        return connection

    def _is_there(self) -> bool:
        check_file_system(self.path)
        return check_file(self.path)

    def _check_use(self) -> None:
        """Refuse a file that this process must not open."""
        if _spoilt and inode_of(self.path) in _spoilt:
            raise LedgerError(
                "this process was forked while its parent had the file in use: "
                "start it without a fork ('spawn'), or fork before the ledger is used"
            )
        check_beside(self.path)

    # -- reading ----------------------------------------------------------------------------

    def _reading(self, work: Callable[[], T], until: float) -> T:
        if self._is_open():
            return self._in_transaction(work, until, "BEGIN")
        self._take(is_new=True)  # ``look`` gives it back
        with _alone(until):
            with naming(self.path):
                if not self._is_there():
                    raise schema.NoLedger("it does not exist")
                self._check_use()
            before = quiet(self.path)
            if before is not None and before.inode not in _opened:
                return self._without_locks(work, until, before)
        return self._through("mode=ro", work, until)

    def _is_open(self) -> bool:
        """Tell whether a connection may write. A reader has no inode."""
        with self._lock:
            return any(one and one.inode != NO_FILE for one in (*self._idle, *self._used.values()))

    def _without_locks(self, work: Callable[[], T], until: float, before: Quiet) -> T:
        """Read a file that no process has open. Only so SQLite makes no files beside it.

        A process that opens the file meanwhile writes beside it at first, and changes the file
        later. Then the work begins again.
        """
        if before.is_fresh():
            raise _NotNow("other processes have changed it all the time")
        try:
            result = self._through("immutable=1", work, until)
        except (sqlite3.Error, LedgerError):
            if quiet(self.path) == before:
                raise
        else:
            if quiet(self.path) == before:
                return result
        raise _NotNow("other processes have changed it during each reading")

    def _through(self, how: str, work: Callable[[], T], until: float) -> T:
        connection = Connection(self.path, how, until)
        try:
            self._used[threading.get_ident()] = connection
            if how == "mode=memory":
                schema.prepare(connection.execute)
            connection.execute("PRAGMA query_only = ON")
            return connection.transact(work, "BEGIN", until)
        finally:
            connection.close()

    # -- forks ------------------------------------------------------------------------------

    def before_fork(self, began: float) -> bool:
        """Close the file, and keep threads off it; return ``False`` if a thread took too long."""
        with self._lock:
            self._is_held = True
        while self._used and time.monotonic() < began + self._timeout:
            time.sleep(_LEAST_PAUSE)
        self.close()
        return not self._used

    def after_fork(self) -> None:
        """Let threads use the file again after ``before_fork``."""
        self._is_held = False

    def forked(self) -> None:
        """In the child, give up a file that was in use: to close it here could damage it."""
        self._lock = threading.RLock()  # a thread of the parent may have held it
        if self._idle or self._used:
            left = [*self._idle, *filter(None, self._used.values())]
            _left_to_the_parent.extend(left)
            _spoilt.update({inode_of(self.path), *(one.inode for one in left)} - {NO_FILE})
            self._idle, self._used = [], {}


@contextmanager
def _alone(until: float) -> Iterator[None]:
    """Hold ``_making``."""
    if not _making.acquire(timeout=max(until - time.monotonic(), 0.0)):
        raise _NotNow("another thread has opened a ledger all the time")
    try:
        yield
    finally:
        _making.release()


def _failure(database: Database, error: Exception, reason: str) -> LedgerError:
    kind = LedgerBusy if _code(error) in _LOCKED else LedgerError
    if isinstance(error, _NotNow):
        return kind(f"{database}: {error}")
    return kind(f"{database}: {reason} ({one_line(error)})")


def _shut(connection: Connection) -> None:
    connection.close()
    with suppress(ValueError):  # a reader's, which was never noted
        _opened.remove(connection.inode)


def _code(error: Exception) -> int:
    if isinstance(error, _NotNow):
        return sqlite3.SQLITE_BUSY
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def _before_fork() -> None:
    _gate.acquire()
    began = time.monotonic()
    for database in list(_known):
        _held.append(database)
        database.before_fork(began)


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
    _opened.clear()
    _making = threading.Lock()
    _gate = threading.RLock()  # this thread may not hold the old one, if C code forked


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
