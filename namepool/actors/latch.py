"""Gates and locks that a thread, struck anywhere, leaves open or free for the others.

``threading.Event`` will not do where callers wait: an exception from outside that hits a waiter
between two lines of it leaves its lock taken, and then who would open it waits for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_WAIT: Final = 1e8
"""Seconds; what ``Lock.acquire`` takes on every platform. Three years is as good as for ever."""


def shut() -> threading.Lock:
    """Return a lock that is taken."""
    lock = threading.Lock()
    lock.acquire()
    return lock


def passed_on(error: RuntimeError) -> None:
    """Raise ``error`` unless it is a lock's own, which says that it was not taken.

    One of a subclass came from outside, or from the recursion limit.
    """
    if type(error) is not RuntimeError:
        raise error


def under(lock: Any, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Make a call with a re-entrant lock, and return its result; a struck caller frees the lock.

    From CPython 3.14 on ``with lock:`` may be struck behind the taking of the lock and before the
    block, and then it stays taken.
    """
    try:  # no ``return`` in here: the copy of ``finally`` for it would be unguarded
        lock.acquire()
        answer = call(*args, **kwargs)
    finally:
        try:
            lock.release()
        except RuntimeError as error:
            passed_on(error)  # it was struck before
    return answer


class Latch:
    """Closed until ``open``; then it stays open. Any number of threads may wait for it."""

    def __init__(self) -> None:
        self._is_open = False
        self._lock = shut()

    def is_set(self) -> bool:
        """Tell whether it is open."""
        return self._is_open

    def set(self) -> None:
        """Open it and let everybody through; twice does no harm."""
        self._is_open = True
        try:
            self._lock.release()
        except RuntimeError as error:
            passed_on(error)  # open already, or somebody is just passing

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is open, up to ``timeout`` seconds; tell whether it is."""
        if self._is_open:
            return True
        wait = -1.0 if timeout is None else min(max(timeout, 0.0), LONGEST_WAIT)
        try:
            self._lock.acquire(timeout=wait)
        finally:
            # Whoever comes out of an open latch opens it for the next one, however it comes out.
            if self._is_open:
                try:
                    self._lock.release()
                except RuntimeError as error:
                    passed_on(error)
        return self._is_open
