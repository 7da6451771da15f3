"""The rules by which a supervisor decides its next steps, without a thread, a clock or a log.

The module ``supervisor`` tells ``SupervisorState`` about each operation, start, death and passed
time. ``SupervisorState`` appends the next steps to its queue ``steps``. The module ``supervisor``
does these steps, and tells the outcome of each.

**One task is under way at a time.** A task stops some children, the last one first. Then it starts
some children, the first one first. Everything that arrives meanwhile waits in one of two queues.
One queue has the deaths. The other queue has the operations, and the restarts whose pause is over.
After a task, the supervisor first takes the deaths out of their queue, and then takes the next item
out of the other queue. Both queues keep the order of arrival. The rules judge an item when it
leaves its queue, with three exceptions:

- An operation that cannot be carried out now is refused at once. But if other operations or
  restarts wait before it, or if its child is about to end, the operation waits too.
- A child may die by itself before the task stops it. The task wants this child to be down, so the
  death is not counted.
- ``TerminateChild`` ends a start of its child if that start is under way. It also takes the child
  out of a restart and out of the first start. But a ``StartChild`` or ``RestartChild`` of the same
  child may still wait before the ``TerminateChild``. Then both are carried out: the child is
  started, and then stopped.

Each start of a child has a number. A notice with another number is about an earlier start, and is
ignored.

The rules for restart types, strategies, intensity and automatic shutdown are those of OTP's
``supervisor``.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

from namepool.actors.checks import shown
from namepool.actors.supervision import messages as m
from namepool.actors.supervision.child_spec import ChildSpec, InvalidChildSpec

Operation = m.StartChild | m.TerminateChild | m.RestartChild | m.DeleteChild


class Step(NamedTuple):
    """A step to be done: the name of a method of ``supervisor.Hands``, and its arguments."""

    do: str
    about: tuple[Any, ...]


class Failure(NamedTuple):
    """The reason why a child has ended or did not come up.

    ``error`` is the exception with its traceback, if there is one.
    """

    text: str
    error: BaseException | None = None


CANCELLED = Failure("it was terminated before it was up")
_ENDED = "it is temporary, and has ended"
_GAVE_UP = f"{m.RestartIntensityExceeded.__name__}:"
"""The beginning of the reason for which a supervisor died, if the supervisor has given up.

As in OTP, such a death is not abnormal, so it does not restart a transient supervisor.
"""


class Child:
    """A spec, with the state of its child; ``state`` has the values of ``ChildInfo.state``."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.state: m.ChildState = "stopped"
        self.ref: Any = None
        self.number = 0
        """The number of the last start, or 0 if the end of that start has been dealt with."""
        self.due: list[Child] = []
        """The children with which this child waits for its restart."""
        self.restarts = 0
        self.deaths_in_a_row = 0
        self.last_death: float = float("-inf")

    @property
    def info(self) -> m.ChildInfo:
        """The facts about this child for the answer to ``WhichChildren``."""
        return m.ChildInfo(self.spec.id, self.ref, self.state, self.spec.kind, self.restarts)


class Asked(NamedTuple):
    """An operation on the child ``id``. The answer goes to ``to``."""

    operation: Operation
    to: Any
    id: str
    was_known: bool


class Children(dict[str, Child]):
    """A mapping of ids to children, in the order of start."""

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
        raise m.ChildNotFound(f"no child has the id {shown(id)}; there are {ids}{more}")

    def asked(self, operation: Operation, to: Any) -> Asked:
        """Return the operation as an ``Asked``, with the id of its child and with ``to``.

        A caller may have passed any object as the operation's id or spec. If this object has no id,
        the id of the ``Asked`` is empty.
        """
        id_ = getattr(getattr(operation, "spec", operation), "id", None)
        id_ = id_ if isinstance(id_, str) else ""
        return Asked(operation, to, id_, id_ in self)

    def is_ending(self, id: str) -> bool:  # noqa: A002
        """Tell whether a child is about to be stopped or forgotten."""
        child = self.get(id)
        if child is None or child.state == "stopping":
            return child is not None
        return child.state == "stopped" and child.spec.restart == "temporary"

    def refusal(self, asked: Asked) -> Exception | None:
        """Return an error if the operation cannot be carried out now; otherwise ``None``."""
        try:
            self._check(asked)
        except Exception as error:  # the argument may be any object, so any error may come
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
        """Return the children that are restarted if ``child`` has died, in the order of start.

        A child that is not meant to run is left as it is. Either it was terminated, or its work is
        done, or it refused to be started.
        """
        if self._rules.strategy == "one_for_one":
            return [child]
        everybody = list(self.values())
        if self._rules.strategy == "rest_for_one":
            everybody = everybody[everybody.index(child) :]
        return [c for c in everybody if c.state in ("running", "restarting")]

    def counts(self) -> m.ChildCounts:
        """Return the numbers of all children, of active children, and of each kind."""
        supervisors = sum(child.spec.kind == "supervisor" for child in self.values())
        active = sum(child.state == "running" for child in self.values())
        return m.ChildCounts(len(self), active, supervisors, len(self) - supervisors)


