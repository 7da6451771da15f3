"""Gates that stay open, and locks that become free, even if an exception hits a thread anywhere.

A thread is *struck* when an exception is raised in it from outside, for example by Ctrl-C. Callers
cannot wait on a ``threading.Event``. If a waiter is struck between two lines of the event's code,
the event's lock stays taken. Then the thread that wants to set the event waits for ever.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_WAIT: Final = 1e8
"""Seconds that ``Lock.acquire`` accepts on every platform: three years, in effect for ever."""


def shut() -> threading.Lock:
    """Return a lock that is already taken."""
    lock = threading.Lock()
    lock.acquire()
    return lock


def passed_on(error: RuntimeError) -> None:
    """Raise ``error``, unless a lock raised it because there was nothing to release.

    ``release`` raises a plain ``RuntimeError`` if the lock is not taken. A re-entrant lock raises
    the same error if another thread has taken it. An error of a subclass came from outside, or it
    is the ``RecursionError`` of a full stack.
    """
    if type(error) is not RuntimeError:
        raise error


def under(lock: Any, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Make a call under a re-entrant lock and return the result; a struck caller frees the lock.

    From CPython 3.14 on, ``with lock:`` may be struck after it takes the lock and before the block
    begins. Then the lock stays taken.
    """
    try:  # no ``return`` here, because the copy of ``finally`` for it would be unguarded
        lock.acquire()
        answer = call(*args, **kwargs)
    finally:
        try:
            lock.release()
        except RuntimeError as error:
            passed_on(error)  # the caller was struck before it had the lock
    return answer


class Latch:
    """A gate that is closed until ``set`` and then stays open.

    Any number of threads may wait for it.
    """

    def __init__(self) -> None:
        self._is_open = False
        self._lock = shut()

    def is_set(self) -> bool:
        """Tell whether the latch is open."""
        return self._is_open

    def set(self) -> None:
        """Open the latch and let every waiting thread through; a second call does no harm."""
        self._is_open = True
        try:
            self._lock.release()
        except RuntimeError as error:
            passed_on(error)  # the latch is open already, or a thread is just passing

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the latch is open, up to ``timeout`` seconds; tell whether it is open."""
        if self._is_open:
            return True
        wait = -1.0 if timeout is None else min(max(timeout, 0.0), LONGEST_WAIT)
        try:
            self._lock.acquire(timeout=wait)
        finally:
            # A thread that leaves an open latch opens it for the next thread, also if it is struck.
            if self._is_open:
                try:
                    self._lock.release()
                except RuntimeError as error:
                    passed_on(error)
        return self._is_open
