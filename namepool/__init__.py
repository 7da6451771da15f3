"""Memorable, unique names for the agents of a program, handed out by a supervised Pykka actor."""

from typing import TYPE_CHECKING, Any

from namepool.actors import (
    ActorHandle,
    Backoff,
    ChildSpec,
    Supervisor,
    SupervisorRef,
    WouldDeadlock,
)
from namepool.attribution.named_actor import NamedActor
from namepool.attribution.threads import NamedExecutor, inherit_everywhere, named_thread
from namepool.colors import color_of
from namepool.core.display import short_name, slug
from namepool.core.leases import Lease
from namepool.core.names import DEFAULT_NAME, name_key, validate_name
from namepool.core.state import PoolState
from namepool.core.stats import PoolStats
from namepool.errors import (
    CheckoutTimeout,
    InvalidName,
    InvalidOption,
    InvalidOwner,
    LedgerBusy,
    LedgerError,
    NameHeld,
    NamePoolError,
    NamesUnavailable,
    OwnerRequired,
    SourceError,
    SourceExhausted,
    UnknownTheme,
)
from namepool.ledgers.base import Ledger
from namepool.owners import current_owner, owner_id, owner_scope
from namepool.pool.actor import NamePool
from namepool.pool.async_handle import AsyncPoolHandle
from namepool.pool.handle import PoolHandle
from namepool.pool.messages import (
    AssociateName,
    CheckinLease,
    CheckinName,
    CheckoutLease,
    CheckoutName,
    DissociateName,
    GetNameByOwner,
    LeasesRequest,
    PoolStatsRequest,
    Reset,
)
from namepool.pool.observing import LeaseInfo
from namepool.pool.options import NamePoolOptions
from namepool.pool.ref import NamePoolProxy, NamePoolRef
from namepool.pool.service import open_async_pool, open_pool
from namepool.pool.subscriptions import Subscription
from namepool.sources import FallbackSource, NameSource, NumberedNames
from namepool.speaking import inherit_owner

if TYPE_CHECKING:
    from namepool.sources import ListedNames, Nomenclater, OfflineNames

__all__ = [
    "DEFAULT_NAME",
    "ActorHandle",
    "AssociateName",
    "AsyncPoolHandle",
    "Backoff",
    "CheckinLease",
    "CheckinName",
    "CheckoutLease",
    "CheckoutName",
    "CheckoutTimeout",
    "ChildSpec",
    "DissociateName",
    "FallbackSource",
    "GetNameByOwner",
    "InvalidName",
    "InvalidOption",
    "InvalidOwner",
    "Lease",
    "LeaseInfo",
    "LeasesRequest",
    "Ledger",
    "LedgerBusy",
    "LedgerError",
    "ListedNames",
    "NameHeld",
    "NamePool",
    "NamePoolError",
    "NamePoolOptions",
    "NamePoolProxy",
    "NamePoolRef",
    "NameSource",
    "NamedActor",
    "NamedExecutor",
    "NamesUnavailable",
    "Nomenclater",
    "NumberedNames",
    "OfflineNames",
    "OwnerRequired",
    "PoolHandle",
    "PoolState",
    "PoolStats",
    "PoolStatsRequest",
    "Reset",
    "SourceError",
    "SourceExhausted",
    "Subscription",
    "Supervisor",
    "SupervisorRef",
    "UnknownTheme",
    "WouldDeadlock",
    "color_of",
    "current_owner",
    "inherit_everywhere",
    "inherit_owner",
    "name_key",
    "named_thread",
    "open_async_pool",
    "open_pool",
    "owner_id",
    "owner_scope",
    "short_name",
    "slug",
    "validate_name",
]


def __getattr__(name: str) -> Any:
    if name in (
        "ListedNames",
        "Nomenclater",
        "OfflineNames",
    ):  # imported at the first use: see ``sources``
        from namepool import sources

        return getattr(sources, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
