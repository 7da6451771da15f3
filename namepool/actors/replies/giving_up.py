"""Being given up: what comes with an answer that nobody reads goes home.

A *grant* is what comes with an answer. A reply that brings one is *watched* by a ``Dropped``, a
weak reference, which goes to a *sink* when the reply dies or its reader gives up. Its ``fate`` is
shared with the reply: the first entry decides whether it was read. So the sink asks, and never
believes that what was dropped was not read: on a free-threaded CPython the two overlap.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, Final, TypeVar

import pykka

from namepool.actors.replies.resolving import FAILED, HOOKED, Resolving, exception_of

T = TypeVar("T")

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
