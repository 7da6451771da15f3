"""Who has no name of its own speaks under the name of whoever started it.

Who checks a name out, associates one or enters a scope notes itself in its context (of
``contextvars``), in front of those who were there: this is the context's *lineage*. Tasks and
whatever else copies contexts copy it. It holds owners, not names: a name is looked up in a pool
when it is asked for. So it ends for all who inherit it when it goes home, and pools do not mix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeAlias, TypeVar

from namepool.actors import lineage
from namepool.ends import speaks

P = ParamSpec("P")
R = TypeVar("R")

LONG = 8
"""Links; from here on, those whose owners have no name now are left out of a longer lineage."""


class StandIn:
    """In a lineage: a name in no pool, under which a caller without one speaks in this pool."""

    def __init__(self, speaking: Mapping[str, str], name: str, owner: str) -> None:
        self.speaking = speaking
        self.owner = owner
        self.name: str | None = name
        """``None`` when its block has ended: then it says nothing, wherever it was copied."""


Lineage: TypeAlias = "tuple[Any, Lineage, int] | None"
"""An owner's id or a ``StandIn``, those before it, and how many they are together."""


def following(link: str | StandIn, line: Lineage) -> Lineage:
    """Return the lineage of what ``link`` starts, which has ``line`` itself."""
    if line is None:
        return link, None, 1
    if line[0] == link:
        return line
    if line[2] >= LONG:
        line = _shortened(line, link)
    return link, line, 1 if line is None else line[2] + 1


def _shortened(line: Lineage, without: str | StandIn) -> Lineage:
    """Leave out who can lend no name now: a chain of tasks may be endless."""
    kept: list[Any] = []
    while line is not None:
        link, line, _ = line
        is_named = link.name is not None if isinstance(link, StandIn) else speaks(link)
        if is_named and link != without and link not in kept:
            kept.append(link)
    for link in reversed(kept):
        line = (link, line, 1 if line is None else line[2] + 1)
    return line


def inherited_name(speaking: Mapping[str, str], line: Lineage) -> str | None:
    """Return the name of the nearest in ``line`` who has one in the pool of ``speaking``."""
    while line is not None:
        link, line, _ = line
        name = speaking.get(link)
        if name is None and link.__class__ is StandIn and link.speaking is speaking:
            name = link.name
        if name is not None:
            return name
    return None


def run_following(line: Lineage, func: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call ``func`` in this context with another lineage, and put back what was there."""
    before = lineage.get()
    try:  # not a ``with``: a worker that is struck between its two ends would keep the lineage
        lineage.set(line)
        result = func(*args, **kwargs)
        return result  # noqa: RET504  it may be struck in between
    finally:
        lineage.set(before)


@contextmanager
def standing_in(speaking: Mapping[str, str], name: str, owner: str) -> Iterator[str]:
    """As ``owner``, speak under ``name``, in no pool, unless one has a name of one's own."""
    before = lineage.get()
    link = StandIn(speaking, name, owner)
    mine = following(link, before)
    try:
        lineage.set(mine)
        yield name
    finally:
        try:
            link.name = None
        finally:
            restore(mine, before)


def restore(mine: Lineage, before: Lineage) -> None:
    """At the end of a block that noted ``mine``: put ``before`` back, if this is its context."""
    if mine is not before and lineage.get() is mine:
        lineage.set(before)
