"""``speaking_as``: a name that nobody had goes home at the end of the last block under it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pykka
import pytest

from namepool import (
    DEFAULT_NAME,
    AsyncPoolHandle,
    CheckoutTimeout,
    NamePool,
    NamesUnavailable,
    NumberedNames,
    PoolHandle,
    PoolState,
    current_owner,
    owner_scope,
)
from namepool.actors import ActorHandle
from tests.mirror import Mirror
from tests.support import MovableClock, on_thread, wait_until


@pytest.fixture
def pool() -> PoolHandle:
    return PoolHandle(NamePool.start(source=NumberedNames(), reuse_gap=0))


def counts(pool: PoolHandle) -> tuple[int, int]:
    """Return how many names are ready and how many are out, once all that was asked is done."""
    stats = pool.pool_stats()
    return stats.available_count, stats.checked_out_count


def enter(pool: PoolHandle, owner: str, name: str, exclusive: bool = False) -> Callable[[], None]:
    """Have an owner begin a block; return what ends it."""
    block = pool.speaking_as(name, exclusive)

    def end() -> None:
        with owner_scope(owner):
            block.__exit__(None, None, None)

    with owner_scope(owner):
        assert block.__enter__() == name
        assert pool.speaker() == name
    return end


# -- the lease ends with the last block -----------------------------------------------------


def test_a_name_that_nobody_had_goes_home_at_the_end_of_the_block(pool: PoolHandle) -> None:
    with pool.speaking_as("Saved Sue"):
        assert counts(pool) == (0, 1)
        assert pool.get_name_by_owner() == "Saved Sue"

    assert counts(pool) == (1, 0)
    assert pool.get_name_by_owner() is None
    assert pool.checkout_name() == "Saved Sue"


def test_a_name_that_waited_in_the_pool_is_taken_out_of_it_and_comes_back() -> None:
    pool = PoolHandle(
        NamePool.start(source=NumberedNames(), chunk_size=3, reuse_gap=0, low_water_mark=0)
    )
    pool.checkin_name(pool.checkout_name())
    with pool.speaking_as("NPC #3"):
        assert counts(pool) == (2, 1)
        assert [pool.checkout_name(owner="other") for _ in range(2)] == ["NPC #2", "NPC #1"]

    assert pool.checkout_name(owner="other", timeout=0) == "NPC #3"


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
def test_of_blocks_that_overlap_the_last_one_to_end_takes_the_name_home(
    order: tuple[int, ...], pool: PoolHandle
) -> None:
    ends = [enter(pool, f"agent {n}", "Saved Sue") for n in range(3)]
    for left, number in zip((2, 1, 0), order, strict=True):
        ends[number]()
        assert counts(pool) == ((0, 1) if left else (1, 0))
        speaking = [pool.get_name_by_owner(f"agent {n}") for n in range(3)]
        assert speaking.count("Saved Sue") == left


def test_blocks_of_one_owner_that_overlap_end_with_the_last_too(pool: PoolHandle) -> None:
    first, second = enter(pool, "agent", "Saved Sue"), enter(pool, "agent", "Saved Sue")

    first()
    assert counts(pool) == (0, 1)
    assert pool.get_name_by_owner("agent") == "Saved Sue"

    second()
    assert counts(pool) == (1, 0)


def test_blocks_of_threads_that_overlap_end_with_the_last(pool: PoolHandle) -> None:
    with pool.speaking_as("Saved Sue"):

        def tool() -> str:
            with pool.speaking_as("Saved Sue"):
                return pool.speaker()

        assert on_thread(tool) == "Saved Sue"
        assert counts(pool) == (0, 1)
    assert counts(pool) == (1, 0)


def test_blocks_of_tasks_that_overlap_end_with_the_last(pool: PoolHandle) -> None:
    tasks = AsyncPoolHandle(pool)

    async def tool(go: asyncio.Event) -> str:
        async with tasks.speaking_as("Saved Sue"):
            await go.wait()
            return tasks.speaker()

    async def main() -> None:
        go = asyncio.Event()
        running = [asyncio.create_task(tool(go)) for _ in range(3)]
        running[0].cancel()
        async with tasks.speaking_as("Saved Sue"):
            go.set()
            spoken = await asyncio.gather(*running, return_exceptions=True)
            assert spoken[1:] == ["Saved Sue"] * 2
            assert (await tasks.pool_stats()).checked_out_count == 1
        stats = await tasks.pool_stats()
        assert (stats.available_count, stats.checked_out_count) == (1, 0)

    asyncio.run(main())


def test_a_block_that_fails_takes_its_name_home(pool: PoolHandle) -> None:
    with pytest.raises(LookupError), pool.speaking_as("Saved Sue"):
        raise LookupError

    assert counts(pool) == (1, 0)


def test_while_a_block_lasts_nobody_else_gets_its_name(pool: PoolHandle) -> None:
    with pool.speaking_as("NPC #2"):
        assert "NPC #2" not in [pool.checkout_name(owner="other") for _ in range(20)]


# -- what keeps it --------------------------------------------------------------------------


def test_a_name_that_was_checked_out_before_stays_so(pool: PoolHandle) -> None:
    name = pool.checkout_name(owner="parent")

    enter(pool, "child", name)()

    assert pool.get_name_by_owner("parent") == name
    assert counts(pool)[1] == 1


def test_a_name_that_was_adopted_before_stays_checked_out(pool: PoolHandle) -> None:
    pool.associate_name("Saved Sue", owner="parent")

    enter(pool, "child", "Saved Sue")()

    assert pool.get_name_by_owner("parent") == "Saved Sue"
    assert counts(pool) == (0, 1)


@pytest.mark.parametrize("owner", ["agent", "another"])
def test_who_associates_with_the_name_of_a_block_keeps_it_after_the_block(
    owner: str, pool: PoolHandle
) -> None:
    end = enter(pool, "agent", "Saved Sue")
    pool.associate_name("Saved Sue", owner=owner)

    end()

    assert pool.get_name_by_owner(owner) == "Saved Sue"
    assert counts(pool) == (0, 1)
    assert pool.checkin_name("Saved Sue", owner=owner) is True
    assert counts(pool) == (1, 0)


def test_who_associates_and_dissociates_within_a_block_has_kept_the_lease(
    pool: PoolHandle,
) -> None:
    end = enter(pool, "agent", "Saved Sue")
    pool.associate_name("Saved Sue", owner="another")
    pool.dissociate_name("Saved Sue", owner="another")

    end()

    assert counts(pool) == (0, 1)  # as after any association: a lease stays until a check-in


def test_an_association_that_is_undone_does_not_keep_the_name() -> None:
    state, handle = PoolState(), ActorHandle("names")
    handle.install(NamePool.start(source=NumberedNames(), state=state))
    pool = PoolHandle(handle)
    end = enter(pool, "agent", "Saved Sue")
    assert handle.current is not None
    handle.current.stop()
    handle.vacate()
    with pytest.raises(pykka.Timeout):
        pool.associate_name("Saved Sue", timeout=0.01, owner="another")

    end()
    handle.install(NamePool.start(source=NumberedNames(), state=state))

    assert counts(pool) == (1, 0)


# -- what happens in between ----------------------------------------------------------------


def test_a_name_that_is_checked_in_within_the_block_is_home_and_the_block_ends_nobody_elses(
    pool: PoolHandle,
) -> None:
    end = enter(pool, "agent", "Saved Sue")
    assert pool.checkin_name("Saved Sue", owner="agent") is True
    assert pool.checkout_name(owner="second") == "Saved Sue"

    end()

    assert pool.get_name_by_owner("second") == "Saved Sue"
    assert pool.get_name_by_owner("agent") is None


def test_who_dissociates_within_its_block_does_not_keep_the_name(pool: PoolHandle) -> None:
    with pool.speaking_as("Saved Sue"):
        assert pool.dissociate_name() is True
        assert pool.speaker() == DEFAULT_NAME

    assert counts(pool) == (1, 0)


def test_a_block_that_takes_the_name_for_itself_ends_with_it(pool: PoolHandle) -> None:
    first = enter(pool, "agent 1", "Saved Sue")
    second = enter(pool, "agent 2", "Saved Sue", exclusive=True)
    assert pool.get_name_by_owner("agent 1") is None

    second()
    assert counts(pool) == (1, 0)
    assert pool.checkout_name(owner="other") == "Saved Sue"

    first()
    assert pool.get_name_by_owner("other") == "Saved Sue"


def test_a_block_under_a_name_that_was_reset_ends_quietly(pool: PoolHandle) -> None:
    with pool.speaking_as("Saved Sue"):
        pool.reset()
        assert pool.speaker() == DEFAULT_NAME

    assert counts(pool) == (0, 0)


def test_a_block_that_ends_while_the_pool_restarts_takes_its_name_home() -> None:
    state, handle = PoolState(), ActorHandle("names")
    handle.install(NamePool.start(source=NumberedNames(), state=state))
    pool = PoolHandle(handle)
    first, second = enter(pool, "agent 1", "Saved Sue"), enter(pool, "agent 2", "Saved Sue")
    first()
    assert handle.current is not None
    handle.current.stop()
    handle.vacate()

    second()
    handle.install(NamePool.start(source=NumberedNames(), state=state))

    assert counts(pool) == (1, 0)


def test_a_block_that_is_dropped_takes_its_name_home(pool: PoolHandle) -> None:
    pool.speaking_as("Saved Sue").__enter__()

    assert counts(pool) == (1, 0)


def test_subscribers_are_told_of_a_block_as_of_a_checkout_and_its_check_in(
    pool: PoolHandle,
) -> None:
    mirror = Mirror()
    with pool.subscribe(mirror):
        first, second = enter(pool, "agent 1", "Saved Sue"), enter(pool, "agent 2", "Saved Sue")
        first()
        second()

    assert mirror.kinds() == [
        "NameCheckedOut",
        "NameAssociated",
        "NameDissociated",
        "NameDissociated",
        "NameCheckedIn",
    ]
    assert mirror.leases == {}


# -- owners that end within a block ---------------------------------------------------------


class Watched:
    """A pool that takes names back from owners 10 seconds after their end, by a movable clock."""

    def __init__(self, clock: MovableClock) -> None:
        self.clock = clock
        self.ref = NamePool.start(source=NumberedNames(), reclaim_after=10.0)
        clock.drive(self.ref)
        self.pool = PoolHandle(self.ref)

    def wait(self, seconds: float = 1e6) -> None:
        """Let time pass, and the pool's thread do what is due."""
        for _ in range(3):
            self.clock.advance(seconds)
            for _ in range(3):  # a timer that is due goes before what is queued
                self.pool.pool_stats()


