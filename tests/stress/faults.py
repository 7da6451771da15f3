"""Guards of the package, taken out: what the storm must find missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pykka
from pykka.messages import _ActorStop

from namepool.actors.inbox import Inbox
from namepool.actors.reply import Reply
from namepool.actors.service_ref import LATER, ServiceRef


def _both_returned_and_read(self: Reply[Any], timeout: float | None) -> Any:
    """Give up on an answer that has just come, so that it goes home, and read it all the same."""
    try:
        self._wait(timeout)
    except pykka.Timeout:
        if self.withdraw():
            raise
        if self.error() is not None:
            raise self.error() from None  # type: ignore[misc]
        return self._outcomes[0][1]
    return self._answer


def _left_with_the_turn(self: ServiceRef[Any], message: Any, **options: Any) -> Any:
    """Take the turn, and look at what is to be done *before* the ``try`` that gives it back."""
    inbox: Inbox = self.actor_inbox
    block = options.get("block", True)
    if not block or message.__class__ is _ActorStop or inbox.is_mine():
        return _whole_ask(self, message, **options)
    if not inbox.turn.acquire(False):
        return _whole_ask(self, message, **options)
    if inbox.queue or not inbox.is_open:
        inbox.turn.release()
        return _whole_ask(self, message, **options)
    actor = self._actor
    response = LATER
    try:
        response = actor._inline.get(message.__class__, actor._inline_other)(message)
        actor.undelivered = None
    finally:
        inbox.turn.release()
    return _whole_ask(self, message, **options) if response is LATER else response


_whole_ask = ServiceRef.ask


def _without_delivery() -> None:
    Reply.get_once = _both_returned_and_read  # type: ignore[method-assign, assignment]


def _without_mending() -> None:
    ServiceRef.ask = _left_with_the_turn  # type: ignore[method-assign]


WITHOUT: dict[str, Callable[[], None]] = {
    "delivery": _without_delivery,
    "mending": _without_mending,
}
"""By what it is about; each takes it out for the rest of this process."""
