"""A file that another program has written: it forges no row, runs nothing, and holds nobody up."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from namepool.core.names import name_key
from namepool.errors import LedgerBusy, LedgerError
from namepool.ledgers import connection, tables
from namepool.ledgers.rows import FURTHEST
from namepool.ledgers.schema import APPLICATION, TABLES, VERSION
from namepool.ledgers.sqlite import SQLiteLedger
from tests.support import PATIENCE

NAMES = ["Ada", "Bob", "Cleo"]
EVIL = "x\nCRITICAL forged\r\x1b[31m\u202e\x85"
LONG = "A" * 10_000_000
TIMEOUT = 2.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "names.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[SQLiteLedger]:
    """A ledger that another session has used, which holds Ada and Bob."""
    first = SQLiteLedger(path)
    first.claim(NAMES[:2], "t")
    first.close()
    ledger = SQLiteLedger(path, timeout=PATIENCE)
    yield ledger
    ledger.close()


def tamper(path: Path, *statements: str, **values: object) -> None:
    """Write into the file as a program that may do so."""
    file = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        file.execute(statement, values if ":" in statement else ())
    file.close()


def bounded(call: Callable[[], object], error: type[LedgerError] = LedgerError) -> str:
    """Return the message of the error that a call raises in its time; it is one plain line."""
    began = time.monotonic()
    with pytest.raises(error) as caught:
        call()
    assert time.monotonic() - began < 2 * TIMEOUT
    text = str(caught.value)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 1000
    return text


def refusals(path: Path) -> str:
    """Return how each call refuses the file."""
    ledger = SQLiteLedger(path, timeout=TIMEOUT)
    says = {
        bounded(lambda: ledger.claim(NAMES, "t")),
        bounded(lambda: list(ledger.holders())),
        bounded(ledger.stats),
        bounded(lambda: ledger.prune(600.0)),
        bounded(lambda: ledger.kept("planner")),
    }
    ledger.close()
    (text,) = says
    return text


# -- the tables ---------------------------------------------------------------------------------

RECURSIVE = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"

CHANGES = {
    "a trigger": ["CREATE TRIGGER evil AFTER INSERT ON claim BEGIN DELETE FROM session; END"],
    "a view": ["CREATE VIEW evil AS SELECT * FROM claim"],
    "a view without an end": [f"CREATE VIEW evil AS {RECURSIVE}"],
    "a view instead of a table": ["DROP TABLE claim", f"CREATE VIEW claim AS {RECURSIVE}"],
    "a table": ["CREATE TABLE evil (x)"],
    "a column": ["ALTER TABLE claim ADD COLUMN evil TEXT"],
    "a column that is computed": ["ALTER TABLE session ADD COLUMN evil INTEGER AS (abs(pid))"],
    "an index": ["CREATE INDEX evil ON claim (upper(name))"],
    "no index": ["DROP INDEX claim_identity"],
    "no table": ["DROP TABLE spare"],
    "a name of two lines": ['CREATE VIEW "x\nCRITICAL forged\x1b[31m" AS SELECT 1'],
    "a table that is not strict": [
        "DROP TABLE walk",
        TABLES[6].replace("STRICT, ", ""),
    ],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.usefixtures("ledger")
def test_a_file_with_other_tables_than_ours_is_refused_and_stays_as_it_is(
    path: Path, change: str
) -> None:
    tamper(path, *CHANGES[change])
    before = path.read_bytes()

    assert "another program has changed the tables of the file" in refusals(path)
    assert path.read_bytes() == before


@pytest.mark.usefixtures("ledger")
def test_a_trigger_under_a_name_of_sqlite_is_refused(path: Path) -> None:
    tamper(
        path,
        *CHANGES["a trigger"],
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET name = 'sqlite_evil' WHERE name = 'evil'",
    )

    assert "sqlite_evil" in refusals(path)


def test_a_file_in_another_encoding_is_refused(path: Path) -> None:
    tamper(path, "PRAGMA encoding = 'UTF-16'", *TABLES)
    tamper(path, f"PRAGMA application_id = {APPLICATION}", f"PRAGMA user_version = {VERSION}")

    assert "another program has changed the tables of the file, so it is not used (the enc" in (
        refusals(path)
    )


def test_tables_that_are_changed_while_the_file_is_open_are_not_used(
    path: Path, ledger: SQLiteLedger
) -> None:
    ledger.claim(["Cleo"], "t")
    tamper(path, *CHANGES["a trigger"])

    for call in (lambda: ledger.claim(["Dora"], "t"), ledger.renew, ledger.stats):
        assert "(trigger evil)" in bounded(call)
    tamper(path, "DROP TRIGGER evil")
    assert ledger.claim(["Cleo", "Dora"], "t") == ["Cleo", "Dora"]
    assert ledger.stats().living == 1


def test_the_statistics_of_sqlite_may_stand_in_the_file(path: Path, ledger: SQLiteLedger) -> None:
    tamper(path, "ANALYZE")

    assert ledger.claim(["Cleo"], "t") == ["Cleo"]


def test_a_file_of_an_earlier_namepool_is_refused_and_stays_as_it_is(path: Path) -> None:
    tamper(
        path,
        f"PRAGMA application_id = {APPLICATION}",
        "PRAGMA user_version = 1",
        "CREATE TABLE session (number INTEGER PRIMARY KEY)",
    )
    before = path.read_bytes()

    assert "made by an earlier namepool, and this one knows 2 only: give" in refusals(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("pragma", ["application_id = 5", "application_id = -1"])
@pytest.mark.usefixtures("ledger")
def test_a_file_of_another_program_is_refused(path: Path, pragma: str) -> None:
    tamper(path, f"PRAGMA {pragma}")

    assert "the file is another program's database" in refusals(path)


@pytest.mark.parametrize("version", [0, 3, -5, 2**31 - 1])
@pytest.mark.usefixtures("ledger")
def test_a_file_of_another_version_is_refused(path: Path, version: int) -> None:
    tamper(path, f"PRAGMA user_version = {version}")

    assert f"the file has schema {version}" in refusals(path)


# -- rows ---------------------------------------------------------------------------------------


def forge(path: Path, table: str, column: str, value: object) -> None:
    """Change the session that holds Ada, or her claim, in a way that strict tables forbid."""
    of = {"session": "number = 1", "claim": "name = 'Ada'"}[table]
    file = sqlite3.connect(path)
    write = "UPDATE sqlite_schema SET sql = ? WHERE name = ?"
    (sql,) = file.execute("SELECT sql FROM sqlite_schema WHERE name = ?", [table]).fetchone()
    loose = sql.replace(" STRICT, ", " ").replace(" STRICT", "").replace(" NOT NULL", "")
    file.execute("PRAGMA writable_schema = ON")
    file.execute(write, (loose, table))
    file.commit()
    file.execute("PRAGMA writable_schema = RESET")
    file.execute(f"UPDATE {table} SET {column} = ? WHERE {of}", (value,))
    file.commit()
    file.execute("PRAGMA writable_schema = ON")
    file.execute(write, (sql, table))
    file.commit()
    file.close()


SESSIONS: dict[str, list[object]] = {
    "uuid": [LONG, b"\xff", 7, ""],
    "host": [LONG, b"\xff", None, ""],
    "pid": [-1, 2**62, 2**40, -(2**63), 0.5, float("inf"), "x", LONG, "../../x", b"\xff", None],
    "place": [LONG, "../../self/x 5" * 50, b"\xff", None],
    "parent": [LONG, b"\xff", None],
    "started": [-1.0, 9e99, float("inf"), "x", LONG, b"\xff", None],
    "seen": [-1.0, 9e99, float("inf"), float("-inf"), "x", LONG, b"\xff", None],
    "ended": [-1, 7, 2**62, 0.5, "x", LONG, b"\xff", None],
}
CLAIMS: dict[str, list[object]] = {
    "name": [LONG, EVIL, "Bob", "ada the other", "", b"\xff", None, 7],
    "session": [99, -1, 2**62, "x", b"\xff", None],
    "identity": [LONG, "", b"\xff"],
    "kept": [-1, 7, 2**62, 0.5, "x", LONG, b"\xff", None],
    "claimed": [-1.0, 9e99, float("inf"), "x", LONG, b"\xff", None],
}
ROWS = [
    pytest.param(table, column, value, id=f"{column}-{str(value)[:20]!a}-{type(value).__name__}")
    for table, columns in (("session", SESSIONS), ("claim", CLAIMS))
    for column, values in columns.items()
    for value in values
    if (column, value) not in {("uuid", 7), ("name", "ada the other")}
]


@pytest.mark.parametrize(("table", "column", "value"), ROWS)
def test_a_bad_row_costs_itself_and_one_warning(
    path: Path,
    ledger: SQLiteLedger,
    table: str,
    column: str,
    value: object,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = SQLiteLedger(path)
    other.claim(["Zoe"], "t")
    other.close()
    forge(path, table, column, value)

    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        shown = [holder.name for _ in range(2) for holder in ledger.holders()]
        assert ledger.stats().claimed == 3
        assert ledger.prune(600.0) == 0
        ledger.renew()
    assert time.monotonic() - began < 2 * TIMEOUT

    # The claims of a bad session are no bad rows: see the next test.
    is_bad = table == "claim" and column != "session"
    assert shown == (["Bob", "Zoe"] if is_bad else ["Ada", "Bob", "Zoe"]) * 2
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert "a row that no namepool wrote is left out" in warnings[0]
    assert warnings[0].isascii()
    assert warnings[0].isprintable()
    assert len(warnings[0]) < 1000


@pytest.mark.parametrize(("table", "column", "value"), ROWS)
def test_the_name_of_a_bad_row_is_held_by_nobody_known(
    path: Path, ledger: SQLiteLedger, table: str, column: str, value: object
) -> None:
    forge(path, table, column, value)

    for holder in (ledger.take("Ada"), ledger.take("Ada", "planner"), ledger.holder("Ada")):
        assert holder is not None
        assert name_key(holder.name) == "ada"
        assert str(holder.session) == "process 0 on an unknown host"
        assert ledger.lives(holder.session)
        assert len(repr(holder)) < 1000
        assert repr(holder).replace("…", "").isascii()
    assert ledger.claim(NAMES, "t") == ["Cleo"]


def test_a_text_that_is_too_long_is_not_loaded(
    path: Path, ledger: SQLiteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for table, columns in (("session", SESSIONS), ("claim", CLAIMS)):
        for column, values in columns.items():
            if LONG in values:
                forge(path, table, column, LONG)
    lengths: list[int] = []

    def text(raw: bytes) -> str:
        lengths.append(len(raw))
        return raw.decode()

    monkeypatch.setattr(connection, "_text", text)

    list(ledger.holders())
    ledger.take("Ada")
    ledger.stats()
    ledger._look(lambda: ledger._old(-1.0, 0, 9, True))
    assert max(lengths) == 4097


@pytest.mark.parametrize("key", [LONG, "", "two\nlines", "ada", None])
def test_the_bad_name_of_an_identity_is_held_by_nobody_known(
    path: Path, ledger: SQLiteLedger, key: Any
) -> None:
    ledger.take("Grace", "planner")
    ledger.release(["Grace"])
    tamper(path, "UPDATE claim SET name = ' ' WHERE identity = 'planner'")
    if key is not None:
        tamper(path, "DELETE FROM claim WHERE key = 'ada'")
        tamper(path, "UPDATE claim SET key = :key WHERE identity = 'planner'", key=key)

    for holder in (ledger.kept("planner"), ledger.take("Hedy", "planner")):
        assert holder is not None
        assert holder.name == {None: "grace", "ada": "ada"}.get(key, "an unknown name")
        assert ledger.lives(holder.session)
        assert holder.identity == "planner"


def test_every_page_of_hostile_keys_is_behind_the_one_before(
    path: Path, ledger: SQLiteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [b"a" * 2000, b"a" * 2000 + b"\xff", b"a" * 1999 + b"\xff\xff", b"b", b"b\0", b"b\0\0"]
    keys += [b"b\xff", b"b\xff\xff", b"b\xff\0", b"", b"\0", b"\xff" * 2000, b"\xff" * 2001]
    for key in keys:
        tamper(
            path,
            "INSERT INTO claim (namespace, key, name, session, token, kept, claimed) "
            "VALUES ('default', CAST(:key AS TEXT), 'x', 1, '', 0, 0)",
            key=key,
        )
    ledger.claim(["Zoe"], "t")
    monkeypatch.setattr(tables, "PAGE", 2)

    assert [holder.name for holder in ledger.holders()] == ["Ada", "Bob", "Zoe"]


def test_keys_that_are_out_of_order_are_no_list_without_an_end(
    path: Path, ledger: SQLiteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.claim(["Cleo", "Dora"], "t")
    ledger.close()
    path.write_bytes(path.read_bytes().replace(b"cleo", b"aaaa"))
    monkeypatch.setattr(tables, "PAGE", 3)

    reader = SQLiteLedger(path)
    assert "the file is damaged: keep it, and" in bounded(
        lambda: list(islice(reader.holders(), 99))
    )


def test_a_huge_row_is_not_read_and_the_others_are_found(path: Path, ledger: SQLiteLedger) -> None:
    tamper(path, "UPDATE claim SET name = :name WHERE key = 'bob'", name=f"{LONG}A")

    for call in (lambda: list(ledger.holders()), lambda: ledger.take("Bob")):
        assert "another program has put a huge row there: keep it" in bounded(call)
    assert ledger.holder("Ada") is not None
    assert ledger.claim(NAMES, "t") == ["Cleo"]


def test_namespaces_that_nobody_could_open_are_not_shown(path: Path, ledger: SQLiteLedger) -> None:
    for namespace in (EVIL, LONG, ""):
        tamper(
            path,
            "INSERT INTO claim (namespace, key, name, session, token, kept, claimed) "
            "VALUES (:namespace, 'k', 'k', 1, '', 0, 0)",
            namespace=namespace,
        )

    assert ledger.namespaces() == ["default"]


# -- walks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("position", [-1, 2**62, 2**63 - 1, -(2**63), FURTHEST])
def test_a_position_that_is_none_is_named_with_its_walk_and_stays(
    path: Path, ledger: SQLiteLedger, position: int
) -> None:
    ledger.advance("words", 5)
    tamper(path, "UPDATE walk SET position = :position", position=position)

    for call in (
        lambda: ledger.advance("words", 5),
        lambda: ledger.draw("words", 5, "Npc {}".format, "t"),
    ):
        assert "the walk 'words' is lost: position must be a whole number below" in bounded(call)
    assert ledger.advance("others", 5) == 0
    file = sqlite3.connect(path)
    stored = file.execute("SELECT position FROM walk WHERE walk = 'words'").fetchone()
    file.close()
    assert stored == (position,)


def test_spare_positions_that_are_none_are_not_offered(path: Path, ledger: SQLiteLedger) -> None:
    for position in (-1, 2**62, FURTHEST, 3):
        tamper(
            path,
            "INSERT INTO spare (namespace, walk, position) VALUES ('default', 'words', :position)",
            position=position,
        )

    assert ledger.draw("words", 3, "Npc {}".format, "t") == {"Npc 3": 3, "Npc 0": 0, "Npc 1": 1}


def test_a_count_that_no_file_can_hold_is_an_error(ledger: SQLiteLedger) -> None:
    assert "it cannot be used" in bounded(lambda: ledger.advance("words", 2**70))
    assert ledger.advance("words", 1) == 0


@pytest.mark.parametrize("turn", [9e99, float("inf"), -1.0])
def test_a_turn_that_is_far_away_stops_nobody(
    path: Path, ledger: SQLiteLedger, turn: float
) -> None:
    tamper(path, "INSERT INTO turn (namespace, next) VALUES ('default', :turn)", turn=turn)

    assert ledger._call(lambda: ledger._renew(30.0))
    assert not ledger._call(lambda: ledger._renew(30.0))


def test_numbers_of_sessions_that_are_used_up_are_an_error(
    path: Path, ledger: SQLiteLedger
) -> None:
    tamper(path, f"UPDATE sqlite_sequence SET seq = {2**63 - 1}")

    assert "the disk is full" in bounded(lambda: ledger.claim(["Zoe"], "t"))


# -- time ---------------------------------------------------------------------------------------


def test_a_statement_that_takes_too_long_is_stopped(path: Path, ledger: SQLiteLedger) -> None:
    impatient = SQLiteLedger(path, timeout=TIMEOUT / 4)
    endless = f"SELECT count(*) FROM ({RECURSIVE})"

    for reach in (impatient._look, impatient._guarded):
        says = bounded(lambda: reach(lambda: impatient._sql(endless).fetchone()))  # noqa: B023
        assert "the call took longer than the timeout" in says
    assert impatient.claim(["Cleo"], "t") == ["Cleo"]
    impatient.close()


def test_steps_that_take_too_long_together_are_stopped(path: Path, ledger: SQLiteLedger) -> None:
    impatient = SQLiteLedger(path, timeout=TIMEOUT / 4)

    def work() -> None:
        for number in count():
            impatient._sql(f"SELECT {number}")  # each takes no time

    assert "the call took longer than the timeout" in bounded(lambda: impatient._guarded(work))
    impatient.close()


def test_no_more_than_two_rows_are_read_between_two_looks_at_the_clock(
    ledger: SQLiteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.claim([f"Npc {letter * 3}" for letter in "abcdefghijklmnopqrstuvwxyz"], "t")
    looks: list[float] = []

    class Clock:
        def monotonic(self) -> float:
            looks.append(time.monotonic())
            return looks[-1]

    monkeypatch.setattr(connection, "time", Clock())
    claimed = ledger._look(ledger._count)

    assert claimed > 26
    assert len(looks) > claimed / 2


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this platform stops no process")
def test_a_process_that_was_stopped_with_the_lock_holds_nobody_up(
    path: Path, ledger: SQLiteLedger
) -> None:
    code = (
        "import sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('BEGIN EXCLUSIVE')\n"
        "print('locked', flush=True)\n"
        "sys.stdin.readline()"
    )
    command = [sys.executable, "-c", code, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        os.kill(process.pid, signal.SIGSTOP)
        impatient = SQLiteLedger(path, timeout=TIMEOUT / 4)
        says = bounded(lambda: impatient.claim(["Cleo"], "t"), LedgerBusy)
        assert impatient.stats().claimed == 2
        process.kill()
    assert "another process has held it locked for longer than the timeout" in says
    assert impatient.claim(["Cleo"], "t") == ["Cleo"]
    impatient.close()


# -- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 10, 100, 4096, 5000, 20_000])
@pytest.mark.parametrize("is_open", [False, True])
def test_a_file_that_is_cut_off_raises_nothing_else_than_the_error_of_a_ledger(
    path: Path, ledger: SQLiteLedger, size: int, is_open: bool
) -> None:
    if is_open:
        ledger.renew()
    os.truncate(path, size)
    ledger._timeout = ledger._file._timeout = TIMEOUT

    for call in (lambda: ledger.claim(NAMES, "t"), ledger.stats, lambda: list(ledger.holders())):
        began = time.monotonic()
        with suppress(LedgerError):
            call()
        assert time.monotonic() - began < 2 * TIMEOUT
    ledger._registered = False  # else its end would find the damage, too


@pytest.mark.parametrize("end", ["-wal", "-journal"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this platform has no named pipes")
def test_a_named_pipe_beside_the_file_is_refused_and_nobody_waits_for_it(
    path: Path, ledger: SQLiteLedger, end: str
) -> None:
    os.mkfifo(f"{path}{end}")

    assert "is a named pipe" in refusals(path)


def test_a_name_that_was_freed_is_not_left_in_the_file(path: Path) -> None:
    ledger = SQLiteLedger(path)
    ledger.claim(["Secret Agent Nine", "Ada"], "t")
    ledger.release(["Secret Agent Nine"])
    ledger.close()

    assert b"Secret Agent" not in path.read_bytes()
