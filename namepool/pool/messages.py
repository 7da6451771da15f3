"""The requests that the pool answers: frozen values that note their owner when they are made.

They are named tuples with a constructor of their own: each operation makes a request, and a frozen
dataclass would cost a third more. A request takes its ``owner`` in any form that ``owner_id``
takes; without one, the owner is the party that makes the request. A constructor refuses a wrong
``timeout`` or ``theme`` with ``InvalidOption``, and a wrong owner with ``InvalidOwner``.

``NamePoolRef.ask`` turns a request for a name, or for speaking under one, into a *token*: see
``ref``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

from namepool.core.leases import Lease
from namepool.core.links import Link
from namepool.core.log import Reader
from namepool.core.options import CHECKS, DEFAULT_TIMEOUT, check_theme
from namepool.owners import current_owner, given_owner, owner_id
from namepool.speaking import own_chain

if TYPE_CHECKING:
    from namepool.owners import OwnerLike

_new = tuple.__new__


class _CheckoutFields(NamedTuple):
    timeout: float | None
    owner: str
    theme: str | None


class _Checkout(_CheckoutFields):
    __slots__ = ()

    def __new__(
        cls,
        timeout: float | None = DEFAULT_TIMEOUT,
        owner: OwnerLike | None = None,
        theme: str | None = None,
    ) -> Self:
        if timeout is not DEFAULT_TIMEOUT and timeout is not None:
            CHECKS.seconds("timeout", timeout, none=True)
        if theme is not None:
            check_theme(theme)
        return _new(cls, (timeout, current_owner() if owner is None else given_owner(owner), theme))


class CheckoutName(_Checkout):
    """A request for a name that nobody else has; the answer is the name.

    If no name is available, the request waits up to ``timeout`` seconds (``None``: without limit).
    The pool binds the owner to the name. The context that reads the answer speaks under the name.
    With a ``theme`` the name is of that theme, if the source knows themes.

    Raises:
        UnknownTheme: the source does not know that theme
        NamesUnavailable: the source failed; its error is the cause
        CheckoutTimeout: no name came in time

    Examples:
        >>> ref = namepool.NamePool.start(source=namepool.NumberedNames())
        >>> ref.ask(namepool.CheckoutName(timeout=5.0))
        'NPC #1'
    """

    __slots__ = ()


class CheckoutLease(_Checkout):
    """A request as ``CheckoutName``, but the answer is the ``Lease``, with name and token.

    Examples:
        >>> ref = namepool.NamePool.start(source=namepool.NumberedNames())
        >>> lease = ref.ask(namepool.CheckoutLease())
        >>> lease.name
        'NPC #1'
    """

    __slots__ = ()


class _NameFields(NamedTuple):
    name: str | None
    owner: str


class CheckinName(_NameFields):
    """A request to end the lease of a name; the answer tells whether the name was checked out.

    Examples:
        >>> ref = namepool.NamePool.start(source=namepool.NumberedNames())
        >>> name = ref.ask(namepool.CheckoutName())
        >>> ref.ask(namepool.CheckinName(name))
        True
    """

    __slots__ = ()

    def __new__(cls, name: str | None, owner: OwnerLike | None = None) -> Self:
        return _new(cls, (name, current_owner() if owner is None else owner_id(owner)))


class CheckinLease(NamedTuple):
    """A request to end this lease only, and no later checkout of the same name.

    The answer is ``True``, or ``False`` if the lease has ended already; the pool logs nothing.

    Examples:
        >>> ref = namepool.NamePool.start(source=namepool.NumberedNames())
        >>> lease = ref.ask(namepool.CheckoutLease())
        >>> ref.ask(namepool.CheckinLease(lease))
        True
        >>> ref.ask(namepool.CheckinLease(lease))
        False
    """

    lease: Lease


class _AssociateFields(NamedTuple):
    name: str | None
    exclusive: bool
    owner: str


class AssociateName(_AssociateFields):
    """A request to bind the owner to a name; the answer is the name as the pool spells it.

    With ``exclusive`` the other speakers lose the name. For ``None`` and the default name the pool
    changes nothing, and the answer is ``None``.

    Raises:
        InvalidName: ``name`` is not allowed as a name

    Examples:
        >>> ref = namepool.NamePool.start(source=namepool.NumberedNames())
        >>> ref.ask(namepool.AssociateName("Ada the Reviewer", owner="reviewer-2"))
        'Ada the Reviewer'
    """

    __slots__ = ()

    def __new__(
        cls, name: str | None, exclusive: bool = False, owner: OwnerLike | None = None
    ) -> Self:
        return _new(
            cls, (name, exclusive, current_owner() if owner is None else given_owner(owner))
        )


class DissociateName(_NameFields):
    """A request to unbind the owner from a name (``None``: from its latest name).

    The answer tells whether the owner was bound to the name. The name's lease stays.

    Examples:
        >>> ref = namepool.NamePool.start(source=namepool.NumberedNames())
        >>> name = ref.ask(namepool.CheckoutName(owner="planner-7"))
        >>> ref.ask(namepool.DissociateName(owner="planner-7"))
        True
    """

    __slots__ = ()

    def __new__(cls, name: str | None = None, owner: OwnerLike | None = None) -> Self:
        return _new(cls, (name, current_owner() if owner is None else owner_id(owner)))


class _LookupFields(NamedTuple):
    owner: str
    is_caller: bool
    chain: Link | None


class GetNameByOwner(_LookupFields):
    """A request for the name that an owner speaks under; the answer is the name or ``None``.

    Without an ``owner`` the answer is the name that the caller speaks under: its own, or that of
    the agent that started it.

    Examples:
        >>> ref = namepool.NamePool.start(source=namepool.NumberedNames())
        >>> name = ref.ask(namepool.CheckoutName(owner="planner-7"))
        >>> ref.ask(namepool.GetNameByOwner("planner-7"))
        'NPC #1'
    """

    __slots__ = ()

    def __new__(cls, owner: OwnerLike | None = None) -> Self:
        if owner is None:
            return _new(cls, (current_owner(), True, own_chain()))
        return _new(cls, (owner_id(owner), False, None))


class PoolStatsRequest(NamedTuple):
    """A request for the pool's counts; the answer is a ``PoolStats``.

    Examples:
        >>> ref = namepool.NamePool.start(source=namepool.NumberedNames(), chunk_size=20)
        >>> ref.ask(namepool.PoolStatsRequest()).chunk_size
        20
    """


class LeasesRequest(NamedTuple):
    """A request for the leases; the answer is a list of ``LeaseInfo``, the oldest lease first.

    Examples:
        >>> ref = namepool.NamePool.start(source=namepool.NumberedNames())
        >>> name = ref.ask(namepool.CheckoutName(owner="planner-7"))
        >>> [(lease.name, lease.owner) for lease in ref.ask(namepool.LeasesRequest())]
        [('NPC #1', 'planner-7')]
    """


class Subscribe(NamedTuple):
    """A request to add a reader, which then gets each new event. ``PoolHandle`` sends it."""

    reader: Reader


class Unsubscribe(NamedTuple):
    """A request to remove a reader, which then gets no new event."""

    reader: Reader


class Reset(NamedTuple):
    """A request to empty the pool; the answer is ``None``.

    Examples:
        >>> ref = namepool.NamePool.start(source=namepool.NumberedNames())
        >>> name = ref.ask(namepool.CheckoutName())
        >>> ref.ask(namepool.Reset())
        >>> ref.ask(namepool.LeasesRequest())
        []
    """
