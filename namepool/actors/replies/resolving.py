"""Being resolved: one list decides.

Whoever appends the first outcome (``list.append`` is atomic) has resolved or withdrawn the reply;
what came later is ignored. No lock is held while something else runs, so a finaliser may touch any
reply at any moment. A thread is *struck* when an exception is raised in it from outside.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pykka

from namepool.actors.latch import Latch

if TYPE_CHECKING:
    from types import TracebackType

    ExcInfo = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

T = TypeVar("T")

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
