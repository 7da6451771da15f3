"""A fast, awaitable ``pykka.Future`` whose answer is delivered or goes home: never both or neither.

**One list decides.** Whoever appends the first outcome (``list.append`` is atomic) has resolved or
withdrawn the reply; what came later is ignored. No lock is held while something else runs, so a
finaliser may touch any reply at any moment.

**What must not be lost** rides on the reply as a *grant*, watched by a weak reference whose
callback is the one who wants it back. A reader claims it without a call in between: CPython raises
what comes from outside after calls only, so nobody is struck between the claim and the return.
"""

from __future__ import annotations

import itertools
import queue
import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast

import pykka

from namepool.actors.latch import LONGEST_WAIT, Latch, passed_on

if TYPE_CHECKING:
    import asyncio
    from types import TracebackType

    ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

T = TypeVar("T")
J = TypeVar("J")
M = TypeVar("M")
R = TypeVar("R")

_VALUE: Final = "resolved"
_FAILED: Final = "failed"
_HOOKED: Final = "hooked"

_READ: Final = (True,)
_RETURNED: Final = (False,)


class WouldDeadlock(RuntimeError):
    """An actor, or a finaliser that ran inside it, waits for that same actor.

    The request itself is queued and will be handled; only the wait is refused.
    """


class Withdrawn(RuntimeError):
    """A reply that one reader withdrew, by cancelling its task, is read by another."""


class Turn(Protocol):
    """What a reply must know of the inbox that its request went to."""

    is_elsewhere: bool
    """This is a forked child, and the actor stayed with its parent."""

    def is_mine(self) -> bool:
        """Tell whether this thread runs inside the actor."""
        ...


class Notice(weakref.ref["Reply[Any]"]):
    """Goes to ``sink`` when its reply dies, or is withdrawn, before anybody read it.

    With a sink written in C (``SimpleQueue.put``) no line of Python runs in that finaliser, where
    an exception from outside would vanish.
    """

    __slots__ = ("claims", "grant", "key", "sink")

    grant: Any
    sink: Callable[[Notice], object]
    claims: list[bool]
    """The first decides: it was read, or it was returned."""
    key: int
    """Its place among those that are kept."""


_keys = itertools.count()
_kept: dict[int, Notice] = {}
"""The notices that may still fire: the garbage collector ignores one that dies with its reply."""


def forget(notice: Notice) -> None:
    """Let go of a notice that has fired."""
    _kept.pop(notice.key, None)


def _call_back(notice: Notice) -> None:
    if _kept.pop(notice.key, None) is not None:
        cast("Callable[[], object]", notice.grant)()


