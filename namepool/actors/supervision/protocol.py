"""What a supervisor is asked and answers, what it refuses, and the options it is started with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, TypedDict, get_args

import pykka

from namepool.actors.supervision.child_spec import ChildSpec, InvalidChildSpec
from namepool.actors.supervision.intensity import Backoff, is_seconds

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]


class SupervisorError(Exception):
    """Base of what a supervisor refuses or fails with."""


class StartFailed(SupervisorError):
    """A child failed to start; the message says which, and why."""


class RestartIntensityExceeded(SupervisorError):
    """Children died more often than the supervisor may restart them; it has ended."""


class ChildNotFound(SupervisorError):
    """No child has this id."""


class ChildExists(SupervisorError):
    """A child with this id is there already: running, or present without running."""


class ChildBusy(SupervisorError):
    """The operation needs a child that is neither running nor being restarted."""


class Ignore(Exception):
    """Raised by a constructor to say: do not start me now. The spec is kept without a child."""


class ChildInfo(NamedTuple):
    """One child at one moment."""

    id: str
    ref: pykka.ActorRef[Any] | None
    state: str
    """``running``, ``starting``, ``stopping``, ``restarting`` or ``stopped``."""
    kind: str
    restarts: int
    """Times it was restarted."""


class ChildCounts(NamedTuple):
    """How many children there are; one that is being restarted is not active."""

    specs: int
    active: int
    supervisors: int
    workers: int


class StartChild(NamedTuple):
    """Adds a child; answered with its ref once it is up."""

    spec: ChildSpec


class TerminateChild(NamedTuple):
    """Stops a child, not to be restarted; answered with ``None`` once it is down."""

    id: str


class RestartChild(NamedTuple):
    """Starts a terminated child again; answered with its ref once it is up."""

    id: str


class DeleteChild(NamedTuple):
    """Forgets a terminated child. Answered with ``None``."""

    id: str


class WhichChildren(NamedTuple):
    """Answered with a list of ``ChildInfo`` in the order of start."""


class CountChildren(NamedTuple):
    """Answered with ``ChildCounts``."""


class GetChildSpec(NamedTuple):
    """Answered with the ``ChildSpec`` of a child."""

    id: str


class GetHandle(NamedTuple):
    """Answered with the ``ActorHandle`` of a child: valid across its restarts."""

    id: str


def check_spec(spec: object) -> None:
    """Refuse what is not a child spec."""
    if not isinstance(spec, ChildSpec):
        raise InvalidChildSpec(f"a child must be given as a ChildSpec, not {ascii(spec)[:100]}")


def checked_specs(children: Iterable[ChildSpec]) -> list[ChildSpec]:
    """Return the specs of a supervisor's children; refuse what is none, and an id used twice."""
    specs = list(children)
    for spec in specs:
        check_spec(spec)
    ids = [spec.id for spec in specs]
    for id_ in ids:
        if ids.count(id_) > 1:
            raise InvalidChildSpec(f"id must be unique among the children, {id_!r} is not")
    return specs


class SupervisorOptions(TypedDict, total=False):
    """The options of a supervisor, for ``Unpack``: each may be left out."""

    children: Iterable[ChildSpec]
    """Started in order, and stopped in reverse. Default: ()."""

    strategy: Strategy
    """``one_for_one`` replaces the child that died; ``one_for_all`` all children; ``rest_for_one``
    the child that died and those started after it. Default: "one_for_one"."""

    max_restarts: int
    """Deaths within ``max_seconds``; at one more it gives up. Default: 3."""

    max_seconds: float
    """Seconds in which no more than ``max_restarts`` deaths are borne. Default: 5."""

    backoff: Backoff | None
    """The pauses between restarts; ``None``: restart at once. Default: None."""

    auto_shutdown: AutoShutdown
    """``any_significant``: stop when one significant child has ended; ``all_significant``: when all
    have; ``never``. Default: "never"."""


class Rules(NamedTuple):
    """How a supervisor restarts its children; see ``Supervisor.start``."""

    strategy: Strategy
    max_restarts: int
    max_seconds: float
    backoff: Backoff | None
    auto_shutdown: AutoShutdown

    def checked(self) -> Rules:
        """Return them; refuse one of the wrong type or range, by name."""
        count, strategies, shutdowns = self.max_restarts, get_args(Strategy), get_args(AutoShutdown)
        is_count = isinstance(count, int) and not isinstance(count, bool) and count >= 0
        is_backoff = self.backoff is None or isinstance(self.backoff, Backoff)
        for name, is_right, expected in (
            ("strategy", self.strategy in strategies, f"one of {strategies}"),
            ("max_restarts", is_count, "an integer of at least 0"),
            ("max_seconds", is_seconds(self.max_seconds), "seconds, above 0 and at most 1e8"),
            ("backoff", is_backoff, "a Backoff, or None"),
            ("auto_shutdown", self.auto_shutdown in shutdowns, f"one of {shutdowns}"),
        ):
            if not is_right:
                value = ascii(getattr(self, name))[:100]
                raise ValueError(f"{name} must be {expected}, not {value}")
        return self
