"""What a supervisor does next: OTP's rules, without a thread, a clock or a log.

``SupervisorState`` is told what was asked, what came up, what died and which time has passed. It
leaves in ``steps`` what is to be done about it. ``supervisor`` does that and tells the outcome.

**One task is under way at a time.** It stops some children, the last one first, and then starts
some, the first one first. Anything else that arrives waits: deaths, and behind them operations and
restarts that are due, each in the order of arrival. All of it is judged when its turn comes, with
three exceptions:

- An operation that is refused as things stand is refused at once, unless others wait before it, or
  its child is about to end.
- The death of a child that the task is about to stop is what the task wants. It counts for nothing.
- ``TerminateChild`` ends a start of its child that is under way, and takes it out of a restart, and
  out of the first start. A start that is asked for before it and comes later it does not end.

Each start of a child has a number. A notice with another number is about an earlier start: stale.

Source: OTP's ``supervisor`` for restart types, strategies, intensity and automatic shutdown.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

from namepool.actors.supervision import messages as m
from namepool.actors.supervision.child_spec import ChildSpec, InvalidChildSpec

Operation = m.StartChild | m.TerminateChild | m.RestartChild | m.DeleteChild


class Step(NamedTuple):
    """Something to be done: the name of a method of ``supervisor.Hands``, and its arguments."""

    do: str
    about: tuple[Any, ...]


class Failure(NamedTuple):
    """Why a child has ended, or did not come up; ``error`` has a traceback, if there is one."""

    text: str
    error: BaseException | None = None


CANCELLED = Failure("it was terminated before it was up")
_ENDED = "it is temporary, and has ended"
_GAVE_UP = f"{m.RestartIntensityExceeded.__name__}:"
"""Begins the reason of a supervisor that has given up. As in OTP that is no abnormal end."""


class Child:
    """A spec and what has become of it; ``state`` is what ``ChildInfo`` says."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.state: m.ChildState = "stopped"
        self.ref: Any = None
        self.number = 0
        """Of its last start; 0: what has become of that is dealt with."""
        self.due: list[Child] = []
        """The children with which it waits for its restart."""
        self.restarts = 0
        self.deaths_in_a_row = 0
        self.last_death: float = float("-inf")

    @property
    def info(self) -> m.ChildInfo:
        """What is told of it."""
        return m.ChildInfo(self.spec.id, self.ref, self.state, self.spec.kind, self.restarts)


class Asked(NamedTuple):
    """An operation on the child ``id``; ``to`` is whom to answer."""

    operation: Operation
    to: Any
    id: str
    was_known: bool


