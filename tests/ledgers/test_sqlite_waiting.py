"""A file that several processes and threads want at once: how long a call waits, and for whom."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from namepool.core.names import name_key
from namepool.errors import LedgerBusy, LedgerError
from namepool.ledgers import connection, database, tables
from namepool.ledgers.connection import Connection
from namepool.ledgers.database import Database
from namepool.ledgers.sqlite import SQLiteLedger
from tests.stress.rush import rush
from tests.support import PATIENCE, run_together

DAY = 86400.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "names.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[SQLiteLedger]:
    ledger = SQLiteLedger(path, timeout=PATIENCE)
    ledger.claim(["Ada"], "t")
    yield ledger
    ledger.close()


@pytest.fixture
def other(path: Path, ledger: SQLiteLedger) -> Iterator[sqlite3.Connection]:
    """Another program, which has the file locked."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()


class Pauses:
    """The pauses of a call, which last no time; ``action`` is done in the last one."""

    def __init__(self, count: int, action: Callable[[], object]) -> None:
        self.seconds: list[float] = []
        self.now = time.monotonic()
        self._count, self._action = count, action

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.now += seconds
        if len(self.seconds) == self._count:
            self._action()


def test_a_locked_file_is_tried_again_until_it_is_free(
    ledger: SQLiteLedger, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = Pauses(20, lambda: other.execute("ROLLBACK"))
    monkeypatch.setattr(database, "time", pauses)

    assert ledger.claim(["Bob"], "t") == ["Bob"]
    assert len(pauses.seconds) == 20


def test_the_pauses_are_short_at_first_and_grow_and_are_never_the_same(
    ledger: SQLiteLedger, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = Pauses(0, lambda: None)
    monkeypatch.setattr(database, "time", pauses)
    with pytest.raises(LedgerBusy, match="has held it locked for longer than the timeout"):
        ledger.claim(["Bob"], "t")

    seconds, waited = pauses.seconds, 0.0
    for pause in seconds:
        assert pause <= (0.004 if waited < 0.1 else 0.075)
        waited += pause
    assert PATIENCE - 0.1 < waited <= PATIENCE
    assert max(seconds) > 0.05
    assert len(set(seconds)) == len(seconds)


def test_a_pause_that_lasts_too_long_does_not_hide_the_lock(
    ledger: SQLiteLedger, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = Pauses(0, lambda: None)
    for module in (database, connection):
        monkeypatch.setattr(module, "time", pauses)
    monkeypatch.setattr(
        pauses, "sleep", lambda _: setattr(pauses, "now", pauses.now + PATIENCE + 1.0)
    )

    with pytest.raises(LedgerBusy, match="has held it locked for longer than the timeout"):
        ledger.claim(["Bob"], "t")


def test_a_locked_file_is_not_opened_again_for_each_try(
    ledger: SQLiteLedger, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "time", Pauses(9, lambda: other.execute("ROLLBACK")))
    before = ledger._file._idle[0]
    ledger.claim(["Bob"], "t")

    assert ledger._file._idle == [before]


@pytest.mark.parametrize("statement", ["BEGIN IMMEDIATE", "UPDATE session", "COMMIT"])
@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL, 261])
def test_a_lock_that_any_statement_meets_is_waited_for(
    ledger: SQLiteLedger, monkeypatch: pytest.MonkeyPatch, statement: str, code: int
) -> None:
    real, failures = Connection.execute, [1, 1, 1]

    def execute(connection: Connection, text: str, *values: object) -> sqlite3.Cursor:
        if text.startswith(statement) and failures:
            failures.pop()
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = code
            raise error
        return real(connection, text, *values)

    monkeypatch.setattr(Connection, "execute", execute)

    assert ledger.claim(["Bob"], "t") == ["Bob"]
    assert failures == []
    assert ledger.stats().claimed == 2


def test_a_thread_that_waits_for_the_lock_keeps_no_other_from_reading(
    path: Path, ledger: SQLiteLedger, other: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, real = threading.Event(), Connection.execute

    def execute(connection: Connection, text: str, *values: object) -> sqlite3.Cursor:
        if text == "BEGIN IMMEDIATE":
            waiting.set()
        return real(connection, text, *values)

    monkeypatch.setattr(Connection, "execute", execute)
    thread = threading.Thread(target=ledger.renew)
    thread.start()
    assert waiting.wait(PATIENCE)

    assert ledger.stats().claimed == 1
    assert thread.is_alive()
    other.execute("ROLLBACK")
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_threads_have_a_few_connections_and_wait_for_one(
    path: Path, ledger: SQLiteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_MOST", 2)
    inside, gate = threading.Semaphore(0), threading.Event()

    def hang() -> None:
        inside.release()
        assert gate.wait(PATIENCE)

    threads = [threading.Thread(target=lambda: ledger._look(hang)) for _ in range(2)]
    for thread in threads:
        thread.start()
        assert inside.acquire(timeout=PATIENCE)
    impatient = ledger._file._timeout = 0.2
    with pytest.raises(LedgerBusy, match=rf"other threads have used it for over {impatient} s"):
        ledger.stats()
    gate.set()
    for thread in threads:
        thread.join(PATIENCE)

    assert ledger.stats().claimed == 1
    assert len(ledger._file._idle) == 2


def test_what_an_exception_from_outside_leaves_open_is_closed_by_the_next_call(
    path: Path, ledger: SQLiteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strike(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    def lock() -> None:
        connection = ledger._file._used[threading.get_ident()]
        assert connection is not None
        monkeypatch.setattr(connection, "execute", strike)
        monkeypatch.setattr(Database, "_give_back", strike)

    with pytest.raises(KeyboardInterrupt):
        ledger._guarded(lock)
    monkeypatch.undo()
    assert len(ledger._file._used) == 1

    assert ledger.claim(["Ada", "Bob"], "t") == ["Ada", "Bob"]
    assert ledger._file._used == {}
    assert len(ledger._file._idle) == 1


def test_a_ledger_that_is_closed_under_a_call_is_closed_when_the_call_ends(
    ledger: SQLiteLedger,
) -> None:
    ledger._look(ledger._disconnect)

    assert ledger._file._idle == []


# -- what is written and read -------------------------------------------------------------------


def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of the statements that are executed from now on."""
    found, real = list[str](), Connection.execute

    def execute(connection: Connection, text: str, *values: object) -> sqlite3.Cursor:
        found.append(text)
        return real(connection, text, *values)

    monkeypatch.setattr(Connection, "execute", execute)
    return found


def test_a_process_that_needs_one_name_writes_twice(
    path: Path, ledger: SQLiteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = statements(monkeypatch)
    second = SQLiteLedger(path)
    names = second.draw("words", 12, "Npc {}".format, "t")
    second.close(unused=list(names)[1:], spare={"words": list(names.values())[1:]})

    assert found.count("BEGIN IMMEDIATE") == 2
    assert len(list(ledger.holders())) == 2
    third = SQLiteLedger(path)
    assert list(third.draw("words", 2, "Npc {}".format, "t").values()) == [1, 2]
    third.close()


@pytest.mark.parametrize("identities", [False, True])
def test_sessions_to_prune_and_pages_and_identities_are_found_by_an_index(
    ledger: SQLiteLedger, monkeypatch: pytest.MonkeyPatch, identities: bool
) -> None:
    ledger.take("Grace", "planner")

    def plans() -> list[str]:
        sqlite: Any = getattr(ledger._file._used[threading.get_ident()], "_sqlite")  # noqa: B009
        found: list[str] = []
        sqlite.set_trace_callback(found.append)
        ledger._old(600.0, 0, 100, identities)
        ledger._page(b"a")
        ledger._kept("planner")
        ledger._find("ada")
        ledger._free([ledger.session], -1.0, identities)
        sqlite.set_trace_callback(None)
        return [row[3] for sql in found for row in sqlite.execute(f"EXPLAIN QUERY PLAN {sql}")]

    found = ledger._guarded(plans)

    assert [row for row in found if row.startswith("SCAN") and "subquery" not in row] == []
    for plan, is_there in (
        ("INDEX session_seen (namespace=? AND seen<?)", True),
        ("INDEX session_pruned (namespace=? AND seen<?)", identities),
        ("SEARCH claim USING PRIMARY KEY (namespace=? AND key>?)", True),
        ("INDEX claim_identity (namespace=? AND identity=?)", True),
        ("INDEX claim_session (session=?", True),
    ):
        assert any(plan in row for row in found) is is_there, plan
    assert not any("TEMP B-TREE" in row for row in found if "session" in row)


def old_sessions(path: Path, count: int) -> None:
    """Write sessions of one name each that died a month ago."""
    then = time.time() - 30 * DAY
    connection = sqlite3.connect(path)
    for number in range(count):
        name = f"Old {number} of many"
        cursor = connection.execute(
            "INSERT INTO session (namespace, uuid, host, pid, place, parent, started, seen, ended) "
            "VALUES ('default', ?, 'h', 1, '', '', ?, ?, 0)",
            (f"old{number}", then, then + number),
        )
        connection.execute(
            "INSERT INTO claim (namespace, key, name, session, token, kept, claimed) "
            "VALUES ('default', ?, ?, ?, 't', 0, ?)",
            (name_key(name), name, cursor.lastrowid, then),
        )
    connection.commit()
    connection.close()


def test_a_prune_holds_the_lock_for_a_moment_at_a_time(
    path: Path, ledger: SQLiteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_sessions(path, 1000)
    found = statements(monkeypatch)

    assert ledger.prune(7 * DAY) == 1000
    assert found.count("BEGIN IMMEDIATE") >= 10


def test_a_session_of_many_names_is_freed_in_parts_and_cannot_go_on_meanwhile(
    path: Path, ledger: SQLiteLedger
) -> None:
    second = SQLiteLedger(path)
    names = [f"Npc {number}" for number in range(1000)]
    second.claim(names, "t")
    before = second.session
    freed, left = ledger._guarded(lambda: ledger._free([before], -1.0, False))

    assert (0 < freed < 1000, left) == (True, [before])
    assert second.claim(names[:1], "u") == names[:1] or second.session != before
    assert second.session != before
    assert [session and session.id for session in ledger._look(lambda: old(ledger))] == [before]
    second.close()


def old(ledger: SQLiteLedger) -> Any:
    return [
        session
        for session in ledger._old(-1.0, 0, 9, False)
        if session is not None and session.ended
    ]


@pytest.mark.proof
def test_a_claim_beside_a_prune_waits_less_than_100_ms(path: Path, ledger: SQLiteLedger) -> None:
    old_sessions(path, 5000)
    second, waits, done = SQLiteLedger(path), list[float](), threading.Event()

    def prune() -> None:
        assert ledger.prune(7 * DAY) == 5000
        done.set()

    def claim() -> None:
        while not done.wait(0.005):
            began = time.monotonic()
            second.claim([f"New {len(waits)}"], "t")
            waits.append(time.monotonic() - began)

    run_together([prune, claim])

    assert len(waits) > 10
    assert max(waits) < 0.1
    second.close()


@pytest.mark.proof
def test_a_page_of_many_names_takes_no_longer_than_the_first(
    path: Path, ledger: SQLiteLedger
) -> None:
    ledger.claim([f"Npc {number}" for number in range(20 * tables.PAGE)], "t")
    pages, after = 0, None
    while pages == 0 or after is not None:
        page, after = ledger._look(lambda at=after: ledger._page(at))  # type: ignore[misc]
        assert len(list(page)) <= tables.PAGE
        pages += 1

    assert pages == 21


@pytest.mark.proof
def test_processes_that_need_a_name_at_once_all_get_one(path: Path) -> None:
    found = rush(path, 40, 30.0)

    assert len({name for _, name in found}) == 40
    assert not [name for _, name in found if name.startswith("failed")]


def test_processes_that_make_a_file_and_need_a_name_at_once_all_get_one(path: Path) -> None:
    found = rush(path, 6, 30.0)

    assert len({name for _, name in found}) == 6


def test_who_has_no_time_left_is_told_that_it_was_locked(
    path: Path, other: sqlite3.Connection
) -> None:
    impatient = SQLiteLedger(path, timeout=0.2)
    began = time.monotonic()
    for call in (impatient.renew, lambda: impatient.draw("words", 3, "Npc {}".format, "t")):
        with pytest.raises(LedgerBusy) as caught:
            call()
        assert isinstance(caught.value, LedgerError)
    assert time.monotonic() - began < PATIENCE / 2
    assert impatient.stats().claimed == 1
    impatient.close()
