"""A pool with a history of which every number is known."""

from __future__ import annotations

from typing import Any

import pytest

from namepool import CheckoutName, CheckoutTimeout, NamePool, NamesUnavailable, PoolHandle
from namepool.actors import ServiceRef
from tests.support import PATIENCE, GatedSource, MovableClock, on_thread, wait_until

COUNTS = {
    "available": 10,
    "checked_out": 3,
    "waiting": 0,
    "fetching": 0,
    "low_water_mark": 6,
    "checkouts": 5,
    "checkins": 2,
    "checkout.timeouts": 1,
    "checkout.failures": 1,
    "checkout.withdrawals": 1,
    "fetches": 2,
    "fetch.failures": 1,
    "restarts": 0,
    "early_reuses": 0,
    "reclaims": 1,
}
"""What ``live`` leaves behind, by the names of OpenTelemetry."""

WAITS = [2.0, 7.0, 7.0, 20.0]
"""How long its checkouts waited, in seconds."""

FETCHES = [20.0]


def live(clock: MovableClock) -> PoolHandle:
    """Return a pool that has lived through everything that is counted."""
    source = GatedSource()
    ref: ServiceRef[Any] = NamePool.start(
        source=source, reclaim_after=1.0, fetch_timeout=100.0, max_fetches=1, reuse_gap=0
    )
    clock.drive(ref)
    pool = PoolHandle(ref)

    source.error = LookupError("no names today")
    failed = ref.ask(CheckoutName(None), block=False)
    source.wait_asked()
    clock.advance(2.0)
    source.gate.set()
    with pytest.raises(NamesUnavailable):
        failed.get(timeout=PATIENCE)
    pool.pool_stats()  # the pool has done with that
    clock.advance(600.0)  # the pause after a failure is over
    source.gate.clear()
    source.error = None
    served = ref.ask(CheckoutName(None, "one"), block=False)
    source.wait_asked()
    clock.advance(13.0)
    late = ref.ask(CheckoutName(7.0), block=False)
    dropped = ref.ask(CheckoutName(None), block=False)
    wait_until(lambda: pool.pool_stats().waiting_count == 3, ref)
    clock.advance(7.0)
    with pytest.raises(CheckoutTimeout):
        late.get(timeout=PATIENCE)
    del dropped
    wait_until(lambda: pool.pool_stats().waiting_count == 1, ref)
    source.gate.set()
    first = served.get(timeout=PATIENCE)

    second = pool.checkout_name(owner="two")
    pool.checkin_name(first, owner="one")
    pool.checkin_name(second, owner="two")
    on_thread(pool.checkout_name)
    pool.pool_stats()  # its end is noted
    clock.advance(5.0)
    wait_until(lambda: pool.pool_stats().reclaimed_count == 1, ref)
    for owner in ("three", "four"):
        pool.checkout_name(owner=owner)
    pool.associate_name("Grace Hopper", owner="five")
    return pool
