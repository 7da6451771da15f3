"""A ref that survives restarts."""

from __future__ import annotations

import threading
import time
import weakref
from typing import Any

import pykka

from namepool.actors.inbox import NotHandled
from namepool.actors.reply import Reply


class ActorHandle:
    """Stands for a supervised actor across its incarnations.

    A request goes to the present incarnation, or waits, within its timeout, for the next one. One
    that an incarnation died without having seen goes to the next; one that may have been handled
    is not repeated, and its ``ActorDeadError`` says what the incarnation died of.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._ref: pykka.ActorRef[Any] | None = None
        self._generation = 0
        self._closed: str | None = None
        self._changed = threading.Condition(threading.RLock())
        self._parked: list[tuple[Any, weakref.ref[Reply[Any]]]] = []

    @property
    def current(self) -> pykka.ActorRef[Any] | None:
        """The present incarnation's ref; ``None`` while there is none."""
        return self._ref

    @property
    def generation(self) -> int:
        """How many incarnations there have been."""
        return self._generation

    def is_alive(self) -> bool:
        """Tell whether there is an incarnation, and it is alive."""
        ref = self._ref
        return ref is not None and ref.is_alive()

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Return the answer; waits up to ``timeout`` seconds for an incarnation and its answer.

        With ``block=False`` it returns a future at once, which waits for the next incarnation if it
        must.

        Raises:
            pykka.Timeout: no incarnation, or no answer, in time
            pykka.ActorDeadError: there will be no further incarnation (``NotHandled``), or the one
                that had the request died of it or before it answered
        """
        if not block:
            reply = Reply[Any]()
            self._send(message, weakref.ref(reply), None)
            return reply
        ref = self._ref
        if ref is not None:
            try:
                return ref.ask(message, timeout=timeout)
            except NotHandled:
                pass
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            ref = self._next(ref, timeout, deadline)
            left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
            try:
                return ref.ask(message, timeout=left)
            except NotHandled:
                continue

    def tell(self, message: Any) -> None:
        """Send a message to the present incarnation.

        Raises:
            pykka.ActorDeadError: there is none at this moment
        """
        ref = self._ref
        if ref is None:
            raise NotHandled(f"{self.name} is not running: {self._closed or 'it is restarting'}")
        ref.tell(message)

    def proxy(self) -> pykka.ActorProxy[Any]:
        """Return a proxy of the present incarnation; it does not outlive it.

        Raises:
            pykka.ActorDeadError: there is none at this moment
        """
        ref = self._ref
        if ref is None:
            raise NotHandled(f"{self.name} is not running: {self._closed or 'it is restarting'}")
        return ref.proxy()

    def stop(self, **_: Any) -> None:
        """Refused: a supervised actor is stopped by its supervisor.

        Raises:
            TypeError: always
        """
        raise TypeError(f"stop {self.name} with its supervisor's terminate_child({self.name!r})")

    def __repr__(self) -> str:
        return f"<ActorHandle of {self.name!r}, generation {self._generation}>"

    # -- requests that do not block ---------------------------------------------------------

    def _send(
        self, message: Any, waiting: weakref.ref[Reply[Any]], last: pykka.ActorRef[Any] | None
    ) -> None:
        """Send a request to an incarnation other than ``last``, or park it until there is one."""
        with self._changed:
            ref = self._ref
            if ref is None or ref is last:
                if self._closed is None:
                    self._parked.append((message, waiting))
                    return
                ref = None
        reply = waiting()
        if reply is None:
            return  # nobody will read it
        if ref is None:
            error = NotHandled(f"{self.name} is not running: {self._closed}")
            reply.fail_quietly(error)
            return
        answer: Any = ref.ask(message, block=False)
        reply.follow(answer, lambda: self._answered(message, answer, waiting, ref))

    def _answered(
        self,
        message: Any,
        answer: Reply[Any],
        waiting: weakref.ref[Reply[Any]],
        ref: pykka.ActorRef[Any],
    ) -> None:
        if isinstance(answer.error(), NotHandled):
            self._send(message, waiting, ref)
            return
        reply = waiting()
        if reply is not None:
            reply.take_over(answer)

    def _send_parked(self) -> None:
        with self._changed:
            parked, self._parked = self._parked, []
        for message, waiting in parked:
            self._send(message, waiting, None)

    def _next(
        self, last: pykka.ActorRef[Any] | None, timeout: float | None, deadline: float | None
    ) -> pykka.ActorRef[Any]:
        """Wait for an incarnation other than ``last``."""
        with self._changed:
            while self._ref is None or self._ref is last:
                if self._closed is not None:
                    raise NotHandled(f"{self.name} is not running: {self._closed}")
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise pykka.Timeout(f"{self.name} did not run again within {timeout} s")
                self._changed.wait(left)
            return self._ref

    # -- for the supervisor -----------------------------------------------------------------

    def install(self, ref: pykka.ActorRef[Any]) -> None:
        """Make ``ref`` the present incarnation."""
        with self._changed:
            self._ref = ref
            self._generation += 1
            self._closed = None
            self._changed.notify_all()
        self._send_parked()

    def vacate(self) -> None:
        """The present incarnation is dead; there may be another."""
        with self._changed:
            self._ref = None

    def close(self, reason: str) -> None:
        """No further incarnation is to be expected: who waits for one is told ``reason``."""
        with self._changed:
            self._ref = None
            self._closed = reason
            self._changed.notify_all()
        self._send_parked()
