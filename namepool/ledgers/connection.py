"""One connection to the SQLite file of a ledger, which believes nothing that the file says."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from namepool.errors import LedgerError
from namepool.ledgers import schema
from namepool.ledgers.files import NO_FILE

T = TypeVar("T")

_PRAGMAS = (
    "trusted_schema = OFF",  # the file's own expressions may call harmless functions only
    "cell_size_check = ON",
    "secure_delete = ON",  # a freed name is not left in the file
    "synchronous = FULL",
)

_STEPS = 5
"""The steps of SQLite's machine after which it asks whether the time is over: a row or two.

SQLite loads a whole row to compare its key. So huge rows of a hostile file take long.
"""

_LARGEST = 10_000_000
"""The most bytes of a text that is read. SQLite must load a whole text, to cut it."""

_NEVER = float("inf")

_NUMBERED = re.compile(r"\?(\d+)")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Have errors about a file begin with its path."""
    try:
        yield
    except LedgerError as error:
        raise type(error)(f"the ledger {str(path)!r}: {error}") from error.__cause__


class Connection:
    """An open file; one thread at a time works with it.

    No call waits for a lock. It raises ``sqlite3.OperationalError`` with ``SQLITE_BUSY`` instead.
    After the moment ``until`` a statement stops with ``SQLITE_INTERRUPT``, so that neither a huge
    file nor a hostile one holds a call up.

    Raises:
        sqlite3.Error: the file cannot be opened
        LedgerError: this SQLite is too old
    """

    def __init__(self, path: Path, how: str, until: float) -> None:
        if sqlite3.sqlite_version_info < (3, 37):
            raise LedgerError(f"SQLite 3.37 or later is needed, not {sqlite3.sqlite_version}")
        self.inode: tuple[int, int] = NO_FILE
        self._path = path
        self._schema: object = None
        # The handler must not hold the connection, or only the garbage collector would close it.
        self._until = limit = [until]
        self._sqlite = sqlite3.connect(
            f"{path.as_uri()}?{how}",
            uri=True,
            timeout=0.0,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._sqlite.set_progress_handler(lambda: time.monotonic() > limit[0], _STEPS)
            self._sqlite.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
            self._sqlite.text_factory = _text
            for pragma in _PRAGMAS:
                self._sqlite.execute(f"PRAGMA {pragma}")
        except BaseException:
            self._sqlite.close()
            raise

    def transact(self, work: Callable[[], T], begin: str, until: float) -> T:
        """Do ``work`` in a transaction, whose tables are known to be those of a ledger.

        Raises:
            sqlite3.Error: nothing was done
            LedgerError: another program has changed the tables; nothing was done
        """
        self._until[0] = until
        self.execute(begin)
        try:
            self._check()
            result = work()
            self._until[0] = _NEVER  # all is done, and it would be a pity to lose it now
            self.execute("COMMIT")
        except BaseException:
            self._until[0] = _NEVER
            with suppress(sqlite3.Error):  # the next call finds the same fault, and tells it
                if self._sqlite.in_transaction:
                    self._sqlite.execute("ROLLBACK")
            raise
        return result

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        """Execute a statement with values for ``?`` or ``?1``."""
        if time.monotonic() > self._until[0]:
            raise fault(sqlite3.SQLITE_INTERRUPT, "interrupted")
        named, numbered = _NUMBERED.subn(r":v\1", statement)
        if not numbered:
            return self._sqlite.execute(statement, values)
        # Bound by name: CPython 3.14 binds no sequence to numbered ones, and 3.12 warns of it.
        return self._sqlite.execute(named, {f"v{n}": v for n, v in enumerate(values, 1)})

    def close(self) -> None:
        """Close the file. A second call does nothing."""
        self._sqlite.close()

    def __del__(self) -> None:
        if hasattr(self, "_sqlite"):  # else ``__init__`` was cut short
            self._sqlite.close()

    def _check(self) -> None:
        """Compare the tables with ours, if they may have changed since the last transaction."""
        (version,) = self.execute("PRAGMA schema_version").fetchone()
        if version == self._schema:
            return
        with naming(self._path):
            if not schema.is_ready(self.execute):
                raise schema.NoLedger("it is empty: no process has claimed a name in it yet")
        self._schema = version


def _text(raw: bytes) -> str:
    """Return a text of the file; another program may have written one that is not UTF-8."""
    return raw.decode("utf-8", "backslashreplace")


def fault(code: int, text: str) -> sqlite3.Error:
    """Return an error like one of SQLite."""
    error = sqlite3.DatabaseError(text)
    error.sqlite_errorcode = code
    return error
