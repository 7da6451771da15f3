"""A supervisor's children, in the order of start: each a spec and what has become of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pykka

from namepool.actors.supervision.child_spec import ChildSpec
from namepool.actors.supervision.handle import ActorHandle
from namepool.actors.supervision.protocol import (
    ChildBusy,
    ChildCounts,
    ChildExists,
    ChildInfo,
    ChildNotFound,
    Strategy,
)


class Child:
    """``state`` is what ``ChildInfo`` says; ``failure`` is that of the last attempt to start."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.ref: pykka.ActorRef[Any] | None = None
        self.state = "stopped"
        self.failure: str | None = None
        self.restarts = 0
        self.deaths_in_a_row = 0
        self.last_death: float = float("-inf")
        self.handle: ActorHandle = ActorHandle(spec.id)

    @property
    def is_stable(self) -> bool:
        """It is neither starting nor stopping."""
        return self.state not in ("starting", "stopping")

    def abandon(self, reason: str) -> None:
        """It will not be started again: say so to all who count on it."""
        self.handle.close(reason)
        if self.spec.on_abandon is not None:
            self.spec.on_abandon()


class Children(dict[str, Child]):
    """Id → child."""

    def __init__(self, specs: Iterable[ChildSpec]) -> None:
        super().__init__((spec.id, Child(spec)) for spec in specs)

    def add(self, spec: ChildSpec) -> Child:
        """Return the new child of a spec.

        Raises:
            ChildExists: its id is taken
        """
        present = self.get(spec.id)
        if present is not None:
            how = "started" if present.ref is not None else f"present ({present.state})"
            raise ChildExists(f"child {spec.id!r} is already {how}: delete it, or take another id")
        child = self[spec.id] = Child(spec)
        return child

    def find(self, id: str) -> Child:  # noqa: A002
        """Return a child.

        Raises:
            ChildNotFound: no child has this id
        """
        child = self.get(id)
        if child is None:
            raise ChildNotFound(f"no child has the id {id!a}; there are {[*self]}")
        return child

    def find_idle(self, id: str) -> Child:  # noqa: A002
        """Return a child that is neither running nor about to.

        Raises:
            ChildNotFound: no child has this id
            ChildBusy: it is running, or being restarted
        """
        child = self.find(id)
        if child.state != "stopped":
            raise ChildBusy(f"child {id!r} is {child.state}: terminate it first")
        return child

    def forget(self, child: Child, reason: str) -> None:
        """Take a child out for good."""
        self.pop(child.spec.id, None)
        child.abandon(reason)

    def forget_temporary(self, child: Child) -> bool:
        """Take out a child that has ended, if its spec says so; tell whether it does."""
        if child.spec.restart == "temporary":
            self.forget(child, "it is temporary, and has ended")
        return child.spec.restart == "temporary"

    def group_of(self, child: Child, strategy: Strategy) -> list[Child]:
        """Return whom a strategy replaces when ``child`` has died, in the order of start."""
        everybody = list(self.values())
        if strategy == "one_for_one":
            return [child]
        return everybody if strategy == "one_for_all" else everybody[everybody.index(child) :]

    def infos(self) -> list[ChildInfo]:
        """Return every child, in the order of start."""
        return [
            ChildInfo(c.spec.id, c.ref, c.state, c.spec.kind, c.restarts) for c in self.values()
        ]

    def counts(self) -> ChildCounts:
        """Return how many children there are, are active, and are of each kind."""
        supervisors = sum(child.spec.kind == "supervisor" for child in self.values())
        active = sum(child.state == "running" for child in self.values())
        return ChildCounts(len(self), active, supervisors, len(self) - supervisors)
