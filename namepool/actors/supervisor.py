"""The ``Supervisor`` actor: starts children, watches them, restarts them by OTP's rules.

It never waits: what takes several steps (start in order, stop in reverse, replace a group) is a
generator that yields a condition, and is resumed by the message that fulfils it. One such procedure
runs at a time; requests are answered all the while. Only at its own end, when nothing is left to
answer, does it wait for its children.

Sources: OTP's supervisor for strategies, intensity, shutdown and the meaning of each operation.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pykka

from namepool.actors.child_spec import ChildSpec
from namepool.actors.death_watch import fate_of, give_up, launch
from namepool.actors.handle import ActorHandle
from namepool.actors.ref import QueuingRef
from namepool.actors.reply import Reply
from namepool.actors.restarts import Backoff, RestartBudget
from namepool.actors.service_actor import ServiceActor, ServiceRef
from namepool.actors.supervision import (
    AutoShutdown,
    ChildBusy,
    ChildCounts,
    ChildExists,
    ChildInfo,
    ChildNotFound,
    CountChildren,
    DeleteChild,
    GetChildSpec,
    GetHandle,
    Ignore,
    RestartChild,
    RestartIntensityExceeded,
    StartChild,
    StartFailed,
    Strategy,
    SupervisorError,
    TerminateChild,
    WhichChildren,
    check_flags,
    check_spec,
    checked_specs,
)

logger: logging.Logger = logging.getLogger(__name__)

SWEEP = 5.0
"""Seconds between looks at whether each child's thread still runs, should a report be missing."""

Condition = Callable[[], bool]
Procedure = Generator[Condition, None, Any]


class _Begin(NamedTuple):
    """Start the initial children."""


class _Up(NamedTuple):
    id: str
    ref: pykka.ActorRef[Any]


class _Died(NamedTuple):
    id: str
    ref: pykka.ActorRef[Any]
    reason: str | None


class _Overdue(NamedTuple):
    id: str
    ref: pykka.ActorRef[Any]


class _Retry(NamedTuple):
    id: str
    attempt: int


class _End(NamedTuple):
    error: SupervisorError


class _Sweep(NamedTuple):
    pass


