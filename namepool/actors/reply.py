"""A fast, awaitable ``pykka.Future``: resolved, given up, waited for and derived.

*Resolved.* One list decides. Whoever appends the first outcome (``list.append`` is atomic) has
resolved or withdrawn the reply; what comes later is ignored. No lock is held while something else
runs, so a finaliser may touch any reply at any moment. A thread is *struck* when an exception is
raised in it from outside.

*Given up.* A *grant* is what comes with an answer. A reply that brings one is *watched* by a
``Dropped``, a weak reference, which goes to a *sink* when the reply dies or its reader gives up.
Its ``fate`` is shared with the reply: the first entry decides whether it was read. So the sink
asks, and never believes that a dropped reply was not read: on a free-threaded CPython the two
overlap.

*Waited for*, by threads, and by tasks that suspend instead of blocking their loop.
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
    """The side of a reply that the answering actor uses."""

    # Class-level defaults keep the making of a reply cheap.
    _hooked: tuple[Any] | None = None
    """The value behind a hook, once it is there."""

    def __init__(self) -> None:  # a reply has no use for the state of pykka.Future
        self._outcomes: list[tuple[str, Any]] = []
        self._callbacks: list[tuple[Callable[[], object], list[threading.Thread]]] = []
        self._latch = Latch()

    def set(self, value: T | None = None) -> None:
        """Resolve with ``value``.

        Raises:
            queue.Full: if it was resolved, hooked or withdrawn before
        """
        self._resolve_or_raise((VALUE, value))

    def set_exception(self, exc_info: ExcInfo | None = None) -> None:
        """Resolve with an exception: ``exc_info``, or the one being handled.

        Raises:
            queue.Full: if it was resolved, hooked or withdrawn before
        """
        assert exc_info is None or len(exc_info) == 3  # noqa: S101  as Pykka does
        self._resolve_or_raise((FAILED, exc_info or sys.exc_info()))

    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """Let a hook, ``func(timeout)``, produce the value when somebody asks for it.

        Those who wait already call it at once, each within what is left of its own timeout.

        Raises:
            queue.Full: if it was resolved, hooked or withdrawn before
        """
        self._hook_turn = threading.RLock()  # who does not own it cannot release it
        self._resolve_or_raise((HOOKED, func))

    def set_quietly(self, value: T) -> bool:
        """Resolve with ``value``; ``False`` if it was resolved or withdrawn before."""
        return self._resolve((VALUE, value))

    def fail_quietly(self, error: BaseException) -> None:
        """Resolve with ``error``; nothing happens if it was resolved or withdrawn before."""
        self._resolve((FAILED, (type(error), error, error.__traceback__)))

    def is_resolved(self) -> bool:
        """Tell whether an outcome is there: a value, an exception or a hook."""
        return bool(self._outcomes)

    def error(self) -> BaseException | None:
        """Return the exception that it holds, or ``None``."""
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
            self._opened()  # struck: those who wait are told all the same
        return outcomes[0] is outcome

    def _opened(self) -> None:
        """Wake those who wait."""
        if not self._outcomes or (self._latch.is_set() and not self._callbacks):
            return
        self._latch.set()
        for waiting in [*self._callbacks]:
            self._call(waiting)

    def _call(self, waiting: tuple[Callable[[], object], list[threading.Thread]]) -> None:
        """Run a callback on the thread that claims it first; again only if that one was struck."""
        callback, claims = waiting
        me = threading.current_thread()
        claims += (me,)
        if claims[0] is me:
            callback()
            try:
                self._callbacks.remove(waiting)
            except ValueError:
                pass  # it was struck after this

    def _when_open(self, callback: Callable[[], object]) -> None:
        if self._outcomes:
            callback()
            return
        waiting: tuple[Callable[[], object], list[threading.Thread]] = (callback, [])
        self._callbacks.append(waiting)
        if self._outcomes:  # resolved meanwhile; whoever resolved it may have seen it, or not
            self._call(waiting)

    def __repr__(self) -> str:
        state = self._outcomes[0][0] if self._outcomes else "pending"
        return f"<{type(self).__name__} {state}>"


def exception_of(exc_info: ExcInfo) -> BaseException:
    """Return the exception of an ``exc_info``, with its traceback as it was."""
    kind, error, trace = exc_info
    if error is None:
        error = kind() if kind is not None else pykka.ActorDeadError("failed without a reason")
    return error if error.__traceback__ is trace else error.with_traceback(trace)


READ: Final = (True,)
GIVEN_UP: Final = (False,)


class Withdrawn(RuntimeError):
    """A reply that one reader gave up, by cancelling its task, is read by another."""


def withdrawn() -> Withdrawn:
    """Return what another reader of a reply gets that was given up."""
    return Withdrawn("another reader of this reply has withdrawn the request: make your own")


class Dropped(weakref.ref["GivingUp[Any]"]):
    """Goes to its sink when its reply dies, or is given up.

    With a sink written in C (``SimpleQueue.put``) no line of Python runs in that finaliser, where
    an exception from outside would vanish. While the answer is on its way it stands in for the
    reply, which it does not keep alive.
    """

    __slots__ = ("fate", "grant", "received", "sink")

    fate: list[bool]
    grant: Any
    received: Callable[[Any], object]
    sink: Callable[[Dropped], object]

    def was_read(self) -> bool:
        """Tell whether the answer was read; if not, it never will be."""
        self.fate += GIVEN_UP
        return self.fate[0]

    def set_quietly(self, value: object) -> bool:
        """See ``Reply.set_quietly``; ``False`` also if nobody holds the reply."""
        reply = self()
        return reply is not None and reply.set_quietly(value)

    def fail_quietly(self, error: BaseException) -> None:
        """See ``Reply.fail_quietly``."""
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
    """Have ``sink`` told when ``thing`` dies; ``grant.watch`` holds what sees to it."""
    dropped = Dropped(thing, sink)
    dropped.grant, dropped.sink, dropped.received = grant, sink, received
    dropped.fate = [] if fate is None else fate
    grant.watch = dropped
    return dropped


class GivingUp(Resolving[T]):
    """What becomes of a grant: it is read, or it goes home."""

    _upstream: tuple[pykka.Future[Any], ...] = ()
    """What this reply was derived from: it is given up with it."""
    _dropped: Dropped | None = None
    _is_given_up: bool = False
    """Nobody will read it, or only in vain."""

    def watched(
        self,
        grant: Any,
        sink: Callable[[Dropped], object],
        received: Callable[[Any], object],
        fate: list[bool] | None = None,
    ) -> Dropped:
        """Bring ``grant`` along: ``received(grant)`` is called where the answer is read.

        If nobody reads it, ``sink`` gets the returned ``Dropped``: perhaps more than once, on any
        thread, also in a finaliser. ``grant.watch`` holds that one, and no earlier one. A reply
        that takes an answer over has the ``fate`` of the other.
        """
        self._dropped = dropped = watched(self, grant, sink, received, fate)
        if self._is_given_up:
            sink(dropped)  # as it was before there was anything to give up
        return dropped

    @property
    def _answer(self) -> Any:
        """What it was resolved with, read by this very access.

        Not a method, and no call behind the claim: nobody can be struck between it and the return.
        """
        kind, value = self._outcomes[0]
        if kind is FAILED:
            raise exception_of(value)
        if kind is HOOKED:
            value = self._hooked[0]  # type: ignore[index]  # _wait has run the hook
        dropped = self._dropped
        if dropped is not None:
            dropped.received(dropped.grant)  # before it is read: it may be struck
            fate = dropped.fate
            fate += READ
            if not fate[0]:
                raise withdrawn()
        return value

    def give_up(self) -> None:
        """Tell that nobody will read this reply; what it brings goes home, unless it was read."""
        self._is_given_up = True
        if self._dropped is not None:
            self._dropped.sink(self._dropped)
        for source in self._upstream:
            if isinstance(source, GivingUp):
                source.give_up()


Wait: TypeAlias = float | None
"""Seconds to wait at most; ``None``: for ever."""

EVERY: Final = 64
"""Every so many awaits of an answer that is ready, the event loop goes on: else a task that asks
and asks would never let others run, nor be cancelled, nor hear of a Ctrl-C, which cancels it."""
_awaits = itertools.count(1)


class _OthersTurn:
    """Await it where nothing need be waited for: every so many times, others run."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        if not next(_awaits) % EVERY:
            yield from next_turn()


