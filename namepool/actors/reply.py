"""A fast ``pykka.Future`` that a task can await, and a reader can give up.

*Resolved.* Each reply has a list of outcomes. Only the first outcome in this list counts; later
outcomes are ignored. Two threads cannot both be first, because ``list.append`` is atomic. No lock
is held while other code runs, so a finaliser may use any reply at any moment. A thread is *struck*
when an exception is raised in it from outside.

*Given up.* A *grant* is an object that comes with an answer, for example a lease. A reply with a
grant is *watched* by a ``Dropped``, which is a weak reference. When the reply dies or its reader
gives up, the ``Dropped`` goes to a *sink*. The reply and its ``Dropped`` share a list, the
``fate``. A reader of the answer appends ``True`` to this list, and ``was_read`` appends ``False``.
The first entry decides whether the answer was read. The code that takes a ``Dropped`` out of the
sink must ask ``was_read``: on a free-threaded CPython, a reply may be read at the same moment as it
is dropped.

*Waited for.* Threads wait by blocking. Tasks are suspended, so they do not block their loop.
"""

from __future__ import annotations

import itertools
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import pykka

from namepool.actors.latch import LONGEST_WAIT, Latch, passed_on
from namepool.actors.never_copied import NeverCopied
from namepool.actors.suspending import called_back, next_turn

if TYPE_CHECKING:
    from types import TracebackType

    ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

T = TypeVar("T")
J = TypeVar("J")
M = TypeVar("M")
R = TypeVar("R")
F = TypeVar("F")

VALUE: Final = "resolved"
FAILED: Final = "failed"
HOOKED: Final = "hooked"


class Resolving(pykka.Future[T]):
    """The part of a reply that the answering actor uses."""

    # Defaults on the class make the creation of a reply cheap.
    _hooked: tuple[Any] | None = None
    """The value that the hook has returned; ``None`` before that."""

    def __init__(self) -> None:  # a reply does not need the state of pykka.Future
        self._outcomes: list[tuple[str, Any]] = []
        self._callbacks: list[tuple[Callable[[], object], list[threading.Thread]]] = []
        self._latch = Latch()

    def set(self, value: T | None = None) -> None:
        """Resolve the reply with ``value``.

        Raises:
            queue.Full: the reply was resolved, hooked or withdrawn before
        """
        self._resolve_or_raise((VALUE, value))

    def set_exception(self, exc_info: ExcInfo | None = None) -> None:
        """Resolve the reply with the exception of ``exc_info``, or with the one being handled.

        Raises:
            queue.Full: the reply was resolved, hooked or withdrawn before
        """
        assert exc_info is None or len(exc_info) == 3  # noqa: S101  as Pykka does
        self._resolve_or_raise((FAILED, exc_info or sys.exc_info()))

    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """Let a hook, ``func(timeout)``, produce the value when a reader asks for it.

        If readers are waiting now, one of them calls the hook at once, with the time that is left
        of its own timeout. The other readers get the same value.

        Raises:
            queue.Full: the reply was resolved, hooked or withdrawn before
        """
        self._hook_turn = threading.RLock()  # a thread without this lock cannot release it
        self._resolve_or_raise((HOOKED, func))

    def set_quietly(self, value: T) -> bool:
        """Resolve the reply with ``value``.

        Return ``False`` if the reply was resolved or withdrawn before.
        """
        return self._resolve((VALUE, value))

    def fail_quietly(self, error: BaseException) -> None:
        """Resolve the reply with ``error``, unless it was resolved or withdrawn before."""
        self._resolve((FAILED, (type(error), error, error.__traceback__)))

    def is_resolved(self) -> bool:
        """Tell whether the reply has an outcome: a value, an exception or a hook."""
        return bool(self._outcomes)

    def error(self) -> BaseException | None:
        """Return the exception that the reply holds, or ``None``."""
        if not self._outcomes or self._outcomes[0][0] is not FAILED:
            return None
        return exception_of(self._outcomes[0][1])

    def _resolve_or_raise(self, outcome: tuple[str, Any]) -> None:
        if not self._resolve(outcome):
            raise queue.Full(f"{self!r} is resolved or withdrawn already")

    def _resolve(self, outcome: tuple[str, Any]) -> bool:
        outcomes = self._outcomes
        if outcomes:
            return False
        try:
            outcomes.append(outcome)
            self._opened()
        finally:
            self._opened()  # again, so that the waiters are told even if this thread is struck
        return outcomes[0] is outcome

    def _opened(self) -> None:
        """Wake the waiters."""
        if not self._outcomes or (self._latch.is_set() and not self._callbacks):
            return
        self._latch.set()
        for waiting in [*self._callbacks]:
            self._call(waiting)

    def _call(self, waiting: tuple[Callable[[], object], list[threading.Thread]]) -> None:
        """Run a callback on the first thread that claims it.

        The callback runs again only if that thread was struck.
        """
        callback, claims = waiting
        me = threading.current_thread()
        claims += (me,)
        if claims[0] is me:
            callback()
            try:
                self._callbacks.remove(waiting)
            except ValueError:
                pass  # this thread was struck after it had removed the entry

    def _when_open(self, callback: Callable[[], object]) -> None:
        if self._outcomes:
            callback()
            return
        waiting: tuple[Callable[[], object], list[threading.Thread]] = (callback, [])
        self._callbacks.append(waiting)
        if self._outcomes:  # resolved meanwhile, perhaps by a thread that saw no callback
            self._call(waiting)

    def __repr__(self) -> str:
        state = self._outcomes[0][0] if self._outcomes else "pending"
        return f"<{type(self).__name__} {state}>"


