"""``namepool ledger``: rows as they come, filters, states, a terminal, and empty namespaces."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from namepool.cli import command as cli
from namepool.cli import ledger as cli_ledger
from namepool.cli.claims import SESSIONS, Rows
from namepool.ledgers.base import Holder, Session
from namepool.ledgers.engine import logger
from namepool.ledgers.memory import Book, MemoryLedger
from namepool.ledgers.rows import BadRow
from tests.ledgers.engines import forget
from tests.support import PATIENCE, MovableClock

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).parent.parent.parent
HOST, PID = socket.gethostname(), os.getpid()


class Crew:
    """A ledger with names in each state, which the command opens for any URL."""

    def __init__(self) -> None:
        self.clock = MovableClock()
        self.clock.now = 1e9
        self.book = Book(self.clock)
        self.namespace = "crew"
        self.living = self.open(parent="Ada/Bo")
        self.living.claim(["Lia Living"], "t")
        self.living.take("Kit Kept", "planner")
        self.living.release(["Kit Kept"])
        self.living.take("Ida In Use", "tester")
        ended = self.open()
        ended.claim(["Ed Ended"], "t")
        ended.close()
        silent = self.open()
        silent.claim(["Sil Silent"], "t")
        forget(silent)
        silent._closed = True

    def open(self, **options: Any) -> MemoryLedger:
        return MemoryLedger(self.book, self.namespace, **options)

    def open_ledger(self, url: str) -> MemoryLedger:
        return self.open()


@pytest.fixture
def crew(monkeypatch: pytest.MonkeyPatch) -> Iterator[Crew]:
    crew = Crew()
    monkeypatch.setenv("NAMEPOOL_LEDGER", "a ledger in memory")
    monkeypatch.setattr(cli_ledger, "open_ledger", crew.open_ledger)
    yield crew
    crew.living.close()


def looks(capsys: Capture, *arguments: str) -> str:
    """Return the output of a command that ends well and reports nothing."""
    assert cli.main(["ledger", *arguments]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def names(capsys: Capture, *arguments: str) -> list[str]:
    found = [line.split("\t")[0] for line in looks(capsys, "ls", *arguments).splitlines()]
    rows = json.loads(looks(capsys, "ls", "--json", *arguments))
    assert [row["name"] for row in rows] == found
    return found


@pytest.mark.parametrize("arguments", [["ls"], ["ls", "--json"], ["stats"]])
@pytest.mark.usefixtures("crew")
def test_a_process_without_stdout_may_ask(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)

    assert looks(capsys, *arguments) == ""


ALL = ["Lia Living", "Kit Kept", "Ida In Use", "Ed Ended", "Sil Silent"]


# -- states -------------------------------------------------------------------------------------


def test_the_state_of_a_name_is_living_silent_ended_or_kept(crew: Crew, capsys: Capture) -> None:
    rows = [line.split("\t") for line in looks(capsys, "ls").splitlines()]

    assert [row[0] for row in rows] == ALL
    assert [row[4] for row in rows] == ["living", "kept", "living", "ended", "silent"]
    assert [row[5:] for row in rows] == [[], ["planner"], ["tester"], [], []]


def test_json_also_has_the_parent_the_renewal_and_the_state_of_the_session(
    crew: Crew, capsys: Capture
) -> None:
    lia, kit, _, ed, _ = json.loads(looks(capsys, "ls", "--json"))
    time = "2001-09-09T01:46:40Z"

    assert kit == {
        "name": "Kit Kept",
        "host": HOST,
        "pid": PID,
        "claimed": time,
        "session": "living",
        "identity": "planner",
        "state": "kept",
        "parent": "Ada/Bo",
        "renewed": time,
    }
    assert (lia["state"], lia["session"], lia["identity"]) == ("living", "living", None)
    assert ed["parent"] is None


def test_the_state_of_a_session_is_looked_up_once_for_all_its_names(
    crew: Crew, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    state = MemoryLedger.state

    def noted(self: MemoryLedger, session: Session) -> str:
        asked.append(session.id)
        return state(self, session)

    monkeypatch.setattr(MemoryLedger, "state", noted)
    looks(capsys, "ls")

    assert len(asked) == len(set(asked)) == 3


def test_no_more_states_are_remembered_than_there_is_room_for(crew: Crew) -> None:
    [holder] = [one for one in crew.living.holders() if one.name == "Lia Living"]
    rows = Rows(crew.living)
    for number in range(2 * SESSIONS + 1):
        row = rows(holder._replace(session=holder.session._replace(id=str(number), place="")))
        assert row["state"] == "living"

    assert len(rows._states) == 1


@pytest.mark.parametrize("command", [[], ["ls"], ["stats"]])
def test_the_help_explains_the_words(command: list[str], capsys: Capture) -> None:
    assert cli.main(["ledger", *command, "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())

    assert "It is living if its process runs." in text
    assert "A session is ended if its pool was closed" in text
    assert "All other sessions are silent" in text
    assert "A name is kept if no agent has it" in text


# -- filters ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], ALL),
        (["--limit", "2"], ALL[:2]),
        (["--limit", "99"], ALL),
        (["--living"], ["Lia Living", "Ida In Use"]),
        (["--host", HOST], ALL),
        (["--host", "elsewhere"], []),
        (["--name", "sil SILENT"], ["Sil Silent"]),
        (["--name", "Nobody Has It"], []),
        (["--identity", "planner"], ["Kit Kept"]),
        (["--identity", "nobody"], []),
        (["--identity", "tester", "--living"], ["Ida In Use"]),
        (["--identity", "planner", "--living"], []),
        (["--identity", "planner", "--name", "kit-kept"], ["Kit Kept"]),
        (["--identity", "planner", "--name", "Lia Living"], []),
        (["--name", "Lia Living", "--host", "elsewhere"], []),
        (["--living", "--limit", "1"], ["Lia Living"]),
        (["--host", HOST, "--living", "--limit", "2"], ["Lia Living", "Ida In Use"]),
    ],
)
def test_filters_may_be_combined(
    crew: Crew, capsys: Capture, arguments: list[str], found: list[str]
) -> None:
    assert names(capsys, *arguments) == found


@pytest.mark.parametrize("option", [("--name", "Kit Kept"), ("--identity", "planner")])
def test_a_name_and_an_identity_are_looked_up_without_the_other_rows(
    crew: Crew, capsys: Capture, monkeypatch: pytest.MonkeyPatch, option: tuple[str, str]
) -> None:
    monkeypatch.setattr(MemoryLedger, "_page", None)

    assert looks(capsys, "ls", *option).startswith("Kit Kept\t")


def test_a_host_is_found_as_the_list_shows_it(crew: Crew, capsys: Capture) -> None:
    crew.living._me = crew.living._me._replace(host="evil\x1b[2J")
    crew.living.renew()
    shown = looks(capsys, "ls", "--limit", "1").split("\t")[1]

    assert shown == "evil\\x1b[2J"
    assert names(capsys, "--host", shown) == ALL[:3]


@pytest.mark.parametrize(
    ("option", "values", "says"),
    [
        ("--limit", ["0", "-1", "x", "1.5", "", "9" * 5000], "an integer from 1 to 100000000"),
        ("--name", ["", " x", "\x1b", "x" * 65, "?"], "a name: 1 to 64 characters that can be"),
        ("--identity", ["", "a\nb", "x" * 257], "a text of 1 to 256 printable characters"),
        ("--host", ["", "a\tb", "x" * 256], "a text of 1 to 255 printable characters"),
    ],
)
def test_a_wrong_value_of_a_filter_is_refused(
    crew: Crew, capsys: Capture, option: str, values: list[str], says: str
) -> None:
    for value in values:
        assert cli.main(["ledger", "ls", f"{option}={value}"]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert f"argument {option}: must be {says}" in printed.err
        assert printed.err.count("\n") == 1


# -- rows as they come --------------------------------------------------------------------------


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_row_is_printed_before_the_row_after_the_next_is_read(
    crew: Crew, capsys: Capture, monkeypatch: pytest.MonkeyPatch, form: list[str]
) -> None:
    [holder] = [one for one in crew.living.holders() if one.name == "Lia Living"]
    out = ""

    def holders(self: MemoryLedger) -> Iterator[Holder]:
        nonlocal out
        for number in range(50):
            out += capsys.readouterr().out
            assert number < 2 or f"NPC #{number - 2}" in out
            yield holder._replace(name=f"NPC #{number}")

    monkeypatch.setattr(MemoryLedger, "holders", holders)
    assert cli.main(["ledger", "ls", *form]) == 0
    out += capsys.readouterr().out
    found = [row["name"] for row in json.loads(out)] if form else out.splitlines()

    assert len(found) == 50


def test_an_error_half_way_leaves_an_array_without_an_end(
    crew: Crew, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = list(crew.living.holders())

    def holders(self: MemoryLedger) -> Iterator[Holder]:
        yield from rows
        self.close()
        self.stats()

    monkeypatch.setattr(MemoryLedger, "holders", holders)
    assert cli.main(["ledger", "ls", "--json"]) == 1
    printed = capsys.readouterr()

    assert "is closed" in printed.err
    with pytest.raises(json.JSONDecodeError):
        json.loads(printed.out)


ENDLESS = """
import itertools, sys
from namepool.cli import command, ledger
from namepool.ledgers.memory import MemoryLedger

