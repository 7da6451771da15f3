"""Suspend the running task, on asyncio or on trio, until any thread calls back.

If a task of trio calls, the program has imported trio already, so this module never imports it. The
module imports asyncio only in a call by a task of asyncio. So a program that uses only threads does
not load either library through this module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from math import inf
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

Subscribe = Callable[[Callable[[], None]], object]


def trio_task() -> Any:
    """Return the trio task that runs on this thread; ``None`` if there is none."""
    trio = sys.modules.get("trio")
    if trio is None:
        return None
    try:
        return trio.lowlevel.current_task()
    except (AttributeError, RuntimeError):  # trio is being imported, or runs no task here
        return None


async def called_back(subscribe: Subscribe, timeout: float | None = None) -> None:
    """Pass a callback to ``subscribe``, and suspend the task until some thread calls it.

    The task is suspended for at most ``timeout`` seconds.
    """
    await (_on_asyncio if trio_task() is None else _on_trio)(subscribe, timeout)


def next_turn() -> Generator[Any, None, None]:
    """Let other tasks run, and let a cancellation arrive."""
    if trio_task() is None:
        yield
    else:
        yield from sys.modules["trio"].lowlevel.checkpoint().__await__()


async def _on_asyncio(subscribe: Subscribe, timeout: float | None) -> None:
    from asyncio import get_running_loop  # imported here, because threads do not need asyncio

    loop = get_running_loop()
    opened = loop.create_future()

    def wake() -> None:
        try:
            loop.call_soon_threadsafe(_finish, opened)
        except RuntimeError:
            pass  # the loop is closed, so nobody awaits any more

    alarm = None if timeout is None else loop.call_later(timeout, _finish, opened)
    try:
        subscribe(wake)
        await opened
    finally:
        if alarm is not None:
            alarm.cancel()


def _finish(opened: asyncio.Future[None]) -> None:
    from asyncio import InvalidStateError

    try:
        opened.set_result(None)
    except InvalidStateError:
        pass  # a handler of signals may cancel the task at any place: a look before would not help


async def _on_trio(subscribe: Subscribe, timeout: float | None) -> None:
    trio: Any = sys.modules["trio"]
    token = trio.lowlevel.current_trio_token()
    opened = trio.Event()

    def wake() -> None:
        try:
            token.run_sync_soon(opened.set)
        except RuntimeError:
            pass  # trio has ended, so nobody awaits any more

    subscribe(wake)
    with trio.move_on_after(inf if timeout is None else timeout):
        await opened.wait()
