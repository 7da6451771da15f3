"""``open_pool()`` and ``open_async_pool()``: they start a supervised pool and return its handle."""

from __future__ import annotations

import weakref
from contextlib import AbstractAsyncContextManager, ExitStack
from typing import Any, Unpack, cast

from namepool.actors import Supervisor
from namepool.actors.bare import raises_bare
from namepool.actors.inbox import Inbox
from namepool.actors.lifecycle import give_up
from namepool.errors import NamePoolError
from namepool.ledgers.claims import wait_released
from namepool.pool.access import on_its_own_thread
from namepool.pool.actor import NamePool
from namepool.pool.async_handle import AsyncPoolHandle
from namepool.pool.handle import PoolHandle
from namepool.pool.options import NamePoolOptions


@raises_bare(NamePoolError)
def open_pool(**options: Unpack[NamePoolOptions]) -> PoolHandle:
    """Start a supervised pool and return its handle, which is used in a ``with`` block.

    The call blocks until the pool is up. If the pool dies, its supervisor restarts it, and it still
    knows its leases, its bindings and its waiting callers. After more than 3 deaths in 5 seconds
    the supervisor gives the pool up, and every call raises ``pykka.ActorDeadError``. The pool ends
    with its handle: at the end of the ``with`` block, or when nobody holds the handle any more.

    Args:
        options: the options of ``NamePoolOptions``

    Raises:
        InvalidOption: an option is unknown, or has a wrong type or range

    Examples:
        >>> with namepool.open_pool(source=namepool.NumberedNames()) as pool:
        ...     with pool.named() as name:
        ...         print(name, "is at work")
        NPC #1 is at work
    """
    spec = NamePool.child_spec(**options)
    started: list[Any] = []
    with ExitStack() as undo:
        undo.callback(give_up, started)
        root = Supervisor.start_for(started, children=[spec])
        pool = root.handle(spec.id)

        def close() -> None:
            # A finaliser that runs inside the pool cannot wait for its end.
            inside = pool.current is not None and cast("Inbox", pool.current.actor_inbox).is_mine()
            try:
                root.stop(block=not inside)
            finally:
                root.stop(block=False)  # an exception from outside may have cut the stop short
            forgotten.detach()
            if not inside:
                wait_released(spec.kwargs["source"])

        handle = PoolHandle(pool, close=close)
        # An exception from outside may strike before a ``with`` has entered the handle, or while
        # it leaves it. Such a ``with`` never closes the handle; this finaliser stops the pool.
        forgotten = weakref.finalize(handle, root.stop, block=False)
        forgotten.atexit = False
        undo.pop_all()
        return handle


def open_async_pool(
    **options: Unpack[NamePoolOptions],
) -> AbstractAsyncContextManager[AsyncPoolHandle]:
    """Return an ``async with`` block that starts a supervised pool and stops it at its end.

    It is ``open_pool`` for tasks: neither its start nor its end blocks the event loop. When the
    block has ended, the pool has stopped. If the task is cancelled and cannot wait for that, the
    pool still stops.

    Args:
        options: the options of ``NamePoolOptions``

    Raises:
        InvalidOption: an option is unknown, or has a wrong type or range; ``async with`` raises it

    Examples:
        >>> async with namepool.open_async_pool(source=namepool.NumberedNames()) as pool:
        ...     async with pool.named() as name:
        ...         print(name, "is at work")
        NPC #1 is at work
    """
    return _Opened(options)


class _Opened(AbstractAsyncContextManager[AsyncPoolHandle]):
    def __init__(self, options: NamePoolOptions) -> None:
        self._options = options

    def _open(self) -> PoolHandle:  # no partial, whose repr would show the options in a traceback
        return open_pool(**self._options)

    async def __aenter__(self) -> AsyncPoolHandle:
        # If the task is cancelled meanwhile, the handle is dropped, and its pool ends with it.
        self._handle: PoolHandle = await on_its_own_thread(self._open)
        return AsyncPoolHandle(self._handle)

    async def __aexit__(self, *error: object) -> None:
        closed = on_its_own_thread(self._handle.close)
        if error[0] is not GeneratorExit:  # a task that is being closed runs no further
            await closed
