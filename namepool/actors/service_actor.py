"""The base of our actors: a Pykka actor whose requests run where they are sent.

Which thread runs what: ``on_start``, ``on_stop``, ``on_failure``, every ``tell`` and every timer
run on the actor's own thread. A request to an *idle* actor runs on the caller's thread, in the
actor's turn: one message at a time and in order, exactly as if the actor's thread had run it.
"""

from __future__ import annotations

import atexit
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeVar, cast, overload

import pykka
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from namepool.actors.inbox import Inbox, Returned, refuse
from namepool.actors.latch import passed_on
from namepool.actors.launch import give_up, launch
from namepool.actors.lifecycle import Lifecycle
from namepool.actors.ref import QueuingRef
from namepool.actors.reply import Reply, WouldDeadlock

if TYPE_CHECKING:
    from types import TracebackType

logger: logging.Logger = logging.getLogger(__name__)

EXIT_TIMEOUT = 5.0
"""Seconds that the interpreter's exit waits for all actors together to stop."""


class _NoAnswer(NamedTuple):
    """What a handler on a caller's thread came to, where that is no value to be returned."""

    error: BaseException | None = None
    """It raised."""
    reply: Reply[Any] | None = None
    """It answers later."""


LATER: Any = _NoAnswer()
"""What a handler returns on a caller's thread, having changed nothing: the actor's own thread is to
handle this message."""


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
        self.lifecycle: Lifecycle = Lifecycle(str(self))

    @overload
    def ask(
        self,
        message: Any,
        *,
        block: Literal[False],
        timeout: float | None = None,
        receipt: list[Any] | None = None,
    ) -> pykka.Future[Any]: ...
    @overload
    def ask(
        self,
        message: Any,
        *,
        block: bool = True,
        timeout: float | None = None,
        receipt: list[Any] | None = None,
    ) -> Any: ...

    def ask(
        self,
        message: Any,
        *,
        block: bool = True,
        timeout: float | None = None,
        receipt: list[Any] | None = None,
    ) -> Any:
        """Send a message; return the answer, or with ``block=False`` a future of it.

        An idle ``prompt`` actor handles it on this thread. One that is not does so only where the
        caller could neither go on meanwhile (``block=False``) nor give up (``timeout``), and never
        on the main thread, where a Ctrl-C would land inside a handler not made for it.

        Whatever is raised from outside in here reaches the caller; what the actor was about then is
        mended by its own thread, and what it granted goes home. ``receipt``: see ``QueuingRef``.

        Raises:
            pykka.Timeout: no answer within ``timeout`` seconds; the request is withdrawn
            pykka.ActorDeadError: the actor is dead, or died before it answered
            WouldDeadlock: called from inside this actor, with ``block=True``
        """
        inbox = self.actor_inbox
        turn = inbox.turn
        response = LATER
        grant = None
        try:
            # A lock's __enter__ has no place to be struck, its acquire(False) has one behind it:
            # therefore the release is the first thing in a ``finally`` that may not own it. Asking
            # who owns it comes first, also because it fails where the release would, close to the
            # recursion limit.
            if not turn._is_owned() and (
                self._prompt or (block and timeout is None and _is_worker())
            ):
                try:
                    if turn.acquire(False) and inbox.is_open and not inbox.queue:
                        actor = self._actor
                        handle = actor._inline.get(message.__class__, actor._inline_other)  # type: ignore[union-attr]
                        response = handle(message)
                        grant = actor.undelivered  # type: ignore[union-attr]
                        if grant is not None:
                            actor.undelivered = None  # type: ignore[union-attr]
                except BaseException:
                    inbox.torn = True
                    inbox.is_open = False
                    raise
                finally:
                    try:
                        turn.release()
                    except RuntimeError as error:
                        passed_on(error)  # else it was not free
            if grant is not None:
                if receipt is not None:
                    receipt.append(grant)
                if block:
                    return response
                reply = Reply.resolved(response)
                reply.carry(grant, inbox.signal.put)
                return reply
        except BaseException:
            if grant is not None:
                inbox.signal.put(grant)
            raise
        if response.__class__ is _NoAnswer:
            return self._ask_further(response, message, block, timeout, receipt)
        return response if block else Reply.resolved(response)

    def _ask_further(
        self,
        response: _NoAnswer,
        message: Any,
        block: bool,
        timeout: float | None,
        receipt: list[Any] | None,
    ) -> Any:
        if response.error is not None:
            if block:
                raise response.error
            return Reply.failed(response.error)
        if response.reply is not None:
            return response.reply.get_once(timeout) if block else response.reply
        return self._ask_its_thread(message, block, timeout, receipt)

    def _ask_its_thread(
        self, message: Any, block: bool, timeout: float | None, receipt: list[Any] | None
    ) -> Any:
        grants: list[Any] = [] if receipt is None else receipt
        try:
            answer = super().ask(message, block=block, timeout=timeout, receipt=grants)
            return answer  # noqa: RET504  it may be struck in between
        except BaseException:
            for grant in grants:
                self.give_back(grant)
            raise

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
        self.lifecycle.watch(callback)

    def wait_gone(self, timeout: float | None = None) -> bool:
        """Wait until the actor is dead and every request answered; tell whether it is.

        Raises:
            WouldDeadlock: called from inside this actor
        """
        if self.actor_inbox.is_mine():
            raise WouldDeadlock("an actor cannot wait for its own end: call stop(block=False)")
        return self.lifecycle.is_gone.wait(timeout)

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
    """Set it on an actor whose handlers never block and may be cut short anywhere (``on_torn``):
    then its futures, its requests with a timeout, and those of the main thread run on the caller's
    thread too."""

    comes_up_later: ClassVar[bool] = False
    """Set it on an actor that is not up when ``on_start`` returns, and says so itself."""

    _reports_its_lifecycle: ClassVar[bool] = True

    _replying: Reply[Any] | None = None
    _actor_ref: ServiceRef[Any]
    actor_inbox: Inbox

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._actor_ref = self._create_ref()
        self._handlers: dict[type, Callable[[Any], Any]] = {
            _Crash: self._crash,
            Returned: self._take_in,
        }
        self._inline: dict[type, Callable[[Any], Any]] = {_ActorStop: _later}
        """What callers may run, by the type of the message."""
        self._inline_other: Callable[[Any], Any] = self._receive_as_itself
        self.undelivered: Any = None
        """What the running handler grants its caller, noted *before* it is granted."""

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> Any:
        """Start an actor and return its ref; see ``pykka.Actor.start``.

        A caller that is struck leaves none behind.
        """
        started: list[Any] = []
        try:
            ref = launch(cls, args, kwargs, receipt=started)
            return ref  # noqa: RET504  it may be struck in between
        except BaseException:
            give_up(started)
            raise

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
        except RuntimeError as error:  # no thread to be had: nobody else will clean up
            passed_on(error)
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

    def on_returned(self) -> None:
        """Hook: take in what lies in ``actor_inbox.returned``: granted, and never delivered."""
        self.actor_inbox.returned.clear()

    def on_torn(self) -> None:
        """Hook: mend what a caller left half done that was cut short in its turn."""

    # -- the actor's own thread -------------------------------------------------------------

    def _actor_loop(self) -> None:
        inbox = self.actor_inbox
        inbox.turn.acquire()
        self._actor_ref.lifecycle.thread = threading.current_thread()
        try:
            self._guard(self.on_start)
            if not self.comes_up_later and not self.actor_stopped.is_set():
                self._actor_ref.lifecycle.came_up()
            while not self.actor_stopped.is_set():
                self._receive(self._next())  # held by no variable: a dropped reply must be noticed
        except BaseException as error:  # a hook of Pykka's failed; nobody may wait for ever
            self._handle_failure(type(error), error, error.__traceback__)
        finally:
            self._bury()

    def _next(self) -> Envelope[Any]:
        """Wait for a message; what a caller left half done is mended before it is handled."""
        inbox = self.actor_inbox
        envelope: Envelope[Any] | None = None
        while True:
            try:
                if envelope is None:
                    envelope = inbox.get()
                if inbox.torn:
                    self._mend()
                return envelope
            except MemoryError:
                continue  # nothing was lost; there may be some in a moment

    def _mend(self) -> None:
        """Mend what was left half done."""
        inbox = self.actor_inbox
        if self.undelivered is not None:
            inbox.returned.append(self.undelivered)
            self.undelivered = None
        try:
            self.on_torn()
        except MemoryError:
            raise  # it is still torn
        except BaseException:
            self._handle_failure(*sys.exc_info())
        inbox.torn = False

    def _take_in(self, _: Returned) -> None:
        try:
            self.on_returned()
        except MemoryError:
            pass  # what is still there is returned again

    def _receive(self, envelope: Envelope[Any]) -> None:
        """Handle one message from the queue and answer it."""
        message, reply = envelope.message, cast("Reply[Any] | None", envelope.reply_to)
        self._replying = reply
        try:
            response = self._handle_receive(message)
            if reply is not None:
                self._answer(response, reply)
        except Exception:
            if reply is None:
                self._fail()
            else:
                self.actor_inbox.torn = True  # it may have left half of it
                if self.undelivered is not None:
                    self.actor_inbox.returned.append(self.undelivered)
                logger.info("Exception returned from %s to caller:", self, exc_info=True)
                _answer_exception(reply, sys.exc_info())
        except BaseException as error:
            self._fail()
            if reply is not None:
                died = self._actor_ref._died_of(error)
                _answer_exception(reply, (type(died), died, None))
        finally:
            self._replying = None
            self.undelivered = None

    def _answer(self, response: Any, reply: Reply[Any]) -> None:
        if response is reply:
            return  # deferred: the handler resolves it later
        if isinstance(response, Reply) and response.is_deferred():
            reply.resolved_by(response)
            return
        grant, self.undelivered = self.undelivered, None
        if grant is not None:
            reply.carry(grant, self.actor_inbox.signal.put)
        if not reply.set_quietly(response) and grant is not None:
            self.actor_inbox.returned.append(grant)  # withdrawn

    def _handle_receive(self, message: Any) -> Any:
        handler = self._handlers.get(message.__class__)
        return super()._handle_receive(message) if handler is None else handler(message)

    def _receive_as_itself(self, message: Any) -> Any:
        """Handle ``message`` on a caller's thread: what it says, this actor says."""
        before = acting_as.get()
        try:
            acting_as.set(self.actor_urn)
            response = self._handle_receive(message)
            if isinstance(response, Reply) and response.is_deferred():
                return _NoAnswer(reply=response)
            return response
        except Exception as error:
            logger.info("Exception returned from %s to caller:", self, exc_info=True)
            return _NoAnswer(error)
        except BaseException as error:
            self.actor_inbox.put_first(Envelope(_Crash(error)))
            return _NoAnswer(self._actor_ref._died_of(error))
        finally:
            acting_as.set(before)

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
        self._actor_ref.lifecycle.failed(exception_value or exception_type)
        super()._handle_failure(exception_type, exception_value, traceback)

    def _bury(self) -> None:
        """Answer what is left, then report the death. Nothing of the actor runs after this."""
        ref = self._actor_ref
        ref._actor = None
        self.actor_inbox.close(partial(refuse, ref))
        if self.actor_inbox.is_mine():
            self.actor_inbox.turn.release()  # who has ended has no turn
        ref.lifecycle.died()


