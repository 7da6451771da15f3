"""Who is calling, and how to hand that identity to workers.

An owner is a string. ``current_owner`` finds it where it is called, never in an actor's thread by
accident: an explicit ``owner_scope`` first, then the asyncio or trio task, then the Pykka actor
whose thread this is, then the thread. Thread idents are recycled by the operating system and never
used: an id is minted once for each ``Thread`` or ``Task`` object.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast

import pykka

from namepool.actors import acting_as
from namepool.actors.replies.suspending import trio_task
from namepool.core.names import shown
from namepool.errors import InvalidOwner

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

_TASKS_IN_PYTHON = sys.version_info < (3, 12)
"""``asyncio.current_task`` is no C function yet, and costs more than all the rest."""

_running_tasks: Any = None
"""Its table, loop → task, once asyncio is there."""

_local = threading.local()
_numbers = itertools.count(1)
_modules = sys.modules
_ATTRIBUTE = "_namepool_owner"

_trio_tasks: weakref.WeakKeyDictionary[Any, _Mortal] = weakref.WeakKeyDictionary()

_lock = threading.RLock()  # re-entrant: a finaliser may end a thread's or a task's life inside it

_listeners: tuple[weakref.ref[GoneListener], ...] = ()  # replaced, never changed


def current_owner() -> str:
    """Return the id of who is calling, on this thread and in this context; never blocks."""
    global _running_tasks
    scoped = acting_as.get()
    if scoped is not None:
        return scoped
    asyncio = _modules.get("asyncio")  # nobody runs a task who has not imported it
    if asyncio is not None:
        try:
            loop = asyncio._get_running_loop()  # noqa: SLF001  public by its documentation
            if loop is None:
                task = None
            elif _TASKS_IN_PYTHON:
                if _running_tasks is None:
                    _running_tasks = asyncio.tasks._current_tasks  # noqa: SLF001
                task = _running_tasks.get(loop)
            else:
                task = asyncio.current_task(loop)
        except AttributeError:
            task = None  # asyncio is being imported, on another thread
        if task is not None:
            try:
                owner: str = task._namepool_speaker  # noqa: SLF001  our own
                return owner
            except AttributeError:
                return _first_words_of_task(task)
    if "trio" in _modules:
        task = trio_task()
        if task is not None:
            return _trio_owner(task)
    try:
        return _local.owner  # type: ignore[no-any-return]
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
    speaker = owner_id(owner)
    before = acting_as.get()  # not a token: it would be lost if we were struck before it is stored
    thread = threading.current_thread()
    try:
        acting_as.set(speaker)
        yield speaker
    finally:
        is_here = True
        try:
            # A struck ``with`` leaves this to a finaliser, which may run in somebody else's scope.
            is_here = threading.current_thread() is thread and acting_as.get() == speaker
        finally:
            if is_here:
                acting_as.set(before)


def inherit_owner(func: Callable[P, R]) -> Callable[P, R]:
    """Return ``func`` so that, on whatever thread it runs, it speaks as the owner calling *now*.

    For tools run on a thread pool: ``executor.submit(inherit_owner(tool), argument)``. ``func`` may
    be a coroutine function; a generator function's body runs later, as whoever iterates.
    """
    from inspect import iscoroutinefunction  # a slow import, for the few who hand identity on

    owner = current_owner()
    if iscoroutinefunction(func):

        @functools.wraps(func)
        async def speaking_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            with owner_scope(owner):
                return await func(*args, **kwargs)

        return cast("Callable[P, R]", speaking_async)

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
        owner = str.__str__(owner)  # an exact one: the methods of a subclass may say anything
        if owner.isprintable() and 0 < len(owner) <= MAX_OWNER_LENGTH:
            return owner
        raise InvalidOwner(
            f"an owner id must have 1 to {MAX_OWNER_LENGTH} printable characters: {shown(owner)}"
        )
    if isinstance(owner, threading.Thread):
        return _thread_owner(owner)
    if isinstance(owner, pykka.ActorProxy):
        owner = owner.actor_ref
    if isinstance(owner, pykka.ActorRef):
        actor = owner._actor_weakref()  # noqa: SLF001  a ref outlives its actor
        if actor is not None:
            _mortal_of(actor, owner.actor_urn)
        return owner.actor_urn
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and isinstance(owner, asyncio.Task):
        return _mortal_of(owner, "task").owner
    raise InvalidOwner(
        "an owner must be an owner id, a threading.Thread, an asyncio.Task, a pykka.ActorRef or a "
        f"pykka.ActorProxy, not {type(owner).__name__}: {shown(owner)}"
    )


def notify_gone(listener: GoneListener) -> None:
    """Call ``listener.owner_gone(owner)`` whenever a thread, task or threaded actor has ended.

    Of one that ends without ever having called ``current_owner``, that is when its object is
    collected. The listener is held weakly; telling it twice to listen is once.
    """
    global _listeners
    with _lock:
        living = tuple(ref for ref in _listeners if ref() not in (None, listener))
        _listeners = (*living, weakref.ref(listener))


class _Ended:
    """An owner whose end has been told, or is told by somebody else, and sooner."""

    owner: str = ""

    def tell(self, _: object = None) -> None:
        """Do nothing."""


class _Mortal(_Ended):
    """Lives in a thread's local storage, or in an owner's object, and tells when that ends."""

    def __init__(self, owner: str) -> None:
        self.owner = owner

    def tell(self, _: object = None) -> None:
        """Tell of the owner's end, once."""
        if self.owner:  # else its making was cut short
            _gone(self.owner)
        # Last: one that was cut short is told again. What has ended has no finaliser, and an
        # exception from outside cannot vanish in it.
        self.__class__ = _Ended  # type: ignore[assignment]

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


