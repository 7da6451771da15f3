"""Two agents and a stranger, who work round after round at the same time."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from traceback import extract_stack
from typing import Any

import anyio
import pytest

from namepool import (
    DEFAULT_NAME,
    AsyncPoolHandle,
    NamedExecutor,
    NamePool,
    NumberedNames,
    PoolHandle,
)
from namepool.attribution.who import who_speaks
from tests.support import PATIENCE, run_together, started

AGENTS, STRANGER = ("Ann", "Bob"), "stranger"
PARTIES = (*AGENTS, STRANGER)

each_round = pytest.mark.parametrize("rounds", [3, pytest.param(1000, marks=pytest.mark.proof)])

on_uvloop = pytest.param(
    "uvloop",
    marks=pytest.mark.skipif(
        importlib.util.find_spec("uvloop") is None,
        reason="NOT TESTED: names on uvloop, install 'namepool[dev]'",
    ),
)
each_loop = pytest.mark.parametrize("loop", ["asyncio", on_uvloop])


class Ears:
    """Who was heard in a pool, and who it should have been."""

    def __init__(self, pool: PoolHandle) -> None:
        self.pool = pool
        self.count = 0
        self.wrong: list[str] = []
        self._lock = threading.Lock()

    def hear(self, mine: str = DEFAULT_NAME, *, or_nobody: bool = False) -> str:
        """Note whether ``mine`` is the name that speaks here, asked for in each way there is."""
        pool, may = self.pool, {mine, DEFAULT_NAME} if or_nobody else {mine}
        agent = who_speaks(pool.speaking)
        found = pool.speaker()
        asked = pool.get_name_by_owner(timeout=PATIENCE) or DEFAULT_NAME
        for name in (found, asked, agent.name if agent else DEFAULT_NAME):
            if name not in may:
                lines = [f"{line.filename}:{line.lineno}" for line in extract_stack(limit=4)[:-1]]
                self.wrong.append(f"{name}, rather than {' or '.join(may)}: {' > '.join(lines)}")
        with self._lock:
            self.count += 1
        return found

    def check(self, at_least: int) -> None:
        """Assert that all was right, and that so much was heard."""
        assert not self.wrong, "\n".join(self.wrong[:5])
        assert self.count >= at_least, self.count


def new_pool() -> PoolHandle:
    return PoolHandle(NamePool.start(source=NumberedNames(), chunk_size=50))


class Part:
    """What one of the three does in one round: the name it should have, and what it starts."""

    def __init__(self, scene: Scene, number: int, mine: str, who: str) -> None:
        self.scene = scene
        self.number = number
        """Of the round."""
        self.mine = mine
        self.who = who

    def hear(self) -> None:
        """Note whether this part's name is spoken here."""
        self.scene.ears.hear(self.mine)

    def hear_or_nobody(self, *_: object) -> None:
        """As ``hear``; it may be that nobody speaks here."""
        self.scene.ears.hear(self.mine, or_nobody=True)

    async def talk(self) -> None:
        """Be heard, let others run, and be heard again."""
        self.hear()
        await anyio.lowlevel.checkpoint()
        self.hear()

    async def talk_as_another(self) -> None:
        """Take a name of one's own for a while."""
        pool, ears = self.scene.pool, self.scene.ears
        self.hear()
        with pool.named() as own:
            ears.hear(own)
            await anyio.lowlevel.checkpoint()
            ears.hear(own)
        self.hear()


class Scene:
    """A pool, ears in it, and workers that all share, started by nobody."""

    def __init__(self) -> None:
        self.pool = new_pool()
        self.async_pool = AsyncPoolHandle(self.pool)
        self.ears = Ears(self.pool)
        self.plain, self.named = ThreadPoolExecutor(2), NamedExecutor(2)
        for workers in (self.plain, self.named):
            both = threading.Barrier(2)
            for future in [workers.submit(both.wait, PATIENCE) for _ in range(2)]:
                future.result(PATIENCE)
        self.left: dict[str, Any] = {}
        """What each has put there for the others."""

    def close(self) -> None:
        """Stop the workers; they go as they came, as nobody."""
        for workers in (self.plain, self.named):
            both = threading.Barrier(2)

            def leave(both: threading.Barrier = both) -> None:
                both.wait(PATIENCE)
                self.ears.hear()

            futures: list[Future[None]] = [workers.submit(leave) for _ in range(2)]
            for future in futures:
                future.result(PATIENCE)
            workers.shutdown()
        assert self.pool.pool_stats().checked_out_count == 0


