"""Spans with the agent's name, also in the next process: the extra ``otel``."""

from __future__ import annotations

import re

from namepool.actors.never_copied import NeverCopied
from namepool.attribution import who
from namepool.core.names import validate_name
from namepool.core.options import CHECKS
from namepool.errors import InvalidName, InvalidOwner
from namepool.owners import is_named_by_program, owner_id

try:
    from opentelemetry.baggage import get_baggage, remove_baggage, set_baggage
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
"""The key of the agent's owner, in a span's attributes and in the baggage.

OpenTelemetry wants an id here that stays the same in every run. So it is only set if the program
named the owner itself.
"""

NAMEPOOL_NAME = "namepool.agent.name"
"""The key of the agent's name, in a span's attributes. No framework sets it."""

NAMEPOOL_ID = "namepool.agent.id"
"""The key of the id of the lease, in a span's attributes and in the baggage."""

_VALID_ID = re.compile(r"[0-9A-Za-z-]{1,64}")


class AgentSpanProcessor(NeverCopied, SpanProcessor):
    """A processor that gives each span its agent: a name, and ids.

    The agent of a span is the agent that speaks when the span begins. Its span gets these
    attributes:

    - ``gen_ai.agent.name`` and ``namepool.agent.name``: the name.
    - ``namepool.agent.id``: the id of the name's lease (see ``Lease.id``). It tells two runs apart
      that have the same name or the same owner. A default name has no id.
    - ``gen_ai.agent.id``: the owner, if the program named it by ``owner_scope`` or ``owner=``. It
      stays when the agent takes another name. The id of a thread, a task or an actor is not set
      here, because it means nothing in another run.

    Some frameworks begin a span with an agent of their own. The speaking agent replaces its name,
    and its id if the program named the owner. If no agent speaks, the span stays as it is. The
    processor reads the pool's view. It sends no message and takes no lock, so it never blocks.

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
        CHECKS.flag("baggage", baggage)
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
            span.set_attributes({NAMEPOOL_NAME: agent.name, **_fields(agent)})


class AgentBaggagePropagator(W3CBaggagePropagator):
    """A propagator that sends the speaking agent along with each request, as W3C baggage.

    Use it in place of ``W3CBaggagePropagator``; in all other respects it does the same. If no agent
    speaks, it passes on the agent of the incoming request. The receiving process gives its spans
    that agent by ``AgentSpanProcessor(…, baggage=True)``. Every receiver of your requests can read
    the name and the ids.

    Raises:
        InvalidOption: ``pool`` is no pool

    Examples:
        >>> from namepool.attribution.otel import AgentBaggagePropagator
        >>> pool, headers = namepool.open_pool(source=namepool.NumberedNames()), {}
        >>> with namepool.owner_scope("planner-7"), pool.named():
        ...     AgentBaggagePropagator(pool).inject(headers)
        >>> headers
        {'baggage': 'gen_ai.agent.name=NPC+%231,namepool.agent.id=...,gen_ai.agent.id=planner-7'}
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
            'gen_ai.agent.name=Ada,namepool.agent.id=...,gen_ai.agent.id=tester-1'
        """
        agent = who.who_speaks(self._speaking)
        if agent is not None:
            for key in (NAMEPOOL_ID, AGENT_ID):  # of the agent that sent the incoming request
                context = remove_baggage(key, context)
            for key, value in _fields(agent).items():
                context = set_baggage(key, value, context)
        super().inject(carrier, context, setter)


def _fields(agent: who.Agent) -> dict[str, str]:
    """Return the fields of an agent that are the same in a span and in the baggage."""
    fields = {AGENT_NAME: agent.name, NAMEPOOL_ID: agent.id}
    if is_named_by_program(agent.owner):
        fields[AGENT_ID] = agent.owner
    return {key: value for key, value in fields.items() if value}


def _who_sent(context: Context | None) -> who.Agent | None:
    """Return the agent in the baggage; ``None`` if its name, its owner or its id is not valid.

    The owner or the id may be missing: then it is empty.
    """
    owner, lease_id = get_baggage(AGENT_ID, context), get_baggage(NAMEPOOL_ID, context)
    try:
        owner = "" if owner is None else owner_id(owner)
        name = validate_name(get_baggage(AGENT_NAME, context))
    except (InvalidName, InvalidOwner):
        return None
    if lease_id is None:
        return who.Agent(owner, name, "")
    is_valid = isinstance(lease_id, str) and _VALID_ID.fullmatch(lease_id)
    return who.Agent(owner, name, str(lease_id)) if is_valid else None
