"""What a supervisor is asked and answers, what it refuses, and the options it is started with."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any, Literal, NamedTuple, cast, get_args

import pykka

from namepool.actors.supervision.child_spec import ChildSpec, InvalidChildSpec
from namepool.actors.supervision.restarts import Backoff

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


def check_flags(
    strategy: object, max_restarts: object, max_seconds: object, backoff: object, auto: object
) -> None:
    """Refuse an option of the wrong type or range, by name."""

    def check(name: str, value: object, is_right: bool, expected: str) -> None:
        if not is_right:
            raise ValueError(f"{name} must be {expected}, not {ascii(value)[:100]}")

    is_count = isinstance(max_restarts, int) and not isinstance(max_restarts, bool)
    is_number = isinstance(max_seconds, int | float) and not isinstance(max_seconds, bool)
    one_of = partial("one of {}".format)
    check("strategy", strategy, strategy in get_args(Strategy), one_of(get_args(Strategy)))
    check(
        "max_restarts",
        max_restarts,
        is_count and cast("int", max_restarts) >= 0,
        "an integer of at least 0",
    )
    check(
        "max_seconds",
        max_seconds,
        is_number and 0 < cast("float", max_seconds) <= 1e8,
        "seconds, above 0 and at most 1e8",
    )
    check("backoff", backoff, backoff is None or isinstance(backoff, Backoff), "a Backoff, or None")
    check("auto_shutdown", auto, auto in get_args(AutoShutdown), one_of(get_args(AutoShutdown)))
