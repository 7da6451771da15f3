"""The refs of our actors. A ref loses no answer.

If a request failed, the error tells whether the actor saw the request. If the actor is idle, the
caller's thread handles the request in the actor's turn. The *turn* is a lock: only its holder may
run inside the actor. ``inbox`` describes the turn.
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
"""The advice at the end of the error that a program gets if it pickles a ref, proxy or handle."""


class QueuingProxy(NeverCopied, pykka.ActorProxy[A]):
    """A ``pykka.ActorProxy`` that is never copied, so that its actor is never copied either."""

    _instead = ANOTHER


class QueuingRef(NeverCopied, pykka.ActorRef[A]):
    """A ``pykka.ActorRef`` of an actor with our inbox. Its futures are of the class ``Reply``.

    Examples:
        >>> from namepool.actors import ServiceActor
        >>> class Divider(ServiceActor):
        ...     def on_receive(self, number):
        ...         return 12 / number
        >>> ref = Divider.start()
    """

    _instead = ANOTHER

    actor_inbox: Inbox
    actor_stopped: threading.Event
    _why_dead = "not found"
    makes_tokens: ClassVar[bool] = False
    """Whether ``ask`` has a parameter ``made``: a list to which it appends the request's token.

    If the answer does not reach the caller, the caller gives up this token.
    """

    def __init__(self, actor: A) -> None:
        super().__init__(actor)
        forks.remember(self)

    def ask(self, message: Any, *, block: bool = True, timeout: Wait = None) -> Any:
        """Send a message and return the answer, or with ``block=False`` a future of the answer.

        Raises:
            pykka.Timeout: no answer came within ``timeout`` seconds
            NotHandled: the actor was dead, or died before it saw the request
            pykka.ActorDeadError: the actor died of the request
        """
        reply = Reply[Any]()
        self._prepare(message, reply)
        self._send(message, reply, reply)
        return reply.get(timeout=timeout) if block else reply

    def tell(self, message: Any) -> None:
        """Send a message, and do not wait for an answer.

        An error of the handler kills the actor, as in Pykka.

        Raises:
            NotHandled: the actor is dead

        Examples:
            >>> ref.tell(0)
            >>> ref.wait_gone(timeout=5)
            True
        """
        self._check_alive()
        self.actor_inbox.put(Envelope(message))

    def stop(self, *, block: bool = True, timeout: float | None = None) -> Any:
        """Stop the actor, as ``pykka.ActorRef.stop`` does.

        A caller inside the actor's own turn cannot wait for the actor's end. An example is a signal
        handler that interrupts a request on this thread. Then the actor is only asked to stop, and
        the answer is ``True``.

        Examples:
            >>> ref.stop()
            True
            >>> ref.is_alive()
            False
        """
        if block and self.actor_inbox.is_mine():
            super().stop(block=False)
            return True
        return super().stop(block=block, timeout=timeout)

    def proxy(self) -> pykka.ActorProxy[A]:
        """Return a proxy of the actor.

        Raises:
            NotHandled: the actor is dead

        Examples:
            >>> ref.proxy().on_receive(3).get(timeout=5)
            4.0
        """
        self._check_alive()
        return QueuingProxy(actor_ref=self)

    def forked(self) -> None:
        """Make the ref dead in a forked child, because the actor's thread does not exist there."""
        self.actor_stopped = type(self.actor_stopped)()
        self._why_dead = FORKED
        self.actor_inbox.forked(partial(refuse, self, why=FORKED))
        retire(self)

    def _check_alive(self) -> None:
        if self.actor_stopped.is_set():
            raise NotHandled(f"{self} {self._why_dead}")

    def _send(self, message: Any, reply: Reply[Any], reply_to: Reply[Any] | Dropped) -> None:
        """Queue a request; ``reply_to`` is the reply or its ``Dropped``."""
        reply._inbox = self.actor_inbox
        if self.actor_stopped.is_set():
            reply.fail_quietly(NotHandled(f"{self} {self._why_dead}"))
        else:
            self.actor_inbox.put(Envelope(message, reply_to=cast("Any", reply_to)))

    def _prepare(self, message: Any, reply: Reply[Any]) -> None:
        """Prepare the reply to a message before the message is queued; a hook for subclasses."""