class Children(dict[str, Child]):
    """Id → child, in the order of start."""

    def __init__(self, rules: m.Rules, specs: Iterable[ChildSpec]) -> None:
        super().__init__()
        self._rules = rules
        for spec in specs:
            rules.check(spec)
            if spec.id in self:
                raise InvalidChildSpec(f"id must be unique among the children, {spec.id!r} is not")
            self[spec.id] = Child(spec)

    def find(self, id: str) -> Child:  # noqa: A002
        """Return a child.

        Raises:
            ChildNotFound: no child has this id
        """
        if isinstance(id, str) and id in self:
            return self[id]
        more = f" and {len(self) - 20} more" if len(self) > 20 else ""
        ids = [*itertools.islice(self, 20)]
        raise m.ChildNotFound(f"no child has the id {ascii(id)[:100]}; there are {ids}{more}")

    def asked(self, operation: Operation, to: Any) -> Asked:
        """Return an operation as it waits; its id, or spec, may be anything."""
        id_ = getattr(getattr(operation, "spec", operation), "id", None)
        id_ = id_ if isinstance(id_, str) else ""
        return Asked(operation, to, id_, id_ in self)

    def is_ending(self, id: str) -> bool:  # noqa: A002
        """Tell whether a child is about to be stopped, or to be forgotten."""
        child = self.get(id)
        if child is None or child.state == "stopping":
            return child is not None
        return child.state == "stopped" and child.spec.restart == "temporary"

    def refusal(self, asked: Asked) -> Exception | None:
        """Return why an operation cannot be carried out as things stand, if it cannot."""
        try:
            self._check(asked)
        except Exception as error:  # whatever comes of an argument that may be anything
            return error
        return None

    def _check(self, asked: Asked) -> None:
        operation, present = asked.operation, self.get(asked.id)
        if isinstance(operation, m.StartChild):
            self._rules.check(operation.spec)
            if present is not None:
                how = "started" if present.ref is not None else f"present ({present.state})"
                what = f"child {asked.id!r} is already {how}"
                raise m.ChildExists(f"{what}: delete it, or take another id")
        elif isinstance(operation, m.TerminateChild):
            if not asked.was_known:
                self.find(operation.id)
        elif self.find(operation.id).state != "stopped":
            state = self[asked.id].state
            raise m.ChildBusy(f"child {asked.id!r} is {state}: terminate it first")

    def group_of(self, child: Child) -> list[Child]:
        """Return the children that are restarted when ``child`` has died, in the order of start.

        A child that does not run, and is not to, stays as it is: somebody has terminated it, its
        work is done, or it did not want to be started.
        """
        if self._rules.strategy == "one_for_one":
            return [child]
        everybody = list(self.values())
        if self._rules.strategy == "rest_for_one":
            everybody = everybody[everybody.index(child) :]
        return [c for c in everybody if c.state in ("running", "restarting")]

    def counts(self) -> m.ChildCounts:
        """Return how many children there are, are active, and are of each kind."""
        supervisors = sum(child.spec.kind == "supervisor" for child in self.values())
        active = sum(child.state == "running" for child in self.values())
        return m.ChildCounts(len(self), active, supervisors, len(self) - supervisors)


class Task:
    """What is under way: an operation, a restart, or, if it is neither, the first start."""

    def __init__(
        self,
        stop: Iterable[Child] = (),
        start: Iterable[Child] = (),
        *,
        asked: Asked | None = None,
        restarts: bool = False,
    ) -> None:
        self.stop: list[Child] = list(stop)
        """Still to be stopped, the last one first."""
        self.start: deque[Child] = deque(start)
        """Still to be started, the first one first."""
        self.asked = asked
        self.restarts = restarts
        self.leaves: m.ChildState = "restarting" if restarts else "stopped"
        """What a child is once it is stopped."""
        self.child: Child | None = None
        """The one that is starting or stopping now."""
        self.last: Child | None = None
        """The last one that it has started, or is starting."""


