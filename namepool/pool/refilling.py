"""The refilling of a pool: begin fetches, stock their names, and pause after a failure.

All of it runs in the pool's turn, on the pool's own thread. The fetchers wait for the source.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, cast

from namepool.actors import ServiceRef
from namepool.core.judging import reserved_keys
from namepool.core.known import Admission
from namepool.core.names import one_line
from namepool.core.options import PoolOptions
from namepool.core.state import LateChunk, PoolState
from namepool.core.stats import PoolStats
from namepool.core.stock import Stock
from namepool.errors import SourceError, UnknownTheme
from namepool.events import FetchBegan, FetchFailed, NamesFetched, PoolReset
from namepool.ledgers.keeper import Keeping, Renew, Unwanted
from namepool.pool.fetcher import ChunkArrived, ChunkFailed, ChunkFetcher, FetchChunk
from namepool.pool.fetches import Fetch, Fetches
from namepool.pool.themes import Themes
from namepool.pool.waiting_list import WaitingList
from namepool.pool.warnings import warn
from namepool.sources.base import NameSource

Fetcher = ServiceRef[ChunkFetcher]

GATHERING = 0.1
"""The longest wait for the rest of a burst, as a part of the source's latency.

After this wait, the fetches can be as large as the burst needs.
"""

GATHERING_ROUNDS = 5
"""How often the pool looks during that wait whether more callers come."""

FIRST_TICK = 0.005
"""Seconds between two such looks while no latency is known."""


class Overdue(NamedTuple):
    """A timer's message: a fetch has taken ``fetch_timeout`` seconds."""

    request: int


class Late(NamedTuple):
    """A timer's message: a fetch may take longer than usual, so names that rest are wanted."""

    request: int


class FetcherDied(NamedTuple):
    """A message that a fetcher has died."""

    fetcher: Fetcher
    reason: str | None


class TryAgain(NamedTuple):
    """A timer's message: the pause after a ledger was locked is over."""


class Gathered(NamedTuple):
    """A timer's message: it is time to look again whether more callers wait.

    ``waiting`` is the number of callers that waited at the last look.
    """

    waiting: int
    rounds: int


