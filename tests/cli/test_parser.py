"""The parser of the command line: what is wrong is said, what was given is not repeated."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from namepool.cli import command as cli
from namepool.cli import ledger as cli_ledger
from namepool.ledgers import SQLiteLedger

Capture = pytest.CaptureFixture[str]

SECRET = "hunter2-Q7z"  # noqa: S105

LINES = [
    [],
    ["demo", "--agents", "1"],
    ["demo", "--source", "offline", "--seed", "1"],
    ["names", "2", "--seed", "1"],
    ["names", "--json", "--theme", "maps", "2"],
    ["names", "--source", "openai", "--base-url", "ftp://x"],
    ["themes", "--seed", "1"],
    ["doctor", "--timeout", "1", "--header", "a: b"],
    ["ledger"],
    ["ledger", "ls", "--json"],
    ["ledger", "ls", "--name", "Ada", "--identity", "planner", "--living", "--limit", "2"],
    ["ledger", "stats", "--ledger", "sqlite:///x.db"],
    ["ledger", "prune", "--older-than", "7d"],
    ["ledger", "--ledger", "sqlite:///x.db", "prune", "--older-than", "7d"],
]
"""Command lines that are right, or nearly so."""

OPTIONS = [
    *("--agents", "--seed", "--source", "--theme", "--theme-file", "--timeout", "--header"),
    *("--base-url", "--ledger", "--older-than", "--json", "--short", "--help", "--version"),
    *("--name", "--identity", "--host", "--living", "--limit", "--identities"),
    *("--legder", "--age", "--led", "--mode", "--s", "-h", "-x", "--"),
]

SHAPES = [
    *(SECRET, f"redis://bob:{SECRET}@h", f"{SECRET}://x", f"sqlite:///x?{SECRET}=1"),
    *(f"sqlite:///x?timeout={SECRET}", f"redis://h/{SECRET}", f"redis://b:p/{SECRET}@h"),
    *(f"{SECRET}\nx", f"{SECRET}: ü", f"{SECRET} x: y", f"ftp://{SECRET}", f"http://h:{SECRET}"),
    *(f"http://u:{SECRET}@h", f"x, not {SECRET}", f"must be {SECRET}", f"x: must be {SECRET}"),
]


def words() -> Iterator[list[str]]:
    """Yield what somebody may put into a command line by mistake."""
    for shape in SHAPES:
        yield from ([shape], [f"--{shape}"], [f"-{shape}"], [f"-h{shape}"])
    for option, shape in itertools.product(OPTIONS, SHAPES):
        yield from ([option, shape], [f"{option}={shape}"])


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for variable in ("NAMEPOOL_LEDGER", "OPENAI_BASE_URL", "OPENAI_API_KEY", "NAMEPOOL_MODEL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.proof)])
@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_no_error_repeats_what_was_given(
    line: list[str], every: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, run in ((cli, "_demo"), (cli, "_names"), (cli, "_themes"), (cli_ledger, "_run")):
        monkeypatch.setattr(module, run, lambda *_: 0)  # what is parsed is not run
    parser = cli._parser()
    monkeypatch.setattr(cli, "_parser", lambda: parser)
    tries = itertools.product(words(), range(len(line) + 1))
    for given, place in itertools.islice(tries, 0, None, every):
        arguments = [*line[:place], *given, *line[place:]]
        code = cli.main(arguments)
        printed = capsys.readouterr()
        assert SECRET.lower() not in (printed.out + printed.err).lower(), arguments
        assert code in (0, 2), arguments
        assert printed.err.count("\n") == (1 if code else 0), arguments


@pytest.mark.parametrize(
    "arguments",
    [
        ["names", "2", "--theme", SECRET],
        ["names", "2", "--theme-file", SECRET],
        ["names", "2", "--theme-file", "."],
        ["themes", "--theme-file", f"{SECRET}\0"],
        ["names", "--source", "openai", "--model", f"{SECRET}\n{SECRET}"],
        ["names", "--source", "openai", "--model", "m", "--base-url", f"ftp://{SECRET}"],
        ["doctor", "--model", "m", "--base-url", f"http://h:{SECRET}"],
        ["doctor", "--model", "m", "--base-url", "http://h", "--theme", f"{SECRET}\n"],
        ["doctor", "--model", "m", "--base-url", "http://h", "--header", f"{SECRET}: ü"],
    ],
)
def test_nor_does_an_error_about_what_a_source_is_made_of(
    arguments: list[str], capsys: Capture
) -> None:
    assert cli.main(arguments) == 2
    assert SECRET not in "".join(capsys.readouterr())


@pytest.mark.parametrize("url", [SECRET, f"{SECRET}://x", f"sqlite:///x?{SECRET}", f"redis://h/{SECRET}"])  # fmt: skip  # noqa: E501
def test_nor_does_an_error_about_the_environment(
    url: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAMEPOOL_LEDGER", url)
    assert cli.main(["ledger", "ls"]) == 1
    printed = capsys.readouterr().err
    assert SECRET not in printed
    assert printed.startswith("namepool: error: NAMEPOOL_LEDGER: ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["dmeo"],
            "COMMAND: must be one of demo, names, themes, doctor, ledger; namepool takes -h",
        ),
        (["ledger", "list"], "argument COMMAND: must be one of ls, stats, prune; namepool ledger"),
        (["ledger", "--legder", "x", "ls"], "namepool ledger takes -h/--help, --ledger, COMMAND"),
        (["ledger", "ls", "--legder", "x"], "namepool ledger ls takes -h/--help, --ledger, --json"),
        (["doctor", "sk-x"], "or too many: namepool doctor takes -h/--help, --model, --base-url"),
        (["ledger", "ls", "--json=x"], "--json: it takes no such value; see namepool ledger ls -"),
        (["names", "x"], "argument COUNT: must be an integer from 1 to 1000000\n"),
        (["names", "--source", "x"], "argument --source: must be one of offline, openai\n"),
        (["names", "--theme", "x"], "argument --theme: must be one of 'bakery', 'build', "),
        (["names", "--theme-file", "x"], "--theme-file: must be a file that can be read (No such"),
        (["names", "--seed"], "argument --seed: expected one argument\n"),
        (["ledger", "prune"], "the following arguments are required: --older-than\n"),
        (["ledger", "ls", "--ledger", "names.db"], "(ledger's scheme must be sqlite, redis, "),
        (["ledger", "ls", "--ledger", "sqlite:///x?mode=9"], "(mode must be 600 (for this user)"),
    ],
)
def test_an_error_names_the_argument_and_what_it_may_be(
    arguments: list[str], says: str, capsys: Capture
) -> None:
    assert cli.main(arguments) == 2
    assert says in capsys.readouterr().err


# -- where --ledger may stand -------------------------------------------------------------------


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The options for two ledgers, of Ada and of Bob."""
    for name in ("Ada", "Bob"):
        ledger = SQLiteLedger(tmp_path / f"{name}.db")
        ledger.claim([name], "t")
        ledger.close()
    return [f"--ledger=sqlite:///{name}.db" for name in ("Ada", "Bob")]


@pytest.mark.parametrize("command", [["ls"], ["stats"], ["prune", "--older-than", "7d"]])
def test_the_ledger_may_stand_before_and_behind_the_command(
    command: list[str], files: list[str], capsys: Capture
) -> None:
    printed = []
    for line in (["ledger", files[0], *command], ["ledger", *command, files[0]]):
        assert cli.main(line) == 0
        printed.append(capsys.readouterr().out)

    assert printed[0] == printed[1] != ""


def test_of_two_ledgers_the_later_one_is_meant(files: list[str], capsys: Capture) -> None:
    for line in (["ledger", files[0], "ls", files[1]], ["ledger", "ls", *files]):
        assert cli.main(line) == 0
        assert capsys.readouterr().out.startswith("Bob\t")


def test_the_ledger_of_the_line_goes_before_that_of_the_environment(
    files: list[str], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAMEPOOL_LEDGER", "nonsense")
    assert cli.main(["ledger", files[0], "ls"]) == 0
    assert capsys.readouterr().out.startswith("Ada\t")
