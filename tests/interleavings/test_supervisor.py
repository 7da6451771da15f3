"""A supervisor's death notice against ``terminate_child`` and ``restart_child``."""

from __future__ import annotations

import queue
from collections.abc import Mapping
from functools import partial
from typing import Any

import pykka
import pytest

from namepool.actors import (
    Backoff,
    ChildBusy,
    ChildNotFound,
    ChildSpec,
    DeleteChild,
    RestartChild,
    ServiceActor,
    Supervisor,
    TerminateChild,
)
from namepool.actors.supervision import supervisor as supervisors
from namepool.actors.supervision.rules import SupervisorState
from tests.interleavings.support import SCHEDULES, run_own_thread, under_the_explorer, unstarted
from tests.interleavings.support import holds as _holds
from tests.interleavings.support import is_found as _is_found

pytestmark = under_the_explorer

TRACE = ("namepool.actors.supervision.*", "namepool.actors.lifecycle")
holds = partial(_holds, trace=TRACE, schedules=SCHEDULES // 2)
is_found = partial(_is_found, trace=TRACE)


class Child(ServiceActor):
    """Dies of whatever it is told."""

    def on_receive(self, message: Any) -> None:
        raise ValueError("fatal")


class Family:
    """A supervisor with one child at a time, whose incarnations share one thread."""

    def __init__(
        self,
        patch: pytest.MonkeyPatch,
        shutdown: float | None,
        backoff: Backoff | None,
        callers: int,
    ) -> None:
        self.callers = callers
        self.born: list[Any] = []
        self.cradle: queue.Queue[Any] = queue.Queue()
        self.victims: queue.Queue[Any] = queue.Queue()
        patch.setattr(supervisors, "launch", self.launch)
        spec = ChildSpec("child", Child, shutdown=shutdown)
        self.supervisor: Any = unstarted(
            Supervisor, children=[spec], max_restarts=9, backoff=backoff
        )
        self.ref: Any = self.supervisor.actor_ref
        self.gone: list[str] = []
        self.terminated: list[int] = []
        self.restarted: list[Any] = []
        self.deleted: list[bool] = []

    def launch(
        self,
        actor_class: type[ServiceActor],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        supervisor: object,
        **about: object,
    ) -> pykka.ActorRef[Any]:
        child = unstarted(actor_class, *args, **kwargs)
        self.born.append(child)
        self.cradle.put(child)
        self.victims.put(child)
        return child.actor_ref  # type: ignore[no-any-return]

    def own_thread(self) -> None:
        run_own_thread(self.supervisor)
        self.cradle.put(None)

    def childrens_thread(self) -> None:
        while (child := self.cradle.get()) is not None:
            run_own_thread(child)

    def leave(self, who: str) -> None:
        self.gone.append(who)
        if len(self.gone) == self.callers:
            self.ref.stop(block=False)

    def kill(self) -> None:
        """Kill the first child, once it is there."""
        self.victims.get().actor_ref.try_tell("die")
        self.leave("killer")

    def terminate(self) -> None:
        self.ref.lifecycle.is_up.wait()
        self.ref.ask(TerminateChild("child"))
        self.terminated.append(len(self.born))
        assert not any(child.actor_ref.is_alive() for child in self.born)
        self.leave("terminator")

    def terminate_and_restart(self) -> None:
        self.ref.lifecycle.is_up.wait()
        self.ref.ask(TerminateChild("child"))
        self.terminated.append(len(self.born))
        try:
            self.restarted.append(self.ref.ask(RestartChild("child")))
        except (ChildBusy, ChildNotFound):
            self.restarted.append(None)
        self.leave("terminator")

    def terminate_and_delete(self) -> None:
        self.ref.lifecycle.is_up.wait()
        self.ref.ask(TerminateChild("child"))
        try:
            self.ref.ask(DeleteChild("child"))
            self.deleted.append(True)
        except ChildBusy:
            self.deleted.append(False)
        self.leave("deleter")

    def is_as_answered(self) -> bool:
        """A child that was deleted is not started any more; nobody lives on."""
        (restarted,) = self.restarted
        was_last = restarted is None or restarted is self.born[-1].actor_ref
        return was_last and len(self.deleted) == 1 and self.is_over()

    def is_terminated(self) -> bool:
        """No child was started after the last was terminated; it is not there."""
        return self.terminated == [len(self.born)] and self.is_over()

    def is_restarted(self) -> bool:
        """One child more was started, by who asked for it, and is the last."""
        (before,) = self.terminated
        return (
            len(self.born) == before + 1
            and self.restarted == [self.born[-1].actor_ref]
            and self.is_over()
        )

    def is_over(self) -> bool:
        return all(child.actor_ref.lifecycle.is_gone.is_set() for child in self.born)


def family(
    patch: pytest.MonkeyPatch,
    shutdown: float | None = None,
    backoff: Backoff | None = None,
    callers: int = 2,
) -> Any:
    return partial(Family, patch, shutdown, backoff, callers)


SOON = Backoff(first=0.001, longest=0.001)
THREADS = [Family.own_thread, Family.childrens_thread]


def test_a_child_that_dies_while_it_is_terminated_is_not_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workers = [*THREADS, Family.kill, Family.terminate]
    holds(family(monkeypatch), workers, Family.is_terminated)


def test_a_child_that_is_terminated_before_its_restart_is_not_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workers = [*THREADS, Family.kill, Family.terminate]
    holds(family(monkeypatch, backoff=SOON), workers, Family.is_terminated)


def test_a_child_that_dies_while_it_is_replaced_by_hand_is_started_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workers = [*THREADS, Family.kill, Family.terminate_and_restart]
    holds(family(monkeypatch), workers, Family.is_restarted)


def test_a_notice_of_an_abandoned_childs_death_does_not_concern_its_successor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workers = [*THREADS, Family.kill, Family.terminate_and_restart]
    holds(family(monkeypatch, shutdown=0.001), workers, Family.is_restarted)


def test_two_callers_and_a_death_leave_one_child_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = [*THREADS, Family.kill, Family.terminate_and_restart, Family.terminate_and_delete]
    holds(family(monkeypatch, callers=3), workers, Family.is_as_answered)


def test_it_is_found_when_a_terminated_child_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SupervisorState, "_cancel", lambda self, child: None)
    monkeypatch.setattr(SupervisorState, "_take_down", _only_those_that_run)
    workers = [*THREADS, Family.kill, Family.terminate]
    is_found(family(monkeypatch, backoff=SOON), workers, Family.is_terminated)


def _only_those_that_run(self: Any, task: Any, child: Any) -> None:
    if child.state == "running":
        task.child = child
        self._stop(child)


def test_it_is_found_when_a_stale_notice_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    died = SupervisorState.died

    def believed(self: Any, number: int, reason: str | None, now: float) -> None:
        died(self, next(iter(self._living), number), reason, now)

    monkeypatch.setattr(SupervisorState, "died", believed)
    workers = [*THREADS, Family.kill, Family.terminate_and_restart]
    is_found(family(monkeypatch, shutdown=0.001), workers, Family.is_restarted)
