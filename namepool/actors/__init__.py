"""An OTP for Pykka: actors that answer every request, at the speed of a function call.

Knows nothing of names; imports nothing of ours but itself.
"""

from namepool.actors.inbox import NotHandled
from namepool.actors.reply import Reply, WouldDeadlock
from namepool.actors.service_actor import (
    LATER,
    ServiceActor,
    ServiceRef,
    acting_as,
    is_exiting,
)
from namepool.actors.supervision.child_spec import ChildSpec, InvalidChildSpec
from namepool.actors.supervision.handle import ActorHandle
from namepool.actors.supervision.protocol import (
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
from namepool.actors.supervision.restarts import Backoff
from namepool.actors.supervision.supervisor import Supervisor, SupervisorRef

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
