"""Refilling the pool: starts fetches, takes in what they bring, pauses when they fail.

Runs in the pool's turn, on its own thread; what waits for the world is the fetchers'.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, cast

from namepool.actors import ServiceRef
from namepool.core.events import LateChunk
from namepool.core.names import one_line
from namepool.core.options import PoolOptions
from namepool.core.state import PoolState
from namepool.core.stats import PoolStats
from namepool.errors import SourceError
from namepool.events import FetchBegan, FetchFailed, NamesFetched
from namepool.pool.fetcher import ChunkArrived, ChunkFailed, ChunkFetcher, FetchChunk
from namepool.pool.fetches import Fetch, Fetches
from namepool.pool.waiting import WaitingList
from namepool.pool.warnings import warn
from namepool.sources.base import NameSource

Fetcher = ServiceRef[ChunkFetcher]

GATHERING = 0.1
"""Latencies that a burst is waited for, at most, so that its fetches are as large as it needs."""

GATHERING_ROUNDS = 5
"""Times it is looked, in these, whether more are coming."""

FIRST_TICK = 0.005
"""Seconds from one such look to the next while no latency is known."""


class Overdue(NamedTuple):
    """A fetch has taken ``fetch_timeout`` seconds."""

    request: int


class FetcherDied(NamedTuple):
    """A fetcher has died."""

    fetcher: Fetcher
    reason: str | None


class Gathered(NamedTuple):
    """Those who wait have had time to come; there were ``waiting`` before."""

    waiting: int
    rounds: int


class Refilling:
    """The fetches of one incarnation of the pool, which is ``ref``."""

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
        self._is_gathering = False
        self.ref: ServiceRef[Any]

    def look(self) -> None:
        """Learn what was asked for up to now; here alone, because callers write nothing down."""
        state = self._state
        self._fetches.look(self.ref.actor_inbox.clock(), state.drawn, len(state.available))

    def refill_for_waiter(self) -> None:
        """As ``refill``, for one that waits now, when those who come with it have come too.

        Else the first of a thousand would begin a fetch for one. While more and more come they are
        waited for, a tenth of a latency at most; one that comes alone is not kept waiting.
        """
        if self._is_gathering:
            return
        if len(self._fetches):  # else it may be the first of a burst, which is no rate
            self.look()
        if not self._due():
            return
        if self._fetches.pause(self.ref.actor_inbox.clock()):
            self.refill()
            return
        self._fetches.keep_idle(self._start_fetcher)  # a thread starts: meanwhile others run
        self._is_gathering = self.ref.try_tell(Gathered(1, 0))

    def gathered(self, message: Gathered) -> None:
        """Begin the fetches for those who wait, unless more are coming."""
        waiting = len(self._state.waiters)
        enough = waiting >= self._options.max_fetches * cast("int", self._options.max_chunk_size)
        if waiting <= message.waiting or enough or message.rounds == GATHERING_ROUNDS:
            self._is_gathering = False
            self.refill()
            return
        seconds = self._state.learnt.seconds
        tick = FIRST_TICK if seconds is None else seconds * GATHERING / GATHERING_ROUNDS
        self.ref.actor_inbox.schedule(tick, Gathered(waiting, message.rounds + 1))

    def refill(self) -> None:
        """Begin the fetches that are due; in the pause after a failure, tell those who wait."""
        self.look()
        while count := self._due():
            if self._fetches.pause(self.ref.actor_inbox.clock()):
                if not len(self._fetches):
                    self._waiting.refuse_all()
                return
            self.fetch(count)

    def _due(self) -> int:
        state = self._state
        return self._fetches.due(len(state.available), len(state.waiters))

    def fetch(self, count: int) -> None:
        """Ask the source for ``count`` names."""
        self._waiting.reclaim(self._options.reclaim_after)
        fetcher = self._fetches.take_idle() or self._start_fetcher()
        request = self._fetches.begin(fetcher, count, self.ref.actor_inbox.clock())
        self._state.counters.fetches += 1
        self._state.log.add(FetchBegan(count, at=self.ref.actor_inbox.clock()))
        seconds = self._options.fetch_timeout
        self.ref.actor_inbox.schedule(seconds, Overdue(request))
        fetcher.try_tell(FetchChunk(request, count, self._state.used(), self._state.epoch, seconds))

    def _start_fetcher(self) -> Fetcher:
        ref = self.ref
        fetcher: Fetcher = ChunkFetcher.start(self._source, partial(_deliver, ref, self._state))
        fetcher.watch(lambda reason: ref.try_tell(FetcherDied(fetcher, reason)))
        return fetcher

    def chunk_arrived(self, message: ChunkArrived) -> None:
        """Make the names of a chunk available, and grant them to those who wait."""
        fetch = self._fetches.end(message.request)
        if fetch is None or not self._is_wanted(fetch):
            return
        self.look()
        admission = self._state.admit(message.names)
        if not admission.accepted:
            self._failed(
                SourceError(
                    f"{message.source} gave no new name: {admission.invalid} invalid, "
                    f"{admission.duplicate} known already"
                )
            )
            return
        now = self.ref.actor_inbox.clock()
        self._fetches.succeeded(fetch, admission.accepted, now)
        took = max(now - fetch.began, 0.0)
        self._state.log.add(NamesFetched(*admission, took, message.source, at=now))
        counters = self._state.counters
        counters.fetch_times = counters.fetch_times.with_one(took)
        counters.last_error = None
        counters.last_source = message.source
        self.refill()  # first, because those who are served then want the processor
        self._waiting.serve()

    def chunk_failed(self, message: ChunkFailed) -> None:
        """The source raised."""
        if self._is_wanted(self._fetches.end(message.request)):
            self._failed(message.error)

    def overdue(self, message: Overdue) -> None:
        """Give up a fetch that takes too long; its fetcher ends when its source lets go of it."""
        fetch = self._fetches.abandon(message.request)
        if fetch is not None:
            fetch.fetcher.stop(block=False)
        if self._is_wanted(fetch):
            seconds = self._options.fetch_timeout
            source = type(self._source).__name__
            self._failed(SourceError(f"{source} took over {seconds:g} s, its fetch_timeout"))

    def fetcher_died(self, message: FetcherDied) -> None:
        """Its fetches failed."""
        for _ in range(self._fetches.fetcher_died(message.fetcher)):
            self._failed(SourceError(f"the fetcher died: {one_line(message.reason)}"))

    def reset(self) -> None:
        """Want nothing of what is under way; those who wait are fetched for anew."""
        self._fetches.reset()
        if self._state.waiters:
            self.refill()

    def stats(self) -> PoolStats:
        """Return the pool's counts, and what has been learnt up to now."""
        self.look()
        state, counters, learnt = self._state, self._state.counters, self._state.learnt
        return PoolStats(
            available_count=len(state.available),
            checked_out_count=len(state.leases),
            all_used_count=state.known_count,
            chunk_size=self._options.chunk_size,
            waiting_count=len(state.waiters),
            fetching_count=len(self._fetches),
            fetch_count=counters.fetches,
            fetch_failure_count=counters.failures,
            invalid_count=counters.invalid,
            duplicate_count=counters.duplicates,
            reclaimed_count=counters.reclaimed,
            restart_count=max(counters.starts - 1, 0),
            demand_per_second=max(learnt.demand, 0.0),
            fetch_seconds=learnt.seconds,
            low_water_mark=self._fetches.policy.low_water_mark,
            waited_count=counters.waited,
            longest_wait=counters.longest_wait,
            checkout_count=_checkouts(state),
            checkin_count=_checkins(state),
            timeout_count=counters.timeout,
            unavailable_count=counters.unavailable,
            withdrawn_count=counters.withdrawn,
            wait_times=counters.wait_times,
            fetch_times=counters.fetch_times,
            last_error=counters.last_error,
            last_source=counters.last_source,
        )

    def let_go(self) -> None:
        """Stop every fetcher, without waiting for it."""
        for fetcher in self._fetches.fetchers:
            fetcher.stop(block=False)

    def _is_wanted(self, fetch: Fetch[Fetcher] | None) -> bool:
        """Tell whether what became of a fetch matters: it was not given up, nor reset since."""
        if fetch is not None and not fetch.expected:
            self.refill()
        return fetch is not None and fetch.expected > 0

    def _failed(self, cause: BaseException) -> None:
        counters = self._state.counters
        counters.failures += 1
        counters.last_error = one_line(f"{type(cause).__name__}: {one_line(cause)}")
        now = self.ref.actor_inbox.clock()
        pause = self._fetches.failed(now, cause)
        self._state.log.add(FetchFailed(counters.last_error, pause, at=now))
        if not len(self._fetches):
            self._waiting.refuse_all()
        warn("no names fetched, next try in %.1f s: %s", pause, counters.last_error)


def _checkouts(state: PoolState) -> int:
    """Return how many there were, which nobody counts as they happen."""
    return state.new_ticket() - state.counters.tickets  # moments that are no tickets


def _checkins(state: PoolState) -> int:
    """The same of leases that ended, but for those that the pool ended by itself."""
    counters = state.counters
    ended = _checkouts(state) + counters.adopted - len(state.leases)
    return ended - counters.reclaimed - counters.forgotten


def _deliver(ref: ServiceRef[Any], state: PoolState, answer: ChunkArrived | ChunkFailed) -> None:
    """Tell the pool what was fetched; what comes for a dead one waits for its successor."""
    if not ref.try_tell(answer) and isinstance(answer, ChunkArrived):
        state.events.append(LateChunk(answer.names, answer.epoch))
