"""Every test stops its actors and leaves no thread behind."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator

import pykka
import pytest

from tests.support import PATIENCE, MovableClock


@pytest.fixture(autouse=True, scope="module")
def _little_to_look_through() -> None:
    """Spare each collection of garbage the look at the suite itself, which is large."""
    if "hypothesis" in sys.modules:  # which asks, as it is loaded, for what is hidden then
        gc.collect()
        gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for ref in pykka.ActorRegistry.get_all():
        ref.stop(block=False)
    while new := set(threading.enumerate()) - before:  # one that ends may start a last one
        for thread in new:
            if thread.ident is None:
                continue  # another one is just starting it
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"{thread.name} was left behind"
    assert pykka.ActorRegistry.get_all() == []


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()
