"""Calls that are made under a lock."""

from __future__ import annotations

import threading

import pytest

from namepool.actors.latch import under
from tests.strikes.tracing import strike_at
from tests.support import on_thread


def is_free(lock: threading.RLock) -> bool:
    """Tell whether another thread could take a lock."""

    def take() -> bool:
        taken = lock.acquire(blocking=False)
        if taken:
            lock.release()
        return taken

    return on_thread(take)


def test_a_call_is_made_with_the_lock_and_its_result_returned() -> None:
    lock = threading.RLock()

    assert under(lock, lambda a, b: (a, b, is_free(lock)), 1, b=2) == (1, 2, False)
    assert is_free(lock)


def test_an_exception_of_the_call_passes_and_leaves_the_lock_free() -> None:
    lock = threading.RLock()

    with pytest.raises(ZeroDivisionError):
        under(lock, lambda: 1 / 0)

    assert is_free(lock)


def test_it_may_be_nested() -> None:
    lock = threading.RLock()

    assert not under(lock, lambda: under(lock, lambda: False) or is_free(lock))
    assert is_free(lock)


def test_a_caller_that_is_struck_anywhere_leaves_the_lock_free() -> None:
    lock, struck = threading.RLock(), 0
    while strike_at(struck, lambda: under(lock, lambda: None))[0] is not None:
        assert is_free(lock)
        struck += 1

    assert struck > 3
    assert is_free(lock)