class Endless(MemoryLedger):
    def holders(self):
        [one] = super().holders()
        return (one._replace(name=f"NPC #{n}") for n in itertools.count())

def opened(url):
    one = Endless()
    one.take("NPC #0", "planner")
    return one

ledger.open_ledger = opened
sys.exit(command.main(["ledger", "ls", "--ledger", "x", *sys.argv[1:]]))
"""


def endless(*arguments: str, **streams: Any) -> subprocess.Popen[bytes]:
    """Start a command that lists a ledger without end."""
    command = [sys.executable, "-W", "error", "-c", ENDLESS, *arguments]
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, **streams)


@pytest.mark.parametrize("form", [[], ["--json"], ["--living"]])
def test_a_reader_that_leaves_ends_the_list_at_once(form: list[str]) -> None:
    with endless(*form, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() != b""
        process.stdout.close()
        assert process.wait(PATIENCE) == 141
        assert process.stderr.read() == b""


def test_a_limit_ends_the_list_without_the_rest() -> None:
    with endless("--limit", "3", stdout=subprocess.PIPE) as process:
        out, _ = process.communicate(timeout=PATIENCE)

    assert [line.split(b"\t")[0] for line in out.splitlines()] == [b"NPC #0", b"NPC #1", b"NPC #2"]
    assert process.returncode == 0


# -- on a terminal ------------------------------------------------------------------------------


def on_a_terminal(*arguments: str) -> list[str]:
    """Return the lines that the command prints on a terminal."""
    pty = pytest.importorskip("pty", reason="no terminals here")
    ours, theirs = pty.openpty()
    with endless("--limit", "2", *arguments, stdout=theirs) as process:
        os.close(theirs)
        out = b""
        try:
            while block := os.read(ours, 4096):
                out += block
        except OSError:
            pass  # Linux ends a terminal with an error
        assert process.wait(PATIENCE) == 0
    os.close(ours)
    return out.decode().splitlines()


def test_on_a_terminal_a_header_stands_above_the_columns() -> None:
    header, *rows = on_a_terminal()
    titles = ["NAME", "HOST", "PID", "CLAIMED", "STATE", "IDENTITY"]

    assert header.split() == titles
    assert len(rows) == 2
    for number, row in enumerate(rows):
        starts = [header.index(title) for title in titles]
        assert row[: starts[1]].rstrip() == f"NPC #{number}"
        assert row[starts[2] : starts[3]].rstrip().isdigit()
        assert row[starts[4] :] == "living  planner"


def test_json_has_no_header_on_a_terminal() -> None:
    rows = json.loads("".join(on_a_terminal("--json")))

    assert [row["name"] for row in rows] == ["NPC #0", "NPC #1"]


class Terminal:
    """A stdout that says that it is a terminal."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self.text += text

    def flush(self) -> None:
        """Do nothing: the text is there."""


