"""What a supervisor is asked and answers, what it refuses, and the options it is started with."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypedDict, get_args

import pykka

from namepool.actors.supervision.child_spec import ChildSpec, InvalidChildSpec, Kind, is_seconds

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]
ChildState = Literal["starting", "running", "stopping", "restarting", "stopped"]


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
    state: ChildState
    """``restarting``: it has died, or did not come up, and is to be started again."""
    kind: Kind
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


@dataclass(frozen=True)
class Backoff:
    """A pause before each restart: ``first`` seconds, doubling up to ``longest``, jittered down by
    up to a half; back at ``first`` after ``quiet`` seconds without a death (Akka's rule)."""

    first: float = 0.1
    longest: float = 10.0
    quiet: float = 30.0

    def __post_init__(self) -> None:
        for field in ("first", "longest", "quiet"):
            value = getattr(self, field)
            if not is_seconds(value):
                raise ValueError(f"{field} must be seconds, above 0 and at most 1e8, not {value!a}")

    def pause(self, failures: int, jitter: Callable[[], float] = random.random) -> float:
        """Return the seconds to wait after ``failures`` deaths in a row (1 for the first)."""
        nominal = min(self.first * 2.0 ** min(failures - 1, 64), self.longest)
        return nominal * (0.5 + jitter() / 2)


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

    def check(self, spec: object) -> None:
        """Refuse what is not a spec of a child of such a supervisor.

        Raises:
            InvalidChildSpec: it is none, or its end is to shut down what nothing shuts down
        """
        if not isinstance(spec, ChildSpec):
            raise InvalidChildSpec(f"a child must be given as a ChildSpec, not {ascii(spec)[:100]}")
        if spec.significant and self.auto_shutdown == "never":
            raise InvalidChildSpec(
                f"significant must be False for the child {spec.id!r}, not True: its supervisor "
                "has auto_shutdown='never'"
            )
