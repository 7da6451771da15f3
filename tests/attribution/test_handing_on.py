"""Every way of handing work on: what runs there speaks under the name of whoever handed it on."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from namepool import (
    DEFAULT_NAME,
    NamedExecutor,
    NamePool,
    NumberedNames,
    PoolHandle,
    inherit_everywhere,
    inherit_owner,
    named_thread,
)
from namepool.speaking import chain
from tests.support import PATIENCE, on_thread


class Work:
    """What is handed on: steps, one after another; it waits before each but the first."""

    def __init__(self, *steps: Callable[[], Any]) -> None:
        self.steps = steps
        self.begun = threading.Event()
        self.may_go_on = threading.Event()
        self.found: list[Any] = []
        self.error: BaseException | None = None

    def run(self) -> list[Any]:
        for n, step in enumerate(self.steps):
            if n:
                self.begun.set()
                assert self.may_go_on.wait(PATIENCE)
            result = step()
            self.found.append(asyncio.run(result) if inspect.iscoroutine(result) else result)
        return self.found

    async def run_async(self) -> list[Any]:
        for n, step in enumerate(self.steps):
            if n:
                self.begun.set()
                async with asyncio.timeout(PATIENCE):
                    while not self.may_go_on.is_set():
                        await asyncio.sleep(0)
            result = step()
            self.found.append(await result if inspect.iscoroutine(result) else result)
        return self.found

    def run_quietly(self) -> None:
        try:
            self.run()
        except BaseException as error:
            self.error = error

    def on(self, thread: threading.Thread) -> list[Any]:
        """Run on ``thread``, whose target is ``run_quietly``."""
        thread.start()
        thread.join(PATIENCE)
        if self.error is not None:
            raise self.error
        return self.found


class Hands:
    """Workers of each kind: one that is used again and again, if not told otherwise."""

    def __init__(self, workers: int = 1) -> None:
        self.plain, self.named = ThreadPoolExecutor(workers), NamedExecutor(workers)

    def shutdown(self) -> None:
        self.plain.shutdown()
        self.named.shutdown()


class _OwnRun(threading.Thread):
    """A thread with a ``run`` of its own."""

    def __init__(self, run: Callable[[], object]) -> None:
        super().__init__()
        self._own = run

    def run(self) -> None:
        self._own()


# The ways, on the agent's task …


async def create_task(_: Hands, work: Work) -> Any:
    return await asyncio.create_task(work.run_async())


async def gather(_: Hands, work: Work) -> Any:
    return (await asyncio.gather(work.run_async(), asyncio.sleep(0)))[0]


async def task_group(_: Hands, work: Work) -> Any:
    try:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(work.run_async())
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from None
    return task.result()


async def wait_for(_: Hands, work: Work) -> Any:
    return await asyncio.wait_for(work.run_async(), PATIENCE)


async def to_thread(_: Hands, work: Work) -> Any:
    return await asyncio.to_thread(work.run)


async def callback(_: Hands, work: Work) -> Any:
    done = asyncio.Event()
    tasks: list[Any] = []
    loop = asyncio.get_running_loop()

    def call() -> None:
        tasks.append(loop.create_task(work.run_async()))
        done.set()

    loop.call_soon(call)
    await done.wait()
    return await tasks[0]


async def run_in_named_executor(hands: Hands, work: Work) -> Any:
    return await asyncio.get_running_loop().run_in_executor(hands.named, work.run)


async def run_in_executor_everywhere(hands: Hands, work: Work) -> Any:
    with inherit_everywhere():
        return await asyncio.get_running_loop().run_in_executor(hands.plain, work.run)


async def run_in_default_executor(_: Hands, work: Work) -> Any:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(NamedExecutor(1))
    return await loop.run_in_executor(None, work.run)


# … and on its thread


def run_a_loop(_: Hands, work: Work) -> Any:
    return asyncio.run(work.run_async())


def copy_context(hands: Hands, work: Work) -> Any:
    return hands.plain.submit(contextvars.copy_context().run, work.run).result(PATIENCE)


def lend(hands: Hands, work: Work) -> Any:
    return hands.plain.submit(inherit_owner(work.run)).result(PATIENCE)


def submit(hands: Hands, work: Work) -> Any:
    return hands.named.submit(work.run).result(PATIENCE)


def map_work(hands: Hands, work: Work) -> Any:
    return next(hands.named.map(Work.run, [work], timeout=PATIENCE))


def start_named_thread(_: Hands, work: Work) -> Any:
    return work.on(named_thread(work.run_quietly))


def submit_everywhere(hands: Hands, work: Work) -> Any:
    with inherit_everywhere():
        return hands.plain.submit(work.run).result(PATIENCE)


def thread_everywhere(_: Hands, work: Work) -> Any:
    with inherit_everywhere():
        return work.on(threading.Thread(target=work.run_quietly))


def own_run_everywhere(_: Hands, work: Work) -> Any:
    with inherit_everywhere():
        return work.on(_OwnRun(work.run_quietly))


def timer_everywhere(_: Hands, work: Work) -> Any:
    with inherit_everywhere():
        return work.on(threading.Timer(0, work.run_quietly))


def twice_over(hands: Hands, work: Work) -> Any:
    with inherit_everywhere():
        thread = named_thread(lambda: hands.named.submit(work.run_quietly).result(PATIENCE))
        return work.on(thread)


Way = Callable[[Hands, Work], Any]
TASKS: list[Way] = [
    *(create_task, gather, task_group, wait_for, to_thread, callback),
    *(run_in_named_executor, run_in_executor_everywhere, run_in_default_executor),
]
THREADS: list[Way] = [
    *(run_a_loop, copy_context, lend, submit, map_work, start_named_thread),
    *(submit_everywhere, thread_everywhere, own_run_everywhere, timer_everywhere, twice_over),
]


class Crew:
    """A pool, and agents that hand work on in one way."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.pool = PoolHandle(NamePool.start(source=NumberedNames(), chunk_size=50))
        self.hands = Hands()

    def agent(self, work: Work) -> Any:
        """Work as an agent with a name; return it, and what the work found."""
        return asyncio.run(self.agent_task(work)) if self.is_async else self._agent(work)

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.way)

    def nested(self, work: Work) -> Any:
        """As ``agent``, for a step of other work."""
        return self.agent_task(work) if self.is_async else self._agent(work)

    def _agent(self, work: Work) -> tuple[str, Any]:
        with self.pool.named() as name:
            found = self.way(self.hands, work)
            assert self.pool.speaker() in (name, DEFAULT_NAME)
        return name, found

    async def agent_task(self, work: Work) -> tuple[str, Any]:
        with self.pool.named() as name:
            found = await self.way(self.hands, work)
            assert self.pool.speaker() in (name, DEFAULT_NAME)
        return name, found

    def check_workers_are_nobody(self) -> None:
        for worker in (self.hands.plain, self.hands.named):
            assert worker.submit(self.pool.speaker).result(PATIENCE) == DEFAULT_NAME
        assert self.hands.plain.submit(chain.get).result(PATIENCE) is None


