"""Events of structlog with the agent's name: the extra ``structlog``.

The module does not import structlog, because a processor is a plain function of three arguments.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from namepool.actors.never_copied import NeverCopied
from namepool.attribution import who
from namepool.core.options import CHECKS


class AgentProcessor(NeverCopied):
    """A processor of structlog that gives each event the name of its agent, under ``key``.

    The id of the name's lease (see ``Lease.id``) is under ``agent_id``: ``key`` with ``_id`` behind
    it. It is empty if nobody speaks. Put the processor anywhere before the renderer. An agent
    without a name is "Nemo Nobody". An event that has its agent already, for example by
    ``log.bind(agent=…)``, keeps it, and its id is empty. The processor sends no message and takes
    no lock, so it never blocks.

    Raises:
        InvalidOption: ``pool`` is no pool, or ``key`` is no text

    Examples:
        >>> from namepool.attribution.structlog import AgentProcessor
        >>> pool = namepool.open_pool(source=namepool.NumberedNames())
        >>> processor = AgentProcessor(pool)
        >>> with pool.named():
        ...     processor(None, "info", {"event": "at work"})
        {'event': 'at work', 'agent': 'NPC #1', 'agent_id': '...-...-1'}
    """

    def __init__(self, pool: who.Published, key: str = "agent") -> None:
        self._speaking = who.view(pool)
        self._key = CHECKS.text("key", key, 64)

    def __call__(
        self, logger: Any, method_name: str, event_dict: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Return the event with its agent and the id."""
        who.attribute(event_dict, self._key, self._speaking)
        return event_dict
