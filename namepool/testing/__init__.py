"""Tools for the tests of programs that use a pool: predictable names, and a check for leaks.

The fixture ``name_pool`` is in ``namepool.testing.pytest_plugin``.
"""

from __future__ import annotations

from namepool.core.names import one_line
from namepool.pool.handle import PoolHandle
from namepool.pool.observing import LeaseInfo
from namepool.sources.numbered import NumberedNames

__all__ = ["NumberedNames", "assert_no_leaks"]


def assert_no_leaks(pool: PoolHandle) -> None:
    """Fail if a name is checked out at this moment.

    The error has one line for each name: the name, its owner, the time since the checkout, and the
    line of the program that made the checkout. A pool without ``leak_after`` does not know the
    line; without a subscriber, it does not know the time either.

    Raises:
        AssertionError: a name is checked out
        pykka.Timeout: the pool did not answer in 5 seconds

    Examples:
        >>> from namepool.testing import NumberedNames, assert_no_leaks
        >>> pool = namepool.open_pool(source=NumberedNames())
        >>> assert_no_leaks(pool)
        >>> name = pool.checkout_name(owner="planner-7")
        >>> assert_no_leaks(pool)
        Traceback (most recent call last):
        AssertionError: 1 name was not given back:
          NPC #1: held by planner-7
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
