"""What a pool tells of itself, of what it knows and what it has counted. In its turn."""

from __future__ import annotations

from typing import Any

from namepool.core.state import PoolState
from namepool.core.stats import PoolStats
from namepool.pool.fetches import Fetches


def pool_stats(state: PoolState, fetches: Fetches[Any], chunk_size: int) -> PoolStats:
    """Return the counts of this moment; what has been learnt is as of the last look."""
    stocks = state.stocks
    learnt = [stock.learnt for stock in stocks.values()]
    marks = [theme.policy.low_water_mark for theme in fetches.by_theme.values()]
    return PoolStats(
        available_count=stocks.available,
        checked_out_count=len(state.leases),
        all_used_count=state.known_count,
        chunk_size=chunk_size,
        waiting_count=stocks.waiting,
        fetching_count=fetches.total,
        demand_per_second=sum(max(one.demand, 0.0) for one in learnt),
        fetch_seconds=max((s for one in learnt if (s := one.seconds) is not None), default=None),
        low_water_mark=sum(marks),
        **_counted(state),
    )


def _counted(state: PoolState) -> dict[str, Any]:
    counters = state.counters
    checkouts = state.new_ticket() - counters.tickets  # moments that are no tickets
    ended = checkouts + counters.adopted - len(state.leases)
    return {
        "fetch_count": counters.fetches,
        "fetch_failure_count": counters.failures,
        "invalid_count": counters.invalid,
        "duplicate_count": counters.duplicates,
        "reclaimed_count": counters.reclaimed,
        "restart_count": max(counters.starts - 1, 0),
        "waited_count": counters.waited,
        "longest_wait": counters.longest_wait,
        "checkout_count": checkouts,
        "checkin_count": ended - counters.reclaimed - counters.forgotten,
        "timeout_count": counters.timeout,
        "unavailable_count": counters.unavailable,
        "withdrawn_count": counters.withdrawn,
        "wait_times": counters.wait_times,
        "fetch_times": counters.fetch_times,
        "last_error": counters.last_error,
        "last_source": counters.last_source,
    }
