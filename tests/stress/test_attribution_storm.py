"""10,000 tools of 50 agents over 16 workers and 4 loops; a quick suite has 400 of 10 agents.

Each log line and each span carries its agent's name.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk", reason="pip install 'namepool[otel]'")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from namepool import (
    NamedExecutor,
    NumberedNames,
    PoolHandle,
    inherit_everywhere,
    inherit_owner,
    named_thread,
    open_pool,
)
from namepool.attribution.logging import AgentFilter
from namepool.attribution.otel import AgentSpanProcessor
from tests.support import PATIENCE, run_together, switching_often

WORKERS, LOOPS = 16, 4

log = logging.getLogger("tests.storm")


class _Lines(logging.Handler):
    """Keeps, for each line, the name it carries and the one it should: its text."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((vars(record)["agent"], record.getMessage()))


@pytest.fixture
def lines() -> Iterator[_Lines]:
    handler = _Lines()
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    yield handler
    log.removeHandler(handler)
    log.setLevel(logging.NOTSET)
    log.propagate = True


class ToolFailed(Exception):
    """What a tool raises."""


class Storm:
    """The agents, and what they share."""

    def __init__(self, pool: PoolHandle, workers: Executor, tools: int) -> None:
        self.pool = pool
        self.tools = tools
        self.workers = workers
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        provider.add_span_processor(AgentSpanProcessor(pool))
        self.tracer = provider.get_tracer("tests.storm")

    def say(self, name: str) -> None:
        """Log a line and begin a span that should carry ``name``."""
        log.info("%s", name)
        self.tracer.start_span(name).end()

    def spans(self) -> list[tuple[object, str]]:
        """Return, for each span, the name it carries and the one it should."""
        spans = self.exporter.get_finished_spans()
        return [((span.attributes or {}).get("gen_ai.agent.name"), span.name) for span in spans]

    def tool(self, agent: str, number: int) -> None:
        """Log a line for ``agent``; some tools take a name of their own, some fail."""
        self.say(agent)
        assert self.pool.speaker() == agent
        if number % 7 == 0:
            with self.pool.named() as own:
                self.say(own)
                self.workers_child(own, number)
            self.say(agent)
        if number % 5 == 0:
            raise ToolFailed

    def workers_child(self, own: str, number: int) -> None:
        """Have what a tool starts log for the tool."""
        thread = named_thread(self.say, args=[own])
        if number % 14 == 0:
            thread = threading.Thread(target=contextvars.copy_context().run, args=(thread.run,))
        thread.start()
        thread.join(PATIENCE)

    async def tool_task(self, agent: str, number: int) -> None:
        await asyncio.sleep(0)
        self.tool(agent, number)

    # -- agents -----------------------------------------------------------------------------

    def on_a_thread(self) -> None:
        """Run the tools of one agent on the shared workers."""
        with self.pool.named() as name:
            ways: list[Callable[[int], Any]] = [
                lambda n: self.workers.submit(self.tool, name, n),
                lambda n: self.workers.submit(inherit_owner(self.tool), name, n),
                lambda n: self.workers.submit(contextvars.copy_context().run, self.tool, name, n),
            ]
            # The second lends the agent's identity: a name of its own would be the agent's, too.
            futures = [(n, ways[n % 3 if n % 7 else 0](n)) for n in range(self.tools)]
            for n, future in futures:
                assert isinstance(future.exception(3 * PATIENCE), ToolFailed) == (n % 5 == 0)
            assert self.pool.speaker() == name

    async def on_a_task(self) -> None:
        """Run the tools of one agent on its loop, and from there on the shared workers."""
        loop = asyncio.get_running_loop()
        with self.pool.named() as name:
            ways: list[Callable[[int], Any]] = [
                lambda n: asyncio.create_task(self.tool_task(name, n)),
                lambda n: asyncio.wait_for(self.tool_task(name, n), PATIENCE),
                lambda n: loop.run_in_executor(self.workers, self.tool, name, n),
                lambda n: asyncio.to_thread(self.tool, name, n),
            ]
            for begin in range(0, self.tools, 20):
                tools = [ways[n % 4](n) for n in range(begin, begin + 20)]
                found = await asyncio.gather(*tools, return_exceptions=True)
                for n, error in zip(range(begin, begin + 20), found, strict=True):
                    assert isinstance(error, ToolFailed) if n % 5 == 0 else error is None, error
            assert self.pool.speaker() == name

    async def on_a_loop(self, agents: int) -> None:
        await asyncio.gather(*(self.on_a_task() for _ in range(agents)))


@pytest.mark.parametrize(
    ("agents", "tools"), [(10, 40), pytest.param(50, 200, marks=pytest.mark.proof)]
)
@pytest.mark.parametrize(
    ("executor", "everywhere"),
    [(NamedExecutor, nullcontext), (ThreadPoolExecutor, inherit_everywhere)],
    ids=["NamedExecutor", "inherit_everywhere"],
)
def test_in_a_storm_of_tools_each_log_line_and_span_carries_its_agents_name(
    executor: type[ThreadPoolExecutor],
    everywhere: Callable[[], AbstractContextManager[None]],
    agents: int,
    tools: int,
    lines: _Lines,
) -> None:
    threads = agents // 2
    per_loop, rest = divmod(agents - threads, LOOPS)
    shares = [per_loop + (n < rest) for n in range(LOOPS)]
    with (
        everywhere(),
        open_pool(source=NumberedNames(), chunk_size=50) as pool,
        executor(WORKERS) as workers,
        switching_often(),
    ):
        lines.addFilter(AgentFilter(pool))
        storm = Storm(pool, workers, tools)
        loops = [partial(asyncio.run, storm.on_a_loop(n)) for n in shares]
        run_together([*[storm.on_a_thread] * threads, *loops])
        assert pool.pool_stats().checked_out_count == 0

    extra = sum(3 for n in range(tools) if n % 7 == 0)
    assert len(lines.lines) == agents * (tools + extra)
    assert [line for line in lines.lines if line[0] != line[1]] == []
    assert sorted(storm.spans()) == sorted(lines.lines)
