"""A ref that says whether a request that failed was ever seen, and loses no answer."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any, ClassVar, TypeVar, cast

import pykka
from pykka._envelope import Envelope

from namepool.actors import forks
from namepool.actors.inbox import Inbox, NotHandled, refuse
from namepool.actors.never_copied import NeverCopied
from namepool.actors.registry import retire
from namepool.actors.reply import Dropped, Reply, Wait

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
