"""``@pool.named()``: each call has a name of its own; a generator speaks under it in its steps."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from namepool import (
    DEFAULT_NAME,
    AsyncPoolHandle,
    NamePool,
    NamesUnavailable,
    NumberedNames,
    PoolHandle,
    current_owner,
)
from tests.support import PATIENCE, ScriptedSource, on_thread

word: ContextVar[str] = ContextVar("word", default="none")

Pool = PoolHandle | AsyncPoolHandle


@pytest.fixture(params=[PoolHandle, AsyncPoolHandle])
def pool(request: pytest.FixtureRequest) -> Pool:
    handle: Pool = request.param(NamePool.start(source=NumberedNames()))
    return handle


def blocking(pool: Pool) -> PoolHandle:
    return pool if isinstance(pool, PoolHandle) else pool.handle


def out(pool: Pool) -> int:
    """Return how many names are checked out."""
    return blocking(pool).pool_stats().checked_out_count


# -- functions ------------------------------------------------------------------------------


def test_each_call_of_a_function_has_a_name_of_its_own_until_it_returns(pool: Pool) -> None:
    @pool.named()
    def agent(role: str, *, times: int) -> list[str]:
        """Work."""
        return [role] * times + [pool.speaker()]

    first, second = agent("planner", times=1), agent("tester", times=2)

    assert first[:-1] + second[:-1] == ["planner", "tester", "tester"]
    assert first[-1] != DEFAULT_NAME != second[-1]
    assert pool.speaker() == DEFAULT_NAME
    assert out(pool) == 0
    assert (agent.__name__, agent.__doc__) == ("agent", "Work.")


def test_a_function_that_calls_itself_has_a_name_for_each_call(pool: Pool) -> None:
    @pool.named()
    def agent(depth: int) -> list[str]:
        mine = pool.speaker()
        names = [mine, *(agent(depth - 1) if depth else [])]
        assert pool.speaker() == mine
        return names

    assert len(set(agent(3))) == 4
    assert out(pool) == 0


def test_a_function_that_fails_gives_its_name_back(pool: Pool) -> None:
    @pool.named()
    def agent() -> None:
        raise LookupError("lost")

    with pytest.raises(LookupError):
        agent()

    assert pool.speaker() == DEFAULT_NAME
    assert out(pool) == 0


def test_a_method_is_decorated_like_a_function(pool: Pool) -> None:
    class Agent:
        @pool.named()
        def work(self, role: str) -> tuple[object, str, str]:
            return self, role, pool.speaker()

    agent = Agent()
    worker, role, name = agent.work("planner")

    assert (worker, role) == (agent, "planner")
    assert name != DEFAULT_NAME


def test_calls_on_many_threads_have_names_of_their_own(pool: Pool) -> None:
    together = threading.Barrier(4)
    names: list[str] = []

    @pool.named()
    def agent() -> None:
        names.append(pool.speaker())
        together.wait(PATIENCE)

    threads = [threading.Thread(target=agent) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)

    assert len(set(names)) == 4
    assert out(pool) == 0


def test_a_function_speaks_under_a_given_name_too(pool: Pool) -> None:
    @pool.speaking_as("Saved Sue")
    def agent() -> str:
        return pool.speaker()

    assert [agent(), agent()] == ["Saved Sue"] * 2
    assert out(pool) == 0


def test_a_block_that_decorates_may_be_entered_too(pool: Pool) -> None:
    block = blocking(pool).named()

    @block
    def agent() -> str:
        return pool.speaker()

    with block as mine:
        assert agent() != mine
        assert pool.speaker() == mine
    assert out(pool) == 0


def test_where_no_name_is_to_be_had_the_call_fails_or_runs_under_the_default_one() -> None:
    pool = PoolHandle(NamePool.start(source=ScriptedSource()))
    with pytest.raises(NamesUnavailable):
        pool.named()(pool.speaker)()

    assert pool.named(default="The Understudy")(pool.speaker)() == "The Understudy"
    assert pool.speaker() == DEFAULT_NAME


# -- coroutine functions --------------------------------------------------------------------


def test_each_call_of_a_coroutine_function_has_a_name_of_its_own(pool: Pool) -> None:
    @pool.named()
    async def agent(role: str) -> tuple[str, str]:
        name = pool.speaker()
        await asyncio.sleep(0)
        assert pool.speaker() == name
        return role, name

    async def main() -> None:
        coroutine = agent("planner")
        assert out(pool) == 0  # its name is taken when it runs
        results = [await coroutine, *await asyncio.gather(agent("builder"), agent("tester"))]
        assert [role for role, _ in results] == ["planner", "builder", "tester"]
        assert DEFAULT_NAME not in dict(results).values()
        assert results[1][1] != results[2][1]
        assert pool.speaker() == DEFAULT_NAME

    assert inspect.iscoroutinefunction(agent)
    asyncio.run(main())
    assert out(pool) == 0


@pytest.mark.parametrize("end", ["cancelled", "failed"])
def test_a_coroutine_that_does_not_end_well_gives_its_name_back(pool: Pool, end: str) -> None:
    @pool.named()
    async def agent(running: asyncio.Event) -> None:
        running.set()
        if end == "failed":
            raise LookupError("lost")
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        running = asyncio.Event()
        task = asyncio.create_task(agent(running))
        await running.wait()
        task.cancel()
        with pytest.raises((LookupError, asyncio.CancelledError)):
            await task

    asyncio.run(main())
    assert out(pool) == 0


# -- generators -----------------------------------------------------------------------------


def test_a_generator_takes_its_name_at_its_first_step_and_gives_it_back_with_the_last(
    pool: Pool,
) -> None:
    @pool.named()
    def agent(count: int) -> Generator[str, None, None]:
        for _ in range(count):
            yield pool.speaker()

    running = agent(2)
    taken = [out(pool)]
    names = []
    for name in running:
        names.append(name)
        taken.append(out(pool))

    assert taken == [0, 1, 1]
    assert names[0] == names[1] != DEFAULT_NAME
    assert out(pool) == 0
    assert inspect.isgeneratorfunction(agent)


def test_a_generator_that_never_ran_takes_no_name(pool: Pool) -> None:
    ran = []

    @pool.named()
    def agent() -> Generator[None, None, None]:
        ran.append(pool.speaker())
        yield

    agent().close()
    running = agent()
    with pytest.raises(LookupError):
        running.throw(LookupError("before its first step"))
    del running

    assert ran == []
    assert blocking(pool).pool_stats().checkout_count == 0


def test_the_consumer_never_speaks_as_the_generator(pool: Pool) -> None:
    @pool.named()
    def agent() -> Generator[str, None, None]:
        yield pool.speaker()
        yield pool.speaker()

    assert [pool.speaker() for _ in agent()] == [DEFAULT_NAME] * 2
    assert pool.speaker() == DEFAULT_NAME
    with blocking(pool).named() as mine:
        for name in agent():
            assert pool.speaker() == mine != name
        assert pool.speaker() == mine
    assert pool.speaker() == DEFAULT_NAME


def test_what_the_consumer_takes_between_the_steps_is_the_consumers_own(pool: Pool) -> None:
    @pool.named()
    def agent() -> Generator[str, None, None]:
        while True:
            yield pool.speaker()

    running = agent()
    name = next(running)
    with blocking(pool).named() as mine:
        assert next(running) == name != mine
        assert pool.speaker() == mine
    kept = blocking(pool).checkout_name()

    running.close()

    assert pool.speaker() == kept
    assert out(pool) == 1


def test_generators_that_take_turns_speak_each_under_its_own_name(pool: Pool) -> None:
    @pool.named()
    def agent() -> Generator[str, None, None]:
        while True:
            yield pool.speaker()

    first, second = agent(), agent()
    rounds = [(next(first), next(second)) for _ in range(3)]
    first.close()
    last = next(second)
    second.close()

    assert len(set(rounds)) == 1
    assert len({*rounds[0]}) == 2
    assert last == rounds[0][1]
    assert out(pool) == 0


def test_what_is_sent_arrives_and_what_is_returned_is_the_value(pool: Pool) -> None:
    @pool.named()
    def agent() -> Generator[str, int, list[object]]:
        got: list[object] = [pool.speaker()]
        while (sent := (yield pool.speaker())) is not None:
            got.append(sent)
        return got

    def consumer() -> Generator[str, int, list[object]]:
        return (yield from agent())

    running = consumer()
    name = next(running)
    assert [running.send(1), running.send(2)] == [name, name]
    with pytest.raises(StopIteration) as stop:
        next(running)
    assert stop.value.value == [name, 1, 2]
    assert out(pool) == 0


def test_an_exception_that_is_thrown_in_is_raised_at_the_yield(pool: Pool) -> None:
    @pool.named()
    def agent() -> Generator[str, None, None]:
        try:
            yield pool.speaker()
        except LookupError as error:
            yield f"{error.args[0]} by {pool.speaker()}"
        yield "next"

    running = agent()
    name = next(running)

    assert running.throw(LookupError("caught")) == f"caught by {name}"
    assert pool.speaker() == DEFAULT_NAME
    with pytest.raises(KeyError):
        running.throw(KeyError("not caught"))
    assert pool.speaker() == DEFAULT_NAME
    assert out(pool) == 0


def test_a_generator_that_fails_gives_its_name_back(pool: Pool) -> None:
    @pool.named()
    def agent() -> Generator[str, None, None]:
        yield pool.speaker()
        raise LookupError("lost")

    running = agent()
    next(running)
    with pytest.raises(LookupError, match="lost"):
        next(running)

    assert pool.speaker() == DEFAULT_NAME
    assert out(pool) == 0


@pytest.mark.parametrize("end", ["close", "drop", "break"])
def test_a_generator_that_is_broken_off_speaks_under_its_name_to_its_end(
    pool: Pool, end: str
) -> None:
    last_words: list[str] = []

    @pool.named()
    def agent() -> Generator[str, None, None]:
        try:
            while True:
                yield pool.speaker()
        finally:
            last_words.append(pool.speaker())

    if end == "break":
        for name in agent():  # noqa: B007
            break
    else:
        running = agent()
        name = next(running)
        if end == "close":
            running.close()
        del running
    gc.collect()

    assert last_words == [name]
    assert pool.speaker() == DEFAULT_NAME
    assert out(pool) == 0


def test_a_generator_that_is_dropped_in_a_cycle_gives_its_name_back(pool: Pool) -> None:
    @pool.named()
    def agent() -> Generator[object, Any, None]:
        myself = yield pool.speaker()
        yield myself

    running = agent()
    next(running)
    running.send(running)

    del running
    gc.collect()

    assert out(pool) == 0


def test_a_generator_that_refuses_to_end_gives_its_name_back_all_the_same(pool: Pool) -> None:
    @pool.named()
    def agent() -> Generator[str, None, None]:
        try:
            yield pool.speaker()
        except GeneratorExit:
            yield "no"

    running = agent()
    next(running)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        running.close()

    assert pool.speaker() == DEFAULT_NAME
    assert out(pool) == 0


def test_a_block_within_a_generator_lasts_over_its_steps_and_is_no_ones_else(pool: Pool) -> None:
    @pool.named()
    def agent() -> Generator[tuple[str, str], None, None]:
        outer = pool.speaker()
        yield outer, pool.speaker()
        with blocking(pool).named() as inner:
            yield inner, pool.speaker()
            with blocking(pool).unnamed():
                yield DEFAULT_NAME, pool.speaker()
            yield inner, pool.speaker()
        yield outer, pool.speaker()

    spoken = []
    for expected, heard in agent():
        assert expected == heard
        assert pool.speaker() == DEFAULT_NAME
        spoken.append(heard)

    assert spoken[0] == spoken[-1] != spoken[1] == spoken[-2]
    assert out(pool) == 0


def test_a_name_that_a_generator_checks_out_itself_is_spoken_in_its_steps_only(pool: Pool) -> None:
    @pool.named()
    def agent() -> Generator[tuple[str, str], None, None]:
        mine = blocking(pool).checkout_name()
        yield mine, pool.speaker()
        yield mine, pool.speaker()
        blocking(pool).checkin_name(mine)

    for mine, heard in agent():
        assert mine == heard
        assert pool.speaker() == DEFAULT_NAME
    assert out(pool) == 0


def test_one_generator_within_another_does_not_mix_with_it(pool: Pool) -> None:
    @pool.named()
    def inner() -> Generator[str, None, None]:
        yield pool.speaker()
        yield pool.speaker()

    @pool.named()
    def outer() -> Generator[tuple[str, str], None, None]:
        mine = pool.speaker()
        for name in inner():
            assert pool.speaker() == mine
            yield mine, name

    pairs = list(outer())

    assert len(set(pairs)) == 1
    assert pairs[0][0] != pairs[0][1]
    assert out(pool) == 0


def test_what_a_generator_starts_in_a_step_speaks_as_it_until_it_ends(pool: Pool) -> None:
    @pool.named()
    def agent() -> Generator[tuple[str, contextvars.Context], None, None]:
        yield pool.speaker(), contextvars.copy_context()

    running = agent()
    name, context = next(running)
    assert on_thread(lambda: context.run(pool.speaker)) == name

    running.close()

    assert on_thread(lambda: context.run(pool.speaker)) == DEFAULT_NAME


def test_the_context_variables_of_others_are_as_in_any_generator(pool: Pool) -> None:
    def agent() -> Generator[str, None, None]:
        word.set("set in the first step")
        yield word.get()
        yield word.get()

    def steps(function: Callable[[], Iterator[str]]) -> list[str]:
        seen = []
        running = function()
        seen += [next(running), word.get()]
        word.set("set by the consumer")
        seen += [next(running), word.get(), *running, word.get()]
        return seen

    plain = contextvars.copy_context().run(steps, agent)
    decorated = contextvars.copy_context().run(steps, pool.named()(agent))

    assert decorated == plain
    assert "set by the consumer" in decorated[2:]


def test_a_generator_whose_steps_run_on_other_threads_speaks_there_and_nobody_else_does(
    pool: Pool,
) -> None:
    @pool.named()
    def agent() -> Generator[str, None, None]:
        while True:
            yield pool.speaker()

    def step() -> tuple[str, str, str]:
        return pool.speaker(), next(running), pool.speaker()

    running = agent()
    steps = [on_thread(lambda: contextvars.copy_context().run(step)) for _ in range(3)]
    on_thread(running.close)

    assert {(before, after) for before, _, after in steps} == {(DEFAULT_NAME, DEFAULT_NAME)}
    assert len({name for _, name, _ in steps} - {DEFAULT_NAME}) == 1
    assert out(pool) == 0


def test_a_generator_without_a_name_to_be_had_never_runs() -> None:
    pool = PoolHandle(NamePool.start(source=ScriptedSource()))
    ran = []

    @pool.named()
    def agent() -> Generator[None, None, None]:
        ran.append(True)
        yield

    with pytest.raises(NamesUnavailable):
        next(agent())
    assert ran == []
    assert pool.speaker() == DEFAULT_NAME


# -- async generators -----------------------------------------------------------------------


def test_an_async_generator_takes_its_name_at_its_first_step_and_gives_it_back_with_the_last(
    pool: Pool,
) -> None:
    @pool.named()
    async def agent(count: int) -> AsyncIterator[str]:
        for _ in range(count):
            await asyncio.sleep(0)
            yield pool.speaker()

    async def main() -> None:
        running = agent(2)
        names, taken = [], [out(pool)]
        async for name in running:
            assert pool.speaker() == DEFAULT_NAME
            await asyncio.sleep(0)
            names.append(name)
            taken.append(out(pool))
        assert taken == [0, 1, 1]
        assert names[0] == names[1] != DEFAULT_NAME
        assert pool.speaker() == DEFAULT_NAME

    assert inspect.isasyncgenfunction(agent)
    asyncio.run(main())
    assert out(pool) == 0


def test_the_consumer_of_an_async_generator_keeps_its_own_name(pool: Pool) -> None:
    @pool.named()
    async def agent() -> AsyncIterator[str]:
        while True:
            yield pool.speaker()

    async def main() -> None:
        first, second = agent(), agent()
        async with pool.named() as mine:
            a, b = await anext(first), await anext(second)
            assert pool.speaker() == mine
            assert len({a, b, mine}) == 3
        async with pool.named() as mine:
            assert (await anext(first), await anext(second)) == (a, b)
            assert pool.speaker() == mine
        for running in (first, second):
            await running.aclose()  # type: ignore[attr-defined]
        assert pool.speaker() == DEFAULT_NAME

    asyncio.run(main())
    assert out(pool) == 0


def test_what_is_sent_to_an_async_generator_arrives(pool: Pool) -> None:
    @pool.named()
    async def agent() -> AsyncGenerator[object, object]:
        sent: object = pool.speaker()
        while sent is not None:
            sent = yield sent

    async def main() -> None:
        running = agent()
        name = await running.asend(None)
        assert name != DEFAULT_NAME
        assert [await running.asend(1), await running.asend(2)] == [1, 2]
        with pytest.raises(StopAsyncIteration):
            await running.asend(None)
        assert pool.speaker() == DEFAULT_NAME

    asyncio.run(main())
    assert out(pool) == 0


def test_an_exception_that_is_thrown_into_an_async_generator_is_raised_at_the_yield(
    pool: Pool,
) -> None:
    @pool.named()
    async def agent() -> AsyncGenerator[str, None]:
        try:
            yield pool.speaker()
        except LookupError as error:
            await asyncio.sleep(0)
            yield f"{error.args[0]} by {pool.speaker()}"
        yield "next"

    async def main() -> None:
        running = agent()
        name = await anext(running)
        assert await running.athrow(LookupError("caught")) == f"caught by {name}"
        assert pool.speaker() == DEFAULT_NAME
        with pytest.raises(KeyError):
            await running.athrow(KeyError("not caught"))
        assert pool.speaker() == DEFAULT_NAME

    asyncio.run(main())
    assert out(pool) == 0


@pytest.mark.parametrize("end", ["aclose", "break", "fail", "cancel"])
def test_an_async_generator_that_does_not_come_to_its_end_speaks_under_its_name_until_then(
    pool: Pool, end: str
) -> None:
    last_words: list[str] = []
    waiting = asyncio.Event()

    @pool.named()
    async def agent(names: list[str]) -> AsyncGenerator[None, None]:
        names.append(pool.speaker())
        try:
            yield
            if end == "fail":
                raise LookupError("lost")
            waiting.set()
            await asyncio.get_running_loop().create_future()
        finally:
            await asyncio.sleep(0)
            last_words.append(pool.speaker())

    async def consume(names: list[str]) -> None:
        running = agent(names)
        if end == "break":
            async for _ in running:
                break
        elif end == "aclose":
            await anext(running)
            await running.aclose()
        else:
            async for _ in running:
                pass

    async def main() -> None:
        names: list[str] = []
        task = asyncio.create_task(consume(names))
        if end == "cancel":
            await waiting.wait()
            task.cancel()
        try:
            await task
        except (LookupError, asyncio.CancelledError):
            assert end in ("fail", "cancel")
        gc.collect()
        await asyncio.get_running_loop().shutdown_asyncgens()
        assert last_words == names
        assert names[0] != DEFAULT_NAME == pool.speaker()

    asyncio.run(main())
    assert out(pool) == 0


def test_blocks_within_an_async_generator_last_over_its_steps_and_are_no_ones_else(
    pool: Pool,
) -> None:
    @pool.named()
    async def agent() -> AsyncIterator[tuple[str, str]]:
        outer = pool.speaker()
        yield outer, pool.speaker()
        async with pool.named() as inner:
            yield inner, pool.speaker()
            with pool.unnamed():
                yield DEFAULT_NAME, pool.speaker()
            yield inner, pool.speaker()
        yield outer, pool.speaker()

    async def main() -> None:
        async for expected, heard in agent():
            assert expected == heard
            assert pool.speaker() == DEFAULT_NAME

    asyncio.run(main())
    assert out(pool) == 0


def test_the_context_variables_of_others_are_as_in_any_async_generator(pool: Pool) -> None:
    async def agent() -> AsyncIterator[str]:
        word.set("set in the first step")
        yield word.get()
        yield word.get()

    async def steps(function: Callable[[], AsyncIterator[str]]) -> list[str]:
        seen = []
        running = function()
        seen += [await anext(running), word.get()]
        word.set("set by the consumer")
        seen += [await anext(running), word.get()]
        seen += [item async for item in running]
        return [*seen, word.get()]

    assert asyncio.run(steps(pool.named()(agent))) == asyncio.run(steps(agent))


def test_an_async_generator_whose_steps_run_in_several_tasks_speaks_in_each_and_they_do_not(
    pool: Pool,
) -> None:
    @pool.named()
    async def agent() -> AsyncIterator[str]:
        while True:
            await asyncio.sleep(0)
            yield pool.speaker()

    async def step(running: AsyncIterator[str]) -> tuple[str, str, str]:
        async with pool.named() as mine:
            name = await anext(running)
            return mine, name, pool.speaker()

    async def main() -> None:
        running = agent()
        steps = [await asyncio.create_task(step(running)) for _ in range(3)]
        assert len({name for _, name, _ in steps}) == 1
        assert all(mine == after != name for mine, name, after in steps)
        await running.aclose()  # type: ignore[attr-defined]

    asyncio.run(main())
    assert out(pool) == 0


# -- who is the owner -----------------------------------------------------------------------


def test_the_name_of_a_call_is_found_by_its_caller(pool: Pool) -> None:
    @pool.named()
    def agent() -> tuple[str | None, str]:
        return blocking(pool).get_name_by_owner(current_owner()), pool.speaker()

    found, name = agent()

    assert found == name


# -- objects --------------------------------------------------------------------------------


class Agent:
    """An agent that is called, and waits."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def __call__(self) -> str:
        await asyncio.sleep(0)
        return self.pool.speaker()


def test_an_object_whose_call_is_a_coroutine_function_has_its_name_while_that_runs(
    pool: Pool,
) -> None:
    assert asyncio.run(pool.named()(Agent(pool))()) != DEFAULT_NAME
    assert out(pool) == 0
