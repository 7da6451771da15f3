"""The ``Supervisor`` actor: does what ``rules`` decides, and tells it the outcome.

All of it runs on the supervisor's own thread. It never waits, except while it stops itself: then it
waits for its children.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Never, Unpack, cast

import pykka

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
"""Lines a second of one child and one reason; further ones are counted."""


class Told(NamedTuple):
    """A message of the supervisor to itself: a notice to the rules, or a thing to be done later."""

    to: Callable[..., object]
    about: tuple[Any, ...]


class Supervisor(ServiceActor):
    """Keeps its children running; see ``start`` for the options.

    ```python
    root = Supervisor.start(children=[ChildSpec("crew", Crew)], strategy="one_for_all")
    cook = root.ask(StartChild(ChildSpec("cook", Cook)), timeout=5)  # the ref, once it is up
    root.handle("cook").ask("soup?")  # goes to the cook of the day, across restarts
    root.stop()
    ```

    Operations are carried out one after another, in the order in which they were asked; questions
    are answered at once. A refusal never ends it: the caller gets the error, and where nobody waits
    for the answer, as in a ``tell``, it is logged.
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
        backoff: m.Backoff | None = None,
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

    # -- what Pykka and parents call --------------------------------------------------------

    @classmethod
    def start(cls, *args: Never, **options: Unpack[m.SupervisorOptions]) -> SupervisorRef:
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
        cls, receipt: list[Any], *args: Never, **options: Unpack[m.SupervisorOptions]
    ) -> SupervisorRef:
        """Like ``start``; the ref is appended to ``receipt``, for a struck caller to stop."""
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

    # -- its own life -----------------------------------------------------------------------

    def _actor_loop_setup(self) -> None:
        self._hands.take_place()
        super()._actor_loop_setup()
        if not self.actor_stopped.is_set():  # by what ``on_start`` did
            self._hands.tell(self._state.begin)

    def on_stop(self) -> None:
        """Stop the children in reverse; waits for each as long as its spec says."""
        self._hands.end("its supervisor has stopped; start another")

    def on_failure(self, *_: Any) -> None:
        """Stop the children: a dead supervisor keeps nobody."""
        self._hands.end("its supervisor has failed; see the log, and start another")

    def _stop(self) -> None:
        super()._stop()
        Supervisor.on_stop(self)  # if a subclass has another

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
        """Add a child and start it; the answer is its ref once it is up.

        Raises:
            ChildExists: its id is taken
            StartFailed: it did not come up; the spec is not kept
            InvalidChildSpec: this is no spec of a child of this supervisor
        """
        return self._ask(m.StartChild(spec))

    def terminate_child(self, id: str) -> Reply[None]:  # noqa: A002
        """Stop a child; its spec is kept, unless it is temporary. Twice does no harm.

        A start of the child that is under way fails, and a restart is left out.

        Raises:
            ChildNotFound: no child has this id
        """
        return self._ask(m.TerminateChild(id))

    def restart_child(self, id: str) -> Reply[pykka.ActorRef[Any]]:  # noqa: A002
        """Start a terminated child again; the answer is its ref once it is up.

        Raises:
            ChildNotFound: no child has this id
            ChildBusy: it is running, or being restarted
            StartFailed: it did not come up; its spec is kept
        """
        return self._ask(m.RestartChild(id))

    def delete_child(self, id: str) -> Reply[None]:  # noqa: A002
        """Forget a terminated child.

        Raises:
            ChildNotFound: no child has this id
            ChildBusy: it is running, or being restarted
        """
        return self._ask(m.DeleteChild(id))

    def which_children(self) -> list[m.ChildInfo]:
        """Return every child, in the order of start; at once, whatever is under way."""
        return [child.info for child in self._state.children.values()]

    def count_children(self) -> m.ChildCounts:
        """Return how many children there are, are active, and are of each kind."""
        return self._state.children.counts()

    def get_child_spec(self, id: str) -> ChildSpec:  # noqa: A002
        """Return a child's spec.

        Raises:
            ChildNotFound: no child has this id
        """
        return self._state.children.find(id).spec

    def handle(self, id: str) -> ActorHandle:  # noqa: A002
        """Return a handle of a child that stays valid across its restarts.

        Raises:
            ChildNotFound: no child has this id, or this path
        """
        handle = self._hands.place.find(id) if isinstance(id, str) else None
        return handle or self._hands.handle(self._state.children.find(id).spec.id)

    def _ask(self, operation: Operation) -> Reply[Any]:
        reply = self.deferred()
        self._hands.tell(self._state.ask, operation, None if self._replying is None else reply)
        return reply