class Task:
    """The task under way: an operation, a restart, or the first start of all children."""

    def __init__(
        self,
        stop: Iterable[Child] = (),
        start: Iterable[Child] = (),
        *,
        asked: Asked | None = None,
        restarts: bool = False,
    ) -> None:
        self.stop: list[Child] = list(stop)
        """The children still to be stopped, the last one first."""
        self.start: deque[Child] = deque(start)
        """The children still to be started, the first one first."""
        self.asked = asked
        self.restarts = restarts
        self.leaves: m.ChildState = "restarting" if restarts else "stopped"
        """The state of a child after the task has stopped it."""
        self.child: Child | None = None
        """The child that is starting or stopping now."""
        self.last: Child | None = None
        """The last child that the task has started, or is starting."""


class Restarts:
    """The consequences of a death.

    The child is restarted at once, after a pause, or never, or the supervisor ends.
    """

    def __init__(self, rules: m.Rules, children: Children, do: Callable[..., None]) -> None:
        self._rules = rules
        self._children = children
        self._do = do
        self._spent: deque[float] = deque()
        """The times of the tried restarts in the last ``max_seconds``."""
        self.deaths: deque[tuple[Child, int, str | None, float]] = deque()
        """The deaths still to be judged: the child, the number of its start, the reason, the time.
        """
        self.is_at_work: bool = False
        """Whether the supervisor has begun and has not ended."""

    def mourn(self, child: Child, reason: str | None, now: float) -> None:
        """Note that a running child has died by itself; the death is judged in its turn."""
        restart = child.spec.restart
        is_abnormal = reason is not None and not reason.startswith(_GAVE_UP)
        is_restarted = restart == "permanent" or (restart == "transient" and is_abnormal)
        child.state = "restarting" if is_restarted else "stopped"
        if not is_restarted and reason is not None:
            self._do("report", child.spec.id, "has died and is not restarted", Failure(reason))
        self.deaths.append((child, child.number, reason, now))

    def judged(self) -> Task | None:
        """Judge the first of the deaths, and return the restart if it is due now."""
        child, number, reason, at = self.deaths.popleft()
        if child.number != number:
            return None  # the child was restarted with its group, or terminated
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
        """Restart a dead child after a pause.

        If its group waits for a restart already, the child is restarted with its group.
        """
        others = self._children.values() if self._rules.strategy != "one_for_one" else ()
        waiting = [c for c in others if c.state == "restarting" and c.number == 0]
        for first in waiting:
            if child in self._children.group_of(first):
                first.due.append(child)
                child.due, child.number = first.due, 0
                self._do("report", child.spec.id, "is restarted with its group", failure)
                return
        # The waiting children come later in the order, so they must not come up before the child.
        self.failed([child, *waiting], failure, now)

    def failed(self, members: list[Child], failure: Failure, now: float) -> None:
        """Try a restart later, because the first of ``members`` died or did not come up.

        ``members`` are the children that are restarted together.
        """
        self._count(members, failure, now)
        for member in members:
            member.due = members
        self._do("wait", members[0].deaths_in_a_row, members)

    def due(self, members: list[Child]) -> Task | None:
        """Return the restart whose pause is over.

        Return ``None`` if all its children were terminated meanwhile.
        """
        left = [c for c in members if c.state == "restarting" and c.due is members]
        return self._replacing(left[0]) if left else None

    def forget(self, child: Child, reason: str) -> None:
        """Forget a child and its spec."""
        child.state = "stopped"
        del self._children[child.spec.id]
        self._do("forget", child.spec, reason)

    def end(self, error: m.SupervisorError | None) -> None:
        """End the supervisor.

        ``error`` is the reason. If ``error`` is ``None``, the supervisor ends as if it was stopped.
        """
        self.is_at_work = False
        self._do("give_up", error)

    def _count(self, members: list[Child], failure: Failure, now: float) -> None:
        """Count the death of the first member. One death too many ends the supervisor."""
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
        """Return the restart of a child and of the other children that the strategy restarts."""
        group = self._children.group_of(child)
        return Task([c for c in group if c.state == "running"], group, restarts=True)

    def _shuts_down(self) -> bool:
        """Tell whether the end of a significant child ends the supervisor too."""
        significant = [c for c in self._children.values() if c.spec.significant]
        are_all_gone = all(c.state == "stopped" for c in significant)
        return self._rules.auto_shutdown == "any_significant" or are_all_gone