class Refilling:
    """The refilling of one incarnation of the pool; ``ref`` is that incarnation."""

    def __init__(
        self,
        source: NameSource,
        options: PoolOptions,
        state: PoolState,
        fetches: Fetches[Fetcher],
        waiting: WaitingList,
    ) -> None:
        self._source = source
        self._options = options
        self._state = state
        self._fetches = fetches
        self._waiting = waiting
        self._reserved = reserved_keys(options.reserved)
        self._is_gathering = False
        self.keeping: Keeping = Keeping(source, state)
        self.themes: Themes = Themes(source, state, fetches, self.keeping)
        self.ref: ServiceRef[Any]

    def look(self) -> None:
        """Learn the demand up to now.

        A checkout does not record any demand. So the pool learns the demand only here, from the
        counts of each stock.
        """
        for stock in self._state.stocks.values():
            self._look(stock)

    def _look(self, stock: Stock) -> None:
        now = self.ref.actor_inbox.clock()
        stock.ready_due(self._options.reuse_gap)
        self._fetches.of(stock).look(now, stock.drawn, len(stock.names))

    def refill_for_waiter(self, stock: Stock) -> None:
        """Refill for a caller that waits now, after the other callers of its burst have come.

        Otherwise the first of a thousand callers would begin a fetch for itself alone. While more
        callers keep coming, the pool waits for them, at most a tenth of the source's latency. If
        no other caller comes, the fetch begins almost at once.
        """
        fetches = self._fetches.of(stock)
        if fetches.is_exhausted:
            self._waiting.refuse_hopeless(stock)
        if self._is_gathering:
            return
        if len(fetches):  # otherwise the caller may be the first of a burst, which tells no rate
            self._look(stock)
        if not self._due(stock):
            return
        if fetches.pause(self.ref.actor_inbox.clock()):
            self.refill()
            return
        self._fetches.keep_idle(partial(self._start_fetcher, stock))  # meanwhile callers run
        self._is_gathering = self.ref.try_tell(Gathered(1, 0))

    def gathered(self, message: Gathered) -> None:
        """Begin the fetches for the waiting callers, unless more callers are coming."""
        waiting = self._state.stocks.waiting
        enough = waiting >= self._options.max_fetches * cast("int", self._options.max_chunk_size)
        if waiting <= message.waiting or enough or message.rounds == GATHERING_ROUNDS:
            self._is_gathering = False
            self.refill()
            return
        seconds = self._state.stocks[None].learnt.seconds
        tick = FIRST_TICK if seconds is None else seconds * GATHERING / GATHERING_ROUNDS
        self.ref.actor_inbox.schedule(tick, Gathered(waiting, message.rounds + 1))

    def refill(self) -> None:
        """Begin the fetches that are due; in the pause after a failure, refuse waiting callers."""
        self.look()
        stocks = [stock for stock in self._state.stocks.values() if stock.in_use]
        while due := [stock for stock in stocks if self._may_fetch(stock) and self._due(stock)]:
            stock = min(due, key=self._precedence)
            if not self.fetch(self._due(stock), stock):
                break

    def _due(self, stock: Stock) -> int:
        return self._fetches.of(stock).due(len(stock.names), len(stock.waiters))

    def _may_fetch(self, stock: Stock) -> bool:
        """Tell whether a fetch may begin; in the pause after a failure, refuse waiting callers."""
        fetches = self._fetches.of(stock)
        paused = fetches.pause(self.ref.actor_inbox.clock()) > 0.0
        if paused and not len(fetches) and self._due(stock):
            self._waiting.refuse_all(stock)
        return not paused

    def _precedence(self, stock: Stock) -> tuple[bool, int, float]:
        """Return the key by which stocks are sorted.

        Stocks with waiting callers come first, then stocks with few fetches under way. So each
        theme gets its share.
        """
        return not stock.waiters, len(self._fetches.of(stock)), stock.waiters.since()

    def fetch(self, count: int, stock: Stock) -> bool:
        """Begin a fetch of ``count`` names for a stock; return ``False`` if there is no fetcher."""
        state, seconds = self._state, self._options.fetch_timeout
        fetcher = self._fetches.take_idle() or self._start_fetcher(stock)
        if fetcher is None:
            return False
        now = self.ref.actor_inbox.clock()
        request = self._fetches.of(stock).begin(fetcher, count, now)
        state.counters.fetch_count += 1
        state.log.add(FetchBegan(count, stock.theme, at=now))
        self.ref.actor_inbox.schedule(stock.learnt.patience, Late(request))
        self.ref.actor_inbox.schedule(seconds, Overdue(request))
        known, size = state.known, count + self._fetches.of(stock).brought
        chunk = FetchChunk(request, size, known.of_source(), state.epoch, seconds, stock.theme)
        fetcher.try_tell(chunk._replace(reserved=self._reserved, is_brought=known.is_brought))
        return True

    def _start_fetcher(self, stock: Stock) -> Fetcher | None:
        """Start a fetcher and return it; ``None`` if no thread can be started.

        In that case, and without any other fetcher, this counts as a failed fetch. With other
        fetchers, the callers wait until one of them is idle.
        """
        ref = self.ref
        self.keeping.tell(Renew())  # the keeper then renews the session for as long as it lives
        try:
            fetcher: Fetcher = ChunkFetcher.start(self._source, partial(_deliver, ref, self._state))
        except Exception as error:
            if not self._fetches.fetchers:  # otherwise one of them will be idle soon
                cause = SourceError(f"the fetcher's thread cannot be started: {one_line(error)}")
                cause.__cause__ = error
                self._failed(cause, stock.theme)
            return None
        fetcher.watch(lambda reason: ref.try_tell(FetcherDied(fetcher, reason)))
        return fetcher

    def chunk_arrived(self, message: ChunkArrived) -> None:
        """Stock the names of a chunk, and give them to the waiting callers."""
        fetch = self._fetches.end(message.request)
        if fetch is None or not self._is_wanted(fetch):
            self.keeping.tell(Unwanted(message.judged.names))
            return
        self.look()
        admission, is_vain = _admit(self._state, fetch, message)
        if is_vain:
            self._failed(_nothing_new(message, admission), fetch.among.theme)
            return
        now = self.ref.actor_inbox.clock()
        if admission.accepted:
            fetch.among.succeeded(fetch, admission.accepted, now)
        _note(self._state, message, admission, max(now - fetch.began, 0.0), now)
        self.refill()  # first, because the served callers will need the processor
        self._waiting.serve()

    def chunk_failed(self, message: ChunkFailed) -> None:
        """End a fetch in which the source raised an error."""
        fetch = self._fetches.end(message.request)
        if fetch is not None and self._is_wanted(fetch):
            self._failed(message.error, fetch.among.theme)
            self.refill()  # another theme may have waited for this fetcher

    def overdue(self, message: Overdue) -> None:
        """Give up a fetch that takes too long; its fetcher ends when the source returns."""
        fetch = self._fetches.abandon(message.request)
        if fetch is None:
            return
        fetch.fetcher.stop(block=False)
        if self._is_wanted(fetch):
            source, seconds = type(self._source).__name__, self._options.fetch_timeout
            cause = SourceError(f"{source} took over {seconds:g} s, its fetch_timeout")
            self._failed(cause, fetch.among.theme)
            self.refill()

    def fetcher_died(self, message: FetcherDied) -> None:
        """Let the fetches of a dead fetcher fail."""
        cause = SourceError(f"the fetcher died: {one_line(message.reason or 'it was stopped')}")
        for fetch in self._fetches.fetcher_died(message.fetcher):
            self._failed(cause, fetch.among.theme)
        self.refill()

    def reset(self) -> None:
        """Drop the fetches under way, and begin new ones for the waiting callers."""
        for fetches in self._fetches.by_theme.values():
            fetches.reset()
        self._state.log.add(PoolReset(at=self.ref.actor_inbox.clock()))
        if self._state.stocks.waiting:
            self.refill()

    def stats(self) -> PoolStats:
        """Return the pool's counts, after a look at the demand up to now."""
        self.look()
        return stats_of(self._state, self._fetches, self._options)

    def let_go(self) -> None:
        """Stop every fetcher, without waiting for it."""
        for fetcher in self._fetches.fetchers:
            fetcher.stop(block=False)
        self.keeping.let_go()

    def _is_wanted(self, fetch: Fetch[Fetcher]) -> bool:
        """Tell whether a fetch is still wanted; after a reset it is not."""
        if not fetch.expected:
            self.refill()
        return fetch.expected > 0

    def _failed(self, cause: BaseException, theme: str | None) -> None:
        """Note a failed fetch for a theme.

        If no other fetch is under way for the theme, its waiting callers are refused. But if only
        the ledger was locked, the pool tries again, and they wait until their time is over.
        """
        counters = self._state.counters
        counters.fetch_failure_count += 1
        counters.last_error = one_line(f"{type(cause).__name__}: {one_line(cause)}")
        stock = self._state.stocks.get(theme)
        if stock is None:
            return  # the theme is forgotten
        fetches = self._fetches.of(stock)
        now, was_exhausted = self.ref.actor_inbox.clock(), fetches.is_exhausted
        pause = fetches.failed(now, cause)
        self._state.log.add(FetchFailed(counters.last_error, pause, stock.theme, at=now))
        is_unknown = isinstance(cause, UnknownTheme) and stock.theme is not None
        if fetches.is_busy:
            self.ref.actor_inbox.schedule(pause, TryAgain())
        if is_unknown or not (len(fetches) or fetches.is_exhausted):
            self._waiting.refuse_all(stock)
        if is_unknown and self._forget(stock.theme):
            return
        if fetches.is_exhausted:
            self._waiting.refuse_hopeless(stock)
        if fetches.is_exhausted and not was_exhausted:
            warn("the source has no more names: %s", counters.last_error)
        elif not was_exhausted:
            warn("no names fetched, next try in %.1f s: %s", pause, counters.last_error)

    def _forget(self, theme: str | None) -> bool:
        """Drop the stock of a theme that the source does not know; keep it if it ever had names."""
        is_gone = theme is not None and self._state.known.forget(theme)
        if is_gone:
            self._fetches.forget(theme)
        return is_gone


