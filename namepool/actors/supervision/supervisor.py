"""The ``Supervisor`` actor: starts children, watches them, restarts them by OTP's rules.

It never waits (see ``procedures``), except while it stops itself: then it waits for its children.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, Never, Unpack, cast

import pykka

from namepool.actors.lifecycle import give_up, launch, lifecycle_of
from namepool.actors.logs import Logger
from namepool.actors.ref import QueuingRef, ServiceRef
from namepool.actors.reply import Reply, Wait
from namepool.actors.service_actor import ServiceActor
from namepool.actors.supervision.child_spec import ChildSpec, Restart, Shutdown
from namepool.actors.supervision.children import Children
from namepool.actors.supervision.deaths import Deaths, abandon
from namepool.actors.supervision.handle import ActorHandle
from namepool.actors.supervision.intensity import Backoff
from namepool.actors.supervision.procedures import Procedures, Runner
from namepool.actors.supervision.protocol import (
    AutoShutdown,
    ChildCounts,
    ChildInfo,
    CountChildren,
    DeleteChild,
    GetChildSpec,
    GetHandle,
    RestartChild,
    Rules,
    StartChild,
    StartFailed,
    Strategy,
    SupervisorError,
    SupervisorOptions,
    TerminateChild,
    WhichChildren,
    check_spec,
    checked_specs,
)

logger: Logger = Logger(__name__)


class _Begin(NamedTuple):
    """Start the initial children."""


class _End(NamedTuple):
    error: SupervisorError


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
        self._children = Children(checked_specs(children))
        rules = Rules(strategy, max_restarts, max_seconds, backoff, auto_shutdown).checked()
        self._runner = Runner()
        self._procedures = Procedures(self._children, strategy)
        self._deaths = Deaths(self._children, self._procedures, self._runner, rules, self._give_up)
        self._actor_ref = self._procedures.ref = self._deaths.ref = SupervisorRef(self)
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
            _Begin: lambda _: self._runner.run(self._deaths.start_initial()),
            _End: self._end,
            **self._deaths.table(),
        }

    # -- what Pykka and parents call --------------------------------------------------------

    @classmethod
    def start(cls, *args: Never, **options: Unpack[SupervisorOptions]) -> SupervisorRef:
        """Start a supervisor and its children; blocks until they are up.

        Args:
            args: none; a subclass with arguments of its own overrides ``start`` for their types
            options: those of ``SupervisorOptions``

        Raises:
            StartFailed: a child failed to start; those started before it have been stopped
            InvalidChildSpec, ValueError: an option of the wrong type or range
        """
        started: list[Any] = []
        is_kept = False
        try:
            ref = cls.start_for(started, *args, **options)
            is_kept = True  # no call from here to the return
            return ref
        finally:
            if not is_kept:
                give_up(started)

    @classmethod
    def start_for(
        cls, receipt: list[Any], *args: Never, **options: Unpack[SupervisorOptions]
    ) -> SupervisorRef:
        """Like ``start``; the ref is appended to ``receipt``, for a struck caller to stop."""
        ref = cast("SupervisorRef", launch(cls, args, options, receipt=receipt))
        ref.lifecycle.is_up_or_gone.wait()
        if ref.start_failure is not None:
            ref.wait_gone()
            raise ref.start_failure
        if not ref.lifecycle.is_up.is_set():
            raise pykka.ActorDeadError(f"{ref} died before it was up: {ref.lifecycle.reason}")
        return ref

    @classmethod
    def child_spec(
        cls,
        id: str = "supervisor",  # noqa: A002  OTP's word for it
        *,
        restart: Restart = "permanent",
        shutdown: Shutdown = "default",
        significant: bool = False,
        on_abandon: Callable[[], object] | None = None,
        **options: Unpack[SupervisorOptions],
    ) -> ChildSpec:
        """Return how another supervisor starts this one.

        Args:
            id: unique among the other's children
            restart: when it is started again, see ``ChildSpec``
            shutdown: seconds to wait for it to stop, see ``ChildSpec``
            significant: its own end may shut down the other, see ``ChildSpec``
            on_abandon: called when it will not be started again, see ``ChildSpec``
            options: those of ``SupervisorOptions``

        Raises:
            InvalidChildSpec: a field of the spec of the wrong type or range
        """
        return ChildSpec(
            id=id,
            actor_class=cls,
            kwargs=options,
            restart=restart,
            shutdown=shutdown,
            kind="supervisor",
            significant=significant,
            on_abandon=on_abandon,
        )

    def on_start(self) -> None:
        """Begin with the children; this supervisor is up when they are."""
        self._actor_ref.try_tell(_Begin())

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
        return self._runner.answer(self._procedures.add(self._children.add(spec)), self.deferred())

    def terminate_child(self, id: str) -> Reply[None]:  # noqa: A002
        """Stop a child; its spec is kept, unless it is temporary. Twice does no harm.

        Raises:
            ChildNotFound: no child has this id
        """
        child = self._children.find(id)
        if child.state == "restarting":
            child.state = "stopped"  # what was scheduled for it finds it so and leaves it
        elif child.state == "starting" and child.ref is not None:
            # Now: what starts it may be waiting for ever.
            self._procedures.ask_to_stop(child, child.ref)
        return self._runner.answer(self._procedures.terminate(child), self.deferred())

    def restart_child(self, id: str) -> Reply[pykka.ActorRef[Any]]:  # noqa: A002
        """Start a terminated child again; the answer is its ref once it is up.

        Raises:
            ChildNotFound: no child has this id
            ChildBusy: it is running, or being restarted
            StartFailed: it did not come up; its spec is kept
        """
        return self._runner.answer(
            self._procedures.start_again(self._children.find_idle(id)), self.deferred()
        )

    def delete_child(self, id: str) -> None:  # noqa: A002
        """Forget a terminated child.

        Raises:
            ChildNotFound: no child has this id
            ChildBusy: it is running, or being restarted
        """
        self._children.forget(self._children.find_idle(id), "its spec was deleted")

    def which_children(self) -> list[ChildInfo]:
        """Return every child, in the order of start."""
        return self._children.infos()

    def count_children(self) -> ChildCounts:
        """Return how many children there are, are active, and are of each kind."""
        return self._children.counts()

    def get_child_spec(self, id: str) -> ChildSpec:  # noqa: A002
        """Return a child's spec.

        Raises:
            ChildNotFound: no child has this id
        """
        return self._children.find(id).spec

    def handle(self, id: str) -> ActorHandle:  # noqa: A002
        """Return a handle of a child that stays valid across its restarts.

        Raises:
            ChildNotFound: no child has this id
        """
        return self._children.find(id).handle

    # -- the end ----------------------------------------------------------------------------

    def _give_up(self, error: SupervisorError) -> None:
        """End with ``error`` as the reason, which a parent sees."""
        self._runner.has_ended = True
        if isinstance(error, StartFailed):
            cast("SupervisorRef", self._actor_ref).start_failure = error
        logger.error("%s gives up: %s", self, error)
        self._actor_ref.try_tell(_End(error))

    def _end(self, message: _End) -> None:
        raise message.error  # in a tell: it kills this actor, by way of on_failure

    def _stop_for_good(self, reason: str) -> None:
        self._runner.has_ended = True
        for child in reversed(list(self._children.values())):
            ref = child.ref
            if ref is not None:
                ref.stop(block=False)
                if not lifecycle_of(ref).is_gone.wait(cast("float | None", child.spec.shutdown)):
                    abandon(child, ref)
            child.abandon(reason)
        self._runner.end(pykka.ActorDeadError(f"{self}: {reason}"))


class SupervisorRef(ServiceRef[Supervisor]):
    """A supervisor's ref; ``handle(id)`` is at hand without a proxy."""

    start_failure: StartFailed | None = None

    if TYPE_CHECKING:

        def ask(self, message: Any, *, block: bool = True, timeout: Wait = None) -> Any:
            """See ``QueuingRef``; always on the supervisor's own thread."""
    else:
        ask = QueuingRef.ask  # what strikes a caller is no business of the supervisor's

    def handle(self, id: str) -> ActorHandle:  # noqa: A002
        """Return a handle of a child that stays valid across its restarts.

        Raises:
            ChildNotFound: no child has this id
        """
        return cast("ActorHandle", self.ask(GetHandle(id)))
