"""Objects that are told, in a forked child, that their thread stayed behind in the parent.

Only the forking thread exists in the child: an actor has none there, and a lock that another thread
held at that moment is never released.
"""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from functools import partial
from typing import Protocol

import pykka


class Forkable(Protocol):
    """Something of no use in a forked child."""

    def forked(self) -> None:
        """Say so to whoever uses it here; runs in the child, before anything else does."""
        ...


_keys = itertools.count()
_known: dict[int, weakref.ref[Forkable]] = {}


def remember(thing: Forkable) -> None:
    """Tell ``thing`` when it finds itself in a forked child; it is held weakly."""
    key = next(_keys)
    _known[key] = weakref.ref(thing, partial(_known.pop, key))


def _after_fork_in_child() -> None:
    pykka.ActorRegistry._actor_refs_lock = threading.RLock()  # somebody may have held the old one
    for known in list(_known.values()):
        thing = known()
        if thing is not None:
            thing.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