def lists_on_a_terminal(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[str]:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert cli.main(["ledger", "ls", *arguments]) == 0
    return terminal.text.splitlines()


def test_wide_characters_take_two_columns(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    crew.living.claim(["詩人の山田"], "u")
    header, *rows = lists_on_a_terminal(monkeypatch)
    host = header.index("HOST")

    assert rows[0].index(HOST) == host
    assert rows[-1].index(HOST) == host - len("詩人の山田")


def test_a_value_that_is_too_long_for_its_column_is_shown_whole(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    crew.living.claim(["X" * 64], "u")

    assert lists_on_a_terminal(monkeypatch)[-1].startswith(f"{'X' * 64}  {HOST}")


def test_a_terminal_shows_the_header_if_no_row_fits(
    crew: Crew, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(lists_on_a_terminal(monkeypatch, "--name", "Nobody Has It")) == 1


# -- a namespace that has nothing ---------------------------------------------------------------


def refusal(capsys: Capture, *arguments: str) -> str:
    """Return the one line that tells of a failure; nothing else is printed."""
    assert cli.main(["ledger", *arguments]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize("form", [[], ["--json"]])
@pytest.mark.parametrize("command", [["ls"], ["ls", "--living"], ["ls", "--name", "x"], ["stats"]])
def test_a_namespace_that_has_nothing_is_an_error_that_lists_the_others(
    crew: Crew, capsys: Capture, command: list[str], form: list[str]
) -> None:
    MemoryLedger(crew.book, "default").claim(["Ada"], "t")
    crew.namespace = "crow"
    says = "namepool: error: no claims in the namespace 'crow'; there are: 'crew', 'default'\n"

    assert refusal(capsys, *command, *form) == says


@pytest.mark.parametrize("command", ["ls", "stats"])
def test_a_ledger_without_any_namespace_is_an_error(
    crew: Crew, capsys: Capture, command: str
) -> None:
    crew.book = Book()
    says = "no claims in the namespace 'crew'; the ledger tells of no other namespace\n"

    assert refusal(capsys, command).endswith(says)


def test_the_names_of_namespaces_are_escaped_and_neither_many_nor_long(
    crew: Crew, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = ["a\n\x1b[2J\u202e", "b" * 10_000_000, *(f"c{n:04}" for n in range(1000)), "crow"]
    monkeypatch.setattr(MemoryLedger, "_namespaces", lambda self: theirs)
    crew.namespace = "crow"
    line = refusal(capsys, "ls")

    assert "there are: 'a\\n\\x1b[2J\\u202e', 'bbb" in line
    assert line.endswith("'c0007' and 992 more\n")
    assert "crow', '" not in line
    assert len(line) < 400


def test_a_namespace_whose_sessions_have_no_names_is_there(crew: Crew, capsys: Capture) -> None:
    crew.namespace = "idle"
    idle = crew.open()
    idle.renew()

    assert looks(capsys, "ls") == ""
    assert looks(capsys, "ls", "--json") == "[]\n"
    assert "living\t1\n" in looks(capsys, "stats")
    idle.close()


def test_a_prune_of_a_namespace_that_has_nothing_frees_nothing(crew: Crew, capsys: Capture) -> None:
    crew.namespace = "crow"

    assert looks(capsys, "prune", "--older-than", "7d") == "0 names freed\n"


# -- prune --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "freed"), [([], 1), (["--identities"], 2)])
def test_only_identities_frees_the_names_of_identities(
    crew: Crew, capsys: Capture, options: list[str], freed: int
) -> None:
    crew.namespace = "old"
    old = crew.open()
    old.claim(["Ada"], "t")
    old.take("Bob", "planner")
    old.close()
    crew.clock.advance(8 * 86400.0)

    line = looks(capsys, "prune", "--older-than", "7d", *options)
    assert line == f"{freed} names freed\n"
    assert [one.name for one in crew.open().holders()] == ["Bob"][: 2 - freed]


def test_the_help_of_prune_says_that_the_names_of_identities_stay(capsys: Capture) -> None:
    assert cli.main(["ledger", "prune", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())

    assert "stays claimed for the identity, however old it is. Only --identities frees it." in text


# -- bad rows -----------------------------------------------------------------------------------


def bad(evil: str) -> NoReturn:
    raise BadRow(evil)


@pytest.mark.parametrize("command", ["ls", "stats"])
def test_a_bad_row_costs_that_row_and_one_line_of_a_warning(
    crew: Crew, capsys: Capture, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    page, sessions = MemoryLedger._page, MemoryLedger._sessions

    def with_a_bad_claim(self: MemoryLedger, after: Any) -> tuple[list[Holder], Any]:
        self._read(lambda: bad("a name\n\x1b[31mCRITICAL forged"))
        return list(page(self, after)[0]), None

    def with_a_bad_session(self: MemoryLedger) -> Iterator[Session | None]:
        yield self._read(lambda: bad("a host\r\x1b[31mCRITICAL forged"))
        yield from sessions(self)

    monkeypatch.setattr(MemoryLedger, "_page", with_a_bad_claim)
    monkeypatch.setattr(MemoryLedger, "_sessions", with_a_bad_session)
    assert cli.main(["ledger", command]) == 0
    printed = capsys.readouterr()

    assert len(printed.out.splitlines()) == 5
    assert printed.err.startswith("namepool: warning: MemoryLedger(namespace='crew'): a row that")
    assert printed.err.endswith("\\x1b[31mCRITICAL forged\n")
    assert printed.err.count("\n") == 1


def test_a_warning_of_many_lines_is_shown_in_one(
    crew: Crew, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warns(self: MemoryLedger) -> bool:
        logger.warning("%s", "no psutil\n\x1b[2J" * 1000)
        return True

    monkeypatch.setattr(MemoryLedger, "exists", warns)
    assert cli.main(["ledger", "ls"]) == 0
    error = capsys.readouterr().err

    assert error.startswith("namepool: warning: no psutil\\n\\x1b[2Jno psutil")
    assert error.count("\n") == 1
    assert len(error) < 1100


def test_a_warning_is_the_commands_only_while_it_runs(crew: Crew, capsys: Capture) -> None:
    looks(capsys, "ls")
    crew.living._read(lambda: bad("a bad row"))

    assert "namepool: warning" not in capsys.readouterr().err
