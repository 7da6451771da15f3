"""Several names of one agent, several pools, nobody at all, and a forked child."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import anyio
import anyio.to_thread
import pytest

from namepool import (
    DEFAULT_NAME,
    PoolHandle,
    inherit_everywhere,
    inherit_owner,
    named_thread,
)
from tests.identity.scene import (
    AGENTS,
    PARTIES,
    STRANGER,
    Ears,
    Meeting,
    Part,
    Scene,
    as_tasks,
    as_threads,
    each_round,
    new_pool,
)
from tests.support import PATIENCE

BACKENDS = ["asyncio", "trio"]
ORDERS = [*itertools.permutations(range(4))]


# Several names at once


def take(pool: PoolHandle, how: int) -> tuple[str, Callable[[], object]]:
    """Take one more name, in one of several ways; return it, and how it is given back."""
    if how == 0:
        name = pool.checkout_name()
        return name, lambda: pool.checkin_name(name)
    if how == 1:
        block = pool.named()
        return block.__enter__(), lambda: block.__exit__(None, None, None)
    if how == 2:
        name = pool.checkout_name(owner="somebody else")
        block = pool.speaking_as(name)

        def leave() -> None:
            block.__exit__(None, None, None)
            pool.checkin_name(name, owner="somebody else")

        return block.__enter__(), leave
    future: Any = pool._target.proxy().checkout_name()  # type: ignore[attr-defined]
    name = future.get(timeout=PATIENCE)
    return name, lambda: pool.checkin_name(name)


def give_back_in_order(part: Part, order: tuple[int, ...]) -> Iterator[None]:
    """Take names one above the other, give them back in any order; the latest left is spoken."""
    held: list[tuple[str, Callable[[], object]]] = []
    for n in range(len(order)):
        held.append(take(part.scene.pool, (n + part.number) % 4))
        part.scene.ears.hear(held[-1][0])
        yield
    left = dict(enumerate(held))
    for n in order:
        left.pop(n)[1]()
        yield
        latest = max(left, default=None)
        part.scene.ears.hear(part.mine if latest is None else left[latest][0])


@each_round
@pytest.mark.parametrize("backend", BACKENDS)
def test_of_the_names_that_a_task_has_left_the_latest_is_spoken(
    backend: str, rounds: int, scene: Scene
) -> None:
    async def way(part: Part, _: Meeting) -> None:
        for _step in give_back_in_order(part, ORDERS[part.number % len(ORDERS)]):
            await anyio.lowlevel.checkpoint()

    anyio.run(as_tasks, scene, rounds, way, backend=backend)
    scene.ears.check(at_least=rounds * 3 * 10)


@each_round
def test_of_the_names_that_a_thread_has_left_the_latest_is_spoken(
    rounds: int, scene: Scene
) -> None:
    def way(part: Part, _: object) -> None:
        for _step in give_back_in_order(part, ORDERS[part.number % len(ORDERS)]):
            pass

    as_threads(scene, rounds, way)
    scene.ears.check(at_least=rounds * 3 * 10)


@each_round
def test_a_name_that_a_task_takes_later_is_its_own_and_not_that_of_tools_it_has_started(
    rounds: int, scene: Scene
) -> None:
    async def way(part: Part, meet: Meeting) -> None:
        hear, pool, may_go, on_thread = (
            scene.ears.hear,
            scene.pool,
            asyncio.Event(),
            threading.Event(),
        )

        async def tool() -> None:
            await may_go.wait()
            part.hear()

        def tool_on_thread() -> None:
            on_thread.wait(PATIENCE)
            part.hear()

        started = [asyncio.create_task(tool()) for _ in range(2)]
        working = asyncio.create_task(asyncio.to_thread(tool_on_thread))
        await asyncio.sleep(0)
        flat = await scene.async_pool.checkout_name() if part.number % 2 else pool.checkout_name()
        hear(flat)
        later = asyncio.create_task(asyncio.to_thread(hear, flat))
        await meet()
        may_go.set()
        on_thread.set()
        await asyncio.gather(working, *started)
        hear(flat)
        await later
        pool.checkin_name(flat)

    asyncio.run(as_tasks(scene, rounds, way))
    scene.ears.check(at_least=rounds * 3 * 6)


@each_round
def test_a_name_that_a_thread_takes_later_is_its_own_and_not_that_of_tools_it_has_started(
    rounds: int, scene: Scene
) -> None:
    def way(part: Part, meet: Callable[[], object]) -> None:
        hear, may_go = scene.ears.hear, threading.Event()

        def tool() -> None:
            may_go.wait(PATIENCE)
            part.hear()

        tools = [named_thread(tool), threading.Thread(target=inherit_owner(tool))]
        if part.who == STRANGER:
            tools = tools[:1]  # to lend an owner is to be it, and it has taken a name by then
        for thread in tools:
            thread.start()
        flat = scene.pool.checkout_name()
        hear(flat)
        meet()
        may_go.set()
        for thread in tools:
            thread.join(PATIENCE)
        hear(flat)
        scene.pool.checkin_name(flat)

    as_threads(scene, rounds, way)
    scene.ears.check(at_least=rounds * 3 * 4)


# Two pools


@each_round
def test_what_is_said_in_one_pool_is_not_said_in_another(rounds: int, scene: Scene) -> None:
    second = Ears(new_pool())

    async def way(part: Part, meet: Meeting) -> None:
        async def tool(other: str) -> None:
            part.hear()
            second.hear(other)
            with scene.pool.named() as own:
                await meet()
                scene.ears.hear(own)
                second.hear(other)
            part.hear()

        second.hear()
        with second.pool.named() as other:
            await asyncio.create_task(tool(other))
            flat = second.pool.checkout_name()
            await asyncio.to_thread(second.hear, flat)
            await asyncio.to_thread(part.hear)
            with scene.pool.unnamed():
                second.hear(flat)
                scene.ears.hear()
            with second.pool.unnamed():
                second.hear()
                part.hear()
            second.pool.checkin_name(flat)
            second.hear(other)
        second.hear()

    asyncio.run(as_tasks(scene, rounds, way))
    scene.ears.check(at_least=rounds * 3 * 6)
    second.check(at_least=rounds * 3 * 7)


# Nobody


@each_round
def test_in_an_unnamed_block_a_task_and_what_it_starts_are_nobody_and_stay_it(
    rounds: int, scene: Scene
) -> None:
    hear, pool = scene.ears.hear, scene.pool

    async def way(part: Part, meet: Meeting) -> None:
        goes_on = asyncio.Event()

        async def worker() -> None:
            hear()
            await goes_on.wait()
            hear()
            with pool.named() as own:
                await asyncio.to_thread(hear, own)

        with (scene.async_pool if part.number % 2 else pool).unnamed():
            hear()
            started = asyncio.create_task(worker())
            await asyncio.to_thread(hear)
            await meet()
            with pool.named() as own:
                hear(own)
                await asyncio.create_task(asyncio.to_thread(hear, own))
            hear()
        part.hear()
        goes_on.set()
        await started

    asyncio.run(as_tasks(scene, rounds, way))
    scene.ears.check(at_least=rounds * 3 * 10)


@each_round
def test_a_worker_that_is_started_in_an_unnamed_block_works_for_all_as_nobody(
    rounds: int, scene: Scene
) -> None:
    """As a scheduler or a client library starts one in the middle of an agent's work."""

    def way(part: Part, meet: Callable[[], object]) -> None:
        jobs: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()

        def work() -> None:
            for job in iter(jobs.get, leave):
                job()

        def leave() -> None: ...

        with scene.pool.unnamed():
            workers = [named_thread(work), threading.Thread(target=work)]
            for worker in workers:
                worker.start()
        part.scene.left[part.who] = jobs
        meet()
        for whose in PARTIES:
            part.scene.left[whose].put(scene.ears.hear)
            part.scene.left[whose].put(inherit_owner(part.hear))  # as it is asked to, for once
        part.hear()
        meet()
        for _ in workers:
            jobs.put(leave)
        for worker in workers:
            worker.join(PATIENCE)

    with inherit_everywhere():
        as_threads(scene, rounds, way)
    scene.ears.check(at_least=rounds * 3 * 8)


