"""``open_pool()`` and ``open_async_pool()``: supervisor, pool and handle, wired."""

from __future__ import annotations

import weakref
from contextlib import AbstractAsyncContextManager, ExitStack
from functools import partial
from typing import Any, Unpack, cast

from namepool.actors import Supervisor
from namepool.actors.inbox import Inbox
from namepool.actors.lifecycle import give_up
from namepool.ledgers.claims import wait_released
from namepool.pool.access import on_its_own_thread
from namepool.pool.actor import NamePool
from namepool.pool.async_handle import AsyncPoolHandle
from namepool.pool.handle import PoolHandle
from namepool.pool.options import NamePoolOptions


def open_pool(**options: Unpack[NamePoolOptions]) -> PoolHandle:
    """Start a supervised pool and return its handle; use it in a ``with`` block.

    A pool that dies is restarted with what it knew: leases, bindings and those who wait; after
    more than 3 deaths in 5 seconds it is given up, and every call raises ``pykka.ActorDeadError``.
    Blocks until the pool is up. It ends with its handle: at the end of the ``with`` block, or when
    nobody holds the handle any more.

    Args:
        options: those of ``NamePoolOptions``

    Raises:
        InvalidOption: an unknown option, or one of the wrong type or range
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
                root.stop(block=False)  # struck: it is stopped all the same
            forgotten.detach()
            if not inside:
                wait_released(spec.kwargs["source"])

        handle = PoolHandle(pool, close=close)
        # A ``with`` that was struck on its way in, or out, never closes what it was given.
        forgotten = weakref.finalize(handle, root.stop, block=False)
        forgotten.atexit = False
        undo.pop_all()
        return handle


def open_async_pool(
    **options: Unpack[NamePoolOptions],
) -> AbstractAsyncContextManager[AsyncPoolHandle]:
    """As ``open_pool``, for ``async with``: neither its start nor its end blocks the event loop.

    The pool has stopped when the block has ended; where a cancelled task cannot wait for that, the
    pool stops all the same.

    Args:
        options: those of ``NamePoolOptions``

    Raises:
        InvalidOption: by ``async with``: an unknown option, or one of the wrong type or range
    """
    return _Opened(options)


class _Opened(AbstractAsyncContextManager[AsyncPoolHandle]):
    def __init__(self, options: NamePoolOptions) -> None:
        self._open = partial(open_pool, **options)

    async def __aenter__(self) -> AsyncPoolHandle:
        # Given up on the way, the handle is dropped, and its pool ends with it.
        self._handle: PoolHandle = await on_its_own_thread(self._open)
        return AsyncPoolHandle(self._handle)

    async def __aexit__(self, *error: object) -> None:
        closed = on_its_own_thread(self._handle.close)
        if error[0] is not GeneratorExit:  # whoever closes a task does not run it on
            await closed
