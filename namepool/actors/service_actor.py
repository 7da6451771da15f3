"""The base of our actors: a Pykka actor that may handle a request on the caller's thread.

The actor's own thread runs ``on_start``, ``on_stop``, ``on_failure``, every ``tell`` and every
timer. The caller's thread runs a request to an *idle* actor, in the actor's turn. Still the actor
handles one message at a time and in order, exactly as if its own thread handled all of them.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, cast

import pykka
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from namepool.actors.inbox import CutShort, Inbox, Signalled, refuse
from namepool.actors.later import LATER
from namepool.actors.lifecycle import ActorThread, give_up, launch
from namepool.actors.logs import Logger, quietly
from namepool.actors.ref import ServiceRef
from namepool.actors.registry import retire
from namepool.actors.reply import Dropped, Reply

if TYPE_CHECKING:
    from types import TracebackType

logger: Logger = Logger(__name__)
_pykka: Logger = Logger("pykka")


class Acting(Protocol):
    """A party that acts in a context in place of the running thread or task.

    It is an actor whose handler runs on a caller's thread, or the owner of an ``owner_scope``.
    """

    owner: str

    def is_here(self) -> bool:
        """Tell whether this party acts in the caller's thread and task."""
        ...


acting: ContextVar[Acting | None] = ContextVar("acting", default=None)
"""The actor whose handler runs on the caller's thread, or another party that a program sets."""


class Here:
    """An actor that acts in this thread and task, but not in threads and tasks started there."""

    __slots__ = ("_place", "owner")

    def __init__(self, owner: str) -> None:
        self.owner: str = owner
        self._place = place()

    def is_here(self) -> bool:
        """Tell whether the caller runs in the thread and task that made this object."""
        return self._place == place()


def place() -> object:
    """Return the running thread and asyncio task, for a comparison."""
    asyncio = sys.modules.get("asyncio")
    try:
        return threading.get_ident(), asyncio and asyncio.current_task()
    except (AttributeError, RuntimeError):  # asyncio is being imported, or no loop runs here
        return threading.get_ident(), None


class _Crash(NamedTuple):
    """A BaseException of a handler on a caller's thread.

    The actor dies of this error on its own thread.
    """

    error: BaseException


