"""Who is calling, and how to hand that identity to workers.

An owner is a string. ``current_owner`` finds it where it is called, never in an actor's thread by
accident: an explicit ``owner_scope`` first, then the asyncio or trio task, then the Pykka actor
whose thread this is, then the thread. Thread idents are recycled by the operating system and never
used: an id is minted once for each ``Thread`` or ``Task`` object.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

import pykka

from namepool.actors import acting_as, lineage
from namepool.actors.replies.suspending import trio_task
from namepool.core.names import shown
from namepool.ends import ATTRIBUTE, Ended, Mortal, mortal_of
from namepool.errors import InvalidOwner
from namepool.lineage import Lineage, following, inherited_name, run_following

if TYPE_CHECKING:
    import asyncio
    from typing import TypeAlias

    OwnerLike: TypeAlias = (
        str | threading.Thread | asyncio.Task[Any] | pykka.ActorRef[Any] | pykka.ActorProxy[Any]
    )

P = ParamSpec("P")
R = TypeVar("R")


MAX_OWNER_LENGTH = 256
"""Longest owner id, in characters."""

_TASKS_IN_PYTHON = sys.version_info < (3, 12)
"""``asyncio.current_task`` is no C function yet, and costs more than all the rest."""

_running_tasks: Any = None
"""Its table, loop → task, once asyncio is there."""

_local = threading.local()
_modules = sys.modules
_module = _modules.get  # bound here: what is read for each log line is read at once
_acting = acting_as.get
_line = lineage.get


def current_owner() -> str:
    """Return the id of who is calling, on this thread and in this context; never blocks."""
    global _running_tasks
    scoped = _acting()
    if scoped is not None and (scoped.__class__ is str or cast("Any", scoped).is_here()):
        return scoped
    asyncio = _module("asyncio")  # nobody runs a task who has not imported it
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
    if "trio" in _modules and (task := trio_task()) is not None:
        return mortal_of(task, "task").owner
    try:
        return _local.owner  # type: ignore[no-any-return]
    except AttributeError:
        return _first_words_of_thread()


def noted_owner() -> str:
    """Return ``current_owner()``; what this context starts from now on inherits from it."""
    owner = current_owner()
    line = _line()
    if line is None or line[0] is not owner:
        lineage.set(following(owner, line))
    return owner


def own_lineage() -> Lineage:
    """Return the lineage of what the caller starts."""
    return following(current_owner(), lineage.get())


def name_of_caller(speaking: Mapping[str, str]) -> str | None:
    """Return the name that the caller speaks under in the pool of ``speaking``, or ``None``.

    Its own, or that of whoever started it: dict reads; no message, no lock.
    """
    name = speaking.get(current_owner())
    if name is None and (line := _line()) is not None:
        name = inherited_name(speaking, line)
    return name


@contextmanager
def owner_scope(owner: OwnerLike) -> Iterator[str]:
    """Speak as ``owner`` in this context until the ``with`` block ends; scopes nest.

    Tasks started inside are this owner too, threads are not (see ``inherit_owner``). While it has
    no name, it speaks under that of whoever enters the scope. An owner set this way never dies by
    itself: what it holds, it holds until it gives it back.

    Raises:
        InvalidOwner: see ``owner_id``
    """
    speaker = owner_id(owner)
    before = acting_as.get()  # not a token: it would be lost if we were struck before it is stored
    line = lineage.get()
    thread = threading.current_thread()
    try:
        acting_as.set(speaker)
        lineage.set(following(speaker, line))
        yield speaker
    finally:
        is_here = True
        try:
            # A struck ``with`` leaves this to a finaliser, which may run in somebody else's scope.
            is_here = threading.current_thread() is thread and acting_as.get() == speaker
        finally:
            if is_here:
                try:
                    acting_as.set(before)
                finally:
                    lineage.set(line)


def inherit_owner(func: Callable[P, R]) -> Callable[P, R]:
    """Return ``func`` so that, on whatever thread it runs, it speaks as the owner calling *now*.

    For tools run on a thread pool: ``executor.submit(inherit_owner(tool), argument)``. ``func`` may
    be a coroutine function; a generator function's body runs later, as whoever iterates.
    """
    from inspect import iscoroutinefunction  # a slow import, for the few who hand identity on

    owner, line = current_owner(), own_lineage()
    if iscoroutinefunction(func):

        @functools.wraps(func)
        async def speaking_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            before = lineage.get()
            try:
                lineage.set(line)
                with owner_scope(owner):
                    return await func(*args, **kwargs)
            finally:
                lineage.set(before)

        return cast("Callable[P, R]", speaking_async)

    @functools.wraps(func)
    def speaking(*args: P.args, **kwargs: P.kwargs) -> R:
        with owner_scope(owner):
            return run_following(line, func, *args, **kwargs)

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
            mortal_of(actor, owner.actor_urn)
        return owner.actor_urn
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and isinstance(owner, asyncio.Task):
        return mortal_of(owner, "task").owner
    raise InvalidOwner(
        "an owner must be an owner id, a threading.Thread, an asyncio.Task, a pykka.ActorRef or a "
        f"pykka.ActorProxy, not {type(owner).__name__}: {shown(owner)}"
    )


def _first_words_of_thread() -> str:
    """Mint the id of this thread; its local storage tells when it ends."""
    thread = threading.current_thread()
    if isinstance(thread, threading._DummyThread):  # noqa: SLF001  there is no other way to tell
        # Made for a thread that Python did not start, and handed on with its recycled ident.
        vars(thread).pop(ATTRIBUTE, None)
    owner = _thread_owner(thread)
    _local.mortal = Mortal(owner)
    mortal_of(thread, owner).__class__ = Ended
    _local.owner = owner
    return owner


def _first_words_of_task(task: asyncio.Task[Any]) -> str:
    """Mint the id of the *running* task; only it may add a callback to itself."""
    mortal = mortal_of(task, "task")
    task.add_done_callback(mortal.tell)
    task._namepool_speaker = mortal.owner  # type: ignore[attr-defined]  # noqa: SLF001
    return mortal.owner


def _thread_owner(thread: threading.Thread) -> str:
    known: Ended | None = vars(thread).get(ATTRIBUTE)
    if known is not None:
        return known.owner
    actor = _actor_of(thread)
    if actor is None:
        return mortal_of(thread, "thread").owner
    # One mortal for both, so that the end of the two is told once.
    mortal = mortal_of(actor, actor.actor_urn)
    return vars(thread).setdefault(ATTRIBUTE, mortal).owner  # type: ignore[no-any-return]


def _actor_of(thread: threading.Thread) -> pykka.Actor | None:
    """Return the actor whose loop this thread runs; a thread that ended runs none."""
    target = getattr(thread, "_target", None)
    actor = getattr(target, "__self__", None)
    is_loop = getattr(target, "__name__", "") == "_actor_loop"
    return actor if is_loop and isinstance(actor, pykka.Actor) else None
