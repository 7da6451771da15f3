"""A FIFO inbox that owns the actor's turn, keeps its timers, and closes behind a dead actor.

**The turn** is a lock. The actor's thread takes it *before* it pops a message and keeps it until it
asks for the next one, so "nothing queued and the turn is free" means that nothing is queued *and
nothing is running*. Then a caller may take the turn and handle its own message itself. It is a
re-entrant lock because that knows its owner from the very moment it is taken: a finaliser may run
between any two lines, and must be told that it runs inside the actor.

**Closing.** After ``close`` the turn is never free again and every envelope, also one that is put
later, is handed to ``refuse`` exactly once: ``deque.popleft`` decides who.

Everything here may be called from a finaliser: no step holds a lock that ``put`` needs.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from _thread import allocate_lock
from collections import deque
from collections.abc import Callable
from typing import Any

import pykka
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from namepool.actors.reply import LONGEST_WAIT


class NotHandled(pykka.ActorDeadError):
    """The actor died before it saw the request: sending it to another one repeats nothing."""


def refuse(ref: object, envelope: Envelope[Any]) -> None:
    """Answer a request that the actor will never see."""
    reply = envelope.reply_to
    if reply is None:
        return
    try:
        if isinstance(envelope.message, _ActorStop):
            reply.set(None)
        else:
            died = NotHandled(f"{ref} stopped before handling the message")
            reply.set_exception((type(died), died, None))
    except queue.Full:
        pass  # withdrawn


class Inbox:
    """See the module. ``clock`` returns seconds and never goes back; tests move it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.queue: deque[Envelope[Any]] = deque()
        self.turn: Any = threading.RLock()
        self.is_open = False
        """A caller may take the turn: ``on_start`` has returned, and the actor lives."""
        self.clock = clock
        self._signal = allocate_lock()
        self._signal.acquire()
        self._timers: list[tuple[float, int, Any]] = []
        self._timer_numbers = itertools.count()
        self._refuse: Callable[[Envelope[Any]], None] | None = None

    # -- any thread -------------------------------------------------------------------------

    def put(self, envelope: Envelope[Any]) -> None:
        """Queue an envelope; never blocks."""
        self.queue.append(envelope)
        self.wake()
        if self._refuse is not None:
            self._refuse_all(self._refuse)

    def put_first(self, envelope: Envelope[Any]) -> None:
        """Queue an envelope before all others; for the holder of the turn only."""
        self.queue.appendleft(envelope)
        self.wake()

    def wake(self) -> None:
        """Have the actor's thread look again: at the queue, the timers and the clock."""
        if self._signal.locked():
            try:
                self._signal.release()
            except RuntimeError:
                pass  # somebody else woke it between the two lines

    def is_mine(self) -> bool:
        """Tell whether this thread has the turn: whether it runs inside the actor."""
        return bool(self.turn._is_owned())

    def empty(self) -> bool:
        return not self.queue

    def close(self, refuse: Callable[[Envelope[Any]], None]) -> None:
        """Hand what is queued, and whatever is put from now on, to ``refuse``."""
        self.is_open = False
        self._refuse = refuse
        self._timers.clear()
        self._refuse_all(refuse)

    def _refuse_all(self, refuse: Callable[[Envelope[Any]], None]) -> None:
        while True:
            try:
                envelope = self.queue.popleft()
            except IndexError:
                return
            refuse(envelope)

    # -- the holder of the turn -------------------------------------------------------------

    def schedule(self, delay: float, message: Any) -> None:
        """Deliver ``message`` in ``delay`` seconds; there is no cancelling, ignore it instead."""
        heapq.heappush(self._timers, (self.clock() + delay, next(self._timer_numbers), message))
        self.wake()  # the actor's thread may be waiting for a later one

    # -- the actor's own thread -------------------------------------------------------------

    def get(self) -> Envelope[Any]:
        """End this turn, wait for a message or a timer, and take the turn for it."""
        self.is_open = True
        self.turn.release()
        while not self.queue and (wait := self._until_timer()) != 0.0:
            self._signal.acquire(timeout=wait)
        self.turn.acquire()
        if self._timers and self._until_timer() == 0.0:
            return Envelope(heapq.heappop(self._timers)[2])
        return self.queue.popleft()

    def _until_timer(self) -> float:
        """Seconds until the next timer is due; -1 (wait for ever) if there is none."""
        if not self._timers:
            return -1
        return min(max(self._timers[0][0] - self.clock(), 0.0), LONGEST_WAIT)
