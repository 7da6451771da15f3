"""What is ended in another context, or never begins, changes nobody's name but its own."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pykka
import pytest

import namepool
from namepool import AsyncPoolHandle, NumberedNames, PoolHandle, open_pool, owner_scope
from namepool.owners import owners_here
from namepool.speaking import chain
from tests.support import on_thread


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def pool() -> Iterator[PoolHandle]:
    with open_pool(source=NumberedNames(), chunk_size=50) as pool:
        yield pool


@pytest.fixture
def tasks(pool: PoolHandle) -> AsyncPoolHandle:
    return AsyncPoolHandle(pool)


def length() -> int:
    """Return how many links this context has."""
    count, link = 0, chain.get()
    while link is not None:
        count, link = count + 1, link.before
    return count


def test_an_unnamed_block_that_another_agent_closes_leaves_that_agent_its_name(
    pool: PoolHandle,
) -> None:
    def rows() -> Iterator[int]:
        with pool.unnamed():
            yield from range(3)

    def agent() -> list[Iterator[int]]:
        with pool.named():
            left = rows()
            next(left)
            return [left]

    left = on_thread(agent)
    with pool.named() as mine:
        left.clear()

        assert pool.speaker() == mine


def test_an_unnamed_block_may_end_before_what_was_taken_in_it(pool: PoolHandle) -> None:
    nobody, block = pool.unnamed(), pool.named()
    nobody.__enter__()
    name = block.__enter__()

    nobody.__exit__(None, None, None)

    assert pool.speaker() == name
    block.__exit__()
    assert pool.speaker() == namepool.DEFAULT_NAME


def test_a_name_that_is_taken_in_an_unnamed_block_is_spoken_after_it(pool: PoolHandle) -> None:
    with pool.unnamed():
        name = pool.checkout_name()

    assert pool.speaker() == name
    pool.checkin_name(name)


def test_work_that_another_agent_closes_leaves_that_agent_its_name(pool: PoolHandle) -> None:
    async def tool() -> None:
        await asyncio.sleep(100)

    def agent() -> list[Any]:
        async def begin() -> Any:
            work = namepool.inherit_owner(tool)()
            work.send(None)
            return work

        with pool.named():
            return [asyncio.run(begin())]

    left = on_thread(agent)
    with pool.named() as mine:
        left.pop().close()

        assert pool.speaker() == mine


@pytest.mark.anyio
async def test_what_is_started_behind_a_scope_that_was_broken_off_is_nobody(
    tasks: AsyncPoolHandle,
) -> None:
    with owner_scope("planner-7"):
        name = await tasks.checkout_name()

    async def lines() -> AsyncGenerator[str, None]:
        with owner_scope("planner-7"):
            yield tasks.speaker()

    async def said() -> str:
        return tasks.speaker()

    async def stranger() -> list[str]:
        heard = lines()
        assert await anext(heard) == name
        await asyncio.create_task(heard.aclose())
        return [
            await asyncio.create_task(said()),
            await asyncio.to_thread(tasks.speaker),
            tasks.speaker(),
        ]

    assert await asyncio.create_task(stranger()) == [tasks.default_name()] * 3


@pytest.mark.anyio
async def test_in_a_scope_an_unnamed_block_hides_what_its_enterer_was_given(
    tasks: AsyncPoolHandle,
) -> None:
    given = asyncio.Event()

    async def said() -> str:
        return tasks.speaker()

    async def agent() -> tuple[str, str]:
        await given.wait()
        with owner_scope("planner-7"), tasks.unnamed():
            return tasks.speaker(), await asyncio.create_task(said())

    task = asyncio.create_task(agent())
    await tasks.checkout_name(owner=task)
    given.set()

    assert await task == (tasks.default_name(),) * 2


def test_an_actor_with_a_given_name_runs_the_contexts_of_agents_under_their_names(
    pool: PoolHandle,
) -> None:
    class Worker(pykka.ThreadingActor):
        def run(self, context: contextvars.Context) -> tuple[str, str]:
            return context.run(pool.speaker), pool.speaker()

    worker = Worker.start()
    given = pool.checkout_name(owner=worker)
    with pool.named() as mine:
        said = worker.proxy().run(contextvars.copy_context()).get(timeout=20)

    assert said == (mine, given)
    worker.stop()


@pytest.mark.anyio
async def test_a_call_that_never_begins_leaves_no_link(tasks: AsyncPoolHandle) -> None:
    before = length()
    for _ in range(20):
        call = asyncio.create_task(tasks.checkout_name())
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        tasks.checkout_name().close()
        del call
    gc.collect()
    await tasks.pool_stats()  # by then the pool has heard of all of them

    async with tasks.named():
        assert length() <= before + 2
    assert (await tasks.pool_stats()).checked_out_count == 0


@pytest.mark.anyio
async def test_an_endless_chain_of_tasks_in_one_scope_remembers_each_owner_once() -> None:
    async def worker(left: int) -> tuple[str, ...]:
        with owner_scope("planner-7"):
            if not left:
                return owners_here()
            return await asyncio.create_task(worker(left - 1))

    assert len(await asyncio.create_task(worker(50))) == 2


def test_a_pool_that_is_closed_has_no_speakers_and_leaves_no_links() -> None:
    before = length()
    for _ in range(5):
        with open_pool(source=NumberedNames()) as pool:
            assert pool.checkout_name() == pool.speaker()
        assert pool.speaker() == namepool.DEFAULT_NAME
    with open_pool(source=NumberedNames()) as pool, pool.named():
        assert length() == before + 1


def test_a_name_given_to_a_thread_that_has_ended_comes_home() -> None:
    with open_pool(source=NumberedNames(), reclaim_after=0.0) as pool:
        thread = threading.Thread(target=namepool.current_owner)
        thread.start()
        thread.join()
        pool.checkout_name(owner=thread)
        del thread
        gc.collect()

        with pool.subscribe(lambda _: None):
            pass  # a message, behind the end of the thread
        assert pool.checkout_name(timeout=20)
        assert [lease.owner for lease in pool.leases()] == [namepool.current_owner()]
