"""The owner of record of a request: the party that calls.

An owner is a string. ``current_owner`` looks for it in this order:

1. an explicit ``owner_scope``;
2. the asyncio or trio task that runs;
3. the Pykka actor whose thread this is;
4. the thread.

The search happens at the place of the call, so it never finds the pool's own actor by accident. The
operating system recycles the idents of threads, so no id is made of them. Each ``Thread`` or
``Task`` object gets an id once. The name under which the caller speaks is another question: see
``speaking``.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pykka

from namepool.actors import acting
from namepool.actors.suspending import trio_task
from namepool.core.names import shown
from namepool.ends import ATTRIBUTE, Identity, ended, identity_of, watch, watch_again
from namepool.errors import InvalidOwner

if TYPE_CHECKING:
    import asyncio
    from typing import TypeAlias

    from namepool.actors.service_actor import Acting

    OwnerLike: TypeAlias = (
        str | threading.Thread | asyncio.Task[Any] | pykka.ActorRef[Any] | pykka.ActorProxy[Any]
    )


MAX_OWNER_LENGTH = 256
"""The most characters in an owner id."""

_MADE_UP = ("namepool:", "urn:uuid:")
"""The beginnings of the ids that namepool makes for threads and tasks, and Pykka for actors."""

_TASKS_IN_PYTHON = sys.version_info < (3, 12)
"""Before 3.12, ``asyncio.current_task`` is no C function, and costs more than all the rest."""

_running_tasks: Any = None
"""The table of asyncio, loop → task, once asyncio is imported."""

_local = threading.local()
_modules = sys.modules
_module = _modules.get  # bound here, because each log line reads them
_acting = acting.get


class Scope:
    """The owner that a program has set for a context and its copies."""

    __slots__ = ("before", "entered_by", "is_broken_off", "is_over", "owner", "stack")

    def __init__(self, owner: str, entered_by: tuple[str, ...]) -> None:
        self.entered_by: tuple[str, ...] = entered_by
        """The owners that entered this scope and the scopes around it.

        The owner of this scope may speak under their names.
        """
        self.owner: str = owner
        self.before: Acting | None = _acting()
        """The scope or actor that acted here before, until it is put back.

        If a generator is broken off, that is later than the end of the scope.
        """
        self.stack: str = whose_stack()
        self.is_over: bool = False
        self.is_broken_off: bool = False
        """It ended where it could not be put back, as in a generator that another task closed."""

    def is_here(self) -> bool:
        """Tell whether the scope's owner is the owner of the caller's context now.

        This is true until the scope's block ends. In a task that was started in the block, it stays
        true after the end of the block. But if the scope was broken off (``is_broken_off``), the
        result is ``False`` everywhere after the end of the block.
        """
        return not self.is_over or not (self.is_broken_off or self.stack == whose_stack())


def current_owner() -> str:
    """Return the id of the caller on this thread and in this context; never block.

    Examples:
        >>> with namepool.owner_scope("planner-7"):
        ...     namepool.current_owner()
        'planner-7'
        >>> namepool.current_owner()
        'namepool:thread:...'
    """
    scoped = _acting()
    if scoped is not None and (scoped.is_here() or (scoped := _put_back(scoped)) is not None):
        return scoped.owner
    return whose_stack()


def _put_back(scoped: Acting) -> Acting | None:
    """Leave the scopes that ended in another context; return the scope or actor that acts now."""
    while isinstance(scoped, Scope):
        before = scoped.before
        acting.set(before)
        if before is None or before.is_here():
            return before
        scoped = before
    return None


def owners_here() -> tuple[str, ...]:
    """Return the id of the caller, and the ids of the owners that entered the scopes around it."""
    owner = current_owner()
    scope = _acting()
    entered_by = scope.entered_by if isinstance(scope, Scope) else ()
    return tuple(dict.fromkeys((owner, *entered_by)))


def is_scoped() -> bool:
    """Tell whether the caller is an owner that a program has set, by ``owner_scope``."""
    current_owner()  # this leaves the scopes that are over
    return isinstance(_acting(), Scope)


def whose_stack() -> str:
    """Return the id of the task, actor or thread whose stack this is."""
    global _running_tasks
    asyncio = _module("asyncio")  # without this import no task runs
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
            task = None  # another thread is importing asyncio right now
        if task is not None:
            try:
                owner: str = task._namepool_speaker  # noqa: SLF001  set by this module
                return owner
            except AttributeError:
                return _first_words_of_task(task)
    if "trio" in _modules and (task := trio_task()) is not None:
        return identity_of(task, "task").owner
    try:
        return _local.owner  # type: ignore[no-any-return]
    except AttributeError:
        return _first_words_of_thread()


@contextmanager
def owner_scope(owner: OwnerLike) -> Iterator[str]:
    """Be ``owner`` in this context until the ``with`` block ends. Scopes nest.

    A task that is started in the block is this owner, too. A thread is not (see ``inherit_owner``).
    While the owner has no name, it speaks under the name of the caller that enters the scope. An
    owner that is set this way never ends by itself. It holds its names until it gives them back.

    Raises:
        InvalidOwner: ``owner`` cannot be an owner: see ``owner_id``

    Examples:
        >>> pool = namepool.open_pool(source=namepool.NumberedNames())
        >>> with namepool.owner_scope("planner-7"):
        ...     pool.checkout_name()
        'NPC #1'
        >>> pool.get_name_by_owner("planner-7")
        'NPC #1'
    """
    with entered(Scope(owner_id(owner), owners_here())):
        yield owner_id(owner)


@contextmanager
def entered(scope: Scope) -> Iterator[None]:
    """Make the scope's owner the owner of this context, until the ``with`` block ends."""
    try:  # no ``contextvars`` token: an exception from outside could come before it is stored
        acting.set(scope)
        yield
    finally:
        scope.is_over = True  # first, because an exception from outside may cut the rest short
        scope.is_broken_off = _acting() is not scope or scope.stack != whose_stack()
        if not scope.is_broken_off:
            acting.set(scope.before)
            scope.before = None  # so that an endless chain of tasks keeps no scopes


