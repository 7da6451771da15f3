"""``unnamed()``: a block in which the caller is nobody, and what it starts inherits no name."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable

import pytest

from namepool import (
    DEFAULT_NAME,
    AsyncPoolHandle,
    NamePool,
    NumberedNames,
    PoolHandle,
    current_owner,
    owner_scope,
)
from tests.support import PATIENCE, on_thread

Pool = PoolHandle | AsyncPoolHandle


@pytest.fixture
def blocking() -> PoolHandle:
    return PoolHandle(NamePool.start(source=NumberedNames()))


@pytest.fixture(params=["PoolHandle", "AsyncPoolHandle"])
def pool(request: pytest.FixtureRequest, blocking: PoolHandle) -> Pool:
    return blocking if request.param == "PoolHandle" else AsyncPoolHandle(blocking)


def test_within_the_block_the_caller_is_nobody_and_after_it_has_its_name_again(
    pool: Pool, blocking: PoolHandle
) -> None:
    with blocking.named() as name:
        with pool.unnamed():
            assert pool.speaker() == DEFAULT_NAME
            assert blocking.get_name_by_owner() is None
            assert blocking.get_name_by_owner(current_owner()) == name  # the lease is as it was
        assert pool.speaker() == blocking.get_name_by_owner() == name


def test_a_name_that_is_taken_in_the_block_is_spoken_there(
    pool: Pool, blocking: PoolHandle
) -> None:
    with blocking.named() as outer, pool.unnamed():
        with blocking.named() as inner:
            assert pool.speaker() == inner != outer
        with blocking.speaking_as(outer):
            assert pool.speaker() == outer
        kept = blocking.checkout_name()
        assert pool.speaker() == kept
        blocking.checkin_name(kept)
        assert pool.speaker() == DEFAULT_NAME


def test_a_worker_that_is_started_in_the_block_never_speaks_as_its_starter(
    pool: Pool, blocking: PoolHandle
) -> None:
    jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()

    def work() -> None:
        while (job := jobs.get(timeout=PATIENCE)) is not None:
            job()

    def start() -> threading.Thread:
        context = contextvars.copy_context()  # as with an inheriting thread
        worker = threading.Thread(target=lambda: context.run(work))
        worker.start()
        return worker

    with blocking.named():
        with pool.unnamed():
            worker = start()
        jobs.put(lambda: heard.put(pool.speaker()))
        assert heard.get(timeout=PATIENCE) == DEFAULT_NAME
    jobs.put(None)
    worker.join(PATIENCE)


def test_a_task_that_is_started_in_the_block_stays_nobody_while_the_name_lasts(
    pool: Pool, blocking: PoolHandle
) -> None:
    async def work(go: asyncio.Event) -> list[str]:
        before = pool.speaker()
        await go.wait()
        child = await asyncio.create_task(asyncio.to_thread(pool.speaker))
        return [before, pool.speaker(), child]

    async def main() -> None:
        go = asyncio.Event()
        with blocking.named() as name:
            with pool.unnamed():
                nobodys = asyncio.create_task(work(go))
                await asyncio.sleep(0)
            mine = asyncio.create_task(work(go))
            await asyncio.sleep(0)
            go.set()
            assert await nobodys == [DEFAULT_NAME] * 3
            assert await mine == [name] * 3

    asyncio.run(main())


def test_the_block_of_one_task_leaves_the_others_of_its_agent_their_name(
    pool: Pool, blocking: PoolHandle
) -> None:
    async def nobody(is_in: asyncio.Event, may_leave: asyncio.Event) -> tuple[str, str]:
        with pool.unnamed():
            is_in.set()
            await may_leave.wait()
            inside = pool.speaker()
        return inside, pool.speaker()

    async def main() -> None:
        is_in, may_leave = asyncio.Event(), asyncio.Event()
        with blocking.named() as name:
            task = asyncio.create_task(nobody(is_in, may_leave))
            await is_in.wait()
            assert pool.speaker() == name
            may_leave.set()
            assert await task == (DEFAULT_NAME, name)

    asyncio.run(main())


def test_who_is_nobody_in_one_pool_keeps_its_name_in_another(
    pool: Pool, blocking: PoolHandle
) -> None:
    other = PoolHandle(NamePool.start(source=NumberedNames("Robot ")))
    with blocking.named(), other.named() as name, pool.unnamed():
        assert (pool.speaker(), other.speaker()) == (DEFAULT_NAME, name)


def test_blocks_nest_over_both_handles(pool: Pool, blocking: PoolHandle) -> None:
    with blocking.named() as name:
        with pool.unnamed(), blocking.unnamed():
            with pool.unnamed():
                assert pool.speaker() == DEFAULT_NAME
            assert pool.speaker() == DEFAULT_NAME
        assert pool.speaker() == name


def test_a_name_that_another_party_gives_in_the_block_is_not_spoken_before_its_end(
    pool: Pool, blocking: PoolHandle
) -> None:
    me = current_owner()
    with pool.unnamed():
        name = on_thread(lambda: blocking.checkout_name(owner=me))
        assert pool.speaker() == DEFAULT_NAME
    assert pool.speaker() == name


def test_an_owner_scope_is_nobody_in_a_block_within_it_and_somebody_around_it(
    pool: Pool, blocking: PoolHandle
) -> None:
    with owner_scope("planner"):
        name = blocking.checkout_name()
        with pool.unnamed():
            assert pool.speaker() == DEFAULT_NAME
        assert pool.speaker() == name
    with pool.unnamed(), owner_scope("planner"):
        assert pool.speaker() == name


def test_a_block_that_fails_ends(pool: Pool, blocking: PoolHandle) -> None:
    with blocking.named() as name:
        with pytest.raises(LookupError), pool.unnamed():
            raise LookupError
        assert pool.speaker() == name


def test_a_block_is_left_for_good_by_who_had_no_name(pool: Pool, blocking: PoolHandle) -> None:
    with pool.unnamed():
        pass
    with blocking.named() as name:
        assert pool.speaker() == name
    assert blocking.pool_stats().checked_out_count == 0
