"""Spans that know their agent, also in the next process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pykka
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
    inherit_owner,
    owner_scope,
)
from namepool.attribution.otel import AgentBaggagePropagator, AgentSpanProcessor
from tests.support import PATIENCE, ScriptedSource, on_thread

NAME, ID = "gen_ai.agent.name", "gen_ai.agent.id"
OUR_NAME, OUR_ID = "namepool.agent.name", "namepool.agent.id"


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


def id_of(pool: PoolHandle, name: str = "NPC #1") -> str:
    """Return the id of the lease of a name."""
    return next(lease.id for lease in pool.leases() if lease.name == name)


# The processor


def test_a_span_of_an_owner_that_the_program_named_has_its_name_its_id_and_its_owner(
    pool: PoolHandle, traces: Traces
) -> None:
    with owner_scope("planner-7"), pool.named():
        with traces.tracer.start_as_current_span("work"):
            pass
        expected = {NAME: "NPC #1", OUR_NAME: "NPC #1", OUR_ID: id_of(pool), ID: "planner-7"}
    assert traces.spans["work"].attributes == expected


def test_the_owner_of_a_name_that_another_took_for_it_is_in_its_spans(
    pool: PoolHandle, traces: Traces
) -> None:
    on_thread(lambda: pool.checkout_name(owner="planner-7"))
    with owner_scope("planner-7"):
        traces.tracer.start_span("work").end()
    assert (traces.spans["work"].attributes or {})[ID] == "planner-7"


class _Worker(pykka.ThreadingActor):
    def call(self, function: Callable[[], None]) -> None:
        function()


RUN_AS: dict[str, Callable[[Callable[[], None]], object]] = {
    "a thread": lambda work: work(),
    "a task": lambda work: asyncio.run(asyncio.wait_for(_async(work), PATIENCE)),
    "an actor": lambda work: _Worker.start().proxy().call(work).get(timeout=PATIENCE),
}


async def _async(work: Callable[[], None]) -> None:
    work()


@pytest.mark.parametrize("kind", RUN_AS)
def test_a_span_of_an_owner_without_a_name_of_the_programs_has_the_id_of_its_lease_only(
    pool: PoolHandle, traces: Traces, kind: str
) -> None:
    ids: list[str] = []

    def work() -> None:
        with pool.named(), traces.tracer.start_as_current_span("work"):
            ids.append(id_of(pool))

    RUN_AS[kind](work)
    expected = {NAME: "NPC #1", OUR_NAME: "NPC #1", OUR_ID: ids[0]}
    assert traces.spans["work"].attributes == expected


def test_two_runs_of_one_owner_under_one_name_have_two_ids(
    pool: PoolHandle, traces: Traces
) -> None:
    for run in ("one", "two"):
        with owner_scope("planner-7"), pool.named(name="Ada"):
            traces.tracer.start_span(run).end()
    one, two = (dict(traces.spans[run].attributes or {}) for run in ("one", "two"))
    assert one.pop(OUR_ID) != two.pop(OUR_ID)
    assert one == two == {NAME: "Ada", OUR_NAME: "Ada", ID: "planner-7"}


def test_an_id_that_a_framework_gave_stays_if_the_program_named_no_owner(
    pool: PoolHandle, traces: Traces
) -> None:
    given = {NAME: "assistant", ID: "assistant-v2"}
    with pool.named():
        traces.tracer.start_span("thread", attributes=given).end()
    with owner_scope("planner-7"), pool.named():
        traces.tracer.start_span("scope", attributes=given).end()
    found = {name: (span.attributes or {})[ID] for name, span in traces.spans.items()}
    assert found == {"thread": "assistant-v2", "scope": "planner-7"}


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
        with owner_scope("planner-7"), pool.named():
            await asyncio.gather(child("task"), asyncio.to_thread(tool, "thread"))
            with owner_scope("a role"):  # with no name of its own
                tool("scope")
            return id_of(pool)

    lease_id = asyncio.run(agent())
    expected = {NAME: "NPC #1", OUR_NAME: "NPC #1", OUR_ID: lease_id, ID: "planner-7"}
    assert traces.spans.keys() == {"task", "thread", "scope"}
    assert all(span.attributes == expected for span in traces.spans.values())


def test_under_a_default_name_an_agent_and_its_child_begin_spans_as_one() -> None:
    pool = PoolHandle(NamePool.start(source=ScriptedSource()))
    traces = Traces(AgentSpanProcessor(pool))

    async def agent() -> None:
        with owner_scope("planner-7"), pool.named(default="Reserve"):
            traces.tracer.start_span("agent").end()
            await asyncio.to_thread(lambda: traces.tracer.start_span("child").end())

    asyncio.run(agent())
    expected = {NAME: "Reserve", OUR_NAME: "Reserve", ID: "planner-7"}  # and it has no lease
    assert traces.spans.keys() == {"agent", "child"}
    assert all(span.attributes == expected for span in traces.spans.values())


def test_a_child_that_shares_its_parents_name_begins_its_spans_as_itself(
    pool: PoolHandle, traces: Traces
) -> None:
    async def child(shared: asyncio.Event) -> None:
        await shared.wait()
        with owner_scope("child"):
            traces.tracer.start_span("child").end()

    async def agent() -> str:
        with owner_scope("parent"), pool.named() as name:
            shared = asyncio.Event()
            task = asyncio.create_task(child(shared))
            pool.associate_name(name, owner="child")
            shared.set()
            await task
            return id_of(pool)

    lease_id = asyncio.run(agent())
    expected = {NAME: "NPC #1", OUR_NAME: "NPC #1", OUR_ID: lease_id, ID: "child"}
    assert traces.spans["child"].attributes == expected


def test_a_child_with_a_name_of_its_own_begins_its_spans_as_itself(
    pool: PoolHandle, traces: Traces
) -> None:
    async def child() -> str:
        with pool.named() as name:
            traces.tracer.start_span("child").end()
            return id_of(pool, name)

    async def agent() -> dict[str, str]:
        with pool.named() as name:
            lease_id = await asyncio.create_task(child())
            traces.tracer.start_span("parent").end()
            return {"child": lease_id, "parent": id_of(pool, name)}

    ids = asyncio.run(agent())
    assert traces.agents == {"child": "NPC #2", "parent": "NPC #1"}
    assert {name: (s.attributes or {})[OUR_ID] for name, s in traces.spans.items()} == ids


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
        expected = {NAME: "NPC #1", OUR_NAME: "NPC #1", OUR_ID: id_of(pool), ID: "planner-7"}
    serve(traces, carrier)
    assert traces.spans["served"].attributes == expected


def test_of_an_owner_that_the_program_did_not_name_only_the_name_and_the_id_are_sent(
    pool: PoolHandle,
) -> None:
    carrier: dict[str, str] = {}
    traces = Traces(AgentSpanProcessor(baggage=True))
    with pool.named():
        request(pool, carrier)
        lease_id = id_of(pool)
    serve(traces, carrier)
    assert carrier["baggage"] == f"{NAME}=NPC+%231,{OUR_ID}={lease_id}"
    assert traces.spans["served"].attributes == {
        NAME: "NPC #1",
        OUR_NAME: "NPC #1",
        OUR_ID: lease_id,
    }


@pytest.mark.parametrize(
    ("owner", "kept"), [("planner-7", {ID: "planner-7"}), ("namepool:thread:3", {})]
)
def test_an_older_sender_sends_every_owner_and_no_id(owner: str, kept: dict[str, str]) -> None:
    traces = Traces(AgentSpanProcessor(baggage=True))
    serve(traces, {"baggage": f"{NAME}=Bea,{ID}={owner}"})
    assert traces.spans["served"].attributes == {NAME: "Bea", OUR_NAME: "Bea", **kept}


def test_who_answers_a_request_sends_nothing_of_who_asked(pool: PoolHandle) -> None:
    carrier: dict[str, str] = {}
    onward: dict[str, str] = {}
    with owner_scope("planner-7"), pool.named():
        request(pool, carrier)
    propagator = AgentBaggagePropagator(pool)
    asked = propagator.extract(carrier, contexts.Context())
    with pool.named() as name:
        propagator.inject(onward, asked)
        expected = {NAME: name, OUR_ID: id_of(pool, name)}
    assert get_all(propagator.extract(onward, contexts.Context())) == expected


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
        lease_id = id_of(pool)
    sent = get_all(AgentBaggagePropagator(pool).extract(carrier, contexts.Context()))
    assert sent == {"tenant": "7", NAME: "NPC #1", OUR_ID: lease_id}


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
    ("name", "owner", "lease_id"),
    [
        (None, "planner", "a-1-1"),
        ("", "planner", "a-1-1"),
        ("Bea\nINFO forged", "planner", "a-1-1"),
        (7, "planner", "a-1-1"),
        ("Bea", "", "a-1-1"),
        ("Bea", "x" * 257, "a-1-1"),
        ("Bea", "a\x1b[31mb", "a-1-1"),
        ("Bea", 7, "a-1-1"),
        ("Bea", "planner", ""),
        ("Bea", "planner", "a-" + "1" * 63),
        ("Bea", "planner", "a-1-1\n"),
        ("Bea", "planner", "a 1"),
        ("Bea", "planner", "a\x1b[31mb"),
        ("Bea", "planner", "ä-1-1"),
        ("Bea", "planner", 7),
    ],
)
def test_what_was_sent_and_is_no_agent_is_left_out(name: Any, owner: Any, lease_id: Any) -> None:
    traces = Traces(AgentSpanProcessor(baggage=True))
    sent = contexts.Context()
    for key, value in {NAME: name, ID: owner, OUR_ID: lease_id}.items():
        sent = set_baggage(key, value, sent)
    traces.tracer.start_span("served", context=sent).end()
    assert not traces.spans["served"].attributes


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
