"""For the tests of programs that use a pool: predictable names, and a check that none is kept.

The fixture ``name_pool`` is in ``namepool.testing.pytest_plugin``: see there.
"""

from __future__ import annotations

from namepool.core.names import one_line
from namepool.pool.handle import PoolHandle
from namepool.pool.observing import LeaseInfo
from namepool.sources.numbered import NumberedNames

__all__ = ["NumberedNames", "assert_no_leaks"]


def assert_no_leaks(pool: PoolHandle) -> None:
    """Fail if a name is checked out at this moment; say by whom, for how long and from where.

    For how long, and from which line, is known of a pool that has ``leak_after``.

    Raises:
        AssertionError: with one line for each name
        pykka.Timeout: the pool did not answer in 5 seconds
    """
    leaks = pool.leases()
    if leaks:
        lines = "".join(f"\n  {_line(lease)}" for lease in leaks)
        were = "1 name was" if len(leaks) == 1 else f"{len(leaks)} names were"
        raise AssertionError(f"{were} not given back:{lines}")


def _line(lease: LeaseInfo) -> str:
    owner = "nobody" if lease.owner is None else one_line(lease.owner)
    held = "" if lease.held_seconds is None else f" for {lease.held_seconds:.1f} s"
    where = "" if lease.where is None else f", checked out at {one_line(lease.where)}"
    return f"{one_line(lease.name)}: held by {owner}{held}{where}"