@pytest.fixture
def watched(clock: MovableClock) -> Watched:
    return Watched(clock)


@pytest.mark.parametrize("way", ["named", "speaking_as"])
def test_the_lease_of_a_block_is_kept_though_the_thread_that_began_it_has_ended(
    way: str, watched: Watched
) -> None:
    pool = watched.pool

    def begin() -> tuple[Any, str, str]:
        block = pool.named() if way == "named" else pool.speaking_as("Saved Sue")
        return block, block.__enter__(), current_owner()

    block, name, owner = on_thread(begin)
    watched.wait()

    assert counts(pool)[1] == 1
    assert pool.get_name_by_owner(owner) == name
    assert pool.pool_stats().reclaimed_count == 0

    block.__exit__(None, None, None)
    assert counts(pool)[1] == 0
    assert pool.get_name_by_owner(owner) is None


def test_the_lease_of_a_tasks_block_is_kept_though_the_task_has_ended(watched: Watched) -> None:
    pool = AsyncPoolHandle(watched.pool)

    async def begin() -> tuple[Any, str]:
        block = pool.named()
        return block, await block.__aenter__()

    block, name = asyncio.run(begin())
    watched.wait()

    assert [lease.name for lease in watched.pool.leases()] == [name]
    block.__exit__(None, None, None)
    assert counts(watched.pool)[1] == 0


