"""Who is calling, and how to hand that identity to workers.

An owner is a string. ``current_owner`` finds it where it is called, never in an actor's thread by
accident: an explicit ``owner_scope`` first, then the asyncio task, then the Pykka actor whose
thread this is, then the thread. Thread idents are recycled by the operating system and never used:
an id is minted once for each ``Thread`` or ``Task`` object.
"""

from __future__ import annotations

import functools
import itertools
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast

import pykka

from namepool.errors import InvalidOwner
from namepool.names import one_line

if TYPE_CHECKING:
    import asyncio
    from typing import TypeAlias

    OwnerLike: TypeAlias = (
        str | threading.Thread | asyncio.Task[Any] | pykka.ActorRef[Any] | pykka.ActorProxy[Any]
    )

P = ParamSpec("P")
R = TypeVar("R")


class GoneListener(Protocol):
    """Who wants to know that an owner has ended."""

    def owner_gone(self, owner: str) -> None:
        """Take note; runs on the ending thread or in a finaliser: it must not block."""


MAX_OWNER_LENGTH = 256
"""Longest owner id, in characters."""

_scope: ContextVar[str | None] = ContextVar("namepool_owner", default=None)
_local = threading.local()
_numbers = itertools.count(1)
_ATTRIBUTE = "_namepool_owner"

_task_ids: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
_watched_tasks: weakref.WeakSet[Any] = weakref.WeakSet()
_lock = threading.RLock()  # re-entrant: a finaliser may end a thread's or a task's life inside it

_listeners: tuple[weakref.ref[GoneListener], ...] = ()  # replaced, never changed


def current_owner() -> str:
    """Return the id of who is calling, on this thread and in this context; never blocks."""
    scoped = _scope.get()
    if scoped is not None:
        return scoped
    asyncio = sys.modules.get("asyncio")  # nobody runs a task who has not imported it
    if asyncio is not None and (task := _running_task(asyncio)) is not None:
        return _watched_task_owner(task)
    try:
        owner: str = _local.mortal.owner
        return owner
    except AttributeError:
        return _first_words_of_thread()


@contextmanager
def owner_scope(owner: OwnerLike) -> Iterator[str]:
    """Speak as ``owner`` in this context until the ``with`` block ends; scopes nest.

    Tasks started inside inherit it, threads do not (see ``inherit_owner``). An owner set this way
    never dies by itself: what it holds, it holds until it gives it back.

    Raises:
        InvalidOwner: see ``owner_id``
    """
    token = _scope.set(owner_id(owner))
    try:
        yield owner_id(owner)
    finally:
        _scope.reset(token)


def inherit_owner(func: Callable[P, R]) -> Callable[P, R]:
    """Return ``func`` so that, on whatever thread it runs, it speaks as the owner calling *now*.

    For tools run on a thread pool: ``executor.submit(inherit_owner(tool), argument)``.
    """
    owner = current_owner()

    @functools.wraps(func)
    def speaking(*args: P.args, **kwargs: P.kwargs) -> R:
        with owner_scope(owner):
            return func(*args, **kwargs)

    return speaking


def owner_id(owner: object) -> str:
    """Return the id of an owner given as an id, a thread, a task, an actor's ref or its proxy.

    Raises:
        InvalidOwner: it is none of these, or a string that is empty, too long or unprintable
    """
    if isinstance(owner, str):
        if owner.isprintable() and 0 < len(owner) <= MAX_OWNER_LENGTH:
            return owner
        raise InvalidOwner(
            f"an owner id must have 1 to {MAX_OWNER_LENGTH} printable characters: "
            f"{one_line(ascii(owner))}"
        )
    if isinstance(owner, threading.Thread):
        return _thread_owner(owner)
    if isinstance(owner, pykka.ActorRef):
        return owner.actor_urn
    if isinstance(owner, pykka.ActorProxy):
        return owner.actor_ref.actor_urn
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and isinstance(owner, asyncio.Task):
        return _task_owner(owner)
    raise InvalidOwner(
        "an owner must be an owner id, a threading.Thread, an asyncio.Task, a pykka.ActorRef or a "
        f"pykka.ActorProxy, not {type(owner).__name__}: {one_line(ascii(owner))}"
    )


def notify_gone(listener: GoneListener) -> None:
    """Call ``listener.owner_gone(owner)`` whenever a thread, task or threaded actor has ended.

    The listener is held weakly.
    """
    global _listeners
    with _lock:
        living = tuple(ref for ref in _listeners if ref() is not None)
        _listeners = (*living, weakref.ref(listener))


class _Mortal:
    """Lives in a thread's local storage and dies with the thread."""

    __slots__ = ("owner",)

    def __init__(self, owner: str) -> None:
        self.owner = owner

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        if not is_finalizing():  # the main thread ends when the modules are half gone
            _gone(self.owner)


def _gone(owner: str) -> None:
    for ref in _listeners:
        listener = ref()
        if listener is not None:
            listener.owner_gone(owner)


def _first_words_of_thread() -> str:
    """Mint the id of this thread; its local storage tells when it ends."""
    thread = threading.current_thread()
    if isinstance(thread, threading._DummyThread):  # noqa: SLF001  there is no other way to tell
        # Made for a thread that Python did not start, and handed on with its recycled ident.
        vars(thread).pop(_ATTRIBUTE, None)
    owner = _thread_owner(thread)
    _local.mortal = _Mortal(owner)
    return owner


def _thread_owner(thread: threading.Thread) -> str:
    known: str | None = vars(thread).get(_ATTRIBUTE)
    if known is not None:
        return known
    # Thread._target is deleted when the thread ends; until then it is an actor's own loop.
    actor = getattr(getattr(thread, "_target", None), "__self__", None)
    minted = actor.actor_urn if isinstance(actor, pykka.Actor) else _mint("thread")
    return vars(thread).setdefault(_ATTRIBUTE, minted)  # type: ignore[no-any-return]


def _running_task(asyncio: Any) -> asyncio.Task[Any] | None:
    try:
        loop = asyncio._get_running_loop()  # noqa: SLF001  public by its documentation
    except AttributeError:
        return None  # asyncio is being imported, on another thread
    return None if loop is None else cast("asyncio.Task[Any] | None", asyncio.current_task(loop))


def _task_owner(task: asyncio.Task[Any]) -> str:
    owner = _task_ids.get(task)
    if owner is None:
        with _lock:
            owner = _task_ids.setdefault(task, _mint("task"))
    return owner


def _watched_task_owner(task: asyncio.Task[Any]) -> str:
    """Return the id of the *running* task; only it may add a callback to itself."""
    owner = _task_owner(task)
    if task not in _watched_tasks:
        _watched_tasks.add(task)
        task.add_done_callback(lambda _: _gone(owner))
    return owner


def _mint(kind: str) -> str:
    return f"namepool:{kind}:{next(_numbers)}"