class Hands:
    """Does what the rules of one supervisor, which is ``ref``, say: each step by its method."""

    def __init__(
        self, ref: SupervisorRef, state: SupervisorState, backoff: m.Backoff | None
    ) -> None:
        self._ref = ref
        self._state = state
        self._backoff = backoff
        self.place: ActorHandle = ActorHandle("")
        """Where it is in its tree: its handle, with those of its children below."""
        self._lasting: set[int] = set()
        """The identities of the specs that outlive it: its own spec has them."""
        self._has_begun = False
        self._said: dict[tuple[str, ...], int] = {}
        """How often something was to be logged within a second."""

    def tell(self, told: Callable[..., object], *about: Any) -> None:
        """Tell the rules something, and do what they say."""
        told(*about)
        steps = self._state.steps
        while steps:
            step = steps.popleft()
            try:
                getattr(self, step.do)(*step.about)
            except Exception as error:  # half of a task is done: others start it anew
                self._later(0, _fail, error)
                raise

    def take_place(self) -> None:
        """Take the place that the ref was given: the handles of its children are there already."""
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
        """Return a child's handle; one for nobody if the next incarnation has taken it over."""
        handle = self.place.child(id, self._ref)
        return handle if handle.keeper is self._ref else ActorHandle(id)

    def end(self, reason: str) -> None:
        """Stop the children in reverse, waiting for each; twice does no harm."""
        if not self._has_begun:
            return  # its thread could not be started
        children = self._state.end(pykka.ActorDeadError(f"{self._ref}: {reason}"))
        self.tell(lambda: None)  # a child that waits for an answer could not end
        with ExitStack() as each:
            for child in reversed(children):
                each.callback(self._end_of, child, reason)

    def _end_of(self, child: Child, reason: str) -> None:
        spec, ref, supervisor = child.spec, child.ref, vars(self._ref).get("supervisor")
        if ref is not None:
            ref.stop(block=False)
            if not lifecycle_of(ref).is_gone.wait(cast("float | None", spec.shutdown)):
                self.leave_behind(spec, ref)
        if supervisor is not None:  # which knows whether this one is started again
            self.down(spec.id)
        else:
            self._close(spec.id, reason)
        self._abandon(spec)

    # -- the steps --------------------------------------------------------------------------

    def start(self, number: int, spec: ChildSpec) -> None:
        """Start a child, and tell what becomes of it."""
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
        """Ask a child to stop, and tell when it has had its time."""
        ref.stop(block=False)
        if seconds is not None:
            self._later(seconds, self._state.overdue, number)

    def leave_behind(self, spec: ChildSpec, ref: pykka.ActorRef[Any]) -> None:
        """Go on without a child that does not stop: a thread cannot be killed."""
        text = "child %r did not stop within %s s and is abandoned: %s"
        logger.warning(text, spec.id, spec.shutdown, ref)
        retire(ref)

    def up(self, id: str, ref: pykka.ActorRef[Any]) -> None:  # noqa: A002
        """A child runs."""
        self.handle(id).install(ref)

    def down(self, id: str) -> None:  # noqa: A002
        """A child runs no more; it may be started again."""
        self.handle(id).vacate()

    def close(self, id: str, reason: str) -> None:  # noqa: A002
        """A child runs no more, and is started again only if somebody asks for that."""
        self.handle(id).close(reason)

    def forget(self, spec: ChildSpec, reason: str) -> None:
        """A child is there no more, and nor is its spec, unless this supervisor's own has it."""
        self._close(spec.id, reason, keep=id(spec) in self._lasting)
        self._abandon(spec)

    def reply(self, to: Reply[Any] | None, value: object) -> None:
        """Answer; where nobody waits for it an error is logged."""
        if to is not None and isinstance(value, BaseException):
            to.fail_quietly(value)
        elif to is not None:
            to.set_quietly(value)
        elif isinstance(value, BaseException):
            text = "%s: nobody waits for the answer: %s"
            logger.warning(text, self._ref, text_of(value), exc_info=value.__cause__)

    def wait(self, failures: int, members: list[Child]) -> None:
        """Tell when a pause is over; without one, behind the messages that are in the inbox."""
        seconds = 0.0 if self._backoff is None else self._backoff.pause(failures)
        self._later(seconds, self._state.again, members)

    def report(self, id: str, what: str, failure: Failure) -> None:  # noqa: A002
        """Log an event of a child, and its reason; lines that repeat themselves are counted."""
        said, times = (id, failure.text), self._said.get((id, failure.text), 0)
        if times == 0:
            self._later(1.0, self._say_how_often, said)
        if times < LINES:
            text = "%s: child %r %s: %s"
            logger.warning(text, self._ref, id, what, failure.text, exc_info=failure.error)
        self._said[said] = times + 1

    def ready(self) -> None:
        """The initial children are up, and so is their supervisor."""
        self._ref.lifecycle.came_up()

    def give_up(self, error: m.SupervisorError | None) -> None:
        """End, with an error as the reason, which a parent sees; or as if stopped."""
        if error is None:
            self._ref.stop(block=False)
            return
        if isinstance(error, m.StartFailed):
            self._ref.start_failure = error
        logger.error("%s gives up: %s", self._ref, error, exc_info=error.__cause__)
        self._later(0, _fail, error)

    # -- how --------------------------------------------------------------------------------

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
    raise error  # in a tell: it kills the supervisor, by way of on_failure


def _give_up(spec: ChildSpec) -> None:
    """Say that a spec cannot be started again, nor those of the children it is started with."""
    for within in spec.within():
        _give_up(within)
    if spec.on_abandon is not None:
        try:
            spec.on_abandon()
        except Exception:
            logger.error("on_abandon of the child %r failed:", spec.id, exc_info=True)


class SupervisorRef(ServiceRef[Supervisor]):
    """A supervisor's ref; ``handle(id)`` is at hand without a proxy."""

    start_failure: m.StartFailed | None = None

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
        return cast("ActorHandle", self.ask(m.GetHandle(id)))
