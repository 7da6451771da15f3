"""An OTP for Pykka: actors that answer every request, at the speed of a function call.

Knows nothing of names; imports nothing of ours but itself.
"""

from namepool.actors.child_spec import ChildSpec
from namepool.actors.handle import ActorHandle
from namepool.actors.reply import Reply, WouldDeadlock
from namepool.actors.service_actor import NotHandled, ServiceActor, ServiceRef, acting_as

__all__ = [
    "ActorHandle",
    "ChildSpec",
    "NotHandled",
    "Reply",
    "ServiceActor",
    "ServiceRef",
    "WouldDeadlock",
    "acting_as",
]
