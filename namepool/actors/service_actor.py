"""The base of our actors: a Pykka actor whose requests run where they are sent.

Which thread runs what: ``on_start``, ``on_stop``, ``on_failure``, every ``tell`` and every timer
run on the actor's own thread. A request to an *idle* actor runs on the caller's thread, in the
actor's turn: one message at a time and in order, exactly as if the actor's thread had run it.
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
    """Who acts in a context, where that is not the thread, task or actor whose stack it is."""

    owner: str

    def is_here(self) -> bool:
        """Tell whether that holds for the caller."""
        ...


acting: ContextVar[Acting | None] = ContextVar("acting", default=None)
"""The actor whose handler runs on its caller's thread, or whomever a program sets here."""


class Here:
    """An actor acts on this thread, in this task, and not in what that starts."""

    __slots__ = ("_place", "owner")

    def __init__(self, owner: str) -> None:
        self.owner: str = owner
        self._place = place()

    def is_here(self) -> bool:
        """Tell whether the caller is where this was made."""
        return self._place == place()


def place() -> object:
    """Return the thread and the asyncio task whose stack this is, for comparing."""
    asyncio = sys.modules.get("asyncio")
    try:
        return threading.get_ident(), asyncio and asyncio.current_task()
    except (AttributeError, RuntimeError):  # it is being imported, or no loop runs here
        return threading.get_ident(), None


class _Crash(NamedTuple):
    """A BaseException left a handler on a caller's thread; the actor dies of it on its own."""

    error: BaseException


class ActorLoop(pykka.ThreadingActor):
    """Takes one message after another, in its own turn; a caller may do so in between.

    The actor's hooks and handlers run in the actor's own context, on whatever thread.
    """

    comes_up_later: ClassVar[bool] = False
    """Set it on an actor that is not up when ``on_start`` returns, and says so itself."""

    _replying: Reply[Any] | Dropped | None = None
    _envelope: Envelope[Any] | None = None
    """What was taken from the inbox, until it is handled."""
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
        """Hook: deal with what was put into ``actor_inbox.signal``. Twice must do no harm."""

    def _actor_loop(self) -> None:
        self.actor_inbox.turn.acquire()
        self.actor_inbox.own_thread = threading.get_ident()
        try:
            self._guard(self._live)  # a hook of Pykka's may fail; nobody may wait for ever
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
                continue  # nothing was lost; there may be some in a moment

    def _actor_loop_setup(self) -> None:
        self._guard(self.on_start)

    def _next(self) -> Envelope[Any]:
        """Wait for a message; what was left half done is put right before it is handled."""
        inbox = self.actor_inbox
        envelope: Envelope[Any] | None = None
        while True:
            try:
                if envelope is None:
                    if inbox.guarded.torn:  # memory was lacking
                        inbox.signal.put(CutShort())
                    envelope = inbox.get()
                if inbox.guarded.torn:
                    inbox.guarded.recover()
                return envelope
            except MemoryError:
                continue  # nothing was lost; there may be some in a moment

    def _take_signals(self, _: Signalled) -> None:
        signalled = self.actor_inbox.signalled
        while signalled:
            try:
                self.on_signal(signalled[0])
            except MemoryError:
                return  # it is dealt with again
            except Exception:
                signalled.popleft()  # it may cost this incarnation, but not the next
                raise
            signalled.popleft()

    def _receive(self) -> None:
        """Handle one message from the queue and answer it."""
        envelope: Any = self._envelope
        self._envelope = None  # a dropped reply must be noticed; and it is not handled twice
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
            return  # deferred: the handler resolves it, or what stands in for it, later
        if isinstance(response, Reply) and response.is_deferred():
            reply.resolved_by(response)
        else:
            reply.set_quietly(response)

    def _handle_receive(self, message: Any) -> Any:
        handler = self._handlers.get(message.__class__)
        return super()._handle_receive(message) if handler is None else handler(message)

    def on_receive(self, message: Any) -> Any:
        """Warn of a message that nobody handles, as Pykka does; override it as there."""
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
        """Die of the exception being handled."""
        self._handle_failure(*sys.exc_info())
        self._guard(self.on_failure, *sys.exc_info())

    def _guard(self, hook: Callable[..., None], *args: Any) -> None:
        """Run a user's hook; whatever it raises ends this actor and nothing else."""
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
        """Report the death of an actor whose loop never began, or whose end was cut short."""
        lifecycle = self._actor_ref.lifecycle
        if not lifecycle.is_gone.is_set():
            lifecycle.failed(error or RuntimeError("its thread ended before the actor did"))
            self._finish()

    def _finish(self) -> None:
        """Answer what is left, then report the death. Nothing of the actor runs after this."""
        ref = self._actor_ref
        retire(ref)  # as has been done, unless its loop never began
        ref._actor = None
        self.actor_inbox.close(partial(refuse, ref))
        if self.actor_inbox.has_turn():
            self.actor_inbox.turn.release()  # who has ended has no turn
        ref.lifecycle.died()


class ServiceActor(ActorLoop):
    """A Pykka actor that answers every request and runs it where it is sent; see the module.

    Subclass it like ``pykka.ThreadingActor``. Its thread is a daemon: a program that forgets to
    stop it exits, after ``on_stop`` ran at interpreter exit: see ``at_exit``.
    """

    use_daemon_thread = True

    non_blocking: ClassVar[bool] = False
    """Set it on an actor whose handlers never block and may be cut short anywhere: then requests
    for a future, with a timeout or from the main thread run on the caller's thread too. What they
    may leave half done is ``actor_inbox.guarded``."""

    delays_exit: ClassVar[bool] = True
    """The interpreter's exit stops it and waits for that, up to 5 s. Unset it on an actor that
    another one stops, and whose work is worth nothing by then."""

    _reports_its_lifecycle: ClassVar[bool] = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._actor_ref = self._create_ref()
        self._inline: dict[type, Callable[[Any], Any]] = {_ActorStop: _later}
        """What callers may run, by the type of the message."""
        self._inline_other: Callable[[Any], Any] = self._receive_as_itself

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> Any:
        """Start an actor and return its ref; see ``pykka.Actor.start``.

        A caller that is struck leaves none behind.
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
                raise  # it came from outside
            # No thread can be started, or a tracer failed: nobody else will clean up.
            self._actor_ref.lifecycle.failed(error)
            self._finish()
            raise

    # -- for handlers -----------------------------------------------------------------------

    def deferred(self) -> Reply[Any]:
        """Return the reply that the current caller will read, to be returned and resolved later.

        A watched one is not kept alive by the actor: what is returned stands in for it.
        """
        return Reply() if self._replying is None else cast("Reply[Any]", self._replying)

    def schedule(self, delay: float, message: Any) -> None:
        """Tell oneself ``message`` in ``delay`` seconds."""
        self.actor_inbox.schedule(delay, message)


def _later(_: object) -> Any:
    return LATER
