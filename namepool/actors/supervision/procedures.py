"""What takes a supervisor several steps: to start in order, stop in reverse, replace a group.

A supervisor never waits. A procedure is a generator that yields a condition and goes on when it
holds; one runs at a time, resumed by the message that fulfils its condition, and requests are
answered all the while.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import pykka

from namepool.actors.lifecycle import launch, lifecycle_of
from namepool.actors.ref import ServiceRef
from namepool.actors.reply import Reply
from namepool.actors.supervision.children import Child, Children
from namepool.actors.supervision.foreign import watched
from namepool.actors.supervision.protocol import Ignore, StartFailed, Strategy, SupervisorError

Condition = Callable[[], bool]
Procedure = Generator[Condition, None, Any]


class ChildUp(NamedTuple):
    """A child has come up."""

    id: str
    ref: pykka.ActorRef[Any]


class ChildDied(NamedTuple):
    """A child has died; ``reason`` is ``None`` after a normal stop."""

    id: str
    ref: pykka.ActorRef[Any]
    reason: str | None


class ChildOverdue(NamedTuple):
    """A child that was asked to stop has had its time."""

    id: str
    ref: pykka.ActorRef[Any]


class Runner:
    """Runs procedures one after another, each as far as its conditions allow."""

    def __init__(self) -> None:
        self._procedures: deque[Procedure] = deque()
        self._condition: Condition | None = None
        self._unanswered: list[Reply[Any]] = []
        self.has_ended: bool = False
        """Nothing goes on from here."""

    def add(self, procedure: Procedure) -> None:
        """Let a procedure begin when those before it are done, at the next ``advance``."""
        self._procedures.append(procedure)

    def run(self, procedure: Procedure) -> None:
        """Add a procedure and go on as far as possible."""
        self.add(procedure)
        self.advance()

    def answer(self, procedure: Procedure, reply: Reply[Any]) -> Reply[Any]:
        """Run a procedure; ``reply`` is resolved with what it returns or raises."""
        self._unanswered.append(reply)

        def answering() -> Procedure:
            try:
                result = yield from procedure
            except SupervisorError as error:
                reply.fail_quietly(error)
            else:
                reply.set_quietly(result)
            self._unanswered.remove(reply)

        self.run(answering())
        return reply

    def end(self, error: BaseException) -> None:
        """Go no further: who still waits for an answer gets ``error``."""
        self.has_ended = True
        for reply in self._unanswered:
            reply.fail_quietly(error)

    def advance(self) -> None:
        """Go on as far as possible."""
        while self._procedures and not self.has_ended:
            if self._condition is not None and not self._condition():
                return
            self._condition = None
            try:
                self._condition = next(self._procedures[0])
            except StopIteration:
                self._procedures.popleft()


class Procedures:
    """The procedures on the children of one supervisor, which is ``ref``."""

    def __init__(self, children: Children, strategy: Strategy) -> None:
        self._children = children
        self._strategy = strategy
        self.ref: ServiceRef[Any]

    def add(self, child: Child) -> Procedure:
        """Start a new child; return its ref, or forget it and raise ``StartFailed``."""
        yield from self.bring_up(child)
        if child.failure is not None:
            self._children.forget(child, "it failed to start")
            raise start_failed(child)
        return child.ref

    def start_again(self, child: Child) -> Procedure:
        """Start a terminated child; return its ref, or raise ``StartFailed``."""
        if child.state == "stopped":
            yield from self.bring_up(child)
        if child.failure is not None:
            raise start_failed(child)
        return child.ref

    def terminate(self, child: Child) -> Procedure:
        """Stop a child, not to be restarted."""
        yield from self.take_down(child)
        self._children.forget_temporary(child)

    def replace(self, child: Child) -> Procedure:
        """Restart a dead child, with those that the strategy replaces too.

        Returns who did not come up, so that the group must be tried again; ``None``: all did.
        """
        if child.state != "restarting":
            return None  # terminated since
        group = self._children.group_of(child, self._strategy)
        group = [c for c in group if c.state in ("running", "restarting")]
        yield from self._take_down_others(group, child)
        for member in group:
            if member.spec.id not in self._children or member.state != "restarting":
                continue
            yield from self.bring_up(member)
            if member.failure is not None:
                return member
            member.restarts += 1
        return None

    def _take_down_others(self, group: list[Child], child: Child) -> Procedure:
        for other in reversed(group):
            if other is not child:
                yield from self.take_down(other)
                other.state = "restarting"
                self._children.forget_temporary(other)

    def bring_up(self, child: Child) -> Procedure:
        """Start a child, and go on when it is up or has failed; then ``failure`` says why."""
        child.state, child.failure = "starting", None
        spec = child.spec
        try:
            ref = launch(watched(spec.actor_class), spec.args, spec.kwargs, self.ref)
        except Ignore:
            child.state = "stopped"
            return
        except BaseException as error:
            child.state, child.failure = "stopped", f"{type(error).__name__}: {error}"
            return
        child.ref = ref
        lifecycle = lifecycle_of(ref)
        tell = self.ref.try_tell
        lifecycle.watch_up(lambda: tell(ChildUp(spec.id, ref)))
        lifecycle.watch(lambda reason: tell(ChildDied(spec.id, ref, reason)))
        yield lambda: child.is_stable

    def take_down(self, child: Child) -> Procedure:
        """Stop a child, and go on when it is down or has been abandoned."""
        yield lambda: child.is_stable
        ref = child.ref
        if ref is None:
            child.state = "stopped"
            return
        child.state = "stopping"
        self.ask_to_stop(child, ref)
        yield lambda: child.is_stable

    def ask_to_stop(self, child: Child, ref: pykka.ActorRef[Any]) -> None:
        """Ask a child to stop within its ``shutdown``."""
        ref.stop(block=False)
        if child.spec.shutdown is not None:
            seconds: Any = child.spec.shutdown
            self.ref.actor_inbox.schedule(seconds, ChildOverdue(child.spec.id, ref))


def start_failed(child: Child) -> StartFailed:
    """Return the error of a child that did not come up."""
    return StartFailed(f"child {child.spec.id!r} failed to start: {child.failure}")
