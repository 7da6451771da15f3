"""What is counted, and what a pool tells of itself."""

from __future__ import annotations

from dataclasses import dataclass


class Counters:
    """What is counted over the life of a pool, restarts included."""

    def __init__(self) -> None:
        self.starts = 0
        self.fetches = 0
        self.failures = 0
        self.invalid = 0
        self.duplicates = 0
        self.rejected = 0
        self.conflicts = 0
        self.reclaimed = 0
        self.waited = 0
        self.longest_wait: float = 0.0
        self.last_error: str | None = None
        self.last_source: str | None = None


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
    """Names checked out a second, less those given back, as learnt; 0 if more are given back."""
    fetch_seconds: float | None
    """Seconds that a fetch takes, as learnt; ``None`` until one has brought names."""
    low_water_mark: int
    """Names, in stock or under way, below which the pool fetches at this moment."""
    waited_count: int
    """Checkouts that found no name and were parked."""
    longest_wait: float
    """Seconds that the one of them waited that waited longest, served or not."""
    last_error: str | None
    """What the last failed fetch died of, on one line; ``None`` after a good one."""
    last_source: str | None
    """Where the last chunk came from."""