class _Child:
    """A spec and what has become of it."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.ref: pykka.ActorRef[Any] | None = None
        self.state = "stopped"
        self.failure: str | None = None  # of the last attempt to start
        self.restarts = 0
        self.deaths_in_a_row = 0
        self.last_death = float("-inf")
        self.handle = ActorHandle(spec.id)

    @property
    def is_settled(self) -> bool:
        return self.state not in ("starting", "stopping")

    def abandon(self, reason: str) -> None:
        """It will not be started again: say so to all who count on it."""
        self.handle.close(reason)
        if self.spec.on_abandon is not None:
            self.spec.on_abandon()


class Supervisor(ServiceActor):
    """Keeps its children running; see the module, and ``start`` for the options."""

    comes_up_later = True

    def __init__(
        self,
        *,
        children: Iterable[ChildSpec] = (),
        strategy: Strategy = "one_for_one",
        max_restarts: int = 3,
        max_seconds: float = 5.0,
        backoff: Backoff | None = None,
        auto_shutdown: AutoShutdown = "never",
    ) -> None:
        super().__init__()
        self._children: dict[str, _Child] = {}
        for spec in checked_specs(children):
            self._children[spec.id] = _Child(spec)
        check_flags(strategy, max_restarts, max_seconds, backoff, auto_shutdown)
        self._strategy = strategy
        self._budget = RestartBudget(max_restarts, max_seconds)
        self._backoff = backoff
        self._auto_shutdown = auto_shutdown
        self._procedures: deque[Procedure] = deque()
        self._condition: Condition | None = None
        self._requests: list[Reply[Any]] = []
        self._ending = False
        self._actor_ref = SupervisorRef(self)
        self._handlers.update(self._table())

    def _table(self) -> dict[type, Callable[[Any], Any]]:
        return {
            StartChild: lambda m: self.start_child(m.spec),
            TerminateChild: lambda m: self.terminate_child(m.id),
            RestartChild: lambda m: self.restart_child(m.id),
            DeleteChild: lambda m: self.delete_child(m.id),
            WhichChildren: lambda _: self.which_children(),
            CountChildren: lambda _: self.count_children(),
            GetChildSpec: lambda m: self.get_child_spec(m.id),
            GetHandle: lambda m: self.handle(m.id),
            _Begin: lambda _: self._run(self._start_initial()),
            _Up: self._child_up,
            _Died: self._child_died,
            _Overdue: self._child_overdue,
            _Retry: self._retry,
            _Sweep: self._sweep,
            _End: self._end,
        }

    # -- what Pykka and parents call --------------------------------------------------------

    @classmethod
    def start(cls, *args: Any, **options: Any) -> SupervisorRef:
        """Start a supervisor and its children; blocks until they are up.

        All options are given by keyword.

        Args:
            children: ``ChildSpec`` s, started in order and stopped in reverse
            strategy: ``one_for_one`` replaces who died; ``one_for_all`` everybody; ``rest_for_one``
                who died and those started after it
            max_restarts, max_seconds: one more death within so many seconds ends the supervisor
            backoff: ``None``: restart at once; or a ``Backoff``
            auto_shutdown: whether the end of a significant child, or of all, is its own

        Raises:
            StartFailed: a child failed to start; those started before it have been stopped
            InvalidChildSpec, ValueError: an option of the wrong type or range
        """
        started: list[Any] = []
        try:
            ref = cls.start_for(started, *args, **options)
            return ref  # noqa: RET504  it may be struck in between
        except BaseException:
            give_up(started)
            raise

    @classmethod
    def start_for(cls, receipt: list[Any], *args: Any, **options: Any) -> SupervisorRef:
        """Start one as ``start`` does for a caller that may be struck: see ``launch``."""
        ref = cast("SupervisorRef", launch(cls, args, options, receipt=receipt))
        ref.fate.settled.wait()
        if ref.start_failure is not None:
            ref.wait_gone()
            raise ref.start_failure
        return ref

    @classmethod
    def child_spec(cls, id: str = "supervisor", **options: Any) -> ChildSpec:  # noqa: A002
        """Return how another supervisor starts this one; ``options`` are those of ``start``."""
        own = {"restart", "shutdown", "significant", "on_abandon"}
        fields = {name: options.pop(name) for name in own & options.keys()}
        return ChildSpec(id=id, actor_class=cls, kwargs=options, kind="supervisor", **fields)

    def on_start(self) -> None:
        """Begin with the children; this supervisor is up when they are."""
        self._actor_ref.post(_Begin())
        self.schedule(SWEEP, _Sweep())

    def on_stop(self) -> None:
        """Stop the children in reverse; waits for each as long as its spec says."""
        self._stop_for_good("its supervisor has stopped; start another")

    def on_failure(self, *_: Any) -> None:
        """Stop the children: a dead supervisor keeps nobody."""
        self._stop_for_good("its supervisor has failed; see the log, and start another")

    # -- the operations ---------------------------------------------------------------------

    def start_child(self, spec: ChildSpec) -> Reply[pykka.ActorRef[Any]]:
        """Add a child and start it; the answer is its ref once it is up.

        Raises:
            ChildExists: its id is taken
            StartFailed: it did not come up; the spec is not kept
        """
        check_spec(spec)
        present = self._children.get(spec.id)
        if present is not None:
            how = "started" if present.ref is not None else f"present ({present.state})"
            raise ChildExists(f"child {spec.id!r} is already {how}: delete it, or take another id")
        child = self._children[spec.id] = _Child(spec)
        return self._answer_with(self._add(child))

    def terminate_child(self, id: str) -> Reply[None]:  # noqa: A002
        """Stop a child; its spec is kept, a temporary one's is not. Twice does no harm.

        Raises:
            ChildNotFound: no child has this id
        """
        child = self._find(id)
        if child.state == "restarting":
            child.state = "stopped"  # what was scheduled for it finds it so and leaves it
        elif child.state == "starting" and child.ref is not None:
            self._stop_child(child, child.ref)  # now: what starts it may be waiting for ever
        return self._answer_with(self._terminate(child))

    def restart_child(self, id: str) -> Reply[pykka.ActorRef[Any]]:  # noqa: A002
        """Start a terminated child again; the answer is its ref once it is up.

        Raises:
            ChildNotFound: no child has this id
            ChildBusy: it is running, or being restarted
            StartFailed: it did not come up; its spec is kept
        """
        return self._answer_with(self._start_again(self._find_idle(id)))

    def delete_child(self, id: str) -> None:  # noqa: A002
        """Forget a terminated child.

        Raises:
            ChildNotFound: no child has this id
            ChildBusy: it is running, or being restarted
        """
        child = self._find_idle(id)
        del self._children[id]
        child.abandon("its spec was deleted")

    def which_children(self) -> list[ChildInfo]:
        """Return every child, in the order of start."""
        return [
            ChildInfo(c.spec.id, c.ref, c.state, c.spec.kind, c.restarts)
            for c in self._children.values()
        ]

    def count_children(self) -> ChildCounts:
        """Return how many children there are, are active, and are of each kind."""
        children = self._children.values()
        supervisors = sum(child.spec.kind == "supervisor" for child in children)
        active = sum(child.state == "running" for child in children)
        return ChildCounts(len(children), active, supervisors, len(children) - supervisors)

    def get_child_spec(self, id: str) -> ChildSpec:  # noqa: A002
        """Return a child's spec.

        Raises:
            ChildNotFound: no child has this id
        """
        return self._find(id).spec

    def handle(self, id: str) -> ActorHandle:  # noqa: A002
        """Return a handle of a child that stays valid across its restarts.

        Raises:
            ChildNotFound: no child has this id
        """
        return self._find(id).handle

    def _find(self, id: str) -> _Child:  # noqa: A002
        child = self._children.get(id)
        if child is None:
            raise ChildNotFound(f"no child has the id {id!a}; there are {[*self._children]}")
        return child

    def _find_idle(self, id: str) -> _Child:  # noqa: A002
        child = self._find(id)
        if child.state != "stopped":
            raise ChildBusy(f"child {id!r} is {child.state}: terminate it first")
        return child

    # -- procedures: one at a time, resumed by the message that fulfils their condition -------

    def _run(self, procedure: Procedure) -> None:
        self._procedures.append(procedure)
        self._advance()

    def _advance(self) -> None:
        while self._procedures and not self._ending:
            if self._condition is not None and not self._condition():
                return
            self._condition = None
            try:
                self._condition = next(self._procedures[0])
            except StopIteration:
                self._procedures.popleft()

    def _answer_with(self, procedure: Procedure) -> Reply[Any]:
        """Answer the present request with what ``procedure`` returns or raises."""
        reply = self.deferred()
        self._requests.append(reply)

        def answering() -> Procedure:
            try:
                result = yield from procedure
            except SupervisorError as error:
                reply.fail_quietly(error)
            else:
                reply.set_quietly(result)
            self._requests.remove(reply)

        self._run(answering())
        return reply

    def _start_initial(self) -> Procedure:
        for child in list(self._children.values()):
            yield from self._bring_up(child)
            if child.failure is not None:
                self._give_up(_start_failed(child))
                return
        self._actor_ref.fate.came_up()

    def _add(self, child: _Child) -> Procedure:
        yield from self._bring_up(child)
        if child.failure is not None:
            del self._children[child.spec.id]
            child.abandon("it failed to start")
            raise _start_failed(child)
        return child.ref

    def _start_again(self, child: _Child) -> Procedure:
        if child.state == "stopped":
            yield from self._bring_up(child)
        if child.failure is not None:
            raise _start_failed(child)
        return child.ref

    def _terminate(self, child: _Child) -> Procedure:
        yield from self._take_down(child)
        if child.spec.restart == "temporary":
            self._forget(child)

    def _replace(self, child: _Child) -> Procedure:
        """Restart a dead child, with those that its strategy replaces too."""
        if child.state != "restarting":
            return  # terminated since
        group = [c for c in self._group(child) if c.state in ("running", "restarting")]
        for other in reversed(group):
            if other is not child:
                yield from self._take_down(other)
                other.state = "restarting"
                if other.spec.restart == "temporary":
                    self._forget(other)
        for member in group:
            if member.spec.id not in self._children or member.state != "restarting":
                continue
            yield from self._bring_up(member)
            if member.failure is not None:
                self._restart(member, member.failure)
                return
            member.restarts += 1

    def _group(self, child: _Child) -> list[_Child]:
        everybody = list(self._children.values())
        if self._strategy == "one_for_one":
            return [child]
        return everybody if self._strategy == "one_for_all" else everybody[everybody.index(child) :]

    def _bring_up(self, child: _Child) -> Procedure:
        """Start a child, and go on when it is up or has failed; then ``failure`` says why."""
        child.state, child.failure = "starting", None
        spec = child.spec
        try:
            ref = launch(spec.actor_class, spec.args, spec.kwargs, self._actor_ref)
        except Ignore:
            child.state = "stopped"
            return
        except BaseException as error:
            child.state, child.failure = "stopped", f"{type(error).__name__}: {error}"
            return
        child.ref = ref
        fate = fate_of(ref)
        post = self._actor_ref.post
        fate.watch_up(lambda: post(_Up(spec.id, ref)))
        fate.watch(lambda reason: post(_Died(spec.id, ref, reason)))
        yield lambda: child.is_settled

    def _take_down(self, child: _Child) -> Procedure:
        """Stop a child, and go on when it is down or has been abandoned."""
        yield lambda: child.is_settled
        ref = child.ref
        if ref is None:
            child.state = "stopped"
            return
        child.state = "stopping"
        self._stop_child(child, ref)
        yield lambda: child.is_settled

    def _stop_child(self, child: _Child, ref: pykka.ActorRef[Any]) -> None:
        ref.stop(block=False)
        if child.spec.shutdown is not None:
            self.schedule(cast("float", child.spec.shutdown), _Overdue(child.spec.id, ref))

    # -- what happens to children -----------------------------------------------------------

    def _known(self, id: str, ref: pykka.ActorRef[Any]) -> _Child | None:  # noqa: A002
        """Return the child that a notice is about; ``None`` if the notice is stale."""
        child = self._children.get(id)
        return child if child is not None and child.ref is ref and not self._ending else None

    def _child_up(self, message: _Up) -> None:
        child = self._known(message.id, message.ref)
        if child is not None and child.state == "starting":
            child.state = "running"
            child.handle.install(message.ref)
            self._advance()

    def _child_died(self, message: _Died) -> None:
        child = self._known(message.id, message.ref)
        if child is None:
            return
        before, child.ref, child.state = child.state, None, "stopped"
        child.handle.vacate()
        if before == "starting":
            child.failure = message.reason or "it stopped before it was up"
        elif before == "running":
            self._child_ended(child, message.reason)
        self._advance()

    def _child_ended(self, child: _Child, reason: str | None) -> None:
        """A running child has ended by itself: restart it, or let it be."""
        restart = child.spec.restart
        if restart == "permanent" or (restart == "transient" and _is_abnormal(reason)):
            self._restart(child, reason)
            return
        if restart == "temporary":
            self._forget(child)
        else:
            child.abandon("it has ended, and ended well")
        if child.spec.significant and self._shuts_down():
            self.stop()

    def _shuts_down(self) -> bool:
        if self._auto_shutdown == "any_significant":
            return True
        significant = [c for c in self._children.values() if c.spec.significant]
        return self._auto_shutdown == "all_significant" and all(c.ref is None for c in significant)

    def _restart(self, child: _Child, reason: str | None) -> None:
        """Restart a dead child, now or after a pause; or give up."""
        now = self.actor_inbox.clock()
        child.state = "restarting"
        quiet = self._backoff is None or now - child.last_death > self._backoff.quiet
        child.deaths_in_a_row = 1 if quiet else child.deaths_in_a_row + 1
        child.last_death = now
        if not self._budget.spend(now):
            text = f"child {child.spec.id!r} died too often, at last: {reason or 'a normal stop'}"
            self._give_up(RestartIntensityExceeded(text))
            return
        logger.warning(
            "%s: child %r is restarted (restart %d): %s",
            self, child.spec.id, child.restarts + 1, reason or "it had stopped",
        )  # fmt: skip
        if self._backoff is None:
            self._procedures.append(self._replace(child))
            return
        pause = self._backoff.pause(child.deaths_in_a_row)
        self.schedule(pause, _Retry(child.spec.id, child.deaths_in_a_row))

    def _retry(self, message: _Retry) -> None:
        child = self._children.get(message.id)
        if child is not None and child.deaths_in_a_row == message.attempt:
            self._run(self._replace(child))

    def _child_overdue(self, message: _Overdue) -> None:
        child = self._known(message.id, message.ref)
        if child is not None and not child.is_settled:
            if child.state == "starting":
                child.failure = "it was terminated before it was up"
            _abandon(child, message.ref)
            self._advance()

    def _sweep(self, message: _Sweep) -> None:
        """Find children whose thread has ended without a report; there should be none."""
        for child in list(self._children.values()):
            if child.ref is None:
                continue
            fate = fate_of(child.ref)
            if fate.thread is not None and not fate.thread.is_alive() and not fate.is_gone.is_set():
                self._child_died(_Died(child.spec.id, child.ref, "its thread ended unreported"))
        self.schedule(SWEEP, _Sweep())

    def _forget(self, child: _Child) -> None:
        self._children.pop(child.spec.id, None)
        child.abandon("it is temporary, and has ended")

    # -- the end ----------------------------------------------------------------------------

    def _give_up(self, error: SupervisorError) -> None:
        """End with ``error`` as the reason, which a parent sees."""
        self._ending = True
        if isinstance(error, StartFailed):
            cast("SupervisorRef", self._actor_ref).start_failure = error
        logger.error("%s gives up: %s", self, error)
        self._actor_ref.post(_End(error))

    def _end(self, message: _End) -> None:
        raise message.error  # in a tell: it kills this actor, by way of on_failure

    def _stop_for_good(self, reason: str) -> None:
        self._ending = True
        for child in reversed(list(self._children.values())):
            ref = child.ref
            if ref is not None:
                ref.stop(block=False)
                if not fate_of(ref).is_gone.wait(cast("float | None", child.spec.shutdown)):
                    _abandon(child, ref)
            child.abandon(reason)
        for reply in self._requests:
            reply.fail_quietly(pykka.ActorDeadError(f"{self}: {reason}"))


class SupervisorRef(ServiceRef[Supervisor]):
    """A supervisor's ref; ``handle(id)`` is at hand without a proxy."""

    start_failure: StartFailed | None = None

    if TYPE_CHECKING:

        def ask(
            self,
            message: Any,
            *,
            block: bool = True,
            timeout: float | None = None,
            receipt: list[Any] | None = None,
        ) -> Any:
            """See ``QueuingRef``; always on the supervisor's own thread."""
    else:
        ask = QueuingRef.ask  # what strikes a caller is no business of the supervisor's

    def handle(self, id: str) -> ActorHandle:  # noqa: A002
        """Return a handle of a child that stays valid across its restarts.

        Raises:
            ChildNotFound: no child has this id
        """
        return cast("ActorHandle", self.ask(GetHandle(id)))


def _is_abnormal(reason: str | None) -> bool:
    """Tell whether a transient child is restarted; a supervisor that gave up is not (OTP)."""
    return reason is not None and not reason.startswith(f"{RestartIntensityExceeded.__name__}:")


def _abandon(child: _Child, ref: pykka.ActorRef[Any]) -> None:
    """Go on without a child that does not stop: a thread cannot be killed."""
    logger.warning(
        "child %r did not stop within %s s and is abandoned: %s",
        child.spec.id, child.spec.shutdown, ref,
    )  # fmt: skip
    pykka.ActorRegistry.unregister(ref)
    ref.actor_stopped.set()
    child.ref, child.state = None, "stopped"
    child.handle.vacate()


def _start_failed(child: _Child) -> StartFailed:
    return StartFailed(f"child {child.spec.id!r} failed to start: {child.failure}")
