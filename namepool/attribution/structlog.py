"""Events of structlog that know their agent: ``namepool[structlog]``.

It imports nothing of structlog: a processor is a function of three arguments.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from namepool.actors.never_copied import NeverCopied
from namepool.attribution import who
from namepool.core.options import check_text


class AgentProcessor(NeverCopied):
    """A processor of structlog that gives each event the name of who speaks, under ``key``.

    Put it anywhere before the renderer. Who has no name is "Nemo Nobody"; an event that has its
    agent already, by ``log.bind(agent=…)`` say, keeps it. No message, no lock: it never blocks.
    """

    def __init__(self, pool: who.Published, key: str = "agent") -> None:
        self._speaking = who.view(pool)
        self._key = check_text("key", key, 64)

    def __call__(
        self, logger: Any, method_name: str, event_dict: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Return the event with its agent."""
        who.attribute(event_dict, self._key, self._speaking)
        return event_dict