class ActorLoop(pykka.ThreadingActor):
    """An actor that handles one message after another, each in its turn.

    A caller may handle its own request between two of these messages. The hooks and handlers run
    in the actor's own context, on every thread.
    """

    comes_up_later: ClassVar[bool] = False
    """Set it to ``True`` on an actor that is not yet up when ``on_start`` returns.

    Such an actor calls ``came_up`` of its lifecycle itself.
    """

    _replying: Reply[Any] | Dropped | None = None
    _envelope: Envelope[Any] | None = None
    """The envelope that was taken from the inbox and is not handled yet."""
    _context: Context
    _actor_ref: ServiceRef[Any]
    actor_inbox: Inbox

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._handlers: dict[type, Callable[[Any], Any]] = {
            _Crash: self._crash,
            Signalled: self._take_signals,
        }

    def on_signal(self, signalled: Any) -> None:
        """Deal with an object that was put into ``actor_inbox.signal``.

        This is a hook for subclasses. It may be called twice with the same object, and the second
        call must do no harm.
        """

    def _actor_loop(self) -> None:
        self.actor_inbox.turn.acquire()
        self.actor_inbox.own_thread = threading.get_ident()
        try:
            self._guard(self._live)  # a hook of Pykka may fail, and no caller may wait for ever
        finally:
            self._finish()

    def _live(self) -> None:
        self._context = copy_context()
        self._context.run(self._actor_loop_setup)
        if not self.comes_up_later and not self.actor_stopped.is_set():
            self._actor_ref.lifecycle.came_up()
        while not self.actor_stopped.is_set():
            try:
                if self._envelope is None:
                    self._envelope = self._next()
                self._context.run(self._receive)
            except MemoryError:
                continue  # nothing was lost, and memory may be free again in a moment

    def _actor_loop_setup(self) -> None:
        self._guard(self.on_start)

    def _next(self) -> Envelope[Any]:
        """Wait for a message and return it; first recover from a change that was left half done."""
        inbox = self.actor_inbox
        envelope: Envelope[Any] | None = None
        while True:
            try:
                if envelope is None:
                    if inbox.guarded.torn:  # the recovery failed for lack of memory
                        inbox.signal.put(CutShort())
                    envelope = inbox.get()
                if inbox.guarded.torn:
                    inbox.guarded.recover()
                return envelope
            except MemoryError:
                continue  # nothing was lost, and memory may be free again in a moment

    def _take_signals(self, _: Signalled) -> None:
        signalled = self.actor_inbox.signalled
        while signalled:
            try:
                self.on_signal(signalled[0])
            except MemoryError:
                return  # the hook is called again with the same object
            except Exception:
                signalled.popleft()  # the object may end this incarnation, but not the next one
                raise
            signalled.popleft()

    def _receive(self) -> None:
        """Handle one message from the queue and answer it."""
        envelope: Any = self._envelope
        # The actor must not keep a dropped reply alive, nor handle the message twice.
        self._envelope = None
        message, reply = envelope.message, envelope.reply_to
        self._replying = reply
        try:
            response = self._handle_receive(message)
            if reply is not None:
                self._answer(response, reply)
        except Exception as error:
            if reply is None:
                self._fail()
            else:
                logger.info("Exception returned from %s to caller:", self, exc_info=True)
                reply.fail_quietly(error)
        except BaseException as error:
            self._fail()
            if reply is not None:
                reply.fail_quietly(self._actor_ref.died_of(error))
        finally:
            self._replying = None

    def _answer(self, response: Any, reply: Reply[Any]) -> None:
        if response is reply or response is self._replying:
            return  # the answer is deferred: the handler resolves the reply or its Dropped later
        if isinstance(response, Reply) and response.is_deferred():
            reply.resolved_by(response)
        else:
            reply.set_quietly(response)

    def _handle_receive(self, message: Any) -> Any:
        handler = self._handlers.get(message.__class__)
        return super()._handle_receive(message) if handler is None else handler(message)

    def on_receive(self, message: Any) -> Any:
        """Log a warning about a message that has no handler, as Pykka does.

        A subclass overrides this method and handles its messages there.
        """
        quietly(super().on_receive, message)

    def _receive_as_itself(self, message: Any) -> Any:
        """Handle ``message`` on a caller's thread, in the actor's own context."""
        try:
            return self._context.run(self._act, message)
        except Exception as error:
            logger.info("Exception returned from %s to caller:", self, exc_info=True)
            return Reply.failed(error)
        except BaseException as error:
            self.actor_inbox.put_first(Envelope(_Crash(error)))
            return Reply.failed(self._actor_ref.died_of(error))

    def _act(self, message: Any) -> Any:
        acting.set(Here(self.actor_urn))
        return self._handle_receive(message)

    def _crash(self, message: _Crash) -> None:
        raise message.error

    def _stop(self) -> None:
        retire(self._actor_ref)
        self._guard(self.on_stop)

    def _fail(self) -> None:
        """Let the actor die of the exception that is being handled."""
        self._handle_failure(*sys.exc_info())
        self._guard(self.on_failure, *sys.exc_info())

    def _guard(self, hook: Callable[..., None], *args: Any) -> None:
        """Run a hook of the user; an error of the hook ends this actor and nothing else."""
        try:
            hook(*args)
        except BaseException:
            self._handle_failure(*sys.exc_info())

    def _handle_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._actor_ref.lifecycle.failed(exception_value or exception_type)
        retire(self._actor_ref)
        exc_info = exception_type, exception_value, traceback
        _pykka.error("Unhandled exception in %s:", self, exc_info=exc_info)

    def _thread_ended(self, error: BaseException | None) -> None:
        """Report the death of an actor if its loop never began, or its end was cut short."""
        lifecycle = self._actor_ref.lifecycle
        if not lifecycle.is_gone.is_set():
            lifecycle.failed(error or RuntimeError("its thread ended before the actor did"))
            self._finish()

    def _finish(self) -> None:
        """Refuse the remaining requests, then report the death.

        Nothing of the actor runs after this.
        """
        ref = self._actor_ref
        retire(ref)  # needed if the loop never began; otherwise it was done before
        ref._actor = None
        self.actor_inbox.close(partial(refuse, ref))
        if self.actor_inbox.has_turn():
            self.actor_inbox.turn.release()  # an actor that has ended must not keep its turn
        ref.lifecycle.died()