class ServiceRef(QueuingRef[A]):
    """A ``pykka.ActorRef`` of a ``ServiceActor``.

    The caller may handle its own request on its own thread. The ref also reports the actor's death.

    Examples:
        >>> from namepool.actors import Reply, ServiceActor
        >>> class Divider(ServiceActor):
        ...     def on_receive(self, number):
        ...         return 12 / number
        >>> ref = Divider.start()
        >>> ref.ask(4)
        3.0
    """

    def __init__(self, actor: Any) -> None:
        super().__init__(actor)
        self._actor: Any = actor  # becomes None when the actor is dead
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
        """Send a message and return the answer, or with ``block=False`` a future of the answer.

        An idle ``non_blocking`` actor handles the message on this thread. Any other idle actor
        handles the message on this thread only if the caller blocks without a timeout, and if this
        is not the main thread. On the main thread, a Ctrl-C could cut the handler short.

        Raises:
            pykka.Timeout: no answer came within ``timeout`` seconds
            pykka.ActorDeadError: the actor is dead, or died before it answered
            WouldDeadlock: the caller runs inside this actor, with ``block=True``

        Examples:
            >>> future = ref.ask(3, block=False)
            >>> future.get(timeout=5)
            4.0
        """
        actor, answer = self._actor, LATER
        may_run = self._is_non_blocking or (block and timeout is None and _is_worker())
        if may_run and actor is not None:
            handle = actor._inline.get(message.__class__, actor._inline_other)
            # This call raises only if this thread is struck.
            answer = self.actor_inbox.run(handle, message)
        if answer is LATER:
            return super().ask(message, block=block, timeout=timeout)
        if isinstance(answer, Reply) and answer.is_deferred():
            return answer.get(timeout=timeout) if block else answer
        return answer if block else Reply.resolved(answer)

    def try_tell(self, message: Any) -> bool:
        """Send a message like ``tell``, but return ``False`` if the actor is dead.

        This method raises no error, so finalisers and actors can use it.

        Examples:
            >>> ref.stop()
            True
            >>> ref.try_tell(3)
            False
        """
        if self.actor_stopped.is_set():
            return False
        self.actor_inbox.put(Envelope(message))
        return True

    def watch(self, callback: Callable[[str | None], object]) -> None:
        """Call ``callback(reason)`` once, when the actor is dead and every request is answered.

        ``reason`` is ``None`` after a normal stop. Otherwise it is the type and the text of the
        error that killed the actor. The callback runs on the dying actor's thread. If the actor is
        dead already, the callback runs at once on this thread. The callback must not block; a
        typical callback makes a ``tell``.

        Examples:
            >>> death = Reply()
            >>> ref.watch(death.set)
            >>> ref.tell(0)
            >>> death.get(timeout=5)
            'ZeroDivisionError: division by zero'
        """
        self.lifecycle.watch(callback)

    def wait_gone(self, timeout: float | None = None) -> bool:
        """Wait until the actor is dead and every request is answered; tell whether that is so.

        The call waits up to ``timeout`` seconds, or for ever with ``None``.

        Raises:
            WouldDeadlock: the caller runs inside this actor

        Examples:
            >>> ref.stop(block=False)
            <Reply ...>
            >>> ref.wait_gone(timeout=5)
            True
        """
        if self.actor_inbox.is_mine():
            raise WouldDeadlock("an actor cannot wait for its own end: call stop(block=False)")
        return self.lifecycle.is_gone.wait(timeout)

    def died_of(self, error: BaseException) -> pykka.ActorDeadError:
        """Return the error for the caller of a request that killed the actor.

        Examples:
            >>> str(ref.died_of(MemoryError()))
            'Divider (urn:uuid:...) died of MemoryError() handling the message'
        """
        died = pykka.ActorDeadError(f"{self} died of {error!r} handling the message")
        died.__cause__ = error
        return died


def _is_worker() -> bool:
    return threading.current_thread() is not threading.main_thread()
