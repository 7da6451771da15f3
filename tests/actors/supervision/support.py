"""Workers that write down what happens to them, and what is asked of their supervisor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pykka
import pytest

from namepool.actors import (
    ChildSpec,
    CountChildren,
    Ignore,
    ServiceActor,
    Supervisor,
    SupervisorRef,
    WhichChildren,
)
from tests.support import PATIENCE


class Journal:
    """What happened to whom, in order; and what is to fail."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.failing: set[str] = set()
        self.ignoring: set[str] = set()
        self.gates: dict[str, threading.Event] = {}

    def of(self, event: str) -> list[str]:
        return [line.split()[1] for line in self.lines if line.startswith(event)]


class WorkerMixin:
    """Writes down its starts and stops, dies when told to."""

    def __init__(self, name: str, journal: Journal) -> None:
        super().__init__()
        self.name, self.journal = name, journal
        if name in journal.ignoring:
            raise Ignore

    def on_start(self) -> None:
        gate = self.journal.gates.get(f"start {self.name}")
        if gate is not None:
            gate.wait(PATIENCE)
        if self.name in self.journal.failing:
            raise LookupError(f"{self.name} will not start")
        self.journal.lines.append(f"start {self.name}")

    def on_stop(self) -> None:
        gate = self.journal.gates.get(f"stop {self.name}")
        if gate is not None:
            gate.wait(PATIENCE)
        self.journal.lines.append(f"stop {self.name}")

    def on_receive(self, message: Any) -> Any:
        if callable(message):
            return message()
        return f"{self.name} heard {message}"


class OurWorker(WorkerMixin, ServiceActor):
    pass


class StockWorker(WorkerMixin, pykka.ThreadingActor):
    pass


BOTH = pytest.mark.parametrize("worker", [OurWorker, StockWorker], ids=["ours", "stock"])


def die() -> None:
    raise LookupError("told to die")


def spec(
    name: str, journal: Journal, worker: type[pykka.Actor] = StockWorker, **fields: Any
) -> ChildSpec:
    return ChildSpec(id=name, actor_class=worker, args=(name, journal), **fields)


def start(journal: Journal, names: str = "a b c", **options: Any) -> SupervisorRef:
    fields = options.pop("fields", {})
    worker = options.pop("worker", StockWorker)
    children = [spec(name, journal, worker, **fields) for name in names.split()]
    return Supervisor.start(children=children, **options)


def refs(root: SupervisorRef) -> dict[str, Any]:
    return {child.id: child.ref for child in root.ask(WhichChildren())}


def states(root: SupervisorRef) -> dict[str, str]:
    return {child.id: child.state for child in root.ask(WhichChildren())}


def child_of(root: SupervisorRef, name: str) -> Any:
    actor: Any = root._actor
    return actor._state.children[name]


def until(root: SupervisorRef, condition: Callable[[], bool]) -> None:
    for _ in range(100_000):
        held = condition()
        root.ask(CountChildren(), timeout=PATIENCE)  # what made it so has been handled to its end
        if held:
            return
    raise AssertionError("it never came about")


def kill(root: SupervisorRef, name: str, how: object = die) -> None:
    """Have a child die of a failing tell, and wait until its supervisor has dealt with it."""
    before = refs(root)[name]
    before.tell(how)
    until(root, lambda: refs(root).get(name) is not before)


def kill_and_wait_for_restart(root: SupervisorRef, name: str) -> None:
    kill(root, name)
    until(root, lambda: set(states(root).values()) == {"running"})
