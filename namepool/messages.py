"""The requests the pool answers. Frozen values; each names its caller when it is made."""

from __future__ import annotations

from dataclasses import dataclass, field

from namepool.owners import current_owner
from namepool.state import Lease

DEFAULT_TIMEOUT = 30.0
"""Seconds that a checkout waits for a name (the original's default)."""


@dataclass(frozen=True, slots=True)
class CheckoutName:
    """Answered with a name nobody else has; waits up to ``timeout`` seconds (``None``: for ever).

    The caller that made the message is bound to the name. Answered with ``NamesUnavailable`` if the
    source fails, with ``CheckoutTimeout`` if no name comes in time.
    """

    timeout: float | None = DEFAULT_TIMEOUT
    owner: str = field(default_factory=current_owner)


@dataclass(frozen=True, slots=True)
class CheckoutLease:
    """Like ``CheckoutName``, answered with the ``Lease``: name and token of this checkout."""

    timeout: float | None = DEFAULT_TIMEOUT
    owner: str = field(default_factory=current_owner)


@dataclass(frozen=True, slots=True)
class CheckinName:
    """Ends the lease of a name. Answered with ``True``, or ``False`` if it is not checked out."""

    name: str | None
    owner: str = field(default_factory=current_owner)


@dataclass(frozen=True, slots=True)
class CheckinLease:
    """Ends this very lease; answered with ``False``, silently, if it has ended already."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class AssociateName:
    """Binds the caller to a name. Answered with the name as the pool spells it, or ``None``."""

    name: str | None
    exclusive: bool = False
    owner: str = field(default_factory=current_owner)


@dataclass(frozen=True, slots=True)
class DissociateName:
    """Unbinds the caller from a name (``None``: the latest). Answered with whether it was bound."""

    name: str | None = None
    owner: str = field(default_factory=current_owner)


@dataclass(frozen=True, slots=True)
class GetNameByOwner:
    """Answered with the name that an owner (the caller if not given) speaks under, or ``None``."""

    owner: str = field(default_factory=current_owner)


@dataclass(frozen=True, slots=True)
class PoolStatsRequest:
    """Answered with ``PoolStats``."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Empties the pool. Answered with ``None``."""
