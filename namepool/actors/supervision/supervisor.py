"""The ``Supervisor`` actor, which does the steps that ``rules`` decides and tells it the outcome.

All code here runs on the supervisor's own thread. The supervisor waits only while it stops itself.
Then it waits for its children.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Never, Unpack, cast

import pykka

from namepool.actors.backoff import Backoff
from namepool.actors.lifecycle import give_up, launch, lifecycle_of, text_of
from namepool.actors.logs import Logger
from namepool.actors.ref import QueuingRef, ServiceRef
from namepool.actors.registry import retire
from namepool.actors.reply import Reply, Wait
from namepool.actors.service_actor import ServiceActor
from namepool.actors.supervision import messages as m
from namepool.actors.supervision.child_spec import ChildSpec, Restart, Shutdown
from namepool.actors.supervision.foreign import watched
from namepool.actors.supervision.handle import ActorHandle
from namepool.actors.supervision.rules import Child, Failure, Operation, SupervisorState

logger: Logger = Logger(__name__)

LINES = 10
"""The log lines for one child and one reason in a second. Further lines are only counted."""


class Told(NamedTuple):
    """A message of the supervisor to itself: a notice to the rules, or a call to be made later."""

    to: Callable[..., object]
    about: tuple[Any, ...]


class Supervisor(ServiceActor):
    """An actor that keeps its children running; ``SupervisorOptions`` has the options.

    The supervisor carries out operations one after another, in the order in which they were asked.
    It answers questions at once. A refused operation never ends the supervisor: the caller gets the
    error. If nobody waits for the answer, as after a ``tell``, the error is logged.

    Examples:
        >>> from namepool.actors import ChildSpec, ServiceActor, Supervisor
        >>> class Cook(ServiceActor):
        ...     def on_receive(self, dish):
        ...         return f"one {dish}"
        >>> root = Supervisor.start(children=[ChildSpec("cook", Cook)], strategy="one_for_all")
        >>> root.handle("cook").ask("soup")
        'one soup'
    """

    comes_up_later = True
    supervises: ClassVar[bool] = True

    def __init__(
        self,
        *,
        children: Iterable[ChildSpec] = (),
        strategy: m.Strategy = "one_for_one",
        max_restarts: int = 3,
        max_seconds: float = 5.0,
        backoff: Backoff | None = None,
        auto_shutdown: m.AutoShutdown = "never",
    ) -> None:
        super().__init__()
        rules = m.Rules(strategy, max_restarts, max_seconds, backoff, auto_shutdown).checked()
        self._actor_ref = SupervisorRef(self)
        self._state = SupervisorState(rules, children)
        self._hands = Hands(self._actor_ref, self._state, backoff)
        self._handlers.update(self._table())

    def _table(self) -> dict[type, Callable[[Any], Any]]:
        return {
            m.StartChild: lambda asked: self.start_child(asked.spec),
            m.TerminateChild: lambda asked: self.terminate_child(asked.id),
            m.RestartChild: lambda asked: self.restart_child(asked.id),
            m.DeleteChild: lambda asked: self.delete_child(asked.id),
            m.WhichChildren: lambda _: self.which_children(),
            m.CountChildren: lambda _: self.count_children(),
            m.GetChildSpec: lambda asked: self.get_child_spec(asked.id),
            m.GetHandle: lambda asked: self.handle(asked.id),
            Told: lambda told: self._hands.tell(told.to, *told.about, self.actor_inbox.clock()),
        }

    # -- calls by Pykka and by parents ------------------------------------------------------

    @classmethod
    def start(cls, *args: Never, **options: Unpack[m.SupervisorOptions]) -> SupervisorRef:
        """Start a supervisor and its children, and return the supervisor's ref.

        The call blocks until the children are up.

        Args:
            args: none. A subclass with arguments of its own overrides ``start``, so that type
                checkers know these arguments
            options: the options of ``SupervisorOptions``

        Raises:
            StartFailed: a child failed to start; the children before it have been stopped again
            InvalidChildSpec, ValueError: an option has the wrong type or range

        Examples:
            >>> other = Supervisor.start(children=[ChildSpec("chef", Cook)], max_restarts=1)
            >>> other.handle("chef").is_alive()
            True
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
        cls, receipt: list[Any], *args: Never, **options: Unpack[m.SupervisorOptions]
    ) -> SupervisorRef:
        """Do the same as ``start``, and append the ref to ``receipt``.

        A caller that is struck before it has the ref can then stop the supervisor.
        """
        ref = cast("SupervisorRef", launch(cls, args, options, receipt=receipt))
        ref.lifecycle.is_up_or_gone.wait()
        if ref.start_failure is not None:
            ref.wait_gone()
            raise ref.start_failure
        if ref.actor_stopped.is_set():
            why = ref.lifecycle.reason or "it was stopped"
            raise pykka.ActorDeadError(f"{ref} ended while it was being started: {why}")
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
        **options: Unpack[m.SupervisorOptions],
    ) -> ChildSpec:
        """Return a child spec with which a parent supervisor starts this supervisor.

        Args:
            id: a name that is unique among the parent's children
            restart: the condition of a restart, see ``ChildSpec``
            shutdown: the seconds to wait for this supervisor's end, see ``ChildSpec``
            significant: whether this supervisor's own end may shut down the parent, see
                ``ChildSpec``
            on_abandon: a function that is called when this supervisor cannot be started again, see
                ``ChildSpec``
            options: the options of ``SupervisorOptions`` for this supervisor

        Raises:
            InvalidChildSpec: a field of the spec has the wrong type or range

        Examples:
            >>> kitchen = Supervisor.child_spec("kitchen", children=[ChildSpec("cook", Cook)])
            >>> house = Supervisor.start(children=[kitchen])
            >>> house.handle("kitchen/cook").ask("salad")
            'one salad'
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

    # -- its own life -----------------------------------------------------------------------

    def _actor_loop_setup(self) -> None:
        self._hands.take_place()
        super()._actor_loop_setup()
        if not self.actor_stopped.is_set():  # ``on_start`` may have stopped the supervisor
            self._hands.tell(self._state.begin)

    def on_stop(self) -> None:
        """Stop the children in reverse, and wait for each as long as its spec allows."""
        self._hands.end("its supervisor has stopped; start another")

    def on_failure(self, *_: Any) -> None:
        """Stop the children, because a dead supervisor keeps no children."""
        self._hands.end("its supervisor has failed; see the log, and start another")

    def _stop(self) -> None:
        super()._stop()
        Supervisor.on_stop(self)  # needed if a subclass has its own ``on_stop``

    def _finish(self) -> None:
        Supervisor.on_failure(self)
        super()._finish()

    def _handle_receive(self, message: Any) -> Any:
        try:
            return super()._handle_receive(message)
        except m.SupervisorError as error:
            if self._replying is not None or isinstance(message, Told):
                raise
            self._hands.reply(None, error)

    # -- the operations ---------------------------------------------------------------------

    def start_child(self, spec: ChildSpec) -> Reply[pykka.ActorRef[Any]]:
        """Add a child and start it. The answer is the child's ref, once the child is up.

        Raises:
            ChildExists: the id is taken
            StartFailed: the child did not come up; the spec is not kept
            InvalidChildSpec: ``spec`` is no ``ChildSpec``, or its child is significant while
                ``auto_shutdown`` is ``never``

        Examples:
            >>> root.proxy().start_child(ChildSpec("waiter", Cook)).get(timeout=5)
            <ActorRef for Cook (urn:uuid:...)>
        """
        return self._ask(m.StartChild(spec))

    def terminate_child(self, id: str) -> Reply[None]:  # noqa: A002
        """Stop a child, and answer ``None`` once it is down. A second call does no harm.

        The child's spec is kept, unless the child is temporary. If a start of the child is under
        way, that start fails. If the child waits for a restart, it is not restarted.

        Raises:
            ChildNotFound: no child has this id

        Examples:
            >>> root.proxy().terminate_child("cook").get(timeout=5)
            >>> root.handle("cook").is_alive()
            False
        """
        return self._ask(m.TerminateChild(id))

    def restart_child(self, id: str) -> Reply[pykka.ActorRef[Any]]:  # noqa: A002
        """Start a terminated child again. The answer is the child's ref, once the child is up.

        Raises:
            ChildNotFound: no child has this id
            ChildBusy: the child is running, or being restarted
            StartFailed: the child did not come up; its spec is kept

        Examples:
            >>> root.proxy().terminate_child("cook").get(timeout=5)
            >>> root.proxy().restart_child("cook").get(timeout=5)
            <ActorRef for Cook (urn:uuid:...)>
        """
        return self._ask(m.RestartChild(id))

    def delete_child(self, id: str) -> Reply[None]:  # noqa: A002
        """Forget a terminated child and its spec. The answer is ``None``.

        Raises:
            ChildNotFound: no child has this id
            ChildBusy: the child is running, or being restarted

        Examples:
            >>> root.proxy().terminate_child("cook").get(timeout=5)
            >>> root.proxy().delete_child("cook").get(timeout=5)
            >>> root.proxy().count_children().get(timeout=5).specs
            0
        """
        return self._ask(m.DeleteChild(id))

    def which_children(self) -> list[m.ChildInfo]:
        """Return all children in the order of start.

        The answer comes at once, even if an operation is under way.

        Examples:
            >>> [child.id for child in root.proxy().which_children().get(timeout=5)]
            ['cook']
        """
        return [child.info for child in self._state.children.values()]

    def count_children(self) -> m.ChildCounts:
        """Return the numbers of all children, of active children, and of each kind.

        Examples:
            >>> root.proxy().count_children().get(timeout=5)
            ChildCounts(specs=1, active=1, supervisors=0, workers=1)
        """
        return self._state.children.counts()

    def get_child_spec(self, id: str) -> ChildSpec:  # noqa: A002
        """Return a child's spec.

        Raises:
            ChildNotFound: no child has this id

        Examples:
            >>> root.proxy().get_child_spec("cook").get(timeout=5).restart
            'permanent'
        """
        return self._state.children.find(id).spec

    def handle(self, id: str) -> ActorHandle:  # noqa: A002
        """Return a handle of a child, which stays valid across the child's restarts.

        ``id`` is the id of a child, or the path of a child further below, as in ``kitchen/cook``.

        Raises:
            ChildNotFound: no child has this id or path

        Examples:
            >>> root.proxy().handle("cook").get(timeout=5)
            <ActorHandle of 'cook', generation 1>
        """
        handle = self._hands.place.find(id) if isinstance(id, str) else None
        return handle or self._hands.handle(self._state.children.find(id).spec.id)

    def _ask(self, operation: Operation) -> Reply[Any]:
        reply = self.deferred()
        self._hands.tell(self._state.ask, operation, None if self._replying is None else reply)
        return reply


class Hands:
    """The hands of one supervisor, which do the steps that its rules decide.

    ``ref`` is the supervisor's ref. Each kind of step has a method of the same name.
    """

    def __init__(self, ref: SupervisorRef, state: SupervisorState, backoff: Backoff | None) -> None:
        self._ref = ref
        self._state = state
        self._backoff = backoff
        self.place: ActorHandle = ActorHandle("")
        """The supervisor's place in its tree: its handle, with its children's handles below."""
        self._lasting: set[int] = set()
        """The ids of the spec objects that outlive this incarnation.

        They are the specs of the children in the supervisor's own spec.
        """
        self._has_begun = False
        self._said: dict[tuple[str, ...], int] = {}
        """The number of log lines for each child and reason within a second."""

    def tell(self, told: Callable[..., object], *about: Any) -> None:
        """Tell the rules about an event, and do the steps that they decide."""
        told(*about)
        steps = self._state.steps
        while steps:
            step = steps.popleft()
            try:
                getattr(self, step.do)(*step.about)
            except Exception as error:  # a task is half done, so the supervisor must end
                self._later(0, _fail, error)
                raise

    def take_place(self) -> None:
        """Take over the place in the tree that the parent has stored in the supervisor's ref.

        After a restart, this place already has the handles of the children.
        """
        about, children = vars(self._ref), self._state.children
        self.place = about.get("place") or self.place
        self._lasting = {id(spec) for spec in about["spec"].within()} if "spec" in about else set()
        for id_, handle in list(self.place.below.items()):
            handle.keeper = self._ref
            if id_ not in children:
                self._close(id_, "its supervisor was started again without it")
        for id_ in children:
            self.handle(id_)
        self._has_begun = True

    def handle(self, id: str) -> ActorHandle:  # noqa: A002
        """Return a child's handle.

        The supervisor's next incarnation may have taken over this handle. Then the present
        incarnation must not change it, so the result is a new handle that nobody uses.
        """
        handle = self.place.child(id, self._ref)
        return handle if handle.keeper is self._ref else ActorHandle(id)

    def end(self, reason: str) -> None:
        """Stop the children in reverse, and wait for each. A second call does no harm."""
        if not self._has_begun:
            return  # the supervisor's thread could not be started
        children = self._state.end(pykka.ActorDeadError(f"{self._ref}: {reason}"))
        # This gives the answers first, because a child that waits for one could not end.
        self.tell(lambda: None)
        with ExitStack() as each:
            for child in reversed(children):
                each.callback(self._end_of, child, reason)

    def _end_of(self, child: Child, reason: str) -> None:
        spec, ref, supervisor = child.spec, child.ref, vars(self._ref).get("supervisor")
        if ref is not None:
            ref.stop(block=False)
            if not lifecycle_of(ref).is_gone.wait(cast("float | None", spec.shutdown)):
                self.leave_behind(spec, ref)
        if supervisor is not None:  # the parent knows whether this supervisor is started again
            self.down(spec.id)
        else:
            self._close(spec.id, reason)
        self._abandon(spec)

    # -- the steps --------------------------------------------------------------------------

    def start(self, number: int, spec: ChildSpec) -> None:
        """Start a child, and tell the rules the outcome and later its death."""
        state, about, handle = self._state, dict[str, Any](), self.handle(spec.id)
        if getattr(spec.actor_class, "supervises", False):
            about.update(place=handle, spec=spec)
        try:
            actor_class = watched(spec.actor_class)
            ref = launch(actor_class, spec.args, spec.kwargs, self._ref, **about)
        except m.Ignore:
            state.ignored(number)
        except BaseException as error:
            state.failed(number, Failure(text_of(error), error), self._ref.actor_inbox.clock())
        else:
            state.launched(number, ref)
            lifecycle_of(ref).watch_up(lambda: self._later(0, state.came_up, number))
            lifecycle_of(ref).watch(lambda reason: self._later(0, state.died, number, reason))

    def stop(self, number: int, ref: pykka.ActorRef[Any], seconds: float | None) -> None:
        """Ask a child to stop, and tell the rules when its time to stop is over."""
        ref.stop(block=False)
        if seconds is not None:
            self._later(seconds, self._state.overdue, number)

    def leave_behind(self, spec: ChildSpec, ref: pykka.ActorRef[Any]) -> None:
        """Abandon a child that does not stop, because a thread cannot be killed."""
        text = "child %r did not stop within %s s and is abandoned: %s"
        logger.warning(text, spec.id, spec.shutdown, ref)
        retire(ref)

    def up(self, id: str, ref: pykka.ActorRef[Any]) -> None:  # noqa: A002
        """Give a running child's ref to its handle."""
        self.handle(id).install(ref)

    def down(self, id: str) -> None:  # noqa: A002
        """Tell a child's handle that the child is down and may be started again."""
        self.handle(id).vacate()

    def close(self, id: str, reason: str) -> None:  # noqa: A002
        """Tell a child's handle that the child is down and is restarted only on request."""
        self.handle(id).close(reason)

    def forget(self, spec: ChildSpec, reason: str) -> None:
        """Forget a child and its spec.

        If this supervisor's own spec has the child's spec, a restarted supervisor starts the child
        again.
        """
        self._close(spec.id, reason, keep=id(spec) in self._lasting)
        self._abandon(spec)

    def reply(self, to: Reply[Any] | None, value: object) -> None:
        """Answer a request. If nobody waits for the answer and it is an error, log a warning."""
        if to is not None and isinstance(value, BaseException):
            to.fail_quietly(value)
        elif to is not None:
            to.set_quietly(value)
        elif isinstance(value, BaseException):
            text = "%s: nobody waits for the answer: %s"
            logger.warning(text, self._ref, text_of(value), exc_info=value.__cause__)

    def wait(self, failures: int, members: list[Child]) -> None:
        """Tell the rules when the pause before a restart is over.

        Without a pause, the rules are told after the messages that are in the inbox now.
        """
        seconds = 0.0 if self._backoff is None else self._backoff.pause(failures)
        self._later(seconds, self._state.again, members)

    def report(self, id: str, what: str, failure: Failure) -> None:  # noqa: A002
        """Log an event of a child with its reason; after some repeated lines, only count them."""
        said, times = (id, failure.text), self._said.get((id, failure.text), 0)
        if times == 0:
            self._later(1.0, self._say_how_often, said)
        if times < LINES:
            text = "%s: child %r %s: %s"
            logger.warning(text, self._ref, id, what, failure.text, exc_info=failure.error)
        self._said[said] = times + 1

    def ready(self) -> None:
        """Report that the supervisor is up, because its initial children are up."""
        self._ref.lifecycle.came_up()

    def give_up(self, error: m.SupervisorError | None) -> None:
        """End the supervisor.

        A parent sees ``error`` as the reason of the end. If ``error`` is ``None``, the supervisor
        ends as if it was stopped.
        """
        if error is None:
            self._ref.stop(block=False)
            return
        if isinstance(error, m.StartFailed):
            self._ref.start_failure = error
        logger.error("%s gives up: %s", self._ref, error, exc_info=error.__cause__)
        self._later(0, _fail, error)

    # -- helpers ----------------------------------------------------------------------------

    def _later(self, seconds: float, to: Callable[..., object], *about: Any) -> None:
        if seconds:
            self._ref.actor_inbox.schedule(seconds, Told(to, about))
        else:
            self._ref.try_tell(Told(to, about))

    def _say_how_often(self, said: tuple[str, ...], _: float) -> None:
        more = self._said.pop(said) - LINES
        if more > 0:
            logger.warning("%s: child %r: %s … and %d more", self._ref, *said, more)

    def _abandon(self, spec: ChildSpec) -> None:
        if id(spec) not in self._lasting:
            _give_up(spec)

    def _close(self, id: str, reason: str, *, keep: bool = False) -> None:  # noqa: A002
        handle = self.handle(id)
        if not keep and self.place.below.get(id) is handle:
            del self.place.below[id]
        handle.close(reason)


