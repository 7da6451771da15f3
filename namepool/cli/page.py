"""Where the demo is shown: lines on stdout, or a live board (see ``board``) on a terminal."""

from __future__ import annotations

import logging
import threading
from contextlib import AbstractContextManager, nullcontext

from namepool.pool.handle import PoolHandle
from namepool.sources.base import NameSource

WIDTH = 35
"""Columns for a name: the longest of the first two thousand fits."""


class Page(logging.Handler):
    """What the demo is shown on; its handler gets what agents say, each with its ``agent``."""

    pace: float = 0.0
    """Seconds that a second of an agent's work takes."""
    narrated: int = 24
    """Agents whose lines are shown."""

    def title(self, text: str) -> None:
        """Say what happens now."""
        print(f"\n-- {text} --", flush=True)

    def left(self, name: str) -> None:
        """Note that who spoke under ``name`` gives it back."""

    def slowed(self, source: NameSource, over: threading.Event) -> NameSource:
        """Return the source, or one as slow as a model, until ``over``."""
        return source

    def showing(self, pool: PoolHandle) -> AbstractContextManager[object]:
        """Show what there is, for the length of the block."""
        return nullcontext()


class Lines(Page):
    """Stdout; a closed pipe ends the demo, where ``StreamHandler`` would report each line."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(f"%(agent)-{WIDTH}s | %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line."""
        print(self.format(record), flush=True)
