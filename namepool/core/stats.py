"""The counts and the statistics of a pool."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Outcome: TypeAlias = Literal["served", "timeout", "unavailable", "withdrawn"]
"""The outcome of a checkout that waited."""


BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""The bounds, in seconds, by which durations are sorted."""


class Durations(NamedTuple):
    """Durations, sorted by the bounds, and their sum."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    """The number of durations in each range.

    The first number counts the durations up to 0.005 s. Each further number counts those that are
    longer than that bound, up to the next one: 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30
    and 60 s. The last number counts the durations of more than 60 s."""
    seconds: float = 0.0
    """The sum of all durations."""

    def with_one(self, seconds: float) -> Durations:
        """Return these durations and one more."""
        at = bisect_left(BOUNDS, seconds)
        counts = (*self.counts[:at], self.counts[at] + 1, *self.counts[at + 1 :])
        return Durations(counts, self.seconds + seconds)


class Counters:
    """The counts of a pool over its whole life, restarts included.

    A count has the same name here and in ``PoolStats``.
    """

    def __init__(self) -> None:
        self.fetch_count = self.fetch_failure_count = 0
        self.invalid_count = self.duplicate_count = self.rejected_count = 0
        self.conflict_count = self.reclaimed_count = self.waited_count = 0
        self.early_reuse_count = 0
        self.served_count = self.timeout_count = self.unavailable_count = self.withdrawn_count = 0
        self.longest_wait: float = 0.0
        self.last_error: str | None = None
        self.last_source: str | None = None
        self.wait_times: Durations = Durations()
        self.fetch_times: Durations = Durations()
        # PoolStats does not have these counts:
        self.starts = 0
        self.tickets = 0
        """Moments of ``PoolState.number`` that were no checkout."""
        self.adopted = 0
        """Leases that began with an association."""
        self.forgotten = 0
        """Leases that a reset ended."""

    def wait_ended(self, seconds: float, outcome: Outcome) -> None:
        """Note the outcome of a checkout that waited for ``seconds``."""
        count = f"{outcome}_count"
        setattr(self, count, getattr(self, count) + 1)
        self.wait_times = self.wait_times.with_one(seconds)
        self.longest_wait = max(self.longest_wait, seconds)


@dataclass(frozen=True)
class PoolStats:
    """The statistics of a pool at one moment.

    Counts of events cover the whole life of the pool, restarts included.
    """

    available_count: int
    """Known names that are not checked out, also those that wait for their ``reuse_gap``."""
    checked_out_count: int
    """Names under a lease."""
    all_used_count: int
    """Known names: available or checked out."""
    chunk_size: int
    """Names that a fetch asks for while demand is low."""
    waiting_count: int
    """Checkouts that wait for a name now."""
    fetching_count: int
    """Fetches that run now."""
    fetch_count: int
    """Fetches begun."""
    fetch_failure_count: int
    """Fetches that brought no new name: they failed, were overdue, or had nothing usable."""
    invalid_count: int
    """Candidates dropped because a source may not issue them, or because they are reserved."""
    duplicate_count: int
    """Candidates dropped because they read like a name the pool knows."""
    rejected_count: int
    """Candidates dropped because the ledger has them already."""
    conflict_count: int
    """Names that agents speak under although another session of the ledger has them."""
    reclaimed_count: int
    """Names taken back from owners that ended without giving them back."""
    early_reuse_count: int
    """Names handed out again before their ``reuse_gap`` had passed, for want of other names."""
    restart_count: int
    """Times the pool was restarted."""
    demand_per_second: float
    """The learnt demand: names checked out a second minus names given back, over all themes."""
    fetch_seconds: float | None
    """The learnt seconds of a fetch for the slowest theme; ``None`` until names came."""
    low_water_mark: int
    """The pool fetches if fewer names are ready or on their way; summed over the themes."""
    waited_count: int
    """Checkouts that found no name and waited."""
    longest_wait: float
    """Seconds of the longest wait, served or not."""
    checkout_count: int
    """Names handed out, at once or after a wait."""
    checkin_count: int
    """Leases that ended because the name was given back, or never received."""
    timeout_count: int
    """Waits that ended with ``CheckoutTimeout``."""
    unavailable_count: int
    """Waits that ended with ``NamesUnavailable``."""
    withdrawn_count: int
    """Waits that the caller itself gave up."""
    wait_times: Durations
    """The durations of all waits that have ended, served or not."""
    fetch_times: Durations
    """The durations of the fetches that brought names."""
    last_error: str | None
    """The error of the last failed fetch, on one line; ``None`` after a good fetch."""
    last_source: str | None
    """The source of the last chunk."""
