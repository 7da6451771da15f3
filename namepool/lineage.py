"""Who has no name of its own speaks under the name of whoever started it.

Who checks a name out, associates one or enters a scope notes itself in its context (of
``contextvars``), in front of those who were there: this is the context's *lineage*. Tasks and
whatever else copies contexts copy it. It holds owners, not names: a name is looked up in a pool
when it is asked for. So it ends for all who inherit it when it goes home, and pools do not mix. Who
was started in a block inherits from it as long as it lasts, and not what its owner takes later.
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


class Block(str):
    """In a lineage: an owner's id for the length of one of its blocks."""

    is_over: bool = False
    """The block has ended: it lends no name, wherever it was copied."""


Lineage: TypeAlias = "tuple[Any, Lineage, int] | None"
"""An owner's id, a ``Block`` or a ``StandIn``, those before it, and how many they are together."""


def following(link: str | StandIn, line: Lineage) -> Lineage:
    """Return the lineage of what ``link`` starts, which has ``line`` itself."""
    if line is None:
        return link, None, 1
    return line if line[0] == link else _before(link, line)


def _before(link: str | StandIn, line: Lineage) -> Lineage:
    if line is not None and line[2] >= LONG:
        line = _shortened(line, link)
    return link, line, 1 if line is None else line[2] + 1


def _shortened(line: Lineage, without: str | StandIn) -> Lineage:
    """Leave out who can lend no name now: a chain of tasks may be endless."""
    kept: list[Any] = []
    while line is not None:
        link, line, _ = line
        is_there = link.__class__ is str and any(_is(other, link) for other in (without, *kept))
        if _may_lend(link) and not is_there:
            kept.append(link)
    for link in reversed(kept):
        line = (link, line, 1 if line is None else line[2] + 1)
    return line


def _is(link: object, owner: str) -> bool:
    """Tell whether a link is this owner, beyond any block."""
    return link.__class__ is str and link == owner


def _may_lend(link: str | StandIn) -> bool:
    if isinstance(link, StandIn):
        return link.name is not None
    return speaks(link) and not (isinstance(link, Block) and link.is_over)


def inherited_name(speaking: Mapping[str, str], line: Lineage) -> str | None:
    """Return the name of the nearest in ``line`` who has one in the pool of ``speaking``."""
    while line is not None:
        link, line, _ = line
        name = speaking.get(link)
        if name is None and link.__class__ is StandIn and link.speaking is speaking:
            name = link.name
        if name is not None and not (link.__class__ is Block and link.is_over):
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


def within(owner: str, before: Lineage) -> Lineage:
    """Return the lineage inside a block of ``owner``, which has ``before`` around it.

    The block sets it, where it is sure to ``leave`` it, whatever strikes in between.
    """
    if before is not None and _is(before[0], owner) and not speaks(owner):
        before = before[1]  # it has nothing to lend but what it takes later
    return _before(Block(owner), before)


def leave(mine: Lineage, before: Lineage) -> None:
    """At the end of a block that has ``mine`` inside: it lends no name any more.

    Its owner does if it has another one.
    """
    assert mine is not None  # noqa: S101  within returned it
    mine[0].is_over = True
    owner = str(mine[0])
    restore(mine, following(owner, before) if speaks(owner) else before)


def restore(mine: Lineage, before: Lineage) -> None:
    """At the end of what noted ``mine``: put ``before`` back, if this is its context."""
    if mine is not before and lineage.get() is mine:
        lineage.set(before)
