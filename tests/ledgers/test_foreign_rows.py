"""What somebody else has written into a ledger: shown in one line, and never taken for more."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

import pytest

import namepool
from namepool.cli import command as cli
from namepool.core.names import name_key
from namepool.errors import NameHeld
from namepool.ledgers import Holder, RedisLedger, Session, SQLiteLedger
from namepool.ledgers.session import SessionLedger
from namepool.pool.resumed import take
from tests.ledgers.redis_server import RedisServer
from tests.support import PATIENCE

EVIL = "x\nCRITICAL forged\r\x1b[31m\u202e\u2066\u2028\u200b\x85\x00\x9b\ty"
ADA = "Ada the Yak Shaver"


class Store:
    """A ledger, and the means to forge the row of Ada in it."""

    ledger: SessionLedger
    url: str

    def forge(self, **fields: object) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class File(Store):
    def __init__(self, folder: Path) -> None:
        self.path = folder / "names.db"
        self.url = f"sqlite:///{self.path}"
        self.ledger = SQLiteLedger(self.path, timeout=PATIENCE)

    def forge(self, **fields: object) -> None:
        connection = sqlite3.connect(self.path)
        row: dict[str, Any] = {
            "host": "h",
            "pid": 1,
            "place": "",
            "name": ADA,
            "identity": None,
            "claimed": 1e9,
            "seen": 1e9,
            "started": 1e9,
            **fields,
        }
        cursor = connection.execute(
            "INSERT INTO session (namespace, uuid, host, pid, place, started, seen, ended) "
            "VALUES ('default', 'forged', :host, :pid, :place, :started, :seen, 0)",
            row,
        )
        connection.execute(
            "INSERT INTO claim (namespace, key, name, session, token, identity, claimed) "
            "VALUES ('default', :key, :name, :session, '', :identity, :claimed)",
            {**row, "key": name_key(ADA), "session": cursor.lastrowid},
        )
        connection.commit()
        connection.close()

    def close(self) -> None:
        self.ledger.close()


class Server(Store):
    def __init__(self, folder: Path) -> None:
        self.server = RedisServer(folder / "redis")
        self.url = self.server.url
        self.ledger = RedisLedger(self.url, timeout=PATIENCE)

    def forge(self, **fields: object) -> None:
        row = {"host": "h", "pid": 1, "place": "", "name": ADA, "identity": "", "claimed": 1e9}
        row |= {"started": 1e9, **{name: value or "" for name, value in fields.items()}}
        key = "namepool:{default}:"
        about = ["0", *(str(row[name]) for name in ("started", "host", "pid", "place")), ""]
        claim = ["forged", "", str(row["claimed"]), "0", str(row["identity"]), str(row["name"])]
        self.server.do("HSET", f"{key}sessions", "forged", "\x1f".join(about))
        self.server.do("ZADD", f"{key}seen", "1e9", "forged")
        self.server.do("HSET", f"{key}claims", name_key(ADA), "\x1f".join(claim))
        self.server.do("SADD", f"{key}{'ids' if row['identity'] else 'of'}:forged", name_key(ADA))

    def close(self) -> None:
        self.ledger.close()
        self.server.stop()


@pytest.fixture(params=[File, Server])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    store: Store = request.param(tmp_path)
    store.ledger.advance("walk", 1)  # the tables are there
    yield store
    store.close()


def is_plain(text: str) -> bool:
    return text.isascii() and all(" " <= c <= "~" or c == "…" for c in text)


def looks(store: Store, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(["ledger", *arguments, "--ledger", store.url]) == 0
    return capsys.readouterr().out


EVERY_TEXT = {"host": EVIL, "identity": EVIL, "place": EVIL}


def test_a_forged_row_is_one_line_of_the_list(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store.forge(**EVERY_TEXT)
    (line, *others) = looks(store, capsys, "ls").rstrip("\n").split("\n")

    assert others == []
    assert [is_plain(field) for field in line.split("\t")] == [True] * 6


def test_a_forged_row_is_ascii_in_json(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.forge(**EVERY_TEXT, pid=1)
    out = looks(store, capsys, "ls", "--json")

    assert is_plain(out.replace("\n", ""))
    (row,) = json.loads(out)
    assert all(is_plain(str(value)) for value in row.values())


def test_letters_of_any_script_are_ascii_in_json_and_themselves_in_the_list(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store.ledger.take("Zoë", "plänner")

    assert json.loads(looks(store, capsys, "ls", "--json"))[0]["name"] == "Zoë"
    assert looks(store, capsys, "ls", "--json").isascii()
    assert looks(store, capsys, "ls").startswith("Zoë\t")


def test_a_forged_row_is_one_line_of_an_error(store: Store) -> None:
    store.forge(**EVERY_TEXT)
    with pytest.raises(NameHeld) as caught:
        take(store.ledger, ADA, "planner")

    assert is_plain(str(caught.value))
    assert is_plain(str(caught.value.holder.session))


class Conflicts(logging.Handler):
    """The warnings of names that another session holds, for a test that waits for one."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: SimpleQueue[str] = SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        if "held by" in record.getMessage():
            self.messages.put(record.getMessage())


