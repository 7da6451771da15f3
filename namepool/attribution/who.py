"""The agent that speaks here and now, for every log line and every span.

The answer comes from the view that a pool publishes. It needs no message and no lock, so it is safe
inside any handler.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, NamedTuple, Protocol

from namepool.core.links import NOBODY, Link
from namepool.core.names import DEFAULT_NAME
from namepool.core.options import CHECKS
from namepool.core.speakers import Speaking
from namepool.speaking import link_of_caller


class Published(Protocol):
    """A pool's ref or handle: an object that publishes the name of each owner that speaks."""

    @property
    def speaking(self) -> Speaking:
        """The name of each owner that speaks."""
        ...


class Agent(NamedTuple):
    """An agent that speaks under a name: its owner, its name, and the id of the name's lease.

    A default name has no lease, so its ``id`` is empty.
    """

    owner: str
    name: str
    id: str


def view(pool: object) -> Speaking:
    """Return the view that a pool publishes.

    Raises:
        InvalidOption: ``pool`` is no pool
    """
    speaking = getattr(pool, "speaking", None)
    if not isinstance(speaking, Speaking):
        raise CHECKS.invalid(
            "pool", pool, "a pool's ref (NamePool.start()) or handle (open_pool())"
        )
    return speaking


def who_speaks(speaking: Speaking) -> Agent | None:
    """Return the agent that speaks in this context; ``None`` if no agent does.

    A task or thread that speaks under the name of the agent that started it counts as that agent.
    """
    link, name = _link_and_name(speaking)
    return None if link is None else Agent(link.owner, name, _id(link))


def _link_and_name(speaking: Speaking) -> tuple[Link | None, str]:
    """Return the link by which the caller speaks and its name, or ``None`` and the default name."""
    while (link := link_of_caller(speaking.state)) is not None:
        name = link.says
        if name == NOBODY:
            break
        if name:  # otherwise the name has just ended, and another link may speak
            return link, name
    return None, DEFAULT_NAME


def _id(link: Link) -> str:
    lease = link.lease
    return "" if lease is None else lease.id


def attribute(fields: MutableMapping[str, Any], key: str, speaking: Speaking) -> str:
    """Return the name in ``fields``; if there is none, first set that of the speaking agent.

    The id of the name's lease is set, too, under ``key`` with ``_id`` behind it. It is empty if
    nobody speaks, or if ``fields`` had a name already. A field that is there already stays.
    """
    name, link = fields.get(key), None
    if name is None:
        link, name = _link_and_name(speaking)
        fields[key] = name
    fields.setdefault(f"{key}_id", "" if link is None else _id(link))
    return str(name)