def exception_of(exc_info: ExcInfo) -> BaseException:
    """Return the exception of an ``exc_info`` with its original traceback."""
    kind, error, trace = exc_info
    if error is None:
        error = kind() if kind is not None else pykka.ActorDeadError("failed without a reason")
    return error if error.__traceback__ is trace else error.with_traceback(trace)


READ: Final = (True,)
GIVEN_UP: Final = (False,)


class Withdrawn(RuntimeError):
    """The error of a reader whose reply was given up by another reader.

    For example, a reader gives up a reply if its task is cancelled.
    """


def withdrawn() -> Withdrawn:
    """Return the error for another reader of a reply that was given up."""
    return Withdrawn("another reader of this reply has withdrawn the request: send a new request")


class Dropped(weakref.ref["GivingUp[Any]"]):
    """A weak reference that goes to its sink when its reply dies or is given up.

    When the reply dies, Python calls the sink as a finaliser. If an exception from outside arrives
    in a finaliser that is written in Python, Python drops this exception. So the sink should be a
    function that is written in C, such as ``SimpleQueue.put``.

    While the answer is on its way, the actor holds this reference in place of the reply. So the
    actor does not keep the reply alive.
    """

    __slots__ = ("fate", "grant", "received", "sink")

    fate: list[bool]
    grant: Any
    received: Callable[[Any], object]
    sink: Callable[[Dropped], object]

    def was_read(self) -> bool:
        """Tell whether the answer was read; after ``False`` nobody can read it."""
        self.fate += GIVEN_UP
        return self.fate[0]

    def set_quietly(self, value: object) -> bool:
        """Do the same as ``Reply.set_quietly``; also return ``False`` if nobody holds the reply."""
        reply = self()
        return reply is not None and reply.set_quietly(value)

    def fail_quietly(self, error: BaseException) -> None:
        """Do the same as ``Reply.fail_quietly``, if somebody still holds the reply."""
        reply = self()
        if reply is not None:
            reply.fail_quietly(error)


def watched(
    thing: Any,
    grant: Any,
    sink: Callable[[Dropped], object],
    received: Callable[[Any], object],
    fate: list[bool] | None = None,
) -> Dropped:
    """Make a ``Dropped`` of ``thing`` and return it; ``sink`` gets it when ``thing`` dies.

    ``grant.watch`` holds the ``Dropped``.
    """
    dropped = Dropped(thing, sink)
    dropped.grant, dropped.sink, dropped.received = grant, sink, received
    dropped.fate = [] if fate is None else fate
    grant.watch = dropped
    return dropped


