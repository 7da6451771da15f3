"""Who is in Pykka's registry of actors, and in which order."""

from __future__ import annotations

from typing import Any

import pykka

from namepool.actors.latch import under
from namepool.actors.logs import Logger

_log: Logger = Logger("pykka")


def enter(ref: pykka.ActorRef[Any], supervisor: pykka.ActorRef[Any] | None) -> None:
    """Enter an actor in the registry, and its supervisors, from the nearest on, behind it.

    ``ActorRegistry.stop_all`` goes through it backwards: so it asks a supervisor first, which stops
    its children in its own order, and restarts none.
    """
    under(pykka.ActorRegistry._actor_refs_lock, _enter, ref, supervisor)
    _log.debug("Registered %s", ref)


def _enter(ref: pykka.ActorRef[Any], supervisor: pykka.ActorRef[Any] | None) -> None:
    refs = pykka.ActorRegistry._actor_refs
    refs.append(ref)  # by ``ActorRegistry.register`` it would log while it has the lock
    while supervisor is not None and supervisor in refs:
        refs.remove(supervisor)
        refs.append(supervisor)
        supervisor = vars(supervisor).get("supervisor")


def leave(ref: pykka.ActorRef[Any]) -> None:
    """Take an actor out of the registry. It logs nothing, so nothing can interfere."""
    under(pykka.ActorRegistry._actor_refs_lock, _leave, ref)


def _leave(ref: pykka.ActorRef[Any]) -> None:
    if ref in pykka.ActorRegistry._actor_refs:
        pykka.ActorRegistry._actor_refs.remove(ref)


def retire(ref: pykka.ActorRef[Any]) -> None:
    """Let nobody take an actor for alive any more."""
    ref.actor_stopped.set()
    leave(ref)