class ServiceActor(ActorLoop):
    """A Pykka actor that answers every request, on the caller's thread if the actor is idle.

    Subclass it like ``pykka.ThreadingActor``. Its thread is a daemon, so a program that forgets to
    stop the actor still exits. The interpreter's exit stops the actor and so runs ``on_stop``.

    Examples:
        >>> from namepool.actors import ServiceActor
        >>> class Counter(ServiceActor):
        ...     count = 0
        ...     def on_receive(self, step):
        ...         self.count += step
        ...         return self.count
        >>> counter = Counter.start()
        >>> counter.ask(2)
        2
    """

    use_daemon_thread = True

    non_blocking: ClassVar[bool] = False
    """Set it to ``True`` on an actor whose handlers never block and may be cut short anywhere.

    Then the caller's thread also runs three other kinds of requests: for a future, with a timeout,
    or from the main thread. If a handler is cut short there, the actor repairs the object
    ``actor_inbox.guarded``, by the method ``recover`` of this object. So a handler must not leave
    any other object half changed.
    """

    delays_exit: ClassVar[bool] = True
    """Whether the interpreter's exit stops the actor and waits for its end.

    The exit waits up to 5 seconds for all actors together. Set it to ``False`` on an actor that
    another actor stops, and whose work is worth nothing at the exit.
    """

    _reports_its_lifecycle: ClassVar[bool] = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._actor_ref = self._create_ref()
        self._inline: dict[type, Callable[[Any], Any]] = {_ActorStop: _later}
        """The handlers that a caller may run, by the type of the message."""
        self._inline_other: Callable[[Any], Any] = self._receive_as_itself

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> Any:
        """Start an actor and return its ref, as ``pykka.Actor.start`` does.

        If an exception from outside (such as Ctrl-C) hits the caller here, no actor is left behind.

        Examples:
            >>> Counter.start().ask(5)
            5
        """
        started: list[Any] = []
        is_kept = False
        try:
            ref = launch(cls, args, kwargs, receipt=started)
            is_kept = True  # no call from here to the return
            return ref
        finally:
            if not is_kept:
                give_up(started)

    def _create_ref(self) -> ServiceRef[Any]:
        return ServiceRef(self)

    @staticmethod
    def _create_actor_inbox() -> Inbox:
        return Inbox()

    @staticmethod
    def _create_future() -> Reply[Any]:
        return Reply()

    def _start_actor_loop(self) -> None:
        thread = ActorThread(self, self._thread_ended)
        try:
            thread.start()
        except Exception as error:
            if thread.ident is not None:
                raise  # the error came from outside
            # No thread could be started, or a tracer failed. Nobody else cleans up.
            self._actor_ref.lifecycle.failed(error)
            self._finish()
            raise

    # -- for handlers -----------------------------------------------------------------------

    def deferred(self) -> Reply[Any]:
        """Return the reply that the current caller will read.

        A handler returns this reply, and the actor resolves it later. If the answer comes with a
        grant, such as a lease, the actor must not keep the reply alive. Then this method returns a
        weak reference to the reply (its ``Dropped``) in place of the reply.

        Examples:
            >>> class Cook(ServiceActor):
            ...     def on_receive(self, message):
            ...         if message == "order":
            ...             self.order = self.deferred()
            ...             return self.order
            ...         self.order.set(message)
            >>> cook = Cook.start()
            >>> order = cook.ask("order", block=False)
            >>> cook.tell("soup")
            >>> order.get(timeout=5)
            'soup'
        """
        return Reply() if self._replying is None else cast("Reply[Any]", self._replying)

    def schedule(self, delay: float, message: Any) -> None:
        """Tell this actor ``message`` in ``delay`` seconds.

        Examples:
            >>> class Guest(ServiceActor):
            ...     def on_start(self):
            ...         self.schedule(0.01, "leave")
            ...     def on_receive(self, message):
            ...         self.stop()
            >>> Guest.start().wait_gone(timeout=5)
            True
        """
        self.actor_inbox.schedule(delay, message)


def _later(_: object) -> Any:
    return LATER
