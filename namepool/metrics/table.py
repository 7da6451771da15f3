"""The metrics, with the names that Prometheus and OpenTelemetry have for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import pykka

from namepool.core.options import check_text, invalid
from namepool.core.stats import Durations, PoolStats
from namepool.pool.handle import PoolHandle

DEFAULT_POOL = "default"
"""What a pool is called that is given no name."""


class Metric(NamedTuple):
    """A number. ``name`` has dots, as OpenTelemetry's names do; ``unit`` is one of UCUM."""

    name: str
    unit: str
    text: str
    read: Callable[[PoolStats], int]


class Histogram(NamedTuple):
    """Durations, in seconds."""

    name: str
    text: str
    read: Callable[[PoolStats], Durations]


GAUGES = (
    Metric("available", "{name}", "Names ready to be checked out", lambda s: s.available_count),
    Metric("checked_out", "{name}", "Names under a lease", lambda s: s.checked_out_count),
    Metric("waiting", "{checkout}", "Checkouts that wait for a name", lambda s: s.waiting_count),
    Metric("fetching", "{fetch}", "Fetches under way", lambda s: s.fetching_count),
    Metric(
        "low_water_mark",
        "{name}",
        "Names, in stock or under way, below which the pool fetches",
        lambda s: s.low_water_mark,
    ),
)
COUNTERS = (
    Metric("checkouts", "{checkout}", "Names handed out", lambda s: s.checkout_count),
    Metric("checkins", "{checkin}", "Names given back", lambda s: s.checkin_count),
    Metric("checkout.timeouts", "{checkout}", "Waits in vain", lambda s: s.timeout_count),
    Metric(
        "checkout.failures",
        "{checkout}",
        "Waits that a source ended that failed",
        lambda s: s.unavailable_count,
    ),
    Metric(
        "checkout.withdrawals",
        "{checkout}",
        "Waits that their callers gave up",
        lambda s: s.withdrawn_count,
    ),
    Metric("fetches", "{fetch}", "Fetches begun", lambda s: s.fetch_count),
    Metric(
        "fetch.failures",
        "{fetch}",
        "Fetches that brought no new name",
        lambda s: s.fetch_failure_count,
    ),
    Metric("restarts", "{restart}", "Restarts of the pool", lambda s: s.restart_count),
    Metric(
        "reclaims",
        "{name}",
        "Names taken back from owners that had ended",
        lambda s: s.reclaimed_count,
    ),
)
WAIT = Histogram(
    "checkout.wait",
    "How long checkouts waited that found no name, however that ended",
    lambda s: s.wait_times,
)
FETCH = Histogram(
    "fetch.duration", "How long fetches took that brought names", lambda s: s.fetch_times
)


def named_pools(pools: PoolHandle | Mapping[str, PoolHandle]) -> dict[str, PoolHandle]:
    """Return the pools by name.

    Raises:
        InvalidOption: it is not a pool's handle, or some of them by name
    """
    if isinstance(pools, PoolHandle):
        return {DEFAULT_POOL: pools}
    if not isinstance(pools, Mapping) or not pools:
        raise invalid("pools", pools, "a PoolHandle, or a dict of them by name")
    for name, pool in pools.items():
        check_text("the name of a pool", name, 100)
        if not isinstance(pool, PoolHandle):
            raise invalid(f"pool {name}", pool, "a PoolHandle")
    return dict(pools)


def stats_of(pool: PoolHandle) -> PoolStats | None:
    """Return a pool's counts; ``None`` if it has ended, or does not answer in 5 seconds."""
    try:
        return pool.pool_stats()
    except (pykka.ActorDeadError, pykka.Timeout):
        return None