class Meeting:
    """Where the three wait for one another, as tasks."""

    def __init__(self) -> None:
        self._here = 0
        self._all: Any = None

    async def __call__(self) -> None:
        if self._all is None:
            self._all = anyio.Event()
        everybody = self._all
        self._here += 1
        if self._here == len(PARTIES):
            self._here, self._all = 0, None
            everybody.set()
        with anyio.fail_after(PATIENCE):
            await everybody.wait()


Way = Callable[[Part, Meeting], Any]


async def as_tasks(scene: Scene, rounds: int, way: Way) -> None:
    """Have three tasks work in one way; in each round, each takes its name in another way."""
    meet = Meeting()

    async def work(who: str, number: int, mine: str) -> None:
        part = Part(scene, number, mine, who)
        for _ in range((number * 7 + PARTIES.index(who) * 3) % 4):  # in another order each time
            await anyio.lowlevel.checkpoint()
        await meet()
        part.hear()
        await way(part, meet)
        part.hear()
        await meet()

    async def party(who: str) -> None:
        pool, async_pool = scene.pool, scene.async_pool
        for number in range(rounds):
            scene.ears.hear()
            if who == STRANGER:
                await work(who, number, DEFAULT_NAME)
            elif number % 4 == 0:
                with pool.named() as name:
                    await work(who, number, name)
            elif number % 4 == 1:
                async with async_pool.named() as name:
                    await work(who, number, name)
            elif number % 4 == 2:
                name = pool.checkout_name()
                await work(who, number, name)
                pool.checkin_name(name)
            else:
                name = await async_pool.checkout_name()
                await work(who, number, name)
                await async_pool.checkin_name(name)

    async with anyio.create_task_group() as group:
        for who in PARTIES:
            group.start_soon(party, who)


def as_threads(scene: Scene, rounds: int, way: Callable[[Part, Callable[[], object]], Any]) -> None:
    """The same with three threads."""
    barrier = threading.Barrier(len(PARTIES))

    def meet() -> None:
        barrier.wait(PATIENCE)

    def work(who: str, number: int, mine: str) -> None:
        part = Part(scene, number, mine, who)
        meet()
        part.hear()
        way(part, meet)
        part.hear()
        meet()

    def party(who: str) -> None:
        pool = scene.pool
        with broken_by_failure(barrier):
            for number in range(rounds):
                scene.ears.hear()
                if who == STRANGER:
                    work(who, number, DEFAULT_NAME)
                elif number % 2:
                    with pool.named() as name:
                        work(who, number, name)
                else:
                    name = pool.checkout_name()
                    work(who, number, name)
                    pool.checkin_name(name)

    run_together([lambda who=who: party(who) for who in PARTIES])  # type: ignore[misc]


@contextmanager
def broken_by_failure(barrier: threading.Barrier) -> Iterator[None]:
    """Have the others fail at once where one has failed."""
    try:
        yield
    except BaseException:
        barrier.abort()
        raise


def run_on(loop: str, main: Callable[[], Any]) -> None:
    """Run a coroutine function on a loop of asyncio's or of uvloop's."""
    factory = None
    if loop == "uvloop":
        factory = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())


@contextmanager
def host_of(pool: PoolHandle, serve: Callable[..., object]) -> Iterator[Any]:
    """Have a thread with a name ``serve(ready, leave)``; yield what it calls ``ready`` with."""
    served: queue.SimpleQueue[Any] = queue.SimpleQueue()
    leave = threading.Event()

    def host() -> None:
        with pool.named():
            serve(served.put, leave)

    thread, results = started(host)
    try:
        yield served.get(timeout=PATIENCE)
    finally:
        leave.set()
        thread.join(PATIENCE)
    assert results == [None]