@each_round
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_in_a_forked_child_each_context_is_nobody_and_in_the_parent_as_before(
    rounds: int, scene: Scene
) -> None:
    pool = scene.pool
    for number in range(rounds):
        with ExitStack() as blocks:
            contexts = {who: contextvars.Context() for who in PARTIES}
            names = {who: contexts[who].run(blocks.enter_context, pool.named()) for who in AGENTS}
            names[STRANGER] = DEFAULT_NAME

            here = [contexts[who].copy().run for who in PARTIES]

            def speakers(runs: list[Any] = here) -> set[str]:
                return {pool.speaker(), *(run(pool.speaker) for run in runs)}

            forking = contexts[PARTIES[number % 3]]
            assert forking.run(said_by_child, speakers) == str({DEFAULT_NAME})
            for who in PARTIES:
                contexts[who].run(scene.ears.hear, names[who])
            # Its blocks began in other contexts than this one, where they end.
    scene.ears.check(at_least=rounds * 3)


def said_by_child(speak: Callable[[], object]) -> str:
    """Fork; return what ``speak`` returned in the child."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, str(speak()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(child, 0)
    return text


@each_round
@pytest.mark.parametrize("is_new", [True, False], ids=["checkout_name", "associate_name"])
def test_a_call_that_another_task_awaits_names_the_task_that_made_it(
    is_new: bool, rounds: int, scene: Scene
) -> None:
    pool, left = scene.async_pool, scene.left

    async def way(part: Part, meet: Meeting) -> None:
        saved = f"Saved {part.who.title()} {part.number}"
        left[part.who] = pool.checkout_name() if is_new else pool.associate_name(saved)
        await meet()
        whose = PARTIES[PARTIES.index(part.who) - 1]
        left[f"name of {whose}"] = await left[whose]
        await meet()
        name = left[f"name of {part.who}"]
        scene.ears.hear(name)
        await asyncio.create_task(asyncio.to_thread(scene.ears.hear, name))
        assert await pool.checkin_name(name)
        part.hear()
        await meet()

    asyncio.run(as_tasks(scene, rounds, way))
    scene.ears.check(at_least=rounds * 3 * 6)


@each_round
def test_a_task_speaks_again_under_an_earlier_name_though_other_tasks_await_the_call(
    rounds: int, scene: Scene
) -> None:
    pool, hear = scene.async_pool, scene.ears.hear

    async def way(part: Part, meet: Meeting) -> None:
        saved = f"Saved {part.who.title()} {part.number}"
        assert await pool.associate_name(saved) == saved
        later = await pool.checkout_name()
        hear(later)
        await meet()
        await asyncio.gather(pool.associate_name(saved), asyncio.to_thread(hear, saved))
        hear(saved)
        await pool.checkin_name(saved)
        hear(later)
        await pool.checkin_name(later)

    asyncio.run(as_tasks(scene, rounds, way))
    scene.ears.check(at_least=rounds * 3 * 6)
