"""Who speaks here and now: what every log line and every span asks.

Answered from the view that a pool publishes: no message, no lock, safe inside any handler.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, NamedTuple, Protocol

from namepool.core.links import NOBODY
from namepool.core.names import DEFAULT_NAME
from namepool.core.options import invalid
from namepool.core.speakers import Speaking
from namepool.speaking import link_of_caller, name_of_caller


class Published(Protocol):
    """A pool's ref or handle: whatever publishes who speaks under which name."""

    @property
    def speaking(self) -> Speaking:
        """Owner → name."""
        ...


class Agent(NamedTuple):
    """Somebody who speaks under a name of the pool."""

    owner: str
    name: str


def view(pool: object) -> Speaking:
    """Return what a pool publishes.

    Raises:
        InvalidOption: it is no pool
    """
    speaking = getattr(pool, "speaking", None)
    if not isinstance(speaking, Speaking):
        raise invalid("pool", pool, "a pool's ref (NamePool.start()) or handle (open_pool())")
    return speaking


def who_speaks(speaking: Speaking) -> Agent | None:
    """Return the agent that speaks in this context, ``None`` for nobody in particular.

    What speaks under the name of the agent that started it speaks for that agent.
    """
    link = link_of_caller(speaking.state)
    name = None if link is None else link.says
    return Agent(link.owner, name) if link is not None and name and name != NOBODY else None


def attribute(fields: MutableMapping[str, Any], key: str, speaking: Speaking) -> str:
    """Give ``fields`` the name of the agent that speaks, unless it has one; return what it has."""
    name = fields.get(key)
    if name is None:
        name = fields[key] = name_of_caller(speaking.state) or DEFAULT_NAME
    return str(name)
