"""A ref that survives restarts."""

from __future__ import annotations

import threading
import time
from typing import Any

import pykka

from namepool.actors.service_actor import NotHandled


class ActorHandle:
    """Stands for an actor across its incarnations.

    A request goes to the present incarnation, or waits, within its timeout, for the next one. One
    that an incarnation died without having seen goes to the next; one that may have been handled
    is not repeated, and its ``ActorDeadError`` says so.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._ref: pykka.ActorRef[Any] | None = None
        self._generation = 0
        self._closed: str | None = None
        self._changed = threading.Condition()

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

    def ask(self, message: Any, *, timeout: float | None = None) -> Any:
        """Return the answer; waits up to ``timeout`` seconds for an incarnation and its answer.

        Raises:
            pykka.Timeout: no incarnation, or no answer, in time
            pykka.ActorDeadError: there will be no further incarnation, or the one that had the
                request died of it or before it answered
        """
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
            raise pykka.ActorDeadError(
                f"{self.name} is not running: {self._closed or 'restarting'}"
            )
        ref.tell(message)

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
            self._changed.notify_all()

    def close(self, reason: str) -> None:
        """There will be no further incarnation: who waits for one is told ``reason``."""
        with self._changed:
            self._closed = reason
            self._changed.notify_all()
