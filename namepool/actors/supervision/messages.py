"""The messages to a supervisor, its answers, its errors and its options."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, TypedDict, get_args

import pykka

from namepool.actors.backoff import Backoff
from namepool.actors.checks import Checks, shown
from namepool.actors.supervision.child_spec import ChildSpec, InvalidChildSpec, Kind

Strategy = Literal["one_for_one", "one_for_all", "rest_for_one"]
AutoShutdown = Literal["never", "any_significant", "all_significant"]
ChildState = Literal["starting", "running", "stopping", "restarting", "stopped"]

_CHECKS = Checks(ValueError)


class SupervisorError(Exception):
    """The base of the errors of a supervisor."""


class StartFailed(SupervisorError):
    """A child failed to start. The message names the child and the reason."""


class RestartIntensityExceeded(SupervisorError):
    """Children died more often than their supervisor may restart them, so it has ended."""


class ChildNotFound(SupervisorError):
    """No child has this id."""


class ChildExists(SupervisorError):
    """The supervisor has a child with this id already, which may be running or not."""


class ChildBusy(SupervisorError):
    """The child is running or being restarted, so the operation is refused."""


class Ignore(Exception):
    """An exception that the constructor of a child raises if the child must not start now.

    The supervisor keeps the spec without a running child.
    """


class ChildInfo(NamedTuple):
    """The state of one child at one moment."""

    id: str
    ref: pykka.ActorRef[Any] | None
    state: ChildState
    """The state. ``restarting``: the child has died, or did not come up, and will be started again.
    """
    kind: Kind
    restarts: int
    """The number of restarts of this child."""


class ChildCounts(NamedTuple):
    """The numbers of children. A child that is being restarted is not active."""

    specs: int
    active: int
    supervisors: int
    workers: int


class StartChild(NamedTuple):
    """A request to add a child. The answer is the child's ref, once the child is up.

    Examples:
        >>> from namepool.actors import ChildSpec, ServiceActor, StartChild, Supervisor
        >>> root = Supervisor.start()
        >>> root.ask(StartChild(ChildSpec("cook", ServiceActor)))
        <ActorRef for ServiceActor (urn:uuid:...)>
    """

    spec: ChildSpec


class TerminateChild(NamedTuple):
    """A request to stop a child for good. The answer is ``None``, once the child is down.

    Examples:
        >>> from namepool.actors import ChildSpec, ServiceActor, Supervisor, TerminateChild
        >>> root = Supervisor.start(children=[ChildSpec("cook", ServiceActor)])
        >>> root.ask(TerminateChild("cook"))
        >>> root.handle("cook").is_alive()
        False
    """

    id: str


class RestartChild(NamedTuple):
    """A request to start a terminated child again. The answer is its ref, once it is up.

    Examples:
        >>> from namepool.actors import ChildSpec, RestartChild, ServiceActor
        >>> from namepool.actors import Supervisor, TerminateChild
        >>> root = Supervisor.start(children=[ChildSpec("cook", ServiceActor)])
        >>> root.ask(TerminateChild("cook"))
        >>> root.ask(RestartChild("cook"))
        <ActorRef for ServiceActor (urn:uuid:...)>
    """

    id: str


class DeleteChild(NamedTuple):
    """A request to forget a terminated child. The answer is ``None``.

    Examples:
        >>> from namepool.actors import ChildSpec, CountChildren, DeleteChild, ServiceActor
        >>> from namepool.actors import Supervisor, TerminateChild
        >>> root = Supervisor.start(children=[ChildSpec("cook", ServiceActor)])
        >>> root.ask(TerminateChild("cook"))
        >>> root.ask(DeleteChild("cook"))
        >>> root.ask(CountChildren()).specs
        0
    """

    id: str


class WhichChildren(NamedTuple):
    """A request for all children. The answer is a list of ``ChildInfo`` in the order of start.

    Examples:
        >>> from namepool.actors import ChildSpec, ServiceActor, Supervisor, WhichChildren
        >>> root = Supervisor.start(children=[ChildSpec("cook", ServiceActor)])
        >>> [(child.id, child.state) for child in root.ask(WhichChildren())]
        [('cook', 'running')]
    """


class CountChildren(NamedTuple):
    """A request for the numbers of children. The answer is a ``ChildCounts``.

    Examples:
        >>> from namepool.actors import ChildSpec, CountChildren, ServiceActor, Supervisor
        >>> root = Supervisor.start(children=[ChildSpec("cook", ServiceActor)])
        >>> root.ask(CountChildren())
        ChildCounts(specs=1, active=1, supervisors=0, workers=1)
    """


class GetChildSpec(NamedTuple):
    """A request for the ``ChildSpec`` of a child.

    Examples:
        >>> from namepool.actors import ChildSpec, GetChildSpec, ServiceActor, Supervisor
        >>> root = Supervisor.start(children=[ChildSpec("cook", ServiceActor)])
        >>> root.ask(GetChildSpec("cook")).restart
        'permanent'
    """

    id: str


class GetHandle(NamedTuple):
    """A request for the ``ActorHandle`` of a child, which stays valid across restarts.

    Examples:
        >>> from namepool.actors import ChildSpec, GetHandle, ServiceActor, Supervisor
        >>> root = Supervisor.start(children=[ChildSpec("cook", ServiceActor)])
        >>> root.ask(GetHandle("cook"))
        <ActorHandle of 'cook', generation 1>
    """

    id: str


class SupervisorOptions(TypedDict, total=False):
    """The options of a supervisor, for ``Unpack``. Each option may be left out."""

    children: Iterable[ChildSpec]
    """The specs of the first children. The supervisor starts the children in this order, and stops
    them in reverse. Default: ()."""

    strategy: Strategy
    """The children that are restarted after a death. ``one_for_one``: the child that died.
    ``one_for_all``: all children. ``rest_for_one``: the child that died, and the children that were
    started after it. Default: "one_for_one"."""

    max_restarts: int
    """The number of deaths within ``max_seconds`` that lead to a restart. One more death ends the
    supervisor. Default: 3."""

    max_seconds: float
    """The seconds over which deaths are counted for ``max_restarts``. Default: 5."""

    backoff: Backoff | None
    """The pauses between restarts. With ``None`` a child is restarted at once. Default: None."""

    auto_shutdown: AutoShutdown
    """The condition on which the supervisor stops itself. ``any_significant``: one significant
    child has ended. ``all_significant``: all significant children have ended. ``never``: there is
    no such condition. Default: "never"."""


class Rules(NamedTuple):
    """The rules by which a supervisor restarts its children; see ``SupervisorOptions``."""

    strategy: Strategy
    max_restarts: int
    max_seconds: float
    backoff: Backoff | None
    auto_shutdown: AutoShutdown

    def checked(self) -> Rules:
        """Check the type and range of each rule, and return the rules.

        Raises:
            ValueError: a rule has the wrong type or range; the message names it
        """
        is_backoff = isinstance(self.backoff, Backoff | None)
        _CHECKS.one_of("strategy", self.strategy, get_args(Strategy))
        _CHECKS.count("max_restarts", self.max_restarts, 0)
        _CHECKS.seconds("max_seconds", self.max_seconds, zero=False)
        _CHECKS.that("backoff", self.backoff, is_backoff, "a Backoff, or None")
        _CHECKS.one_of("auto_shutdown", self.auto_shutdown, get_args(AutoShutdown))
        return self

    def check(self, spec: object) -> None:
        """Check that ``spec`` is the spec of a child of such a supervisor.

        Raises:
            InvalidChildSpec: ``spec`` is no ``ChildSpec``, or its child is significant while
                ``auto_shutdown`` is ``never``
        """
        if not isinstance(spec, ChildSpec):
            raise InvalidChildSpec(f"a child must be given as a ChildSpec, not {shown(spec)}")
        if spec.significant and self.auto_shutdown == "never":
            raise InvalidChildSpec(
                f"significant must be False for the child {spec.id!r}, not True: its supervisor "
                "has auto_shutdown='never'"
            )
