"""``open_pool()``: supervisor, pool and handle, wired."""

from __future__ import annotations

import weakref
from typing import Any, cast

from namepool.actors import Supervisor
from namepool.actors.inbox import Inbox
from namepool.actors.launch import give_up
from namepool.pool.actor import NamePool
from namepool.pool.claims import wait_released
from namepool.pool.handle import PoolHandle


def open_pool(**options: Any) -> PoolHandle:
    """Start a supervised pool and return its handle; use it in a ``with`` block.

    Takes the options of ``NamePool.start``. A pool that dies is restarted with what it knew:
    leases, bindings and those who wait; after more than 3 deaths in 5 seconds it is given up, and
    every call raises ``pykka.ActorDeadError``. Blocks until the pool is up. It ends with its
    handle: at the end of the ``with`` block, or when nobody holds the handle any more.

    Raises:
        InvalidOption: an unknown option, or one of the wrong type or range
    """
    spec = NamePool.child_spec(**options)
    started: list[Any] = []
    try:
        root = Supervisor.start_for(started, children=[spec])
        pool = root.handle(spec.id)

        def close() -> None:
            # A finaliser that runs inside the pool cannot wait for its end.
            inside = pool.current is not None and cast("Inbox", pool.current.actor_inbox).is_mine()
            try:
                root.stop(block=not inside)
            except BaseException:
                root.stop(block=False)  # struck: it is stopped all the same
                raise
            forgotten.detach()
            if not inside:
                wait_released(spec.kwargs["source"])

        handle = PoolHandle(pool, close=close)
        # A ``with`` that was struck on its way in, or out, never closes what it was given.
        forgotten = weakref.finalize(handle, root.stop, block=False)
        forgotten.atexit = False
        return handle
    except BaseException:
        give_up(started)
        raise
