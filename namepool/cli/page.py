"""The pages of the demo: lines on stdout, or a live board (see ``board``) on a terminal."""

from __future__ import annotations

import logging
import threading
from contextlib import AbstractContextManager, nullcontext

from namepool.pool.handle import PoolHandle
from namepool.sources.base import NameSource

WIDTH = 35
"""Columns for a name. The longest of the first two thousand names fits."""


class Page(logging.Handler):
    """A page that shows the demo. It handles the log lines of agents, each with its ``agent``."""

    pace: float = 0.0
    """The factor for the duration of an agent's work. With 0 the agent does not pause at all."""
    narrated: int = 24
    """Agents whose lines are shown."""

    def title(self, text: str) -> None:
        """Print the title of the next act."""
        print(f"\n-- {text} --", flush=True)

    def left(self, name: str) -> None:
        """Note that an agent gives ``name`` back."""

    def slowed(self, source: NameSource, over: threading.Event) -> NameSource:
        """Return the source, or a source that is as slow as a model.

        The slow source becomes fast when ``over`` is set: at the end of the demo, or by Ctrl-C.
        """
        return source

    def showing(self, pool: PoolHandle) -> AbstractContextManager[object]:
        """Show the pool for the length of the block."""
        return nullcontext()


class Lines(Page):
    """A page that prints lines on stdout.

    If stdout is a pipe and its reader is gone, ``print`` raises an error, and the demo ends. A
    ``StreamHandler`` would print a report for each line, and the demo would go on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(f"%(agent)-{WIDTH}s | %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line."""
        print(self.format(record), flush=True)
