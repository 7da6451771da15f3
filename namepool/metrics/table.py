"""The metrics, with their names for Prometheus and OpenTelemetry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import pykka

from namepool.core.options import CHECKS
from namepool.core.stats import Durations, PoolStats
from namepool.pool.handle import PoolHandle

DEFAULT_POOL = "default"
"""The name of a pool that is given without one."""


class Metric(NamedTuple):
    """A metric with one number.

    ``name`` has dots, as in OpenTelemetry. ``unit`` is a unit in UCUM, the notation for units that
    OpenTelemetry uses.
    """

    name: str
    unit: str
    text: str
    attribute: str
    """The attribute of ``PoolStats`` with the number."""

    def read(self, stats: PoolStats) -> int:
        """Return the number of this metric."""
        return getattr(stats, self.attribute)  # type: ignore[no-any-return]


class Histogram(NamedTuple):
    """A metric of durations, in seconds."""

    name: str
    text: str
    read: Callable[[PoolStats], Durations]


GAUGES = (
    Metric("available", "{name}", "Names that are not checked out", "available_count"),
    Metric("checked_out", "{name}", "Names under a lease", "checked_out_count"),
    Metric("waiting", "{checkout}", "Checkouts that wait for a name", "waiting_count"),
    Metric("fetching", "{fetch}", "Fetches under way", "fetching_count"),
    Metric("low_water_mark", "{name}", "Names below which the pool fetches", "low_water_mark"),
)
COUNTERS = (
    Metric("checkouts", "{checkout}", "Names handed out", "checkout_count"),
    Metric("checkins", "{checkin}", "Names given back", "checkin_count"),
    Metric("checkout.timeouts", "{checkout}", "Waits that timed out", "timeout_count"),
    Metric("checkout.failures", "{checkout}", "Waits that a failure ended", "unavailable_count"),
    Metric("checkout.withdrawals", "{checkout}", "Waits that were given up", "withdrawn_count"),
    Metric("fetches", "{fetch}", "Fetches begun", "fetch_count"),
    Metric("fetch.failures", "{fetch}", "Fetches without a new name", "fetch_failure_count"),
    Metric("restarts", "{restart}", "Restarts of the pool", "restart_count"),
    Metric("early_reuses", "{name}", "Names reused before their reuse_gap", "early_reuse_count"),
    Metric("reclaims", "{name}", "Names taken back from ended owners", "reclaimed_count"),
)
WAIT = Histogram("checkout.wait", "How long checkouts waited for a name", lambda s: s.wait_times)
FETCH = Histogram("fetch.duration", "How long fetches took", lambda s: s.fetch_times)


def named_pools(pools: PoolHandle | Mapping[str, PoolHandle]) -> dict[str, PoolHandle]:
    """Return the pools by name.

    Raises:
        InvalidOption: ``pools`` is neither the handle of a pool nor a dict of handles by name
    """
    if isinstance(pools, PoolHandle):
        return {DEFAULT_POOL: pools}
    if not isinstance(pools, Mapping) or not pools:
        raise CHECKS.invalid("pools", pools, "a PoolHandle, or a dict of them by name")
    for name, pool in pools.items():
        CHECKS.text("the name of a pool", name, 100)
        if not isinstance(pool, PoolHandle):
            raise CHECKS.invalid(f"pool {name}", pool, "a PoolHandle")
    return dict(pools)


def stats_of(pool: PoolHandle) -> PoolStats | None:
    """Return a pool's counts; ``None`` if it has ended, or does not answer in 5 seconds."""
    try:
        return pool.pool_stats()
    except (pykka.ActorDeadError, pykka.Timeout):
        return None
