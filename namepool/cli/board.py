"""A live board for the demo, on a terminal; it needs the extra ``rich``."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import pykka
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from namepool.cli.page import WIDTH, Page
from namepool.colors import color_of
from namepool.core.stats import PoolStats
from namepool.pool.handle import PoolHandle
from namepool.sources.base import NameSource, fetch_from

WIDE = 130
"""On a terminal of at least this many columns, the latest lines stand beside the agents."""

FRAME = 5
"""Lines of the board that are not agents, and one line below the board for the cursor."""

A_MODELS_PACE = 0.8
"""Seconds that a chunk of names takes on the board, so that the board shows agents that wait."""


class Row(NamedTuple):
    """An agent at work: the moment of its first line, by the clock, and its latest line."""

    since: float
    doing: str


class Board(Page):
    """A board of the agents at work, with the state of their pool below."""

    pace: float = 1.0
    narrated: int = 1000

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self.console: Console = console or Console()
        self.rows: dict[str, Row] = {}
        self.lately: deque[tuple[str, str]] = deque(maxlen=100)
        self.stats: PoolStats | None = None
        self._most = 1
        self._lock = threading.Lock()
        self._began = time.monotonic()

    # -- news of the demo -------------------------------------------------------------------

    def emit(self, record: logging.LogRecord) -> None:
        """Note a line of an agent."""
        name, said = str(vars(record)["agent"]), record.getMessage().strip()
        with self._lock:
            since = self.rows[name].since if name in self.rows else time.monotonic()
            self.rows[name] = Row(since, said)
            self.lately.append((name, said))

    def left(self, name: str) -> None:
        """Take an agent off the board."""
        with self._lock:
            self.rows.pop(name, None)

    def title(self, text: str) -> None:
        """Write the title above the board, where it stays."""
        self.console.print(Text(f"-- {text} --", style="bold"))

    def slowed(self, source: NameSource, over: threading.Event) -> NameSource:
        """Return a source that takes its time."""
        return _Slow(source, over)

    @contextmanager
    def showing(self, pool: PoolHandle) -> Iterator[None]:
        """Show the board for the length of the block. The titles above the board stay."""

        def drawn() -> Group:
            self.look(pool)
            return self.drawn(time.monotonic())

        with Live(
            get_renderable=drawn, console=self.console, refresh_per_second=10, transient=True
        ):
            yield

    # -- drawing ----------------------------------------------------------------------------

    def look(self, pool: PoolHandle) -> None:
        """Read the counts of the pool. While the pool restarts, the board shows the last ones."""
        try:
            self.stats = pool.pool_stats(timeout=0.5)
        except (pykka.Timeout, pykka.ActorDeadError):
            pass

    def drawn(self, now: float) -> Group:
        """Return the board as it is at ``now``, in as many lines as the terminal has."""
        width, height = self.console.size
        with self._lock:
            rows, lately = list(self.rows.items()), list(self.lately)
        self._most = max(self._most, len(rows))  # the board does not jump when agents go home
        room = max(min(height - FRAME, self._most), 1)
        body = Table.grid(expand=True)
        agents = _agents(rows, now, room)
        if width >= WIDE:
            body.add_column(ratio=1)
            body.add_column(ratio=1)
            body.add_row(agents, _said(lately[-room:]))
        else:
            body.add_row(agents)
        return Group(_head(now - self._began, len(rows)), body, Text(), _foot(self.stats, width))


def _head(seconds: float, speaking: int) -> Text:
    minutes, seconds = divmod(int(seconds), 60)
    return Text.assemble(
        (" namepool ", "bold reverse"),
        f" {speaking} speak",
        (f"   {minutes}:{seconds:02}", "dim"),
        no_wrap=True,
    )


def _agents(rows: Sequence[tuple[str, Row]], now: float, room: int) -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(width=WIDTH, no_wrap=True)
    table.add_column(width=5, justify="right", style="dim")
    table.add_column(ratio=1, no_wrap=True)
    shown = rows if len(rows) <= room else rows[: room - 1]
    for name, row in shown:
        table.add_row(_named(name), f"{now - row.since:.0f} s", row.doing)
    if len(shown) < len(rows):
        table.add_row(Text(f"... and {len(rows) - len(shown)} more", style="dim"))
    for _ in range(room - len(shown) - (len(shown) < len(rows))):
        table.add_row("")
    return table


def _said(lately: Sequence[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True)
    for name, said in lately:
        table.add_row(Text.assemble(_named(name), (f": {said}", "dim")))
    return table


def _named(name: str) -> Text:
    return Text(name, style=f"bold {color_of(name)}", no_wrap=True, overflow="ellipsis")


def _foot(stats: PoolStats | None, width: int) -> Text:
    if stats is None:
        return Text()
    size = min(stats.available_count, max(width - 65, 5))
    counts = {
        "held": stats.checked_out_count,
        "waiting": stats.waiting_count,
        "fetches": stats.fetching_count,
        "crashes": stats.restart_count,
    }
    said = "   ".join(f"{what} {count}" for what, count in counts.items())
    return Text.assemble(
        ("stock ", "bold"),
        ("█" * size, "green"),
        f" {stats.available_count}   {said}",
        no_wrap=True,
    )


class _Slow:
    """A source that takes as long as a model does."""

    def __init__(self, source: NameSource, over: threading.Event) -> None:
        self._source, self._over = source, over

    def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
        """Return names of the source, after a while."""
        self._over.wait(A_MODELS_PACE)
        return list(fetch_from(self._source, count, used, theme))
