"""Log lines with a column for the agent."""

from __future__ import annotations

import logging
import logging.handlers
import queue
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest

pytest.importorskip("rich", reason="pip install 'namepool[rich]'")

from rich.console import Console

from namepool import (
    DEFAULT_NAME,
    InvalidOption,
    NamePool,
    PoolHandle,
    color_of,
    owner_scope,
)
from namepool.attribution.logging import AgentFilter
from namepool.attribution.rich import AgentRichHandler
from tests.support import ScriptedSource, on_thread

ADA = "Ada the Yak Shaver"
LONG = "Bartholomew Bogon of the Very Long Name"


@pytest.fixture
def pool() -> PoolHandle:
    return PoolHandle(NamePool.start(source=ScriptedSource([ADA])))


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    log = logging.getLogger("tests.rich")
    log.setLevel(logging.INFO)
    yield log
    log.handlers.clear()
    log.setLevel(logging.NOTSET)


@pytest.fixture
def show(pool: PoolHandle, log: logging.Logger) -> Callable[..., StringIO]:
    def show(width: int = 80, color: Any = None, **options: Any) -> StringIO:
        file = StringIO()
        console = Console(file=file, width=width, color_system=color, force_terminal=bool(color))
        log.addHandler(AgentRichHandler(pool, console=console, show_time=False, **options))
        return file

    return show


def rows(file: StringIO) -> list[str]:
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_the_agent_has_a_column_between_the_level_and_the_message(
    pool: PoolHandle, log: logging.Logger, show: Callable[..., StringIO]
) -> None:
    file = show(show_path=False)
    with pool.named():
        log.info("compiling")
        log.warning("it is late")
    log.info("nobody")
    assert rows(file) == [
        f"INFO     {ADA:24} compiling",
        f"WARNING  {ADA:24} it is late",
        f"INFO     {DEFAULT_NAME:24} nobody",
    ]


def test_a_long_message_stays_in_its_column(
    pool: PoolHandle, log: logging.Logger, show: Callable[..., StringIO]
) -> None:
    file = show(width=52, show_path=False)
    with pool.named():
        log.info("these words are many")
    assert rows(file) == [f"INFO     {ADA:24} these words are", " " * 34 + "many"]


def test_a_name_too_long_for_its_column_is_shown_in_its_short_form(
    pool: PoolHandle, log: logging.Logger, show: Callable[..., StringIO]
) -> None:
    file = show(show_path=False)
    with pool.speaking_as(LONG):
        log.info("compiling")
    assert rows(file) == [f"INFO     {'Bartholomew':24} compiling"]


def test_what_does_not_fit_even_so_is_cut(
    pool: PoolHandle, log: logging.Logger, show: Callable[..., StringIO]
) -> None:
    file = show(show_path=False, agent_width=6)
    with pool.speaking_as(LONG):
        log.info("compiling")
    assert rows(file) == ["INFO     Barth… compiling"]


def test_an_agent_takes_one_line_however_many_words_its_name_has(
    pool: PoolHandle, log: logging.Logger, show: Callable[..., StringIO]
) -> None:
    file = show(show_path=False, agent_width=6)
    other, one = pool.speaking_as("Ada Bogon"), pool.speaking_as("Ada Electron")
    with owner_scope("another"), other, owner_scope("one"), one:
        log.info("compiling")
    assert rows(file) == ["INFO     Ada E… compiling"]


def test_each_agent_has_its_own_colour(
    pool: PoolHandle, log: logging.Logger, show: Callable[..., StringIO]
) -> None:
    file = show(color="truecolor", show_path=False)
    with pool.named():
        log.info("compiling")
    red, green, blue = (int(color_of(ADA)[at : at + 2], 16) for at in (1, 3, 5))
    assert f"\x1b[38;2;{red};{green};{blue}m{ADA}" in file.getvalue()


def test_markup_in_a_name_is_shown_as_it_is(
    log: logging.Logger, show: Callable[..., StringIO]
) -> None:
    file = show(show_path=False, markup=True)
    log.info("[bold]quoting[/bold]", extra={"agent": "[red]Bea"})
    assert rows(file) == [f"INFO     {'[red]Bea':24} quoting"]


def test_the_rest_is_as_rich_has_it(
    pool: PoolHandle, log: logging.Logger, show: Callable[..., StringIO]
) -> None:
    file = show(width=100, rich_tracebacks=True)
    with pool.named():
        try:
            raise LookupError("no such file")
        except LookupError:
            log.exception("it failed")
    first, *traceback = rows(file)
    assert first.startswith(f"ERROR    {ADA:24} it failed")
    assert "test_rich.py:" in first
    assert any("LookupError: no such file" in row for row in traceback)


def test_behind_a_queue_the_record_keeps_the_agent_it_was_stamped_with(
    pool: PoolHandle, log: logging.Logger, show: Callable[..., StringIO]
) -> None:
    file = show(show_path=False)
    (handler,) = log.handlers
    log.removeHandler(handler)
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    front = logging.handlers.QueueHandler(records)
    front.addFilter(AgentFilter(pool))
    log.addHandler(front)
    with pool.named():
        log.info("compiling")
    on_thread(lambda: handler.handle(records.get()))
    assert rows(file) == [f"INFO     {ADA:24} compiling"]


def test_what_is_no_pool_or_no_width_is_refused(pool: PoolHandle) -> None:
    with pytest.raises(InvalidOption, match="^pool must be a pool's ref"):
        AgentRichHandler(None)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="^agent_width must be an integer of at least 1"):
        AgentRichHandler(pool, agent_width=0)
