"""A FIFO inbox that owns the actor's turn, keeps its timers, and closes behind a dead actor.

**The turn** is a lock. The actor's thread takes it *before* it pops a message and keeps it until it
asks for the next one, so "nothing queued and the turn is free" means that nothing is queued *and
nothing is running*. Then a caller may take the turn and run its own request in it: ``run``. It is a
re-entrant lock because that knows its owner from the very moment it is taken, and lets nobody else
release it: a finaliser may run, or an exception from outside arrive, between any two lines.

**Torn.** A caller that is cut short in the turn may leave something half done. Whoever has the turn
next asks ``guarded.torn`` and calls ``guarded.recover()`` before anything else. The actor's own
thread is woken for that: somebody may be waiting for what was not done.

**The signal** brings what is no message: whatever is put there, by a call that is C and may be made
in a finaliser, is handed to the actor before the next message is.

**Closing.** After ``close`` the turn is open to nobody and every envelope, also one that is put
later, is handed to ``refuse`` exactly once: ``deque.popleft`` decides who.

Everything here may be called from a finaliser: no step holds a lock that ``put`` needs.
"""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import pykka
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from namepool.actors.latch import LONGEST_WAIT, passed_on
from namepool.actors.later import LATER


class NotHandled(pykka.ActorDeadError):
    """The actor died before it saw the request: sending it to another one repeats nothing."""


class CutShort(NamedTuple):
    """A signal: somebody was cut short in the turn, and what was left half done is put right."""


class Signalled(NamedTuple):
    """Something lies in ``Inbox.signalled``."""


_SIGNALLED: Envelope[Any] = Envelope(Signalled())


def refuse(
    ref: object, envelope: Envelope[Any], why: str = "stopped before handling the message"
) -> None:
    """Answer a request that the actor will never see."""
    reply: Any = envelope.reply_to
    if reply is None:
        return
    if isinstance(envelope.message, _ActorStop):
        reply.set_quietly(None)
    else:
        reply.fail_quietly(NotHandled(f"{ref} {why}"))


