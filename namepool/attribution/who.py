"""Who speaks here and now: what every log line and every span asks.

Answered from the view that a pool publishes: no message, no lock, safe inside any handler.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, NamedTuple, Protocol

from namepool.actors import lineage
from namepool.core.names import DEFAULT_NAME
from namepool.core.options import invalid
from namepool.lineage import StandIn
from namepool.owners import current_owner, name_of_caller


class Published(Protocol):
    """A pool's ref or handle: whatever publishes who speaks under which name."""

    @property
    def speaking(self) -> Mapping[str, str]:
        """Owner → name."""
        ...


class Agent(NamedTuple):
    """Somebody who speaks under a name of the pool."""

    owner: str
    name: str


def view(pool: object) -> Mapping[str, str]:
    """Return what a pool publishes.

    Raises:
        InvalidOption: it is no pool
    """
    speaking = getattr(pool, "speaking", None)
    if not isinstance(speaking, Mapping):
        raise invalid("pool", pool, "a pool's ref (NamePool.start()) or handle (open_pool())")
    return speaking


def who_speaks(speaking: Mapping[str, str]) -> Agent | None:
    """Return who speaks on this thread and in this context, ``None`` for nobody in particular.

    Whoever speaks under the name of who started it speaks for that agent: it is the one returned.
    """
    name = name_of_caller(speaking)
    if name is None:
        return None
    owner = current_owner()
    line = None if speaking.get(owner) == name else lineage.get()
    while line is not None:
        link, line, _ = line
        if speaking.get(link) == name:
            return Agent(str(link), name)
        if isinstance(link, StandIn) and link.speaking is speaking and link.name == name:
            return Agent(link.owner, name)
    return Agent(owner, name)


def attribute(fields: MutableMapping[str, Any], key: str, speaking: Mapping[str, str]) -> str:
    """Give ``fields`` the name of who speaks, unless it has one; return the name it has."""
    name = fields.get(key)
    if name is None:
        name = fields[key] = name_of_caller(speaking) or DEFAULT_NAME
    return str(name)
