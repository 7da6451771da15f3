"""A list of objects, and a hook that calls ``forked()`` of each of them in a forked child.

Only the forking thread exists in the child. So an actor has no thread there. If another thread
held a lock at the fork, nobody releases that lock in the child.
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
    """An object that is of no use in a forked child."""

    def forked(self) -> None:
        """Tell later users of the object that this process is a forked child.

        This method runs in the child before anything else runs.
        """
        ...


_keys = itertools.count()
_known: dict[int, weakref.ref[Forkable]] = {}


def remember(thing: Forkable) -> None:
    """Call ``thing.forked()`` in each forked child; hold ``thing`` only weakly."""
    key = next(_keys)
    _known[key] = weakref.ref(thing, partial(_known.pop, key))


def _after_fork_in_child() -> None:
    # Another thread may have held the old lock at the fork.
    pykka.ActorRegistry._actor_refs_lock = threading.RLock()
    for known in list(_known.values()):
        thing = known()
        if thing is not None:
            thing.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
