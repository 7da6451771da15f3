"""Spans with the agent's name, also in the next process: the extra ``otel``."""

from __future__ import annotations

from namepool.actors.never_copied import NeverCopied
from namepool.attribution import who
from namepool.core.names import validate_name
from namepool.core.options import invalid
from namepool.errors import InvalidName, InvalidOwner
from namepool.owners import owner_id

try:
    from opentelemetry.baggage import get_baggage, set_baggage
    from opentelemetry.baggage.propagation import W3CBaggagePropagator
    from opentelemetry.context import Context
    from opentelemetry.propagators.textmap import CarrierT, Setter, default_setter
    from opentelemetry.sdk.trace import Span, SpanProcessor
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        "namepool.attribution.otel needs an SDK: install namepool with the extra 'otel'"
        f" ({_error})",
        name=_error.name,
    ) from _error

AGENT_NAME = "gen_ai.agent.name"
"""The key of the agent's name, in a span's attributes and in the baggage."""

AGENT_ID = "gen_ai.agent.id"
"""The key of the agent's owner, in a span's attributes and in the baggage."""


class AgentSpanProcessor(NeverCopied, SpanProcessor):
    """A processor that gives each span its agent: ``gen_ai.agent.name`` and ``gen_ai.agent.id``.

    The agent of a span is the agent that speaks when the span begins. The id is the owner, so it
    stays when the agent takes another name. Some frameworks begin a span with an agent of their
    own; the speaking agent replaces it. If no agent speaks, the span stays as it is. The processor
    reads the pool's view. It sends no message and takes no lock, so it never blocks.

    With ``baggage=True``, a span without a speaking agent gets the agent of its parent's baggage:
    see ``AgentBaggagePropagator``. The sender of a request can write any name there, so leave
    ``baggage`` at ``False`` if requests come from strangers. A process that only serves the agents
    of other processes needs no pool: ``AgentSpanProcessor(baggage=True)``.

    Raises:
        InvalidOption: ``pool`` is no pool, or is missing while ``baggage`` is ``False``

    Examples:
        >>> from opentelemetry.sdk.trace import TracerProvider
        >>> from namepool.attribution.otel import AgentSpanProcessor
        >>> pool, provider = namepool.open_pool(source=namepool.NumberedNames()), TracerProvider()
        >>> provider.add_span_processor(AgentSpanProcessor(pool))
        >>> with pool.named():
        ...     span = provider.get_tracer("app").start_span("work")
        >>> span.attributes["gen_ai.agent.name"]
        'NPC #1'
    """

    def __init__(self, pool: who.Published | None = None, *, baggage: bool = False) -> None:
        if not isinstance(baggage, bool):
            raise invalid("baggage", baggage, "True or False")
        self._speaking = None if pool is None and baggage else who.view(pool)
        self._baggage = baggage

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Give the span its agent; the SDK calls this when a span begins.

        Examples:
            >>> span = provider.get_tracer("app").start_span("idle")
            >>> dict(span.attributes)
            {}
        """
        agent = None if self._speaking is None else who.who_speaks(self._speaking)
        if agent is None and self._baggage:
            agent = _who_sent(parent_context)
        if agent is not None:
            span.set_attributes({AGENT_NAME: agent.name, AGENT_ID: agent.owner})


class AgentBaggagePropagator(W3CBaggagePropagator):
    """A propagator that sends the speaking agent along with each request, as W3C baggage.

    Use it in place of ``W3CBaggagePropagator``; in all other respects it does the same. If no agent
    speaks, it passes on the agent of the incoming request. The receiving process gives its spans
    that agent by ``AgentSpanProcessor(…, baggage=True)``. Every receiver of your requests can read
    the name.

    Raises:
        InvalidOption: ``pool`` is no pool

    Examples:
        >>> from namepool.attribution.otel import AgentBaggagePropagator
        >>> pool, headers = namepool.open_pool(source=namepool.NumberedNames()), {}
        >>> with namepool.owner_scope("planner-7"), pool.named():
        ...     AgentBaggagePropagator(pool).inject(headers)
        >>> headers
        {'baggage': 'gen_ai.agent.name=NPC+%231,gen_ai.agent.id=planner-7'}
    """

    def __init__(self, pool: who.Published) -> None:
        self._speaking = who.view(pool)

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Write the baggage of ``context`` and the speaking agent into ``carrier``.

        Examples:
            >>> with namepool.owner_scope("tester-1"), pool.speaking_as("Ada"):
            ...     AgentBaggagePropagator(pool).inject(headers)
            >>> headers["baggage"]
            'gen_ai.agent.name=Ada,gen_ai.agent.id=tester-1'
        """
        agent = who.who_speaks(self._speaking)
        if agent is not None:
            context = set_baggage(AGENT_NAME, agent.name, context)
            context = set_baggage(AGENT_ID, agent.owner, context)
        super().inject(carrier, context, setter)


def _who_sent(context: Context | None) -> who.Agent | None:
    """Return the agent in the baggage; ``None`` if its name or its owner is not valid."""
    try:
        name = validate_name(get_baggage(AGENT_NAME, context))
        return who.Agent(owner_id(get_baggage(AGENT_ID, context)), name)
    except (InvalidName, InvalidOwner):
        return None