def _deliver(ref: ServiceRef[Any], state: PoolState, answer: ChunkArrived | ChunkFailed) -> None:
    """Give a fetcher's result to the pool; names for a dead pool wait for the next incarnation."""
    if not ref.try_tell(answer) and isinstance(answer, ChunkArrived):
        state.signal.put(LateChunk(answer.judged, answer.epoch, answer.theme))


def _admit(
    state: PoolState, fetch: Fetch[Fetcher], message: ChunkArrived
) -> tuple[Admission, bool]:
    """Stock the names of a chunk. Tell also whether the source has failed, as none is new.

    It has not failed if other fetches brought the names meanwhile, or if the next fetch asks for
    more, because the program had brought the names.
    """
    asks_more = fetch.among.asks_more(sum(map(state.known.is_brought, message.judged.names)))
    admission = state.admit(message.judged, message.theme)
    is_excused = admission.duplicate and (fetch.is_stale() or asks_more)
    return admission, not (admission.accepted or is_excused)


def _nothing_new(message: ChunkArrived, admission: Admission) -> SourceError:
    counts = f"{admission.invalid} invalid, {admission.duplicate} known already"
    return SourceError(f"{message.source} gave no new name: {counts}")


def _note(
    state: PoolState, message: ChunkArrived, admission: Admission, took: float, now: float
) -> None:
    """Note a chunk that came, in the counts and in the log of events."""
    counters = state.counters
    counters.fetch_times = counters.fetch_times.with_one(took)
    counters.last_error = None
    counters.last_source = message.source
    state.log.add(NamesFetched(*admission, took, message.source, message.theme, at=now))


def stats_of(state: PoolState, fetches: Fetches[Any], options: PoolOptions) -> PoolStats:
    """Return the present counts of a pool."""
    counters, stocks = state.counters, state.stocks
    learnt = [stock.learnt for stock in stocks.values()]
    used = [stock for stock in stocks.values() if stock.in_use] or [stocks[None]]
    # No code counts checkouts. Each moment that is no ticket was a checkout.
    checkouts = state.number - counters.tickets
    ended = checkouts + counters.adopted - len(state.leases)
    told = PoolStats.__dataclass_fields__
    return PoolStats(
        available_count=stocks.available,
        checked_out_count=len(state.leases),
        all_used_count=len(state.known),
        chunk_size=options.chunk_size,
        waiting_count=stocks.waiting,
        fetching_count=fetches.total,
        restart_count=max(counters.starts - 1, 0),
        demand_per_second=sum(max(one.demand, 0.0) for one in learnt),
        fetch_seconds=max((s for one in learnt if (s := one.seconds) is not None), default=None),
        low_water_mark=sum(fetches.of(stock).policy.low_water_mark for stock in used),
        checkout_count=checkouts,
        checkin_count=ended - counters.reclaimed_count - counters.forgotten,
        **{name: count for name, count in vars(counters).items() if name in told},
    )