def _fail(error: Exception, _: float) -> None:
    raise error  # raised in a tell, so it kills the supervisor by way of on_failure


def _give_up(spec: ChildSpec) -> None:
    """Call ``on_abandon`` of a spec that cannot be started again, and of the specs within it."""
    for within in spec.within():
        _give_up(within)
    if spec.on_abandon is not None:
        try:
            spec.on_abandon()
        except Exception:
            logger.error("on_abandon of the child %r failed:", spec.id, exc_info=True)


class SupervisorRef(ServiceRef[Supervisor]):
    """A supervisor's ref, with ``handle(id)`` in addition.

    Examples:
        >>> from namepool.actors import ChildSpec, ServiceActor, Supervisor
        >>> root = Supervisor.start(children=[ChildSpec("cook", ServiceActor)])
    """

    start_failure: m.StartFailed | None = None

    if TYPE_CHECKING:

        def ask(self, message: Any, *, block: bool = True, timeout: Wait = None) -> Any:
            """See ``QueuingRef``. The supervisor's own thread handles every message."""
    else:
        ask = QueuingRef.ask  # on its own thread, so that no exception in a caller can hit it

    def handle(self, id: str) -> ActorHandle:  # noqa: A002
        """Return a handle of a child, which stays valid across the child's restarts.

        ``id`` is the id of a child, or the path of a child further below, as in ``kitchen/cook``.

        Raises:
            ChildNotFound: no child has this id or path

        Examples:
            >>> root.handle("cook")
            <ActorHandle of 'cook', generation 1>
        """
        return cast("ActorHandle", self.ask(m.GetHandle(id)))
