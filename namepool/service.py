"""``open_pool()``: supervision, pool and handle, wired."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any, NamedTuple, cast

from namepool.actors import ActorHandle, ChildSpec, ServiceActor, ServiceRef
from namepool.handle import PoolHandle
from namepool.pool import NamePool

logger = logging.getLogger(__name__)

MAX_RESTARTS = 3
MAX_SECONDS = 5.0


class _ChildDied(NamedTuple):
    child: ServiceRef[Any]
    reason: str | None


class _Ready(NamedTuple):
    """Answered once the child is up."""


class _Keeper(ServiceActor):
    """Keeps one child running: up to ``MAX_RESTARTS`` restarts in ``MAX_SECONDS`` seconds."""

    def __init__(self, spec: ChildSpec, handle: ActorHandle) -> None:
        super().__init__()
        self._spec = spec
        self._handle = handle
        self._restarts: deque[float] = deque()
        self._handlers.update({_ChildDied: self._child_died, _Ready: lambda _: None})

    def on_start(self) -> None:
        self._child = self._start_child()

    def _start_child(self) -> ServiceRef[Any]:
        child = cast("ServiceRef[Any]", self._spec.start())
        child.watch(lambda reason: self._actor_ref.post(_ChildDied(child, reason)))
        self._handle.install(child)
        return child

    def _child_died(self, message: _ChildDied) -> None:
        if message.child is not self._child:
            return
        now = self.actor_inbox.clock()
        self._restarts.append(now)
        while now - self._restarts[0] > MAX_SECONDS:
            self._restarts.popleft()
        if len(self._restarts) > MAX_RESTARTS:
            logger.error("%s: giving up: %s", self._spec.id, message.reason)
            self.stop()
            return
        logger.warning("%s: restart %d: %s", self._spec.id, len(self._restarts), message.reason)
        self._child = self._start_child()

    def on_stop(self) -> None:
        self._handle.close("stopped")
        self._child.stop(block=False)


def open_pool(**options: Any) -> PoolHandle:
    """Start a supervised pool and return its handle; use it in a ``with`` block.

    Takes the options of ``NamePool.start``. A pool that dies is restarted with what it knew:
    leases, bindings and those who wait. Blocks until the pool has been made.

    Raises:
        InvalidOption: an unknown option, or one of the wrong type or range
    """
    spec = NamePool.child_spec(**options)
    handle = ActorHandle(spec.id)
    keeper = cast("ServiceRef[_Keeper]", _Keeper.start(spec, handle))
    keeper.ask(_Ready())

    def close() -> None:
        keeper.stop()
        child = cast("ServiceRef[Any] | None", handle.current)
        if child is not None:
            child.wait_gone()

    return PoolHandle(handle, speaking=spec.kwargs["state"].speaking, close=close)
