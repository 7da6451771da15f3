"""``AsyncPoolHandle``: as ``PoolHandle``, for tasks; gives up without loss, and blocks no loop."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import threading
from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pykka
import pytest

from namepool import (
    DEFAULT_NAME,
    AsyncPoolHandle,
    CheckoutTimeout,
    InvalidName,
    InvalidOption,
    NamePool,
    NamePoolRef,
    NamesUnavailable,
    NumberedNames,
    PoolHandle,
    PoolState,
    PoolStats,
    SourceError,
    current_owner,
    open_async_pool,
    open_pool,
)
from namepool.actors import ActorHandle
from namepool.actors import reply as replies
from namepool.pool import access, service
from namepool.speaking import chain
from tests.support import PATIENCE, GatedSource, ScriptedSource, run_together


@pytest.fixture
def ref() -> NamePoolRef:
    return NamePool.start(source=NumberedNames())


@pytest.fixture
def pool(ref: NamePoolRef) -> AsyncPoolHandle:
    return AsyncPoolHandle(ref)


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


@contextmanager
def held(ref: NamePoolRef) -> Iterator[None]:
    """Keep the pool busy: its turn is another thread's."""
    is_mine, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        with ref.actor_inbox.turn:
            is_mine.set()
            is_over.wait(PATIENCE)

    thread = threading.Thread(target=hold)
    thread.start()
    assert is_mine.wait(PATIENCE)
    try:
        yield
    finally:
        is_over.set()
        thread.join(PATIENCE)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def wait_asked(source: GatedSource) -> None:
    while not source.asked.acquire(blocking=False):
        await asyncio.sleep(0)


def is_balanced(stats: PoolStats, out: int = 0) -> bool:
    """Tell whether every name that was ever issued is available, or among those that are out."""
    home = stats.available_count + stats.checked_out_count == stats.all_used_count
    return home and stats.checked_out_count == out and stats.waiting_count == 0


async def all_home(pool: AsyncPoolHandle, out: int = 0) -> bool:
    """Tell whether the books balance, with so many out, once what is on its way has arrived."""
    return any([is_balanced(await pool.pool_stats(), out) for _ in range(20)])


# -- the operations -------------------------------------------------------------------------


def test_the_operations_are_those_of_the_blocking_handle() -> None:
    # ``subscribe`` and the end of a subscription wait: it is the business of ``handle``.
    assert public(PoolHandle) - public(AsyncPoolHandle) == {"close", "subscribe"}
    for name in public(PoolHandle) & public(AsyncPoolHandle):
        mine, other = getattr(AsyncPoolHandle, name), getattr(PoolHandle, name)
        if callable(mine):
            assert [*inspect.signature(mine).parameters.values()] == [
                *inspect.signature(other).parameters.values()
            ], name


def test_what_a_task_checks_out_it_speaks_under_until_it_checks_it_in(
    pool: AsyncPoolHandle,
) -> None:
    async def agent() -> None:
        name = await pool.checkout_name()
        assert await pool.get_name_by_owner() == pool.speaker() == name
        assert pool.speaking[current_owner()] == name
        assert await pool.checkin_name(name) is True
        assert await pool.get_name_by_owner() is None
        assert pool.speaker() == pool.default_name() == DEFAULT_NAME

    asyncio.run(agent())


def test_names_are_associated_and_dissociated(pool: AsyncPoolHandle) -> None:
    async def agent() -> None:
        assert await pool.associate_name("Saved Sue", owner="planner") == "Saved Sue"
        assert await pool.associate_name("saved sue", True) == "Saved Sue"
        assert await pool.get_name_by_owner("planner") is None
        assert await pool.dissociate_name() is True
        assert await pool.dissociate_name() is False
        assert (await pool.pool_stats()).checked_out_count == 1
        await pool.reset()
        assert (await pool.pool_stats()).all_used_count == 0

    asyncio.run(agent())


def test_what_may_not_be_raises_where_the_call_is_made(pool: AsyncPoolHandle) -> None:
    for call in (pool.checkout_name, pool.pool_stats):
        with pytest.raises(InvalidOption, match="timeout"):
            call(timeout=-1)


def test_an_error_of_the_pool_is_raised_by_the_await(pool: AsyncPoolHandle) -> None:
    async def agent() -> None:
        with pytest.raises(InvalidName):
            await pool.associate_name("\n")

    asyncio.run(agent())


