"""What to start, when to restart, how long to wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pykka


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How a supervisor starts one child: ``actor_class.start(*args, **kwargs)``."""

    id: str
    actor_class: type[pykka.Actor]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def start(self) -> pykka.ActorRef[Any]:
        """Start an incarnation; raises what the actor's constructor raises."""
        return self.actor_class.start(*self.args, **self.kwargs)