class Reply(pykka.Future[T]):
    """A value that is available now or later.

    ``get`` may be called repeatedly and from several threads; setting a reply twice raises
    ``queue.Full``, as in Pykka. ``await reply`` suspends the coroutine; cancelling the awaiting
    task withdraws the request. A handler may return an unresolved reply and resolve it later.
    """

    # Class-level defaults keep the making of a reply cheap.
    _upstream: tuple[pykka.Future[Any], ...] = ()
    _notice: Notice | None = None
    _grant: object = None
    _hooked: tuple[Any] | None = None
    _timeout_error: Callable[[float], BaseException] | None = None
    _inbox: Turn | None = None
    _callbacks: list[tuple[Callable[[], object], list[int]]]
    """Each with the threads that claimed it."""
    _latch: Latch

    def __init__(self) -> None:  # a reply has no use for the state of pykka.Future
        self._outcomes: list[tuple[str, Any]] = []
        self._callbacks = []
        self._latch = Latch()

    @classmethod
    def resolved(cls, value: Any) -> Reply[Any]:
        """Return a reply that holds ``value``."""
        reply = cls.__new__(cls)
        reply._outcomes = [(_VALUE, value)]
        return reply

    @classmethod
    def failed(cls, error: BaseException) -> Reply[Any]:
        """Return a reply that raises ``error``."""
        reply = cls.resolved(None)
        reply._outcomes = [(_FAILED, (type(error), error, error.__traceback__))]
        return reply

    # -- the one who answers ----------------------------------------------------------------

    def set(self, value: T | None = None) -> None:
        """Resolve with ``value``.

        Raises:
            queue.Full: if it was resolved, hooked or withdrawn before
        """
        self._settle((_VALUE, value))

    def set_exception(self, exc_info: ExcInfo | None = None) -> None:
        """Resolve with an exception: ``exc_info``, or the one being handled.

        Raises:
            queue.Full: if it was resolved, hooked or withdrawn before
        """
        assert exc_info is None or len(exc_info) == 3  # noqa: S101  as Pykka does
        self._settle((_FAILED, exc_info or sys.exc_info()))

    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """Let ``func(timeout)`` produce the value when somebody asks, once it returns one.

        Those who wait already call it at once, each within what is left of its own timeout.

        Raises:
            queue.Full: if it was resolved, hooked or withdrawn before
        """
        self._hook_turn = threading.RLock()  # who does not own it cannot release it
        self._settle((_HOOKED, func))

    def on_drop(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` once if the answer is withdrawn, or dropped before anybody read it.

        It may run on any thread, inside a finaliser: it must not block. A later callback replaces
        an earlier one.
        """
        self.carry(callback, _call_back)

    def carry(self, grant: object, sink: Callable[[Notice], object]) -> Notice:
        """Bring ``grant`` along: if nobody reads the answer, ``sink`` gets the returned notice.

        Once or more often, on any thread, inside a finaliser; ``forget`` it then.
        """
        notice = Notice(self, sink)
        notice.grant = self._grant = grant
        notice.sink = sink
        notice.claims = []
        notice.key = key = next(_keys)
        _kept[key] = notice
        if self._notice is not None:
            forget(self._notice)
        self._notice = notice
        return notice

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
        """Resolve this reply as ``other``, which is resolved; what it brought comes along."""
        notice = other._notice
        if notice is not None:
            self.carry(notice.grant, notice.sink)
            other._notice = None
            forget(notice)
        outcome = other._outcomes[0]
        if outcome[0] is _HOOKED:
            self._hook_turn = threading.RLock()
            outcome = (_HOOKED, other._get_hooked)
        self._resolve(outcome)
        if self._outcomes[0] is not outcome:
            self._return()  # withdrawn

    def _get_hooked(self, timeout: float | None) -> Any:
        return self.get(timeout=timeout)

    def set_quietly(self, value: T) -> bool:
        """Resolve with ``value``; ``False`` if it was resolved or withdrawn before."""
        return self._resolve((_VALUE, value))

    def fail_quietly(self, error: BaseException) -> None:
        """Resolve with ``error``; nothing happens if it was resolved or withdrawn before."""
        self._resolve((_FAILED, (type(error), error, error.__traceback__)))

    def is_resolved(self) -> bool:
        """Tell whether an outcome is there: a value, an exception or a hook."""
        return bool(self._outcomes)

    def error(self) -> BaseException | None:
        """Return the exception that it holds, or ``None``."""
        if not self._outcomes or self._outcomes[0][0] is not _FAILED:
            return None
        return _exception(self._outcomes[0][1])

    def is_deferred(self) -> bool:
        """Tell whether a handler that returns this reply means: I answer later.

        It does if it made the reply. The reply to another request, or what was derived from one,
        is a value like any other, as in Pykka.
        """
        return self._inbox is None and not self._upstream

    def _settle(self, outcome: tuple[str, Any]) -> None:
        if not self._resolve(outcome):
            raise queue.Full(f"{self!r} is resolved or withdrawn already")

    def _resolve(self, outcome: tuple[str, Any]) -> bool:
        outcomes = self._outcomes
        if outcomes:
            return False
        try:
            outcomes.append(outcome)
            self._opened()
        except BaseException:
            self._opened()  # struck: those who wait are told all the same
            raise
        return outcomes[0] is outcome

    def _opened(self) -> None:
        """Wake those who wait."""
        if not self._outcomes:
            return
        self._latch.set()
        for waiting in [*self._callbacks]:
            self._call(waiting)

    def _call(self, waiting: tuple[Callable[[], object], list[int]]) -> None:
        """Run a callback once, by who claims it first; again only if that one was struck in it."""
        callback, claims = waiting
        me = threading.get_ident()
        claims += (me,)
        if claims[0] == me:
            callback()
            try:
                self._callbacks.remove(waiting)
            except ValueError:
                pass  # it was struck after this

    def _when_open(self, callback: Callable[[], object]) -> None:
        if self._outcomes:
            callback()
            return
        waiting: tuple[Callable[[], object], list[int]] = (callback, [])
        self._callbacks.append(waiting)
        if self._outcomes:  # resolved meanwhile; whoever resolved it may have seen it, or not
            self._call(waiting)

    # -- the one who asked ------------------------------------------------------------------

    def get(self, *, timeout: float | None = None) -> Any:
        """Return the value, or raise the exception; wait for it up to ``timeout`` seconds.

        Raises:
            pykka.Timeout: not resolved in time (a checkout raises its subclass CheckoutTimeout)
            WouldDeadlock: called from inside the actor that is to answer
        """
        outcomes = self._outcomes
        if not outcomes or outcomes[0][0] is _HOOKED:
            self._wait(timeout)
        return self._answer

    def get_once(self, timeout: float | None) -> Any:
        """Like ``get``, of a reply that nobody else holds: whoever gives up withdraws it."""
        try:
            self._wait(timeout)
        except pykka.Timeout:
            if self._cancel() or self._outcomes[0][0] is _HOOKED:
                raise
            # The answer came while we gave up: it counts.
        except BaseException:
            self.withdraw()
            raise
        return self._answer

    @property
    def _answer(self) -> Any:
        """What it was resolved with, read by this very access.

        Not a method, and no call inside: nobody can be struck between the claim and the return.
        """
        kind, value = self._outcomes[0]
        if kind is _FAILED:
            raise _exception(value)
        if kind is _HOOKED:
            value = self._hooked[0]  # type: ignore[index]  # _wait has run the hook
        notice = self._notice
        if notice is not None:
            claims = notice.claims
            claims += _READ
            if not claims[0]:
                raise Withdrawn(
                    "another reader of this reply has withdrawn the request: make your own"
                )
            self._notice = None
            try:
                del _kept[notice.key]
            except KeyError:
                pass  # another reader did
        return value

    def withdraw(self) -> bool:
        """Tell that nobody will read this reply; return ``False`` if it was resolved already.

        After ``True`` it can no longer be resolved; either way what it brought, or was to bring,
        goes home, unless somebody has read it.
        """
        if self._cancel():
            return True
        self._return()
        return False

    def _cancel(self) -> bool:
        """Withdraw it if it is pending; tell whether it was."""
        error = Withdrawn("another reader of this reply has withdrawn the request: make your own")
        if not self._resolve((_FAILED, (type(error), error, None))):
            return False
        self._return()
        for source in self._upstream:
            if isinstance(source, Reply):
                source.withdraw()
        return True

    def _return(self) -> None:
        notice = self._notice
        if notice is not None:
            claims = notice.claims
            claims += _RETURNED
            if not claims[0]:
                notice.sink(notice)

    def _wait(self, timeout: float | None) -> None:
        """Wait for an outcome, and for the value behind a hook."""
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._outcomes:
            self._refuse_vain_wait()
            if not self._latch.wait(timeout):
                make = self._timeout_error
                assert timeout is not None  # noqa: S101  without one it waits for ever
                raise make(timeout) if make else pykka.Timeout(f"{timeout} seconds")
        if self._outcomes[0][0] is _HOOKED:
            self._run_hook(timeout, deadline)

    def _refuse_vain_wait(self) -> None:
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
            if isinstance(source, Reply) and not source._outcomes:
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

    def __repr__(self) -> str:
        state = self._outcomes[0][0] if self._outcomes else "pending"
        return f"<{type(self).__name__} {state}>"

    # -- await ------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, T]:
        outcomes = self._outcomes
        if not outcomes or outcomes[0][0] is _HOOKED:
            try:
                yield from self._await()
            except BaseException:
                self.withdraw()
                raise
        answer: T = self._answer  # no call here: it has been delivered by now
        return answer

    __iter__ = __await__

    def _await(self) -> Generator[Any, None, None]:
        if not self._outcomes:
            self._refuse_vain_wait()
            yield from self._await_open()
        if self._outcomes[0][0] is _HOOKED:
            yield from self._await_hook()

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
            yield from get_running_loop().run_in_executor(None, self._wait, None)
            return
        for source in self._upstream:  # without withdrawing it: others may read it too
            assert isinstance(source, Reply)  # noqa: S101  checked above
            yield from source._await()
        self._wait(None)

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


def _exception(exc_info: ExcInfo) -> BaseException:
    kind, error, trace = exc_info
    if error is None:
        error = kind() if kind is not None else pykka.ActorDeadError("failed without a reason")
    return error if error.__traceback__ is trace else error.with_traceback(trace)


def _finish(opened: asyncio.Future[None]) -> None:
    if not opened.done():
        opened.set_result(None)


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)