def test_names_that_the_source_does_not_give_are_unavailable_and_the_cause_is_chained() -> None:
    ref = NamePool.start(source=ScriptedSource(SourceError("closed on Sundays")))

    async def agent() -> None:
        with pytest.raises(NamesUnavailable) as caught:
            await AsyncPoolHandle(ref).checkout_name()
        assert isinstance(caught.value.__cause__, SourceError)

    asyncio.run(agent())


def test_a_handle_is_made_of_a_handle_a_ref_and_nothing_else(ref: NamePoolRef) -> None:
    blocking = PoolHandle(ref)
    assert AsyncPoolHandle(blocking).handle is blocking
    with pytest.raises(InvalidOption, match="pool"):
        AsyncPoolHandle(object())  # type: ignore[arg-type]


@pytest.mark.parametrize("hand_on", [asyncio.create_task, lambda c: asyncio.wait_for(c, PATIENCE)])
def test_the_owner_is_the_task_that_calls_whichever_task_awaits(
    pool: AsyncPoolHandle, hand_on: Any
) -> None:
    async def agent() -> None:
        name = await hand_on(pool.checkout_name())
        assert pool.speaker() == name

    asyncio.run(agent())


# -- scopes ---------------------------------------------------------------------------------


def test_named_nests_and_the_outer_name_speaks_again(pool: AsyncPoolHandle) -> None:
    async def agent() -> None:
        async with pool.named() as outer:
            async with pool.named() as inner:
                assert outer != inner == pool.speaker()
            assert pool.speaker() == outer
        assert pool.speaker() == DEFAULT_NAME
        assert is_balanced(await pool.pool_stats())

    asyncio.run(agent())


def test_named_never_leaks_when_the_block_raises(pool: AsyncPoolHandle) -> None:
    async def agent() -> None:
        with pytest.raises(RuntimeError, match="in the block"):
            async with pool.named():
                raise RuntimeError("in the block")
        assert is_balanced(await pool.pool_stats())

    asyncio.run(agent())


def test_speaking_as_shares_a_name_for_the_length_of_the_block(pool: AsyncPoolHandle) -> None:
    async def helper(name: str) -> None:
        async with pool.speaking_as(name) as spoken:
            assert spoken == pool.speaking[current_owner()] == name
        assert current_owner() not in pool.speaking

    async def agent() -> None:
        async with pool.named() as name:
            await asyncio.gather(helper(name), helper(name))
            assert pool.speaker() == name
        async with pool.speaking_as(DEFAULT_NAME) as name:
            assert name == DEFAULT_NAME

    asyncio.run(agent())


def test_a_scope_ends_quietly_when_the_pool_was_stopped_inside_it(
    pool: AsyncPoolHandle, ref: NamePoolRef
) -> None:
    async def agent() -> None:
        async with pool.named():
            ref.stop()
        with pytest.raises(pykka.ActorDeadError):
            await pool.checkout_name()

    asyncio.run(agent())


@pytest.mark.parametrize("scope", ["named", "speaking_as"])
def test_a_task_that_is_closed_inside_a_block_awaits_nothing_and_loses_no_name(
    pool: AsyncPoolHandle, ref: NamePoolRef, scope: str
) -> None:
    async def agent() -> None:
        async with pool.named() if scope == "named" else pool.speaking_as("Saved Sue"):
            await asyncio.get_running_loop().create_future()

    async def main() -> None:
        await pool.checkin_name(await pool.checkout_name())  # there are names from now on
        running = agent()
        next(running.__await__())
        with held(ref):
            running.close()
        assert await all_home(pool)
        assert dict(pool.speaking) == {}

    asyncio.run(main())


def test_a_task_that_is_closed_while_it_waits_for_a_name_costs_none() -> None:
    source = GatedSource()
    pool = AsyncPoolHandle(NamePool.start(source=source))

    async def agent() -> None:
        async with pool.named():
            pytest.fail("there was no name")

    async def main() -> None:
        running = agent()
        next(running.__await__())
        running.close()
        assert await all_home(pool)
        source.gate.set()
        async with pool.named():
            assert is_balanced(await pool.pool_stats(), out=1)

    asyncio.run(main())


def test_a_scope_that_is_dropped_inside_its_block_gives_its_name_back(
    pool: AsyncPoolHandle,
) -> None:
    async def main() -> None:
        await pool.named().__aenter__()
        assert await all_home(pool)

    asyncio.run(main())


