"""Decorated functions and generators have names of their own, and lend them to nobody."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

from namepool import (
    DEFAULT_NAME,
    PoolHandle,
    current_owner,
    owner_scope,
)
from tests.identity.scene import (
    PARTIES,
    STRANGER,
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


class Wrong(Exception):
    """What the tests throw."""


@pytest.fixture
def pool() -> PoolHandle:
    return new_pool()


def test_a_decorated_generator_serves_as_a_context_manager(pool: PoolHandle) -> None:
    heard: list[str] = []

    @contextlib.contextmanager
    @pool.named()
    def agent() -> Iterator[str]:
        heard.append(pool.speaker())
        yield pool.speaker()
        heard.append(pool.speaker())

    with agent() as name:
        assert pool.speaker() == DEFAULT_NAME
    assert heard == [name, name]


# Round after round: two that are decorated, and one that is not

Steps = Callable[[], Iterator[str]]


def generators(scene: Scene, count: int = 3) -> dict[str, Steps]:
    """Return a generator function of each party; those of the agents are decorated."""
    hear, pool = scene.ears.hear, scene.pool

    def agent() -> Iterator[str]:
        name = pool.speaker()
        for _ in range(count):
            hear(name)
            yield name
            hear(name)

    def stranger() -> Iterator[str]:  # it speaks as whoever iterates
        for _ in range(count):
            yield DEFAULT_NAME

    decorated = pool.named()(agent)
    return {who: stranger if who == STRANGER else decorated for who in PARTIES}


def leave(generator: Any, how: int) -> None:
    """Have done with a generator, in one of several ways."""
    if how == 0:
        for _ in generator:
            pass
    elif how == 1:
        generator.close()
    elif how == 2:
        with contextlib.suppress(Wrong):
            generator.throw(Wrong())
    # else it is dropped, as where a ``for`` is broken off


@each_round
def test_in_one_thread_neither_generator_nor_its_consumer_speaks_as_another(
    rounds: int, scene: Scene
) -> None:
    hear, functions = scene.ears.hear, generators(scene)
    for number in range(rounds):
        with scene.pool.named() if number % 2 else contextlib.nullcontext(DEFAULT_NAME) as mine:
            open_ones = [functions[who]() for who in PARTIES]
            for step in range(2):
                for place in range(3):
                    next(open_ones[(place + number + step) % 3])
                    hear(mine)
            with scene.pool.named() as inner:  # one that it takes in between
                for generator in open_ones:
                    next(generator)
                    hear(inner)
            hear(mine)
            while open_ones:
                leave(open_ones.pop(number % len(open_ones)), (number + len(open_ones)) % 4)
                hear(mine)
    scene.ears.check(at_least=rounds * 20)


@each_round
def test_a_generator_that_steps_in_another_context_each_time_speaks_as_itself(
    rounds: int, scene: Scene
) -> None:
    """As a framework runs a stream that is sync: each step on a worker, in a copied context."""
    hear, functions = scene.ears.hear, generators(scene)
    with ThreadPoolExecutor(2) as workers:

        def step_of(generator: Iterator[str]) -> str:
            return workers.submit(contextvars.copy_context().run, next, generator).result(PATIENCE)

        for number in range(rounds):
            open_ones = [functions[who]() for who in PARTIES]
            for _ in range(3):
                found = [step_of(open_ones[(place + number) % 3]) for place in range(3)]
                assert len({*found}) == 3
                with scene.pool.named() as mine:
                    workers.submit(hear).result(PATIENCE)
                    hear(mine)
            for generator in open_ones:
                workers.submit(leave, generator, number % 3).result(PATIENCE)
    scene.ears.check(at_least=rounds * 12)


@each_round
def test_in_each_thread_a_generator_speaks_as_itself_and_its_consumer_too(
    rounds: int, scene: Scene
) -> None:
    functions = generators(scene)

    def way(part: Part, meet: Callable[[], object]) -> None:
        generator = functions[part.who]()
        for _ in range(2):
            next(generator)
            part.hear()
            meet()
            part.hear()
        part.scene.left[part.who] = generator
        meet()
        given = part.scene.left[PARTIES[PARTIES.index(part.who) - 1]]  # another one's
        next(given)
        part.hear()
        leave(given, part.number % 3)
        part.hear()

    as_threads(scene, rounds, way)
    scene.ears.check(at_least=rounds * 30)


@each_round
@pytest.mark.parametrize("backend", BACKENDS)
def test_in_each_task_an_async_generator_speaks_as_itself_and_its_consumer_too(
    backend: str, rounds: int, scene: Scene
) -> None:
    hear, pool = scene.ears.hear, scene.pool

    @scene.async_pool.named()
    async def agent() -> AsyncIterator[str]:
        name = pool.speaker()
        for _ in range(3):
            hear(name)
            await anyio.lowlevel.checkpoint()
            hear(name)
            yield name
            hear(name)

    async def stranger() -> AsyncIterator[str]:
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
            yield DEFAULT_NAME

    async def way(part: Part, meet: Meeting) -> None:
        generators: list[Any] = [agent(), stranger() if part.who == STRANGER else agent()]
        for generator in generators:
            await anext(generator)
            part.hear()
        await meet()
        for generator in reversed(generators):
            await anext(generator)
            await part.talk()
        part.scene.left[part.who] = generators[0]
        await meet()
        given = part.scene.left[PARTIES[PARTIES.index(part.who) - 1]]  # another one's
        await anext(given)
        part.hear()
        await given.aclose()
        part.hear()
        with contextlib.suppress(Wrong):
            await generators[1].athrow(Wrong())
        part.hear()
        await meet()

    anyio.run(as_tasks, scene, rounds, way, backend=backend)
    scene.ears.check(at_least=rounds * 3 * 15)


# Scopes and bare blocks in generators that are broken off


@each_round
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_owner_scope_in_a_generator_says_nothing_once_that_is_closed(
    elsewhere: bool, order: list[int], rounds: int, scene: Scene
) -> None:
    hear, me = scene.ears.hear, current_owner()
    names = [scene.pool.checkout_name(owner=who) for who in PARTIES]

    def scoped(who: str) -> Iterator[str]:
        with owner_scope(who):
            hear(names[PARTIES.index(who)])
            yield current_owner()

    for number in range(rounds):
        with scene.pool.named() if number % 2 else contextlib.nullcontext(DEFAULT_NAME) as mine:
            open_ones = [scoped(who) for who in PARTIES]
            assert [next(generator) for generator in open_ones] == [*PARTIES]
            for n in order:
                if elsewhere:
                    contextvars.copy_context().run(open_ones[n].close)  # type: ignore[attr-defined]
                else:
                    open_ones[n].close()  # type: ignore[attr-defined]
            hear(mine)
            assert current_owner() == me
    for name, who in zip(names, PARTIES, strict=True):
        assert scene.pool.checkin_name(name, owner=who)
    scene.ears.check(at_least=rounds * 4)


@each_round
def test_an_owner_scope_in_an_async_generator_says_nothing_once_that_is_closed(
    rounds: int, scene: Scene
) -> None:
    names = {who: scene.pool.checkout_name(owner=who) for who in PARTIES}

    async def scoped(who: str) -> AsyncIterator[str]:
        with owner_scope(who):
            scene.ears.hear(names[who])
            yield current_owner()

    async def way(part: Part, meet: Meeting) -> None:
        me, generator = current_owner(), scoped(part.who)
        async for owner in generator:
            assert owner == part.who
            break
        part.scene.left[part.who] = generator
        await meet()
        if part.number % 2:
            await part.scene.left[PARTIES[PARTIES.index(part.who) - 1]].aclose()  # another one's
        else:
            await generator.aclose()  # type: ignore[attr-defined]
        await meet()
        assert current_owner() == me
        part.hear()

    anyio.run(as_tasks, scene, rounds, way)
    for who, name in names.items():
        assert scene.pool.checkin_name(name, owner=who)
    scene.ears.check(at_least=rounds * 6)


@each_round
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]])
def test_of_generators_with_a_bare_block_nothing_is_left_once_they_are_closed(
    order: list[int], rounds: int, scene: Scene
) -> None:
    def bare() -> Iterator[str]:
        with scene.pool.named() as name:
            yield name

    for number in range(rounds):
        with scene.pool.named() if number % 2 else contextlib.nullcontext(DEFAULT_NAME) as mine:
            open_ones = [bare() for _ in order]
            names = [next(generator) for generator in open_ones]
            for n in order:
                assert scene.pool.speaker() in names  # it is lent, as the guide says
                open_ones[n].close()  # type: ignore[attr-defined]
                names[n] = mine
            scene.ears.hear(mine)
    scene.ears.check(at_least=rounds)
