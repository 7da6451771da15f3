"""Guards of the package, taken out: what the storm must find missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from namepool.actors import LATER
from namepool.actors.inbox import Inbox
from namepool.core.links import Link
from namepool.pool.waiting_list import WaitingList


def _left_with_the_turn(self: Inbox, operation: Callable[[Any], Any], about: Any) -> Any:
    """Take the turn, and look at what is to be done *before* the ``try`` that gives it back."""
    if self.has_turn() or not self.turn.acquire(False):
        return LATER
    if not self.is_open or self.queue:
        self.turn.release()
        return LATER
    try:
        return operation(about)
    finally:
        self.turn.release()


_whole_signalled = WaitingList.signalled


def _deaf(self: WaitingList, what: object) -> None:
    """Deal with what happened outside the turn, but for tokens that callers gave up."""
    if not isinstance(what, Link):
        _whole_signalled(self, what)


def _without_the_way_out() -> None:
    WaitingList.signalled = _deaf  # type: ignore[method-assign]


def _without_mending() -> None:
    Inbox.run = _left_with_the_turn  # type: ignore[method-assign]


WITHOUT: dict[str, Callable[[], None]] = {
    "way-out": _without_the_way_out,
    "mending": _without_mending,
}
"""By what it is about; each takes it out for the rest of this process."""
