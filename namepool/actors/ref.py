"""The refs of our actors. They lose no answer, and say whether a request that failed was seen.

An idle actor's request is handled on its caller's thread, in its turn. The *turn* is the lock that
says who may run inside the actor: see ``inbox``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal, TypeVar, cast, overload

import pykka
from pykka._envelope import Envelope

from namepool.actors import forks
from namepool.actors.inbox import Inbox, NotHandled, refuse
from namepool.actors.later import LATER
from namepool.actors.lifecycle import Lifecycle
from namepool.actors.never_copied import NeverCopied
from namepool.actors.registry import retire
from namepool.actors.reply import Dropped, Reply, Wait, WouldDeadlock

A = TypeVar("A", bound="pykka.Actor")

FORKED = (
    "works in the parent process only, and this process was forked from it: start one of your own "
    "in the child, for example with os.register_at_fork(after_in_child=...)"
)

ANOTHER = "start an actor there"
"""Ends the error of a ref, proxy or handle that is pickled: advice for another process."""


class QueuingProxy(NeverCopied, pykka.ActorProxy[A]):
    """A ``pykka.ActorProxy`` that is not copied, nor its actor with it."""

    _instead = ANOTHER


class QueuingRef(NeverCopied, pykka.ActorRef[A]):
    """A ``pykka.ActorRef`` to an actor with our inbox; requests are answered with a ``Reply``."""

    _instead = ANOTHER

    actor_inbox: Inbox
    actor_stopped: threading.Event
    _why_dead = "not found"
    makes_tokens: ClassVar[bool] = False
    """``ask`` takes a list, ``made``, for what is to be given up if its answer does not arrive."""

    def __init__(self, actor: A) -> None:
        super().__init__(actor)
        forks.remember(self)

    def ask(self, message: Any, *, block: bool = True, timeout: Wait = None) -> Any:
        """Send a message; return the answer, or with ``block=False`` a future of it.

        Raises:
            pykka.Timeout: no answer within ``timeout`` seconds
            NotHandled: the actor was dead, or died before it saw the request
            pykka.ActorDeadError: the actor died of the request
        """
        reply = Reply[Any]()
        self._prepare(message, reply)
        self._send(message, reply, reply)
        return reply.get(timeout=timeout) if block else reply

    def tell(self, message: Any) -> None:
        """Send a message and wait for nothing.

        Raises:
            NotHandled: the actor is dead
        """
        self._check_alive()
        self.actor_inbox.put(Envelope(message))

    def stop(self, *, block: bool = True, timeout: float | None = None) -> Any:
        """Stop the actor; see ``pykka.ActorRef.stop``.

        Inside the actor's own turn, as in a signal handler that interrupts a request on this
        thread, it cannot be waited for: it is asked to stop, and the answer is ``True``.
        """
        if block and self.actor_inbox.is_mine():
            super().stop(block=False)
            return True
        return super().stop(block=block, timeout=timeout)

    def proxy(self) -> pykka.ActorProxy[A]:
        """Return a proxy of the actor.

        Raises:
            NotHandled: the actor is dead
        """
        self._check_alive()
        return QueuingProxy(actor_ref=self)

    def forked(self) -> None:
        """Be dead in a forked child: the actor's thread does not exist there."""
        self.actor_stopped = type(self.actor_stopped)()
        self._why_dead = FORKED
        self.actor_inbox.forked(partial(refuse, self, why=FORKED))
        retire(self)

    def _check_alive(self) -> None:
        if self.actor_stopped.is_set():
            raise NotHandled(f"{self} {self._why_dead}")

    def _send(self, message: Any, reply: Reply[Any], reply_to: Reply[Any] | Dropped) -> None:
        """Queue a request; ``reply_to`` is the reply, or stands in for it."""
        reply._inbox = self.actor_inbox
        if self.actor_stopped.is_set():
            reply.fail_quietly(NotHandled(f"{self} {self._why_dead}"))
        else:
            self.actor_inbox.put(Envelope(message, reply_to=cast("Any", reply_to)))

    def _prepare(self, message: Any, reply: Reply[Any]) -> None:
        """Hook: fit out the reply to a message that is about to be queued."""


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
        self, message: Any, *, block: Literal[False], timeout: Wait = None
    ) -> pykka.Future[Any]: ...
    @overload
    def ask(self, message: Any, *, block: bool = True, timeout: Wait = None) -> Any: ...

    def ask(self, message: Any, *, block: bool = True, timeout: Wait = None) -> Any:
        """Send a message; return the answer, or with ``block=False`` a future of it.

        An idle ``non_blocking`` actor handles it on this thread. Other actors do so only if the
        caller blocks without a timeout, and never on the main thread, where a Ctrl-C would land
        inside a handler not made for it.

        Raises:
            pykka.Timeout: no answer within ``timeout`` seconds
            pykka.ActorDeadError: the actor is dead, or died before it answered
            WouldDeadlock: called from inside this actor, with ``block=True``
        """
        actor, answer = self._actor, LATER
        may_run = self._is_non_blocking or (block and timeout is None and _is_worker())
        if may_run and actor is not None:
            handle = actor._inline.get(message.__class__, actor._inline_other)
            answer = self.actor_inbox.run(handle, message)  # raises only if this thread is struck
        if answer is LATER:
            return super().ask(message, block=block, timeout=timeout)
        if isinstance(answer, Reply) and answer.is_deferred():
            return answer.get(timeout=timeout) if block else answer
        return answer if block else Reply.resolved(answer)

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


def _is_worker() -> bool:
    return threading.current_thread() is not threading.main_thread()