class SupervisorState:
    """The state of a supervisor, which decides its next steps; see the module's docstring.

    After each call the caller takes the steps out of ``steps``, in order.
    """

    def __init__(self, rules: m.Rules, specs: Iterable[ChildSpec]) -> None:
        self.steps: deque[Step] = deque()
        self.children: Children = Children(rules, specs)
        self._restarts = Restarts(rules, self.children, self._do)
        self._living: dict[int, Child] = {}
        """The children that have an actor, by the number of the start."""
        self._numbers = itertools.count(1)
        self._task: Task | None = None
        self._waiting: deque[Asked | list[Child]] = deque()
        """The operations, and the children of restarts that are due, in the order of arrival."""

    # -- calls by the supervisor -------------------------------------------------------------

    def begin(self) -> None:
        """Start the initial children. An operation that was asked before waits for this start."""
        self._task, self._restarts.is_at_work = Task(start=self.children.values()), True
        self._go_on()

    def ask(self, operation: Operation, to: Any) -> None:
        """Carry out an operation, and answer ``to`` at once or later."""
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
        """Note that the child is starting, and that ``ref`` is its ref."""
        self._living[number].ref = ref

    def failed(self, number: int, failure: Failure, now: float) -> None:
        """Note that the child could not be launched."""
        self._not_started(self._living.pop(number), failure, now)
        self._go_on()

    def ignored(self, number: int) -> None:
        """Note that the child refused to be started now."""
        self._stopped(self._living.pop(number), "stopped")
        self._go_on()

    def came_up(self, number: int, _: float) -> None:
        """Note that the child is up."""
        child = self._living.get(number)
        if child is not None and child.state == "starting":
            task = cast("Task", self._task)
            child.state, task.child = "running", None
            child.restarts += task.restarts
            self._do("up", child.spec.id, child.ref)
            self._go_on()

    def died(self, number: int, reason: str | None, now: float) -> None:
        """Note that the child is dead; ``reason`` is ``None`` after a normal stop."""
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
        """Note that the child's time to stop is over."""
        child = self._living.get(number)
        if child is not None and child.state == "stopping":
            self._do("leave_behind", child.spec, child.ref)
            self._leave(child)
            self._down(child, now)
            self._go_on()

    def again(self, members: list[Child], _: float) -> None:
        """Note that the pause before the restart of these children is over."""
        self._waiting.append(members)
        self._go_on()

    def end(self, error: BaseException) -> list[Child]:
        """End for good, and return the children, the last one first.

        Each caller that still waits gets ``error``.
        """
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
        """Go on with the task, and then with all that waits, until a child must be waited for."""
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
        """Judge the next item that waits, and return its task.

        Return ``None`` if no child must be started or stopped.
        """
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
        children = [] if child is None else [child]  # a temporary child may have ended meanwhile
        if isinstance(operation, m.TerminateChild):
            return Task(stop=children, asked=asked)
        return Task(start=children, asked=asked)

    def _done(self, task: Task) -> None:
        """Note that the task has stopped and started all its children."""
        if task.asked is not None:  # the answer to a start is the ref, if there is one
            self._do("reply", task.asked.to, task.last and task.last.ref)
        elif not task.restarts:
            self._do("ready")

    # -- to start and to stop a child --------------------------------------------------------

    def _bring_up(self, task: Task, child: Child) -> None:
        if task.restarts and child.state != "restarting":
            return  # the child has been terminated meanwhile
        child.state, child.number = "starting", next(self._numbers)
        self._living[child.number] = task.child = task.last = child
        self._do("start", child.number, child.spec)

    def _not_started(self, child: Child, failure: Failure, now: float) -> None:
        """Deal with a child that did not come up."""
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
        elif failure is not CANCELLED:  # if it was terminated, the others are still started
            self._restarts.end(_because(failure, m.StartFailed(text)))

    def _cancel(self, child: Child) -> None:
        """End a start of a child that will be terminated.

        This is done at once, because the operation itself may have to wait long for its turn.
        """
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
        """Note that the child has no actor any more, or only one that was left behind."""
        del self._living[child.number]
        child.ref = None
        self._do("down", child.spec.id)

    def _down(self, child: Child, now: float) -> None:
        """Note that a child that was asked to stop has stopped, or is left behind."""
        task = cast("Task", self._task)
        if child is task.last:
            self._not_started(child, CANCELLED, now)
        else:
            self._stopped(child, task.leaves)

    def _stopped(self, child: Child, state: m.ChildState) -> None:
        """Note that a child is down, as the task wants it."""
        child.state, cast("Task", self._task).child = state, None
        if child.spec.restart == "temporary":
            self._restarts.forget(child, _ENDED)


def _because(failure: Failure, error: m.SupervisorError) -> m.SupervisorError:
    """Return ``error`` with the failure's exception as its cause."""
    error.__cause__ = failure.error
    return error
