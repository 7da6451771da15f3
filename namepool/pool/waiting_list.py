"""The waiting callers: how the pool lets them wait, serves them and refuses them.

All of it runs in the pool's turn, on the pool's own thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pykka
from pykka._envelope import Envelope

from namepool.actors import Reply
from namepool.actors.inbox import Inbox
from namepool.actors.reply import Dropped, withdrawn
from namepool.core.leases import Lease
from namepool.core.links import OVER, Link
from namepool.core.names import one_line
from namepool.core.state import LateChunk, OwnerEnded, PoolState, Withdrawn
from namepool.core.stats import Outcome
from namepool.core.stock import Apart, Stock, Wait, Waiters
from namepool.errors import CheckoutTimeout, NamesUnavailable, UnknownTheme
from namepool.events import WaitBegan, WaitEnded
from namepool.pool.fetches import Fetches
from namepool.pool.warnings import warn


class Expire(NamedTuple):
    """A timer's message: the timeout of a waiting checkout has passed."""

    lease: Lease


class Reclaim(NamedTuple):
    """A timer's message: it may be time to take an orphan back.

    An orphan is a lease whose owners have all ended. The pool takes an orphan back
    ``reclaim_after`` seconds after the end of its last owner.
    """


class WaitingList:
    """The list that gives names to the waiting callers of a theme, first come first served."""

    def __init__(self, state: PoolState, fetches: Fetches[Any], inbox: Inbox) -> None:
        self._state = state
        self._fetches = fetches
        self._inbox = inbox
        self._will_reclaim = False

    def park(self, stock: Stock, lease: Lease, reply: Reply[Any] | Dropped) -> None:
        """Let a caller wait; ``reply`` gets the answer later."""
        timeout = lease.timeout
        now = self._inbox.clock()
        lease.wait = Wait(reply, now, None if timeout is None else now + timeout)
        stock.waiters[lease] = None
        self._state.counters.waited_count += 1
        self._state.log.add(WaitBegan(lease.owner, stock.theme, at=now))
        if timeout is not None:
            self._inbox.schedule(timeout, Expire(lease))

    def resume(self) -> None:
        """Set the timers of callers that waited for an earlier incarnation, and serve them."""
        now = self._inbox.clock()
        for stock in self._state.stocks.values():
            for lease in stock.waiters:
                if lease.wait.deadline is not None:
                    left = max(lease.wait.deadline - now, 0.0)
                    self._inbox.schedule(left, Expire(lease))
        self.serve()

    # -- signals from outside the turn -------------------------------------------------------

    def signalled(self, what: object) -> None:
        """Deal with an object from the signal; the same object twice does no harm."""
        if isinstance(what, Dropped):
            if what.grant.watch is what and not what.was_read():
                self._given_up(what.grant)
        elif isinstance(what, Link):
            self._given_up(what)
        elif isinstance(what, OwnerEnded):
            self.owner_ended(what)
            if self._inbox.queue:  # it may have requests there, so it ends again behind them
                self._inbox.put(Envelope(what))
        elif isinstance(what, Withdrawn):
            self._state.withdraw(what.name)
        elif isinstance(what, LateChunk) and what.epoch == self._state.epoch:
            self._state.admit(what.judged, what.theme)
        self.serve()

    def _given_up(self, token: Any) -> None:
        self._state.end(token)
        if isinstance(token, Lease) and isinstance(getattr(token, "stock", None), Apart):
            self._state.known.left(token.name, self._state.leases)
        stock = self._state.stocks.get(token.theme) if isinstance(token, Lease) else None
        if stock is not None and token in stock.waiters:
            self._leave(stock, token, "withdrawn", withdrawn)

    def let_go(self) -> None:
        """Pass the queued ``OwnerEnded`` messages to the next incarnation through ``signal``."""
        for envelope in self._inbox.queue.copy():
            if isinstance(envelope.message, OwnerEnded):
                self._state.signal.put(envelope.message)

    def owner_ended(self, message: OwnerEnded) -> None:
        """Note that an owner has ended."""
        self._state.owner_ended(message.owner, self._inbox.clock())
        self._reclaim_later()

    # -- serving -----------------------------------------------------------------------------

    def serve(self) -> None:
        """Give the available names to the waiting callers."""
        for stock in self._state.stocks.values():
            while stock.waiters and self._serve(stock, stock.waiters.first()):
                pass
        self._reclaim_later()

    def late(self, message: Any) -> None:
        """Serve the waiting callers with the names that rest, if a fetch is late."""
        left = self._fetches.late_in(message.request, self._inbox.clock())
        if left > 0.0:  # the pool has learnt meanwhile that fetches take longer
            self._inbox.schedule(left, message)
        self.serve()

    def has_name(self, stock: Stock) -> bool:
        """Tell whether a name is ready, and make those ready that may be handed out now.

        These are the names that are due. If none is, and the source gives nothing, it is the one
        that was given back first.
        """
        stock.ready_due(self._state.options.reuse_gap)
        is_bare = stock.resting and not stock.names
        if is_bare and self._fetches.of(stock).gives_nothing(self._inbox.clock()):
            self._reuse_early(stock)
        return bool(stock.names)

    def _reuse_early(self, stock: Stock) -> None:
        stock.ready_next()
        self._state.counters.early_reuse_count += 1

    def _serve(self, stock: Stock, lease: Lease) -> bool:
        """Answer a waiting caller, if possible; return whether it has left the list."""
        wait, now = lease.wait, self._inbox.clock()
        if lease.says == OVER or (wait.reply.__class__ is Dropped and wait.reply() is None):
            if lease.says:
                self._state.end(lease)
            lease.says = OVER
            self._leave(stock, lease, "withdrawn", withdrawn)
        elif lease.says is None and wait.deadline is not None and now >= wait.deadline:
            self._time_out(stock, lease)
        # If memory ran out while the caller was served, its lease has a name and no answer yet.
        elif lease.says or self.has_name(stock):
            self._grant(stock, lease)
        else:
            return False
        return True

    def _time_out(self, stock: Stock, lease: Lease) -> None:
        """Answer a caller whose timeout has passed: with a name that rests, if there is one."""
        if stock.resting and not stock.names:
            self._reuse_early(stock)
            self._grant(stock, lease)
        else:
            error = partial(self.timeout_error, lease.timeout or 0.0, stock.theme)
            self._leave(stock, lease, "timeout", error)

    def _grant(self, stock: Stock, lease: Lease) -> None:
        name = self._state.begin(lease, spare=0)
        if lease.wait.has_ended:
            self._state.owner_ended(lease.owner, self._inbox.clock())
        lease.wait.reply.set_quietly(lease if lease.is_whole else name)
        # Last, because a lease that has left the list is not looked at again.
        self._leave(stock, lease, "served")

    def _leave(
        self,
        stock: Stock,
        lease: Lease,
        outcome: Outcome,
        make: Callable[[], BaseException] | None = None,
    ) -> None:
        """End a wait; if the caller got no name, its answer is the error from ``make``."""
        now = self._inbox.clock()
        seconds = now - lease.wait.since
        if make is not None:
            lease.wait.reply.fail_quietly(make())
        del stock.waiters[lease]
        self._state.counters.wait_ended(seconds, outcome)
        self._state.log.add(WaitEnded(lease.owner, stock.theme, seconds, outcome, at=now))

    def expire(self, message: Expire) -> None:
        """Answer a caller whose timeout has passed."""
        lease = message.lease
        stock = self._state.stocks.get(lease.theme)
        if stock is not None and lease in stock.waiters:
            if lease.says == OVER:
                self._leave(stock, lease, "withdrawn", withdrawn)
            elif lease.says is None:  # otherwise it is being served now
                self._time_out(stock, lease)

    # -- owners that ended -------------------------------------------------------------------

    def _reclaim_later(self) -> None:
        """Schedule the time to take the oldest orphan back, if none is scheduled."""
        orphans, after = self._state.orphans, self._state.options.reclaim_after
        if orphans and after is not None and not self._will_reclaim:
            due = next(iter(orphans.values())) + after
            self._inbox.schedule(max(due - self._inbox.clock(), 0.0), Reclaim())
            self._will_reclaim = True  # last: if this is cut short, the next call schedules it

    def reclaim(self, _: Reclaim) -> None:
        """Take back the names whose owners ended ``reclaim_after`` seconds ago or earlier."""
        self._will_reclaim = False
        after, now = self._state.options.reclaim_after, self._inbox.clock()
        assert after is not None  # noqa: S101  without it, no ``Reclaim`` is scheduled
        for name in self._state.reclaim(now - after, now):
            warn("%a came home: its owners ended without giving it back", name)
        self.serve()

    # -- there is no name --------------------------------------------------------------------

    def timeout_error(self, timeout: float, theme: str | None = None) -> CheckoutTimeout:
        """Return the error for a caller whose timeout has passed.

        Any thread may call this method, so it only reads values. Another thread may change them
        meanwhile.
        """
        state = self._state
        error = CheckoutTimeout(
            f"no name{_of(theme)} within {timeout:g} s ({len(state.leases)} checked out, "
            f"{state.stocks.waiting} waiting, {self._fetches.total} fetches under way, "
            f"last error: {state.counters.last_error}); give names back sooner, or allow more time"
        )
        error.__cause__ = self._fetches.by_theme.get(theme, self._fetches).cause
        return error

    def refuse_hopeless(self, stock: Stock) -> None:
        """Serve the callers that wait for a source without more names, or refuse them.

        They are refused if no name is checked out that could come back, and no fetch of before is
        under way that could bring one.
        """
        self.serve()
        is_out = any(lease.stock is stock for lease in self._state.leases.values())
        if not (is_out or len(self._fetches.of(stock))):
            self.refuse_all(stock)

    def refuse_all(self, stock: Stock) -> None:
        """Tell all waiting callers of a stock that the source failed, and when the next try is.

        A caller is served instead if a name rests for it. No caller is refused because another
        process has the ledger locked for now.
        """
        self.serve()
        fetches = self._fetches.of(stock)
        if fetches.is_busy:
            return
        cause = fetches.cause
        again = f"next try in {fetches.pause(self._inbox.clock()):.1f} s: ask again"
        if fetches.is_exhausted:
            again = "it has no more, and none is checked out that could come back"
        text = f"the source gave no name{_of(stock.theme)}: {one_line(cause)}; {again}"

        def unavailable() -> BaseException:
            unknown = isinstance(cause, UnknownTheme)
            error = UnknownTheme(one_line(cause, 1000)) if unknown else NamesUnavailable(text)
            error.__cause__ = cause
            return error

        for lease in list(stock.waiters):
            self._leave(stock, lease, "unavailable", unavailable)


def abandon_waiters(state: PoolState) -> None:
    """Answer all waiting callers with an error, because no pool uses ``state`` again."""
    for stock in state.stocks.values():
        _abandon(stock.waiters)


def _abandon(waiters: Waiters) -> None:
    for lease in waiters.take_all():
        lease.wait.reply.fail_quietly(
            pykka.ActorDeadError("the pool ended before a name came: open another")
        )


def _of(theme: str | None) -> str:
    return "" if theme is None else f" of theme {theme!a}"
