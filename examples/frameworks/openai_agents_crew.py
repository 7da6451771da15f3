"""Two agents of the OpenAI Agents SDK at once, on one event loop, with tools of both kinds.

No glue: the SDK runs a tool that is a plain function with ``asyncio.to_thread``, which hands the
context on. The SDK's own traces are no spans of OpenTelemetry. This program logs their beginnings.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from agents import Agent, Runner, function_tool, set_trace_processors, trace
from agents.testing import ScriptedModel, assistant_message, function_call
from agents.tracing import Span, Trace, TracingProcessor
from stage import JOBS, log, meet, stage, tracer

import namepool


class Begun(TracingProcessor):
    """Logs the beginnings of the SDK's traces and spans, and sends nothing anywhere."""

    def on_trace_start(self, trace: Trace) -> None:
        """Log the agent's whole run."""
        log.info("%s: its trace begins", trace.name)

    def on_span_start(self, span: Span[Any]) -> None:
        """Log a step of it."""
        log.info("its %s begins", span.span_data.type)

    def on_span_end(self, span: Span[Any]) -> None:
        """Leave it at that."""

    def on_trace_end(self, trace: Trace) -> None:
        """Leave it at that."""

    def shutdown(self) -> None:
        """Leave it at that."""

    def force_flush(self) -> None:
        """Leave it at that."""


@function_tool
def search(job: str) -> str:
    """Search for something, on a thread."""
    meet()
    with tracer.start_as_current_span("search"):
        log.info("%s: searching", job)
    return "found"


@function_tool
async def measure(job: str) -> str:
    """Measure something, in a task."""
    with tracer.start_as_current_span("measure"):
        log.info("%s: measuring", job)
    return "42"


async def agent(pool: namepool.PoolHandle, job: str) -> None:
    """Run an agent of the SDK under a name of one's own."""
    arguments = json.dumps({"job": job})
    both = [function_call(name, arguments, call_id=name) for name in ("search", "measure")]
    model = ScriptedModel([both, [assistant_message("42")]])
    with pool.named(), tracer.start_as_current_span(job), trace(job):
        await Runner.run(Agent(job, tools=[search, measure], model=model), "What now?")
        log.info("%s: done", job)


async def crew(pool: namepool.PoolHandle) -> None:
    """Run two agents at once."""
    await asyncio.gather(*(agent(pool, job) for job in JOBS))


def main() -> None:
    """Run the crew, and send its traces nowhere."""
    set_trace_processors([Begun()])
    with stage() as pool:
        asyncio.run(crew(pool))


if __name__ == "__main__":
    main()
