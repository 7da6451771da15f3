"""Two agents of Pydantic AI at once, on one event loop, with tools of both kinds.

No glue: Pydantic AI hands the context on to the threads of its tools. Its own spans carry the name,
too.
"""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent, RunContext
from pydantic_ai.models.test import TestModel
from stage import JOBS, log, meet, stage, tracer

import namepool

assistant = Agent(TestModel(), deps_type=str)  # the model of its own that calls each tool once


@assistant.tool
def search(context: RunContext[str]) -> str:
    """Search for something, on a thread."""
    meet()
    with tracer.start_as_current_span("search"):
        log.info("%s: searching", context.deps)
    return "found"


@assistant.tool
async def measure(context: RunContext[str]) -> str:
    """Measure something, in a task."""
    with tracer.start_as_current_span("measure"):
        log.info("%s: measuring", context.deps)
    return "42"


async def agent(pool: namepool.PoolHandle, job: str) -> None:
    """Run an agent of Pydantic AI under a name of one's own."""
    with pool.named(), tracer.start_as_current_span(job):
        await assistant.run("What now?", deps=job)
        log.info("%s: done", job)


async def crew(pool: namepool.PoolHandle) -> None:
    """Run two agents at once."""
    await asyncio.gather(*(agent(pool, job) for job in JOBS))


def main() -> None:
    """Run the crew with the spans of Pydantic AI."""
    Agent.instrument_all()
    with stage() as pool:
        asyncio.run(crew(pool))


if __name__ == "__main__":
    main()
