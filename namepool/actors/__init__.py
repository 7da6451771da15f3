"""An OTP for Pykka: actors that answer every request, at the speed of a function call.

The package has four parts. A ``Reply`` is the future of an answer. An ``Inbox`` holds the messages
of an actor, and the lock under which the actor handles them. ``ServiceActor`` is the base class of
our actors, and ``ServiceRef`` is the class of their refs. A ``Supervisor`` restarts actors.

The package knows nothing of names. It imports no other part of ``namepool``, so every part may
import it.
"""

from namepool.actors.at_exit import is_exiting
from namepool.actors.backoff import Backoff
from namepool.actors.inbox import NotHandled
from namepool.actors.later import LATER
from namepool.actors.ref import ServiceRef
from namepool.actors.reply import Reply, WouldDeadlock
from namepool.actors.service_actor import ServiceActor, acting
from namepool.actors.supervision.child_spec import ChildSpec, InvalidChildSpec
from namepool.actors.supervision.handle import ActorHandle
from namepool.actors.supervision.messages import (
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
    SupervisorOptions,
    TerminateChild,
    WhichChildren,
)
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
    "SupervisorOptions",
    "SupervisorRef",
    "TerminateChild",
    "WhichChildren",
    "WouldDeadlock",
    "acting",
    "is_exiting",
]
