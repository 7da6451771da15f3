"""Who is in Pykka's registry of actors, and in which order."""

from __future__ import annotations

from typing import Any

import pykka

from namepool.actors.logs import quietly


def enter(ref: pykka.ActorRef[Any], supervisor: pykka.ActorRef[Any] | None) -> None:
    """Enter an actor in the registry, and its supervisors, from the nearest on, behind it.

    ``ActorRegistry.stop_all`` goes through it backwards: so it asks a supervisor first, which stops
    its children in its own order, and restarts none.
    """
    registry = pykka.ActorRegistry
    with registry._actor_refs_lock:
        quietly(registry.register, ref)
        while supervisor is not None and supervisor in registry._actor_refs:
            registry._actor_refs.remove(supervisor)
            registry._actor_refs.append(supervisor)
            supervisor = vars(supervisor).get("supervisor")


def retire(ref: pykka.ActorRef[Any]) -> None:
    """Let nobody take an actor for alive any more. It logs nothing, so nothing can interfere."""
    ref.actor_stopped.set()
    registry = pykka.ActorRegistry
    with registry._actor_refs_lock:
        if ref in registry._actor_refs:
            registry._actor_refs.remove(ref)