def test_a_block_with_a_default_runs_under_it_where_no_name_is_to_be_had(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = ScriptedSource(SourceError("closed on Sundays"), SourceError("closed"))
    pool = AsyncPoolHandle(NamePool.start(source=source))

    async def tool() -> str:
        return pool.speaker()

    async def main() -> None:
        for default, name in ((True, DEFAULT_NAME), ("Stand-in Stan", "Stand-in Stan")):
            async with pool.named(default=default) as spoken:
                assert await asyncio.create_task(tool()) == pool.speaker() == spoken == name
            assert pool.speaker() == DEFAULT_NAME
        with pytest.raises(NamesUnavailable):
            await pool.named().__aenter__()

    asyncio.run(main())
    assert sum("works as" in record.message for record in caplog.records) == 1


def test_a_block_with_a_default_runs_under_a_name_where_there_is_one(
    pool: AsyncPoolHandle,
) -> None:
    async def main() -> None:
        async with pool.named(default=True) as name:
            assert pool.speaker() == name != DEFAULT_NAME
        assert is_balanced(await pool.pool_stats())

    asyncio.run(main())


# -- who is started inside ------------------------------------------------------------------


def test_children_speak_under_the_name_until_it_goes_home(pool: AsyncPoolHandle) -> None:
    async def tool() -> list[str | None]:
        await asyncio.sleep(0)
        return [pool.speaker(), await pool.get_name_by_owner()]

    async def agent_of_its_own() -> None:
        async with pool.named() as own:
            assert await tool() == [own, own]

    async def late(go: asyncio.Event) -> str:
        await go.wait()
        return pool.speaker()

    async def main() -> None:
        go = asyncio.Event()
        async with pool.named() as name:
            ways = [
                *await asyncio.gather(tool(), tool()),
                await asyncio.create_task(tool()),
                await asyncio.wait_for(tool(), PATIENCE),
                [await asyncio.to_thread(pool.speaker)] * 2,
            ]
            assert ways == [[name, name]] * 5
            await asyncio.create_task(agent_of_its_own())
            assert pool.speaker() == name
            waiting = asyncio.create_task(late(go))
        go.set()
        assert await waiting == DEFAULT_NAME
        assert await tool() == [DEFAULT_NAME, None]

    asyncio.run(main())


@pytest.mark.parametrize("scope", ["named", "speaking_as"])
def test_after_a_block_whose_start_or_end_failed_nothing_is_inherited(
    pool: AsyncPoolHandle, scope: str
) -> None:
    source = GatedSource()
    other = AsyncPoolHandle(NamePool.start(source=source))
    impossible = other.named(timeout=0.01) if scope == "named" else other.speaking_as("\n")

    async def fail() -> None:
        async with pool.named() if scope == "named" else pool.speaking_as("Saved Sue"):
            raise RuntimeError("in the block")

    async def both() -> None:
        before = chain.get()
        with pytest.raises((TimeoutError, InvalidName)):
            await impossible.__aenter__()
        assert chain.get() is before
        with pytest.raises(RuntimeError, match="in the block"):
            await fail()
        assert chain.get() is before

    asyncio.run(both())
    source.gate.set()


# -- giving up ------------------------------------------------------------------------------


def test_a_task_that_takes_only_names_that_are_there_lets_others_run_and_can_be_cancelled(
    pool: AsyncPoolHandle,
) -> None:
    async def busy() -> None:
        while True:
            async with pool.named():
                pass

    async def main() -> None:
        await pool.checkin_name(await pool.checkout_name())  # there are names from now on
        task = asyncio.create_task(busy())
        await turns(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await all_home(pool)

    asyncio.run(main())


def test_a_checkout_that_times_out_costs_no_name() -> None:
    source = GatedSource()
    pool = AsyncPoolHandle(NamePool.start(source=source))

    async def agent() -> None:
        with pytest.raises(CheckoutTimeout, match=r"0\.01"):
            await pool.checkout_name(timeout=0.01)
        with pytest.raises(TimeoutError):
            async with pool.named(timeout=0.01):
                pytest.fail("there was no name")
        source.gate.set()
        async with pool.named():
            assert is_balanced(await pool.pool_stats(), out=1)

    asyncio.run(agent())


def test_without_a_pool_a_checkout_times_out_as_one_and_a_question_as_a_question(
    ref: NamePoolRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "GRACE", 0.0)
    handle = ActorHandle("names")
    handle.install(ref)
    pool = AsyncPoolHandle(handle)
    handle.vacate()

    async def agent() -> None:
        with pytest.raises(CheckoutTimeout, match="no pool"):
            await pool.checkout_name(timeout=0.01)
        for question in (pool.pool_stats(timeout=0.01), pool.associate_name("Sue", timeout=0.01)):
            with pytest.raises(pykka.Timeout):
                await question

    asyncio.run(agent())


def test_a_busy_pool_that_does_not_answer_in_time_is_a_timeout(
    pool: AsyncPoolHandle, ref: NamePoolRef
) -> None:
    async def agent() -> None:
        with held(ref), pytest.raises(pykka.Timeout, match=r"0\.01 seconds"):
            await pool.get_name_by_owner(timeout=0.01)
        assert await pool.get_name_by_owner(timeout=PATIENCE) is None

    asyncio.run(agent())


class CutAt:
    """Awaits ``work`` and cancels it at its ``at``-th suspension: there, or when it would go on."""

    def __init__(self, work: Coroutine[Any, Any, None], at: int, *, late: bool) -> None:
        self._work, self._at, self._late = work.__await__(), at, late

    def __await__(self) -> Generator[Any, None, bool]:
        """Return whether it had that many suspensions."""
        count = 0
        try:
            waited_for = self._work.send(None)
            for count in itertools.count(1):
                if count != self._at or self._late:
                    yield waited_for
                if count == self._at:
                    waited_for = self._work.throw(asyncio.CancelledError())
                else:
                    waited_for = self._work.send(None)
        except asyncio.CancelledError:
            return True
        except StopIteration:
            assert count < self._at, "the cancellation was swallowed"
        return False


@pytest.mark.parametrize("late", [False, True])
def test_a_task_cancelled_at_any_of_its_awaits_costs_no_name(
    late: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "EVERY", 1)  # answers that are there suspend, too
    pool = AsyncPoolHandle(NamePool.start(source=NumberedNames(), chunk_size=1, low_water_mark=0))

    async def agent() -> None:
        async with pool.named() as name, pool.named():
            await pool.checkin_name(await pool.checkout_name())
            async with pool.speaking_as(name):
                await pool.get_name_by_owner()

    async def main() -> int:
        cuts = 0
        while await CutAt(agent(), cuts + 1, late=late):
            cuts += 1
            assert await all_home(pool), f"cancelled at its await number {cuts}"
        return cuts

    assert asyncio.run(main()) >= 7  # the end of a block awaits nothing


@pytest.mark.parametrize("count", [100, pytest.param(1_000, marks=pytest.mark.proof)])
def test_many_cancelled_tasks_on_several_loops_cost_no_name(count: int) -> None:
    ref = NamePool.start(source=NumberedNames(), chunk_size=3, low_water_mark=0)
    pool = AsyncPoolHandle(ref)

    async def agent() -> None:
        async with pool.named() as outer, pool.named() as inner:
            assert outer != inner
            await asyncio.sleep(0)

    async def rounds() -> None:
        for number in range(count):
            tasks = [asyncio.create_task(agent()) for _ in range(3)]
            await turns(number % 13)
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                assert result is None or isinstance(result, asyncio.CancelledError), result

    run_together([lambda: asyncio.run(rounds())] * 3)
    assert asyncio.run(all_home(pool))


@pytest.mark.parametrize("way", ["timeout", "wait_for", "group"])
def test_who_is_given_up_by_its_task_group_or_deadline_costs_no_name(way: str) -> None:
    source = GatedSource()
    pool = AsyncPoolHandle(NamePool.start(source=source))

    async def agent() -> None:
        async with pool.named():
            pytest.fail("there was no name")

    async def fail() -> None:
        await wait_asked(source)
        raise RuntimeError("the group fails")

    async def given_up() -> None:
        if way == "timeout":
            async with asyncio.timeout(0.01):
                await agent()
        elif way == "wait_for":
            await asyncio.wait_for(pool.checkout_name(), 0.01)
        else:
            async with asyncio.TaskGroup() as group:
                group.create_task(agent())
                group.create_task(fail())

    async def main() -> None:
        with pytest.raises((TimeoutError, ExceptionGroup)):
            await given_up()
        assert await all_home(pool)
        source.gate.set()
        async with pool.named():
            assert is_balanced(await pool.pool_stats(), out=1)

    asyncio.run(main())


# -- restarts -------------------------------------------------------------------------------


def restarting() -> tuple[AsyncPoolHandle, ActorHandle, PoolState]:
    """Return a pool that the test restarts, with its first incarnation."""
    state, handle = PoolState(), ActorHandle("names")
    handle.install(NamePool.start(source=NumberedNames(), state=state))
    return AsyncPoolHandle(handle), handle, state


def crash(handle: ActorHandle) -> None:
    assert handle.current is not None
    handle.current.stop()
    handle.vacate()


def test_an_operation_goes_to_the_present_incarnation_or_waits_for_the_next() -> None:
    pool, handle, state = restarting()

    async def agent() -> None:
        async with pool.named() as name:
            crash(handle)
            waiting = asyncio.create_task(pool.pool_stats())
            await turns(3)
            assert not waiting.done()
            handle.install(NamePool.start(source=NumberedNames(), state=state))
            assert (await waiting).checked_out_count == 1
            assert await pool.get_name_by_owner() == pool.speaker() == name
        assert is_balanced(await pool.pool_stats())

    asyncio.run(agent())


def test_a_block_that_ends_while_the_pool_restarts_waits_for_nobody_and_loses_no_name() -> None:
    pool, handle, state = restarting()

    async def main() -> None:
        # Its supervisor may be waiting for this very block, in an actor that it stops first.
        async with pool.named():
            crash(handle)
        handle.install(NamePool.start(source=NumberedNames(), state=state))
        assert await all_home(pool)

    asyncio.run(main())


# -- loops ----------------------------------------------------------------------------------


def test_a_loop_goes_on_while_a_chunk_takes_its_time() -> None:
    source = GatedSource()
    pool = AsyncPoolHandle(NamePool.start(source=source))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        await wait_asked(source)
        for ticks in range(1, 10_001):  # noqa: B007
            await asyncio.sleep(0)
        source.gate.set()  # nobody else opens it: a loop that is blocked stays so

    async def agent() -> str:
        async with pool.named() as name:
            return name

    async def main() -> tuple[str, str, None]:
        return await asyncio.gather(agent(), pool.checkout_name(), tick())

    first, second, _ = asyncio.run(main())
    assert first != second
    assert ticks == 10_000


def test_opening_and_closing_a_pool_let_the_loop_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    may_open, may_close = threading.Event(), threading.Event()

    def open_slowly(**options: Any) -> PoolHandle:
        assert may_open.wait(PATIENCE)
        pool = open_pool(**options)
        close = pool._close
        assert close is not None
        pool._close = lambda: (may_close.wait(PATIENCE), close())
        return pool

    monkeypatch.setattr(service, "open_pool", open_slowly)

    async def tick() -> None:
        await turns(100)
        may_open.set()
        await turns(1_000)
        may_close.set()

    async def main() -> NamePoolRef:
        ticking = asyncio.create_task(tick())
        async with open_async_pool(source=NumberedNames()) as pool:
            async with pool.named() as name:
                assert pool.speaker() == name
            ref: Any = pool.handle._target.current  # type: ignore[attr-defined]
        await ticking
        return ref  # type: ignore[no-any-return]

    ref = asyncio.run(main())
    assert may_close.is_set()
    assert not ref.is_alive()


def test_a_pool_whose_opening_was_given_up_ends_with_its_handle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_open = threading.Event()

    def open_slowly(**options: Any) -> PoolHandle:
        assert may_open.wait(PATIENCE)
        return open_pool(**options)

    monkeypatch.setattr(service, "open_pool", open_slowly)

    async def opener() -> None:
        async with open_async_pool(source=NumberedNames()):
            pytest.fail("it was given up")

    async def main() -> None:
        task = asyncio.create_task(opener())
        await turns(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    before = set(threading.enumerate())
    asyncio.run(main())
    openers = set(threading.enumerate()) - before
    may_open.set()
    for thread in openers:
        thread.join(PATIENCE)
    for actor in pykka.ActorRegistry.get_all():
        assert actor.actor_stopped.wait(PATIENCE)


def test_an_option_that_may_not_be_is_refused_when_the_pool_is_opened() -> None:
    async def main() -> None:
        with pytest.raises(InvalidOption, match="chunk_size"):
            async with open_async_pool(chunk_size=0):
                pytest.fail("it was opened")

    asyncio.run(main())


def test_any_number_of_loops_and_threads_share_one_pool() -> None:
    with open_pool(source=NumberedNames()) as blocking:
        pool = AsyncPoolHandle(blocking)
        barrier = threading.Barrier(4)
        names: list[str] = []

        async def agent() -> None:
            async with pool.named() as name:
                names.append(name)
                await asyncio.to_thread(barrier.wait, PATIENCE)
                assert pool.speaker() == name

        def thread() -> None:
            with blocking.named() as name:
                names.append(name)
                barrier.wait(PATIENCE)
                assert blocking.speaker() == name

        run_together([lambda: asyncio.run(agent())] * 3 + [thread])
        assert len(set(names)) == 4
        assert is_balanced(blocking.pool_stats())
