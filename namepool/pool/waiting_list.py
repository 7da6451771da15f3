"""Those who wait for a name: how they are parked, served and told that there is none.

Runs in the pool's turn, on its own thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pykka
from pykka._envelope import Envelope

from namepool.actors import Reply
from namepool.actors.inbox import Inbox
from namepool.core.events import Withdrawal
from namepool.core.names import one_line
from namepool.core.state import PoolState
from namepool.core.stats import Outcome
from namepool.core.stock import Stock
from namepool.core.waiters import Waiter, Waiters
from namepool.errors import CheckoutTimeout, NamesUnavailable, UnknownTheme
from namepool.events import WaitBegan, WaitEnded
from namepool.pool import messages as m
from namepool.pool.fetches import Fetches
from namepool.pool.warnings import warn


class Expire(NamedTuple):
    """The timeout of the checkout under this ticket has passed."""

    ticket: int
    timeout: float


class OwnersLeft(NamedTuple):
    """What so many owners asked for before they ended has been handled."""

    owners: int


class Reclaim(NamedTuple):
    """It is time to see whether an orphan's owners ended ``reclaim_after`` seconds ago."""


class WaitingList:
    """Pairs those who wait with names of their theme, first come first served."""

    def __init__(
        self,
        state: PoolState,
        fetches: Fetches[Any],
        inbox: Inbox,
        reclaim_after: float | None,
    ) -> None:
        self._state = state
        self._fetches = fetches
        self._inbox = inbox
        self._reclaim_after = reclaim_after
        self._will_reclaim = False
        self.undelivered: Any = None
        """What is being granted to one who waits, noted before it is granted."""
        self.granting: Reply[Any] | None = None
        """The reply of the one to whom a name is just being granted."""

    def park(
        self, stock: Stock, message: m.CheckoutName | m.CheckoutLease, reply: Reply[Any]
    ) -> None:
        """Let a caller wait; its reply is held weakly, so that a dropped one is noticed."""
        timeout = message.timeout
        reply.fail_timeouts_with(partial(self.timeout_error, theme=stock.theme))
        now = self._inbox.clock()
        deadline = None if timeout is None else now + timeout
        # The notice may fire at once, on another thread: what it brings is there before it.
        ticket = self._state.new_ticket()
        notice = reply.carry(Withdrawal(ticket), self._inbox.signal.put)
        parked = notice, message.__class__ is m.CheckoutLease, now
        self._state.stocks.park(Waiter(ticket, message.owner, deadline, parked, stock.theme))
        self._state.counters.waited += 1
        self._state.log.add(WaitBegan(message.owner, stock.theme, at=now))
        if timeout is not None:
            self._inbox.schedule(timeout, Expire(ticket, timeout))

    def resume(self) -> None:
        """Keep the time of those who waited for an earlier incarnation, and serve them."""
        now = self._inbox.clock()
        for waiter in self._state.stocks.waiters():
            if waiter.deadline is not None:
                left = max(waiter.deadline - now, 0.0)
                self._inbox.schedule(left, Expire(waiter.ticket, left))
        self._state.leave(len(self._state.leaving), now)
        self.apply_events()

    def serve(self) -> None:
        """Grant what is available to those who wait for it."""
        for stock in self._state.stocks.values():
            self._serve_from(stock)
        self._reclaim_later()

    def _serve_from(self, stock: Stock) -> None:
        while stock.waiters and stock.names:
            waiter = stock.waiters.oldest()
            reply = _reply_of(waiter)
            outcome: Outcome = "withdrawn"
            if reply is not None:  # else nobody will read it: the name stays
                outcome = self._serve(waiter, reply)
            self._wait_ended(waiter, outcome)
            # Last: who is being served when memory runs out is served again.
            stock.waiters.withdraw(waiter.ticket)

    def _serve(self, waiter: Waiter, reply: Reply[Any]) -> Outcome:
        now = self._inbox.clock()
        if waiter.deadline is not None and now >= waiter.deadline:
            reply.fail_quietly(self.timeout_error(0.0, waiter.theme))
            return "timeout"
        self.granting = reply
        try:
            return "served" if self._grant(waiter, reply, now) else "withdrawn"
        finally:
            self.granting = None
            if reply.is_resolved():  # else what it was to bring is taken back
                self.undelivered = None

    def _grant(self, waiter: Waiter, reply: Reply[Any], now: float) -> bool:
        state = self._state
        name = state.grant(waiter, now, self)
        reply.carry(state.leases[name], self._inbox.signal.put)
        wants_lease = waiter.reply[1]
        is_delivered = reply.set_quietly(state.lease_of(name) if wants_lease else name)
        if not is_delivered:
            # The grant crossed the withdrawal on the way; then the name comes home.
            state.checkin(name)
        return is_delivered

    def apply_events(self) -> None:
        """Apply what happened outside the turn; what came home is granted to who waits."""
        self.take_in()
        self.serve()

    def take_in(self) -> None:
        """Apply what happened outside the turn, and serve nobody."""
        if self.undelivered is not None:  # it was cut short
            self._state.events.append(self.undelivered)
            self.undelivered = None
        leaving = self._state.apply_events(self._inbox.clock())
        for waiter in self._state.stocks.take_gone():
            self._wait_ended(waiter, "withdrawn")
        if leaving:  # behind what they may have asked for
            self._inbox.put(Envelope(OwnersLeft(leaving)))
        self._reclaim_later()

    def owners_left(self, message: OwnersLeft) -> None:
        """Take what they got after they had ended."""
        self._state.leave(message.owners, self._inbox.clock())
        self._reclaim_later()

    def _reclaim_later(self) -> None:
        """See to it that the oldest orphan comes home in time."""
        orphans, after = self._state.orphans, self._reclaim_after
        if orphans and after is not None and not self._will_reclaim:
            due = next(iter(orphans.values())) + after
            self._inbox.schedule(max(due - self._inbox.clock(), 0.0), Reclaim())
            self._will_reclaim = True  # last: one that was cut short is followed by another

    def reclaim(self, _: Reclaim) -> None:
        """Check in names whose owners ended ``reclaim_after`` seconds ago or more."""
        self._will_reclaim = False
        assert self._reclaim_after is not None  # noqa: S101  else nothing is scheduled
        for name in self._state.reclaim(self._inbox.clock() - self._reclaim_after):
            warn("%a came home: its owners ended without giving it back", name)
        self.serve()

    def expire(self, message: Expire) -> None:
        """Tell one who has waited too long."""
        waiter = self._state.stocks.withdraw(message.ticket)
        if waiter is not None:
            self._wait_ended(waiter, "timeout")
            _fail(waiter, self.timeout_error(message.timeout, waiter.theme))

    def _wait_ended(self, waiter: Waiter, outcome: Outcome) -> None:
        now = self._inbox.clock()
        seconds = now - waiter.reply[2]
        self._state.counters.wait_ended(seconds, outcome)
        self._state.log.add(WaitEnded(waiter.owner, waiter.theme, seconds, outcome, at=now))

    def timeout_error(self, timeout: float, theme: str | None = None) -> CheckoutTimeout:
        """Say what a caller that timed out must know; any thread, so these are glances only."""
        state = self._state
        error = CheckoutTimeout(
            f"no name{_of(theme)} within {timeout:g} s ({len(state.leases)} checked out, "
            f"{state.stocks.waiting} waiting, {self._fetches.total} fetches under way, "
            f"last error: {state.counters.last_error}); give names back sooner, or allow more time"
        )
        error.__cause__ = self._fetches.by_theme.get(theme, self._fetches).cause
        return error

    def refuse_all(self, stock: Stock) -> None:
        """Tell all who wait for this stock that the source failed, and when it is asked again."""
        fetches = self._fetches.of(stock)
        cause = fetches.cause
        again = f"next try in {fetches.pause(self._inbox.clock()):.1f} s: ask again"
        text = f"the source gave no name{_of(stock.theme)}: {one_line(cause)}; {again}"

        def unavailable() -> BaseException:
            unknown = isinstance(cause, UnknownTheme)
            error = UnknownTheme(one_line(cause, 1000)) if unknown else NamesUnavailable(text)
            error.__cause__ = cause
            return error

        for waiter in stock.waiters.values():
            self._wait_ended(waiter, "unavailable")
        _fail_all(stock.waiters, unavailable)


def abandon_waiters(state: PoolState) -> None:
    """No pool of this state will be started again: tell those who wait."""
    for stock in state.stocks.values():
        _fail_all(stock.waiters, _abandoned)


def _abandoned() -> BaseException:
    return pykka.ActorDeadError("the pool ended before a name came: open another")


def _of(theme: str | None) -> str:
    return "" if theme is None else f" of theme {theme!a}"


def _fail_all(waiters: Waiters, make: Callable[[], BaseException]) -> None:
    for waiter in waiters.take_all():
        _fail(waiter, make())


def _reply_of(waiter: Waiter) -> Reply[Any] | None:
    notice = waiter.reply[0]
    reply: Reply[Any] | None = notice()
    return reply


def _fail(waiter: Waiter, error: BaseException) -> None:
    reply = _reply_of(waiter)
    if reply is not None:
        reply.fail_quietly(error)
