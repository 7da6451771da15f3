"""A fast, awaitable ``pykka.Future`` that knows when nobody will read it.

No lock is ever held while something else runs, so a finaliser may touch any reply at any moment:
whoever *claims* the reply (``list.pop`` is atomic) decides its outcome, and a latch that starts
closed lets the waiting threads through one by one.
"""

from __future__ import annotations

import queue
import sys
import time
import weakref
from _thread import allocate_lock
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

import pykka

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

    ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

T = TypeVar("T")
J = TypeVar("J")
M = TypeVar("M")
R = TypeVar("R")

LONGEST_WAIT: Final = 1e8
"""Seconds; what ``Lock.acquire`` takes on every platform. Three years is as good as for ever."""

_PENDING: Final = object()
_FAILED: Final = object()
_HOOKED: Final = object()


class WouldDeadlock(RuntimeError):
    """An actor, or a finaliser that ran inside it, waits for that same actor.

    The request itself is queued and will be handled; only the wait is refused.
    """


class Withdrawn(RuntimeError):
    """A reply that one reader withdrew, by cancelling its task, is read by another."""


class Turn(Protocol):
    """What a reply must know of the inbox that its request went to."""

    def is_mine(self) -> bool:
        """Tell whether this thread runs inside the actor."""
        ...


class Reply(pykka.Future[T]):
    """A value that is available now or later.

    ``get`` may be called repeatedly and from several threads; setting a reply twice raises
    ``queue.Full``, as in Pykka. ``await reply`` suspends the coroutine; cancelling the awaiting
    task withdraws the request. A handler may return an unresolved reply and resolve it later.
    """

    # Class-level defaults keep the making of a reply cheap.
    _value: Any = _PENDING
    _exc_info: ExcInfo | None = None
    _get_hook: Callable[[float | None], Any] | None = None
    _unclaimed: list[bool] = []  # noqa: RUF012  never filled: one without its own is claimed
    _upstream: tuple[pykka.Future[Any], ...] = ()
    _on_drop: Callable[[], object] | None = None
    _timeout_error: Callable[[float], BaseException] | None = None
    _inbox: Turn | None = None

    def __init__(self) -> None:  # a reply has no use for the state of pykka.Future
        self._unclaimed = [True]
        self._callbacks: list[Callable[[], object]] = []
        self._latch = latch = allocate_lock()
        latch.acquire()

    @classmethod
    def resolved(cls, value: Any) -> Reply[Any]:
        """Return a reply that holds ``value``."""
        reply = cls.__new__(cls)
        reply._value = value
        return reply

    @classmethod
    def failed(cls, error: BaseException) -> Reply[Any]:
        """Return a reply that raises ``error``."""
        reply = cls.resolved(_FAILED)
        reply._exc_info = (type(error), error, error.__traceback__)
        return reply

    # -- the one who answers ----------------------------------------------------------------

    def set(self, value: T | None = None) -> None:
        """Resolve with ``value``.

        Raises:
            queue.Full: if it was resolved, hooked or withdrawn before
        """
        self._claim()
        self._open(value)

    def set_exception(self, exc_info: ExcInfo | None = None) -> None:
        """Resolve with an exception: ``exc_info``, or the one being handled.

        Raises:
            queue.Full: if it was resolved, hooked or withdrawn before
        """
        assert exc_info is None or len(exc_info) == 3  # noqa: S101  as Pykka does
        self._claim()
        self._exc_info = exc_info or sys.exc_info()
        self._open(_FAILED)

    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """Let ``func(timeout)`` produce the value when somebody asks, once it returns one.

        Those who wait already call it at once, each within what is left of its own timeout.

        Raises:
            queue.Full: if it was resolved, hooked or withdrawn before
        """
        self._claim()
        self._get_hook = func
        self._hook_turn = allocate_lock()
        self._open(_HOOKED)

    def on_drop(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` once if the answer is withdrawn, or dropped before anybody read it.

        It may run on any thread, inside a finaliser: it must not block. A later callback replaces
        an earlier one.
        """
        self._on_drop = callback

    def fail_timeouts_with(self, make: Callable[[float], BaseException]) -> None:
        """Raise ``make(timeout)`` instead of a bare ``pykka.Timeout`` when a ``get`` times out."""
        self._timeout_error = make

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
        """Resolve this reply as ``other``, which is resolved; what it may bring back as well."""
        self._on_drop, other._on_drop = other._on_drop, None
        try:
            if other._value is _FAILED:
                self.set_exception(other._exc_info)
            elif other._value is _HOOKED:
                self.set_get_hook(lambda timeout: other.get(timeout=timeout))
            else:
                self.set(other._value)
        except queue.Full:
            self._dropped()  # withdrawn

    def set_quietly(self, value: T) -> bool:
        """Resolve with ``value``; ``False`` if it was resolved or withdrawn before."""
        try:
            self.set(value)
        except queue.Full:
            return False
        return True

    def fail_quietly(self, error: BaseException) -> None:
        """Resolve with ``error``; nothing happens if it was resolved or withdrawn before."""
        try:
            self.set_exception((type(error), error, error.__traceback__))
        except queue.Full:
            pass

    def error(self) -> BaseException | None:
        """Return the exception that it holds, or ``None``."""
        return self._exception() if self._value is _FAILED else None

    def is_deferred(self) -> bool:
        """Tell whether a handler that returns this reply means: I answer later.

        It does if it made the reply. The reply to another request, or what was derived from one,
        is a value like any other, as in Pykka.
        """
        return self._inbox is None and not self._upstream

    def _claim(self) -> None:
        try:
            self._unclaimed.pop()
        except IndexError:
            raise queue.Full(f"{self!r} is resolved or withdrawn already") from None

    def _open(self, value: Any) -> None:
        self._value = value
        self._latch.release()
        while self._callbacks:
            try:
                callback = self._callbacks.pop(0)
            except IndexError:
                break  # another thread took the last one
            callback()

    def _when_open(self, callback: Callable[[], object]) -> None:
        if self._value is _PENDING:
            self._callbacks.append(callback)
            if self._value is _PENDING:
                return
            try:  # resolved meanwhile; whoever removes the callback runs it
                self._callbacks.remove(callback)
            except ValueError:
                return
        callback()

    # -- the one who asked ------------------------------------------------------------------

    def get(self, *, timeout: float | None = None) -> Any:
        """Return the value, or raise the exception; wait for it up to ``timeout`` seconds.

        Raises:
            pykka.Timeout: not resolved in time (a checkout raises its subclass CheckoutTimeout)
            WouldDeadlock: called from inside the actor that is to answer
        """
        if self._value is _PENDING or self._value is _HOOKED:
            deadline = None if timeout is None else time.monotonic() + timeout
            if self._value is _PENDING:
                self._wait(timeout)
            if self._value is _HOOKED:
                self._run_hook(timeout, deadline)
        self._on_drop = None
        if self._value is not _FAILED:
            return self._value
        raise self._exception()

    def get_once(self, timeout: float | None) -> Any:
        """Like ``get``, of a reply that nobody else holds: whoever gives up withdraws it."""
        try:
            return self.get(timeout=timeout)
        except pykka.Timeout:
            if self.withdraw() or self._value is _FAILED or self._value is _HOOKED:
                raise
            return self.get()  # the answer came while we gave up: it counts
        except BaseException:
            self.withdraw()
            raise

    def withdraw(self) -> bool:
        """Tell that nobody will read this reply; return ``False`` if it was resolved already.

        After ``True`` it can no longer be resolved; either way what it brought, or was to bring,
        goes home.
        """
        try:
            self._unclaimed.pop()
        except IndexError:
            if self._value is not _PENDING:
                self._dropped()
            return False
        for source in self._upstream:
            if isinstance(source, Reply):
                source.withdraw()
        self._dropped()
        error = Withdrawn("another reader of this reply has withdrawn the request")
        self._exc_info = (type(error), error, None)
        self._open(_FAILED)
        return True

    def _wait(self, timeout: float | None) -> None:
        self._refuse_self_wait()
        latch = self._latch
        if timeout is None:
            latch.acquire()
        elif not latch.acquire(timeout=min(max(timeout, 0), LONGEST_WAIT)):
            make = self._timeout_error
            raise make(timeout) if make else pykka.Timeout(f"{timeout} seconds")
        latch.release()  # lets the next one through

    def _refuse_self_wait(self) -> None:
        inbox = self._inbox
        if inbox is not None and inbox.is_mine():
            raise WouldDeadlock(
                "an actor cannot wait for its own answer: the request is queued behind the "
                "message that this thread is handling now"
            )

    def _run_hook(self, timeout: float | None, deadline: float | None) -> None:
        left = -1.0 if deadline is None else max(deadline - time.monotonic(), 0.0)
        if not self._hook_turn.acquire(timeout=min(left, LONGEST_WAIT)):
            raise pykka.Timeout(f"{timeout} seconds")
        try:
            if self._value is _HOOKED:
                assert self._get_hook is not None  # noqa: S101  set before the value
                self._value = self._get_hook(timeout if deadline is None else _left(deadline))
        finally:
            self._hook_turn.release()

    def _exception(self) -> BaseException:
        assert self._exc_info is not None  # noqa: S101  set before the value
        kind, error, trace = self._exc_info
        if error is None:
            error = kind() if kind is not None else pykka.ActorDeadError("failed without a reason")
        return error if error.__traceback__ is trace else error.with_traceback(trace)

    def _dropped(self) -> None:
        callback, self._on_drop = self._on_drop, None
        if callback is not None:
            callback()

    def __del__(self) -> None:
        if self._on_drop is not None:
            self._dropped()

    def __repr__(self) -> str:
        state = {id(_PENDING): "pending", id(_FAILED): "failed", id(_HOOKED): "hooked"}
        return f"<{type(self).__name__} {state.get(id(self._value), 'resolved')}>"

    # -- await ------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, T]:
        try:
            if self._value is _HOOKED:
                yield from self._await_hook()
            elif self._value is _PENDING:
                self._refuse_self_wait()
                yield from self._await_open()
                if self._value is _HOOKED:
                    yield from self._await_hook()
        except BaseException:
            self.withdraw()
            raise
        return cast("T", self.get())

    __iter__ = __await__

    def _await_open(self) -> Generator[Any, None, None]:
        from asyncio import get_running_loop  # here, so that threads need not import asyncio

        loop = get_running_loop()
        opened = loop.create_future()

        def wake() -> None:
            try:
                loop.call_soon_threadsafe(_finish, opened)
            except RuntimeError:
                pass  # the loop was closed: nobody awaits any more

        self._when_open(wake)
        yield from opened

    def _await_hook(self) -> Generator[Any, None, None]:
        if not self._upstream or not all(isinstance(f, Reply) for f in self._upstream):
            from asyncio import get_running_loop

            # A hook of unknown make may block: on another thread, then.
            yield from get_running_loop().run_in_executor(None, self.get)
            return
        for source in self._upstream:  # without withdrawing it: others may read it too
            assert isinstance(source, Reply)  # noqa: S101  checked above
            if source._value is _PENDING:
                yield from source._await_open()
            if source._value is _HOOKED:
                yield from source._await_hook()

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


F = TypeVar("F")


def _derived(future: F, *sources: pykka.Future[Any]) -> F:
    assert isinstance(future, Reply)  # noqa: S101  Pykka derives futures of the same class
    future._upstream = sources
    return future


def _finish(opened: asyncio.Future[None]) -> None:
    if not opened.done():
        opened.set_result(None)


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)
