"""A ledger in a file: what may happen to files, and to the processes that share one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import namepool
from namepool.errors import CheckoutTimeout, InvalidOption, LedgerBusy, LedgerError
from namepool.ledgers import files, schema
from namepool.ledgers.database import Database
from namepool.ledgers.sqlite import SQLiteLedger
from tests.ledgers.fleet import run_fleet
from tests.support import PATIENCE
from tests.test_fork import in_a_child

NAMES = ["Ada", "Bob", "Cleo"]
DAY = 86400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "names.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[SQLiteLedger]:
    ledger = SQLiteLedger(path, timeout=PATIENCE)
    yield ledger
    ledger.close()


def refusal(path: Path) -> str:
    """Return how a ledger at ``path`` is refused."""
    ledger = SQLiteLedger(path, timeout=0.5)
    with pytest.raises(LedgerError) as caught:
        ledger.claim(NAMES, "t")
    ledger.close()
    assert str(caught.value).startswith(f"the ledger {str(path)!r}: ")
    return str(caught.value)


def test_nothing_is_opened_before_the_first_call(path: Path) -> None:
    SQLiteLedger(path).close()

    assert not path.exists()


def test_a_claim_is_on_the_disk_when_it_is_answered(ledger: SQLiteLedger) -> None:
    ledger.claim(NAMES, "t")
    connection = ledger._file._idle[0]._sqlite

    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_names_survive_their_process(path: Path) -> None:
    code = (
        "from namepool.ledgers import SQLiteLedger\n"
        f"SQLiteLedger({str(path)!r}).claim(['Ada'], 't')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    ledger = SQLiteLedger(path)

    assert ledger.claim(NAMES, "t") == ["Bob", "Cleo"]
    assert ledger.stats().silent == 1  # it never closed its session, and does not run
    assert ledger.prune(600.0) == 0  # but that was just now
    ledger.close()


@pytest.mark.parametrize("count", [3, pytest.param(8, marks=pytest.mark.proof)])
def test_processes_make_the_file_at_once(path: Path, count: int) -> None:
    code = (
        "import sys; from namepool.ledgers import SQLiteLedger\n"
        f"ledger = SQLiteLedger({str(path)!r})\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(ledger.claim(['Ada'], 't'))"
    )
    pipe = subprocess.PIPE
    children = [
        subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True)
        for _ in range(count)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    answers = [child.communicate(timeout=PATIENCE)[0] for child in children]

    assert sorted(answers) == sorted([*["[]\n"] * (count - 1), "['Ada']\n"])


@pytest.mark.parametrize(
    ("workers", "count"), [(2, 500), pytest.param(8, 2500, marks=pytest.mark.proof)]
)
def test_processes_of_which_half_are_killed_never_share_a_name(
    path: Path, workers: int, count: int
) -> None:
    ledger = SQLiteLedger(path)
    run_fleet(f"sqlite:///{path}?timeout=60", ledger, workers, count)
    ledger.close()


def elsewhere(path: Path, *names: str) -> str:
    """Return what another process, which comes and goes, is given of ``names``."""
    code = (
        "import sys; from namepool.ledgers import SQLiteLedger\n"
        "ledger = SQLiteLedger(sys.argv[1])\n"
        "print(ledger.claim(sys.argv[2:], 't'))\n"
        "ledger.close()"
    )
    command = [sys.executable, "-c", code, str(path), *names]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_two_ledgers_of_one_process_keep_its_locks_on_the_file(
    path: Path, ledger: SQLiteLedger
) -> None:
    second = SQLiteLedger(path, timeout=PATIENCE)
    assert (ledger.claim(["Ada"], "t"), second.claim(["Bob"], "t")) == (["Ada"], ["Bob"])

    assert elsewhere(path, "Ada", "Bob", "Cleo") == "['Cleo']"
    assert path.with_name("names.db-wal").exists()  # that process was not the last one
    assert ledger.claim(["Cleo", "Dora"], "t") == ["Dora"]
    assert elsewhere(path, "Dora") == "[]"
    second.close()


def test_a_process_that_dies_in_a_transaction_blocks_nobody(
    path: Path, ledger: SQLiteLedger
) -> None:
    ledger.claim(["Ada"], "t")
    code = (
        "import os, sqlite3\n"
        f"c = sqlite3.connect({str(path)!r}, isolation_level=None)\n"
        "c.execute('BEGIN IMMEDIATE')\n"
        "c.execute('UPDATE session SET pid = 0')\n"
        "os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9

    assert ledger.claim(["Ada", "Bob"], "u") == ["Bob"]
    assert next(ledger.holders()).session.pid == os.getpid()


# -- locks --------------------------------------------------------------------------------------


def test_a_file_that_is_locked_for_longer_than_the_timeout_is_an_error_and_recovers(
    path: Path, ledger: SQLiteLedger
) -> None:
    ledger.claim(["Ada"], "t")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    impatient = SQLiteLedger(path, timeout=0.2)
    began = time.monotonic()
    with pytest.raises(LedgerError, match="has held it locked for longer than the timeout"):
        impatient.claim(NAMES, "t")
    assert time.monotonic() - began < PATIENCE / 2

    other.execute("ROLLBACK")

    assert impatient.claim(NAMES, "t") == ["Bob", "Cleo"]
    other.close()
    impatient.close()


def test_who_looks_waits_for_nobody_who_writes(path: Path, ledger: SQLiteLedger) -> None:
    ledger.claim(["Ada"], "t")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    looker = SQLiteLedger(path, timeout=0.1)

    assert [holder.name for holder in looker.holders()] == ["Ada"]
    assert looker.stats().claimed == 1
    other.close()
    looker.close()


def test_a_pool_says_that_its_ledger_is_locked_and_goes_on_when_it_is_not(path: Path) -> None:
    SQLiteLedger(path).claim(["Ada"], "t")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    url = f"sqlite:///{path}?timeout=0.1s"
    with namepool.open_pool(ledger=url) as pool:
        with pytest.raises(CheckoutTimeout, match="held it locked") as caught:
            pool.checkout_name(timeout=0.5)
        assert isinstance(caught.value.__cause__, LedgerBusy)
        assert pool.pool_stats().available_count == 0
        other.execute("ROLLBACK")
        assert pool.checkout_name()
    other.close()


def test_a_thread_that_hangs_in_the_ledger_does_not_hang_the_others(path: Path) -> None:
    ledger = SQLiteLedger(path, timeout=0.2)
    gate, inside = threading.Event(), threading.Event()

    def hang() -> None:
        inside.set()
        gate.wait(PATIENCE)

    thread = threading.Thread(target=lambda: ledger._do(hang))
    thread.start()
    assert inside.wait(PATIENCE)
    with pytest.raises(LedgerError, match="has held it locked for longer than the timeout"):
        ledger.claim(NAMES, "t")
    gate.set()
    thread.join(PATIENCE)

    assert ledger.claim(NAMES, "t") == NAMES
    ledger.close()


# -- files that cannot be used ------------------------------------------------------------------


def test_a_full_disk_is_an_error_and_what_was_there_stays(path: Path, ledger: SQLiteLedger) -> None:
    ledger.claim(NAMES, "t")
    connection = ledger._file._idle[0]._sqlite
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    names = [f"Name {n}" for n in range(5000)]
    with pytest.raises(LedgerError, match="the disk is full"):
        ledger.claim(names, "t")

    assert ledger.claim([*NAMES, "Dora"], "t") == [*NAMES, "Dora"]  # there is room again


def test_a_file_that_may_not_be_written_is_left_as_it_is() -> None:
    folder = Path(tempfile.mkdtemp())
    path = folder / "names.db"
    try:
        SQLiteLedger(path).claim(["Ada"], "t")
        folder.chmod(0o555)
        path.chmod(0o444)
        before = path.read_bytes()
        code = (
            "from namepool.ledgers import SQLiteLedger\n"
            "from namepool.errors import LedgerError\n"
            "try:\n"
            f"    print(SQLiteLedger({str(path)!r}, timeout=0.2).claim(['Bob'], 't'))\n"
            "except LedgerError as error:\n"
            "    print(error)"
        )
        if os.geteuid() == 0:  # root may write what it likes: somebody else asks
            code = f"import os, urllib.request, namepool.ledgers.sqlite\nos.setuid(65534)\n{code}"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert "this process may not write to it" in done.stdout, done
        assert path.read_bytes() == before
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_damaged_file_is_an_error_and_is_left_as_it_is(path: Path) -> None:
    ledger = SQLiteLedger(path)
    ledger.claim([f"Name {n}" for n in range(500)], "t")
    ledger.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)

    assert "the file is damaged" in refusal(path)
    assert path.read_bytes() == bytes(data)


@pytest.mark.parametrize("content", [b"#!/bin/sh\n", b"SQLite format 2\0" * 99, b"\0" * 4096])
def test_a_file_that_is_no_database_is_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    assert "the file is no SQLite database" in refusal(path)
    assert path.read_bytes() == content


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no named pipes")
def test_a_named_pipe_is_refused_and_nobody_waits_for_it(path: Path) -> None:
    os.mkfifo(path)

    assert "it is no regular file" in refusal(path)


def test_an_empty_file_becomes_a_ledger(path: Path, ledger: SQLiteLedger) -> None:
    path.touch()

    assert ledger.claim(NAMES, "t") == NAMES


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (["CREATE TABLE mine (x)"], "another program's database"),
        (["PRAGMA user_version = 7"], "another program's database"),
        (
            [f"PRAGMA application_id = {schema.APPLICATION}", "PRAGMA user_version = 3"],
            "the file has schema 3, and this namepool knows 2: use a newer namepool",
        ),
    ],
)
def test_anothers_database_and_a_newer_ledger_are_left_as_they_are(
    path: Path, statements: list[str], says: str
) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()
    before = path.read_bytes()

    assert says in refusal(path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "does its folder exist" in refusal(tmp_path / "nowhere" / "names.db")
    assert refusal(tmp_path)  # a folder is no file


def test_a_file_that_was_removed_is_an_error_and_then_begun_anew(
    path: Path, ledger: SQLiteLedger
) -> None:
    ledger.claim(NAMES, "t")
    before = ledger.session
    for file in path.parent.iterdir():
        file.unlink()
    with pytest.raises(LedgerError, match="removed or replaced while it was in use"):
        ledger.claim(["Dora"], "t")

    assert ledger.claim(["Dora"], "t") == ["Dora"]
    assert ledger.session != before  # so that a pool claims its names anew


# -- file systems -------------------------------------------------------------------------------

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:5 / /proc rw - proc proc rw
30 22 0:40 / /mnt/share rw,relatime shared:1 - nfs4 server:/export rw
31 30 0:41 / /mnt/share/local rw - xfs /dev/vdb rw
32 22 0:42 / /mnt/with\\040space rw - cifs //server/x rw
33 22 0:43 / /home/me/remote rw - fuse.sshfs me@host: rw
34 22 0:44 / /var/lib/container rw - fuse.fuse-overlayfs x rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/names.db", "ext4"),
        ("/mnt/share/names.db", "nfs4"),
        ("/mnt/shared/names.db", "ext4"),
        ("/mnt/share/local/names.db", "xfs"),
        ("/mnt/with space/names.db", "cifs"),
        ("/home/me/remote/a/b/names.db", "fuse.sshfs"),
    ],
)
def test_the_file_system_of_a_file_is_known(path: str, kind: str) -> None:
    assert files.kind_of_file_system(Path(path), MOUNTS) == kind


@pytest.mark.parametrize(
    "kind", ["nfs4", "cifs", "fuse.sshfs", "9p", "ext4", "fuse.fuse-overlayfs"]
)
def test_a_network_file_system_is_refused_and_the_file_never_made(
    path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mounts = path.with_name("mounts")
    mounts.write_text(f"22 1 254:0 / / rw - {kind} source rw\n", encoding="utf-8")
    monkeypatch.setattr(files, "_MOUNTS", mounts)
    if kind in ("ext4", "fuse.fuse-overlayfs"):
        ledger = SQLiteLedger(path)
        assert ledger.claim(NAMES, "t") == NAMES
        ledger.close()
    else:
        assert f"it is on a network file system ({kind})" in refusal(path)
        assert not path.exists()


# -- processes and clocks -----------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_a_session_of_its_own(ledger: SQLiteLedger) -> None:
    ledger.claim(["Ada"], "t")
    answer = in_a_child(lambda: (ledger.session, ledger.claim(["Ada", "Bob"], "t")))

    assert ledger.session not in answer
    assert answer.endswith("['Bob'])")
    assert ledger.claim(["Ada", "Bob", "Cleo"], "t") == ["Ada", "Cleo"]
    assert ledger.stats().silent == 1  # the child, which has ended


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_what_a_forked_child_claims_lasts_when_its_parent_closes_first(
    path: Path, ledger: SQLiteLedger
) -> None:
    ledger.claim(["Ada"], "t")
    claimed, to_parent = os.pipe()
    closed, to_child = os.pipe()

    def close() -> None:
        os.read(claimed, 1)
        ledger.close()
        os.write(to_child, elsewhere(path, "Bob", "Cleo").encode())

    def child() -> tuple[object, ...]:
        first = ledger.claim(["Bob"], "t")
        os.write(to_parent, b"x")
        return first, os.read(closed, 99).decode(), ledger.claim(["Cleo", "Dora"], "t")

    thread = threading.Thread(target=close)
    thread.start()
    answer = in_a_child(child)
    thread.join(PATIENCE)
    for end in (claimed, to_parent, closed, to_child):
        os.close(end)

    assert answer == str((["Bob"], "['Cleo']", ["Dora"]))
    assert elsewhere(path, "Ada", "Bob", "Cleo", "Dora", "Eve") == "['Eve']"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_waits_for_a_thread_that_claims(
    path: Path, ledger: SQLiteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, forking, waits = threading.Event(), threading.Event(), Database.before_fork

    def before_fork(database: Database, began: float) -> bool:
        forking.set()
        return waits(database, began)

    def claim() -> None:
        ledger._claim({"ada": "Ada"}, "t")
        inside.set()
        assert forking.wait(PATIENCE)

    monkeypatch.setattr(Database, "before_fork", before_fork)
    thread = threading.Thread(target=lambda: ledger._call(claim))
    thread.start()
    assert inside.wait(PATIENCE)
    answer = in_a_child(lambda: ledger.claim(["Ada", "Bob"], "t"))
    thread.join(PATIENCE)

    assert answer == "['Bob']"
    assert ledger.claim(["Ada", "Bob"], "t") == ["Ada"]
    assert elsewhere(path, "Ada", "Bob", "Cleo") == "['Cleo']"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_while_a_thread_hangs_in_the_ledger_is_refused_the_file(path: Path) -> None:
    ledger, second = SQLiteLedger(path, timeout=0.2), SQLiteLedger(path, timeout=PATIENCE)
    second.claim(["Ada"], "t")
    gate, inside = threading.Event(), threading.Event()

    def hang() -> None:
        inside.set()
        gate.wait(PATIENCE)

    def child() -> list[str]:
        SQLiteLedger(path.with_name("other.db")).claim(NAMES, "t")  # nobody had that one open
        return [refusal(path), in_a_child(lambda: second.claim(["Bob"], "t"))]

    thread = threading.Thread(target=lambda: ledger._do(hang))
    thread.start()
    assert inside.wait(PATIENCE)
    answer = in_a_child(child)
    gate.set()
    thread.join(PATIENCE)

    assert answer.count("forked while its parent had the file in use") == 2
    assert (second.claim(["Bob"], "t"), ledger.claim(["Cleo"], "t")) == (["Bob"], ["Cleo"])
    ledger.close()
    second.close()


@pytest.mark.parametrize("off", [-400 * DAY, 400 * DAY])
def test_clocks_that_disagree_free_nothing_that_lives(path: Path, off: float) -> None:
    right = SQLiteLedger(path)
    wrong = SQLiteLedger(path, clock=lambda: time.time() + off, retire_after=7 * DAY)
    right.claim(["Ada"], "t")
    wrong.claim(["Bob"], "t")
    wrong.renew()
    right.renew()

    assert (right.prune(7 * DAY), wrong.prune(7 * DAY)) == (0, 0)
    assert right.claim(["Ada", "Bob"], "t") == ["Ada"]
    assert right.stats().living == 2
    assert right.take("Bob", "planner") is not None
    right.close()
    wrong.close()


def test_a_ledger_that_is_not_made_yet_can_be_shown(path: Path) -> None:
    assert repr(SQLiteLedger.__new__(SQLiteLedger)) == "?"
    assert repr(SQLiteLedger(path)) == f"SQLiteLedger({str(path)!r}, namespace='default')"


def test_a_path_is_a_printable_text(tmp_path: Path) -> None:
    for path in ("", "a\0b", b"bytes", 5):
        with pytest.raises(InvalidOption, match="path must be"):
            SQLiteLedger(path)  # type: ignore[arg-type]
    odd = tmp_path / "a ?b#c%20 é.db"
    ledger = SQLiteLedger(odd)
    assert ledger.claim(NAMES, "t") == NAMES
    assert odd.exists()
    ledger.close()
