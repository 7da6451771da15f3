"""The command line: what it prints, what it refuses, and how it ends."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import itertools
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pykka
import pytest

import namepool
from namepool import (
    NamePool,
    OfflineNames,
    PoolHandle,
    PoolState,
    PoolStats,
    SourceError,
    open_pool,
)
from namepool.cli import command as cli
from namepool.cli import demo, page
from namepool.cli.names import BLOCK
from namepool.core.display import short_name, short_names, slug
from namepool.sources.offline import available_themes
from tests.support import PATIENCE

ROOT = Path(__file__).parent.parent.parent
Capture = pytest.CaptureFixture[str]


def _start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "namepool", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def _refusal(capsys: Capture, *arguments: str) -> str:
    """Return the one line that refuses ``arguments``."""
    assert cli.main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch("namepool: error: [^\n]+\n", printed.err)
    return printed.err


# -- names ----------------------------------------------------------------------------------------


def test_names_prints_as_many_names_as_asked_one_a_line(capsys: Capture) -> None:
    assert cli.main(["names", "20"]) == 0
    assert len(set(capsys.readouterr().out.splitlines())) == 20


def test_names_prints_a_chunk_when_no_count_is_given(capsys: Capture) -> None:
    cli.main(["names"])
    assert len(capsys.readouterr().out.splitlines()) == 12


@pytest.mark.parametrize("seed", ["7", "-7", "+7", "007", "9" * 4000])
def test_a_seed_gives_the_names_that_the_source_gives_for_it(seed: str, capsys: Capture) -> None:
    cli.main(["names", "5", "--seed", seed])
    assert capsys.readouterr().out.splitlines() == OfflineNames(seed=int(seed)).fetch(5, ())


def test_names_keeps_to_the_themes_it_is_given(capsys: Capture) -> None:
    cli.main(["names", "5", "--seed", "1", "--theme", "maps", "--theme", "garden"])
    expected = OfflineNames(seed=1, themes=["garden", "maps"]).fetch(5, ())
    assert capsys.readouterr().out.splitlines() == expected


@pytest.mark.parametrize("count", [1, 2, BLOCK, BLOCK + 1])
def test_json_is_one_array_of_the_same_names(count: int, capsys: Capture) -> None:
    cli.main(["names", str(count), "--seed", "3", "--json"])
    assert json.loads(capsys.readouterr().out) == OfflineNames(seed=3).fetch(count, ())


@pytest.mark.proof
def test_a_hundred_thousand_names_are_all_different(capsys: Capture) -> None:
    cli.main(["names", "100000"])
    assert len(set(capsys.readouterr().out.splitlines())) == 100_000


def test_short_prints_the_shortest_forms_that_cannot_be_read_as_another(capsys: Capture) -> None:
    cli.main(["names", "50", "--seed", "1", "--short"])
    assert capsys.readouterr().out.splitlines() == short_names(OfflineNames(seed=1).fetch(50, ()))


def test_slug_prints_slugs_and_with_short_both(capsys: Capture) -> None:
    names = OfflineNames(seed=1).fetch(5, ())
    cli.main(["names", "5", "--seed", "1", "--slug"])
    assert capsys.readouterr().out.splitlines() == [slug(name) for name in names]
    cli.main(["names", "5", "--seed", "1", "--slug", "--short"])
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines == [[short_name(name, names), slug(name)] for name in names]
    cli.main(["names", "5", "--seed", "1", "--slug", "--short", "--json"])
    assert json.loads(capsys.readouterr().out) == lines


def test_themes_lists_each_theme_with_its_description_and_names_of_it(capsys: Capture) -> None:
    assert cli.main(["themes", "--seed", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in lines[::2]] == list(available_themes())
    source = OfflineNames(seed=1)
    assert lines[1].split("; ")[1] == source.fetch(2, (), theme="bakery")[1]
    assert all(
        theme.description in line
        for theme, line in zip(source.described(), lines[::2], strict=True)
    )


def test_a_theme_of_ones_own_is_listed_and_gives_names(capsys: Capture, tmp_path: Path) -> None:
    own = tmp_path / "farm.toml"
    theirs = Path(namepool.__file__).parent / "sources" / "themes" / "maps.toml"
    own.write_text(theirs.read_text(encoding="utf-8"), encoding="utf-8")
    cli.main(["themes", "--theme-file", str(own)])
    assert capsys.readouterr().out.startswith("farm ")
    cli.main(["names", "3", "--seed", "1", "--theme-file", str(own)])
    expected = OfflineNames(seed=1, theme_files=[own]).fetch(3, ())
    assert capsys.readouterr().out.splitlines() == expected


def test_what_a_theme_file_says_of_itself_is_shown_in_one_line(
    capsys: Capture, tmp_path: Path
) -> None:
    theirs = Path(namepool.__file__).parent / "sources" / "themes" / "maps.toml"
    odd = 'description = "\\u0000\\u001b[2J\\n\\u202e\\u2028'
    text = theirs.read_text(encoding="utf-8").replace('description = "', odd, 1)
    assert odd in text
    (tmp_path / "farm.toml").write_text(text, encoding="utf-8")
    assert cli.main(["themes", "--theme-file", str(tmp_path / "farm.toml")]) == 0

    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("farm         \\x00\\x1b[2J\\n\\u202e\\u2028")
    assert len(others) == 1


def test_a_theme_of_a_file_is_chosen_by_the_name_of_the_file(
    capsys: Capture, tmp_path: Path
) -> None:
    theirs = Path(namepool.__file__).parent / "sources" / "themes" / "maps.toml"
    own = [tmp_path / name for name in ("farm.toml", "meadow.toml")]
    for path in own:
        path.write_text(theirs.read_text(encoding="utf-8"), encoding="utf-8")
    files = [word for path in own for word in ("--theme-file", str(path))]
    assert cli.main(["names", "9", "--seed", "1", *files, "--theme", "farm", "--theme", "sea"]) == 0
    expected = OfflineNames(seed=1, theme_files=own, themes=["farm", "sea"])
    assert expected.themes == ("farm", "sea")
    assert capsys.readouterr().out.splitlines() == expected.fetch(9, ())
    line = _refusal(capsys, "names", *files, "--theme", "opera")
    assert all(repr(theme) in line for theme in ("farm", "meadow", *available_themes()))


@pytest.mark.parametrize("command", ["names", "themes"])
def test_a_theme_file_that_is_none_is_refused_with_its_line(
    command: str, capsys: Capture, tmp_path: Path
) -> None:
    own = tmp_path / "farm.toml"
    own.write_text('title = "The farm"\nfurst = "Bessie"\n', encoding="utf-8")
    line = _refusal(capsys, command, "--theme-file", str(own))
    assert "farm.toml, line 2: 'furst' is none of" in line


# -- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("agents", ["0", "1001", "-1", "1.5", "many", "", "1_0", "9" * 5000])
def test_a_bad_number_of_agents_is_refused_with_the_range(agents: str, capsys: Capture) -> None:
    line = _refusal(capsys, "demo", "--agents", agents)
    assert "--agents: must be an integer from 1 to 1000\n" in line


@pytest.mark.parametrize("count", ["0", "1000001", "-3", "all"])
def test_a_bad_count_is_refused_with_the_range(count: str, capsys: Capture) -> None:
    line = _refusal(capsys, "names", count)
    assert "COUNT: must be an integer from 1 to 1000000\n" in line


@pytest.mark.parametrize("seed", ["x", "1.5", "", "9" * 4001])
@pytest.mark.parametrize("command", ["demo", "names"])
def test_a_seed_that_is_no_integer_is_refused(command: str, seed: str, capsys: Capture) -> None:
    assert "argument --seed: " in _refusal(capsys, command, f"--seed={seed}")


@pytest.mark.parametrize("option", ["--agents", "--seed"])
def test_two_dashes_are_refused_as_the_value_of_an_option(option: str, capsys: Capture) -> None:
    assert "must not be '--'" in _refusal(capsys, "demo", f"{option}=--")


def test_an_unknown_theme_is_refused_with_the_known_ones_listed(capsys: Capture) -> None:
    line = _refusal(capsys, "names", "--theme", "nope")
    assert "argument --theme: must be one of " in line
    assert all(theme in line for theme in available_themes())


def test_an_unknown_command_is_refused_with_the_known_ones_listed(capsys: Capture) -> None:
    line = _refusal(capsys, "dmeo")
    assert all(word in line for word in ("COMMAND", "demo", "names"))


def test_a_line_break_in_an_argument_does_not_break_the_error(capsys: Capture) -> None:
    assert "too many" in _refusal(capsys, "names", "3", "two\nlines")


def test_options_are_not_guessed_from_their_beginnings(capsys: Capture) -> None:
    assert "namepool demo takes -h/--help, --agents" in _refusal(capsys, "demo", "--agent", "3")


# -- help, version --------------------------------------------------------------------------------


def test_no_command_is_an_error_that_says_where_to_look(capsys: Capture) -> None:
    assert cli.main([]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "namepool: error: a command is missing; see namepool --help\n"


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["names", "--help"]])
def test_help_that_was_asked_for_is_no_error(arguments: list[str], capsys: Capture) -> None:
    assert cli.main(arguments) == 0
    assert capsys.readouterr().out.startswith("usage: namepool")


def test_version_prints_the_installed_version(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "version", lambda name: f"<{name}'s version>")
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == "namepool <namepool's version>\n"


def test_version_says_so_when_the_package_is_not_installed(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(cli, "version", missing)
    assert cli.main(["--version"]) == 0
    assert "not installed" in capsys.readouterr().out


# -- demo -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("agents", [1, 24, 500])
def test_the_demo_ends_well_with_any_number_of_agents(agents: int, capsys: Capture) -> None:
    assert cli.main(["demo", "--agents", str(agents)]) == 0
    printed = capsys.readouterr()
    assert "Every name was unique while it was held, and every name came home." in printed.out
    assert re.search(rf"names held at the same time +\| +{agents}\n", printed.out)
    assert printed.err == ""


def test_the_demo_begins_each_log_line_with_the_agent_and_aligns_them(capsys: Capture) -> None:
    cli.main(["demo", "--seed", "1"])
    log = [line for line in capsys.readouterr().out.splitlines() if " | " in line]
    assert {line.index(" | ") for line in log} == {page.WIDTH}
    assert not any(line.startswith("Nemo Nobody") for line in log)


def test_a_tool_in_the_demo_speaks_as_its_agent(capsys: Capture) -> None:
    cli.main(["demo", "--agents", "1"])
    log = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if " | " in line]
    agent, *tools = [who for who, what in log if what in demo.JOBS[0] or "with a tool" in what][:3]
    assert tools == [agent, agent]


@pytest.mark.parametrize("agents", [24, 300])
def test_the_demo_does_not_flood_the_screen(agents: int, capsys: Capture) -> None:
    cli.main(["demo", "--agents", str(agents)])
    assert 60 <= len(capsys.readouterr().out.splitlines()) <= 100


def test_the_demo_tells_the_seed_that_gives_its_names_again(capsys: Capture) -> None:
    def agents(*arguments: str) -> tuple[str, list[str]]:
        cli.main(["demo", "--agents", "1", *arguments])
        title, *lines = capsys.readouterr().out.splitlines()
        return title, [line.partition(" | ")[0] for line in lines]

    title, first = agents()
    seed = re.search("--seed ([0-9]+)", title)
    assert seed is not None
    assert agents("--seed", seed[1])[1] == first


def test_the_pool_crashes_in_the_middle_of_the_demo_and_everybody_keeps_its_name(
    capsys: Capture,
) -> None:
    before = {name: list(logging.getLogger(name).handlers) for name in ("pykka", "namepool")}
    assert cli.main(["demo", "--agents", "9"]) == 0
    printed = capsys.readouterr()
    assert "-- names held now: 9; the pool crashes, on purpose --" in printed.out
    assert "-- it was restarted: 9 of 9 agents have their names still --" in printed.out
    assert re.search(r"crashes of the pool +\| +1\n", printed.out)
    assert printed.err == ""
    assert before == {name: list(logging.getLogger(name).handlers) for name in before}


def test_the_demo_fails_if_a_name_is_lost_in_the_crash(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    recover = PoolState.recover

    def lose_one(state: PoolState) -> None:
        for name in list(state.leases)[:1]:
            del state.leases[name]
        recover(state)

    monkeypatch.setattr(PoolState, "recover", lose_one)
    assert cli.main(["demo", "--agents", "4"]) == 1
    assert "FAILED: after the crash 3 of 4 have their names" in capsys.readouterr().out


def test_the_demo_fails_if_two_agents_are_given_one_name(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def same(pool: PoolHandle) -> Iterator[str]:
        yield "Same Again"

    monkeypatch.setattr(PoolHandle, "named", same)
    assert cli.main(["demo", "--agents", "2"]) == 1
    out = capsys.readouterr().out
    assert "FAILED: Same Again was held twice at the same time" in out
    assert "came home." not in out


def test_the_demo_fails_if_names_stay_checked_out(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PoolState, "end", lambda *_: True)
    assert cli.main(["demo", "--agents", "4"]) == 1
    assert "are out" in capsys.readouterr().out


def test_the_demo_ends_with_one_line_if_the_source_fails(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> list[str]:
        raise SourceError("closed")

    monkeypatch.setattr(OfflineNames, "fetch", refuse)
    assert cli.main(["demo", "--agents", "8"]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("namepool: error: the source gave no name: closed")


# -- the verdict ----------------------------------------------------------------------------------


@pytest.fixture
def stats() -> PoolStats:
    """The counts of a pool with all its names at home."""
    with open_pool() as pool:
        with pool.named():
            pass
        return pool.pool_stats()


def test_the_verdict_is_good_when_names_were_unique_and_came_home(stats: PoolStats) -> None:
    book = demo._Book()
    with book.holding("Ada the Yak Shaver"), book.holding("Chet Electron"):
        pass
    with book.holding("Ada the Yak Shaver"):
        pass
    assert demo._conclude(book, stats) == 0


def test_the_verdict_is_bad_when_names_that_read_alike_were_held_at_once(
    stats: PoolStats, capsys: Capture
) -> None:
    book = demo._Book()
    with book.holding("Ada the Yak Shaver"), book.holding("Ada, the Yak-Shaver"):
        pass
    assert demo._conclude(book, stats) == 1
    assert "FAILED: Ada, the Yak-Shaver was held twice at the same time" in capsys.readouterr().out


def test_the_verdict_is_bad_when_a_holder_is_still_out(stats: PoolStats, capsys: Capture) -> None:
    book = demo._Book()
    with book.holding("Ada the Yak Shaver"):
        assert demo._conclude(book, stats) == 1
    assert "FAILED: names never given back: 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    "changed", [{"checked_out_count": 1}, {"available_count": 0}, {"all_used_count": 99}]
)
def test_the_verdict_is_bad_when_the_pool_misses_a_name(
    stats: PoolStats, changed: dict[str, Any], capsys: Capture
) -> None:
    assert demo._conclude(demo._Book(), dataclasses.replace(stats, **changed)) == 1
    assert "FAILED: of " in capsys.readouterr().out


def test_the_verdict_is_bad_when_a_tool_spoke_under_another_name(stats: PoolStats) -> None:
    book = demo._Book()
    book.expect(False, "a tool of Ada the Yak Shaver spoke as Nemo Nobody")
    assert demo._conclude(book, stats) == 1


# -- ends -----------------------------------------------------------------------------------------


@pytest.fixture
def _heeds_sigint() -> Iterator[None]:
    """Also where whoever started the tests ignores it, as shells do in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_heeds_sigint")
