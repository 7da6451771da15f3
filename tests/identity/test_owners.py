"""Names that others give, scopes with names, actors, and workers that many share."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.to_thread
import pykka
import pytest

from namepool import (
    DEFAULT_NAME,
    NamedActor,
    inherit_owner,
    named_thread,
    owner_scope,
)
from namepool.actors import ServiceActor
from tests.identity.scene import (
    AGENTS,
    STRANGER,
    Ears,
    Meeting,
    Part,
    Scene,
    as_tasks,
    as_threads,
    each_round,
)
from tests.support import PATIENCE

# Names that others give


def copying_thread(target: Callable[[], object]) -> threading.Thread:
    """Return a thread that begins with a copy of this context, where there are such threads."""
    if sys.version_info < (3, 14):
        return named_thread(target)
    return threading.Thread(target=target, context=contextvars.copy_context())


@each_round
def test_a_name_that_a_task_is_given_is_spoken_by_it_and_by_no_other(
    rounds: int, scene: Scene
) -> None:
    """The stranger gives each agent a name, which counts from then on, and takes it back."""
    pool, hear, left = scene.pool, scene.ears.hear, scene.left

    async def way(part: Part, meet: Meeting) -> None:
        left[part.who] = asyncio.current_task()
        await meet()
        if part.who == STRANGER:
            left["given"] = {who: pool.checkout_name(owner=left[who]) for who in AGENTS}
        await meet()
        given = left["given"].get(part.who, DEFAULT_NAME)
        hear(given)
        await asyncio.to_thread(part.hear)  # it is no heir of what its starter was given
        if part.who != STRANGER:
            with pool.named() as later:
                hear(later)
                await meet()
                hear(later)
        else:
            await meet()
        hear(given)
        await meet()
        if part.who == STRANGER:
            for who, name in left["given"].items():
                pool.checkin_name(name, owner=left[who])
        await meet()

    anyio.run(as_tasks, scene, rounds, way)
    scene.ears.check(at_least=rounds * 3 * 7)
    assert pool._state.given == {}


@each_round
def test_a_name_that_a_thread_is_given_is_spoken_by_it_and_what_it_hands_on_and_by_no_other(
    rounds: int, scene: Scene
) -> None:
    pool, hear, left = scene.pool, scene.ears.hear, scene.left

    def way(part: Part, meet: Callable[[], object]) -> None:
        left[part.who] = threading.current_thread()
        meet()
        if part.who == STRANGER:
            left["given"] = {who: pool.checkout_name(owner=left[who]) for who in AGENTS}
        meet()
        given = left["given"].get(part.who, DEFAULT_NAME)
        hear(given)
        scene.named.submit(hear, given).result(PATIENCE)
        scene.plain.submit(inherit_owner(hear), given).result(PATIENCE)
        copied = contextvars.copy_context()
        scene.plain.submit(copied.run, part.hear).result(PATIENCE)
        if part.who != STRANGER:
            with pool.named() as later:
                hear(later)
                scene.named.submit(hear, later).result(PATIENCE)
        hear(given)
        meet()
        if part.who == STRANGER:
            for who, name in left["given"].items():
                pool.checkin_name(name, owner=left[who])
        meet()

    as_threads(scene, rounds, way)
    scene.ears.check(at_least=rounds * 3 * 8)
    assert pool._state.given == {}


@each_round
@pytest.mark.parametrize("kind", [threading.Thread, named_thread, copying_thread])
def test_a_thread_that_an_agent_has_started_speaks_under_the_name_that_it_is_given(
    kind: Callable[..., threading.Thread], rounds: int, scene: Scene
) -> None:
    hear, pool = scene.ears.hear, scene.pool

    def way(part: Part, _: object) -> None:
        is_given = threading.Event()
        given: list[str] = []

        def work() -> None:
            assert is_given.wait(PATIENCE)
            hear(given[0])
            with pool.named() as own:
                hear(own)
            hear(given[0])
            pool.checkin_name(given[0])
            hear(part.mine, or_nobody=kind is threading.Thread)

        thread = kind(target=work)
        thread.start()
        given.append(pool.checkout_name(owner=thread))
        is_given.set()
        part.hear()
        thread.join(PATIENCE)

    as_threads(scene, rounds, way)
    scene.ears.check(at_least=rounds * 3 * 7)


@each_round
def test_a_thread_that_was_given_a_name_runs_the_contexts_of_agents_under_their_names(
    rounds: int, scene: Scene
) -> None:
    with ThreadPoolExecutor(1) as workers:
        thread = workers.submit(threading.current_thread).result(PATIENCE)
        given = scene.pool.checkout_name(owner=thread)

        async def way(part: Part, _: Meeting) -> None:
            loop, copied = asyncio.get_running_loop(), contextvars.copy_context()
            if part.who != STRANGER:  # an empty context is not told from the thread's own
                await loop.run_in_executor(workers, copied.run, part.hear)
            await loop.run_in_executor(workers, scene.ears.hear, given)
            await loop.run_in_executor(workers, inherit_owner(part.hear))

        anyio.run(as_tasks, scene, rounds, way)
        scene.pool.checkin_name(given, owner=thread)
    scene.ears.check(at_least=rounds * 3 * 4)


# Scopes


@each_round
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_in_a_scope_the_name_of_its_owner_is_spoken_and_its_tasks_speak_so_too(
    backend: str, rounds: int, scene: Scene
) -> None:
    """Agents of the same owners have taken the names, elsewhere; the stranger's has none."""
    names = {who: scene.pool.checkout_name(owner=who) for who in AGENTS}

    async def way(part: Part, meet: Meeting) -> None:
        name = names.get(part.who, part.mine)
        inside = Part(scene, part.number, name, part.who)
        with owner_scope(part.who):
            await inside.talk_as_another()
            await meet()
            await anyio.to_thread.run_sync(inside.hear)
            async with anyio.create_task_group() as group:
                group.start_soon(inside.talk_as_another)  # the owner has two names meanwhile
            async with anyio.create_task_group() as group:
                group.start_soon(inside.talk)
            with owner_scope(f"helper of {part.who}"):
                inside.hear()
            inside.hear()

    anyio.run(as_tasks, scene, rounds, way, backend=backend)
    for who, name in names.items():
        scene.pool.checkin_name(name, owner=who)
    scene.ears.check(at_least=rounds * 3 * 12)


