"""``NamedActor``: an actor speaks under its name from its start to its end, however it ends."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pykka
import pytest

from namepool import (
    DEFAULT_NAME,
    ChildSpec,
    InvalidOption,
    NamedActor,
    NamePool,
    NumberedNames,
    PoolHandle,
    SourceError,
    Supervisor,
    open_pool,
    owner_scope,
)
from namepool.actors import ServiceActor, StartChild
from namepool.actors.lifecycle import lifecycle_of
from namepool.attribution.logging import AgentFilter
from tests.support import PATIENCE, GatedSource, ScriptedSource, on_thread

KINDS: list[Any] = [pykka.ThreadingActor, ServiceActor]


class Heard:
    """What the hooks of an actor said, each with the name that it spoke under."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.thread: threading.Thread

    def say(self, hook: str, actor: Any) -> None:
        self.names[hook] = actor.pool.speaker()


class Agent(NamedActor):
    """Says in each hook who it is, and calls ``super()`` nowhere in them."""

    def __init__(self, heard: Heard, fails_in: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.heard, self.fails_in = heard, fails_in

    def name_scope(self) -> AbstractContextManager[str]:
        self.heard.thread = threading.current_thread()
        return super().name_scope()

    def on_start(self) -> None:
        self.hear("on_start")

    def on_stop(self) -> None:
        self.hear("on_stop")

    def on_failure(self, *_: Any) -> None:
        self.hear("on_failure")

    def on_receive(self, message: Any) -> Any:
        if message == "crash":
            raise RuntimeError("as the test wants it")
        if message == "exit":
            raise SystemExit
        if callable(message):
            return message()
        return self.agent_name, self.pool.speaker(), threading.current_thread()

    def hear(self, hook: str) -> None:
        self.heard.say(hook, self)
        if self.fails_in == hook:
            raise RuntimeError("as the test wants it")


@pytest.fixture
def pool() -> Iterator[PoolHandle]:
    with open_pool(source=NumberedNames()) as pool:
        yield pool


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def agent_class(request: pytest.FixtureRequest) -> Any:
    return type("Agent", (Agent, request.param), {})


@pytest.fixture(autouse=True)
def _crashes_are_quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "pykka")


def wait_gone(ref: Any, heard: Heard) -> None:
    """Wait until the thread of an actor has ended."""
    assert ref.actor_stopped.wait(PATIENCE)
    heard.thread.join(PATIENCE)


def test_an_agent_speaks_under_its_name_in_every_hook_and_handler(
    agent_class: Any, pool: PoolHandle
) -> None:
    heard = Heard()
    ref = agent_class.start(heard, pool=pool)

    name, spoken, _ = ref.ask("who", timeout=PATIENCE)
    ref.stop()

    assert name == spoken
    assert heard.names == {"on_start": name, "on_stop": name}
    assert pool.pool_stats().checked_out_count == 0  # whoever stopped it need not wait for that


def test_a_handler_on_its_callers_thread_speaks_as_the_agent_and_the_caller_as_itself(
    pool: PoolHandle,
) -> None:
    agent_class: Any = type("Agent", (Agent, ServiceActor), {})
    ref = agent_class.start(Heard(), pool=pool)
    ref.ask("who", timeout=PATIENCE)  # it is up, and idle as soon as its thread waits again

    def caller() -> None:
        with owner_scope("caller"), pool.named() as own:
            for _ in range(10_000):
                name, spoken, thread = ref.ask("who")
                assert name == spoken != own
                assert pool.speaker() == own
                if thread is threading.current_thread():
                    return
        pytest.fail("it never ran here")

    on_thread(caller)
    ref.stop()


def test_what_a_handler_starts_speaks_as_the_agent(agent_class: Any, pool: PoolHandle) -> None:
    async def tool() -> str:
        return await asyncio.to_thread(pool.speaker)

    def work() -> list[str]:
        async def both() -> list[str]:
            return list(await asyncio.gather(tool(), tool()))

        return asyncio.run(both())

    ref = agent_class.start(Heard(), pool=pool)
    name = ref.ask("who", timeout=PATIENCE)[0]
    assert ref.ask(work, timeout=PATIENCE) == [name, name]
    assert on_thread(lambda: ref.ask(work)) == [name, name]  # perhaps on this thread
    ref.stop()


def test_two_agents_at_once_have_two_names(agent_class: Any, pool: PoolHandle) -> None:
    refs = [agent_class.start(Heard(), pool=pool) for _ in range(2)]
    assert len({ref.proxy().agent_name.get(timeout=PATIENCE) for ref in refs}) == 2
    assert pool.get_name_by_owner(refs[0]) == refs[0].proxy().agent_name.get(timeout=PATIENCE)
    for ref in refs:
        ref.stop()


