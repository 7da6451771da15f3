"""A fast, awaitable ``pykka.Future``: resolved, waited for, given up and derived.

Each of the first three is a file in ``replies``, one on top of the other; deriving is here.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pykka

from namepool.actors.never_copied import NeverCopied
from namepool.actors.replies.giving_up import Dropped, Withdrawn, withdrawn
from namepool.actors.replies.resolving import FAILED, HOOKED, VALUE
from namepool.actors.replies.waiting import Wait, Waiting, WouldDeadlock

__all__ = ["Dropped", "Reply", "Wait", "Withdrawn", "WouldDeadlock", "withdrawn"]

T = TypeVar("T")
J = TypeVar("J")
M = TypeVar("M")
R = TypeVar("R")
F = TypeVar("F")


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
