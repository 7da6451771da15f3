"""Tasks, workers and callbacks of trio, and of anyio on both loops, speak as who began them."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
import trio

from namepool import inherit_owner
from tests.identity.scene import Meeting, Part, Scene, as_tasks, as_threads, each_round, host_of
from tests.support import PATIENCE

BACKENDS = ["asyncio", "trio"]


# Ways of anyio


async def start_soon(part: Part, _: Meeting) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(part.talk)
        group.start_soon(part.talk_as_another)


async def start(part: Part, _: Meeting) -> None:
    async def service(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        part.hear()
        task_status.started()
        await part.talk_as_another()

    async with anyio.create_task_group() as group:
        await group.start(service)


async def to_thread(part: Part, _: Meeting) -> None:
    await anyio.to_thread.run_sync(part.hear)


async def to_thread_as_an_owner(part: Part, _: Meeting) -> None:
    await anyio.to_thread.run_sync(inherit_owner(part.hear))


async def from_thread(part: Part, _: Meeting) -> None:
    def work() -> None:
        part.hear()
        anyio.from_thread.run_sync(part.hear)
        anyio.from_thread.run(part.talk_as_another)
        part.hear()

    await anyio.to_thread.run_sync(work)


# Ways of trio


async def nursery(part: Part, _: Meeting) -> None:
    async with trio.open_nursery() as crew:
        crew.start_soon(part.talk)
        crew.start_soon(part.talk_as_another)


async def nursery_of_another(part: Part, meet: Meeting) -> None:
    """Each starts a task in a nursery that another one has opened."""
    async with trio.open_nursery() as crew:
        part.scene.left[part.who] = crew
        await meet()
        others = [crew for who, crew in part.scene.left.items() if who != part.who]
        for other in others:
            other.start_soon(part.talk_as_another)
        await meet()


async def thread_of_trio(part: Part, _: Meeting) -> None:
    def work() -> None:
        part.hear()
        trio.from_thread.run_sync(part.hear)
        trio.from_thread.run(part.talk_as_another)
        part.hear()

    await trio.to_thread.run_sync(work)


async def run_sync_soon(part: Part, _: Meeting) -> None:
    """Trio runs it in a context of its own, unless it is given one."""
    token, called = trio.lowlevel.current_trio_token(), trio.Event()
    copied = contextvars.copy_context().run
    token.run_sync_soon(part.hear_or_nobody)
    token.run_sync_soon(partial(copied, part.hear))
    token.run_sync_soon(called.set)
    await called.wait()


async def system_task(part: Part, _: Meeting) -> None:
    """Trio runs it in a context of its own, unless it is given one."""
    done = trio.Event()

    async def work(hear: Callable[[], None]) -> None:
        hear()
        await trio.lowlevel.checkpoint()
        hear()
        done.set()

    trio.lowlevel.spawn_system_task(work, part.hear_or_nobody)
    await done.wait()
    done = trio.Event()
    trio.lowlevel.spawn_system_task(work, part.hear, context=contextvars.copy_context())
    await done.wait()


OF_ANYIO: list[Any] = [start_soon, start, to_thread, to_thread_as_an_owner, from_thread]
OF_TRIO: list[Any] = [nursery, nursery_of_another, thread_of_trio, run_sync_soon, system_task]


@each_round
@pytest.mark.parametrize(
    ("way", "backend"),
    [*((way, name) for way in OF_ANYIO for name in BACKENDS), *((way, "trio") for way in OF_TRIO)],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_a_task_begins_speaks_as_the_task(
    way: Any, backend: str, rounds: int, scene: Scene
) -> None:
    anyio.run(as_tasks, scene, rounds, way, backend=backend)
    scene.ears.check(at_least=3 * 4 * rounds)


@each_round
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_other_threads_have_a_portal_do_speaks_as_them_though_its_thread_has_a_name(
    backend: str, rounds: int, scene: Scene
) -> None:
    def way(part: Part, meet: Callable[[], object]) -> None:
        portal.call(part.hear)
        meet()
        future = portal.start_task_soon(part.talk_as_another)
        portal.call(part.talk)
        future.result(PATIENCE)

    async def serve(ready: Callable[..., object], leave: threading.Event) -> None:
        host = scene.pool.speaker()
        async with anyio.from_thread.BlockingPortal() as portal:
            ready(portal)
            await anyio.to_thread.run_sync(leave.wait, PATIENCE * 6)
        scene.ears.hear(host)

    def run(*args: Any) -> None:
        anyio.run(serve, *args, backend=backend)

    with host_of(scene.pool, run) as portal:
        as_threads(scene, rounds, way)
    scene.ears.check(at_least=3 * 6 * rounds)