class Restarts:
    """What a death means: a restart now, after a pause, or never; or the end of the supervisor."""

    def __init__(self, rules: m.Rules, children: Children, do: Callable[..., None]) -> None:
        self._rules = rules
        self._children = children
        self._do = do
        self._spent: deque[float] = deque()
        """When restarts were tried, in the last ``max_seconds``."""
        self.deaths: deque[tuple[Child, int, str | None, float]] = deque()
        """Still to be judged: who has died, in which start, of what, and when."""
        self.is_at_work: bool = False
        """It has begun, and not ended."""

    def mourn(self, child: Child, reason: str | None, now: float) -> None:
        """A running child has died by itself; what that means is judged in its turn."""
        restart = child.spec.restart
        is_abnormal = reason is not None and not reason.startswith(_GAVE_UP)
        is_restarted = restart == "permanent" or (restart == "transient" and is_abnormal)
        child.state = "restarting" if is_restarted else "stopped"
        if not is_restarted and reason is not None:
            self._do("report", child.spec.id, "has died and is not restarted", Failure(reason))
        self.deaths.append((child, child.number, reason, now))

    def judged(self) -> Task | None:
        """Judge the first of the deaths; return the restart, if that is due now."""
        child, number, reason, at = self.deaths.popleft()
        if child.number != number:
            return None  # a group was restarted, or it was terminated
        if child.state == "restarting":
            failure = Failure(reason or "it had stopped")
            if self._rules.backoff is not None:
                self._pause(child, failure, at)
                return None
            self._count([child], failure, at)
            return self._replacing(child)
        if child.spec.restart == "temporary":
            self.forget(child, _ENDED)
        else:
            self._do("close", child.spec.id, "it has ended, and ended well")
        if child.spec.significant and self._shuts_down():
            self.end(None)
        return None

    def _pause(self, child: Child, failure: Failure, now: float) -> None:
        """Restart a dead child after a pause; with its group, if that waits for one already."""
        others = self._children.values() if self._rules.strategy != "one_for_one" else ()
        waiting = [c for c in others if c.state == "restarting" and c.number == 0]
        for first in waiting:
            if child in self._children.group_of(first):
                first.due.append(child)
                child.due, child.number = first.due, 0
                self._do("report", child.spec.id, "is restarted with its group", failure)
                return
        self.failed([child, *waiting], failure, now)  # those behind it do not come up before it

    def failed(self, members: list[Child], failure: Failure, now: float) -> None:
        """The first of those to be restarted together did not come up, or has died: try later."""
        self._count(members, failure, now)
        for member in members:
            member.due = members
        self._do("wait", members[0].deaths_in_a_row, members)

    def due(self, members: list[Child]) -> Task | None:
        """Return the restart whose pause is over, unless all of it was terminated meanwhile."""
        left = [c for c in members if c.state == "restarting" and c.due is members]
        return self._replacing(left[0]) if left else None

    def forget(self, child: Child, reason: str) -> None:
        """Take a child out, with its spec."""
        child.state = "stopped"
        del self._children[child.spec.id]
        self._do("forget", child.spec, reason)

    def end(self, error: m.SupervisorError | None) -> None:
        """End of an error, or as if stopped."""
        self.is_at_work = False
        self._do("give_up", error)

    def _count(self, members: list[Child], failure: Failure, now: float) -> None:
        """Count the death of the first member. One death too many is the end."""
        child, backoff = members[0], self._rules.backoff
        for member in members:
            member.state, member.number = "restarting", 0
        is_first = backoff is None or now - child.last_death > backoff.quiet
        child.deaths_in_a_row = 1 if is_first else child.deaths_in_a_row + 1
        child.last_death = now
        self._spent.append(now)
        while now - self._spent[0] > self._rules.max_seconds:
            self._spent.popleft()
        if len(self._spent) > self._rules.max_restarts:
            text = f"child {child.spec.id!r} died too often, at last: {failure.text}"
            self.end(_because(failure, m.RestartIntensityExceeded(text)))
            return
        what = f"is restarted (restart {child.restarts + 1})"
        self._do("report", child.spec.id, what, failure)

    def _replacing(self, child: Child) -> Task:
        """Return the restart of a child, with those that the strategy restarts too."""
        group = self._children.group_of(child)
        return Task([c for c in group if c.state == "running"], group, restarts=True)

    def _shuts_down(self) -> bool:
        """Tell whether the end of a significant child is the supervisor's own."""
        significant = [c for c in self._children.values() if c.spec.significant]
        are_all_gone = all(c.state == "stopped" for c in significant)
        return self._rules.auto_shutdown == "any_significant" or are_all_gone