def _later(_: object) -> Any:
    return LATER


def _is_worker() -> bool:
    return threading.current_thread() is not threading.main_thread()


def _answer_exception(reply: Reply[Any], exc_info: Any) -> None:
    try:
        reply.set_exception(exc_info)
    except queue.Full:
        pass  # withdrawn


_exiting = False


def is_exiting() -> bool:
    """Tell whether the interpreter exits: from CPython 3.12 on no thread starts any more."""
    return _exiting


def _stop_all_at_exit() -> None:
    """Stop our actors, all at once; its supervisor stops what is supervised, in its order."""
    global _exiting
    _exiting = True
    deadline = time.monotonic() + EXIT_TIMEOUT
    asked: dict[ServiceRef[Any], Any] = {}
    while left := [ref for ref in _roots() if ref not in asked]:
        asked.update((ref, ref.stop(block=False)) for ref in reversed(left))
        for ref, stopped in asked.items():  # one that stops may start a last one, to clean up
            try:
                stopped.get(timeout=max(deadline - time.monotonic(), 0.0))
            except Exception:
                logger.warning("%s did not stop before the interpreter's exit", ref)


def _roots() -> list[ServiceRef[Any]]:
    refs = [ref for ref in pykka.ActorRegistry.get_all() if isinstance(ref, ServiceRef)]
    return [ref for ref in refs if vars(ref).get("supervisor") is None]


atexit.register(_stop_all_at_exit)
