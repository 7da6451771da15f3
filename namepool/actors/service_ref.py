"""The ref of our actors: an idle actor's request is handled on its caller's thread, in its turn.

The *turn* is the lock that says who may run inside the actor: see ``inbox``. A caller is *struck*
when an exception is raised in it from outside, such as ``KeyboardInterrupt``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar, overload

import pykka
from pykka._envelope import Envelope

from namepool.actors.inbox import Inbox
from namepool.actors.latch import passed_on
from namepool.actors.lifecycle import Lifecycle
from namepool.actors.ref import QueuingRef
from namepool.actors.reply import Receipt, Reply, Wait, WouldDeadlock

A = TypeVar("A", bound=pykka.Actor)


class NoAnswer(NamedTuple):
    """The result of a handler on a caller's thread that is not a plain value."""

    error: BaseException | None = None
    """It raised."""
    reply: Reply[Any] | None = None
    """It answers later."""


LATER: Any = NoAnswer()
"""What a handler returns on a caller's thread, having changed nothing: the actor's own thread is to
handle this message."""


class ServiceRef(QueuingRef[A]):
    """A ``pykka.ActorRef`` whose caller may handle its own request, and with a death notice."""

    def __init__(self, actor: Any) -> None:
        super().__init__(actor)
        self._actor: Any = actor  # until it is dead
        self._is_non_blocking: bool = actor.non_blocking
        self.delays_exit: bool = actor.delays_exit
        self.lifecycle: Lifecycle = Lifecycle(str(self))

    @overload
    def ask(
        self, message: Any, *, block: Literal[False], timeout: Wait = None, receipt: Receipt = None
    ) -> pykka.Future[Any]: ...
    @overload
    def ask(
        self, message: Any, *, block: bool = True, timeout: Wait = None, receipt: Receipt = None
    ) -> Any: ...

    def ask(
        self, message: Any, *, block: bool = True, timeout: Wait = None, receipt: Receipt = None
    ) -> Any:
        """Send a message; return the answer, or with ``block=False`` a future of it.

        An idle ``non_blocking`` actor handles it on this thread. Other actors do so only if the
        caller blocks without a timeout, and never on the main thread, where a Ctrl-C would land
        inside a handler not made for it.

        A struck caller gets its exception; the actor's own thread mends what was left half done,
        and what was granted meanwhile goes home.

        Raises:
            pykka.Timeout: no answer within ``timeout`` seconds; the request is withdrawn
            pykka.ActorDeadError: the actor is dead, or died before it answered
            WouldDeadlock: called from inside this actor, with ``block=True``
        """
        inbox, actor, response, grant = self.actor_inbox, self._actor, LATER, None
        turn = inbox.turn
        try:
            may_run = self._is_non_blocking or (block and timeout is None and _is_worker())
            if may_run and not turn._is_owned():  # fails if no frame is left for the release
                try:
                    if turn.acquire(False) and inbox.is_open and not inbox.queue:
                        handle = actor._inline.get(message.__class__, actor._inline_other)
                        response = handle(message)
                        grant, actor.undelivered = actor.undelivered, None
                except BaseException:
                    inbox.interrupted, inbox.is_open = True, False
                    raise
                finally:  # there is a place to be struck behind acquire: the turn may be another's
                    try:
                        turn.release()
                    except RuntimeError as error:
                        passed_on(error)
            if grant is not None:
                if receipt is not None:
                    receipt.append(grant)
                return response if block else _carried(response, grant, inbox)
        except BaseException:
            if grant is not None:
                inbox.signal.put(grant)
            raise
        if response.__class__ is NoAnswer:
            return self._ask_further(response, message, block, timeout, receipt)
        return response if block else Reply.resolved(response)

    def _ask_further(
        self, response: NoAnswer, message: Any, block: bool, timeout: Wait, receipt: Receipt
    ) -> Any:
        if response.error is not None:
            if block:
                raise response.error
            return Reply.failed(response.error)
        if response.reply is not None:
            return response.reply.get_once(timeout) if block else response.reply
        return self._ask_its_thread(message, block, timeout, receipt)

    def _ask_its_thread(self, message: Any, block: bool, timeout: Wait, receipt: Receipt) -> Any:
        grants: list[Any] = [] if receipt is None else receipt
        try:
            answer = super().ask(message, block=block, timeout=timeout, receipt=grants)
            return answer  # noqa: RET504  it may be struck in between
        except BaseException:
            for grant in grants:
                self.give_back(grant)
            raise

    def try_tell(self, message: Any) -> bool:
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

    def died_of(self, error: BaseException) -> pykka.ActorDeadError:
        """Return what the asker gets whose message the actor died of."""
        died = pykka.ActorDeadError(f"{self} died of {error!r} handling the message")
        died.__cause__ = error
        return died


def _carried(response: Any, grant: object, inbox: Inbox) -> Reply[Any]:
    reply = Reply.resolved(response)
    reply.carry(grant, inbox.signal.put)
    return reply


def _is_worker() -> bool:
    return threading.current_thread() is not threading.main_thread()
