"""Tasks, callbacks and workers of asyncio's loop, and of uvloop's, speak as who began them."""

from __future__ import annotations

import asyncio
import contextvars
import importlib.util
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from namepool import inherit_everywhere
from tests.identity.scene import (
    PARTIES,
    Meeting,
    Part,
    Scene,
    as_tasks,
    as_threads,
    each_loop,
    each_round,
    host_of,
    run_on,
)
from tests.support import PATIENCE


async def task(part: Part, _: Meeting) -> None:
    await asyncio.create_task(part.talk())


async def task_that_takes_a_name(part: Part, _: Meeting) -> None:
    await asyncio.create_task(part.talk_as_another())


async def gather(part: Part, _: Meeting) -> None:
    await asyncio.gather(part.talk(), part.talk_as_another(), part.talk())


async def task_group(part: Part, _: Meeting) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(part.talk())
        group.create_task(part.talk_as_another())


async def wait_for(part: Part, _: Meeting) -> None:
    await asyncio.wait_for(part.talk(), PATIENCE)


async def eager_task(part: Part, _: Meeting) -> None:
    loop, factory = asyncio.get_running_loop(), asyncio.eager_task_factory  # type: ignore[attr-defined]
    first = factory(loop, part.talk_as_another())
    part.hear()
    second = factory(loop, part.talk())
    part.hear()
    await first
    await second


async def to_thread(part: Part, _: Meeting) -> None:
    await asyncio.to_thread(part.hear)


async def executor_with_a_copied_context(part: Part, _: Meeting) -> None:
    copied = contextvars.copy_context().run
    await asyncio.get_running_loop().run_in_executor(part.scene.plain, copied, part.hear)


async def named_executor(part: Part, _: Meeting) -> None:
    await asyncio.get_running_loop().run_in_executor(part.scene.named, part.hear)


async def executor_everywhere(part: Part, _: Meeting) -> None:
    with inherit_everywhere():
        await asyncio.get_running_loop().run_in_executor(part.scene.plain, part.hear)


def heard(part: Part, event: asyncio.Event) -> Callable[..., None]:
    """Return a callback that is heard, and sets the event."""

    def call(*_: object) -> None:
        part.hear()
        event.set()

    return call


async def call_soon(part: Part, _: Meeting) -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(heard(part, event))
    await event.wait()


async def call_later(part: Part, _: Meeting) -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(0, heard(part, event))
    await event.wait()


async def call_soon_threadsafe(part: Part, _: Meeting) -> None:
    loop, here, there = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    loop.call_soon_threadsafe(heard(part, here))
    await asyncio.to_thread(loop.call_soon_threadsafe, heard(part, there))
    await here.wait()
    await there.wait()


async def future_of_another(part: Part, meet: Meeting) -> None:
    """Each adds a callback to its future, which another one resolves."""
    event, left = asyncio.Event(), part.scene.left
    left[part.who] = future = asyncio.get_running_loop().create_future()
    future.add_done_callback(heard(part, event))
    await meet()
    left[PARTIES[PARTIES.index(part.who) - 1]].set_result(None)
    await event.wait()


async def task_of_another(part: Part, meet: Meeting) -> None:
    """Each adds a callback to the task of another one."""
    event, go, left = asyncio.Event(), asyncio.Event(), part.scene.left

    async def work() -> None:
        await go.wait()
        part.hear()

    left[part.who] = mine = asyncio.create_task(work())
    await meet()
    left[PARTIES[PARTIES.index(part.who) - 1]].add_done_callback(heard(part, event))
    await meet()
    go.set()
    await mine
    await event.wait()


async def callbacks_of_executors(part: Part, _: Meeting) -> None:
    """A worker runs them in its own context, unless the work was done before."""
    scene, called = part.scene, threading.Semaphore(0)
    for workers in (scene.plain, scene.named):
        added = threading.Event()
        future = workers.submit(added.wait, PATIENCE)
        for call in (part.hear_or_nobody, lambda _: called.release()):
            future.add_done_callback(call)
        added.set()
        assert await asyncio.to_thread(called.acquire, timeout=PATIENCE)
        future.add_done_callback(lambda _: part.hear())


WAYS: list[Any] = [
    *(task, task_that_takes_a_name, gather, task_group, wait_for),
    *([] if sys.version_info < (3, 12) else [eager_task]),
    *(to_thread, executor_with_a_copied_context, named_executor, executor_everywhere),
    *(call_soon, call_later, call_soon_threadsafe, future_of_another, task_of_another),
    callbacks_of_executors,
]


@each_round
@each_loop
@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_what_a_task_begins_speaks_as_the_task(
    way: Any, loop: str, rounds: int, scene: Scene
) -> None:
    run_on(loop, lambda: as_tasks(scene, rounds, way))
    scene.ears.check(at_least=3 * 4 * rounds)


@each_round
@pytest.mark.skipif(sys.version_info < (3, 12), reason="there are no eager tasks yet")
def test_under_a_factory_of_eager_tasks_each_task_speaks_as_itself(
    rounds: int, scene: Scene
) -> None:
    async def ways(part: Part, meet: Meeting) -> None:
        for way in (task, task_that_takes_a_name, gather, task_group, task_of_another):
            await way(part, meet)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
        await as_tasks(scene, rounds, ways)

    asyncio.run(main())
    scene.ears.check(at_least=3 * 10 * rounds)


@each_round
@each_loop
def test_what_other_threads_have_a_loop_do_speaks_as_them_though_its_thread_has_a_name(
    loop: str, rounds: int, scene: Scene
) -> None:
    def way(part: Part, meet: Callable[[], object]) -> None:
        called = threading.Event()
        running.call_soon_threadsafe(part.hear)
        meet()
        running.call_soon_threadsafe(heard_on(part, called))
        asyncio.run_coroutine_threadsafe(part.talk_as_another(), running).result(PATIENCE)
        assert called.wait(PATIENCE)

    async def serve(ready: Callable[..., object], leave: threading.Event) -> None:
        host = scene.pool.speaker()
        ready(asyncio.get_running_loop())
        await asyncio.to_thread(leave.wait, PATIENCE * 6)
        scene.ears.hear(host)

    with host_of(scene.pool, lambda *args: run_on(loop, lambda: serve(*args))) as running:
        as_threads(scene, rounds, way)
    scene.ears.check(at_least=3 * 6 * rounds)


def heard_on(part: Part, event: threading.Event) -> Callable[[], None]:
    """As ``heard``, for an event of threads."""

    def call() -> None:
        part.hear()
        event.set()

    return call


@pytest.mark.proof
@pytest.mark.skipif("NAMEPOOL_CI" not in os.environ, reason="elsewhere, what is missing is skipped")
@pytest.mark.parametrize("library", ["fastapi", "uvicorn", "uvloop"])
def test_no_library_is_missing_without_which_tests_of_identity_are_skipped(library: str) -> None:
    assert importlib.util.find_spec(library) is not None
