"""Tasks of trio, through anyio, are owners as those of asyncio are."""

from __future__ import annotations

import gc
import threading

import anyio
import pytest

from namepool import (
    DEFAULT_NAME,
    AsyncPoolHandle,
    CheckoutTimeout,
    NamePool,
    NumberedNames,
    PoolHandle,
    current_owner,
    inherit_owner,
    open_async_pool,
    owner_scope,
)
from tests.support import GatedSource

BACKENDS = ["asyncio", "trio"]


@pytest.fixture(autouse=True)
def _idle_threads_of_trio_end_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio._core._thread_cache.IDLE_TIMEOUT", 0.01)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_tasks_speak_under_names_of_their_own_and_nest_them(backend: str) -> None:
    spoken: dict[str, list[str]] = {}

    async def agent(pool: AsyncPoolHandle, role: str) -> None:
        async with pool.named() as name:
            await anyio.lowlevel.checkpoint()
            with pool.handle.named() as inner:  # the blocking scope, on this task
                await anyio.lowlevel.checkpoint()
                assert pool.speaker() == await pool.get_name_by_owner() == inner != name
            spoken[role] = [name, pool.speaker()]

    async def main() -> None:
        async with open_async_pool(source=NumberedNames()) as pool:
            async with anyio.create_task_group() as group:
                for role in "abcdefgh":
                    group.start_soon(agent, pool, role)
            assert pool.speaker() == DEFAULT_NAME
            assert (await pool.pool_stats()).checked_out_count == 0

    anyio.run(main, backend=backend)

    assert all(name == again for name, again in spoken.values())
    assert len({name for name, _ in spoken.values()}) == len(spoken) == 8


def test_a_task_is_one_owner_and_another_than_its_thread_and_its_siblings(backend: str) -> None:
    owners: list[str] = []

    async def ask() -> None:
        owners.append(current_owner())
        await anyio.lowlevel.checkpoint()
        assert current_owner() == owners[owners.index(current_owner())]

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            group.start_soon(ask)
        owners.append(current_owner())
        owners.append(await anyio.to_thread.run_sync(current_owner))
        owners.append(await anyio.to_thread.run_sync(inherit_owner(current_owner)))
        with owner_scope("planner-7"):
            assert current_owner() == "planner-7"

    owners.append(current_owner())
    anyio.run(main, backend=backend)

    assert current_owner() == owners[0]
    assert owners[3] == owners[5]
    assert len(set(owners[:5])) == 5


def test_children_speak_under_the_name_of_whoever_started_them(backend: str) -> None:
    spoken: list[str] = []

    async def tool(pool: AsyncPoolHandle) -> None:
        await anyio.lowlevel.checkpoint()
        spoken.append(pool.speaker())

    async def agent_of_its_own(pool: AsyncPoolHandle) -> None:
        async with pool.named() as own:
            await tool(pool)
            assert spoken.pop() == own

    async def main() -> None:
        async with open_async_pool(source=NumberedNames()) as pool:
            async with pool.named() as name, anyio.create_task_group() as group:
                group.start_soon(tool, pool)
                await anyio.to_thread.run_sync(lambda: spoken.append(pool.speaker()))
            with pool.handle.named() as second:
                async with anyio.create_task_group() as group:
                    group.start_soon(tool, pool)
                    group.start_soon(agent_of_its_own, pool)
            assert sorted(spoken) == sorted([name, name, second])
            assert pool.speaker() == DEFAULT_NAME

    anyio.run(main, backend=backend)


def test_a_loop_goes_on_while_a_chunk_takes_its_time(backend: str) -> None:
    source = GatedSource()
    pool = AsyncPoolHandle(NamePool.start(source=source))

    async def tick() -> None:
        for _ in range(1_000):
            await anyio.lowlevel.checkpoint()
        source.gate.set()  # nobody else opens it

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            async with pool.named() as name:
                assert pool.speaker() == name

    anyio.run(main, backend=backend)


def test_who_is_cancelled_or_waits_too_long_costs_no_name(backend: str) -> None:
    source = GatedSource()
    pool = AsyncPoolHandle(NamePool.start(source=source))

    async def main() -> None:
        with anyio.move_on_after(0.01) as scope:
            await pool.checkout_name()
        assert scope.cancelled_caught
        with pytest.raises(CheckoutTimeout):
            await pool.checkout_name(timeout=0.01)
        source.gate.set()
        async with anyio.create_task_group() as group, pool.named():
            group.cancel_scope.cancel()
        stats = await pool.pool_stats()
        assert stats.available_count == stats.all_used_count == 12

    anyio.run(main, backend=backend)


def test_an_answer_that_is_there_lets_other_tasks_run_now_and_then(backend: str) -> None:
    pool = AsyncPoolHandle(NamePool.start(source=NumberedNames()))
    others = 0

    async def other() -> None:
        nonlocal others
        while others < 100:
            others += 1
            await anyio.lowlevel.checkpoint()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(other)
            while others < 100:
                await pool.get_name_by_owner()

    anyio.run(main, backend=backend)


def test_loops_of_both_kinds_share_one_pool() -> None:
    pool = AsyncPoolHandle(NamePool.start(source=NumberedNames()))
    barrier = threading.Barrier(len(BACKENDS))
    names: list[str] = []

    async def agent() -> None:
        async with pool.named() as name:
            names.append(name)
            await anyio.to_thread.run_sync(barrier.wait, 20)
            assert pool.speaker() == name

    threads = [
        threading.Thread(target=anyio.run, args=(agent,), kwargs={"backend": backend})
        for backend in BACKENDS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(names)) == 2


def test_a_task_that_ends_without_giving_its_name_back_loses_it(backend: str) -> None:
    pool = AsyncPoolHandle(NamePool.start(source=NumberedNames()))
    owners: list[str] = []

    async def forgetful() -> None:
        await pool.checkout_name()
        owners.append(current_owner())

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(forgetful)

    anyio.run(main, backend=backend)
    gc.collect()

    assert PoolHandle(pool.handle._target).get_name_by_owner(owners[0]) is None
    assert pool.handle.pool_stats().checked_out_count == 1  # until it is reclaimed