@each_round
def test_an_owner_is_found_by_its_name_wherever_it_works(rounds: int, scene: Scene) -> None:
    """Each round, an agent takes its name on one thread, and speaks on another one."""
    pool = scene.pool

    def way(part: Part, meet: Callable[[], object]) -> None:
        def take() -> str:
            with owner_scope(part.who):
                return pool.checkout_name()

        def work(name: str) -> None:
            with owner_scope(part.who):
                scene.ears.hear(name)
            scene.ears.hear()  # the worker itself

        if part.who == STRANGER:
            scene.plain.submit(scene.ears.hear).result(PATIENCE)
            meet()
        else:
            name = scene.plain.submit(take).result(PATIENCE)
            meet()
            for _ in range(2):
                scene.plain.submit(work, name).result(PATIENCE)
            pool.checkin_name(name, owner=part.who)

    as_threads(scene, rounds, way)
    scene.ears.check(at_least=rounds * 3 * 3)


# Actors


class Talker(ServiceActor):
    """Is heard in each message, on whatever thread handles it, and keeps what it takes."""

    non_blocking = True  # so that callers run it, too

    ears: Ears
    name = DEFAULT_NAME

    def __init__(self, ears: Ears, **options: Any) -> None:
        super().__init__(**options)
        self.ears = ears
        self.handled: dict[bool, int] = {True: 0, False: 0}

    def on_start(self) -> None:
        self.name = getattr(self, "agent_name", DEFAULT_NAME)
        self.own_thread = threading.get_ident()

    def on_receive(self, message: Any) -> Any:
        self.handled[threading.get_ident() == self.own_thread] += 1
        self.ears.hear(self.name)
        if message == "take":
            self.ears.hear(self.ears.pool.checkout_name())
            self.name = self.ears.pool.speaker()
        elif message == "give back":
            self.ears.pool.checkin_name(self.name)
            self.name = getattr(self, "agent_name", DEFAULT_NAME)
        elif message == "count":
            return self.handled
        elif callable(message):
            return message(self.name)
        self.ears.hear(self.name)
        return self.name


class NamedTalker(NamedActor, Talker):
    """A talker with a name."""


class StockTalker(NamedActor, pykka.ThreadingActor):
    """As ``NamedTalker``, of Pykka's own kind."""

    def __init__(self, ears: Ears, **options: Any) -> None:
        super().__init__(**options)
        self.ears = ears

    def on_receive(self, message: Any) -> str:
        self.ears.hear(self.agent_name)
        return self.agent_name


@each_round
def test_an_actor_speaks_as_itself_on_its_own_thread_and_on_any_callers(
    rounds: int, scene: Scene
) -> None:
    ears, pool = scene.ears, scene.pool
    actors: list[Any] = [NamedTalker.start(ears, pool=pool) for _ in range(2)]
    actors += [Talker.start(ears), StockTalker.start(ears, pool=pool)]

    def work_of(name: str) -> str:
        """What an actor starts speaks as the actor, too."""
        tools = [scene.named.submit(ears.hear, name)]
        tools.append(scene.plain.submit(contextvars.copy_context().run, ears.hear, name))
        for tool in tools:
            tool.result(PATIENCE)
        return name

    def way(part: Part, _: object) -> None:
        for actor in actors:
            actor.ask("speak", timeout=PATIENCE)
            part.hear()
        answers = [actor.ask("speak", block=False) for actor in actors]
        part.hear()
        for answer in answers:
            answer.get(timeout=PATIENCE)
        if part.who == STRANGER:
            for actor in actors[:3]:
                actor.ask("take", timeout=PATIENCE)
                part.hear()
                actor.ask("give back", timeout=PATIENCE)
                part.hear()
        else:
            actors[part.number % 3].ask(work_of, timeout=PATIENCE)
        part.hear()

    as_threads(scene, rounds, way)
    if rounds > 100:
        for actor in actors[:3]:
            assert min(actor.ask("count", timeout=PATIENCE).values()) > 0
    for actor in actors:
        actor.stop()
    scene.ears.check(at_least=rounds * 3 * 12)