others_turn: Final = _OthersTurn()


class WouldDeadlock(RuntimeError):
    """An actor, or a finaliser that ran inside it, waits for that same actor.

    The request itself is queued and will be handled; only the wait is refused.
    """


class Waiting(GivingUp[T]):
    """What those who asked see of a reply."""

    _timeout_error: Callable[[float], BaseException] | None = None
    _inbox: Any = None
    """Where its request went, if it is known."""

    def fail_timeouts_with(self, make: Callable[[float], BaseException]) -> None:
        """Raise ``make(timeout)`` instead of a bare ``pykka.Timeout`` when a ``get`` times out."""
        self._timeout_error = make

    def get(self, *, timeout: float | None = None) -> Any:
        """Return the value, or raise the exception; wait for it up to ``timeout`` seconds.

        Raises:
            pykka.Timeout: not resolved in time (a checkout raises its subclass CheckoutTimeout)
            WouldDeadlock: called from inside the actor that is to answer
        """
        outcomes = self._outcomes
        if not outcomes or outcomes[0][0] is HOOKED:
            self.wait(timeout)
        return self._answer

    def wait(self, timeout: float | None = None) -> None:
        """Wait for an outcome, and for the value behind a hook; ``get`` returns at once then."""
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._outcomes:
            self._refuse_vain_wait()
            if not self._latch.wait(timeout):
                assert timeout is not None  # noqa: S101  without one it waits for ever
                raise self._timed_out(timeout)
        if self._outcomes[0][0] is HOOKED:
            self._run_hook(timeout, deadline)

    def _refuse_vain_wait(self) -> None:
        """Raise if waiting can never succeed."""
        inbox = self._inbox
        if inbox is not None and inbox.is_mine():
            raise WouldDeadlock(
                "an actor cannot wait for its own answer: the request is queued behind the "
                "message that this thread is handling now; tell it, or read the future later"
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
                passed_on(error)  # else it was not ours

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
        answer: T = self._answer  # no call here: it has been delivered by now
        return answer

    __iter__ = __await__

    async def within(self, timeout: float | None) -> T:
        """Like ``await``, for up to ``timeout`` seconds.

        Raises:
            pykka.Timeout: not resolved in time (a checkout raises its subclass CheckoutTimeout)
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

            # A hook of unknown make may block: on another thread, then.
            yield from get_running_loop().run_in_executor(None, self.wait, None)
            return
        for source in self._upstream:  # without withdrawing it: others may read it too
            assert isinstance(source, Waiting)  # noqa: S101  checked above
            yield from source._await()
        self.wait(None)


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)


class Reply(NeverCopied, Waiting[T]):
    """A value that is available now or later.

    ``get`` may be called repeatedly and from several threads; setting a reply twice raises
    ``queue.Full``, as in Pykka. ``await reply`` suspends the coroutine; a task that is cancelled
    there gives up what the answer would bring. A handler may return an unresolved reply and resolve
    it later.
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
        """Tell whether a handler that returns this reply means: I answer later.

        It does if it made the reply. The reply to another request, or what was derived from one,
        is a value like any other, as in Pykka.
        """
        return self._inbox is None and not self._upstream

    def resolved_by(self, other: Reply[T]) -> None:
        """Resolve this reply as ``other`` is, when it is; dropping this one drops ``other``."""
        mine = weakref.ref(self)

        def opened() -> None:
            reply = mine()
            if reply is not None:
                reply.take_over(other)

        self.follow(other, opened)

    def follow(self, other: Reply[Any], opened: Callable[[], object]) -> None:
        """Hold ``other``, time out as it does, and call ``opened`` once it is resolved."""
        self._upstream = (other,)
        self._timeout_error = other._timeout_error
        other._when_open(opened)

    def take_over(self, other: Reply[Any]) -> None:
        """Resolve this reply as ``other``, which is resolved; what it brought comes along."""
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
    assert isinstance(future, Reply)  # noqa: S101  Pykka derives futures of the same class
    future._upstream = sources
    return future
