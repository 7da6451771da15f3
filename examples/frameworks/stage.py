"""The part that the programs beside this one share: it shows each log line and span with its agent.

It knows no framework. A line is ``agent | log | message`` or ``agent | span | path``. The path
begins with the job that names the agent's first span.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import namepool
from namepool.attribution.logging import AgentFilter
from namepool.attribution.otel import AgentSpanProcessor

JOBS = ("planning", "testing")
"""One agent each; the two run at once."""

log = logging.getLogger("crew")
tracer = trace.get_tracer("crew")
_both_are_here = threading.Barrier(len(JOBS))


@contextmanager
def stage() -> Iterator[namepool.PoolHandle]:
    """Open a pool; show the log lines and spans of the block, from every library."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    with namepool.open_pool(source=namepool.OfflineNames(seed=11)) as pool:
        provider.add_span_processor(AgentSpanProcessor(pool))
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter("%(agent)s | log | %(message)s"))
        handler.addFilter(AgentFilter(pool))
        logging.basicConfig(level=logging.INFO, handlers=[handler])
        yield pool
    spans = exporter.get_finished_spans()
    jobs = {span.context.trace_id: span.name for span in spans if span.parent is None}
    for span in spans:
        print(f"{_agent(span)} | span | {jobs[span.context.trace_id]}/{span.name}")


def meet() -> None:
    """Wait until the other agent's tool is here too: so the two do run at once."""
    _both_are_here.wait(20)


def _agent(span: ReadableSpan) -> object:
    return (span.attributes or {}).get("gen_ai.agent.name", namepool.DEFAULT_NAME)
