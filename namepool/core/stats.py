"""The counts of a pool, and the statistics that it answers."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Outcome: TypeAlias = Literal["served", "timeout", "unavailable", "withdrawn"]
"""What became of a checkout that waited."""


BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds by which durations are told apart."""


class Durations(NamedTuple):
    """How long things took: how many up to each of the bounds, and all together."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    """How many took up to 0.005 s, from there up to 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
    10, 30, 60 s, and how many took longer."""
    seconds: float = 0.0
    """The sum of all."""

    def with_one(self, seconds: float) -> Durations:
        """Return these and one more."""
        at = bisect_left(BOUNDS, seconds)
        counts = (*self.counts[:at], self.counts[at] + 1, *self.counts[at + 1 :])
        return Durations(counts, self.seconds + seconds)


class Counters:
    """What is counted over the life of a pool, restarts included; as ``PoolStats`` calls it."""

    def __init__(self) -> None:
        self.fetch_count = self.fetch_failure_count = 0
        self.invalid_count = self.duplicate_count = self.rejected_count = 0
        self.conflict_count = self.reclaimed_count = self.waited_count = 0
        self.served_count = self.timeout_count = self.unavailable_count = self.withdrawn_count = 0
        self.longest_wait: float = 0.0
        self.last_error: str | None = None
        self.last_source: str | None = None
        self.wait_times: Durations = Durations()
        self.fetch_times: Durations = Durations()
        # What PoolStats does not have:
        self.starts = 0
        self.tickets = 0
        """Moments that were no checkout."""
        self.adopted = 0
        """Leases that began with an association."""
        self.forgotten = 0
        """Leases that a reset ended."""

    def wait_ended(self, seconds: float, outcome: Outcome) -> None:
        """Note what became of a checkout that waited so long."""
        count = f"{outcome}_count"
        setattr(self, count, getattr(self, count) + 1)
        self.wait_times = self.wait_times.with_one(seconds)
        self.longest_wait = max(self.longest_wait, seconds)


@dataclass(frozen=True)
class PoolStats:
    """A pool at one moment. Counts of events are over its whole life, restarts included."""

    available_count: int
    """Names ready to be checked out."""
    checked_out_count: int
    """Names under a lease."""
    all_used_count: int
    """Names known: available or checked out."""
    chunk_size: int
    """Names asked for at a time, while demand is low."""
    waiting_count: int
    """Checkouts parked until a name comes."""
    fetching_count: int
    """Fetches under way."""
    fetch_count: int
    """Fetches begun."""
    fetch_failure_count: int
    """Fetches that brought no new name: failed, overdue, or nothing usable in them."""
    invalid_count: int
    """Candidates dropped because they may not be names."""
    duplicate_count: int
    """Candidates dropped because they read like a name the pool knows."""
    rejected_count: int
    """Candidates dropped because the ledger has them already."""
    conflict_count: int
    """Names that agents speak under though another session of the ledger has them."""
    reclaimed_count: int
    """Names taken back from owners that ended without giving them back."""
    restart_count: int
    """Times the pool was restarted."""
    demand_per_second: float
    """Names checked out a second, less those given back, as learnt; summed over the themes."""
    fetch_seconds: float | None
    """Seconds that a fetch takes, as learnt, for the slowest theme; ``None`` until names came."""
    low_water_mark: int
    """Names, in stock or under way, below which it fetches now; summed over the themes."""
    waited_count: int
    """Checkouts that found no name and were parked."""
    longest_wait: float
    """Seconds that the one of them waited that waited longest, served or not."""
    checkout_count: int
    """Names handed out, at once or after a wait."""
    checkin_count: int
    """Leases that ended because the name was given back, or never received."""
    timeout_count: int
    """Waits that ended with ``CheckoutTimeout``."""
    unavailable_count: int
    """Waits that ended with ``NamesUnavailable``."""
    withdrawn_count: int
    """Waits that the caller gave up by itself."""
    wait_times: Durations
    """How long those waited that found no name, however that ended."""
    fetch_times: Durations
    """How long fetches took that brought names."""
    last_error: str | None
    """What the last failed fetch died of, on one line; ``None`` after a good one."""
    last_source: str | None
    """Where the last chunk came from."""