def test_a_forged_row_is_one_line_of_a_warning(store: Store) -> None:
    store.forge(host=EVIL, identity=EVIL)
    conflicts = Conflicts()
    logging.getLogger("namepool").addHandler(conflicts)
    try:
        with namepool.open_pool(ledger=store.url) as pool:
            pool.associate_name(ADA)
            message = conflicts.messages.get(timeout=PATIENCE)  # the end could overtake it
    finally:
        logging.getLogger("namepool").removeHandler(conflicts)

    assert is_plain(message)
    assert conflicts.messages.empty()


@pytest.mark.parametrize("junk", ["x", "1e999", "-1", "nan", "9" * 400, "", "../../self"])
def test_numbers_that_are_none_cost_that_row_and_no_other(
    store: Store, junk: str, capsys: pytest.CaptureFixture[str]
) -> None:
    store.ledger.take("Zoe")
    store.forge(pid=junk, claimed=junk, started=junk)

    assert [holder.name for holder in store.ledger.holders()] == ["Zoe"]
    assert looks(store, capsys, "ls").startswith("Zoe\t")
    assert "claimed\t2\n" in looks(store, capsys, "stats")
    with pytest.raises(NameHeld):
        take(store.ledger, ADA, "planner")
    assert looks(store, capsys, "prune", "--older-than", "7d") == "0 names freed\n"


def test_what_a_ledger_of_a_user_holds_is_shown_in_one_line() -> None:
    session = Session("id", EVIL, 1, "", 0.0, 0.0, 0.0, False)
    assert is_plain(str(session))

    class Own:
        def take(self, *_: object) -> Holder:
            return Holder(EVIL, session, 1e9, EVIL + "\u3164")

    with pytest.raises(NameHeld) as caught:
        take(cast("Any", Own()), ADA, "planner")
    assert is_plain(str(caught.value))


def test_a_name_is_escaped_once_in_an_error(tmp_path: Path) -> None:
    store = File(tmp_path)
    store.ledger.advance("walk", 1)
    store.forge(name="Ada\nFoo", identity="Bo\x1bb")
    with pytest.raises(NameHeld, match=r"^'Ada\\nFoo' is held .* the identity 'Bo\\x1bb'; "):
        take(store.ledger, ADA, "planner")
    store.close()


def test_a_text_that_is_not_utf_8_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = File(tmp_path)
    store.ledger.advance("walk", 1)
    store.forge()
    with closing(sqlite3.connect(store.path)) as connection:
        connection.executescript(
            "UPDATE claim SET name = CAST(x'416461ff' AS TEXT), identity = CAST(x'ff' AS TEXT);"
            "UPDATE session SET host = CAST(x'416461ff' AS TEXT), place = CAST(x'ff' AS TEXT);"
        )
        connection.commit()
    store.ledger.take("Zoe", "z")

    out = looks(store, capsys, "ls").splitlines()
    assert [line.partition("\t")[0] for line in out] == ["Ada\\xff", "Zoe"]
    assert "claimed\t2\n" in looks(store, capsys, "stats")
    with pytest.raises(NameHeld, match=r"^'Ada\\xff' is held by process 1 on Ada\\xff since"):
        take(store.ledger, ADA, "planner")
    store.ledger.renew()
    assert looks(store, capsys, "prune", "--older-than", "7d") == "1 names freed\n"
    store.close()
