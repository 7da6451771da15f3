"""``pool.subscribe()``: a callback that is told what happens, on a thread of its own."""

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
from namepool.core.options import check_seconds, invalid
from namepool.events import EventsLost, LeaseEvent, PoolEvent
from namepool.pool import messages as m
from namepool.pool.access import Askable
from namepool.pool.warnings import warn

Kinds: TypeAlias = type[PoolEvent] | tuple[type[PoolEvent], ...]


class Look(NamedTuple):
    """There may be events."""


class Dispatcher(ServiceActor):
    """The thread of one subscription."""

    def __init__(self, look: Callable[[], None]) -> None:
        super().__init__()
        self._handlers[Look] = lambda _: look()


class Reading:
    """A callback, and how far it has come in the pool's log: see ``core.log.Reader``."""

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
        """Nothing more is to be delivered."""
        self.lost: int = 0
        self._seen = 0
        self._log = EventLog()
        self._has_failed = False
        self.started: list[Any] = []
        """The dispatcher's ref, as soon as there is one."""
        self.ref: ServiceRef[Any]

    def begin(self, log: EventLog) -> None:
        """Read what is written from now on."""
        self._seen, self._log = log.count, log

    def wake(self) -> None:
        """Have the dispatcher look at the log."""
        self.ref.actor_inbox.put(Envelope(Look()))

    def end(self) -> None:
        """Deliver what there is, and end."""
        self.wake()
        self.ref.stop(block=False)

    def look(self) -> None:
        """Deliver what is new; on the dispatcher's thread."""
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
        except BaseException as error:  # also SystemExit: no subscriber ends a program
            if not self._has_failed:
                self._has_failed = True
                warn("%s raised %s; said once", self._name(), one_line(repr(error)))

    def _name(self) -> str:
        name = getattr(self._callback, "__qualname__", None) or type(self._callback).__qualname__
        return f"subscriber {one_line(name)}"


class Subscription(NeverCopied):
    """A callback that is told what happens; ``close()`` ends it, as does a ``with`` block.

    ``PoolHandle.subscribe`` makes it. It lasts as long as the pool, restarts included, also if
    nobody holds it.
    """

    _instead = "subscribe there, to a pool of that process"

    def __init__(self, pool: Askable, reading: Reading) -> None:
        self._pool: Askable = pool
        self._reading: Reading = reading

    @property
    def lost(self) -> int:
        """How many events were dropped because the callback was too slow."""
        return self._reading.lost

    def close(self, timeout: float = 5.0) -> None:
        """Deliver what has happened up to now, and end.

        Waits for that, up to ``timeout`` seconds, after which the rest is dropped; called by the
        callback itself it does not wait, and the rest is dropped. Twice does no harm.
        """
        check_seconds("timeout", timeout)
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
    """Return what reads for a callback, once it is begun; see ``PoolHandle.subscribe``."""
    if not callable(callback):
        raise invalid("callback", callback, "a function of one event")
    return Reading(callback, _kinds(only))


def begin(pool: Askable, reading: Reading) -> None:
    """Have its callback told what happens in a pool from now on."""
    reading.ref = cast(
        "ServiceRef[Any]", launch(Dispatcher, (reading.look,), {}, receipt=reading.started)
    )
    pool.ask(m.Subscribe(reading))


def undo(pool: Askable, reading: Reading) -> None:
    """Undo what of ``begin`` has been done, for a caller that was struck."""
    give_up(reading.started)
    _unsubscribe(pool, reading, timeout=5.0)


def _unsubscribe(pool: Askable, reading: Reading, timeout: float) -> None:
    try:
        pool.ask(m.Unsubscribe(reading), timeout=timeout)
    except (pykka.Timeout, pykka.ActorDeadError, WouldDeadlock):
        pass  # it is asked, or is no more


def _kinds(only: object) -> tuple[type[PoolEvent], ...]:
    kinds = only if isinstance(only, tuple) else (only,)
    if not kinds or not all(isinstance(k, type) and issubclass(k, PoolEvent) for k in kinds):
        raise invalid("only", only, "a class of namepool.events, or a tuple of them")
    return kinds
