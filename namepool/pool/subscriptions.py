"""``pool.subscribe()``: it calls a callback for each event, on a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Self, TypeAlias, cast

import pykka
from pykka._envelope import Envelope

from namepool.actors import ServiceActor, ServiceRef, WouldDeadlock
from namepool.actors.lifecycle import give_up, launch
from namepool.actors.never_copied import NeverCopied
from namepool.core.log import EventLog
from namepool.core.names import one_line
from namepool.core.options import CHECKS
from namepool.events import EventsLost, LeaseEvent, PoolEvent
from namepool.pool import messages as m
from namepool.pool.access import Askable
from namepool.pool.warnings import warn

Kinds: TypeAlias = type[PoolEvent] | tuple[type[PoolEvent], ...]


class Look(NamedTuple):
    """A message to the dispatcher: the log may have new events."""


class Dispatcher(ServiceActor):
    """The actor of one subscription; its thread runs the callback."""

    def __init__(self, look: Callable[[], None]) -> None:
        super().__init__()
        self._handlers[Look] = lambda _: look()


class Reading:
    """A callback and its place in the pool's log: see ``core.log.Reader``."""

    def __init__(
        self, callback: Callable[[Any], object], only: tuple[type[PoolEvent], ...]
    ) -> None:
        self._callback: Callable[[Any], object] = callback
        self._only: tuple[type[PoolEvent], ...] = only
        self.wants_leases: bool = any(
            issubclass(kind, LeaseEvent) or issubclass(LeaseEvent, kind) for kind in only
        )
        self.is_woken: bool = False
        self.is_over: bool = False
        """Whether the callback gets no further event."""
        self.lost: int = 0
        self._seen = 0
        self._log = EventLog()
        self._has_failed = False
        self.started: list[Any] = []
        """The dispatcher's ref, as soon as the dispatcher is started."""
        self.ref: ServiceRef[Any]

    def begin(self, log: EventLog) -> None:
        """Read the events that are written from now on."""
        self._seen, self._log = log.count, log

    def wake(self) -> None:
        """Let the dispatcher look at the log."""
        self.ref.actor_inbox.put(Envelope(Look()))

    def end(self) -> None:
        """Deliver the events that the log has now, and end."""
        self.wake()
        self.ref.stop(block=False)

    def look(self) -> None:
        """Deliver the new events; runs on the dispatcher's thread."""
        self.is_woken = False
        for number, event in self._log.after(self._seen):
            missed, self._seen = number - self._seen - 1, number
            if missed:
                self._lose(missed, event.at)
            if isinstance(event, self._only):
                self._deliver(event)

    def _lose(self, count: int, at: float) -> None:
        if not self.lost:
            warn("%s is too slow, and loses events of the pool; said once", self._name())
        self.lost += count
        self._deliver(EventsLost(count, at=at))

    def _deliver(self, event: PoolEvent) -> None:
        if self.is_over:
            return
        try:
            self._callback(event)
        except BaseException as error:  # also SystemExit, because no callback ends a program
            if not self._has_failed:
                self._has_failed = True
                warn("%s raised %s; said once", self._name(), one_line(repr(error)))

    def _name(self) -> str:
        name = getattr(self._callback, "__qualname__", None) or type(self._callback).__qualname__
        return f"subscriber {one_line(name)}"


class Subscription(NeverCopied):
    """A callback that gets a pool's events; ``close()`` or the end of a ``with`` block ends it.

    ``PoolHandle.subscribe`` returns a subscription. It lasts as long as the pool, restarts
    included, even if nobody holds the object.

    Examples:
        >>> pool, seen = namepool.open_pool(source=namepool.NumberedNames()), []
        >>> subscription = pool.subscribe(seen.append, only=namepool.events.NameCheckedOut)
        >>> pool.checkout_name()
        'NPC #1'
    """

    _instead = "subscribe there, to a pool of that process"

    def __init__(self, pool: Askable, reading: Reading) -> None:
        self._pool: Askable = pool
        self._reading: Reading = reading

    @property
    def lost(self) -> int:
        """The number of events that were dropped because the callback was too slow.

        Examples:
            >>> subscription.lost
            0
        """
        return self._reading.lost

    def close(self, timeout: float = 5.0) -> None:
        """Deliver the events up to now, and end.

        The call waits up to ``timeout`` seconds for the callback; then the rest is dropped. If the
        callback itself calls ``close``, the call does not wait, and the rest is dropped. A second
        call does no harm.

        Examples:
            >>> subscription.close()
            >>> [event.name for event in seen]
            ['NPC #1']
        """
        CHECKS.seconds("timeout", timeout)
        reading = self._reading
        try:
            _unsubscribe(self._pool, reading, timeout)
            if not reading.ref.actor_inbox.is_mine():
                reading.wake()
                reading.ref.stop(timeout=timeout)
                return
        except (pykka.Timeout, pykka.ActorDeadError):
            pass
        finally:
            reading.is_over = True
            reading.ref.stop(block=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def reading_of(callback: Callable[[Any], object], only: Kinds) -> Reading:
    """Return the reader for a callback, which ``begin`` starts; see ``PoolHandle.subscribe``."""
    CHECKS.that("callback", callback, callable(callback), "a function of one event")
    return Reading(callback, _kinds(only))


def begin(pool: Askable, reading: Reading) -> None:
    """Start the dispatcher of ``reading``, and subscribe ``reading`` to the pool's events."""
    reading.ref = cast(
        "ServiceRef[Any]", launch(Dispatcher, (reading.look,), {}, receipt=reading.started)
    )
    pool.ask(m.Subscribe(reading))


def undo(pool: Askable, reading: Reading) -> None:
    """Undo a ``begin`` that may be half done, because an exception from outside ended the call."""
    give_up(reading.started)
    _unsubscribe(pool, reading, timeout=5.0)


def _unsubscribe(pool: Askable, reading: Reading, timeout: float) -> None:
    try:
        pool.ask(m.Unsubscribe(reading), timeout=timeout)
    except (pykka.Timeout, pykka.ActorDeadError, WouldDeadlock):
        pass  # the request is sent, or the pool is dead


def _kinds(only: object) -> tuple[type[PoolEvent], ...]:
    kinds = only if isinstance(only, tuple) else (only,)
    if not kinds or not all(isinstance(k, type) and issubclass(k, PoolEvent) for k in kinds):
        raise CHECKS.invalid("only", only, "a class of namepool.events, or a tuple of them")
    return kinds
