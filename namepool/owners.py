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
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, cast

import pykka

from namepool.actors import acting_as
from namepool.errors import InvalidOwner
from namepool.names import shown

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

_local = threading.local()
_numbers = itertools.count(1)
_modules = sys.modules
_ATTRIBUTE = "_namepool_owner"

_task_ids: weakref.WeakKeyDictionary[Any, _Mortal] = weakref.WeakKeyDictionary()
_watched_tasks: weakref.WeakSet[Any] = weakref.WeakSet()
_lock = threading.RLock()  # re-entrant: a finaliser may end a thread's or a task's life inside it

_listeners: tuple[weakref.ref[GoneListener], ...] = ()  # replaced, never changed


def current_owner() -> str:
    """Return the id of who is calling, on this thread and in this context; never blocks."""
    scoped = acting_as.get()
    if scoped is not None:
        return scoped
    asyncio = _modules.get("asyncio")  # nobody runs a task who has not imported it
    if asyncio is not None and (task := _running_task(asyncio)) is not None:
        return _watched_task_owner(task)
    try:
        owner: str = _local.owner
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
    speaker = owner_id(owner)
    token = acting_as.set(speaker)
    try:
        yield speaker
    finally:
        acting_as.reset(token)


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
        return _task_owner(owner)
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


class _Mortal:
    """Lives in a thread's local storage, or in an owner's object, and tells when that ends."""

    __slots__ = ("owner", "quiet")

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.quiet = False
        """Somebody else tells of the owner's end, and sooner."""

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # The main thread's local storage ends when the modules are half gone.
        if not self.quiet and not is_finalizing():
            _gone(self.owner)


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
    _local.mortal, _local.owner = _Mortal(owner), owner
    _mortal_of(thread, owner).quiet = True
    return owner


def _thread_owner(thread: threading.Thread) -> str:
    known: _Mortal | None = vars(thread).get(_ATTRIBUTE)
    if known is not None:
        return known.owner
    actor = _actor_of(thread)
    if actor is None:
        return _mortal_of(thread, _mint("thread")).owner
    # One mortal for both, so that the end of the two is told once.
    mortal = _mortal_of(actor, actor.actor_urn)
    return vars(thread).setdefault(_ATTRIBUTE, mortal).owner  # type: ignore[no-any-return]


def _mortal_of(thing: object, owner: str) -> _Mortal:
    """Return what tells of the end of ``thing``, of which ``owner`` is the id unless it has one."""
    with _lock:
        mortal: _Mortal | None = vars(thing).get(_ATTRIBUTE)
        if mortal is None:
            mortal = vars(thing)[_ATTRIBUTE] = _Mortal(owner)
        return mortal


def _actor_of(thread: threading.Thread) -> pykka.Actor | None:
    """Return the actor whose loop this thread runs; a thread that ended runs none."""
    target = getattr(thread, "_target", None)
    actor = getattr(target, "__self__", None)
    is_loop = getattr(target, "__name__", "") == "_actor_loop"
    return actor if is_loop and isinstance(actor, pykka.Actor) else None


def _running_task(asyncio: Any) -> asyncio.Task[Any] | None:
    try:
        loop = asyncio._get_running_loop()  # noqa: SLF001  public by its documentation
    except AttributeError:
        return None  # asyncio is being imported, on another thread
    return None if loop is None else cast("asyncio.Task[Any] | None", asyncio.current_task(loop))


def _task_owner(task: asyncio.Task[Any]) -> str:
    mortal = _task_ids.get(task)
    if mortal is None:
        with _lock:
            mortal = _task_ids.get(task)
            if mortal is None:
                mortal = _task_ids[task] = _Mortal(_mint("task"))
    return mortal.owner


def _watched_task_owner(task: asyncio.Task[Any]) -> str:
    """Return the id of the *running* task; only it may add a callback to itself."""
    owner = _task_owner(task)
    if task not in _watched_tasks:
        _watched_tasks.add(task)
        mortal = _task_ids[task]

        def done(_: object) -> None:
            mortal.quiet = True
            _gone(owner)

        task.add_done_callback(done)
    return owner


def _mint(kind: str) -> str:
    return f"namepool:{kind}:{next(_numbers)}"
