"""A plain model of a supervisor, after OTP's manual: it does one thing after another and waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from namepool.actors.supervision.child_spec import ChildSpec
from namepool.actors.supervision.messages import Rules

Outcome = Literal["up", "raises", "dies", "ignores"]
REASON = "LookupError: it fell"


class Ended(Exception):
    """The supervisor has ended, with all its children."""


class OtpSupervisor:
    """``outcome(id)`` says what becomes of each start; ``log`` has starts and stops, in order."""

    def __init__(
        self, rules: Rules, specs: list[ChildSpec], outcome: Callable[[str], Outcome]
    ) -> None:
        self.rules = rules
        self.outcome = outcome
        self.now = 0.0
        self.log: list[tuple[str, str]] = []
        self.specs = {spec.id: spec for spec in specs}
        self.running: set[str] = set()
        self.deaths: list[float] = []
        self.ended: str | None = None

    # -- what is asked -----------------------------------------------------------------------

    def begin(self) -> None:
        for id_ in list(self.specs):
            if not self.start(id_):
                self.end("StartFailed")

    def start_child(self, spec: ChildSpec) -> str:
        if spec.id in self.specs:
            return "ChildExists"
        self.specs[spec.id] = spec
        if self.start(spec.id):
            return "ref" if spec.id in self.running else "none"
        del self.specs[spec.id]
        return "StartFailed"

    def terminate_child(self, id_: str) -> str:
        if id_ not in self.specs:
            return "ChildNotFound"
        self.stop(id_)
        return "none"

    def restart_child(self, id_: str) -> str:
        if id_ not in self.specs:
            return "ChildNotFound"
        if id_ in self.running:
            return "ChildBusy"
        if not self.start(id_):
            return "StartFailed"
        return "ref" if id_ in self.running else "none"

    def delete_child(self, id_: str) -> str:
        if id_ not in self.specs:
            return "ChildNotFound"
        if id_ in self.running:
            return "ChildBusy"
        del self.specs[id_]
        return "none"

    def dies(self, id_: str, reason: str | None) -> None:
        """A child ends by itself."""
        spec = self.specs[id_]
        self.running.remove(id_)
        if spec.restart == "permanent" or (spec.restart == "transient" and reason is not None):
            self.restart(id_)
            return
        if spec.restart == "temporary":
            del self.specs[id_]
        significant = [s.id for s in self.specs.values() if s.significant]
        auto = self.rules.auto_shutdown
        if spec.significant and (
            auto == "any_significant" or not self.running.intersection(significant)
        ):
            self.end("shutdown")

    # -- what it does ------------------------------------------------------------------------

    def restart(self, id_: str) -> None:
        """Replace a dead child, and who goes with it, until all of them are up."""
        failed: str | None = id_
        waiting = {id_}
        while failed is not None:
            self.deaths.append(self.now)
            recent = [at for at in self.deaths if self.now - at <= self.rules.max_seconds]
            if len(recent) > self.rules.max_restarts:
                self.end("RestartIntensityExceeded")
            ids = list(self.specs)
            group = [failed]
            if self.rules.strategy == "one_for_all":
                group = ids
            elif self.rules.strategy == "rest_for_one":
                group = ids[ids.index(failed) :]
            # Ours leaves alone what did not run; OTP would start it.
            group = [i for i in group if i in self.running or i in waiting]
            for other in reversed(group):
                if other in self.running:
                    self.stop(other)
                    waiting.add(other)
            failed = None
            for member in group:
                if member not in self.specs:
                    continue  # it was temporary
                if not self.start(member):
                    failed = member
                    break
                waiting.discard(member)

    def start(self, id_: str) -> bool:
        outcome = self.outcome(id_)
        self.log.append(("start", id_))
        if outcome == "up":
            self.running.add(id_)
        elif outcome == "ignores" and self.specs[id_].restart == "temporary":
            del self.specs[id_]
        return outcome in ("up", "ignores")

    def stop(self, id_: str) -> None:
        if id_ in self.running:
            self.log.append(("stop", id_))
            self.running.remove(id_)
            if self.specs[id_].restart == "temporary":
                del self.specs[id_]

    def end(self, why: str) -> None:
        self.ended = why
        raise Ended

    def shown(self) -> dict[str, Any]:
        """Return the state of each child, in the order of start."""
        return {id_: "running" if id_ in self.running else "stopped" for id_ in self.specs}