@pytest.mark.parametrize("message", ["crash", "exit"])
def test_an_agent_that_dies_gives_its_name_back(
    agent_class: Any, pool: PoolHandle, message: str
) -> None:
    heard = Heard()
    root = Supervisor.start(
        children=[ChildSpec("a", agent_class, (heard,), {"pool": pool}, restart="temporary")]
    )
    ref: Any = root.handle("a").current
    name = pool.get_name_by_owner(ref)

    ref.tell(message)
    wait_gone(ref, heard)

    assert heard.names == {"on_start": name, "on_failure": name}
    assert pool.pool_stats().checked_out_count == 0
    root.stop()


@pytest.mark.parametrize("fails_in", ["on_start", "on_stop", "on_failure"])
def test_an_agent_whose_hook_fails_gives_its_name_back(
    agent_class: Any, pool: PoolHandle, fails_in: str
) -> None:
    heard = Heard()
    ref = agent_class.start(heard, fails_in, pool=pool)
    if fails_in == "on_stop":
        ref.stop()
    elif fails_in == "on_failure":
        ref.tell("crash")
    wait_gone(ref, heard)

    assert DEFAULT_NAME not in heard.names.values()
    assert pool.pool_stats().checked_out_count == 0


def test_the_name_is_home_when_the_death_is_reported(agent_class: Any, pool: PoolHandle) -> None:
    heard, spoken, reported = Heard(), [], threading.Event()
    root = Supervisor.start(
        children=[ChildSpec("a", agent_class, (heard,), {"pool": pool}, restart="temporary")]
    )
    ref: Any = root.handle("a").current

    def report(_: str | None) -> None:
        spoken.append(dict(pool.speaking))
        reported.set()

    lifecycle_of(ref).watch(report)
    ref.tell("crash")
    assert reported.wait(PATIENCE)

    assert spoken == [{}]
    root.stop()


def test_the_name_is_home_when_whoever_stops_an_agent_is_told(
    agent_class: Any, pool: PoolHandle
) -> None:
    held = threading.Event()

    class Lingering(agent_class):  # type: ignore[misc]
        def _actor_loop_teardown(self) -> None:
            assert held.wait(PATIENCE)
            super()._actor_loop_teardown()

        def _finish(self) -> None:
            assert held.wait(PATIENCE)
            super()._finish()

    ref = Lingering.start(Heard(), pool=pool)
    ref.stop()
    assert dict(pool.speaking) == {}
    held.set()


def test_a_restarted_agent_gets_a_name_again_and_leaves_none_behind(
    agent_class: Any, pool: PoolHandle
) -> None:
    root = Supervisor.start(children=[ChildSpec("a", agent_class, (Heard(),), {"pool": pool})])
    agent: Any = root.handle("a")
    agent.current.tell("crash")
    while agent.generation < 2:
        pool.pool_stats(timeout=PATIENCE)

    name, spoken, _ = agent.ask("who", timeout=PATIENCE)

    assert name == spoken != DEFAULT_NAME
    assert pool.pool_stats().checked_out_count == 1
    root.stop()


def test_an_agent_that_is_stopped_while_its_pool_restarts_waits_for_nobody(
    agent_class: Any,
) -> None:
    names = NamePool.child_spec("names", source=NumberedNames())
    root = Supervisor.start(children=[names], strategy="one_for_all")
    pool = PoolHandle(root.handle("names"))
    patient = [
        ChildSpec(f"a{n}", agent_class, (Heard(),), {"pool": pool}, shutdown=None) for n in range(3)
    ]
    for spec in patient:
        root.ask(StartChild(spec))
    died: Any = root.handle("names").current

    died.stop(block=False)  # and with it, the supervisor stops its siblings: for ever, if they wait
    died.wait_gone(PATIENCE)

    for spec in patient:
        handle = root.handle(spec.id)
        while handle.generation < 2:
            pool.pool_stats(timeout=PATIENCE)
        assert handle.ask("who", timeout=PATIENCE)[1] != DEFAULT_NAME
    assert pool.pool_stats().checked_out_count == 3
    root.stop()


def test_an_agent_that_outlives_its_pool_ends_quietly(agent_class: Any) -> None:
    ref = NamePool.start(source=NumberedNames())
    agent = agent_class.start(Heard(), pool=ref)
    agent.ask("who", timeout=PATIENCE)
    ref.stop()
    agent.stop(timeout=PATIENCE)


def test_an_agent_without_a_name_to_be_had_ends_as_if_its_on_start_had_failed(
    agent_class: Any,
) -> None:
    heard = Heard()
    with open_pool(source=ScriptedSource(SourceError("closed on Sundays"))) as pool:
        ref = agent_class.start(heard, pool=pool)
        wait_gone(ref, heard)
    assert heard.names == {}
    with pytest.raises(pykka.ActorDeadError):
        ref.ask("who")


