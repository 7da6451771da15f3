"""Spans that know their agent, also in the next process: ``namepool[otel]``."""

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
        f"namepool.attribution.otel needs an SDK: pip install 'namepool[otel]' ({_error})",
        name=_error.name,
    ) from _error

AGENT_NAME = "gen_ai.agent.name"
"""The attribute, and the baggage, that has the name."""

AGENT_ID = "gen_ai.agent.id"
"""The attribute, and the baggage, that has the owner."""


class AgentSpanProcessor(NeverCopied, SpanProcessor):
    """Gives every span begun while somebody speaks its agent: ``gen_ai.agent.name`` and ``.id``.

    The id is the owner: it stays when the agent takes another name. A span that was begun with an
    agent, as some frameworks do, gets the one who speaks instead. While nobody speaks, spans stay
    as they are. It reads the pool's view when a span begins: no message, no lock, it never blocks.

    With ``baggage=True``, a span begun while nobody speaks here gets the agent that its parent's
    baggage tells of: see ``AgentBaggagePropagator``. The sender of a request can say any name
    there, so let it be ``False`` where requests come from strangers. A process that only serves
    other processes' agents needs no pool then: ``AgentSpanProcessor(baggage=True)``.

    Raises:
        InvalidOption: ``pool`` is no pool, or is not given while ``baggage`` is ``False``
    """

    def __init__(self, pool: who.Published | None = None, *, baggage: bool = False) -> None:
        if not isinstance(baggage, bool):
            raise invalid("baggage", baggage, "True or False")
        self._speaking = None if pool is None and baggage else who.view(pool)
        self._baggage = baggage

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Give the span its agent."""
        agent = None if self._speaking is None else who.who_speaks(self._speaking)
        if agent is None and self._baggage:
            agent = _who_sent(parent_context)
        if agent is not None:
            span.set_attributes({AGENT_NAME: agent.name, AGENT_ID: agent.owner})


class AgentBaggagePropagator(W3CBaggagePropagator):
    """Sends the agent who speaks along with every request, as W3C baggage.

    In place of ``W3CBaggagePropagator``, which it does everything else like. Where nobody speaks,
    it passes on the agent that came in. The process that is asked gives its spans that agent by
    ``AgentSpanProcessor(…, baggage=True)``. The name goes to whomever you send requests to.

    Raises:
        InvalidOption: ``pool`` is no pool
    """

    def __init__(self, pool: who.Published) -> None:
        self._speaking = who.view(pool)

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Write the baggage of ``context``, and who speaks, into ``carrier``."""
        agent = who.who_speaks(self._speaking)
        if agent is not None:
            context = set_baggage(AGENT_NAME, agent.name, context)
            context = set_baggage(AGENT_ID, agent.owner, context)
        super().inject(carrier, context, setter)


def _who_sent(context: Context | None) -> who.Agent | None:
    """Return the agent in the baggage; it came from outside, so it may be anything."""
    try:
        name = validate_name(get_baggage(AGENT_NAME, context))
        return who.Agent(owner_id(get_baggage(AGENT_ID, context)), name)
    except (InvalidName, InvalidOwner):
        return None