@pytest.fixture(params=TASKS + THREADS, ids=lambda way: str(way.__name__))
def crew(request: pytest.FixtureRequest) -> Iterator[Crew]:
    crew = Crew(request.param)
    yield crew
    crew.hands.shutdown()


def test_the_name_inside_is_that_of_who_handed_the_work_on(crew: Crew) -> None:
    work = Work(crew.pool.speaker, crew.pool.get_name_by_owner)
    work.may_go_on.set()
    name, found = on_thread(lambda: crew.agent(work))
    assert found == [name, name]
    crew.check_workers_are_nobody()


def test_an_agent_within_an_agent_hands_on_its_own_name(crew: Crew) -> None:
    crew.hands.shutdown()
    crew.hands = Hands(workers=2)
    inner = Work(crew.pool.speaker)

    def nested() -> Any:
        if crew.way is run_a_loop:  # a loop runs no loop
            crew.way = map_work
        return crew.nested(inner)

    work = Work(nested, crew.pool.speaker)
    work.may_go_on.set()
    outer_name, (inside, after) = on_thread(lambda: crew.agent(work))
    inner_name, found = inside
    assert found == [inner_name]
    assert inner_name != outer_name == after


def test_a_child_with_a_name_of_its_own_speaks_under_that_and_under_its_parents_after(
    crew: Crew,
) -> None:
    pool = crew.pool

    def own_name() -> tuple[str, str]:
        with pool.named() as own:
            return own, pool.speaker()

    def checked_out() -> tuple[str, str]:
        own = pool.checkout_name()
        try:
            return own, pool.speaker()
        finally:
            pool.checkin_name(own)

    work = Work(own_name, pool.speaker, checked_out, pool.speaker)
    work.may_go_on.set()
    name, (block, after_block, checkout, after_checkout) = on_thread(lambda: crew.agent(work))
    assert block[0] == block[1] != name
    assert checkout[0] == checkout[1] != name
    assert after_block == after_checkout == name
    crew.check_workers_are_nobody()


def test_when_the_parents_name_goes_home_a_child_that_still_runs_is_nobody(crew: Crew) -> None:
    work = Work(crew.pool.speaker, crew.pool.speaker)

    def check_in() -> None:
        assert work.begun.wait(PATIENCE)
        crew.pool.checkin_name(work.found[0])
        work.may_go_on.set()

    thread = threading.Thread(target=check_in)
    thread.start()
    name, found = on_thread(lambda: crew.agent(work))
    thread.join(PATIENCE)
    assert found == [name, DEFAULT_NAME]


def test_a_worker_whose_work_raises_keeps_nothing(crew: Crew) -> None:
    errors = [ValueError, StopIteration, SystemExit, KeyboardInterrupt]
    for error in errors[: 1 if crew.is_async else None]:  # a loop ends on the others

        def fail(error: type[BaseException] = error) -> None:
            raise error("in the work")

        with pytest.raises((error, RuntimeError)):  # a coroutine turns StopIteration into one
            on_thread(lambda fail=fail: crew.agent(Work(fail)))  # type: ignore[misc]
        crew.check_workers_are_nobody()
        assert crew.pool.pool_stats().checked_out_count == 0


def test_a_worker_that_is_used_again_speaks_for_its_next_agent(crew: Crew) -> None:
    for _ in range(5):
        name, found = on_thread(lambda: crew.agent(Work(crew.pool.speaker)))
        assert found == [name]
        crew.check_workers_are_nobody()


def test_work_of_a_nameless_submitter_is_nobodys(crew: Crew) -> None:
    on_thread(lambda: crew.agent(Work(crew.pool.speaker)))

    def nobody() -> Any:
        work = Work(crew.pool.speaker)
        way = crew.way(crew.hands, work)
        return asyncio.run(way) if inspect.iscoroutine(way) else way

    assert on_thread(nobody) == [DEFAULT_NAME]
