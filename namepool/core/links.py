"""Links: by which a context speaks under a name. Pure.

A context carries a chain of links, the latest first (see ``namepool.speaking``). ``says`` is the
name that a link speaks under: ``None`` until it has begun, ``OVER`` once it speaks no more. A
thread that has the pool's turn writes it, and a caller that gives its own link up; any thread reads
it. A link that is over says nothing, wherever it was copied; so nothing is ever taken back.
"""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar, Final

from namepool.actors.never_copied import NeverCopied

OVER: Final = ""
"""What a link says that speaks no more."""

NOBODY: Final = "\N{NULL}"
"""What a link says in whose block the caller is nobody."""


class Link(NeverCopied):
    """One link; ``before`` is the one that was the first of its context until then."""

    __slots__ = ("__weakref__", "before", "number", "outside", "owner", "says", "state")

    _instead: ClassVar[str] = "send its name there"

    before: Link | None
    state: Any
    """The state of the pool in which it speaks, and of no other."""
    owner: str
    outside: bool
    """It is spoken by its owner, whatever the context: see ``PoolState.given``."""
    number: float
    """The moment at which it began."""
    says: str | None

    @property
    def origin(self) -> Link:
        """The link that this one repeats; itself, if it repeats none."""
        return self

    def again(self, before: Link | None) -> Echo:
        """Return what repeats it in front of another chain."""
        return Echo(self, before)

    def __repr__(self) -> str:
        says = "pending" if self.says is None else repr(self.says) if self.says else "over"
        return f"<{type(self).__name__} of {self.owner!r}: {says}>"


class Echo(Link):
    """Repeats a link in a chain where that does not stand, or does not stand first."""

    __slots__ = ("_origin",)

    def __init__(self, link: Link, before: Link | None) -> None:
        self._origin = origin = link.origin
        self.before = before
        self.state: Any = origin.state
        self.owner: str = origin.owner
        self.outside: bool = origin.outside

    @property
    def origin(self) -> Link:
        """The link that this one repeats."""
        return self._origin

    @property
    def says(self) -> str | None:  # type: ignore[override]
        """What that link says."""
        return self._origin.says

    @property
    def number(self) -> float:  # type: ignore[override]
        """The moment at which that link began, once it has."""
        return self._origin.number


class Standing(Link):
    """A link without a lease: a default name, nobody at all, or a mark of whose context it is."""

    __slots__ = ()

    def __init__(self, state: Any, owner: str, says: str | None, before: Link | None) -> None:
        self.state: Any = state
        self.owner: str = owner
        self.says: str | None = says
        self.before: Link | None = before
        self.number: float = inf
        self.outside: bool = False

    def forked(self) -> None:
        """Say nothing in a forked child, whose pool stayed with its parent."""
        self.says = OVER


def living(link: Link | None) -> Link | None:
    """Return a chain without what is over, so that an endless chain of tasks stays short.

    It leaves links out in place: whoever else has such a link does not need it either.
    """
    while link is not None and link.says == OVER:
        link = link.before
    first = link
    while link is not None:
        before = link.before
        while before is not None and before.says == OVER:
            before = before.before
        link.before = before
        link = before
    return first


def in_front(link: Link, chain: Link | None) -> Link:
    """Return ``chain`` with ``link`` at its front, and once only."""
    origin, kept, rest = link.origin, list[Link](), chain
    while rest is not None and rest.origin is not origin:
        kept.append(rest)
        rest = rest.before
    if rest is not None:  # else it is not in there
        chain = rest.before
        for between in reversed(kept):
            chain = between.again(chain)
    return Echo(link, chain)
