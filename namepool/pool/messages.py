"""The requests the pool answers: frozen values that name their caller when they are made.

They are named tuples with a constructor of their own, because a request is made for each operation
and a frozen dataclass costs a third more. Where an owner may be given, it is given in any form that
``owner_id`` takes; left out, it is the party that makes the message. What may not be raises at
once: ``InvalidOption`` or ``InvalidOwner``.

A request for a name, or to speak under one, becomes a *token* where it is asked: see ``ref``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

from namepool.core.leases import Lease
from namepool.core.links import Link
from namepool.core.log import Reader
from namepool.core.options import DEFAULT_TIMEOUT, check_seconds, check_theme
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
            check_seconds("timeout", timeout, none=True)
        if theme is not None:
            check_theme(theme)
        return _new(cls, (timeout, current_owner() if owner is None else given_owner(owner), theme))


class CheckoutName(_Checkout):
    """Answered with a name nobody else has; waits up to ``timeout`` seconds (``None``: for ever).

    The owner is bound to the name, and the context speaks under it that reads the answer. With a
    ``theme`` the name is of that theme, if the source knows themes. Answered with an error:
    ``NamesUnavailable`` if the source fails, ``CheckoutTimeout`` if no name comes in time,
    ``UnknownTheme`` if the source does not know that theme.
    """

    __slots__ = ()


class CheckoutLease(_Checkout):
    """Like ``CheckoutName``, answered with the ``Lease``: name and token of this checkout."""

    __slots__ = ()


class _NameFields(NamedTuple):
    name: str | None
    owner: str


class CheckinName(_NameFields):
    """Ends the lease of a name. Answered with ``True``, or ``False`` if it is not checked out."""

    __slots__ = ()

    def __new__(cls, name: str | None, owner: OwnerLike | None = None) -> Self:
        return _new(cls, (name, current_owner() if owner is None else owner_id(owner)))


class CheckinLease(NamedTuple):
    """Ends this very lease; answered with ``False``, silently, if it has ended already."""

    lease: Lease


class _AssociateFields(NamedTuple):
    name: str | None
    exclusive: bool
    owner: str


class AssociateName(_AssociateFields):
    """Binds the owner to a name. Answered with the name as the pool spells it, or ``None``."""

    __slots__ = ()

    def __new__(
        cls, name: str | None, exclusive: bool = False, owner: OwnerLike | None = None
    ) -> Self:
        return _new(
            cls, (name, exclusive, current_owner() if owner is None else given_owner(owner))
        )


class DissociateName(_NameFields):
    """Unbinds the owner from a name (``None``: the latest). Answered with whether it was bound."""

    __slots__ = ()

    def __new__(cls, name: str | None = None, owner: OwnerLike | None = None) -> Self:
        return _new(cls, (name, current_owner() if owner is None else owner_id(owner)))


class _LookupFields(NamedTuple):
    owner: str
    is_caller: bool
    chain: Link | None


class GetNameByOwner(_LookupFields):
    """Answered with the name that an owner speaks under, or ``None``.

    If none is given: the name that the caller speaks under, as ``speaker()`` has it.
    """

    __slots__ = ()

    def __new__(cls, owner: OwnerLike | None = None) -> Self:
        if owner is None:
            return _new(cls, (current_owner(), True, own_chain()))
        return _new(cls, (owner_id(owner), False, None))


class PoolStatsRequest(NamedTuple):
    """Answered with ``PoolStats``."""


class LeasesRequest(NamedTuple):
    """Answered with a list of ``LeaseInfo``, the oldest lease first."""


class Subscribe(NamedTuple):
    """Has a reader told of what happens from now on. ``PoolHandle`` sends it."""

    reader: Reader


class Unsubscribe(NamedTuple):
    """Ends that."""

    reader: Reader


class Reset(NamedTuple):
    """Empties the pool. Answered with ``None``."""
