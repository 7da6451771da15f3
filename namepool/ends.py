"""Owners that end, and who hears of it: a thread, a task or an actor is told of once."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from namepool.actors.latch import under


class GoneListener(Protocol):
    """A pool's state: it wants to know that an owner has ended."""

    @property
    def given(self) -> Any:
        """Owner → the token by which it speaks under a name that others took for it."""
        ...

    def owner_gone(self, owner: str) -> None:
        """Take note; runs on the ending thread or in a finaliser: it must not block."""
        ...

    def silence_all(self) -> None:
        """Have nobody speak any more: this is a forked child, and the pool stayed behind."""
        ...


ATTRIBUTE = "_namepool_owner"
"""Where an owner's object keeps its id."""

_numbers = itertools.count(1)
_lock = threading.RLock()  # re-entrant: a finaliser may end a thread's or a task's life inside it

_listeners: tuple[weakref.ref[GoneListener], ...] = ()  # replaced, never changed


def notify_gone(listener: GoneListener) -> None:
    """Call ``listener.owner_gone(owner)`` whenever a thread, task or threaded actor has ended.

    Of one that ends without ever having called ``current_owner``, that is when its object is
    collected. The listener is held weakly; telling it twice to listen is once.
    """
    global _listeners
    with _lock:  # on the pool's own thread, which nobody strikes: see ``latch.under``
        living = tuple(ref for ref in _listeners if ref() not in (None, listener))
        _listeners = (*living, weakref.ref(listener))


def listeners() -> list[GoneListener]:
    """Return the pools' states that listen and live."""
    return [listener for ref in _listeners if (listener := ref()) is not None]


class Identity:
    """Lives in an owner's object, or in its thread's local storage, and dies with that."""

    __slots__ = ("__weakref__", "owner")

    def __init__(self, owner: str) -> None:
        self.owner: str = owner


class _Ending(weakref.ref[Identity]):
    """Tells when an identity dies."""

    __slots__ = ("owner",)

    owner: str


_endings: dict[str, _Ending] = {}
"""Owner → what tells of its end, until that has been told."""

_roomless: weakref.WeakKeyDictionary[object, Identity] = weakref.WeakKeyDictionary()
"""The identity of what takes no attribute, as a task of trio: it ends when it is collected."""


def identity_of(thing: object, owner: str) -> Identity:
    """Return the identity of ``thing``; ``owner`` is its id, or its kind if it has none yet.

    Made and stored under a lock, and found by whoever comes after one that was cut short.
    """
    return under(_lock, _identity_of, thing, owner)


def _identity_of(thing: object, owner: str) -> Identity:
    identity: Identity | None = getattr(thing, ATTRIBUTE, None) or _roomless.get(thing)
    if identity is None:
        identity = Identity(_mint(owner) if owner in ("thread", "task") else owner)
        watch(identity)  # first: once it is stored, its thread may have a later one watched
        try:
            setattr(thing, ATTRIBUTE, identity)
        except AttributeError:
            _roomless[thing] = identity
    return identity


def watch(identity: Identity) -> None:
    """Have the owner's end told when this identity of it dies, and no other one."""
    ending = _Ending(identity, _died)
    ending.owner = identity.owner
    _endings[identity.owner] = ending


def watch_again(identity: Identity) -> None:
    """Have its end told once more of an owner that has ended, when its object goes, too."""
    if identity.owner not in _endings:
        watch(identity)


def ended(owner: str) -> None:
    """Tell every pool that ``owner`` has ended; any thread, also in a finaliser."""
    failure: Exception | None = None
    for listener in listeners():
        try:
            listener.owner_gone(owner)
        except Exception as error:
            failure = error  # the others hear first
    _endings.pop(owner, None)  # last: one that was cut short may be told again
    if failure is not None:
        raise failure


def _died(
    ending: weakref.ref[Identity], is_finalizing: Callable[[], bool] = sys.is_finalizing
) -> None:
    # The main thread's local storage ends when the modules are half gone.
    if not is_finalizing():
        ended(ending.owner)  # type: ignore[attr-defined]


def _mint(kind: str) -> str:
    return f"namepool:{kind}:{next(_numbers)}"


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()  # the thread that may have held the old one does not exist here
    for listener in listeners():
        listener.silence_all()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
