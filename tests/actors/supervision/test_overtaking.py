"""Operations, deaths and restarts that overtake one another. What is under way is one thing."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pykka
import pytest

from namepool.actors import (
    Backoff,
    ChildBusy,
    ChildExists,
    ChildNotFound,
    CountChildren,
    DeleteChild,
    RestartChild,
    StartChild,
    Supervisor,
    SupervisorRef,
    TerminateChild,
    WhichChildren,
)
from tests.actors.supervision.support import (
    Journal,
    die,
    kill,
    refs,
    spec,
    start,
    states,
    until,
)
from tests.support import PATIENCE, MovableClock


def still_restarts(root: SupervisorRef, name: str) -> bool:
    before = refs(root)[name]
    before.tell(die)
    until(root, lambda: states(root)[name] == "running" and refs(root)[name] is not before)
    return True


def future(root: SupervisorRef, operation: Any) -> Any:
    return root.ask(operation, block=False)


# -- operations -----------------------------------------------------------------------------


def test_an_operation_that_is_refused_does_not_wait_for_a_slow_start(journal: Journal) -> None:
    root = start(journal, "a b")
    root.ask(TerminateChild("b"))
    journal.gates["start b"] = gate = threading.Event()
    restarting = future(root, RestartChild("b"))
    until(root, lambda: states(root)["b"] == "starting")

    for operation, error in (
        (DeleteChild("b"), ChildBusy),
        (RestartChild("b"), ChildBusy),
        (StartChild(spec("b", journal)), ChildExists),
        (TerminateChild("x"), ChildNotFound),
        (DeleteChild("a"), ChildBusy),
    ):
        with pytest.raises(error):
            root.ask(operation, timeout=PATIENCE)

    gate.set()
    assert restarting.get(timeout=PATIENCE) is refs(root)["b"]
    assert still_restarts(root, "a")


def test_an_operation_behind_another_on_its_child_is_judged_when_its_turn_comes(
    journal: Journal,
) -> None:
    root = start(journal, "a b")
    journal.gates["start slow"] = gate = threading.Event()
    future(root, StartChild(spec("slow", journal)))
    terminating = future(root, TerminateChild("b"))

    deleting = future(root, DeleteChild("b"))  # it would be refused now

    gate.set()
    assert terminating.get(timeout=PATIENCE) is None
    assert deleting.get(timeout=PATIENCE) is None
    assert [*states(root)] == ["a", "slow"]


def test_a_temporary_child_that_is_terminated_and_added_anew_is_supervised(
    journal: Journal,
) -> None:
    root = start(journal, "a")
    root.ask(StartChild(spec("t", journal, restart="temporary")))
    journal.gates["stop t"] = gate = threading.Event()
    terminating = [future(root, TerminateChild("t")) for _ in range(2)]
    until(root, lambda: states(root)["t"] == "stopping")
    adding = future(root, StartChild(spec("t", journal)))

    gate.set()

    assert [answer.get(timeout=PATIENCE) for answer in terminating] == [None, None]
    assert adding.get(timeout=PATIENCE) is refs(root)["t"]
    assert still_restarts(root, "t")
    assert still_restarts(root, "a")


@pytest.mark.parametrize("ends", ["is terminated", "has died"])
def test_a_child_is_added_anew_while_the_temporary_one_before_it_ends(
    journal: Journal, ends: str
) -> None:
    root = start(journal, "a")
    root.ask(StartChild(spec("t", journal, restart="temporary")))
    if ends == "is terminated":
        journal.gates["stop t"] = gate = threading.Event()
        future(root, TerminateChild("t"))
        until(root, lambda: states(root)["t"] == "stopping")
    else:
        journal.gates["start slow"] = gate = threading.Event()
        future(root, StartChild(spec("slow", journal)))
        refs(root)["t"].stop()
        until(root, lambda: states(root)["t"] == "stopped")

    adding = future(root, StartChild(spec("t", journal)))

    gate.set()
    assert adding.get(timeout=PATIENCE).is_alive()


def test_operations_on_one_child_are_carried_out_in_the_order_they_came(journal: Journal) -> None:
    root = start(journal, "a")
    journal.gates["start slow"] = gate = threading.Event()
    future(root, StartChild(spec("slow", journal)))
    answers = [
        future(root, operation)
        for operation in (
            TerminateChild("x"),
            StartChild(spec("x", journal)),
            StartChild(spec("x", journal)),
            TerminateChild("x"),
            TerminateChild("x"),
            RestartChild("x"),
            DeleteChild("x"),
            TerminateChild("x"),
            DeleteChild("x"),
            DeleteChild("x"),
        )
    ]

    gate.set()

    outcomes = []
    for answer in answers:
        try:
            outcomes.append(type(answer.get(timeout=PATIENCE)))
        except Exception as error:
            outcomes.append(type(error))
    ref = type(root.ask(WhichChildren())[0].ref)
    none = type(None)
    assert outcomes == [
        *(ChildNotFound, ref, ChildExists, none, none),
        *(ref, ChildBusy, none, none, ChildNotFound),
    ]


def test_terminating_a_child_that_waits_for_its_restart_does_not_wait_for_another(
    journal: Journal, clock: MovableClock
) -> None:
    root = start(journal, "a b", backoff=Backoff(first=10.0, longest=10.0))
    clock.drive(root)
    kill(root, "b")
    journal.gates["start slow"] = gate = threading.Event()
    starting = future(root, StartChild(spec("slow", journal)))
    until(root, lambda: states(root)["slow"] == "starting")

    terminating = future(root, TerminateChild("b"))
    until(root, lambda: states(root)["b"] == "stopped")

    clock.advance(10)
    gate.set()
    assert starting.get(timeout=PATIENCE)
    assert terminating.get(timeout=PATIENCE) is None
    assert states(root)["b"] == "stopped"
    assert root.ask(RestartChild("b")) is refs(root)["b"]


def test_a_child_that_is_terminated_while_the_first_ones_start_is_left_out(
    journal: Journal,
) -> None:
    class Inner(Supervisor):
        pass

    journal.gates["start a"] = gate = threading.Event()
    root = start(journal, "")
    inner = Inner.child_spec("inner", children=[spec("a", journal, shutdown=0), spec("b", journal)])
    starting = future(root, StartChild(inner))
    until(root, lambda: refs(root).get("inner") is not None)
    below: Any = refs(root)["inner"]
    until(below, lambda: states(below)["a"] == "starting")

    assert below.ask(TerminateChild("a"), timeout=PATIENCE) is None

    assert starting.get(timeout=PATIENCE) is below
    assert states(below) == {"a": "stopped", "b": "running"}
    gate.set()


def test_a_first_child_that_is_terminated_before_its_turn_is_left_out(journal: Journal) -> None:
    journal.gates["start a"] = gate = threading.Event()
    root = start(journal, "")
    inner = Supervisor.child_spec("inner", children=[spec("a", journal), spec("b", journal)])
    starting = future(root, StartChild(inner))
    until(root, lambda: refs(root).get("inner") is not None)
    below: Any = refs(root)["inner"]
    terminating = future(below, TerminateChild("b"))
    until(below, lambda: states(below)["a"] == "starting")

    gate.set()

    assert starting.get(timeout=PATIENCE) is below
    assert terminating.get(timeout=PATIENCE) is None
    assert states(below) == {"a": "running", "b": "stopped"}
    assert journal.of("start") == ["a"]


def test_a_supervisor_that_is_told_of_a_child_before_its_first_ones_are_up_starts_it_after_them(
    journal: Journal,
) -> None:
    journal.gates["start a"] = gate = threading.Event()
    root = start(journal, "")
    inner = Supervisor.child_spec("inner", children=[spec("a", journal), spec("b", journal)])
    future(root, StartChild(inner))
    until(root, lambda: refs(root).get("inner") is not None)
    below: Any = refs(root)["inner"]
    adding = future(below, StartChild(spec("c", journal)))
    until(below, lambda: states(below)["a"] == "starting")

    gate.set()

    assert adding.get(timeout=PATIENCE).is_alive()
    assert journal.of("start") == ["a", "b", "c"]


# -- deaths ---------------------------------------------------------------------------------


def test_siblings_that_die_of_one_cause_are_counted_once(journal: Journal) -> None:
    root = start(journal, "a b c d e f g h", strategy="one_for_all", max_restarts=1)
    before = refs(root)
    cause = threading.Barrier(len(before))

    def die_together() -> None:
        cause.wait(PATIENCE)
        die()

    for ref in before.values():
        ref.tell(die_together)

    def are_replaced() -> bool:
        is_there = set(states(root).values()) == {"running"}
        return is_there and not {*refs(root).values()} & {*before.values()}

    until(root, are_replaced)
    assert len(journal.of("start")) == 16


def test_siblings_that_die_as_their_group_waits_for_its_restart_are_counted_once(
    journal: Journal, clock: MovableClock
) -> None:
    backoff = Backoff(first=10.0, longest=10.0)
    root = start(journal, "a b c", strategy="one_for_all", max_restarts=1, backoff=backoff)
    clock.drive(root)
    for name in "bca":
        kill(root, name)

    clock.advance(10)

    until(root, lambda: set(states(root).values()) == {"running"})
    assert journal.of("start") == [*"abc", *"abc"]


def test_those_behind_a_child_that_waits_for_its_restart_do_not_come_up_before_it(
    journal: Journal, clock: MovableClock
) -> None:
    backoff = Backoff(first=10.0, longest=100.0, quiet=1000.0)
    root = start(journal, "a b", strategy="rest_for_one", max_restarts=9, backoff=backoff)
    clock.drive(root)
    for _ in range(3):  # its pause is at least 20 s now
        kill(root, "a")
        clock.advance(100)
        until(root, lambda: set(states(root).values()) == {"running"})
    kill(root, "a")
    kill(root, "b")
    journal.lines.clear()

    clock.advance(11)
    root.ask(CountChildren())
    assert states(root) == {"a": "restarting", "b": "restarting"}

    clock.advance(100)
    until(root, lambda: set(states(root).values()) == {"running"})
    assert journal.of("start") == ["a", "b"]


def test_those_behind_a_child_that_dies_wait_for_it(journal: Journal, clock: MovableClock) -> None:
    backoff = Backoff(first=10.0, longest=100.0)
    root = start(journal, "a b", strategy="rest_for_one", max_restarts=9, backoff=backoff)
    clock.drive(root)
    kill(root, "b")
    clock.advance(4)
    kill(root, "a")
    journal.lines.clear()

    clock.advance(100)

    until(root, lambda: set(states(root).values()) == {"running"})
    assert journal.of("start") == ["a", "b"]


def test_a_death_that_waits_is_counted_when_it_happened(
    journal: Journal, clock: MovableClock
) -> None:
    root = start(journal, "a b c d", max_restarts=1, max_seconds=5.0)
    clock.drive(root)
    journal.gates["start slow"] = gate = threading.Event()
    starting = future(root, StartChild(spec("slow", journal)))
    until(root, lambda: states(root).get("slow") == "starting")
    for name in "abcd":
        refs(root)[name].tell(die)
        until(root, lambda name=name: refs(root)[name] is None)  # type: ignore[misc]
        clock.advance(6.0)

    gate.set()

    assert starting.get(timeout=PATIENCE).is_alive()
    until(root, lambda: set(states(root).values()) == {"running"})
    assert journal.of("start") == [*"abcd", "slow", *"abcd"]


def test_deaths_are_dealt_with_before_operations_that_wait(journal: Journal) -> None:
    root = start(journal, "a")
    journal.gates["start slow"] = gate = threading.Event()
    future(root, StartChild(spec("slow", journal)))
    until(root, lambda: states(root).get("slow") == "starting")
    for n in range(5):
        last = future(root, StartChild(spec(f"x{n}", journal)))
    refs(root)["a"].tell(die)
    until(root, lambda: refs(root)["a"] is None)

    gate.set()

    last.get(timeout=PATIENCE)
    assert journal.of("start") == ["a", "slow", "a", "x0", "x1", "x2", "x3", "x4"]


def test_those_behind_a_child_that_is_terminated_as_it_is_restarted_are_started(
    journal: Journal, clock: MovableClock
) -> None:
    root = start(
        journal, "a b c", strategy="rest_for_one", backoff=Backoff(first=10.0, longest=10.0)
    )
    clock.drive(root)
    kill(root, "a")
    journal.failing.add("b")
    clock.advance(10)  # a comes up, b does not
    until(root, lambda: states(root) == {"a": "running", "b": "restarting", "c": "restarting"})

    root.ask(TerminateChild("b"))
    clock.advance(10)

    until(root, lambda: states(root) == {"a": "running", "b": "stopped", "c": "running"})
    root.ask(TerminateChild("c"))
    assert root.ask(RestartChild("c")).is_alive()


def a_restart_under_way(
    journal: Journal, max_restarts: int = 3
) -> tuple[SupervisorRef, threading.Event]:
    """Return the supervisor of a, b and c; b has died, and a starts when the gate opens."""
    root = start(journal, "a b c", strategy="one_for_all", max_restarts=max_restarts)
    journal.gates["start a"] = gate = threading.Event()
    refs(root)["b"].tell(die)
    until(root, lambda: states(root)["a"] == "starting")
    return root, gate


def test_the_group_stops_where_a_member_is_terminated_while_another_is_starting(
    journal: Journal,
) -> None:
    root, gate = a_restart_under_way(journal)

    terminating = future(root, TerminateChild("c"))
    until(root, lambda: states(root)["c"] == "stopped")

    gate.set()
    assert terminating.get(timeout=PATIENCE) is None
    assert states(root) == {"a": "running", "b": "running", "c": "stopped"}
    assert journal.of("start") == [*"abc", *"ab"]


def test_a_member_that_is_terminated_as_it_is_restarted_costs_no_restart(
    journal: Journal,
) -> None:
    root, gate = a_restart_under_way(journal, max_restarts=1)

    terminating = future(root, TerminateChild("a"))
    until(root, lambda: states(root)["a"] == "stopping")

    gate.set()
    assert terminating.get(timeout=PATIENCE) is None
    assert states(root) == {"a": "stopped", "b": "running", "c": "running"}


def test_a_handle_of_a_child_that_has_ended_well_says_so(journal: Journal) -> None:
    root = Supervisor.start(children=[spec("a", journal, restart="transient")])
    handle = root.handle("a")
    refs(root)["a"].stop()

    with pytest.raises(pykka.ActorDeadError, match="it has ended, and ended well"):
        handle.ask("?", timeout=PATIENCE)

    root.ask(RestartChild("a"))
    assert handle.ask("?", timeout=PATIENCE) == "a heard ?"


def test_a_group_restart_leaves_alone_what_did_not_run(journal: Journal) -> None:
    journal.ignoring.add("ignores")
    children = [
        *(spec("a", journal), spec("terminated", journal)),
        *(spec("ended", journal, restart="transient"), spec("ignores", journal)),
    ]
    root = Supervisor.start(children=children, strategy="one_for_all")
    root.ask(TerminateChild("terminated"))
    refs(root)["ended"].stop()
    until(root, lambda: states(root)["ended"] == "stopped")
    journal.ignoring.clear()
    before = states(root)

    kill_and_wait(root, "a")

    assert states(root) == before
    assert journal.of("start") == ["a", "terminated", "ended", "a"]


def kill_and_wait(root: SupervisorRef, name: str) -> None:
    kill(root, name)
    until(root, lambda: states(root)[name] == "running")


@pytest.mark.parametrize("auto_shutdown", ["any_significant", "all_significant"])
def test_a_significant_child_that_is_being_restarted_has_not_ended(
    journal: Journal, clock: MovableClock, auto_shutdown: Any
) -> None:
    significant = partial(spec, journal=journal, restart="transient", significant=True)
    root = Supervisor.start(
        children=[significant("a"), significant("b")],
        auto_shutdown=auto_shutdown,
        backoff=Backoff(first=10.0, longest=10.0),
    )
    clock.drive(root)
    kill(root, "a")
    assert states(root)["a"] == "restarting"

    refs(root)["b"].stop()

    if auto_shutdown == "any_significant":
        assert root.wait_gone(PATIENCE)
        return
    until(root, lambda: states(root)["b"] == "stopped")
    clock.advance(10)
    until(root, lambda: states(root) == {"a": "running", "b": "stopped"})
    refs(root)["a"].stop()
    assert root.wait_gone(PATIENCE)
    assert root.lifecycle.reason is None


def test_a_significant_child_that_its_supervisor_stops_shuts_nothing_down(
    journal: Journal,
) -> None:
    significant = partial(spec, journal=journal, significant=True)
    children = [
        *(spec("a", journal), significant("b", restart="temporary")),
        significant("c", restart="transient"),
    ]
    root = Supervisor.start(
        children=children, auto_shutdown="any_significant", strategy="one_for_all"
    )

    kill_and_wait(root, "a")
    root.ask(TerminateChild("c"))

    assert states(root) == {"a": "running", "c": "stopped"}
