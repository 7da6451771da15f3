"""A ref that says whether a request that failed was ever seen."""

from __future__ import annotations

from typing import Any, TypeVar

import pykka
from pykka._envelope import Envelope

from namepool.actors.inbox import Inbox, NotHandled
from namepool.actors.reply import Reply

A = TypeVar("A", bound="pykka.Actor")


class QueuingRef(pykka.ActorRef[A]):
    """A ``pykka.ActorRef`` to an actor with our inbox; requests are answered with a ``Reply``."""

    actor_inbox: Inbox

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Send a message; return the answer, or with ``block=False`` a future of it.

        Raises:
            pykka.Timeout: no answer within ``timeout`` seconds; the request is withdrawn
            NotHandled: the actor was dead, or died before it saw the request
            pykka.ActorDeadError: the actor died of the request
        """
        reply = Reply[Any]()
        reply._inbox = self.actor_inbox
        self._prepare(message, reply)
        if self.actor_stopped.is_set():
            reply.fail_quietly(NotHandled(f"{self} not found"))
        else:
            self.actor_inbox.put(Envelope(message, reply_to=reply))
        return reply.get_once(timeout) if block else reply

    def _prepare(self, message: Any, reply: Reply[Any]) -> None:
        """Hook: fit out the reply to a message that is about to be queued."""
