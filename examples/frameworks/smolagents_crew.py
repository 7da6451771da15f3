"""Two agents of smolagents at once, each of whose tools run in parallel.

No glue: smolagents hands the context of ``run`` on to the threads of its tools.
"""

from __future__ import annotations

import threading
from typing import Any

from smolagents import ChatMessage, MessageRole, Model, ToolCallingAgent, tool
from smolagents.models import ChatMessageToolCall, ChatMessageToolCallFunction
from stage import JOBS, log, meet, stage, tracer

import namepool


class Scripted(Model):  # type: ignore[misc]  # the library has no types
    """A model that wants both tools, then has its answer."""

    def __init__(self, job: str) -> None:
        super().__init__(model_id="scripted")
        self.steps = iter(
            [{"search": {"job": job}, "measure": {"job": job}}, {"final_answer": {"answer": "42"}}]
        )

    def generate(self, messages: list[ChatMessage], **_: Any) -> ChatMessage:
        """Return the next step of the script."""
        calls = [
            ChatMessageToolCall(
                ChatMessageToolCallFunction(arguments, name), id=name, type="function"
            )
            for name, arguments in next(self.steps).items()
        ]
        return ChatMessage(role=MessageRole.ASSISTANT, content="", tool_calls=calls)


@tool  # type: ignore[untyped-decorator]
def search(job: str) -> str:
    """Search for something.

    Args:
        job: The job that needs it.
    """
    meet()
    with tracer.start_as_current_span("search"):
        log.info("%s: searching", job)
    return "found"


@tool  # type: ignore[untyped-decorator]
def measure(job: str) -> str:
    """Measure something.

    Args:
        job: The job that needs it.
    """
    with tracer.start_as_current_span("measure"):
        log.info("%s: measuring", job)
    return "42"


def agent(pool: namepool.PoolHandle, job: str) -> None:
    """Run an agent of smolagents under a name of one's own."""
    with pool.named(), tracer.start_as_current_span(job):
        ToolCallingAgent([search, measure], Scripted(job), verbosity_level=0).run(job)
        log.info("%s: done", job)


def main() -> None:
    """Run two agents at once, on a thread each."""
    with stage() as pool:
        threads = [threading.Thread(target=agent, args=(pool, job)) for job in JOBS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()
