"""The ref of our actors: an idle actor's request is handled on its caller's thread, in its turn.

The *turn* is the lock that says who may run inside the actor: see ``inbox``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Literal, TypeVar, overload

import pykka
from pykka._envelope import Envelope

from namepool.actors.later import LATER
from namepool.actors.lifecycle import Lifecycle
from namepool.actors.ref import QueuingRef
from namepool.actors.reply import Reply, Wait, WouldDeadlock

A = TypeVar("A", bound=pykka.Actor)


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
