"""The entries of Pykka's registry of actors, and their order."""

from __future__ import annotations

from typing import Any

import pykka

from namepool.actors.latch import under
from namepool.actors.logs import Logger

_log: Logger = Logger("pykka")


def enter(ref: pykka.ActorRef[Any], supervisor: pykka.ActorRef[Any] | None) -> None:
    """Enter an actor in the registry, and move its supervisors behind it, the nearest one first.

    ``ActorRegistry.stop_all`` goes through the registry backwards. So it stops a supervisor before
    its children. The supervisor stops its children in its own order, and restarts none of them.
    """
    under(pykka.ActorRegistry._actor_refs_lock, _enter, ref, supervisor)
    _log.debug("Registered %s", ref)


def _enter(ref: pykka.ActorRef[Any], supervisor: pykka.ActorRef[Any] | None) -> None:
    refs = pykka.ActorRegistry._actor_refs
    refs.append(ref)  # ``ActorRegistry.register`` would log while this thread holds the lock
    while supervisor is not None and supervisor in refs:
        refs.remove(supervisor)
        refs.append(supervisor)
        supervisor = vars(supervisor).get("supervisor")


def leave(ref: pykka.ActorRef[Any]) -> None:
    """Take an actor out of the registry.

    This logs nothing, so no log handler can interfere.
    """
    under(pykka.ActorRegistry._actor_refs_lock, _leave, ref)


def _leave(ref: pykka.ActorRef[Any]) -> None:
    if ref in pykka.ActorRegistry._actor_refs:
        pykka.ActorRegistry._actor_refs.remove(ref)


def retire(ref: pykka.ActorRef[Any]) -> None:
    """Mark an actor as stopped, and take it out of the registry.

    From then on ``ref.is_alive()`` returns ``False``.
    """
    ref.actor_stopped.set()
    leave(ref)
