"""Owners that end, and who hears of it: a thread, a task or an actor is told of once."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Protocol


class GoneListener(Protocol):
    """A pool's state: it wants to know that an owner has ended."""

    @property
    def speaking(self) -> Mapping[str, str]:
        """Owner → the name it speaks under."""
        ...

    def owner_gone(self, owner: str) -> None:
        """Take note; runs on the ending thread or in a finaliser: it must not block."""


ATTRIBUTE = "_namepool_owner"
"""Where an owner's object keeps what tells of its end."""

_roomless: weakref.WeakKeyDictionary[object, Ended] = weakref.WeakKeyDictionary()
"""The same for what takes no attribute, as a task of trio: it ends when it is collected."""

_numbers = itertools.count(1)
_lock = threading.RLock()  # re-entrant: a finaliser may end a thread's or a task's life inside it

_listeners: tuple[weakref.ref[GoneListener], ...] = ()  # replaced, never changed


def notify_gone(listener: GoneListener) -> None:
    """Call ``listener.owner_gone(owner)`` whenever a thread, task or threaded actor has ended.

    Of one that ends without ever having called ``current_owner``, that is when its object is
    collected. The listener is held weakly; telling it twice to listen is once.
    """
    global _listeners
    with _lock:
        living = tuple(ref for ref in _listeners if ref() not in (None, listener))
        _listeners = (*living, weakref.ref(listener))


def speaks(owner: str) -> bool:
    """Tell whether ``owner`` speaks under a name now, in any pool."""
    pools = [listener for ref in _listeners if (listener := ref()) is not None]
    return any(owner in pool.speaking for pool in pools)


class Ended:
    """An owner whose end has been told, or is told by somebody else, and sooner."""

    owner: str = ""

    def tell(self, _: object = None) -> None:
        """Do nothing."""


class Mortal(Ended):
    """Lives in a thread's local storage, or in an owner's object, and tells when that ends."""

    def __init__(self, owner: str) -> None:
        self.owner = owner

    def tell(self, _: object = None) -> None:
        """Tell of the owner's end, once."""
        if self.owner:  # else its making was cut short
            _gone(self.owner)
        # Last: one that was cut short is told again. What has ended has no finaliser, and an
        # exception from outside cannot vanish in it.
        self.__class__ = Ended  # type: ignore[assignment]

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # The main thread's local storage ends when the modules are half gone.
        if not is_finalizing():
            self.tell()


def _gone(owner: str) -> None:
    failure: Exception | None = None
    for ref in _listeners:
        listener = ref()
        if listener is not None:
            try:
                listener.owner_gone(owner)
            except Exception as error:
                failure = error  # the others hear first
    if failure is not None:
        raise failure


def mortal_of(thing: object, owner: str) -> Ended:
    """Return what tells of the end of ``thing``; ``owner`` is its id, or its kind if it has none.

    Made and stored under a lock, and found by whoever comes after one that was cut short.
    """
    with _lock:
        mortal: Ended | None = getattr(thing, ATTRIBUTE, None) or _roomless.get(thing)
        if mortal is None:
            mortal = Mortal(_mint(owner) if owner in ("thread", "task") else owner)
            try:
                setattr(thing, ATTRIBUTE, mortal)
            except AttributeError:
                _roomless[thing] = mortal
        return mortal


def _mint(kind: str) -> str:
    return f"namepool:{kind}:{next(_numbers)}"


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()  # the thread that may have held the old one does not exist here


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