def test_an_interrupt_releases_the_agents_and_closes_the_pool(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    main_thread = threading.main_thread().ident
    assert main_thread is not None
    enter, abort = threading.Barrier.wait, threading.Barrier.abort
    arrivals, released = itertools.count(1), threading.Event()

    def wait(barrier: threading.Barrier, timeout: float | None = None) -> int:
        if next(arrivals) == 2:  # the other agent would wait for this one
            signal.pthread_kill(main_thread, signal.SIGINT)
            assert released.wait(PATIENCE)
        return enter(barrier, timeout)

    def release(barrier: threading.Barrier) -> None:
        abort(barrier)
        released.set()

    monkeypatch.setattr(threading.Barrier, "wait", wait)
    monkeypatch.setattr(threading.Barrier, "abort", release)
    assert cli.main(["demo", "--agents", "2"]) == 130
    assert capsys.readouterr().err == "namepool: interrupted\n"
    assert pykka.ActorRegistry.get_by_class(NamePool) == []


def test_an_interrupt_while_names_are_printed_ends_with_130(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(OfflineNames, "fetch", interrupted)
    assert cli.main(["names"]) == 130


def test_sigint_ends_the_demo_without_a_traceback() -> None:
    with _start("demo", "--agents", "500") as demo:
        assert demo.stdout is not None
        assert demo.stdout.readline()
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate(timeout=PATIENCE)
    assert demo.returncode in (0, 130)
    assert errors in ("", "namepool: interrupted\n")


@pytest.mark.parametrize("arguments", [["names", "1000000"], ["demo", "--agents", "500"]])
def test_a_closed_pipe_ends_the_output_without_a_word(arguments: list[str]) -> None:
    with _start(*arguments) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        assert command.stdout.readline()
        command.stdout.close()
        assert command.stderr.read() == ""
        assert command.wait(PATIENCE) == 141


@pytest.mark.parametrize("arguments", [["names", "1"], ["themes"], ["demo", "--agents", "2"]])
def test_a_process_without_stdout_runs_a_command_to_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)

    assert cli.main(arguments) == 0
    assert sys.stdout is None
    assert capsys.readouterr().err == ""


def test_an_error_of_the_system_is_one_line_in_a_process_without_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def full(*_: object) -> list[str]:
        raise OSError("the disk is full")

    monkeypatch.setattr(OfflineNames, "fetch", full)
    monkeypatch.setattr(sys, "stdout", None)

    assert cli.main(["names"]) == 1
    assert capsys.readouterr().err == "namepool: error: the disk is full\n"


def test_python_dash_m_runs_the_same_command() -> None:
    with _start("names", "3", "--seed", "1") as command:
        out, _ = command.communicate(timeout=PATIENCE)
    assert command.returncode == 0
    assert out.splitlines() == OfflineNames(seed=1).fetch(3, ())


# A file of names


def test_the_names_of_a_file_are_printed_in_their_order(tmp_path: Path, capsys: Capture) -> None:
    crew = tmp_path / "crew.txt"
    crew.write_text("# the crew\nAda Lovelace\nBo\n\nCy\n", encoding="utf-8")
    assert cli.main(["names", "--name-file", str(crew)]) == 0
    assert capsys.readouterr().out == "Ada Lovelace\nBo\nCy\n"
    assert cli.main(["names", "2", "--name-file", str(crew), "--slug", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == ["ada-lovelace", "bo"]
    refusal = _refusal(capsys, "names", "4", "--name-file", str(crew))
    assert refusal.endswith("argument COUNT: must be at most 3, the names of the file\n")


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (("--seed", "1"), "--seed is for offline names"),
        (("--theme", "sea"), "--theme is for offline names"),
        (("--theme-file", "x.toml"), "--theme-file is for offline names"),
        (("--model", "m"), "--model needs --source openai"),
        (("--source", "openai"), "--name-file takes the place of --source openai"),
        ((), "argument --name-file: must be a file that can be read (No such file or directory)"),
    ],
)
def test_a_file_of_names_goes_with_no_other_source(
    tmp_path: Path, capsys: Capture, arguments: tuple[str, ...], refusal: str
) -> None:
    missing = str(tmp_path / "crew.txt")
    line = _refusal(capsys, "names", "--name-file", missing, *arguments)
    assert line == f"namepool: error: {refusal}\n"
