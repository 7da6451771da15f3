"""The rules alone: against a model of OTP's manual, and with notices in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pykka
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from namepool.actors import (
    Backoff,
    ChildSpec,
    DeleteChild,
    RestartChild,
    StartChild,
    SupervisorError,
    TerminateChild,
)
from namepool.actors.supervision.messages import Rules
from namepool.actors.supervision.rules import Child, Failure, SupervisorState
from namepool.actors.supervision.supervisor import Hands
from tests.actors.supervision.otp_model import REASON, Ended, OtpSupervisor, Outcome

IDS = "abcdef"
Notice = tuple[object, str, tuple[Any, ...]]
"""Which others come before it or after it, what to tell, and about what."""


class World:
    """Does what the rules say, without actors."""

    def __init__(self, rules: Rules, specs: list[ChildSpec], outcomes: Iterable[Outcome]) -> None:
        self.state = SupervisorState(rules, specs)
        self.backoff = rules.backoff
        self.outcomes = iter(outcomes)
        self.now = 0.0
        self.log: list[tuple[str, str]] = []
        self.ids: dict[int, str] = {}
        """Of the actors that live, by the number of their start."""
        self.notices: list[Notice] = []
        self.timers: list[tuple[float, Notice]] = []
        self.answers: list[list[Any]] = []
        self.reports: list[str] = []
        self.is_ready = False
        self.ended: str | None = None
        self.stuck: set[int] = set()
        """Those that do not stop when they are asked to."""

    def tell(self, what: str, *about: Any) -> None:
        getattr(self.state, what)(*about)
        while self.state.steps:
            step = self.state.steps.popleft()
            assert hasattr(Hands, step.do)
            getattr(self, step.do)(*step.about)

    def deliver(self, place: int = 0) -> None:
        """Deliver a notice, or one before it about the same actor."""
        keys = [key for key, *_ in self.notices]
        _, what, about = self.notices.pop(keys.index(keys[place]))
        if what == "died":
            self.ids.pop(about[0], None)
        self.tell(what, *about, self.now)

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.notices += [notice for due, notice in self.timers if due <= self.now]
        self.timers = [(due, notice) for due, notice in self.timers if due > self.now]

    def settle(self) -> None:
        while self.notices:
            self.deliver()

    def ask(self, operation: Any) -> int:
        self.answers.append([])
        self.tell("ask", operation, len(self.answers) - 1)
        return len(self.answers) - 1

    def answer(self, to: int) -> str:
        """Return what an operation was answered, in a word."""
        (value,) = self.answers[to]
        if isinstance(value, BaseException):
            return type(value).__name__
        return "none" if value is None else "ref"

    def dies(self, number: int, reason: str | None = REASON) -> None:
        """An actor ends by itself."""
        if (number, "died") not in [(key, what) for key, what, _ in self.notices]:
            self.notices.append((number, "died", (number, reason)))

    def number_of(self, id_: str) -> int:
        return self.state.children[id_].number

    def states(self) -> dict[str, str]:
        return {child.spec.id: child.state for child in self.state.children.values()}

    # -- the steps ---------------------------------------------------------------------------

    def start(self, number: int, spec: ChildSpec) -> None:
        outcome = next(self.outcomes, "up")
        self.log.append(("start", spec.id))
        if outcome == "ignores":
            self.state.ignored(number)
        elif outcome == "raises":
            self.state.failed(number, Failure(REASON), self.now)
        else:
            self.state.launched(number, number)
            self.ids[number] = spec.id
            if outcome == "up":
                self.notices.append((number, "came_up", (number,)))
            elif outcome == "dies":
                self.dies(number)

    def stop(self, number: int, ref: int, seconds: float | None) -> None:
        assert ref == number
        self.log.append(("stop", self.ids[number]))
        if seconds is not None:
            self.timers.append((self.now + seconds, (object(), "overdue", (number,))))
        if number not in self.stuck:
            self.dies(number, None)

    def leave_behind(self, spec: ChildSpec, ref: int) -> None:
        assert spec.shutdown is not None
        del self.ids[ref]

    def up(self, id_: str, ref: int) -> None:
        assert self.ids[ref] == id_

    def down(self, id_: str) -> None:
        assert id_ not in self.ids.values()

    def close(self, id_: str, reason: str) -> None:
        assert id_ not in self.ids.values()

    def forget(self, spec: ChildSpec, reason: str) -> None:
        assert spec.id not in self.ids.values()

    def reply(self, to: int, value: object) -> None:
        self.answers[to].append(value)

    def wait(self, failures: int, members: list[Child]) -> None:
        assert failures > 0
        seconds = 0.0 if self.backoff is None else self.backoff.pause(failures)
        notice: Notice = (object(), "again", (members,))
        if seconds:
            self.timers.append((self.now + seconds, notice))
        else:
            self.notices.append(notice)

    def report(self, id_: str, what: str, failure: Failure) -> None:
        self.reports.append(f"{id_} {what}")

    def ready(self) -> None:
        self.is_ready = True

    def give_up(self, error: SupervisorError | None) -> None:
        assert self.ended is None
        self.ended = "shutdown" if error is None else type(error).__name__


# -- against the model -----------------------------------------------------------------------


def a_spec(id_: str, restart: Any = "permanent", **fields: Any) -> ChildSpec:
    return ChildSpec(id_, pykka.ThreadingActor, restart=restart, **fields)


@st.composite
def some_rules(draw: st.DrawFn, backoff: Backoff | None) -> Rules:
    return Rules(
        draw(st.sampled_from(["one_for_one", "one_for_all", "rest_for_one"])),
        draw(st.integers(0, 4)),
        5.0,
        backoff,
        draw(st.sampled_from(["never", "any_significant", "all_significant"])),
    )


def spec_for(rules: Rules, id_: str) -> st.SearchStrategy[ChildSpec]:
    def made(restart: str, significant: bool) -> ChildSpec:
        is_significant = significant and restart != "permanent" and rules.auto_shutdown != "never"
        return a_spec(id_, restart, significant=is_significant)

    restarts = st.sampled_from(["permanent", "permanent", "transient", "temporary"])
    return st.builds(made, restarts, st.booleans())


SOME: list[Outcome] = ["up", "up", "up", "raises", "dies", "ignores"]
OUTCOMES = st.lists(st.sampled_from(SOME), max_size=25)


@given(st.data())
@settings(max_examples=500, deadline=None)
def test_it_does_what_otps_manual_says(data: st.DataObject) -> None:
    rules = data.draw(some_rules(None))
    specs = [data.draw(spec_for(rules, id_)) for id_ in IDS[: data.draw(st.integers(0, 4))]]
    outcomes = data.draw(OUTCOMES)
    later = iter(outcomes)
    world = World(rules, specs, outcomes)
    model = OtpSupervisor(rules, specs, lambda _: next(later, "up"))
    try:
        model_begins_and_lives(data, world, model)
    except Ended:
        pass
    world.settle()
    assert world.log == model.log
    assert world.ended == model.ended


def model_begins_and_lives(data: st.DataObject, world: World, model: OtpSupervisor) -> None:
    world.tell("begin")
    model.begin()
    for _ in range(data.draw(st.integers(0, 12))):
        world.settle()
        assert world.states() == model.shown()
        assert world.log == model.log
        happens(data, world, model)


def happens(data: st.DataObject, world: World, model: OtpSupervisor) -> None:
    """Ask the same of both, or let the same child die, or let time pass."""
    what = data.draw(st.sampled_from(["start", "terminate", "restart", "delete", *("die",) * 4]))
    seconds = data.draw(st.sampled_from([0.0, 1.0, 4.0, 5.0, 6.0]))
    world.advance(seconds)
    model.now = world.now
    id_ = data.draw(st.sampled_from(IDS))
    if what == "die":
        if world.ids:
            number = data.draw(st.sampled_from(sorted(world.ids)))
            reason = data.draw(st.sampled_from([None, REASON]))
            id_ = world.ids[number]
            world.dies(number, reason)
            model.dies(id_, reason)
        return
    spec = data.draw(spec_for(world.state.children._rules, id_))
    operations: dict[str, tuple[Any, Callable[[], str]]] = {
        "start": (StartChild(spec), lambda: model.start_child(spec)),
        "terminate": (TerminateChild(id_), lambda: model.terminate_child(id_)),
        "restart": (RestartChild(id_), lambda: model.restart_child(id_)),
        "delete": (DeleteChild(id_), lambda: model.delete_child(id_)),
    }
    operation, expected = operations[what]
    to = world.ask(operation)
    world.settle()
    assert world.answer(to) == expected()


# -- in any order ----------------------------------------------------------------------------


def go_on_anyhow(data: st.DataObject, world: World) -> None:
    """Ask something, let somebody die, or deliver a notice or a timer; whichever it is."""
    ways = ["ask", "ask", "advance", "stale"]
    ways += ["deliver"] * 4 if world.notices else []
    ways += ["die"] if world.ids else []
    way = data.draw(st.sampled_from(ways))
    if way == "ask":
        id_ = data.draw(st.sampled_from(IDS))
        spec = data.draw(spec_for(world.state.children._rules, id_))
        kinds = [TerminateChild(id_), RestartChild(id_), DeleteChild(id_), StartChild(spec)]
        world.ask(data.draw(st.sampled_from(kinds)))
    elif way == "deliver":
        world.deliver(data.draw(st.integers(0, len(world.notices) - 1)))
    elif way == "advance":
        world.advance(data.draw(st.sampled_from([0.5, 2.0, 6.0])))
    elif way == "die":
        number = data.draw(st.sampled_from(sorted(world.ids)))
        world.dies(number, data.draw(st.sampled_from([None, REASON])))
        if data.draw(st.booleans()):
            world.stuck.add(number)
    else:
        number = data.draw(st.integers(-1, 50))
        if number not in world.ids:
            world.tell("died", number, REASON, world.now)
            world.tell("came_up", number, world.now)
            world.tell("overdue", number, world.now)


@pytest.mark.parametrize("backoff", [None, Backoff(first=1.0, longest=4.0)])
@given(data=st.data())
@settings(max_examples=500, deadline=None)
def test_whatever_overtakes_what_everybody_is_answered_and_nobody_is_lost(
    data: st.DataObject, backoff: Backoff | None
) -> None:
    rules = data.draw(some_rules(backoff))
    rules = rules._replace(max_restarts=data.draw(st.integers(2, 40)))
    specs = [data.draw(spec_for(rules, id_)) for id_ in IDS[:4]]
    world = World(rules, specs, data.draw(OUTCOMES))
    world.tell("begin")
    for _ in range(data.draw(st.integers(0, 30))):
        go_on_anyhow(data, world)
    for _ in range(200):
        world.settle()
        if not world.timers:
            break
        world.advance(6.0)
    assert not world.timers

    if world.ended is None:
        assert world.is_ready
        assert [len(answer) for answer in world.answers] == [1] * len(world.answers)
        assert set(world.states().values()) <= {"running", "stopped"}
        running = [c for c in world.state.children.values() if c.state == "running"]
        assert {c.number: c.spec.id for c in running} == world.ids  # no orphan, and nobody twice
        assert all(c.ref == c.number for c in running)
        assert all(c.ref is None for c in world.state.children.values() if c not in running)
    children = world.state.end(pykka.ActorDeadError("it has ended"))
    world.tell("end", pykka.ActorDeadError("twice does no harm"))
    assert world.state.children == {}
    assert {*world.ids} <= {c.ref for c in children}
    assert [len(answer) for answer in world.answers] == [1] * len(world.answers)


# -- one by one ------------------------------------------------------------------------------


def busy_world(rules: Rules, specs: list[ChildSpec], *outcomes: Outcome) -> World:
    """Return one whose children are up, and a further one is starting."""
    ups: list[Outcome] = ["up"] * (len(specs) + 1)
    world = World(rules, specs, [*ups, *outcomes])
    world.tell("begin")
    world.settle()
    world.ask(StartChild(a_spec("slow")))
    return world


def test_deaths_that_wait_together_are_counted_once_though_the_restart_fails() -> None:
    rules = Rules("one_for_all", 100, 5.0, None, "never")
    world = busy_world(rules, [a_spec("a"), a_spec("b")], "raises")
    for id_ in "ab":
        world.dies(world.number_of(id_))
        world.deliver(1)

    world.settle()

    assert world.reports == ["a is restarted (restart 1)"] * 2
    assert set(world.states().values()) == {"running"}


def test_the_death_of_a_child_that_is_terminated_before_its_turn_shuts_nothing_down() -> None:
    rules = Rules("one_for_one", 100, 5.0, None, "any_significant")
    world = busy_world(rules, [a_spec("a", "transient", significant=True)])
    world.dies(world.number_of("a"))
    world.deliver(1)

    world.ask(TerminateChild("a"))
    world.settle()

    assert world.ended is None
    assert world.states() == {"a": "stopped", "slow": "running"}


class Steady(Backoff):
    """Pauses of ten seconds, without jitter."""

    def pause(self, *_: Any) -> float:
        return 10.0


def test_a_pause_that_another_restart_has_made_out_of_date_is_ignored() -> None:
    rules = Rules("one_for_all", 100, 5.0, Steady(), "never")
    world = World(rules, [a_spec(id_) for id_ in "abc"], ["up", "up", "up", "raises"])
    world.tell("begin")
    world.settle()
    world.dies(world.number_of("a"))  # a pause until 10
    world.settle()
    world.advance(1.0)
    world.dies(world.number_of("b"))  # until 11
    world.settle()
    world.log.clear()
    world.advance(9.0)
    world.settle()  # a does not come up: a pause for all of them, until 20
    assert world.log == [("stop", "c"), ("start", "a")]

    world.advance(1.0)
    world.settle()
    assert world.log == [("stop", "c"), ("start", "a")]

    world.advance(9.0)
    world.settle()
    assert world.log[2:] == [("start", "a"), ("start", "b"), ("start", "c")]
