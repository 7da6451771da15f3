"""When to fetch, how many, and when to try again after a failure. Pure.

Fetching the next chunk while the last one is being used is how segment allocators (Leaf, TiDB) keep
their callers from waiting; the capped, jittered, growing pause is HikariCP's creation backoff.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

FIRST_PAUSE = 0.5
"""Seconds to wait after the first failure, before jitter; doubles with each further one."""

LONGEST_PAUSE = 60.0
"""Seconds; no pause is longer, unless the source asks for more."""

LONGEST_REQUEST = 120.0
"""Seconds; a source that asks for a longer pause is not obeyed."""


class RefillPolicy(NamedTuple):
    """The options that say when and how much to fetch."""

    chunk_size: int = 12
    max_chunk_size: int = 50
    low_water_mark: int = 6
    max_fetches: int = 1

    def plan(self, available: int, waiting: int, fetching: int, expected: int) -> int:
        """Return how many names the next fetch should ask for; 0 if none is due.

        ``expected`` names are on their way in ``fetching`` fetches. The chunk grows while waiters
        outnumber it and is back at ``chunk_size`` when they do not.
        """
        if fetching >= self.max_fetches:
            return 0
        unserved = waiting - expected
        if unserved <= 0 and available + expected >= self.low_water_mark + waiting:
            return 0
        return min(max(unserved, self.chunk_size), self.max_chunk_size)

    def floor(self, fetching: int, expected: int) -> int:
        """Return how many names must be left over if a checkout is not to make a fetch due."""
        return 0 if fetching >= self.max_fetches else max(self.low_water_mark - expected, 0)


class Backoff:
    """A pause that doubles with each failure in a row, jittered so that clients spread out."""

    def __init__(self, random: Callable[[], float] = random.random) -> None:
        self.random = random
        self.failures: int = 0
        self.until: float = float("-inf")

    def failed(self, now: float, error: BaseException | None = None) -> float:
        """Note a failure; return the pause in seconds, from half to the whole of the nominal.

        An error with a ``retry_after``, in seconds, makes it at least that.
        """
        nominal = min(FIRST_PAUSE * 2.0 ** min(self.failures, 32), LONGEST_PAUSE)
        pause = max(nominal * (0.5 + self.random() / 2), requested_pause(error))
        self.failures += 1
        self.until = now + pause
        return pause

    def succeeded(self) -> None:
        """Note a success: the next failure pauses as the first did."""
        self.failures = 0
        self.until = float("-inf")

    def allows(self, now: float) -> bool:
        """Tell whether the pause is over."""
        return now >= self.until


def requested_pause(error: object) -> float:
    """Return the seconds in ``error.retry_after``; 0 if it has none, or no sensible one."""
    try:
        seconds = float(error.retry_after)  # type: ignore[attr-defined]
    except Exception:  # it is somebody else's attribute: whatever it does, the pool lives
        return 0.0
    return seconds if 0.0 <= seconds <= LONGEST_REQUEST else 0.0
