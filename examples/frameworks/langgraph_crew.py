"""Two graphs of LangGraph at once: nodes, parallel branches, and tools that are plain functions.

No glue: LangGraph hands the context of ``invoke`` on to the threads of its nodes and its tools.
"""

from __future__ import annotations

import operator
import threading
from typing import Annotated, Any, TypedDict

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.prebuilt import ToolNode
from stage import JOBS, log, meet, stage, tracer

import namepool


class State(TypedDict):
    """The state that the nodes of a graph share."""

    job: str
    messages: Annotated[list[AnyMessage], add_messages]
    notes: Annotated[list[str], operator.add]


@tool
def search(job: str) -> str:
    """Search for something."""
    meet()
    with tracer.start_as_current_span("search"):
        log.info("%s: searching", job)
    return "found"


@tool
def measure(job: str) -> str:
    """Measure something."""
    with tracer.start_as_current_span("measure"):
        log.info("%s: measuring", job)
    return "42"


def think(state: State) -> dict[str, Any]:
    """Ask a model, which wants both tools."""
    log.info("%s: thinking", state["job"])
    calls = [
        {"name": name, "args": {"job": state["job"]}, "id": name} for name in ("search", "measure")
    ]
    model = GenericFakeChatModel(messages=iter([AIMessage("", tool_calls=calls)]))
    return {"messages": [model.invoke("What now?")]}


def branch(what: str) -> Any:
    """Return a node that runs beside others."""

    def node(state: State) -> dict[str, Any]:
        with tracer.start_as_current_span(what):
            log.info("%s: %s", state["job"], what)
        return {"notes": [what]}

    return node


def crew() -> Any:
    """Think, use the tools, then write and review at the same time."""
    graph = StateGraph(State)
    graph.add_node("think", think)
    graph.add_node("tools", ToolNode([search, measure]))
    graph.add_node("write", branch("writing"))
    graph.add_node("review", branch("reviewing"))
    graph.add_edge(START, "think")
    graph.add_edge("think", "tools")
    for name in ("write", "review"):
        graph.add_edge("tools", name)
        graph.add_edge(name, END)
    return graph.compile()


def agent(pool: namepool.PoolHandle, job: str) -> None:
    """Run a graph under a name of one's own."""
    with pool.named(), tracer.start_as_current_span(job):
        crew().invoke({"job": job, "messages": [], "notes": []})


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