class GivingUp(Resolving[T]):
    """The part of a reply that loses no grant.

    If a reader reads the answer, the reader has the grant. Otherwise the sink takes the grant back.
    """

    _upstream: tuple[pykka.Future[Any], ...] = ()
    """The futures from which this reply was derived. They are given up with it."""
    _dropped: Dropped | None = None
    _is_given_up: bool = False
    """Whether ``give_up`` was called. A grant that comes later goes to the sink at once."""

    def watched(
        self,
        grant: Any,
        sink: Callable[[Dropped], object],
        received: Callable[[Any], object],
        fate: list[bool] | None = None,
    ) -> Dropped:
        """Bring ``grant`` along with the answer, and return its ``Dropped``.

        When a reader reads the answer, it calls ``received(grant)``. If nobody reads the answer,
        ``sink`` gets the ``Dropped``. That may happen more than once, on any thread, and in a
        finaliser. ``grant.watch`` holds the latest ``Dropped`` only. A reply that takes over the
        answer of another reply also takes over its ``fate``.
        """
        self._dropped = dropped = watched(self, grant, sink, received, fate)
        if self._is_given_up:
            sink(dropped)  # the reader gave up the reply before it had a grant
        return dropped

    @property
    def _answer(self) -> Any:
        """The value of the reply; this access reads it, or raises the exception.

        It is a property, and it makes no call after it has claimed the answer. So no reader can be
        struck between the claim and the return.
        """
        kind, value = self._outcomes[0]
        if kind is FAILED:
            raise exception_of(value)
        if kind is HOOKED:
            value = self._hooked[0]  # type: ignore[index]  # _wait has run the hook
        dropped = self._dropped
        if dropped is not None:
            dropped.received(dropped.grant)  # before the claim, because this call may be struck
            fate = dropped.fate
            fate += READ
            if not fate[0]:
                raise withdrawn()
        return value

    def give_up(self) -> None:
        """Tell that nobody will read this reply.

        If the answer was not read before, its grant is taken back. For example, a name goes back
        to the pool.

        Examples:
            >>> pool = namepool.NamePool.start(source=namepool.NumberedNames()).proxy()
            >>> reply = pool.checkout_name()
            >>> reply.give_up()
            >>> pool.pool_stats().get().checked_out_count
            0
        """
        self._is_given_up = True
        if self._dropped is not None:
            self._dropped.sink(self._dropped)
        for source in self._upstream:
            if isinstance(source, GivingUp):
                source.give_up()


Wait: TypeAlias = float | None
"""The longest wait in seconds; ``None`` means for ever."""

EVERY: Final = 64
"""At every 64th await of an answer that is ready, the event loop goes on.

Otherwise a task that asks in a loop would never let other tasks run. It could not be cancelled
either, not even by a Ctrl-C.
"""
_awaits = itertools.count(1)