def test_start_does_not_wait_for_the_name(agent_class: Any) -> None:
    source = GatedSource()
    with open_pool(source=source) as pool:
        ref = agent_class.start(Heard(), pool=pool)
        source.wait_asked()
        assert ref._actor_weakref().agent_name == DEFAULT_NAME
        source.gate.set()
        assert ref.ask("who", timeout=PATIENCE)[0] == "Name 1"
        ref.stop()


def test_a_class_may_have_its_pool_and_a_start_another(agent_class: Any, pool: PoolHandle) -> None:
    agent_class.pool = pool
    with open_pool(source=GatedSource(is_open=True)) as other:
        refs = [agent_class.start(Heard()), agent_class.start(Heard(), pool=other)]
        names = [ref.ask("who", timeout=PATIENCE)[1] for ref in refs]
        for ref in refs:
            ref.stop()
    assert names == ["NPC #1", "Name 1"]


def test_an_agent_without_a_pool_is_refused_where_it_is_started(agent_class: Any) -> None:
    with pytest.raises(InvalidOption, match=r"Agent.start\(pool=...\)"):
        agent_class.start(Heard())
    with pytest.raises(InvalidOption, match="target"):
        agent_class.start(Heard(), pool=object())


def test_the_mixin_behind_a_service_actor_is_refused() -> None:
    with pytest.raises(TypeError, match="class Wrong: NamedActor must stand before"):
        type("Wrong", (ServiceActor, NamedActor), {})


def test_the_scope_of_a_life_is_a_hook(agent_class: Any, pool: PoolHandle) -> None:
    class Restored(agent_class):  # type: ignore[misc]
        def name_scope(self) -> AbstractContextManager[str]:
            scope: AbstractContextManager[str] = self.pool.speaking_as("Saved Sue")
            return scope

    ref = Restored.start(Heard(), pool=pool)
    assert ref.ask("who", timeout=PATIENCE)[:2] == ("Saved Sue", "Saved Sue")
    ref.stop()
    assert "Saved Sue" not in pool.speaking.values()


def test_an_agent_may_live_under_a_default_name(agent_class: Any) -> None:
    class Undaunted(agent_class):  # type: ignore[misc]
        def name_scope(self) -> AbstractContextManager[str]:
            scope: AbstractContextManager[str] = self.pool.named(default="The Deputy")
            return scope

    heard = Heard()
    with open_pool(source=ScriptedSource(SourceError("closed on Sundays"))) as pool:
        ref = Undaunted.start(heard, pool=pool)
        assert ref.ask("who", timeout=PATIENCE)[:2] == ("The Deputy", "The Deputy")
        assert on_thread(lambda: (ref.ask("who")[1], pool.speaker())) == (
            "The Deputy",
            DEFAULT_NAME,
        )
        ref.stop()
    assert heard.names == {"on_start": "The Deputy", "on_stop": "The Deputy"}


def test_an_actor_of_another_make_is_named_by_a_subclass_of_two_words(pool: PoolHandle) -> None:
    class Foreign(pykka.ThreadingActor):
        """Of a library: it can be used, and not changed."""

        def __init__(self, log: queue.Queue[str]) -> None:
            super().__init__()
            self.log = log

        def on_start(self) -> None:
            self.log.put("on_start")

        def work(self) -> None:
            logging.getLogger("foreign").warning("at work")

    class Named(NamedActor, Foreign):
        pass

    records: queue.Queue[logging.LogRecord] = queue.Queue()
    handler = logging.Handler()
    handler.addFilter(AgentFilter(pool))
    handler.emit = records.put  # type: ignore[method-assign,assignment]
    logger = logging.getLogger("foreign")
    logger.addHandler(handler)
    try:
        ref = Named.start(queue.Queue(), pool=pool)
        ref.proxy().work().get(timeout=PATIENCE)
        name = ref.proxy().agent_name.get(timeout=PATIENCE)
        ref.stop()
    finally:
        logger.removeHandler(handler)

    assert records.get_nowait().agent == name  # type: ignore[attr-defined]


def test_an_actor_that_somebody_else_starts_is_named_from_outside(pool: PoolHandle) -> None:
    class Foreign(pykka.ThreadingActor):
        def on_receive(self, message: Any) -> str:
            return pool.speaker()

    ref = Foreign.start()
    name = pool.checkout_name(owner=ref)
    assert ref.ask("who", timeout=PATIENCE) == name
    ref.stop()
    pool.checkin_name(name, owner=ref)
    assert pool.pool_stats().checked_out_count == 0
