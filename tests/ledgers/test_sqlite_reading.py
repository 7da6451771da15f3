"""Calls that only read a file: they write nothing, make no file, and believe no torn state."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from namepool.errors import LedgerError
from namepool.ledgers import database
from namepool.ledgers.base import LedgerStats
from namepool.ledgers.database import Database
from namepool.ledgers.files import Quiet
from namepool.ledgers.sqlite import SQLiteLedger
from tests.support import PATIENCE

NAMES = ["Ada", "Bob", "Cleo"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that a closed session has left: it holds Ada."""
    path = tmp_path / "names.db"
    claim(path, "Ada")
    return path


def claim(path: Path, *names: str) -> None:
    ledger = SQLiteLedger(path)
    assert ledger.claim(names, "t") == list(names)
    ledger.close()


def files(path: Path) -> dict[str, tuple[bytes, int]]:
    return {
        file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in path.parent.iterdir()
    }


def looks(ledger: SQLiteLedger) -> list[str]:
    """Make each call that only reads, and return the names."""
    assert ledger.namespaces() == ["default"]
    assert ledger.kept("planner") is None
    assert ledger.holder("Ada") is not None
    names = [holder.name for holder in ledger.holders()]
    assert ledger.stats().claimed == len(names)
    return names


def test_who_looks_at_a_file_that_nobody_uses_changes_nothing(path: Path) -> None:
    before = files(path)
    ledger = SQLiteLedger(path)

    assert looks(ledger) == ["Ada"]
    assert files(path) == before
    assert list(before) == ["names.db"]
    ledger.close()
    assert files(path) == before


def test_who_looks_at_a_file_in_use_changes_nothing(path: Path) -> None:
    writer, looker = SQLiteLedger(path), SQLiteLedger(path)
    writer.claim(["Bob"], "t")
    before = files(path)
    assert set(before) == {"names.db", "names.db-wal", "names.db-shm"}

    assert looks(looker) == ["Ada", "Bob"]
    assert {name: found[0] for name, found in files(path).items() if "shm" not in name} == {
        name: found[0] for name, found in before.items() if "shm" not in name
    }
    writer.close()
    looker.close()
    assert list(files(path)) == ["names.db"]