class _OthersTurn:
    """An object that a task awaits if its answer is ready; at every 64th time, other tasks run."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        if not next(_awaits) % EVERY:
            yield from next_turn()


others_turn: Final = _OthersTurn()


class WouldDeadlock(RuntimeError):
    """An actor waits for itself, or a finaliser that runs inside the actor waits for it.

    The request itself is queued and will be handled. Only the wait is refused.
    """


class Waiting(GivingUp[T]):
    """The part of a reply that its readers use."""

    _timeout_error: Callable[[float], BaseException] | None = None
    _inbox: Any = None
    """The inbox to which the request went, if that is known."""

    def fail_timeouts_with(self, make: Callable[[float], BaseException]) -> None:
        """Raise ``make(timeout)`` in place of a plain ``pykka.Timeout`` if a ``get`` times out."""
        self._timeout_error = make

    def get(self, *, timeout: float | None = None) -> Any:
        """Return the value, or raise the exception; wait for it up to ``timeout`` seconds.

        Raises:
            pykka.Timeout: the reply is not resolved in time (a checkout raises the subclass
                CheckoutTimeout)
            WouldDeadlock: the caller runs inside the actor that must answer

        Examples:
            >>> from namepool.actors import Reply
            >>> reply = Reply()
            >>> reply.set("NPC #1")
            >>> reply.get(timeout=5)
            'NPC #1'
        """
        outcomes = self._outcomes
        if not outcomes or outcomes[0][0] is HOOKED:
            self.wait(timeout)
        return self._answer

    def wait(self, timeout: float | None = None) -> None:
        """Wait for an outcome, and for the value of a hook; after that, ``get`` returns at once."""
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._outcomes:
            self._refuse_vain_wait()
            if not self._latch.wait(timeout):
                assert timeout is not None  # noqa: S101  without a timeout it waits for ever
                raise self._timed_out(timeout)
        if self._outcomes[0][0] is HOOKED:
            self._run_hook(timeout, deadline)

    def _refuse_vain_wait(self) -> None:
        """Raise an error if this wait can never succeed."""
        inbox = self._inbox
        if inbox is not None and inbox.is_mine():
            raise WouldDeadlock(
                "an actor cannot wait for its own answer: the request is queued behind the "
                "message that this thread is handling now; use tell(), or read the future later"
            )
        if inbox is not None and inbox.is_elsewhere:
            raise pykka.ActorDeadError(
                "the request went to an actor that this forked child lacks: start one here"
            )
        for source in self._upstream:
            if isinstance(source, Waiting) and not source._outcomes:
                source._refuse_vain_wait()

    def _run_hook(self, timeout: float | None, deadline: float | None) -> None:
        if self._hooked is not None:
            return
        wait = -1.0 if deadline is None else min(_left(deadline), LONGEST_WAIT)
        try:
            if not self._hook_turn.acquire(timeout=wait):
                raise pykka.Timeout(f"{timeout} seconds")
            if self._hooked is None:
                hook = self._outcomes[0][1]
                self._hooked = (hook(timeout if deadline is None else _left(deadline)),)
        finally:
            try:
                self._hook_turn.release()
            except RuntimeError as error:
                passed_on(error)  # this thread did not have the lock

    # -- await ------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, T]:
        outcomes = self._outcomes
        if not outcomes or outcomes[0][0] is HOOKED or not next(_awaits) % EVERY:
            is_there = False
            try:
                yield from self._await()
                is_there = True
            finally:
                if not is_there:
                    self.give_up()
        answer: T = self._answer  # no call follows, because the answer is delivered now
        return answer

    __iter__ = __await__

    async def within(self, timeout: float | None) -> T:
        """Return the value or raise the exception, like ``await``; wait up to ``timeout`` seconds.

        Raises:
            pykka.Timeout: the reply is not resolved in time (a checkout raises the subclass
                CheckoutTimeout)
        """
        if timeout is not None and not self._outcomes:
            self._refuse_vain_wait()
            is_over = False
            try:
                await called_back(self._when_open, timeout)
                is_over = bool(self._outcomes)
            finally:
                if not is_over:
                    self.give_up()
            if not is_over:
                raise self._timed_out(timeout)
        return await self

    def _timed_out(self, timeout: float) -> BaseException:
        make = self._timeout_error
        return make(timeout) if make else pykka.Timeout(f"{timeout} seconds")

    def _await(self) -> Generator[Any, None, None]:
        if not self._outcomes:
            self._refuse_vain_wait()
            yield from called_back(self._when_open).__await__()
        elif self._outcomes[0][0] is not HOOKED:
            yield from next_turn()
        if self._outcomes[0][0] is HOOKED:
            yield from self._await_hook()

    def _await_hook(self) -> Generator[Any, None, None]:
        if not self._upstream or not all(isinstance(f, Waiting) for f in self._upstream):
            from asyncio import get_running_loop

            # A hook of another class may block, so it runs on another thread.
            yield from get_running_loop().run_in_executor(None, self.wait, None)
            return
        for source in self._upstream:  # this gives up no source, because others may read it too
            assert isinstance(source, Waiting)  # noqa: S101  checked above
            yield from source._await()
        self.wait(None)


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)


class Reply(NeverCopied, Waiting[T]):
    """A value that is available now or later.

    Several threads may call ``get``, and each may call it again. A second ``set`` raises
    ``queue.Full``, as in Pykka. ``await reply`` suspends the task. If the task is cancelled there,
    it gives up the reply. A handler may return an unresolved reply and resolve it later.

    Examples:
        >>> from namepool.actors import Reply
        >>> reply = Reply()
        >>> reply.set("NPC #1")
        >>> await reply
        'NPC #1'
    """

    _instead = "send the value that get() returns"

    @classmethod
    def resolved(cls, value: Any) -> Reply[Any]:
        """Return a reply that holds ``value``."""
        reply = cls.__new__(cls)
        reply._outcomes = [(VALUE, value)]
        return reply

    @classmethod
    def failed(cls, error: BaseException) -> Reply[Any]:
        """Return a reply that raises ``error``."""
        reply = cls.resolved(None)
        reply._outcomes = [(FAILED, (type(error), error, error.__traceback__))]
        return reply

    def is_deferred(self) -> bool:
        """Tell whether a handler that returns this reply will answer later.

        The result is ``True`` if the handler made the reply itself. It is ``False`` if the handler
        got the reply from a request of its own that was queued for an actor. As in Pykka, such a
        reply is an ordinary value: the handler's caller gets the reply itself. The result is also
        ``False`` for a future that was derived from a reply, for example by ``map``.
        """
        return self._inbox is None and not self._upstream

    def resolved_by(self, other: Reply[T]) -> None:
        """Resolve this reply like ``other``, once ``other`` is resolved.

        If this reply is dropped, ``other`` is dropped too.
        """
        mine = weakref.ref(self)

        def opened() -> None:
            reply = mine()
            if reply is not None:
                reply.take_over(other)

        self.follow(other, opened)

    def follow(self, other: Reply[Any], opened: Callable[[], object]) -> None:
        """Make this reply depend on ``other``; call ``opened`` when ``other`` is resolved.

        This reply keeps ``other`` alive. If a ``get`` of this reply times out, it raises the error
        that a ``get`` of ``other`` would raise.
        """
        self._upstream = (other,)
        self._timeout_error = other._timeout_error
        other._when_open(opened)

    def take_over(self, other: Reply[Any]) -> None:
        """Resolve this reply like ``other``, which is resolved, and take over its grant."""
        dropped = other._dropped
        if dropped is not None:
            self.watched(dropped.grant, dropped.sink, dropped.received, dropped.fate)
        outcome = other._outcomes[0]
        if outcome[0] is HOOKED:
            self._hook_turn = threading.RLock()
            outcome = (HOOKED, other._get_hooked)
        self._resolve(outcome)

    def _get_hooked(self, timeout: float | None) -> Any:
        return self.get(timeout=timeout)

    # -- derived futures: as in Pykka, and awaitable ----------------------------------------

    def filter(
        self: pykka.Future[Iterable[J]], func: Callable[[J], bool]
    ) -> pykka.Future[Iterable[J]]:
        return _derived(super().filter(func), self)  # type: ignore[misc]

    def join(self: pykka.Future[Any], *futures: pykka.Future[Any]) -> pykka.Future[Iterable[Any]]:
        return _derived(super().join(*futures), self, *futures)  # type: ignore[misc]

    def map(self, func: Callable[[T], M]) -> pykka.Future[M]:
        return _derived(super().map(func), self)

    def reduce(
        self: pykka.Future[Iterable[J]], func: Callable[[R, J], R], *args: R
    ) -> pykka.Future[R]:
        return _derived(super().reduce(func, *args), self)  # type: ignore[misc]


def _derived(future: F, *sources: pykka.Future[Any]) -> F:
    assert isinstance(future, Reply)  # noqa: S101  Pykka derives a future of the same class
    future._upstream = sources
    return future
