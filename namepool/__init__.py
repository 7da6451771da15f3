"""Memorable, unique names for the agents of a program, handed out by a supervised Pykka actor."""

from namepool.actors import (
    ActorHandle,
    Backoff,
    ChildSpec,
    Supervisor,
    SupervisorRef,
    WouldDeadlock,
)
from namepool.display import color_of, short_name, slug
from namepool.errors import (
    CheckoutTimeout,
    InvalidName,
    InvalidOption,
    InvalidOwner,
    NamePoolError,
    NamesUnavailable,
    OwnerRequired,
    SourceError,
)
from namepool.handle import PoolHandle
from namepool.messages import (
    AssociateName,
    CheckinLease,
    CheckinName,
    CheckoutLease,
    CheckoutName,
    DissociateName,
    GetNameByOwner,
    PoolStatsRequest,
    Reset,
)
from namepool.names import DEFAULT_NAME, name_key, validate_name
from namepool.owners import current_owner, inherit_owner, owner_id, owner_scope
from namepool.pool import NamePool, NamePoolProxy, NamePoolRef
from namepool.service import open_pool
from namepool.sources import FallbackSource, NameSource, Nomenclater, NumberedNames, OfflineNames
from namepool.state import Lease, PoolState, PoolStats

__all__ = [
    "DEFAULT_NAME",
    "ActorHandle",
    "AssociateName",
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
    "NamePool",
    "NamePoolError",
    "NamePoolProxy",
    "NamePoolRef",
    "NameSource",
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
    "Supervisor",
    "SupervisorRef",
    "WouldDeadlock",
    "color_of",
    "current_owner",
    "inherit_owner",
    "name_key",
    "open_pool",
    "owner_id",
    "owner_scope",
    "short_name",
    "slug",
    "validate_name",
]