@pytest.mark.parametrize("content", [None, b""])
def test_a_file_that_is_missing_or_empty_is_an_empty_ledger_and_is_not_made(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "names.db"
    if content is not None:
        path.write_bytes(content)
    before = files(path)
    ledger = SQLiteLedger(path)

    assert ledger.stats() == LedgerStats("default", 0, 0, 0, 0)
    assert not ledger.namespaces()
    assert not list(ledger.holders())
    assert ledger.kept("planner") is None
    assert ledger.holder("Ada") is None
    assert ledger.prune(600.0) == 0
    assert files(path) == before
    ledger.claim(["Ada"], "t")
    assert [holder.name for holder in ledger.holders()] == ["Ada"]


def asked_by_another_user(path: Path) -> str:
    """Return what a process finds that may only read the file."""
    for folder in path.parents:
        if not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(0o755)
    code = (
        "import os, sys, urllib.request\n"  # pathlib imports it late, and that user may not read it
        "from namepool.ledgers.sqlite import SQLiteLedger\n"
        "from namepool.errors import LedgerError\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "ledger = SQLiteLedger(sys.argv[1], timeout=1)\n"
        "try: print([holder.name for holder in ledger.holders()], ledger.stats().claimed)\n"
        "except LedgerError as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can ask as somebody else"
)


@needs_root
def test_a_user_who_may_only_read_a_file_sees_its_names(path: Path) -> None:
    path.chmod(0o644)
    before = files(path)

    assert asked_by_another_user(path) == "['Ada'] 1"
    assert files(path) == before


@needs_root
def test_a_user_who_may_only_read_a_file_sees_its_names_while_others_claim(path: Path) -> None:
    path.chmod(0o644)
    ledger = SQLiteLedger(path)
    ledger.claim(["Bob"], "t")

    assert asked_by_another_user(path) == "['Ada', 'Bob'] 2"
    assert set(files(path)) == {"names.db", "names.db-wal", "names.db-shm"}
    ledger.close()


@needs_root
def test_a_user_who_may_not_read_the_files_beside_it_is_told_so(path: Path) -> None:
    ledger = SQLiteLedger(path)
    ledger.claim(["Bob"], "t")
    path.chmod(0o644)

    says = asked_by_another_user(path)
    assert "this user may not read the files beside it: ask as the user whose" in says
    ledger.close()


# -- writers meanwhile --------------------------------------------------------------------------

CODE = (
    "import sys; from namepool.ledgers.sqlite import SQLiteLedger\n"
    "ledger = SQLiteLedger(sys.argv[1])\n"
    "print(ledger.claim(sys.argv[2:], 't'), flush=True)\n"
)


def elsewhere(path: Path, *names: str) -> str:
    """Return what another process, which comes and goes, is given of ``names``."""
    command = [sys.executable, "-c", CODE + "ledger.close()", str(path), *names]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def meanwhile(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> list[str]:
    """Do something in the middle of the first reading without locks; return how files are read."""
    real, ways = Database._through, list[str]()

    def through(database: Database, how: str, work: Callable[[], Any], until: float) -> Any:
        ways.append(how)

        def work_and_act() -> Any:
            result = work()
            if len(ways) == 1:
                action()
            return result

        return real(database, how, work_and_act, until)

    monkeypatch.setattr(Database, "_through", through)
    return ways


def test_a_file_that_another_process_has_changed_meanwhile_is_read_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = SQLiteLedger(path, timeout=PATIENCE)
    ways = meanwhile(monkeypatch, lambda: elsewhere(path, "Bob"))

    assert [holder.name for holder in ledger.holders()] == ["Ada", "Bob"]
    assert ways == ["immutable=1", "immutable=1"]


def test_a_file_that_another_process_has_opened_meanwhile_is_read_again_with_locks(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, opened = SQLiteLedger(path, timeout=PATIENCE), list[subprocess.Popen[str]]()

    def begin() -> None:
        command = [sys.executable, "-c", CODE + "sys.stdin.readline()", str(path), "Bob"]
        pipe = subprocess.PIPE
        opened.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
        assert opened[0].stdout is not None
        assert opened[0].stdout.readline() == "['Bob']\n"

    ways = meanwhile(monkeypatch, begin)

    assert [holder.name for holder in ledger.holders()] == ["Ada", "Bob"]
    assert ways == ["immutable=1", "mode=ro"]
    opened[0].communicate("go\n", timeout=PATIENCE)


def test_an_error_from_a_torn_state_is_not_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = SQLiteLedger(path, timeout=PATIENCE)

    def tear() -> None:
        elsewhere(path, "Bob")
        raise sqlite3.DatabaseError("database disk image is malformed")

    meanwhile(monkeypatch, tear)

    assert ledger.stats().claimed == 2


def test_a_file_that_was_changed_a_moment_ago_is_not_read_yet(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = [True, True, False]
    monkeypatch.setattr(Quiet, "is_fresh", lambda _: fresh.pop(0))

    assert SQLiteLedger(path, timeout=PATIENCE).stats().claimed == 1
    assert fresh == []


def test_who_looks_loses_no_lock_of_its_own_process(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, looker = SQLiteLedger(path), SQLiteLedger(path)
    writer.claim(["Bob"], "t")
    # As if somebody had removed the files beside it. Closing the file would drop the locks.
    idle = Quiet(writer._file._idle[0].inode, 0, (0, 0))
    monkeypatch.setattr(database, "quiet", lambda _: idle)
    ways = meanwhile(monkeypatch, lambda: None)

    assert looker.stats().claimed == 2
    assert ways == ["mode=ro"]
    assert elsewhere(path, "Cleo") == "['Cleo']"
    assert path.with_name("names.db-wal").exists()  # that process was not the last one
    writer.close()


def test_threads_that_only_look_open_no_file_for_writing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger, names = SQLiteLedger(path, timeout=PATIENCE), list[str]()
    monkeypatch.setattr(database, "quiet", lambda _: None)  # so that both can read at once

    def look_twice() -> None:
        thread = threading.Thread(target=lambda: names.extend(h.name for h in ledger.holders()))
        thread.start()
        thread.join(PATIENCE)

    ways = meanwhile(monkeypatch, look_twice)

    assert ledger.stats().claimed == 1
    assert (names, ways) == (["Ada"], ["mode=ro", "mode=ro"])


def test_no_thread_opens_a_file_while_another_reads_it_without_locks(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looker, writer = SQLiteLedger(path, timeout=PATIENCE), SQLiteLedger(path, timeout=0.1)
    reading, done = threading.Event(), threading.Event()

    def wait() -> None:
        reading.set()
        assert done.wait(PATIENCE)

    meanwhile(monkeypatch, wait)
    thread = threading.Thread(target=looker.stats)
    thread.start()
    assert reading.wait(PATIENCE)
    assert database._making.locked()
    with pytest.raises(LedgerError, match="another thread has opened a ledger all the time"):
        writer.claim(["Bob"], "t")
    done.set()
    thread.join(PATIENCE)

    assert writer.claim(["Bob"], "t") == ["Bob"]
    writer.close()
