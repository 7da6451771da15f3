"""Spans that know their agent, also in the next process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk", reason="pip install 'namepool[otel]'")

from opentelemetry import context as contexts
from opentelemetry.baggage import get_all, set_baggage
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (
    InMemorySpanExporter,
)
from opentelemetry.trace import Tracer
from opentelemetry.trace.propagation.tracecontext import (
    TraceContextTextMapPropagator,
)

from namepool import (
    InvalidOption,
    NamePool,
    NumberedNames,
    PoolHandle,
    current_owner,
    inherit_owner,
    owner_scope,
)
from namepool.attribution.otel import AgentBaggagePropagator, AgentSpanProcessor
from tests.support import ScriptedSource, on_thread

NAME, ID = "gen_ai.agent.name", "gen_ai.agent.id"


class Traces:
    """A provider of its own, so that nothing global is set, and what it exported."""

    def __init__(self, processor: AgentSpanProcessor) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        provider.add_span_processor(processor)
        self.tracer: Tracer = provider.get_tracer("tests")

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._exporter.get_finished_spans()}

    @property
    def agents(self) -> dict[str, Any]:
        return {name: (span.attributes or {}).get(NAME) for name, span in self.spans.items()}


@pytest.fixture
def pool() -> PoolHandle:
    return PoolHandle(NamePool.start(source=NumberedNames()))


@pytest.fixture
def traces(pool: PoolHandle) -> Traces:
    return Traces(AgentSpanProcessor(pool))


# The processor


def test_a_span_has_the_name_and_the_owner_of_who_began_it(
    pool: PoolHandle, traces: Traces
) -> None:
    with pool.named(), traces.tracer.start_as_current_span("work"):
        pass
    attributes = traces.spans["work"].attributes
    assert attributes == {NAME: "NPC #1", ID: current_owner()}


def test_a_span_of_nobody_stays_as_it_is(traces: Traces) -> None:
    with traces.tracer.start_as_current_span("work", attributes={"job": 7}):
        pass
    assert traces.spans["work"].attributes == {"job": 7}


def test_in_nested_blocks_each_span_has_the_name_that_speaks_when_it_begins(
    pool: PoolHandle, traces: Traces
) -> None:
    with pool.named(), traces.tracer.start_as_current_span("outer"):
        with pool.named(), traces.tracer.start_as_current_span("inner"):
            pass
        with traces.tracer.start_as_current_span("after"):
            pass
    assert traces.agents == {"outer": "NPC #1", "inner": "NPC #2", "after": "NPC #1"}


def test_the_owner_stays_when_the_agent_takes_another_name(
    pool: PoolHandle, traces: Traces
) -> None:
    with owner_scope("planner-7"):
        for job in ("one", "two"):
            with pool.named(), traces.tracer.start_as_current_span(job):
                pass
    assert traces.agents == {"one": "NPC #1", "two": "NPC #2"}
    assert {(span.attributes or {})[ID] for span in traces.spans.values()} == {"planner-7"}


def test_a_worker_that_inherits_begins_its_spans_as_its_agent(
    pool: PoolHandle, traces: Traces
) -> None:
    def tool(name: str) -> None:
        traces.tracer.start_span(name).end()

    with pool.named(), ThreadPoolExecutor(1) as workers:
        workers.submit(inherit_owner(tool), "search").result()
    assert traces.agents == {"search": "NPC #1"}


def test_what_an_agent_starts_begins_its_spans_as_that_agent(
    pool: PoolHandle, traces: Traces
) -> None:
    def tool(name: str) -> None:
        traces.tracer.start_span(name).end()

    async def child(name: str) -> None:
        tool(name)

    async def agent() -> str:
        with pool.named():
            await asyncio.gather(child("task"), asyncio.to_thread(tool, "thread"))
            with owner_scope("a role"):  # with no name of its own
                tool("scope")
            return current_owner()

    owner = asyncio.run(agent())
    assert traces.agents == {"task": "NPC #1", "thread": "NPC #1", "scope": "NPC #1"}
    assert {(span.attributes or {})[ID] for span in traces.spans.values()} == {owner}


def test_under_a_default_name_an_agent_and_its_child_begin_spans_as_one() -> None:
    pool = PoolHandle(NamePool.start(source=ScriptedSource()))
    traces = Traces(AgentSpanProcessor(pool))

    async def agent() -> str:
        with pool.named(default="Reserve"):
            traces.tracer.start_span("agent").end()
            await asyncio.to_thread(lambda: traces.tracer.start_span("child").end())
            return current_owner()

    owner = asyncio.run(agent())
    assert traces.agents == {"agent": "Reserve", "child": "Reserve"}
    assert {(span.attributes or {})[ID] for span in traces.spans.values()} == {owner}


def test_a_child_that_shares_its_parents_name_begins_its_spans_as_itself(
    pool: PoolHandle, traces: Traces
) -> None:
    async def child(shared: asyncio.Event) -> str:
        await shared.wait()
        traces.tracer.start_span("child").end()
        return current_owner()

    async def agent() -> str:
        with pool.named() as name:
            shared = asyncio.Event()
            task = asyncio.create_task(child(shared))
            pool.associate_name(name, owner=task)
            shared.set()
            return await task

    owner = asyncio.run(agent())
    assert traces.spans["child"].attributes == {NAME: "NPC #1", ID: owner}


def test_a_child_with_a_name_of_its_own_begins_its_spans_as_itself(
    pool: PoolHandle, traces: Traces
) -> None:
    async def child() -> str:
        with pool.named():
            traces.tracer.start_span("child").end()
            return current_owner()

    async def agent() -> str:
        with pool.named():
            owner = await asyncio.create_task(child())
            traces.tracer.start_span("parent").end()
            return owner

    owner = asyncio.run(agent())
    assert traces.agents == {"child": "NPC #2", "parent": "NPC #1"}
    assert (traces.spans["child"].attributes or {})[ID] == owner


def test_when_the_agents_name_has_gone_home_its_child_begins_spans_of_nobody(
    pool: PoolHandle, traces: Traces
) -> None:
    async def child(ended: asyncio.Event) -> None:
        await ended.wait()
        traces.tracer.start_span("late").end()

    async def agent() -> None:
        ended = asyncio.Event()
        with pool.named():
            late = asyncio.create_task(child(ended))
            await asyncio.sleep(0)
        ended.set()
        await late

    asyncio.run(agent())
    assert traces.agents == {"late": None}


def test_the_spans_of_two_agents_at_once_are_told_apart(pool: PoolHandle, traces: Traces) -> None:
    def agent(number: int) -> str:
        with owner_scope(f"agent-{number}"), pool.named() as name:
            for job in range(20):
                with traces.tracer.start_as_current_span(f"{number}.{job}"):
                    pass
            return name

    with ThreadPoolExecutor(4) as workers:
        names = list(workers.map(agent, range(8)))
    assert traces.agents == {f"{n}.{job}": names[n] for n in range(8) for job in range(20)}


def test_a_span_begun_with_an_agent_gets_the_one_who_speaks(
    pool: PoolHandle, traces: Traces
) -> None:
    with pool.named():
        traces.tracer.start_span("run", attributes={NAME: "assistant"}).end()
    traces.tracer.start_span("nobody", attributes={NAME: "assistant"}).end()
    assert traces.agents == {"run": "NPC #1", "nobody": "assistant"}


def test_a_stopped_pool_keeps_nobody_from_tracing() -> None:
    ref = NamePool.start(source=NumberedNames())
    traces = Traces(AgentSpanProcessor(ref))
    ref.stop()
    traces.tracer.start_span("alone").end()
    assert traces.agents == {"alone": None}


# From process to process


def request(pool: PoolHandle, carrier: dict[str, str]) -> None:
    """Ask another process for something: write the headers."""
    CompositePropagator([TraceContextTextMapPropagator(), AgentBaggagePropagator(pool)]).inject(
        carrier
    )


def serve(traces: Traces, carrier: dict[str, str]) -> None:
    """Be that other process."""
    parent = AgentBaggagePropagator(NamePool.start(source=NumberedNames("Server "))).extract(
        carrier
    )
    traces.tracer.start_span("served", context=parent).end()


def test_the_agent_who_asks_is_the_agent_of_the_spans_of_who_is_asked(pool: PoolHandle) -> None:
    carrier: dict[str, str] = {}
    traces = Traces(AgentSpanProcessor(baggage=True))
    with owner_scope("planner-7"), pool.named():
        request(pool, carrier)
    serve(traces, carrier)
    assert traces.spans["served"].attributes == {NAME: "NPC #1", ID: "planner-7"}


@pytest.mark.parametrize("name", ["Zoë the Große", "Ада Лавлейс", "Bea O'Neill & Co"])
def test_any_name_survives_the_journey(name: str) -> None:
    pool = PoolHandle(NamePool.start(source=ScriptedSource([name])))
    carrier: dict[str, str] = {}
    traces = Traces(AgentSpanProcessor(baggage=True))
    with pool.named() as mine:
        request(pool, carrier)
    serve(traces, carrier)
    assert mine == traces.agents["served"] == name
    assert carrier["baggage"].isascii()


def test_where_nobody_speaks_the_agent_that_came_in_is_passed_on(pool: PoolHandle) -> None:
    carrier: dict[str, str] = {}
    onward: dict[str, str] = {}
    with pool.named():
        request(pool, carrier)
    other = AgentBaggagePropagator(NamePool.start(source=NumberedNames("Other ")))
    other.inject(onward, other.extract(carrier))
    assert onward["baggage"] == carrier["baggage"]


def test_other_baggage_is_sent_as_ever(pool: PoolHandle) -> None:
    carrier: dict[str, str] = {}
    AgentBaggagePropagator(pool).inject(carrier, set_baggage("tenant", "7", contexts.Context()))
    assert carrier == {"baggage": "tenant=7"}
    with pool.named():
        AgentBaggagePropagator(pool).inject(carrier, set_baggage("tenant", "7"))
    sent = get_all(AgentBaggagePropagator(pool).extract(carrier, contexts.Context()))
    assert sent == {"tenant": "7", NAME: "NPC #1", ID: current_owner()}


def test_who_speaks_here_comes_before_what_was_sent(pool: PoolHandle) -> None:
    traces = Traces(AgentSpanProcessor(pool, baggage=True))
    sent = set_baggage(NAME, "Bea", set_baggage(ID, "stranger", contexts.Context()))
    traces.tracer.start_span("before", context=sent).end()
    with pool.named():
        traces.tracer.start_span("served", context=sent).end()
    assert traces.agents == {"before": "Bea", "served": "NPC #1"}


def test_without_the_option_nobody_is_believed(pool: PoolHandle) -> None:
    traces = Traces(AgentSpanProcessor(pool))
    sent = set_baggage(NAME, "Bea", set_baggage(ID, "stranger", contexts.Context()))
    traces.tracer.start_span("served", context=sent).end()
    assert traces.agents == {"served": None}


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("Bea", None),
        (None, "planner"),
        ("", "planner"),
        ("Bea\nINFO forged", "planner"),
        ("Bea", "x" * 257),
        ("Bea", "a\x1b[31mb"),
        (7, "planner"),
        ("Bea", 7),
    ],
)
def test_what_was_sent_and_is_no_agent_is_left_out(name: Any, owner: Any) -> None:
    traces = Traces(AgentSpanProcessor(baggage=True))
    sent = set_baggage(NAME, name, set_baggage(ID, owner, contexts.Context()))
    traces.tracer.start_span("served", context=sent).end()
    assert traces.agents == {"served": None}


# Arguments


def test_what_is_no_pool_is_refused(pool: PoolHandle) -> None:
    makers: list[Callable[[Any], object]] = [AgentSpanProcessor, AgentBaggagePropagator]
    for make in makers:
        with pytest.raises(InvalidOption, match="^pool must be a pool's ref"):
            make(None)
    with pytest.raises(InvalidOption, match="^pool must be a pool's ref"):
        AgentSpanProcessor(7, baggage=True)  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="^baggage must be True or False"):
        AgentSpanProcessor(pool, baggage="yes")  # type: ignore[arg-type]


def test_a_span_begun_on_another_thread_is_of_nobody(pool: PoolHandle, traces: Traces) -> None:
    with pool.named():
        on_thread(lambda: traces.tracer.start_span("stray").end())
    assert traces.agents == {"stray": None}