class Inbox:
    """See the module. ``clock`` returns seconds and never goes back; tests move it."""

    torn: bool = False  # it guards itself, until it is given what its turn guards

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.queue: deque[Envelope[Any]] = deque()
        self.turn: Any = threading.RLock()
        self.own_thread: int | None = None
        """The ident of the actor's own thread, while it lives."""
        self.is_open: bool = False
        """A caller may take the turn: ``on_start`` is over, and the actor lives."""
        self.guarded: Any = self
        """What is changed in the turn: it has ``torn`` and ``recover()``."""
        self.is_elsewhere: bool = False
        """This is a forked child, and the actor stayed with its parent."""
        self.clock = clock
        self.signal: Any = queue.SimpleQueue()
        """Wakes the actor's thread. ``None``: look again. Anything else is for the actor."""
        self.signalled: deque[Any] = deque()
        """What the signal brought, until the actor has dealt with it."""
        self._taken: Any = None
        """What came from the signal, until it is in there; memory may end in between."""
        self._in_hand = False
        """The actor's thread handles a message."""
        self._timers: list[tuple[float, int, Envelope[Any]]] = []
        self._timer_numbers = itertools.count()
        self._refuse: Callable[[Envelope[Any]], None] | None = None

    # -- any thread -------------------------------------------------------------------------

    def run(self, operation: Callable[[Any], Any], about: Any) -> Any:
        """Run ``operation(about)`` in the turn, here and now; return or raise what it does.

        ``LATER``: not now, or the operation says so. Then nothing has been changed. Never blocks.
        """
        turn, answer, is_over = self.turn, LATER, False
        if not turn._is_owned():  # fails if no frame is left for the release
            try:  # no ``return`` in here: the copy of ``finally`` for it would be unguarded
                if turn.acquire(False) and self.is_open and not self.queue:
                    if self.guarded.torn:
                        self.guarded.recover()
                    answer = operation(about)
                is_over = True
            finally:  # there is a place to be struck behind acquire: the turn may be another's
                try:
                    turn.release()
                except RuntimeError as error:
                    passed_on(error)
                if not is_over and self.guarded.torn:
                    self.signal.put(CutShort())
        return answer

    def put(self, envelope: Envelope[Any]) -> None:
        """Queue an envelope; never blocks."""
        self.queue.append(envelope)
        self.signal.put(None)
        if self._refuse is not None:
            self._refuse_all(self._refuse)

    def put_first(self, envelope: Envelope[Any]) -> None:
        """Queue an envelope before all others; for the holder of the turn only."""
        self.queue.appendleft(envelope)
        self.signal.put(None)

    def wake(self) -> None:
        """Have the actor's thread look again: at the queue, the timers and the clock."""
        self.signal.put(None)

    def has_turn(self) -> bool:
        """Tell whether this thread has the turn: whether it runs inside the actor."""
        return bool(self.turn._is_owned())

    def is_mine(self) -> bool:
        """Tell whether this thread has the turn, or is the actor's own: it cannot wait for it.

        A finaliser may run on the actor's own thread between two turns, too.
        """
        return self.has_turn() or self.own_thread == threading.get_ident()

    def empty(self) -> bool:
        return not self.queue

    def is_busy(self) -> bool:
        """Tell whether a message is queued, or in the hands of the actor's own thread."""
        return bool(self.queue) or self._in_hand  # in this order: it is in hand before it is popped

    def close(self, refuse: Callable[[Envelope[Any]], None]) -> None:
        """Hand what is queued, and whatever is put from now on, to ``refuse``."""
        self.is_open = False
        self._refuse = refuse
        self._timers.clear()
        self._in_hand = False
        self.own_thread = None  # idents are used again
        self._refuse_all(refuse)

    def forked(self, refuse: Callable[[Envelope[Any]], None]) -> None:
        """Close it in a forked child, where the thread that may have the turn does not exist."""
        self.is_elsewhere = True
        self.turn = threading.RLock()
        self.signal = queue.SimpleQueue()
        self.close(refuse)

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
        due, number = self.clock() + delay, next(self._timer_numbers)
        heapq.heappush(self._timers, (due, number, Envelope(message)))
        self.wake()  # the actor's thread may be waiting for a later one

    # -- the actor's own thread -------------------------------------------------------------

    def get(self) -> Envelope[Any]:
        """End this turn, wait for a signal, a message or a timer, and take the turn for it.

        Raises:
            MemoryError: nothing was taken; try again
        """
        self._in_hand = False
        if self.has_turn():
            self.is_open = True
            self.turn.release()
        while not self._look():
            pass
        self.turn.acquire()
        self._in_hand = True
        if self.signalled:
            return _SIGNALLED
        if self._timers and self._until_timer() == 0.0:
            return heapq.heappop(self._timers)[2]
        return self.queue.popleft()

    def _look(self) -> bool:
        """Take every signal, waiting for one if there is nothing to do; tell whether there is now.

        What was signalled before a message was queued comes before it: the queue is looked at
        first, and nothing else takes messages.
        """
        is_queued = bool(self.queue)
        wait = 0.0 if is_queued or self.signalled else self._until_timer()
        try:
            while True:
                if self._taken is not None:
                    self.signalled.append(self._taken)
                    self._taken = None
                self._taken = self.signal.get(wait != 0.0, wait if wait > 0.0 else None)
                wait = 0.0
        except queue.Empty:
            pass
        return is_queued or bool(self.signalled) or self._until_timer() == 0.0

    def _until_timer(self) -> float:
        """Seconds until the next timer is due; -1 (wait for ever) if there is none."""
        if not self._timers:
            return -1
        return min(max(self._timers[0][0] - self.clock(), 0.0), LONGEST_WAIT)
