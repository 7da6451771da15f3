"""An OTP for Pykka: actors that answer every request, at the speed of a function call.

Knows nothing of names; imports nothing of ours but itself.
"""

from namepool.actors.child_spec import ChildSpec, InvalidChildSpec
from namepool.actors.handle import ActorHandle
from namepool.actors.inbox import NotHandled
from namepool.actors.reply import Reply, WouldDeadlock
from namepool.actors.restarts import Backoff
from namepool.actors.service_actor import (
    LATER,
    ServiceActor,
    ServiceRef,
    acting_as,
    is_exiting,
)
from namepool.actors.supervision import (
    ChildBusy,
    ChildCounts,
    ChildExists,
    ChildInfo,
    ChildNotFound,
    CountChildren,
    DeleteChild,
    GetChildSpec,
    GetHandle,
    Ignore,
    RestartChild,
    RestartIntensityExceeded,
    StartChild,
    StartFailed,
    SupervisorError,
    TerminateChild,
    WhichChildren,
)
from namepool.actors.supervisor import Supervisor, SupervisorRef

__all__ = [
    "LATER",
    "ActorHandle",
    "Backoff",
    "ChildBusy",
    "ChildCounts",
    "ChildExists",
    "ChildInfo",
    "ChildNotFound",
    "ChildSpec",
    "CountChildren",
    "DeleteChild",
    "GetChildSpec",
    "GetHandle",
    "Ignore",
    "InvalidChildSpec",
    "NotHandled",
    "Reply",
    "RestartChild",
    "RestartIntensityExceeded",
    "ServiceActor",
    "ServiceRef",
    "StartChild",
    "StartFailed",
    "Supervisor",
    "SupervisorError",
    "SupervisorRef",
    "TerminateChild",
    "WhichChildren",
    "WouldDeadlock",
    "acting_as",
    "is_exiting",
]
