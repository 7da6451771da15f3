"""``namepool ledger``: who has which name, for people who look."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from namepool.cli import command as cli
from namepool.ledgers import open_ledger
from namepool.ledgers.sqlite import SQLiteLedger
from tests.ledgers.redis_server import RedisServer

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger with a living session, which has Ada, and one that ended, which has Bob."""
    return tmp_path / "names.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}?namespace=fleet"


@pytest.fixture
def living(path: Path) -> SQLiteLedger:
    ended = SQLiteLedger(path, "fleet", clock=lambda: 1e9)
    ended.claim(["Bob"], "t")
    ended.close()
    living = SQLiteLedger(path, "fleet", clock=lambda: 2e9)
    living.take("Ada the Yak Shaver", "planner")
    return living


def run(capsys: Capture, *arguments: str) -> str:
    assert cli.main(["ledger", *arguments]) == 0
    return capsys.readouterr().out


def test_ls_lists_who_has_which_name(capsys: Capture, url: str, living: SQLiteLedger) -> None:
    host, pid = socket.gethostname(), os.getpid()

    assert sorted(run(capsys, "ls", "--ledger", url).splitlines()) == [
        f"Ada the Yak Shaver\t{host}\t{pid}\t2033-05-18T03:33:20Z\tliving\tplanner",
        f"Bob\t{host}\t{pid}\t2001-09-09T01:46:40Z\tended",
    ]
    living.close()


def test_ls_prints_json(capsys: Capture, url: str, living: SQLiteLedger) -> None:
    rows = json.loads(run(capsys, "ls", "--ledger", url, "--json"))

    assert {row["name"]: (row["session"], row["identity"]) for row in rows} == {
        "Ada the Yak Shaver": ("living", "planner"),
        "Bob": ("ended", None),
    }
    living.close()


def test_stats_counts(capsys: Capture, url: str, living: SQLiteLedger) -> None:
    counts = "namespace\tfleet\nclaimed\t2\nliving\t1\nsilent\t0\nended\t1\n"

    assert run(capsys, "stats", "--ledger", url) == counts
    assert json.loads(run(capsys, "stats", "--ledger", url, "--json"))["claimed"] == 2
    living.close()


def test_prune_frees_the_names_of_the_dead(capsys: Capture, url: str, living: SQLiteLedger) -> None:
    assert run(capsys, "prune", "--ledger", url, "--older-than", "7d") == "1 names freed\n"
    assert json.loads(run(capsys, "prune", "--ledger", url, "--older-than", "7d", "--json")) == {
        "freed": 0
    }
    assert [holder.name for holder in living.holders()] == ["Ada the Yak Shaver"]
    living.close()


