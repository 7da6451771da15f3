"""Links, by which a context speaks under a name. Pure.

A context carries a chain of links, the latest first (see ``namepool.speaking``). ``says`` is the
name that a link speaks under. It is ``None`` until the link has begun, and ``OVER`` once the link
speaks no more. Only two parties may write ``says``: a thread that has the pool's turn, and a caller
that gives up its own link. Any thread may read ``says``. A link that is over says nothing in any
copy of its context. So no copy has to be changed when a link ends.
"""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar, Final

from namepool.actors.never_copied import NeverCopied

OVER: Final = ""
"""The value of ``says`` in a link that speaks no more."""

NOBODY: Final = "\N{NULL}"
"""The value of ``says`` in the link of a block in which the caller is nobody."""


class Link(NeverCopied):
    """A link of a context's chain. ``before`` is the next older link of the chain.

    Examples:
        >>> ref = namepool.NamePool.start(source=namepool.NumberedNames())
        >>> lease = ref.ask(namepool.CheckoutLease())
        >>> lease.says
        'NPC #1'
    """

    __slots__ = ("__weakref__", "before", "number", "outside", "owner", "says", "state")

    _instead: ClassVar[str] = "send its name there"

    before: Link | None
    state: Any
    """The state of the one pool in which the link speaks."""
    owner: str
    outside: bool
    """Whether another party took the name for the owner, or an ``owner_scope`` set the owner.

    The owner speaks by such a link in every context: see ``PoolState.given``.
    """
    number: float
    """The moment at which the link began, by ``PoolState.number``."""
    says: str | None

    @property
    def origin(self) -> Link:
        """The link that this one repeats; this link itself, if it repeats none.

        Examples:
            >>> lease.origin is lease
            True
        """
        return self

    @property
    def lease(self) -> Any:
        """The lease of the name; ``None`` if the name is in no pool, or there is no name yet.

        Examples:
            >>> lease.again(None).lease is lease
            True
        """
        return None

    def again(self, before: Link | None) -> Echo:
        """Return a link that repeats this one in front of the chain ``before``.

        Examples:
            >>> echo = lease.again(None)
            >>> echo.says, echo.origin is lease
            ('NPC #1', True)
        """
        return Echo(self, before)

    def __repr__(self) -> str:
        says = "pending" if self.says is None else repr(self.says) if self.says else "over"
        return f"<{type(self).__name__} of {self.owner!r}: {says}>"


class Echo(Link):
    """A link that repeats another link in front of a chain.

    A link stands in front of one chain only, the chain ``before``. An ``Echo`` of the link stands
    in front of another chain.
    """

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
    def lease(self) -> Any:
        """The lease of the name that the repeated link says."""
        return self._origin.lease

    @property
    def says(self) -> str | None:  # type: ignore[override]
        """The name that the repeated link says."""
        return self._origin.says

    @property
    def number(self) -> float:  # type: ignore[override]
        """The moment at which the repeated link began, once it has."""
        return self._origin.number


class Standing(Link):
    """A link without a lease.

    It says a default name, or that the caller is nobody, or it only marks the owner of a context.
    """

    __slots__ = ()

    def __init__(self, state: Any, owner: str, says: str | None, before: Link | None) -> None:
        self.state: Any = state
        self.owner: str = owner
        self.says: str | None = says
        self.before: Link | None = before
        self.number: float = inf
        self.outside: bool = False

    def forked(self) -> None:
        """Say nothing in a forked child, because its pool stayed in the parent."""
        self.says = OVER


def living(link: Link | None) -> Link | None:
    """Return a chain without the links that are over.

    So the chain stays short even if each task starts the next one, without end. The chain is
    changed in place, because no other context needs the links that are over either.
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
    """Return ``chain`` with ``link`` at its front.

    If ``chain`` has the link further back, the result leaves it out there.
    """
    origin, kept, rest = link.origin, list[Link](), chain
    while rest is not None and rest.origin is not origin:
        kept.append(rest)
        rest = rest.before
    if rest is not None:  # the chain has the link further back, which is left out
        chain = rest.before
        for between in reversed(kept):
            chain = between.again(chain)
    return Echo(link, chain)
