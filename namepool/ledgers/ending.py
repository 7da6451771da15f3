"""``Ending``: the end of the claims of a pool, after the work that is under way."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from namepool.actors.at_exit import exiting_for
from namepool.errors import LedgerError


class Closed(LedgerError):
    """The pool has ended, so nothing more is claimed for it."""


class Ending:
    """The pieces of work under way, and ``end``, which runs once after the last one.

    The thread that finishes the last piece of work runs ``end``. If none is under way, the thread
    that calls ``close`` does.
    """

    def __init__(self, end: Callable[[], None]) -> None:
        self.is_closing: bool = False
        self.has_ended: threading.Event = threading.Event()
        self._end = end
        self._lock = threading.Lock()
        self._working = 0
        self._idle = threading.Event()  # the pool ends, and no work is under way any more
        self._pid = os.getpid()

    @contextmanager
    def work(self) -> Iterator[None]:
        """Let the end wait for this block.

        Raises:
            Closed: the end has begun
        """
        with self._lock:
            if self.is_closing:
                raise Closed("the pool is closed")
            self._working += 1
        try:
            yield
        finally:
            with self._lock:
                self._working -= 1
                is_last = self.is_closing and not self._working
            if is_last:
                self._run()

    def close(self) -> None:
        """Begin the end. It is over when this returns, unless work is under way."""
        with self._lock:
            self.is_closing = True
            is_idle = not self._working
        if is_idle:
            self._run()

    def _run(self) -> None:
        self._idle.set()
        self._end()
        self.has_ended.set()

    def wait(self, working: float, ending: float) -> None:
        """Wait up to ``working`` seconds for work under way, and then for the end.

        Together it waits up to ``ending`` seconds. A forked child does not wait, because its parent
        releases the names.
        """
        over = time.monotonic() + ending
        idle_in = min(max(working - exiting_for(), 0.0), ending)
        if self._pid == os.getpid() and self._idle.wait(idle_in):
            self.has_ended.wait(max(over - time.monotonic(), 0.0))
