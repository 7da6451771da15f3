"""Four callers ask one supervisor for anything, while its children die: it never jams."""

from __future__ import annotations

import random
import threading
import time
from typing import Any

import pykka
import pytest

from namepool.actors import (
    Backoff,
    ChildSpec,
    CountChildren,
    DeleteChild,
    Ignore,
    RestartChild,
    ServiceActor,
    StartChild,
    Supervisor,
    SupervisorError,
    TerminateChild,
    WhichChildren,
)
from tests.support import PATIENCE, switching_often

IDS = [f"child {n}" for n in range(8)]


class Fickle:
    """Now and then it raises where it is made, or in ``on_start``, or does not want to start."""

    def __init__(self, chances: random.Random) -> None:
        super().__init__()
        self.mood = chances.random()
        if self.mood < 0.05:
            raise LookupError("not made")
        if self.mood < 0.08:
            raise Ignore

    def on_start(self) -> None:
        if self.mood < 0.13:
            raise LookupError("not up")

    def on_receive(self, message: Any) -> Any:
        if message == "die":
            raise LookupError("told to die")
        return message


class Ours(Fickle, ServiceActor):
    pass


class Stock(Fickle, pykka.ThreadingActor):
    pass


def some_spec(chances: random.Random) -> ChildSpec:
    return ChildSpec(
        chances.choice(IDS),
        chances.choice([Ours, Stock]),
        args=(chances,),
        restart=chances.choice(["permanent", "permanent", "transient", "temporary"]),
    )


def some_operation(chances: random.Random) -> Any:
    id_ = chances.choice(IDS)
    kinds = [TerminateChild(id_), RestartChild(id_), DeleteChild(id_)]
    return chances.choice([*kinds, StartChild(some_spec(chances)), StartChild(some_spec(chances))])


class Storm:
    def __init__(self, root: Any, seed: int) -> None:
        self.root = root
        self.chances = random.Random(seed)
        self.is_over = threading.Event()
        self.faults: list[str] = []
        self.done = 0

    def call(self, seed: int) -> None:
        chances = random.Random(seed)
        while not self.is_over.is_set():
            try:
                self.step(chances)
                self.done += 1
            except (SupervisorError, pykka.ActorDeadError):
                pass
            except BaseException as error:
                self.faults.append(f"{type(error).__name__}: {error}")
                return

    def step(self, chances: random.Random) -> None:
        way = chances.random()
        if way < 0.6:
            self.root.ask(some_operation(chances), timeout=PATIENCE)
        elif way < 0.8:
            child = chances.choice(self.root.ask(WhichChildren(), timeout=PATIENCE) or [None])
            if child is not None and child.ref is not None:
                if chances.random() < 0.5:
                    child.ref.tell("die")
                else:
                    child.ref.stop(block=False)
        else:
            asked = [self.root.ask(some_operation(chances), block=False) for _ in range(5)]
            for answer in asked:
                try:
                    answer.get(timeout=PATIENCE)
                except SupervisorError:
                    pass


def settled(root: Any) -> list[Any]:
    """Return the children, once none of them is on its way up or down, or has been told to die."""
    for _ in range(100_000):
        children = root.ask(WhichChildren(), timeout=PATIENCE)
        if all(has_answered(child.ref) for child in children if child.ref is not None):
            again = root.ask(WhichChildren(), timeout=PATIENCE)
            if again == children and {child.state for child in again} <= {"running", "stopped"}:
                return children  # type: ignore[no-any-return]
    raise AssertionError(f"it never settled: {children}")


def has_answered(ref: Any) -> bool:
    """Tell whether an actor lives, and has handled whatever it was told before."""
    try:
        return bool(ref.ask("ping", timeout=PATIENCE))
    except pykka.ActorDeadError:
        return False


@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@pytest.mark.parametrize("backoff", [None, Backoff(first=0.001, longest=0.002)])
@pytest.mark.parametrize("seconds", [0.3, pytest.param(10, marks=pytest.mark.proof)])
def test_four_callers_and_many_deaths_jam_nothing(
    strategy: Any, backoff: Backoff | None, seconds: float
) -> None:
    seed = time.monotonic_ns()
    print(f"seed {seed}")
    root = Supervisor.start(strategy=strategy, backoff=backoff, max_restarts=10**9, max_seconds=1e8)
    storm = Storm(root, seed)
    callers = [threading.Thread(target=storm.call, args=(seed + n,)) for n in range(4)]
    with switching_often():
        for caller in callers:
            caller.start()
        storm.is_over.wait(seconds)
        storm.is_over.set()
        for caller in callers:
            caller.join()
        children = settled(root)

    assert storm.faults == []
    assert storm.done > 10
    running = [child for child in children if child.state == "running"]
    counts = root.ask(CountChildren())
    assert (counts.specs, counts.active) == (len(children), len(running))
    alive = {ref.actor_urn for ref in pykka.ActorRegistry.get_all()}
    assert alive == {child.ref.actor_urn for child in running} | {root.actor_urn}
    for child in running:
        child.ref.tell("die")
    settled(root)
    root.stop()
    assert pykka.ActorRegistry.get_all() == []
