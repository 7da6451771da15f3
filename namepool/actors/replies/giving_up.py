"""Being given up: an answer is delivered or goes home, never both and never neither.

A *grant* is what must be given back if nobody reads the answer. A *notice*, a weak reference to the
reply, tells that to its *sink*. A reader claims the grant without a call in between: CPython raises
what comes from outside after calls only, so nobody is struck between the claim and the return.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any, Final, TypeAlias, TypeVar, cast

import pykka

from namepool.actors.replies.resolving import FAILED, HOOKED, Resolving, exception_of

T = TypeVar("T")

Receipt: TypeAlias = list[Any] | None
"""Where a caller that blocks finds what came with its answer: if it is struck before it has put the
answer where it wants it, it gives that back (``give_back``)."""

READ: Final = (True,)
RETURNED: Final = (False,)


class Withdrawn(RuntimeError):
    """A reply that one reader withdrew, by cancelling its task, is read by another."""


class Notice(weakref.ref["GivingUp[Any]"]):
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


class GivingUp(Resolving[T]):
    """What becomes of a grant: it is read, or it is returned."""

    _upstream: tuple[pykka.Future[Any], ...] = ()
    """What this reply was derived from: it is given up with it."""
    _notice: Notice | None = None
    _grant: object = None

    def on_drop(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` once if the answer is withdrawn, or dropped before anybody read it.

        It may run on any thread, inside a finaliser: it must not block. A later callback replaces
        an earlier one.
        """
        self.carry(callback, _call_back)

    def carry(self, grant: object, sink: Callable[[Notice], object]) -> Notice:
        """Bring ``grant`` along: if nobody reads the answer, ``sink`` gets the returned notice.

        That may be more than once, on any thread, also in a finaliser; ``forget(notice)`` then.
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

    @property
    def _answer(self) -> Any:
        """What it was resolved with, read by this very access.

        Not a method, and no call inside: nobody can be struck between the claim and the return.
        """
        kind, value = self._outcomes[0]
        if kind is FAILED:
            raise exception_of(value)
        if kind is HOOKED:
            value = self._hooked[0]  # type: ignore[index]  # _wait has run the hook
        notice = self._notice
        if notice is not None:
            claims = notice.claims
            claims += READ
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
        if not self._resolve((FAILED, (type(error), error, None))):
            return False
        self._return()
        for source in self._upstream:
            if isinstance(source, GivingUp):
                source.withdraw()
        return True

    def _return(self) -> None:
        notice = self._notice
        if notice is not None:
            claims = notice.claims
            claims += RETURNED
            if not claims[0]:
                notice.sink(notice)
