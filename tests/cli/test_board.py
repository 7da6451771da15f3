"""The demo's board: what it shows, in how many lines, and where there are lines instead."""

from __future__ import annotations

import builtins
import io
import logging
import threading
import time
from typing import Any

import pytest
from rich.console import Console

from namepool import NamePool, NumberedNames, OfflineNames, PoolHandle, color_of
from namepool.cli import board as boards
from namepool.cli import demo
from namepool.cli.board import Board
from namepool.cli.page import Lines

Capture = pytest.CaptureFixture[str]


def _board(width: int = 80, height: int = 24) -> Board:
    console = Console(
        file=io.StringIO(),
        width=width,
        height=height,
        force_terminal=True,
        color_system="truecolor",
    )
    return Board(console)


def _says(board: Board, name: str, text: str) -> None:
    record = logging.makeLogRecord({"msg": text, "agent": name})
    board.handle(record)


def _lines(board: Board, after: float = 0.0) -> list[str]:
    plain = Console(file=io.StringIO(), width=board.console.width, height=board.console.height)
    with plain.capture() as captured:
        plain.print(board.drawn(time.monotonic() + after))
    return captured.get().splitlines()


def test_the_board_shows_who_speaks_since_when_and_doing_what() -> None:
    board = _board()
    _says(board, "Ada the Yak Shaver", "shaving the yak")
    _says(board, "Chet Electron", "compiling")
    _says(board, "Ada the Yak Shaver", "  ...with a tool")
    ada, chet = _lines(board, after=7.2)[1:3]
    assert ada.split() == ["Ada", "the", "Yak", "Shaver", "7", "s", "...with", "a", "tool"]
    assert chet.split() == ["Chet", "Electron", "7", "s", "compiling"]

    board.left("Ada the Yak Shaver")
    assert not any("Ada" in line for line in _lines(board))


def test_each_name_has_its_colour() -> None:
    board = _board()
    _says(board, "Ada the Yak Shaver", "shaving the yak")
    board.console.print(board.drawn(time.monotonic()))
    red, green, blue = (int(color_of("Ada the Yak Shaver")[n : n + 2], 16) for n in (1, 3, 5))
    file: Any = board.console.file
    assert f"38;2;{red};{green};{blue}m" in file.getvalue()


@pytest.mark.parametrize("agents", [1, 5, 24, 1000])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (40, 10), (20, 3)])
def test_the_board_fits_its_terminal(width: int, height: int, agents: int) -> None:
    board = _board(width, height)
    for number in range(agents):
        _says(
            board,
            f"Agent {number} of the Very Long and Winding Road",
            "saying [red]nothing[/] " * 9,
        )
    lines = _lines(board)
    assert len(lines) < max(height, 5)
    assert all(len(line) <= width for line in lines)
    shown = sum("Agent" in line[:20] for line in lines)
    if shown < agents:
        assert any(f"... and {agents - shown} more"[:20] in line for line in lines)


def test_a_wide_board_shows_what_was_said_lately() -> None:
    board = _board(200, 50)
    for number in range(3):
        _says(board, "Ada the Yak Shaver", f"yak {number}")
    assert [line[100:].strip() for line in _lines(board)[1:2]] == ["Ada the Yak Shaver: yak 2"]


def test_the_board_shows_how_the_pool_is_and_was_when_it_does_not_answer() -> None:
    board = _board()
    assert _lines(board)[-1].strip() == ""
    ref = NamePool.start(source=NumberedNames())
    pool = PoolHandle(ref)
    pool.checkout_name()
    board.look(pool)
    ref.stop()
    board.look(pool)
    assert _lines(board)[-1].split() == [
        *("stock", "█" * 11, "11", "held", "1", "waiting", "0", "fetches", "0", "crashes", "0"),
    ]


def test_the_demo_runs_on_a_board(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Board, "pace", 0.0)
    monkeypatch.setattr(boards, "A_MODELS_PACE", 0.0)
    board = _board()
    assert demo.run_demo(30, OfflineNames(seed=1), board) == 0
    file: Any = board.console.file
    said = file.getvalue()
    assert "names held now: 30; the pool crashes, on purpose" in said
    assert "it was restarted: 30 of 30 agents have their names still" in said
    assert "stock" in said
    assert board.rows == {}
    assert "every name came home" in capsys.readouterr().out


def test_a_slow_source_is_slow_until_it_is_over() -> None:
    over = threading.Event()
    source = _board().slowed(OfflineNames(seed=1), over)
    over.set()
    began = time.monotonic()
    assert list(source.fetch(2, ())) == OfflineNames(seed=1).fetch(2, ())
    assert time.monotonic() - began < boards.A_MODELS_PACE


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", _Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert isinstance(demo.page_for_stdout(), Board)


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_gets_a_board_unless_the_environment_says_that_there_should_be_lines(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _at_a_terminal(monkeypatch)
    monkeypatch.setenv(variable, value)
    assert isinstance(demo.page_for_stdout(), Lines)


def test_there_are_lines_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    _at_a_terminal(monkeypatch)
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert isinstance(demo.page_for_stdout(), Lines)


def test_there_are_lines_without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    _at_a_terminal(monkeypatch)
    real = builtins.__import__

    def without_rich(name: str, *args: Any, **options: Any) -> Any:
        if name == "namepool.cli.board":
            raise ModuleNotFoundError("No module named 'rich'", name="rich")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without_rich)
    assert isinstance(demo.page_for_stdout(), Lines)