def _first_words_of_thread() -> str:
    """Mint the id of this thread; its local storage tells when it ends."""
    thread = threading.current_thread()
    if isinstance(thread, threading._DummyThread):  # noqa: SLF001  there is no other way to tell
        # Made for a thread that Python did not start, and handed on with its recycled ident.
        vars(thread).pop(_ATTRIBUTE, None)
    owner = _thread_owner(thread)
    _local.mortal = _Mortal(owner)
    _mortal_of(thread, owner).__class__ = _Ended
    _local.owner = owner
    return owner


def _first_words_of_task(task: asyncio.Task[Any]) -> str:
    """Mint the id of the *running* task; only it may add a callback to itself."""
    mortal = _mortal_of(task, "task")
    task.add_done_callback(mortal.tell)
    task._namepool_speaker = mortal.owner  # type: ignore[attr-defined]  # noqa: SLF001
    return mortal.owner


def _trio_owner(task: Any) -> str:
    """Return the id of a trio task, which has no room for it; it ends when it is collected."""
    with _lock:
        mortal = _trio_tasks.get(task)
        if mortal is None:
            mortal = _trio_tasks[task] = _Mortal(_mint("task"))
        return mortal.owner


def _thread_owner(thread: threading.Thread) -> str:
    known: _Ended | None = vars(thread).get(_ATTRIBUTE)
    if known is not None:
        return known.owner
    actor = _actor_of(thread)
    if actor is None:
        return _mortal_of(thread, "thread").owner
    # One mortal for both, so that the end of the two is told once.
    mortal = _mortal_of(actor, actor.actor_urn)
    return vars(thread).setdefault(_ATTRIBUTE, mortal).owner  # type: ignore[no-any-return]


def _mortal_of(thing: object, owner: str) -> _Ended:
    """Return what tells of the end of ``thing``; ``owner`` is its id, or its kind if it has none.

    Made and stored under a lock, and found by whoever comes after one that was cut short.
    """
    with _lock:
        mortal: _Ended | None = getattr(thing, _ATTRIBUTE, None)
        if mortal is None:
            mortal = _Mortal(_mint(owner) if owner in ("thread", "task") else owner)
            setattr(thing, _ATTRIBUTE, mortal)
        return mortal


def _actor_of(thread: threading.Thread) -> pykka.Actor | None:
    """Return the actor whose loop this thread runs; a thread that ended runs none."""
    target = getattr(thread, "_target", None)
    actor = getattr(target, "__self__", None)
    is_loop = getattr(target, "__name__", "") == "_actor_loop"
    return actor if is_loop and isinstance(actor, pykka.Actor) else None


def _mint(kind: str) -> str:
    return f"namepool:{kind}:{next(_numbers)}"


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()  # the thread that may have held the old one does not exist here


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
