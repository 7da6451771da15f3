"""The agent that speaks here and now, for every log line and every span.

The answer comes from the view that a pool publishes. It needs no message and no lock, so it is safe
inside any handler.
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
    """A pool's ref or handle: an object that publishes the name of each owner that speaks."""

    @property
    def speaking(self) -> Speaking:
        """The name of each owner that speaks."""
        ...


class Agent(NamedTuple):
    """An agent that speaks under a name, and its owner."""

    owner: str
    name: str


def view(pool: object) -> Speaking:
    """Return the view that a pool publishes.

    Raises:
        InvalidOption: ``pool`` is no pool
    """
    speaking = getattr(pool, "speaking", None)
    if not isinstance(speaking, Speaking):
        raise invalid("pool", pool, "a pool's ref (NamePool.start()) or handle (open_pool())")
    return speaking


def who_speaks(speaking: Speaking) -> Agent | None:
    """Return the agent that speaks in this context; ``None`` if no agent does.

    A task or thread that speaks under the name of the agent that started it counts as that agent.
    """
    link = link_of_caller(speaking.state)
    name = None if link is None else link.says
    return Agent(link.owner, name) if link is not None and name and name != NOBODY else None


def attribute(fields: MutableMapping[str, Any], key: str, speaking: Speaking) -> str:
    """Return the name in ``fields``; if there is none, first set the name of the speaking agent."""
    name = fields.get(key)
    if name is None:
        name = fields[key] = name_of_caller(speaking.state) or DEFAULT_NAME
    return str(name)
