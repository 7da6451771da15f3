"""The base of our actors: a Pykka actor whose requests run where they are sent.

Which thread runs what: ``on_start``, ``on_stop``, ``on_failure``, every ``tell`` and every timer
run on the actor's own thread. A request to an *idle* actor runs on the caller's thread, in the
actor's turn: one message at a time and in order, exactly as if the actor's thread had run it.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import sys
import threading
import time
from _thread import get_ident
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeVar, cast, overload

import pykka
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from namepool.actors.death_watch import Fate
from namepool.actors.inbox import Inbox, refuse
from namepool.actors.ref import QueuingRef
from namepool.actors.reply import Reply, WouldDeadlock

if TYPE_CHECKING:
    from types import TracebackType

logger = logging.getLogger(__name__)

EXIT_TIMEOUT = 5.0
"""Seconds that the interpreter's exit waits for all actors together to stop."""

_main_thread = threading.main_thread().ident


def _after_fork() -> None:
    global _main_thread
    _main_thread = get_ident()


os.register_at_fork(after_in_child=_after_fork)


acting_as: ContextVar[str | None] = ContextVar("acting_as", default=None)
"""Who acts in this context, where that is not the thread, task or actor whose stack it is: the
actor whose handler runs on its caller's thread, or whomever a program sets here."""


class _Crash(NamedTuple):
    """A BaseException left a handler on a caller's thread; the actor dies of it on its own."""

    error: BaseException


A = TypeVar("A", bound="ServiceActor")


