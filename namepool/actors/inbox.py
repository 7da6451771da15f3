"""A FIFO inbox that owns the actor's turn, keeps its timers, and closes when the actor is dead.

**The turn** is a lock. The actor's thread takes the turn *before* it pops a message. It keeps the
turn until it asks for the next message. So if nothing is queued and the turn is free, the actor is
idle. Then a caller may take the turn and run its own request in it, with ``run``.

A finaliser may run, or an exception from outside may arrive, between any two lines. So the code
cannot note for itself whether its thread has the turn. The lock must know this, so it is a
re-entrant lock. Such a lock stores its owner in the same step in which a thread takes it. If any
other thread calls ``release``, the lock raises an error and stays as it is.

**Torn.** ``guarded`` is the object that is changed in the turn. For a pool, it is the pool's state.
If a caller is cut short in the turn, it may leave a change of this object half done. Then
``guarded.torn`` is ``True``. The next holder of the turn checks ``guarded.torn`` and calls
``guarded.recover()`` before it does anything else. The inbox wakes the actor's own thread for this,
because somebody may be waiting for that change.

**The signal** is a second queue, for objects that are not messages. A call that is written in C
puts them there, so a finaliser may make that call. The actor gets these objects before it gets the
next message.

**Closing.** After ``close`` no caller may take the turn. An *envelope* is a message with its reply.
``close`` gets a function ``refuse``, and calls this function with each envelope that is still
queued. From then on, ``put`` calls the same function with each new envelope. No envelope is refused
twice, because ``deque.popleft`` gives it to only one thread.

A finaliser may call each method of the section "any thread" below, because none of these methods
waits for a lock.
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
    """The actor died before it saw the request.

    So the caller can send the request to another actor, and nothing is done twice.
    """


class CutShort(NamedTuple):
    """A signal that a caller was cut short in the turn, and that the actor must recover."""


class Signalled(NamedTuple):
    """The message that tells an actor to handle the objects in ``Inbox.signalled``."""


_SIGNALLED: Envelope[Any] = Envelope(Signalled())


def refuse(
    ref: object, envelope: Envelope[Any], why: str = "stopped before handling the message"
) -> None:
    """Answer a request that the actor will never see.

    The answer to a stop is ``None``. The answer to any other request is a ``NotHandled``.
    """
    reply: Any = envelope.reply_to
    if reply is None:
        return
    if isinstance(envelope.message, _ActorStop):
        reply.set_quietly(None)
    else:
        reply.fail_quietly(NotHandled(f"{ref} {why}"))


class Inbox:
    """A FIFO inbox with a turn, timers and a signal; the module's docstring describes it.

    ``clock`` returns seconds and never goes back. Tests pass a clock that they can move.
    """

    torn: bool = False  # read as ``guarded.torn`` until ``guarded`` is set to another object

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.queue: deque[Envelope[Any]] = deque()
        self.turn: Any = threading.RLock()
        self.own_thread: int | None = None
        """The ident of the actor's own thread while it lives."""
        self.is_open: bool = False
        """Whether a caller may take the turn: ``on_start`` is over, and the actor lives."""
        self.guarded: Any = self
        """The object that is changed in the turn. It has ``torn`` and ``recover()``."""
        self.is_elsewhere: bool = False
        """Whether this process is a forked child whose parent kept the actor."""
        self.clock = clock
        self.signal: Any = queue.SimpleQueue()
        """A queue that wakes the actor's thread.

        ``None`` tells the thread to look again. Any other object is for the actor.
        """
        self.signalled: deque[Any] = deque()
        """The objects from the signal that the actor has not dealt with yet."""
        self._taken: Any = None
        """An object from the signal that is not yet in ``signalled``.

        It is kept here, because memory may run out before it is appended.
        """
        self._in_hand = False
        """Whether the actor's thread is handling a message."""
        self._timers: list[tuple[float, int, Envelope[Any]]] = []
        self._timer_numbers = itertools.count()
        self._refuse: Callable[[Envelope[Any]], None] | None = None

    # -- any thread -------------------------------------------------------------------------

    def run(self, operation: Callable[[Any], Any], about: Any) -> Any:
        """Run ``operation(about)`` in the turn, on this thread, and return its answer.

        An error of the operation is raised. If the caller cannot take the turn now, the answer is
        ``LATER``; the operation may also return ``LATER`` itself. Then nothing has been changed.
        This call never blocks.
        """
        turn, answer, is_over = self.turn, LATER, False
        if not turn._is_owned():  # this fails if the stack has no frame left for the release
            try:  # no ``return`` here, because the copy of ``finally`` for it would be unguarded
                if turn.acquire(False) and self.is_open and not self.queue:
                    if self.guarded.torn:
                        self.guarded.recover()
                    answer = operation(about)
                is_over = True
            finally:  # a caller may be struck right after ``acquire``, with the turn or without
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
        """Queue an envelope before all others; only the holder of the turn may do so."""
        self.queue.appendleft(envelope)
        self.signal.put(None)

    def wake(self) -> None:
        """Make the actor's thread look again at the queue, the timers and the clock."""
        self.signal.put(None)

    def has_turn(self) -> bool:
        """Tell whether this thread has the turn, and so runs inside the actor."""
        return bool(self.turn._is_owned())

    def is_mine(self) -> bool:
        """Tell whether this thread has the turn, or is the actor's own thread.

        If so, this thread cannot wait for the actor. The actor's own thread counts even without the
        turn, because a finaliser may run on that thread between two turns.
        """
        return self.has_turn() or self.own_thread == threading.get_ident()

    def empty(self) -> bool:
        return not self.queue

    def is_busy(self) -> bool:
        """Tell whether a message is queued, or the actor's own thread is handling one."""
        # The order matters, because the thread sets ``_in_hand`` before it pops the message.
        return bool(self.queue) or self._in_hand

    def close(self, refuse: Callable[[Envelope[Any]], None]) -> None:
        """Hand every queued envelope, and every later envelope, to ``refuse``."""
        self.is_open = False
        self._refuse = refuse
        self._timers.clear()
        self._in_hand = False
        self.own_thread = None  # another thread may get the same ident later
        self._refuse_all(refuse)

    def forked(self, refuse: Callable[[Envelope[Any]], None]) -> None:
        """Close the inbox in a forked child, because the actor's thread does not exist there.

        A thread of the parent may have held the turn at the fork, so the child gets a new turn.
        """
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
        """Deliver ``message`` in ``delay`` seconds.

        A timer cannot be cancelled. The actor can ignore the message instead.
        """
        due, number = self.clock() + delay, next(self._timer_numbers)
        heapq.heappush(self._timers, (due, number, Envelope(message)))
        self.wake()  # the actor's thread may be waiting for a later timer

    # -- the actor's own thread -------------------------------------------------------------

    def get(self) -> Envelope[Any]:
        """Wait for a signal, a message or a timer, and return its envelope.

        The actor's thread gives the turn back before it waits. It takes the turn again before this
        method returns.

        Raises:
            MemoryError: memory ran out; nothing was taken, so the caller can try again
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
        """Take every object from the signal, and tell whether the actor has something to do.

        If there is nothing to do, wait for a signal. An object that was signalled before a message
        was queued is handled before that message. This is certain, because this method looks at
        the queue first, and nobody else takes messages.
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
        """Return the seconds until the next timer is due, or -1 (wait for ever) without a timer."""
        if not self._timers:
            return -1
        return min(max(self._timers[0][0] - self.clock(), 0.0), LONGEST_WAIT)
