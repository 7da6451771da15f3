"""An actor's own thread: what it takes from its inbox, answers, and dies of."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

import pykka
from pykka._envelope import Envelope

from namepool.actors.inbox import Inbox, Returned, refuse
from namepool.actors.logs import Logger, quietly
from namepool.actors.registry import retire
from namepool.actors.reply import Reply
from namepool.actors.service_ref import NoAnswer, ServiceRef

if TYPE_CHECKING:
    from types import TracebackType

logger: Logger = Logger("namepool.actors.service_actor")
_pykka: Logger = Logger("pykka")

acting_as: ContextVar[str | None] = ContextVar("acting_as", default=None)
"""Who acts in this context, where that is not the thread, task or actor whose stack it is: the
actor whose handler runs on its caller's thread (``Here``), or whomever a program sets here."""


class Here(str):
    """Who acts on this thread, in this task; not in what that starts, which copies the context."""

    def __init__(self, _: str) -> None:
        self.place: object = _place()

    def is_here(self) -> bool:
        """Tell whether the caller is where this was made."""
        return self.place == _place()


def _place() -> object:
    asyncio = sys.modules.get("asyncio")
    try:
        return threading.get_ident(), asyncio and asyncio.current_task()
    except (AttributeError, RuntimeError):  # it is being imported, or no loop runs here
        return threading.get_ident(), None


lineage: ContextVar[Any] = ContextVar("lineage", default=None)
"""Who started what runs in this context, as the layers above note it. An actor's handlers have the
lineage of its own thread, also those that run on a caller's."""


class _Crash(NamedTuple):
    """A BaseException left a handler on a caller's thread; the actor dies of it on its own."""

    error: BaseException


class ActorLoop(pykka.ThreadingActor):
    """Takes one message after another, in its own turn; a caller may do so in between."""

    comes_up_later: ClassVar[bool] = False
    """Set it on an actor that is not up when ``on_start`` returns, and says so itself."""

    _replying: Reply[Any] | None = None
    _lineage: Any = None
    _actor_ref: ServiceRef[Any]
    actor_inbox: Inbox

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._handlers: dict[type, Callable[[Any], Any]] = {
            _Crash: self._crash,
            Returned: self._take_in,
        }
        self.undelivered: Any = None
        """What the running handler grants its caller, noted *before* it is granted."""

    def on_returned(self) -> None:
        """Hook: take in what lies in ``actor_inbox.returned``: granted, and never delivered."""
        self.actor_inbox.returned.clear()

    def on_interrupted(self) -> None:
        """Hook: mend what a caller left half done that was cut short in its turn."""

    def _actor_loop(self) -> None:
        inbox = self.actor_inbox
        inbox.turn.acquire()
        try:
            self._actor_loop_setup()
            self._lineage = lineage.get()
            if not self.comes_up_later and not self.actor_stopped.is_set():
                self._actor_ref.lifecycle.came_up()
            while not self.actor_stopped.is_set():
                self._receive(self._next())  # held by no variable: a dropped reply must be noticed
                self._lineage = lineage.get()
        except BaseException as error:  # a hook of Pykka's failed; nobody may wait for ever
            self._handle_failure(type(error), error, error.__traceback__)
        finally:
            self._finish()

    def _actor_loop_setup(self) -> None:
        self._guard(self.on_start)

    def _next(self) -> Envelope[Any]:
        """Wait for a message; what a caller left half done is mended before it is handled."""
        inbox = self.actor_inbox
        envelope: Envelope[Any] | None = None
        while True:
            try:
                if inbox.interrupted and inbox.is_mine():
                    self._mend()  # at once: it was this thread, and no message may follow
                if envelope is None:
                    envelope = inbox.get()
                if inbox.interrupted:
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
            self.on_interrupted()
        except MemoryError:
            raise  # it is still torn
        except BaseException:
            self._handle_failure(*sys.exc_info())
        inbox.interrupted = False

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
                self.actor_inbox.interrupted = True  # it may have left half of it
                if self.undelivered is not None:
                    self.actor_inbox.returned.append(self.undelivered)
                logger.info("Exception returned from %s to caller:", self, exc_info=True)
                _answer_exception(reply, sys.exc_info())
        except BaseException as error:
            self._fail()
            if reply is not None:
                died = self._actor_ref.died_of(error)
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

    def on_receive(self, message: Any) -> Any:
        """Warn of a message that nobody handles, as Pykka does; override it as there."""
        quietly(super().on_receive, message)

    def _receive_as_itself(self, message: Any) -> Any:
        """Handle ``message`` on a caller's thread: what it says, this actor says."""
        before, line = acting_as.get(), lineage.get()
        try:
            acting_as.set(Here(self.actor_urn))
            lineage.set(self._lineage)
            response = self._handle_receive(message)
            self._lineage = lineage.get()
            if isinstance(response, Reply) and response.is_deferred():
                return NoAnswer(reply=response)
            return response
        except Exception as error:
            logger.info("Exception returned from %s to caller:", self, exc_info=True)
            return NoAnswer(error)
        except BaseException as error:
            self.actor_inbox.put_first(Envelope(_Crash(error)))
            return NoAnswer(self._actor_ref.died_of(error))
        finally:
            try:
                acting_as.set(before)
            finally:  # it may be struck
                lineage.set(line)

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
        if self.actor_inbox.is_mine():
            self.actor_inbox.turn.release()  # who has ended has no turn
        ref.lifecycle.died()


def _answer_exception(reply: Reply[Any], exc_info: Any) -> None:
    try:
        reply.set_exception(exc_info)
    except queue.Full:
        pass  # withdrawn