def test_the_environment_may_name_the_ledger(
    capsys: Capture, url: str, living: SQLiteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAMEPOOL_LEDGER", url)
    assert "Bob" in run(capsys, "ls")
    living.close()


def files(folder: Path) -> dict[str, tuple[bytes, int, int, int]]:
    """Return the folder and all that is in it: bytes, time of the last change, mode and number."""
    found = {}
    for path in (folder, *sorted(folder.iterdir())):
        stat = path.stat()
        data = path.read_bytes() if path.is_file() else b""
        found[path.name] = (data, stat.st_mtime_ns, stat.st_mode, stat.st_ino)
    return found


LOOKS = [["ls"], ["ls", "--json"], ["ls", "--name", "Ada the Yak Shaver"], ["stats"]]


@pytest.mark.parametrize("command", [*LOOKS, ["ls", "--identity", "planner", "--living"]])
def test_a_look_leaves_the_files_as_they_are(
    capsys: Capture, url: str, living: SQLiteLedger, path: Path, command: list[str]
) -> None:
    living.close()
    before = files(path.parent)
    assert [*before] == [path.parent.name, "names.db"]
    run(capsys, *command, "--ledger", url)

    assert files(path.parent) == before


@pytest.mark.parametrize("command", [["ls"], ["stats"]])
def test_a_look_at_a_namespace_that_has_nothing_leaves_the_files_as_they_are(
    capsys: Capture, url: str, living: SQLiteLedger, path: Path, command: list[str]
) -> None:
    living.close()
    before = files(path.parent)
    url = url.replace("fleet", "flat")
    assert cli.main(["ledger", *command, "--ledger", url]) == 1

    line = "namepool: error: no claims in the namespace 'flat'; there are: 'fleet'\n"
    assert capsys.readouterr().err == line
    assert files(path.parent) == before


AS_NOBODY = """
import contextlib, io, os, sys
from namepool.cli.command import main
with contextlib.redirect_stdout(io.StringIO()):
    main([*sys.argv[2:], "--ledger", f"sqlite:///{sys.argv[1]}.copy?namespace=fleet"])
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
sys.exit(main([*sys.argv[2:], "--ledger", f"sqlite:///{sys.argv[1]}?namespace=fleet"]))
"""
"""The first call imports all that is needed: the user may not read the interpreter's folder."""


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="this platform has no such users")
@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("command", LOOKS)
def test_a_user_who_may_only_read_the_file_can_look_into_it(
    living: SQLiteLedger, path: Path, command: list[str], is_open: bool
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can ask as somebody else")
    other = SQLiteLedger(f"{path}.copy", "fleet")
    other.claim(["Ada"], "t")
    other.close()
    if not is_open:
        living.close()
    for file in path.parent.iterdir():
        file.chmod(0o644)
    for folder in path.parents:
        if not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(0o755)
    before = files(path.parent)
    program = [sys.executable, "-W", "error", "-c", AS_NOBODY, str(path), "ledger", *command]
    done = subprocess.run(program, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert "Ada the Yak Shaver" in done.stdout or "claimed\t2\n" in done.stdout
    assert files(path.parent) == before
    living.close()


def test_rows_that_nobody_has_written_cost_a_warning_each_and_no_status(
    url: str, living: SQLiteLedger, path: Path, capsys: Capture
) -> None:
    living.claim(["Zoe"], "t")
    living.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE claim SET name = ? WHERE name = 'Zoe'", ["E\n\x1b[2J" * 10**6])
    assert cli.main(["ledger", "ls", "--ledger", url]) == 0
    printed = capsys.readouterr()

    assert [line.split("\t")[0] for line in printed.out.splitlines()] == [
        "Ada the Yak Shaver",
        "Bob",
    ]
    assert printed.err.startswith("namepool: warning: SQLiteLedger(")
    assert printed.err.count("\n") == 1
    assert len(printed.err) < 1000


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "the following arguments are required: COMMAND"),
        (["ls", "--ledger", "x"], 2, "ledger's scheme must be"),
        (["prune", "--ledger", "sqlite:///x.db"], 2, "--older-than"),
        (["prune", "--ledger", "sqlite:///x.db", "--older-than", "9m"], 2, "ten minutes"),
        (["prune", "--ledger", "sqlite:///x.db", "--older-than", "soon"], 2, "such as 90s, 5m"),
        (["ls"], 1, "which ledger? give --ledger, or set NAMEPOOL_LEDGER"),
        (["ls", "--ledger", "sqlite:///nowhere.db"], 1, "nowhere.db', namespace='default') does"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    capsys: Capture,
    arguments: list[str],
    code: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NAMEPOOL_LEDGER", raising=False)
    assert cli.main(["ledger", *arguments]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert says in printed.err
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []  # a look makes no file


def test_a_file_that_is_no_ledger_is_an_error(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("Buy milk.", encoding="utf-8")

    assert cli.main(["ledger", "ls", "--ledger", f"sqlite:///{path}"]) == 1
    assert "the file is no SQLite database" in capsys.readouterr().err


@pytest.mark.proof
def test_a_ledger_in_redis_is_looked_into_the_same_way(capsys: Capture, tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "server", "--requirepass", "s3cret")
    url = f"{server.url.replace('://', '://:s3cret@')}?namespace=fleet"
    ledger = open_ledger(url)
    ledger.claim(["Ada"], "t")

    assert run(capsys, "ls", "--ledger", url).startswith("Ada\t")
    assert "claimed\t1\nliving\t1\n" in run(capsys, "stats", "--ledger", url)
    assert run(capsys, "prune", "--ledger", url, "--older-than", "7d") == "0 names freed\n"
    ledger.take("Bob", "planner")
    ledger.release(["Bob"])
    assert run(capsys, "ls", "--ledger", url, "--identity", "planner").endswith("\tkept\tplanner\n")
    assert cli.main(["ledger", "ls", "--ledger", url.replace("fleet", "flat")]) == 1
    assert "in the namespace 'flat'; there are: 'fleet'\n" in capsys.readouterr().err
    ledger.close()
    server.stop()
    url = f"{url}&timeout=0.1"
    assert cli.main(["ledger", "ls", "--ledger", url]) == 1
    error = capsys.readouterr().err
    assert f"the ledger at {server.url} cannot be reached" in error
    assert "s3cret" not in error