class ServiceRef(QueuingRef[A]):
    """A ``pykka.ActorRef`` with the inline path and a death notice."""

    def __init__(self, actor: A) -> None:
        super().__init__(actor)
        self._actor: A | None = actor  # until it is dead
        self._prompt = actor.prompt
        self.fate = Fate(str(self))

    @overload
    def ask(
        self, message: Any, *, block: Literal[False], timeout: float | None = None
    ) -> pykka.Future[Any]: ...
    @overload
    def ask(
        self, message: Any, *, block: Literal[True] = True, timeout: float | None = None
    ) -> Any: ...
    @overload
    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any: ...

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Send a message; return the answer, or with ``block=False`` a future of it.

        An idle actor handles it on this thread, unless this is the main thread (a Ctrl-C could
        land inside a handler) or the actor itself. Where the caller could go on meanwhile
        (``block=False``) or give up (``timeout``), only a ``prompt`` actor does so.

        Raises:
            pykka.Timeout: no answer within ``timeout`` seconds; the request is withdrawn
            pykka.ActorDeadError: the actor is dead, or died before it answered
            WouldDeadlock: called from inside this actor, with ``block=True``
        """
        inbox = self.actor_inbox
        turn = inbox.turn
        if (
            get_ident() == _main_thread
            or not (self._prompt or (block and timeout is None))
            or turn._is_owned()
            or not turn.acquire(False)
        ):
            return super().ask(message, block=block, timeout=timeout)
        if inbox.queue or not inbox.is_open or message.__class__ is _ActorStop:
            turn.release()
            return super().ask(message, block=block, timeout=timeout)
        # The turn is ours. What follows is one function because it is the price of every request.
        actor = self._actor
        try:
            handler = actor._handlers.get(message.__class__)  # type: ignore[union-attr]
            if handler is not None:
                response = handler(message)
            else:
                response = actor._receive_as_itself(message)  # type: ignore[union-attr]
            if not block:
                return self._reply_with(message, response)
        except Exception as error:
            logger.info("Exception returned from %s to caller:", self, exc_info=True)
            if block:
                raise
            return Reply.failed(error)
        except BaseException as error:
            inbox.put_first(Envelope(_Crash(error)))
            died = self._died_of(error)
            if block:
                raise died from error
            return Reply.failed(died)
        finally:
            turn.release()
        if response.__class__ is Reply and response.is_deferred():
            return response.get_once(timeout)
        return response

    def _reply_with(self, message: Any, response: Any) -> Reply[Any]:
        """Return a reply that holds what a handler, run on this thread, returned."""
        if isinstance(response, Reply) and response.is_deferred():
            return response
        reply = Reply.resolved(response)
        self._actor.on_reply(message, response, reply)  # type: ignore[union-attr]
        return reply

    def post(self, message: Any) -> bool:
        """Like ``tell``, for finalisers and actors: ``False`` if the actor is dead, no error."""
        if self.actor_stopped.is_set():
            return False
        self.actor_inbox.put(Envelope(message))
        return True

    def watch(self, callback: Callable[[str | None], object]) -> None:
        """Call ``callback(reason)`` once when the actor is dead and every request answered.

        ``reason`` is ``None`` after a normal stop, else the type and text of what it died of. It
        runs on the dying actor's thread, or here and now if the actor is dead already; it must not
        block: a ``tell`` is what it is for.
        """
        self.fate.watch(callback)

    def wait_gone(self, timeout: float | None = None) -> bool:
        """Wait until the actor is dead and every request answered; tell whether it is.

        Raises:
            WouldDeadlock: called from inside this actor
        """
        if self.actor_inbox.is_mine():
            raise WouldDeadlock("an actor cannot wait for its own end")
        return self.fate.is_gone.wait(timeout)

    def _died_of(self, error: BaseException) -> pykka.ActorDeadError:
        died = pykka.ActorDeadError(f"{self} died of {error!r} handling the message")
        died.__cause__ = error
        return died


class ServiceActor(pykka.ThreadingActor):
    """A Pykka actor that answers every request and runs it where it is sent; see the module.

    Subclass it like ``pykka.ThreadingActor``. Its thread is a daemon: a program that forgets to
    stop it exits, after ``on_stop`` ran at interpreter exit (``EXIT_TIMEOUT``).
    """

    use_daemon_thread = True

    prompt: ClassVar[bool] = False
    """Set it on an actor whose handlers never block: then its futures and its requests with a
    timeout run on the caller's thread too."""

    comes_up_later: ClassVar[bool] = False
    """Set it on an actor that is not up when ``on_start`` returns, and says so itself."""

    _reports_its_fate: ClassVar[bool] = True

    _replying: Reply[Any] | None = None
    _actor_ref: ServiceRef[Any]
    actor_inbox: Inbox

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._actor_ref = self._create_ref()
        self._handlers: dict[type, Callable[[Any], Any]] = {_Crash: self._crash}

    def _create_ref(self) -> ServiceRef[Any]:
        return ServiceRef(self)

    @staticmethod
    def _create_actor_inbox() -> Inbox:
        return Inbox()

    @staticmethod
    def _create_future() -> Reply[Any]:
        return Reply()

    def _start_actor_loop(self) -> None:
        try:
            super()._start_actor_loop()
        except BaseException as error:  # no thread to be had: nobody else will clean up
            self._handle_failure(type(error), error, error.__traceback__)
            self._bury()
            raise

    # -- for handlers -----------------------------------------------------------------------

    def deferred(self) -> Reply[Any]:
        """Return the reply that the current caller will read, to be returned and resolved later."""
        return self._replying or Reply()

    def schedule(self, delay: float, message: Any) -> None:
        """Tell oneself ``message`` in ``delay`` seconds."""
        self.actor_inbox.schedule(delay, message)

    def on_reply(self, message: Any, response: Any, reply: Reply[Any]) -> None:
        """Hook: ``reply``, which may yet be dropped unread, is about to bring ``response``.

        Runs in the actor's turn. An actor that wants its answer back then calls ``reply.on_drop``.
        """

    # -- the actor's own thread -------------------------------------------------------------

    def _actor_loop(self) -> None:
        inbox = self.actor_inbox
        inbox.turn.acquire()
        self._actor_ref.fate.thread = threading.current_thread()
        try:
            self._guard(self.on_start)
            if not self.comes_up_later and not self.actor_stopped.is_set():
                self._actor_ref.fate.came_up()
            while not self.actor_stopped.is_set():
                self._receive(inbox.get())
        except BaseException as error:  # a hook of Pykka's failed; nobody may wait for ever
            self._handle_failure(type(error), error, error.__traceback__)
        finally:
            self._bury()

    def _receive(self, envelope: Envelope[Any]) -> None:
        """Handle one message from the queue and answer it."""
        message, reply = envelope.message, cast("Reply[Any] | None", envelope.reply_to)
        self._replying = reply
        try:
            response = self._handle_receive(message)
            if reply is not None:
                self._answer(message, response, reply)
        except Exception:
            if reply is None:
                self._fail()
            else:
                logger.info("Exception returned from %s to caller:", self, exc_info=True)
                _answer_exception(reply, sys.exc_info())
        except BaseException as error:
            self._fail()
            if reply is not None:
                died = self._actor_ref._died_of(error)
                _answer_exception(reply, (type(died), died, None))
        finally:
            self._replying = None

    def _answer(self, message: Any, response: Any, reply: Reply[Any]) -> None:
        if response is reply:
            return  # deferred: the handler resolves it later
        if isinstance(response, Reply) and response.is_deferred():
            reply.resolved_by(response)
            return
        self.on_reply(message, response, reply)
        try:
            reply.set(response)
        except queue.Full:
            pass  # withdrawn; dropping the reply gives back what it was to bring

    def _handle_receive(self, message: Any) -> Any:
        handler = self._handlers.get(message.__class__)
        return super()._handle_receive(message) if handler is None else handler(message)

    def _receive_as_itself(self, message: Any) -> Any:
        """Handle ``message`` on a caller's thread: what it says, this actor says."""
        token = acting_as.set(self.actor_urn)
        try:
            return self._handle_receive(message)
        finally:
            acting_as.reset(token)

    def _crash(self, message: _Crash) -> None:
        raise message.error

    def _stop(self) -> None:
        pykka.ActorRegistry.unregister(self.actor_ref)
        self.actor_stopped.set()
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
        self._actor_ref.fate.failed(exception_value or exception_type)
        super()._handle_failure(exception_type, exception_value, traceback)

    def _bury(self) -> None:
        """Answer what is left, then report the death. Nothing of the actor runs after this."""
        ref = self._actor_ref
        ref._actor = None
        self.actor_inbox.close(partial(refuse, ref))
        ref.fate.died()


def _answer_exception(reply: Reply[Any], exc_info: Any) -> None:
    try:
        reply.set_exception(exc_info)
    except queue.Full:
        pass  # withdrawn


_exiting = False


def is_exiting() -> bool:
    """Tell whether the interpreter exits: from CPython 3.12 on no thread starts any more."""
    return _exiting


def _our_refs() -> list[pykka.ActorRef[Any]]:
    return [ref for ref in pykka.ActorRegistry.get_all() if isinstance(ref, ServiceRef)]


def _stop_all_at_exit() -> None:
    """Stop our actors, in the order they were started: a supervisor stops its own children."""
    global _exiting
    _exiting = True
    deadline = time.monotonic() + EXIT_TIMEOUT
    asked: set[pykka.ActorRef[Any]] = set()
    while left := [ref for ref in _our_refs() if ref not in asked]:
        asked.add(left[0])  # one that stops may start a last one, to clean up
        try:
            left[0].stop(timeout=max(deadline - time.monotonic(), 0.0))
        except Exception:
            logger.warning("%s did not stop before the interpreter's exit", left[0])


atexit.register(_stop_all_at_exit)
