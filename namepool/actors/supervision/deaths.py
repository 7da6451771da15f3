"""What a supervisor does about a death: restart now, after a pause, or not; or give up itself.

Source: OTP's supervisor for restart types, intensity, significant children and auto-shutdown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pykka

from namepool.actors.logs import Logger
from namepool.actors.ref import ServiceRef
from namepool.actors.registry import retire
from namepool.actors.supervision.children import Child, Children
from namepool.actors.supervision.intensity import RestartBudget
from namepool.actors.supervision.procedures import (
    ChildDied,
    ChildOverdue,
    ChildUp,
    Procedure,
    Procedures,
    Runner,
    start_failed,
)
from namepool.actors.supervision.protocol import (
    RestartIntensityExceeded,
    Rules,
    SupervisorError,
)

logger: Logger = Logger(__name__)


class Retry(NamedTuple):
    """The pause before a restart is over."""

    id: str
    attempt: int


class Deaths:
    """Keeps the children of one supervisor, which is ``ref``, running; all in its own thread."""

    def __init__(
        self,
        children: Children,
        procedures: Procedures,
        runner: Runner,
        rules: Rules,
        give_up: Callable[[SupervisorError], None],
    ) -> None:
        self._children = children
        self._procedures = procedures
        self._runner = runner
        self._rules = rules
        self._budget = RestartBudget(rules.max_restarts, rules.max_seconds)
        self._give_up = give_up
        self.ref: ServiceRef[Any]

    def table(self) -> dict[type, Callable[[Any], Any]]:
        """Return the handler of each notice."""
        return {
            ChildUp: self._child_up,
            ChildDied: self._child_died,
            ChildOverdue: self._child_overdue,
            Retry: self._retry,
        }

    def start_initial(self) -> Procedure:
        """Start the children in order, then the supervisor is up; give up if one fails."""
        for child in list(self._children.values()):
            yield from self._procedures.bring_up(child)
            if child.failure is not None:
                self._give_up(start_failed(child))
                return
        self.ref.lifecycle.came_up()

    # -- notices ----------------------------------------------------------------------------

    def _known(self, id: str, ref: pykka.ActorRef[Any]) -> Child | None:  # noqa: A002
        """Return the child that a notice is about; ``None`` if the notice is stale."""
        child = self._children.get(id)
        is_this = child is not None and child.ref is ref and not self._runner.has_ended
        return child if is_this else None

    def _child_up(self, message: ChildUp) -> None:
        child = self._known(message.id, message.ref)
        if child is not None and child.state == "starting":
            child.state = "running"
            child.handle.install(message.ref)
            self._runner.advance()

    def _child_died(self, message: ChildDied) -> None:
        child = self._known(message.id, message.ref)
        if child is None:
            return
        before, child.ref, child.state = child.state, None, "stopped"
        child.handle.vacate()
        if before == "starting":
            child.failure = message.reason or "it stopped before it was up"
        elif before == "running":
            self._child_ended(child, message.reason)
        self._runner.advance()

    def _child_overdue(self, message: ChildOverdue) -> None:
        child = self._known(message.id, message.ref)
        if child is not None and not child.is_stable:
            if child.state == "starting":
                child.failure = "it was terminated before it was up"
            abandon(child, message.ref)
            self._runner.advance()

    def _retry(self, message: Retry) -> None:
        child = self._children.get(message.id)
        if child is not None and child.deaths_in_a_row == message.attempt:
            self._runner.run(self._replace(child))

    # -- decisions --------------------------------------------------------------------------

    def _child_ended(self, child: Child, reason: str | None) -> None:
        """A running child has ended by itself: restart it, or let it be."""
        restart = child.spec.restart
        if restart == "permanent" or (restart == "transient" and _is_abnormal(reason)):
            self._restart(child, reason)
            return
        if not self._children.forget_temporary(child):
            child.abandon("it has ended, and ended well")
        if child.spec.significant and self._shuts_down():
            self.ref.stop(block=False)

    def _shuts_down(self) -> bool:
        auto = self._rules.auto_shutdown
        significant = [c for c in self._children.values() if c.spec.significant]
        gone = auto == "all_significant" and all(c.ref is None for c in significant)
        return gone or auto == "any_significant"

    def _restart(self, child: Child, reason: str | None) -> None:
        """Restart a dead child, now or after a pause; or give up."""
        now, backoff = self.ref.actor_inbox.clock(), self._rules.backoff
        child.state = "restarting"
        quiet = backoff is None or now - child.last_death > backoff.quiet
        child.deaths_in_a_row = 1 if quiet else child.deaths_in_a_row + 1
        child.last_death = now
        if not self._budget.spend(now):
            text = f"child {child.spec.id!r} died too often, at last: {reason or 'a normal stop'}"
            self._give_up(RestartIntensityExceeded(text))
            return
        text, why = "%s: child %r is restarted (restart %d): %s", reason or "it had stopped"
        logger.warning(text, self.ref, child.spec.id, child.restarts + 1, why)
        if backoff is None:
            self._runner.add(self._replace(child))
            return
        pause = backoff.pause(child.deaths_in_a_row)
        self.ref.actor_inbox.schedule(pause, Retry(child.spec.id, child.deaths_in_a_row))

    def _replace(self, child: Child) -> Procedure:
        """Restart a dead child and those who go with it; who does not come up has died again."""
        failed = yield from self._procedures.replace(child)
        if failed is not None:
            self._restart(failed, failed.failure)


def _is_abnormal(reason: str | None) -> bool:
    """Tell whether a transient child is restarted; a supervisor that gave up is not (OTP)."""
    return reason is not None and not reason.startswith(f"{RestartIntensityExceeded.__name__}:")


def abandon(child: Child, ref: pykka.ActorRef[Any]) -> None:
    """Go on without a child that does not stop: a thread cannot be killed."""
    text = "child %r did not stop within %s s and is abandoned: %s"
    logger.warning(text, child.spec.id, child.spec.shutdown, ref)
    retire(ref)
    child.ref, child.state = None, "stopped"
    child.handle.vacate()
