"""The supervisor: OTP's behaviours, one test each, in the order of its suite's list."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import Any

import pykka
import pytest

from namepool.actors import (
    Backoff,
    ChildBusy,
    ChildCounts,
    ChildExists,
    ChildNotFound,
    ChildSpec,
    CountChildren,
    DeleteChild,
    GetChildSpec,
    InvalidChildSpec,
    RestartChild,
    ServiceActor,
    StartChild,
    StartFailed,
    Supervisor,
    TerminateChild,
    WhichChildren,
)
from namepool.actors.supervision.rules import SupervisorState
from tests.actors.supervision.support import (
    BOTH,
    Journal,
    StockWorker,
    child_of,
    die,
    kill,
    kill_and_wait_for_restart,
    refs,
    spec,
    start,
    states,
    until,
)
from tests.support import PATIENCE, MovableClock, on_thread, threads_dying

# -- the 32 behaviours ----------------------------------------------------------------------


@BOTH
def test_01_children_start_in_order_and_stop_in_reverse(
    journal: Journal, worker: type[pykka.Actor]
) -> None:
    root = start(journal, worker=worker)
    assert journal.of("start") == ["a", "b", "c"]

    root.stop()

    assert journal.of("stop") == ["c", "b", "a"]


@BOTH
def test_02_if_an_initial_child_fails_those_started_are_stopped_and_start_raises_who_and_why(
    journal: Journal, worker: type[pykka.Actor]
) -> None:
    journal.failing.add("c")

    with pytest.raises(StartFailed, match="child 'c' failed to start: LookupError: c will not"):
        start(journal, "a b c d", worker=worker)

    assert journal.of("start") == ["a", "b"]
    assert journal.of("stop") == ["b", "a"]
    assert pykka.ActorRegistry.get_all() == []


def test_03_a_start_that_answers_ignore_keeps_the_spec_without_a_child(journal: Journal) -> None:
    journal.ignoring.add("b")
    root = start(journal)

    assert refs(root)["b"] is None
    assert states(root) == {"a": "running", "b": "stopped", "c": "running"}
    journal.ignoring.clear()
    root.ask(RestartChild("b"))
    assert states(root)["b"] == "running"


def test_04_if_start_child_fails_the_spec_is_discarded(journal: Journal) -> None:
    root = start(journal, "a")
    journal.failing.add("b")

    with pytest.raises(StartFailed, match="'b'"):
        root.ask(StartChild(spec("b", journal)))

    assert [*refs(root)] == ["a"]


def test_05_if_restart_child_fails_the_spec_is_kept(journal: Journal) -> None:
    root = start(journal, "a")
    root.ask(TerminateChild("a"))
    journal.failing.add("a")

    with pytest.raises(StartFailed, match="'a'"):
        root.ask(RestartChild("a"))

    assert states(root) == {"a": "stopped"}


def test_06_a_duplicate_id_is_already_started_or_already_present(journal: Journal) -> None:
    root = start(journal, "a")
    with pytest.raises(ChildExists, match="already started"):
        root.ask(StartChild(spec("a", journal)))

    root.ask(TerminateChild("a"))

    with pytest.raises(ChildExists, match="already present"):
        root.ask(StartChild(spec("a", journal)))
    with pytest.raises(InvalidChildSpec, match="id must be unique"):
        Supervisor.start(children=[spec("x", journal), spec("x", journal)])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", ""),
        ("id", 7),
        ("id", "a\nb"),
        ("actor_class", object),
        ("actor_class", None),
        ("args", ["x"]),
        ("kwargs", {1: 2}),
        ("kwargs", None),
        ("restart", "always"),
        ("restart", []),
        ("shutdown", -1),
        ("shutdown", "soon"),
        ("shutdown", True),
        ("shutdown", float("nan")),
        ("kind", "boss"),
        ("significant", 1),
        ("significant", True),
        ("on_abandon", 7),
    ],
)
def test_07_a_bad_spec_is_refused_by_the_name_of_its_field(field: str, value: Any) -> None:
    fields: dict[str, Any] = {"id": "a", "actor_class": StockWorker} | {field: value}

    with pytest.raises(InvalidChildSpec, match=f"^{field} must be "):
        ChildSpec(**fields)


class Shy:
    def __repr__(self) -> str:
        raise LookupError


def test_a_field_that_cannot_be_shown_is_refused_by_its_name() -> None:
    with pytest.raises(InvalidChildSpec, match="^shutdown must be .*, not <Shy that cannot be sh"):
        ChildSpec("a", StockWorker, shutdown=Shy())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("strategy", "one_for_two"),
        ("strategy", Shy()),
        ("max_restarts", -1),
        ("max_restarts", 1.5),
        ("max_restarts", True),
        ("max_seconds", 0),
        ("max_seconds", "5"),
        ("backoff", 1.0),
        ("auto_shutdown", "always"),
    ],
)
def test_07_bad_flags_are_refused_by_name(option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{option} must be "):
        Supervisor.start(**{option: value})
    with pytest.raises(InvalidChildSpec, match="ChildSpec"):
        Supervisor.start(children=[option])  # type: ignore[list-item]
    assert pykka.ActorRegistry.get_all() == []


def test_08_defaults_are_readable() -> None:
    worker = ChildSpec("w", StockWorker)
    boss = Supervisor.child_spec("s")

    assert (worker.restart, worker.shutdown, worker.kind) == ("permanent", 5.0, "worker")
    assert (boss.restart, boss.shutdown, boss.kind) == ("permanent", None, "supervisor")
    assert worker.significant is False


@BOTH
def test_09_terminate_child_keeps_the_spec_and_is_idempotent(
    journal: Journal, worker: type[pykka.Actor]
) -> None:
    root = start(journal, worker=worker)
    for _ in range(2):
        assert root.ask(TerminateChild("b")) is None

    assert states(root) == {"a": "running", "b": "stopped", "c": "running"}
    assert journal.of("stop") == ["b"]
    assert root.ask(GetChildSpec("b")).id == "b"
    for request in (TerminateChild("x"), RestartChild("x"), DeleteChild("x"), GetChildSpec("x")):
        with pytest.raises(ChildNotFound, match="'x'"):
            root.ask(request)
    with pytest.raises(ChildNotFound):
        root.handle("x")


def test_10_delete_child_of_a_running_or_restarting_child_is_refused(
    journal: Journal, clock: MovableClock
) -> None:
    root = start(journal, "a", backoff=Backoff(first=100.0, longest=100.0))
    clock.drive(root)
    with pytest.raises(ChildBusy, match="running"):
        root.ask(DeleteChild("a"))
    kill(root, "a")
    with pytest.raises(ChildBusy, match="restarting"):
        root.ask(DeleteChild("a"))

    root.ask(TerminateChild("a"))
    root.ask(DeleteChild("a"))

    assert refs(root) == {}


def test_11_restart_child_of_a_running_or_restarting_child_is_refused(
    journal: Journal, clock: MovableClock
) -> None:
    root = start(journal, "a", backoff=Backoff(first=100.0, longest=100.0))
    clock.drive(root)
    with pytest.raises(ChildBusy, match="running"):
        root.ask(RestartChild("a"))
    kill(root, "a")
    with pytest.raises(ChildBusy, match="restarting"):
        root.ask(RestartChild("a"))


@BOTH
@pytest.mark.parametrize("normally", [True, False])
def test_12_a_permanent_child_is_restarted_after_any_exit(
    journal: Journal, worker: type[pykka.Actor], normally: bool
) -> None:
    root = start(journal, "a", worker=worker)
    before = refs(root)["a"]
    if normally:
        before.stop()
    else:
        before.tell(die)

    until(root, lambda: refs(root)["a"] not in (before, None) and states(root)["a"] == "running")
    assert journal.of("start") == ["a", "a"]


@BOTH
def test_13_a_transient_child_is_restarted_after_abnormal_exits_only(
    journal: Journal, worker: type[pykka.Actor]
) -> None:
    root = start(journal, "a", worker=worker, fields={"restart": "transient"})
    kill_and_wait_for_restart(root, "a")

    refs(root)["a"].stop()

    until(root, lambda: states(root) == {"a": "stopped"})
    assert journal.of("start") == ["a", "a"]


@BOTH
@pytest.mark.parametrize("normally", [True, False])
def test_14_a_temporary_child_is_never_restarted_and_its_spec_vanishes(
    journal: Journal, worker: type[pykka.Actor], normally: bool
) -> None:
    root = start(journal, "a", worker=worker, fields={"restart": "temporary"})
    ref = refs(root)["a"]
    if normally:
        ref.stop()
    else:
        ref.tell(die)

    until(root, lambda: refs(root) == {})
    root.ask(StartChild(spec("b", journal, restart="temporary")))
    root.ask(TerminateChild("b"))
    assert refs(root) == {}


def test_15_a_temporary_bystander_in_a_group_restart_is_stopped_and_not_restarted(
    journal: Journal,
) -> None:
    children = [spec("a", journal), spec("t", journal, restart="temporary"), spec("c", journal)]
    root = Supervisor.start(children=children, strategy="one_for_all")

    kill_and_wait_for_restart(root, "a")

    assert states(root) == {"a": "running", "c": "running"}
    assert journal.of("stop") == ["c", "t"]


def test_16_one_for_one_leaves_siblings_untouched(journal: Journal) -> None:
    root = start(journal)
    before = refs(root)

    kill_and_wait_for_restart(root, "b")

    after = refs(root)
    assert [name for name in before if before[name] is not after[name]] == ["b"]


def test_17_one_for_all_replaces_all(journal: Journal) -> None:
    root = start(journal, strategy="one_for_all")

    kill_and_wait_for_restart(root, "b")

    assert journal.of("start") == ["a", "b", "c", "a", "b", "c"]
    assert journal.of("stop") == ["c", "a"]


def test_18_rest_for_one_replaces_those_started_after(journal: Journal) -> None:
    root = start(journal, "a b c d", strategy="rest_for_one")

    kill_and_wait_for_restart(root, "b")

    assert journal.of("start") == ["a", "b", "c", "d", "b", "c", "d"]
    assert journal.of("stop") == ["d", "c"]


def test_19_one_death_more_than_the_intensity_stops_all_children_and_ends_the_supervisor(
    journal: Journal, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    root = start(journal, max_restarts=2, max_seconds=5.0)
    clock.drive(root)
    reasons: list[str | None] = []
    root.watch(reasons.append)
    for _ in range(2):
        kill_and_wait_for_restart(root, "b")
    handle = root.handle("a")

    refs(root)["b"].tell(die)

    assert root.wait_gone(PATIENCE)
    assert journal.of("stop") == ["c", "a"]
    assert str(root.lifecycle.reason).startswith(
        "RestartIntensityExceeded: child 'b' died too often"
    )
    assert [r.levelno for r in caplog.records if "gives up" in r.getMessage()] == [logging.ERROR]
    warnings = [r.getMessage() for r in caplog.records if "is restarted" in r.getMessage()]
    assert len(warnings) == 2
    assert "'b'" in warnings[1]
    assert "(restart 2): LookupError: told to die" in warnings[1]
    with pytest.raises(pykka.ActorDeadError):
        handle.ask("?", timeout=PATIENCE)


def test_20_spaced_deaths_never_escalate(journal: Journal, clock: MovableClock) -> None:
    root = start(journal, "a", max_restarts=1, max_seconds=5.0)
    clock.drive(root)
    for _ in range(10):
        kill_and_wait_for_restart(root, "a")
        clock.advance(5.1)

    assert root.ask(WhichChildren())[0].restarts == 10


def test_21_a_restart_that_always_fails_escalates(journal: Journal) -> None:
    root = start(journal, "a b", max_restarts=3)
    journal.failing.add("a")

    refs(root)["a"].tell(die)

    assert root.wait_gone(PATIENCE)
    assert "a will not start" in str(root.lifecycle.reason)
    assert journal.of("stop") == ["b"]


def test_22_one_for_all_if_a_sibling_fails_during_the_restart_the_group_is_tried_again(
    journal: Journal, clock: MovableClock
) -> None:
    root = start(journal, strategy="one_for_all", backoff=Backoff(first=10.0, longest=10.0))
    clock.drive(root)
    kill(root, "a")
    journal.failing.add("c")
    journal.lines.clear()
    clock.advance(10)
    until(root, lambda: child_of(root, "c").deaths_in_a_row == 1)
    journal.failing.clear()

    clock.advance(10)

    until(root, lambda: set(states(root).values()) == {"running"})
    assert journal.of("start") == ["a", "b", "a", "b", "c"]
    assert journal.of("stop") == ["c", "b", "b", "a"]


def test_23_rest_for_one_does_the_same_from_the_failed_child_on(
    journal: Journal, clock: MovableClock
) -> None:
    root = start(
        journal, "a b c d", strategy="rest_for_one", backoff=Backoff(first=10.0, longest=10.0)
    )
    clock.drive(root)
    kill(root, "b")
    journal.failing.add("c")
    journal.lines.clear()
    clock.advance(10)
    until(root, lambda: child_of(root, "c").deaths_in_a_row == 1)
    journal.failing.clear()

    clock.advance(10)

    until(root, lambda: set(states(root).values()) == {"running"})
    assert journal.of("start") == ["b", "c", "d"]


def test_24_during_a_restart_loop_it_shows_restarting_answers_and_terminates(
    journal: Journal, clock: MovableClock
) -> None:
    root = start(journal, "a b", backoff=Backoff(first=10.0, longest=10.0), max_restarts=100)
    clock.drive(root)
    journal.failing.add("a")
    kill(root, "a")
    for n in range(1, 6):
        until(root, lambda n=n: child_of(root, "a").deaths_in_a_row == n)  # type: ignore[misc]
        assert states(root) == {"a": "restarting", "b": "running"}
        assert root.ask(CountChildren()) == ChildCounts(2, 1, 0, 2)
        clock.advance(10)
    until(root, lambda: child_of(root, "a").deaths_in_a_row == 6)

    root.ask(TerminateChild("a"))

    assert states(root)["a"] == "stopped"
    journal.failing.clear()
    clock.advance(100)
    assert states(root)["a"] == "stopped"


def test_25_stopping_during_a_restart_loop_does_not_hang(
    journal: Journal, clock: MovableClock
) -> None:
    root = start(journal, "a b", backoff=Backoff(), max_restarts=100)
    clock.drive(root)
    journal.failing.add("a")
    kill(root, "a")

    assert root.stop(timeout=PATIENCE) is True
    assert journal.of("stop") == ["b"]


@BOTH
def test_26_a_child_that_does_not_stop_in_time_is_abandoned_reported_and_the_rest_goes_on(
    journal: Journal,
    worker: type[pykka.Actor],
    clock: MovableClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    journal.gates["stop b"] = gate = threading.Event()
    root = start(journal, worker=worker, fields={"shutdown": 7.0})
    clock.drive(root)
    stuck = refs(root)["b"]
    stopping = root.ask(TerminateChild("b"), block=False)
    until(root, lambda: states(root)["b"] == "stopping")

    clock.advance(7.1)

    assert stopping.get(timeout=PATIENCE) is None
    assert "'b' did not stop within 7.0 s and is abandoned" in caplog.text
    assert pykka.ActorRegistry.get_by_urn(stuck.actor_urn) is None
    root.ask(RestartChild("b"))
    assert states(root)["b"] == "running"
    gate.set()


def test_26_a_shutdown_of_zero_does_not_wait(journal: Journal) -> None:
    journal.gates["stop a"] = gate = threading.Event()
    root = start(journal, "a", fields={"shutdown": 0})

    assert root.stop(timeout=PATIENCE) is True
    gate.set()


def test_27_an_inner_escalation_restarts_the_subtree(journal: Journal) -> None:
    inner = Supervisor.child_spec(
        "inner", children=[spec("a", journal), spec("b", journal)], max_restarts=0
    )
    root = Supervisor.start(children=[inner])
    before = refs(root)["inner"]

    refs(before)["a"].tell(die)

    until(root, lambda: refs(root)["inner"] not in (before, None))
    until(root, lambda: states(root) == {"inner": "running"})
    assert states(refs(root)["inner"]) == {"a": "running", "b": "running"}
    assert journal.of("start") == ["a", "b", "a", "b"]


def test_28_counts_tell_specs_active_supervisors_and_workers(
    journal: Journal, clock: MovableClock
) -> None:
    children = [spec("a", journal), spec("b", journal), Supervisor.child_spec("s")]
    root = Supervisor.start(children=children, backoff=Backoff())
    clock.drive(root)
    assert root.ask(CountChildren()) == ChildCounts(3, 3, 1, 2)

    kill(root, "a")

    assert root.ask(CountChildren()) == ChildCounts(specs=3, active=2, supervisors=1, workers=2)


def test_29_a_transient_supervisor_that_gave_up_is_not_restarted(journal: Journal) -> None:
    inner = Supervisor.child_spec(
        "inner", children=[spec("a", journal)], max_restarts=0, restart="transient"
    )
    root = Supervisor.start(children=[inner])

    refs(refs(root)["inner"])["a"].tell(die)

    until(root, lambda: states(root) == {"inner": "stopped"})
    assert journal.of("start") == ["a"]


@pytest.mark.parametrize(
    ("auto_shutdown", "ends_after"), [("any_significant", 1), ("all_significant", 2)]
)
def test_30_significant_children_shut_the_supervisor_down(
    journal: Journal, auto_shutdown: Any, ends_after: int
) -> None:
    significant = partial(spec, journal=journal, restart="transient", significant=True)
    children = [significant("a"), significant("b"), spec("c", journal)]
    root = Supervisor.start(children=children, auto_shutdown=auto_shutdown)
    for ended, name in enumerate("ab"[:ends_after], start=1):
        refs(root)[name].stop()
        if ended < ends_after:
            until(root, lambda name=name: states(root)[name] == "stopped")  # type: ignore[misc]

    assert root.wait_gone(PATIENCE)
    assert root.lifecycle.reason is None
    assert "stop c" in journal.lines


def test_31_stale_notices_and_unknown_messages_are_ignored(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    from namepool.actors.supervision.supervisor import Told

    root: Any = start(journal, "a")
    kill_and_wait_for_restart(root, "a")
    now = refs(root)

    number, rules = child_of(root, "a").number, root._actor._state
    for notice in (
        Told(rules.died, (number - 1, "stale")),
        Told(rules.came_up, (number - 1,)),
        Told(rules.came_up, (number,)),
        Told(rules.overdue, (number - 1,)),
        Told(rules.overdue, (number,)),
        Told(rules.again, ([child_of(root, "a")],)),
        Told(rules.again, ([],)),
        Told(rules.died, (0, None)),
        object(),
        "?",
    ):
        root.tell(notice)

    assert refs(root) == now
    assert states(root) == {"a": "running"}
    assert "Unexpected message" in caplog.text


def test_32_start_and_stop_of_1_000_children_are_linear() -> None:
    class Idle(ServiceActor):
        pass

    def cost(children: int) -> float:
        began = time.thread_time()
        root: Any = Supervisor.start(
            children=[ChildSpec(f"child {n}", Idle) for n in range(children)]
        )
        assert root.ask(CountChildren()).active == children
        steps.append(root._actor._state.rounds)
        root.stop()
        return time.thread_time() - began

    # Counted, not timed: how often the rules went on for each child.
    steps: list[int] = []
    counting = pytest.MonkeyPatch()
    go_on = SupervisorState._go_on

    def counted(self: Any) -> None:
        self.rounds = getattr(self, "rounds", 0) + 1
        go_on(self)

    counting.setattr(SupervisorState, "_go_on", counted)
    try:
        cost(100)
        cost(1000)
    finally:
        counting.undo()
    assert steps[1] <= 11 * steps[0]
    assert pykka.ActorRegistry.get_all() == []


def test_a_reason_of_several_lines_starts_no_log_line(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    def die_badly() -> None:
        raise LookupError("a\nFAKE LINE \x1b[31m")

    root = start(journal, "a")
    kill(root, "a", die_badly)

    texts = [r.getMessage() for r in caplog.records if "is restarted" in r.getMessage()]
    assert len(texts) == 1
    assert texts[0].endswith("LookupError: a\\nFAKE LINE \\x1b[31m")


# -- what else is promised ------------------------------------------------------------------


@pytest.mark.parametrize("proxied", [True, False])
def test_operations_work_by_proxy_and_by_message(journal: Journal, proxied: bool) -> None:
    root = start(journal, "a")
    proxy: Any = root.proxy()

    def call(name: str, message: Any, *args: Any) -> Any:
        if proxied:
            return getattr(proxy, name)(*args).get(timeout=PATIENCE)
        return root.ask(message, timeout=PATIENCE)

    added = spec("b", journal)
    ref = call("start_child", StartChild(added), added)
    assert ref.ask("hello") == "b heard hello"
    assert [c.id for c in call("which_children", WhichChildren())] == ["a", "b"]
    assert call("count_children", CountChildren()).active == 2
    assert call("get_child_spec", GetChildSpec("b"), "b") is added
    assert call("terminate_child", TerminateChild("b"), "b") is None
    assert call("restart_child", RestartChild("b"), "b").is_alive()
    call("terminate_child", TerminateChild("b"), "b")
    assert call("delete_child", DeleteChild("b"), "b") is None
    with pytest.raises(InvalidChildSpec):
        call("start_child", StartChild("x"), "x")  # type: ignore[arg-type]


def test_operations_work_from_a_worker_thread(journal: Journal) -> None:
    root = start(journal, "a")

    def agent() -> str:
        root.ask(StartChild(spec("b", journal)))
        root.ask(TerminateChild("b"))
        return states(root)["b"]

    assert on_thread(agent) == "stopped"


def test_the_supervisor_answers_while_a_child_takes_its_time_to_start(journal: Journal) -> None:
    root = start(journal, "a")
    journal.gates["start b"] = gate = threading.Event()
    starting = root.ask(StartChild(spec("b", journal)), block=False)

    until(root, lambda: states(root).get("b") == "starting")

    gate.set()
    assert starting.get(timeout=PATIENCE).is_alive()


def test_a_child_that_never_comes_up_can_be_terminated(
    journal: Journal, clock: MovableClock
) -> None:
    root = start(journal, "a")
    clock.drive(root)
    journal.gates["start b"] = gate = threading.Event()
    starting = root.ask(StartChild(spec("b", journal)), block=False)
    until(root, lambda: states(root).get("b") == "starting")
    stopping = root.ask(TerminateChild("b"), block=False)
    root.ask(CountChildren())

    clock.advance(5.1)

    with pytest.raises(StartFailed, match="terminated before it was up"):
        starting.get(timeout=PATIENCE)
    assert stopping.get(timeout=PATIENCE) is None
    assert [*refs(root)] == ["a"]
    gate.set()


def test_stopping_the_supervisor_answers_who_waits_for_it(journal: Journal) -> None:
    root = start(journal, "a")
    journal.gates["start b"] = gate = threading.Event()
    starting = root.ask(StartChild(spec("b", journal, shutdown=0)), block=False)
    until(root, lambda: states(root).get("b") == "starting")

    root.stop(timeout=PATIENCE)

    with pytest.raises(pykka.ActorDeadError):
        starting.get(timeout=PATIENCE)
    gate.set()


def test_a_supervisor_that_fails_itself_stops_its_children(journal: Journal) -> None:
    class Fallible(Supervisor):
        def on_receive(self, message: Any) -> None:
            raise LookupError

    root = Fallible.start(children=[spec("a", journal), spec("b", journal)])

    root.tell("a failing tell")

    assert root.wait_gone(PATIENCE)
    assert journal.of("stop") == ["b", "a"]


def test_the_backoff_grows_and_is_reset_after_a_quiet_period(
    journal: Journal, clock: MovableClock
) -> None:
    backoff = Backoff(first=1.0, longest=4.0, quiet=50.0)
    assert [backoff.pause(n, lambda: 1.0) for n in (1, 2, 3, 4, 500)] == [1.0, 2.0, 4.0, 4.0, 4.0]
    assert backoff.pause(1, lambda: 0.0) == 0.5
    root = start(journal, "a", backoff=backoff, max_restarts=100)
    clock.drive(root)
    for n in (1, 2, 3):
        kill(root, "a")
        assert child_of(root, "a").deaths_in_a_row == n
        clock.advance(backoff.longest)
        until(root, lambda: states(root) == {"a": "running"})
    clock.advance(51)

    kill(root, "a")

    assert child_of(root, "a").deaths_in_a_row == 1


def test_a_child_whose_thread_dies_before_its_loop_begins_is_restarted(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    root = start(journal, "a")
    before = refs(root)["a"]

    with threads_dying(first=1):
        before.stop()
        until(root, lambda: refs(root)["a"] not in (before, None))

    assert "(restart 1): TypeError: the tracer failed" in caplog.text


def test_a_supervisor_whose_thread_dies_before_its_loop_begins_does_not_start() -> None:
    with threads_dying(), pytest.raises(pykka.ActorDeadError, match="TypeError: the tracer failed"):
        Supervisor.start()


def test_on_abandon_is_called_when_a_child_will_not_be_started_again(journal: Journal) -> None:
    abandoned: list[str] = []
    children = [
        spec(name, journal, on_abandon=partial(abandoned.append, name)) for name in ("a", "b")
    ]
    root = Supervisor.start(children=children)
    kill_and_wait_for_restart(root, "a")
    assert abandoned == []
    root.ask(TerminateChild("a"))
    root.ask(DeleteChild("a"))
    assert abandoned == ["a"]

    root.stop()

    assert abandoned == ["a", "b"]


def test_an_interrupted_start_leaves_nothing(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from namepool.actors.lifecycle import Lifecycle

    def interrupt(self: Any) -> None:
        raise KeyboardInterrupt

    original = Lifecycle.__init__

    def init(self: Any, name: str) -> None:
        original(self, name)
        if name.startswith("Supervisor"):
            self.is_up_or_gone.wait = partial(interrupt, self)

    monkeypatch.setattr(Lifecycle, "__init__", init)
    with pytest.raises(KeyboardInterrupt):
        start(journal, "a")
    for ref in pykka.ActorRegistry.get_all():
        assert ref.actor_stopped.wait(PATIENCE)


# -- handles --------------------------------------------------------------------------------


@BOTH
def test_a_handle_stays_valid_across_restarts(journal: Journal, worker: type[pykka.Actor]) -> None:
    root = start(journal, "a", worker=worker)
    handle = root.handle("a")
    assert handle.ask("one", timeout=PATIENCE) == "a heard one"
    assert handle.generation == 1

    kill_and_wait_for_restart(root, "a")

    assert handle.ask("two", timeout=PATIENCE) == "a heard two"
    assert handle.ask("three", block=False).get(timeout=PATIENCE) == "a heard three"
    assert handle.generation == 2
    assert handle.is_alive()
    assert handle.current is refs(root)["a"]
    handle.tell(lambda: None)


@BOTH
@pytest.mark.parametrize("block", [True, False])
def test_during_a_restart_a_call_waits_for_the_next_incarnation(
    journal: Journal, clock: MovableClock, worker: type[pykka.Actor], block: bool
) -> None:
    root = start(journal, "a", worker=worker, backoff=Backoff())
    clock.drive(root)
    handle = root.handle("a")
    kill(root, "a")
    answers: list[Any] = []

    def agent() -> None:
        answer = handle.ask("hello", block=block, timeout=PATIENCE)
        answers.append(answer if block else answer.get(timeout=PATIENCE))

    thread = threading.Thread(target=agent)
    thread.start()
    clock.advance(20)
    thread.join(PATIENCE)

    assert answers == ["a heard hello"]


def test_a_call_during_a_restart_gives_up_at_its_timeout(
    journal: Journal, clock: MovableClock
) -> None:
    root = start(journal, "a", backoff=Backoff())
    clock.drive(root)
    handle = root.handle("a")
    kill(root, "a")

    with pytest.raises(pykka.Timeout):
        handle.ask("hello", timeout=0.01)
    with pytest.raises(pykka.Timeout):
        handle.ask("hello", block=False).get(timeout=0.01)
    with pytest.raises(pykka.ActorDeadError):
        handle.tell("hello")
    with pytest.raises(pykka.ActorDeadError):
        handle.proxy()


@BOTH
@pytest.mark.parametrize("block", [True, False])
def test_a_request_that_was_never_handled_goes_to_the_next_incarnation(
    journal: Journal, worker: type[pykka.Actor], block: bool
) -> None:
    root = start(journal, "a", worker=worker)
    handle = root.handle("a")
    gate = threading.Event()
    first = refs(root)["a"]
    first.tell(lambda: gate.wait(PATIENCE))
    first.tell(die)
    answers: list[Any] = []

    def agent() -> None:
        answer = handle.ask("hello", block=block)
        answers.append(answer if block else answer.get(timeout=PATIENCE))

    thread = threading.Thread(target=agent)
    thread.start()
    while first.actor_inbox.empty() or len(first.actor_inbox.queue) < 2:
        root.ask(CountChildren())
    gate.set()
    thread.join(PATIENCE)

    assert answers == ["a heard hello"]


@BOTH
@pytest.mark.parametrize("block", [True, False])
def test_a_request_that_may_have_been_handled_is_not_repeated_and_says_so(
    journal: Journal, worker: type[pykka.Actor], block: bool
) -> None:
    root = start(journal, "a", worker=worker)
    handle = root.handle("a")
    calls: list[int] = []

    def fatal() -> None:
        calls.append(1)
        raise SystemExit(1)

    def ask() -> None:
        answer = handle.ask(fatal, block=block)
        answer.get(timeout=PATIENCE)

    with pytest.raises(pykka.ActorDeadError, match="died of SystemExit.* handling the message"):
        ask()

    assert calls == [1]
    assert handle.ask("next", timeout=PATIENCE) == "a heard next"


def test_stopping_a_handle_is_refused(journal: Journal) -> None:
    handle = start(journal, "a").handle("a")

    with pytest.raises(TypeError, match="terminate_child"):
        handle.stop()


def test_a_handle_of_what_was_given_up_says_so(journal: Journal) -> None:
    root = start(journal, "a")
    handle = root.handle("a")
    root.ask(TerminateChild("a"))
    waiting = handle.ask("?", block=False)

    root.ask(DeleteChild("a"))

    with pytest.raises(pykka.ActorDeadError, match="its spec was deleted"):
        handle.ask("?", timeout=PATIENCE)
    for future in (waiting, handle.ask("?", block=False)):
        with pytest.raises(pykka.ActorDeadError, match="its spec was deleted"):
            future.get(timeout=PATIENCE)


def test_a_dropped_request_of_a_handle_is_not_sent_on(
    journal: Journal, clock: MovableClock
) -> None:
    root = start(journal, "a", backoff=Backoff())
    clock.drive(root)
    handle = root.handle("a")
    kill(root, "a")
    calls: list[int] = []
    handle.ask(lambda: calls.append(1), block=False)

    clock.advance(20)
    until(root, lambda: states(root) == {"a": "running"})
    handle.ask("after", timeout=PATIENCE)

    assert calls == []