def owner_id(owner: object) -> str:
    """Return the id of ``owner``: an id, a thread, a task, an actor's ref or an actor's proxy.

    Raises:
        InvalidOwner: ``owner`` is none of these, or is a string that is empty, longer than 256
            characters or unprintable

    Examples:
        >>> import threading
        >>> namepool.owner_id(threading.Thread())
        'namepool:thread:...'
        >>> namepool.owner_id("planner-7")
        'planner-7'
    """
    if isinstance(owner, str):
        owner = str.__str__(owner)  # a subclass may have methods that lie
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
            identity_of(actor, owner.actor_urn)
        return owner.actor_urn
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and isinstance(owner, asyncio.Task):
        return identity_of(owner, "task").owner
    raise InvalidOwner(
        "an owner must be an owner id, a threading.Thread, an asyncio.Task, a pykka.ActorRef or a "
        f"pykka.ActorProxy, not {type(owner).__name__}: {shown(owner)}"
    )


def is_named_by_program(owner: str) -> bool:
    """Tell whether the program itself named this owner, by ``owner_scope`` or by ``owner=``.

    The other owners are threads, tasks and actors. Their ids end with the process.
    """
    return not owner.startswith(_MADE_UP)


def given_owner(owner: object) -> str:
    """Return the id of ``owner``, as ``owner_id`` does. Another party takes a name for this owner.

    The owner may be a thread that has ended already. Then the pools are told of its end once more,
    when its ``Thread`` object is deleted. So they can take the name back.
    """
    given = owner_id(owner)
    if isinstance(owner, threading.Thread):
        watch_again(vars(owner)[ATTRIBUTE])
    return given


def _first_words_of_thread() -> str:
    """Mint the id of this thread. The thread's local storage tells when the thread ends."""
    thread = threading.current_thread()
    if isinstance(thread, threading._DummyThread):  # noqa: SLF001  there is no other way to tell
        # Python makes a dummy for a thread that it did not start, and hands the dummy on when the
        # operating system recycles the ident.
        vars(thread).pop(ATTRIBUTE, None)
    owner = _thread_owner(thread)
    _local.identity = identity = Identity(owner)
    watch(identity)
    _local.owner = owner
    return owner


def _first_words_of_task(task: asyncio.Task[Any]) -> str:
    """Mint the id of the *running* task. Only the task itself may add a callback to it."""
    owner = identity_of(task, "task").owner
    task.add_done_callback(partial(_task_ended, owner))
    task._namepool_speaker = owner  # type: ignore[attr-defined]  # noqa: SLF001
    return owner


def _task_ended(owner: str, _: object) -> None:
    ended(owner)


def _thread_owner(thread: threading.Thread) -> str:
    known: Identity | None = vars(thread).get(ATTRIBUTE)
    if known is not None:
        return known.owner
    actor = _actor_of(thread)
    if actor is None:
        return identity_of(thread, "thread").owner
    # The thread and the actor share one identity, so that their end is told once.
    identity = identity_of(actor, actor.actor_urn)
    return vars(thread).setdefault(ATTRIBUTE, identity).owner  # type: ignore[no-any-return]


def _actor_of(thread: threading.Thread) -> pykka.Actor | None:
    """Return the actor whose loop this thread runs. A thread that has ended runs none."""
    target = getattr(thread, "_target", None)
    actor = getattr(target, "__self__", None)
    is_loop = getattr(target, "__name__", "") == "_actor_loop"
    return actor if is_loop and isinstance(actor, pykka.Actor) else None
