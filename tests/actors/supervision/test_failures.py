"""What fails as it starts, what is refused, what ends without a restart, and how it is told."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pykka
import pytest

from namepool.actors import (
    ChildNotFound,
    ChildSpec,
    CountChildren,
    DeleteChild,
    GetChildSpec,
    GetHandle,
    Ignore,
    InvalidChildSpec,
    RestartChild,
    ServiceActor,
    StartChild,
    StartFailed,
    Supervisor,
    TerminateChild,
    WhichChildren,
)
from namepool.actors.supervision.messages import Rules
from namepool.actors.supervision.rules import Children
from namepool.actors.supervision.supervisor import LINES, Hands
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

# -- failures to start ----------------------------------------------------------------------


class Fails(ServiceActor):
    """Its constructor raises, once it is told to."""

    failing = False

    def __init__(self) -> None:
        super().__init__()
        if self.failing:
            raise LookupError("no such file")  # the line that raised


@pytest.fixture
def fails() -> type[Fails]:
    return type("Fails", (Fails,), {})


def test_a_supervisor_whose_child_always_fails_to_start_answers_and_stops(
    journal: Journal, fails: Any, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    root = Supervisor.start(
        children=[spec("a", journal)], max_restarts=10**9, max_seconds=1e8, strategy="one_for_one"
    )
    clock.drive(root)  # so all of it happens within one second
    root.ask(StartChild(_spec(fails)))
    fails.failing = True

    refs(root)["fails"].stop()

    for _ in range(100):
        assert root.ask(CountChildren(), timeout=PATIENCE).specs == 2
    assert root.ask(StartChild(spec("b", journal)), timeout=PATIENCE).is_alive()
    assert states(root)["fails"] == "restarting"
    root.stop(timeout=PATIENCE)
    assert journal.of("stop") == ["b", "a"]
    lines = [r for r in caplog.records if "'fails' is restarted" in r.getMessage()]
    assert len(lines) == LINES + 1  # the first is of another reason


def _spec(actor_class: type[pykka.Actor], **fields: Any) -> ChildSpec:
    return ChildSpec("fails", actor_class, **fields)


def test_lines_that_repeat_themselves_are_counted(
    fails: Any, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    root = Supervisor.start(children=[_spec(fails)], max_restarts=10**9, max_seconds=1e8)
    clock.drive(root)
    fails.failing = True
    refs(root)["fails"].stop()
    tries: Any = root._actor._hands._said
    until(root, lambda: sum(tries.values()) > 50)

    clock.advance(1.0)
    until(root, lambda: "more" in caplog.text)

    root.stop()
    (more,) = [r.getMessage() for r in caplog.records if "more" in r.getMessage()][:1]
    assert "child 'fails': LookupError: no such file … and " in more
    assert int(more.split()[-2]) > 50 - LINES


def test_the_line_that_raised_is_shown_at_the_first_start(
    fails: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fails.failing = True

    with pytest.raises(StartFailed, match="LookupError: no such file") as caught:
        Supervisor.start(children=[_spec(fails)])

    assert isinstance(caught.value.__cause__, LookupError)
    assert "# the line that raised" in _traceback(caught.value.__cause__)
    assert "# the line that raised" in caplog.text


@pytest.mark.parametrize("operation", [StartChild, RestartChild])
def test_the_line_that_raised_is_shown_to_whoever_asked(
    journal: Journal, fails: Any, operation: Any
) -> None:
    root = start(journal, "a")
    if operation is RestartChild:
        root.ask(StartChild(_spec(fails)))
        root.ask(TerminateChild("fails"))
    fails.failing = True

    with pytest.raises(StartFailed, match="LookupError: no such file") as caught:
        root.ask(StartChild(_spec(fails)) if operation is StartChild else RestartChild("fails"))

    assert "# the line that raised" in _traceback(caught.value.__cause__)


def test_the_line_that_raised_is_logged_at_a_restart(
    fails: Any, caplog: pytest.LogCaptureFixture
) -> None:
    root = Supervisor.start(children=[_spec(fails)], max_restarts=2)
    fails.failing = True

    refs(root)["fails"].stop()

    assert root.wait_gone(PATIENCE)
    restarts = [r for r in caplog.records if "'fails' is restarted" in r.getMessage()]
    assert "# the line that raised" in logging.Formatter().format(restarts[-1])
    ends = [r for r in caplog.records if "gives up" in r.getMessage()]
    assert "# the line that raised" in logging.Formatter().format(ends[-1])


def _traceback(error: BaseException | None) -> str:
    return "".join(traceback.format_exception(error))


def test_the_deaths_of_a_child_that_comes_up_and_dies_again_are_counted(
    clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Mayfly(pykka.ThreadingActor):
        def on_start(self) -> None:
            self.actor_ref.tell("die")

        def on_receive(self, message: Any) -> None:
            raise LookupError("it will not live")

    root = Supervisor.start(children=[_spec(Mayfly)], max_restarts=10**9, max_seconds=1e8)
    clock.drive(root)
    until(root, lambda: root.ask(WhichChildren())[0].restarts > 3 * LINES)

    root.stop()

    lines = [r for r in caplog.records if "'fails' is restarted" in r.getMessage()]
    assert len(lines) <= 2 * LINES  # some before the clock was a movable one


def test_an_actor_class_that_cannot_be_watched_fails_to_start_and_harms_nobody(
    journal: Journal,
) -> None:
    class Plugin(pykka.ThreadingActor):
        def __init_subclass__(cls, *, plugin: str, **options: Any) -> None:
            super().__init_subclass__(**options)

    root = start(journal, "a")

    with pytest.raises(StartFailed, match="plugin"):
        root.ask(StartChild(_spec(Plugin)))
    root.tell(StartChild(_spec(Plugin)))

    assert root.ask(TerminateChild("a"), timeout=PATIENCE) is None


def test_a_supervisor_that_cannot_do_a_step_ends_and_leaves_nothing_half_done(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = start(journal, "a b")

    def fail(*_: Any) -> None:
        raise LookupError("no room")

    monkeypatch.setattr(Hands, "start", fail)
    with pytest.raises(LookupError):
        root.ask(StartChild(spec("c", journal)), timeout=PATIENCE)

    assert root.wait_gone(PATIENCE)
    assert root.lifecycle.reason == "LookupError: no room"
    assert journal.of("stop") == ["b", "a"]


# -- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "line"),
    [
        (TerminateChild("gone"), "ChildNotFound: no child has the id 'gone'; there are ['a']"),
        (RestartChild("a"), "ChildBusy: child 'a' is running"),
        (DeleteChild("gone"), "ChildNotFound"),
        (TerminateChild([]), "ChildNotFound: no child has the id []"),  # type: ignore[arg-type]
        (StartChild("a"), "InvalidChildSpec: a child must be given"),  # type: ignore[arg-type]
    ],
)
def test_a_refusal_that_was_told_is_logged_and_ends_nothing(
    journal: Journal, caplog: pytest.LogCaptureFixture, told: Any, line: str
) -> None:
    root = start(journal, "a")

    root.tell(told)

    assert root.ask(CountChildren()).active == 1
    assert f"nobody waits for the answer: {line}" in caplog.text


def test_a_start_that_was_told_and_fails_is_logged_and_ends_nothing(
    journal: Journal, fails: Any, caplog: pytest.LogCaptureFixture
) -> None:
    root = start(journal, "a")
    fails.failing = True

    root.tell(StartChild(_spec(fails)))

    assert root.ask(CountChildren()).specs == 1
    assert "nobody waits for the answer: StartFailed: child 'fails' failed to start" in caplog.text
    assert "# the line that raised" in caplog.text


def test_a_told_question_that_is_refused_ends_nothing(journal: Journal) -> None:
    root = start(journal, "a")
    root.tell(GetHandle("gone"))
    root.tell(GetChildSpec("gone"))
    root.proxy().get_child_spec.defer("gone")

    assert root.ask(CountChildren()).active == 1


def test_a_significant_child_needs_an_automatic_shutdown(journal: Journal) -> None:
    significant = spec("a", journal, restart="transient", significant=True)
    root = start(journal, "")
    text = "significant must be False for the child 'a'"

    with pytest.raises(InvalidChildSpec, match=text):
        Supervisor.start(children=[significant])
    with pytest.raises(InvalidChildSpec, match=text):
        root.ask(StartChild(significant))


def test_an_argument_that_cannot_be_shown_is_refused_and_ends_nothing(journal: Journal) -> None:
    class Shy:
        def __repr__(self) -> str:
            raise LookupError

    root = start(journal, "a")
    shy: Any = Shy()

    for operation in (StartChild(shy), TerminateChild(shy), DeleteChild(shy)):
        root.tell(operation)

    assert root.ask(CountChildren()).active == 1


def test_messages_go_by_the_methods_of_a_subclass(journal: Journal) -> None:
    class Audited(Supervisor):
        def start_child(self, spec: ChildSpec) -> Any:
            journal.lines.append(f"audit {spec.id}")
            return super().start_child(spec)

    root = Audited.start()
    root.ask(StartChild(spec("a", journal)))
    root.proxy().start_child(spec("b", journal)).get(timeout=PATIENCE)

    assert journal.lines == ["audit a", "start a", "audit b", "start b"]


# -- what becomes of temporary children -----------------------------------------------------


def test_a_temporary_child_that_ignores_its_start_is_not_kept(journal: Journal) -> None:
    journal.ignoring.add("t")
    temporary = spec("t", journal, restart="temporary")
    root = Supervisor.start(children=[spec("a", journal), temporary])
    assert states(root) == {"a": "running"}

    assert root.ask(StartChild(temporary)) is None

    assert states(root) == {"a": "running"}


@pytest.mark.parametrize("restart", ["temporary", "transient"])
def test_the_crash_of_a_child_that_is_not_restarted_is_reported(
    journal: Journal, caplog: pytest.LogCaptureFixture, restart: Any
) -> None:
    root = start(journal, "a")
    root.ask(StartChild(spec("t", journal, restart=restart)))
    if restart == "transient":
        refs(root)["t"].stop()  # a normal end
        until(root, lambda: states(root)["t"] == "stopped")
        assert "not restarted" not in caplog.text
        return

    refs(root)["t"].tell(die)

    until(root, lambda: "t" not in states(root))
    assert "child 't' has died and is not restarted: LookupError: told to die" in caplog.text


# -- its own start --------------------------------------------------------------------------


def test_a_supervisor_whose_on_start_fails_does_not_start(journal: Journal) -> None:
    class Fallible(Supervisor):
        def on_start(self) -> None:
            super().on_start()
            raise LookupError("no disk")

    with pytest.raises(pykka.ActorDeadError, match="LookupError: no disk"):
        Fallible.start(children=[spec("a", journal)])
    assert journal.lines == []


def test_a_supervisor_that_is_stopped_as_it_starts_does_not_start(journal: Journal) -> None:
    class Hesitant(Supervisor):
        def on_start(self) -> None:
            self.stop()

    with pytest.raises(pykka.ActorDeadError, match="it was stopped"):
        Hesitant.start(children=[spec("a", journal)])
    assert journal.of("start") == journal.of("stop")


@pytest.mark.parametrize("where", ["__init__", "on_start"])
def test_a_child_that_a_subclass_adds_as_it_starts_is_started_once_after_the_first_ones(
    journal: Journal, where: str
) -> None:
    class Adding(Supervisor):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            if where == "__init__":
                self.start_child(spec("b", journal))

        def on_start(self) -> None:
            if where == "on_start":
                self.start_child(spec("b", journal))

    root = Adding.start(children=[spec("a", journal)])
    until(root, lambda: states(root) == {"a": "running", "b": "running"})

    root.stop()

    assert journal.lines == ["start a", "start b", "stop b", "stop a"]


def test_hooks_of_a_subclass_need_not_call_those_of_the_supervisor(journal: Journal) -> None:
    class Own(Supervisor):
        def on_start(self) -> None:
            journal.lines.append("start own")

        def on_stop(self) -> None:
            journal.lines.append("stop own")

        def on_failure(self, *_: Any) -> None:
            journal.lines.append("fail own")

    root = Own.start(children=[spec("a", journal)])
    assert states(root) == {"a": "running"}

    root.stop()

    assert journal.lines == ["start own", "start a", "stop own", "stop a"]


def test_a_child_that_stops_its_supervisor_as_it_starts_leaves_nothing(journal: Journal) -> None:
    class Stopper(pykka.ThreadingActor):
        def on_start(self) -> None:
            vars(self.actor_ref)["supervisor"].stop(block=False)

    with pytest.raises((pykka.ActorDeadError, StartFailed)):
        Supervisor.start(children=[_spec(Stopper), spec("a", journal)])
    assert journal.of("start") == journal.of("stop")


def test_the_message_of_an_unknown_id_names_some_of_many(journal: Journal) -> None:
    rules = Rules("one_for_one", 3, 5.0, None, "never")
    children = Children(rules, [spec(f"c{n}", journal) for n in range(1000)])

    with pytest.raises(ChildNotFound, match="'c19'] and 980 more$"):
        children.find("x")


def test_ignore_at_a_restart_leaves_the_child_stopped(journal: Journal) -> None:
    root = start(journal, "a b", strategy="one_for_all")
    journal.ignoring.add("b")

    kill(root, "a")
    until(root, lambda: states(root)["a"] == "running")

    assert states(root) == {"a": "running", "b": "stopped"}
    journal.ignoring.clear()
    assert root.ask(RestartChild("b")).is_alive()
    assert issubclass(Ignore, Exception)
