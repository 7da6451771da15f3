"""Callers whose allocations fail one after another: ``python -m tests.strikes.without_memory``.

In a process of its own: where memory is lacking, CPython itself crashes now and then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any

from namepool import (
    DEFAULT_NAME,
    AssociateName,
    CheckinName,
    CheckoutName,
    GetNameByOwner,
    NamePool,
    NumberedNames,
    PoolHandle,
    PoolStatsRequest,
)
from tests.strikes.scene import inconsistencies
from tests.strikes.test_real_strikes import settled
from tests.support import PATIENCE


def poor(capi: Any, ref: Any, act: Callable[[], Any], lacks: int) -> bool:
    """Do ``act`` without memory for its ``lacks``-th allocation; tell whether that struck it.

    The interpreter cannot be told whose: where the pool's thread answers, it may be that one's.
    """
    result: Any = None
    struck = False
    try:
        capi.set_nomemory(lacks, lacks + 1)
        try:
            result = act()
        finally:
            capi.remove_mem_hooks()
    except (MemoryError, RuntimeError) as error:  # "can't allocate lock"
        struck = True
        error.__traceback__ = None  # the interpreter's last MemoryError is never let go of
    if isinstance(result, str):
        ref.ask(CheckinName(result, "poor"))
    return struck


def block(pool: PoolHandle) -> None:
    """Hold a name, and speak under a lent one."""
    with pool.named(), pool.speaking_as("Grace"):
        pool.speaker()


def main() -> None:
    """Let requests lack each of their first allocations; nobody else may notice."""
    logging.disable(logging.CRITICAL)
    capi: Any = import_module("_testcapi")
    # Without a fetch, whose thread would lack the memory instead of a caller.
    ref = NamePool.start(source=NumberedNames(), chunk_size=50, reuse_gap=0)
    pool = PoolHandle(ref)
    ref.ask(CheckinName(ref.ask(CheckoutName())))
    checkout, kept = CheckoutName(owner="poor"), ref.ask(CheckoutName(owner="kept"))
    acts: list[Callable[[], Any]] = [
        lambda: ref.ask(checkout),
        lambda: ref.ask(checkout, timeout=PATIENCE),
        lambda: ref.ask(checkout, block=False).get(),
        lambda: pool.checkout_name(),
        lambda: block(pool),
        lambda: ref.ask(AssociateName(kept, owner="poor")) and None,
        lambda: ref.ask(AssociateName("Hedy", owner="poor")),
        lambda: ref.ask(PoolStatsRequest()),
    ]

    failed = 0
    for act in acts:
        for lacks in range(150):
            failed += poor(capi, ref, act, lacks)
            pool.pool_stats(timeout=5)  # its own thread answers: after what was signalled
            assert pool.speaker() == DEFAULT_NAME, lacks
            assert [*inconsistencies(ref)] == [], lacks

    stats = settled(pool, at_most=1)
    assert failed > len(acts)
    assert stats.available_count + stats.checked_out_count == stats.all_used_count
    assert (stats.checked_out_count, stats.restart_count) == (1, 0), ref.state.leases
    assert ref.ask(GetNameByOwner("kept"), timeout=5) == kept
    ref.stop()


if __name__ == "__main__":
    main()
