"""Spans that say which agent began them, also in the process that an agent asks for something.

It needs OpenTelemetry's SDK, which the extra ``otel`` installs.
"""

from __future__ import annotations

import threading

from opentelemetry import propagate, trace
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import namepool
from namepool.attribution.otel import AgentBaggagePropagator, AgentSpanProcessor

tracer = trace.get_tracer("crew")


def agent(pool: namepool.PoolHandle, job: str) -> None:
    """Plan under a name of one's own, and ask a server for something."""
    with pool.named(), tracer.start_as_current_span(job):
        headers: dict[str, str] = {}
        propagate.inject(headers)
        server = threading.Thread(target=serve, args=[headers])  # as if it were another process
        server.start()
        server.join()


def serve(headers: dict[str, str]) -> None:
    """Answer a request: nobody has a name here, but the headers tell who asks."""
    with tracer.start_as_current_span("search", context=propagate.extract(headers)):
        pass


def show(span: ReadableSpan) -> str:
    """Return a span as a line."""
    attributes = span.attributes or {}
    return f"{span.name:<8} | {attributes.get('gen_ai.agent.name', '-')}"


def main() -> None:
    """Run two agents, then begin a span as nobody in particular."""
    exported = InMemorySpanExporter()  # yours sends them to a collector
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    trace.set_tracer_provider(provider)
    with namepool.open_pool(source=namepool.OfflineNames(seed=11)) as pool:
        provider.add_span_processor(AgentSpanProcessor(pool, baggage=True))
        propagate.set_global_textmap(
            CompositePropagator([TraceContextTextMapPropagator(), AgentBaggagePropagator(pool)])
        )
        for job in ("planning", "testing"):
            thread = threading.Thread(target=agent, args=(pool, job))
            thread.start()
            thread.join()
        with tracer.start_as_current_span("idle"):
            pass
    print("\n".join(map(show, exported.get_finished_spans())))


if __name__ == "__main__":
    main()
