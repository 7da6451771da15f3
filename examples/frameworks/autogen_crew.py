"""Two agents of AutoGen core at once, on one event loop, with tools near and far.

Five lines of glue. The runtime handles each message in a task of its own, where nobody speaks. So
an agent takes its name in its handler, as the owner that its id says, and the agent that runs tools
for all speaks for the one who asks: ``Tools``, four lines. A tool that is a plain function runs on
the loop's executor: let that be one that hands the name on, one line.
"""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import Any

from autogen_core import (
    AgentId,
    CancellationToken,
    FunctionCall,
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    message_handler,
)
from autogen_core.tool_agent import ToolAgent
from autogen_core.tools import FunctionTool
from opentelemetry.trace import NoOpTracerProvider
from stage import JOBS, log, meet, stage, tracer

import namepool


@dataclass
class Job:
    """A job for an agent."""

    name: str


def search(job: str) -> str:
    """Search for something, on a thread."""
    meet()
    with tracer.start_as_current_span("search"):
        log.info("%s: searching", job)
    return "found"


async def measure(job: str) -> str:
    """Measure something, in a task."""
    with tracer.start_as_current_span("measure"):
        log.info("%s: measuring", job)
    return "42"


class Tools(ToolAgent):
    """Runs tools for all agents; speaks for the one who asks."""

    async def on_message_impl(self, message: Any, context: MessageContext) -> Any:
        """Handle a message."""
        with namepool.owner_scope(str(context.sender)):
            return await super().on_message_impl(message, context)


class Worker(RoutedAgent):
    """An agent with a name of its own while it handles a message."""

    def __init__(self, pool: namepool.PoolHandle) -> None:
        super().__init__("a worker")
        self._pool = pool
        self._search = FunctionTool(search, "Search for something.")

    @message_handler
    async def work(self, message: Job, context: MessageContext) -> None:
        """Use a tool of its own, and at the same time one of the agent that has tools."""
        arguments = {"job": message.name}
        call = FunctionCall("1", json.dumps(arguments), "measure")
        span = tracer.start_as_current_span(message.name)
        with namepool.owner_scope(str(self.id)), self._pool.named(), span:
            await asyncio.gather(
                self._search.run_json(arguments, CancellationToken()),
                self.send_message(call, AgentId("tools", "default")),
            )
            log.info("%s: done", message.name)


async def crew(pool: namepool.PoolHandle) -> None:
    """Run two agents at once."""
    asyncio.get_running_loop().set_default_executor(namepool.NamedExecutor())
    runtime = SingleThreadedAgentRuntime(tracer_provider=NoOpTracerProvider())
    measures = FunctionTool(measure, "Measure something.")
    await Tools.register(runtime, "tools", lambda: Tools("tools for all", [measures]))
    await Worker.register(runtime, "worker", lambda: Worker(pool))
    runtime.start()
    await asyncio.gather(*(runtime.send_message(Job(job), AgentId("worker", job)) for job in JOBS))
    await runtime.stop_when_idle()


def main() -> None:
    """Run the crew; hide the log lines and spans of the runtime, which belong to no agent."""
    logging.getLogger("autogen_core").setLevel(logging.WARNING)
    with stage() as pool:
        asyncio.run(crew(pool))


if __name__ == "__main__":
    main()