def test_who_waits_does_not_get_the_name_of_a_block_whose_thread_has_ended(
    clock: MovableClock,
) -> None:
    ref = NamePool.start(source=_One(), reclaim_after=10.0, low_water_mark=0, chunk_size=1)
    clock.drive(ref)
    pool = PoolHandle(ref)
    block = pool.named()
    on_thread(block.__enter__)
    clock.advance(1e6)
    with pytest.raises((CheckoutTimeout, NamesUnavailable)):
        pool.checkout_name(timeout=0)

    block.__exit__(None, None, None)

    assert pool.checkout_name(timeout=0) == "Ada"


class _One:
    """A source that has one name."""

    def __init__(self) -> None:
        self.names = ["Ada"]

    def fetch(self, count: int, used: object) -> list[str]:
        return [self.names.pop()] if self.names else []


def test_a_lease_that_ended_owners_left_comes_home_when_the_last_block_under_it_ends(
    watched: Watched,
) -> None:
    pool = watched.pool
    name = on_thread(pool.checkout_name)
    with ExitStack() as blocks:
        blocks.enter_context(pool.speaking_as(name))
        watched.wait()
        assert pool.speaker() == name
        assert counts(pool)[1] == 1

    watched.wait()
    wait_until(lambda: counts(pool)[1] == 0, watched.ref)
    assert pool.pool_stats().reclaimed_count == 1


def test_a_lease_without_a_block_is_reclaimed_from_a_thread_that_ended(watched: Watched) -> None:
    on_thread(watched.pool.checkout_name)

    watched.wait()

    assert watched.pool.pool_stats().reclaimed_count == 1


def test_what_a_thread_held_beside_its_block_is_reclaimed_and_the_blocks_lease_is_not(
    watched: Watched,
) -> None:
    pool = watched.pool

    def begin() -> tuple[Any, str, str]:
        block = pool.named()
        return block, block.__enter__(), pool.checkout_name()

    block, in_block, beside = on_thread(begin)
    watched.wait()

    assert [lease.name for lease in pool.leases()] == [in_block]
    assert beside != in_block
    block.__exit__(None, None, None)
    assert counts(pool)[1] == 0
