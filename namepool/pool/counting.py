"""What a pool tells of itself. Pure."""

from __future__ import annotations

from typing import Any

from namepool.core.options import PoolOptions
from namepool.core.state import PoolState
from namepool.core.stats import PoolStats
from namepool.pool.fetches import Fetches


def stats_of(state: PoolState, fetches: Fetches[Any], options: PoolOptions) -> PoolStats:
    """Return the counts of a pool as they stand."""
    counters, stocks = state.counters, state.stocks
    learnt = [stock.learnt for stock in stocks.values()]
    used = [stock for stock in stocks.values() if stock.in_use] or [stocks[None]]
    marks = [fetches.of(stock).policy.low_water_mark for stock in used]
    return PoolStats(
        available_count=stocks.available,
        checked_out_count=len(state.leases),
        all_used_count=len(state.known),
        chunk_size=options.chunk_size,
        waiting_count=stocks.waiting,
        fetching_count=fetches.total,
        fetch_count=counters.fetches,
        fetch_failure_count=counters.failures,
        invalid_count=counters.invalid,
        duplicate_count=counters.duplicates,
        rejected_count=counters.rejected,
        conflict_count=counters.conflicts,
        reclaimed_count=counters.reclaimed,
        restart_count=max(counters.starts - 1, 0),
        demand_per_second=sum(max(one.demand, 0.0) for one in learnt),
        fetch_seconds=max((s for one in learnt if (s := one.seconds) is not None), default=None),
        low_water_mark=sum(marks),
        waited_count=counters.waited,
        longest_wait=counters.longest_wait,
        last_error=counters.last_error,
        last_source=counters.last_source,
        **_traffic(state),
    )


def _traffic(state: PoolState) -> dict[str, Any]:
    """Return what came and went; of the leases, from what is there anyway: nobody counts them."""
    counters = state.counters
    checkouts = state.number - counters.tickets  # moments that are no tickets
    ended = checkouts + counters.adopted - len(state.leases)
    return {
        "checkout_count": checkouts,
        "checkin_count": ended - counters.reclaimed - counters.forgotten,
        "timeout_count": counters.timeout,
        "unavailable_count": counters.unavailable,
        "withdrawn_count": counters.withdrawn,
        "wait_times": counters.wait_times,
        "fetch_times": counters.fetch_times,
    }
