"""The ends of owners, and the pools that hear of them.

The end of a thread, a task or an actor is told once.
"""

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
    """A pool's state, which wants to know that an owner has ended."""

    @property
    def given(self) -> Any:
        """Owner → the token by which it speaks under a name that another party took for it."""
        ...

    def owner_gone(self, owner: str) -> None:
        """Take note. It must not block, because it runs on the ending thread or in a finaliser."""
        ...

    def silence_all(self) -> None:
        """Silence every token, because this is a forked child and the pool stayed in the parent."""
        ...


ATTRIBUTE = "_namepool_owner"
"""The attribute in which an owner's object keeps its identity."""

_numbers = itertools.count(1)
_lock = threading.RLock()  # re-entrant: a finaliser inside it may be the end of a thread or a task

_listeners: tuple[weakref.ref[GoneListener], ...] = ()  # the tuple is replaced, never changed


def notify_gone(listener: GoneListener) -> None:
    """Call ``listener.owner_gone(owner)`` whenever a thread, a task or a threaded actor has ended.

    If such an owner never called ``current_owner``, its end is told when its object is collected.
    The listener is held weakly. A second call with the same listener changes nothing.
    """
    global _listeners
    with _lock:  # on the pool's own thread, which gets no exception from outside
        living = tuple(ref for ref in _listeners if ref() not in (None, listener))
        _listeners = (*living, weakref.ref(listener))


def listeners() -> list[GoneListener]:
    """Return the states of pools that listen and still exist."""
    return [listener for ref in _listeners if (listener := ref()) is not None]


class Identity:
    """The identity of an owner.

    It lives in the owner's object, or in the local storage of the owner's thread, and dies with it.
    """

    __slots__ = ("__weakref__", "owner")

    def __init__(self, owner: str) -> None:
        self.owner: str = owner


class _Ending(weakref.ref[Identity]):
    """A weak reference that tells when an identity dies."""

    __slots__ = ("owner",)

    owner: str


_endings: dict[str, _Ending] = {}
"""Owner → the weak reference that reports the owner's end. The report removes the entry."""

_roomless: weakref.WeakKeyDictionary[object, Identity] = weakref.WeakKeyDictionary()
"""The identities of objects that take no attribute, such as a task of trio.

Such an owner ends when its object is collected.
"""


def identity_of(thing: object, owner: str) -> Identity:
    """Return the identity of ``thing``; make it if ``thing`` has none.

    ``owner`` is the id of a new identity. If ``owner`` is ``"thread"`` or ``"task"``, this function
    mints a new id of that kind. The identity is made and stored under a lock. If one call is cut
    short, the next call finds it.
    """
    return under(_lock, _identity_of, thing, owner)


def _identity_of(thing: object, owner: str) -> Identity:
    identity: Identity | None = getattr(thing, ATTRIBUTE, None) or _roomless.get(thing)
    if identity is None:
        identity = Identity(_mint(owner) if owner in ("thread", "task") else owner)
        watch(identity)  # first, because its thread may watch a later one once it is stored
        try:
            setattr(thing, ATTRIBUTE, identity)
        except AttributeError:
            _roomless[thing] = identity
    return identity


def watch(identity: Identity) -> None:
    """Tell the owner's end when this identity dies; an earlier identity counts no more."""
    ending = _Ending(identity, _died)
    ending.owner = identity.owner
    _endings[identity.owner] = ending


def watch_again(identity: Identity) -> None:
    """If the owner has ended already, tell its end once more when this identity dies."""
    if identity.owner not in _endings:
        watch(identity)


def ended(owner: str) -> None:
    """Tell every pool that ``owner`` has ended. Any thread may call this, also in a finaliser."""
    failure: Exception | None = None
    for listener in listeners():
        try:
            listener.owner_gone(owner)
        except Exception as error:
            failure = error  # the other pools hear of it first
    _endings.pop(owner, None)  # last, so that an end whose telling was cut short is told again
    if failure is not None:
        raise failure


def _died(
    ending: weakref.ref[Identity], is_finalizing: Callable[[], bool] = sys.is_finalizing
) -> None:
    # The main thread's local storage ends when the interpreter has half cleared the modules.
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