class SupervisorState:
    """See the module. After each call the caller takes the steps out of ``steps``, in order."""

    def __init__(self, rules: m.Rules, specs: Iterable[ChildSpec]) -> None:
        self.steps: deque[Step] = deque()
        self.children: Children = Children(rules, specs)
        self._restarts = Restarts(rules, self.children, self._do)
        self._living: dict[int, Child] = {}
        """By the number of the start, while there is an actor of it."""
        self._numbers = itertools.count(1)
        self._task: Task | None = None
        self._waiting: deque[Asked | list[Child]] = deque()
        """Operations, and the children of restarts that are due, in the order of arrival."""

    # -- what it is told ---------------------------------------------------------------------

    def begin(self) -> None:
        """Start the initial children; an operation that was asked before waits for that."""
        self._task, self._restarts.is_at_work = Task(start=self.children.values()), True
        self._go_on()

    def ask(self, operation: Operation, to: Any) -> None:
        """Carry out an operation; ``to`` is answered, at once or later."""
        asked = self.children.asked(operation, to)
        waits = self._waiting or self.children.is_ending(asked.id)
        refusal = None if waits else self.children.refusal(asked)
        if refusal is not None:
            self._do("reply", to, refusal)
            return
        if isinstance(operation, m.TerminateChild) and asked.was_known:
            self._cancel(self.children[asked.id])
        self._waiting.append(asked)
        self._go_on()

    def launched(self, number: int, ref: Any) -> None:
        """The child is starting, as ``ref``."""
        self._living[number].ref = ref

    def failed(self, number: int, failure: Failure, now: float) -> None:
        """The child could not be launched."""
        self._not_started(self._living.pop(number), failure, now)
        self._go_on()

    def ignored(self, number: int) -> None:
        """The child does not want to be started now."""
        self._stopped(self._living.pop(number), "stopped")
        self._go_on()

    def came_up(self, number: int, _: float) -> None:
        """The child is up."""
        child = self._living.get(number)
        if child is not None and child.state == "starting":
            task = cast("Task", self._task)
            child.state, task.child = "running", None
            child.restarts += task.restarts
            self._do("up", child.spec.id, child.ref)
            self._go_on()

    def died(self, number: int, reason: str | None, now: float) -> None:
        """The child is dead; ``reason`` is ``None`` after a normal stop."""
        child = self._living.get(number)
        if child is None:
            return
        self._leave(child)
        if child.state == "starting":
            self._not_started(child, Failure(reason or "it stopped before it was up"), now)
        elif child.state == "stopping":
            self._down(child, now)
        else:
            self._restarts.mourn(child, reason, now)
        self._go_on()

    def overdue(self, number: int, now: float) -> None:
        """The child, which was asked to stop, has had its time."""
        child = self._living.get(number)
        if child is not None and child.state == "stopping":
            self._do("leave_behind", child.spec, child.ref)
            self._leave(child)
            self._down(child, now)
            self._go_on()

    def again(self, members: list[Child], _: float) -> None:
        """The pause before the restart of these children is over."""
        self._waiting.append(members)
        self._go_on()

    def end(self, error: BaseException) -> list[Child]:
        """End for good; return the children, the last one first. Who still waits gets ``error``."""
        children, asked = [*reversed(self.children.values())], [*self._waiting]
        asked += [self._task.asked] if self._task and self._task.asked else []
        answers = [step for step in self.steps if step.do == "reply"]
        answers += [Step("reply", (a.to, error)) for a in asked if isinstance(a, Asked)]
        for each in (self.children, self._living, self._waiting, self.steps):
            each.clear()
        self._task, self._restarts.is_at_work = None, False
        self.steps += answers
        return children

    # -- one thing at a time -----------------------------------------------------------------

    def _do(self, do: str, *about: Any) -> None:
        self.steps.append(Step(do, about))

    def _go_on(self) -> None:
        """Go on with the task, and with what waits, until a child has to be waited for."""
        while self._restarts.is_at_work:
            task = self._task
            if task is None:
                if not self._restarts.deaths and not self._waiting:
                    return
                self._task = self._next()
            elif task.child is not None:
                return
            elif task.stop:
                self._take_down(task, task.stop.pop())
            elif task.start:
                self._bring_up(task, task.start.popleft())
            else:
                self._task = None
                self._done(task)

    def _next(self) -> Task | None:
        """Judge what comes next; return the task, unless nothing is to be started or stopped."""
        if self._restarts.deaths:
            return self._restarts.judged()
        item = self._waiting.popleft()
        if isinstance(item, list):
            return self._restarts.due(item)
        refusal = self.children.refusal(item)
        if refusal is None:
            return self._carried_out(item)
        self._do("reply", item.to, refusal)
        return None

    def _carried_out(self, asked: Asked) -> Task:
        operation, child = asked.operation, self.children.get(asked.id)
        if isinstance(operation, m.StartChild):
            child = self.children[asked.id] = Child(operation.spec)
        if isinstance(operation, m.DeleteChild) and child is not None:
            self._restarts.forget(child, "its spec was deleted")
            child = None
        children = [] if child is None else [child]  # a temporary one may have ended meanwhile
        if isinstance(operation, m.TerminateChild):
            return Task(stop=children, asked=asked)
        return Task(start=children, asked=asked)

    def _done(self, task: Task) -> None:
        """All is stopped and started that was to be."""
        if task.asked is not None:  # who asked for a start gets the ref, if there is one
            self._do("reply", task.asked.to, task.last and task.last.ref)
        elif not task.restarts:
            self._do("ready")

    # -- to start and to stop a child --------------------------------------------------------

    def _bring_up(self, task: Task, child: Child) -> None:
        if task.restarts and child.state != "restarting":
            return  # it has been terminated since
        child.state, child.number = "starting", next(self._numbers)
        self._living[child.number] = task.child = task.last = child
        self._do("start", child.number, child.spec)

    def _not_started(self, child: Child, failure: Failure, now: float) -> None:
        """A child did not come up."""
        child.state, task = "stopped", cast("Task", self._task)
        task.child = None
        text = f"child {child.spec.id!r} failed to start: {failure.text}"
        if task.asked is not None:
            self._task = None
            if isinstance(task.asked.operation, m.StartChild):
                self._restarts.forget(child, "it failed to start")
            self._do("reply", task.asked.to, _because(failure, m.StartFailed(text)))
        elif task.restarts and failure is not CANCELLED:
            self._task = None
            left = [c for c in task.start if c.state == "restarting"]
            self._restarts.failed([child, *left], failure, now)
        elif failure is not CANCELLED:  # else the others are started all the same
            self._restarts.end(_because(failure, m.StartFailed(text)))

    def _cancel(self, child: Child) -> None:
        """End a start of a child that is to be terminated: what else waits for it may be long."""
        if child.state == "starting":
            self._stop(child)
        elif child.state == "restarting":
            child.state, child.number = "stopped", 0
        if self._task is not None and child in self._task.start:
            self._task.start.remove(child)

    def _take_down(self, task: Task, child: Child) -> None:
        if child.state == "running":
            task.child = child
            self._stop(child)
        elif not task.restarts:
            self._stopped(child, "stopped")

    def _stop(self, child: Child) -> None:
        child.state = "stopping"
        self._do("stop", child.number, child.ref, child.spec.shutdown)

    def _leave(self, child: Child) -> None:
        """There is no actor of this child any more that counts."""
        del self._living[child.number]
        child.ref = None
        self._do("down", child.spec.id)

    def _down(self, child: Child, now: float) -> None:
        """A child that was asked to stop has stopped, or is left behind."""
        task = cast("Task", self._task)
        if child is task.last:
            self._not_started(child, CANCELLED, now)
        else:
            self._stopped(child, task.leaves)

    def _stopped(self, child: Child, state: m.ChildState) -> None:
        """A child is down, as the task wants it."""
        child.state, cast("Task", self._task).child = state, None
        if child.spec.restart == "temporary":
            self._restarts.forget(child, _ENDED)


def _because(failure: Failure, error: m.SupervisorError) -> m.SupervisorError:
    """Return an error whose cause is that of a failure, with its traceback."""
    error.__cause__ = failure.error
    return error
