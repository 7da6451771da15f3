"""When to fetch, how many names, and when to try again after a failure. Pure.

The pool fetches the next chunk while callers use the last one. The chunk grows if names are used up
fast. Segment allocators (Leaf, TiDB) keep their callers from waiting in the same way.

The pool learns the demand and the duration of a fetch. It learns the duration as TCP learns its
round trip (SRTT and RTTVAR of RFC 6298). A *gain* is the weight of the latest measurement. The
gains are larger here than in TCP, because a pool measures fewer fetches than TCP measures segments.
The pause after a failure grows, has jitter and a cap, as in HikariCP's creation backoff.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import NamedTuple

from namepool.actors.backoff import Backoff

BACKOFF = Backoff(first=0.5, longest=60.0)
"""The pauses after failures in a row, unless the source asks for a longer pause."""

LONGEST_REQUEST = 120.0
"""Seconds. If a source asks for a longer pause, the pool ignores the request."""

LATENCY_GAIN = 1 / 3
"""The weight of the latest fetch in the learnt duration of a fetch."""

DEVIATION_GAIN = 1 / 4
"""The weight of the latest fetch in the learnt deviation and in the learnt share."""

MEMORY = 1.5
"""The memory of the demand, as a multiple of the duration of a fetch.

After this time, the weight of an observed demand is down to 1/e.
"""

FIRST_DEVIATION = 1 / 8
"""The learnt deviation after the first fetch, as a share of the duration of this fetch."""

SHORTEST_MEMORY = 0.05
"""Seconds. With a fast source, a shorter memory would see only noise."""

LEAST_SHARE = 0.1
"""The smallest value of ``Learnt.share``.

So a fetch asks for at most ten times as many names as the pool needs.
"""


SHORTEST_PATIENCE = 1.0
"""Seconds. A fetch that takes no longer than this is never late."""


class RefillPolicy(NamedTuple):
    """The numbers that decide when to fetch, and how many names.

    The options of a pool make up one policy, the *bounds*. ``Learnt.policy`` returns the policy of
    the moment. It fits the learnt demand, and stays within the bounds.
    """

    chunk_size: int = 12
    max_chunk_size: int = 50
    low_water_mark: int = 6
    max_fetches: int = 4

    def plan(self, available: int, waiting: int, fetching: int, expected: int) -> int:
        """Return how many names the next fetch should ask for; 0 if none is due.

        ``expected`` names are on their way in ``fetching`` fetches. The waiting checkouts are
        shared out among the fetches that may still begin, because a small chunk comes sooner than a
        large one.
        """
        if fetching >= self.max_fetches:
            return 0
        unserved = waiting - available - expected
        if unserved <= 0 and available + expected >= self.low_water_mark + waiting:
            return 0
        share = math.ceil(unserved / (self.max_fetches - fetching))
        return min(max(share, self.chunk_size), self.max_chunk_size)

    def floor(self, fetching: int, expected: int) -> int:
        """Return the floor: if a checkout leaves fewer ready names than this, a fetch is due."""
        return 0 if fetching >= self.max_fetches else max(self.low_water_mark - expected, 0)


class Learnt:
    """The learnt facts on the demand and the source. They outlive the incarnations of a pool."""

    def __init__(self) -> None:
        self.demand: float = 0.0
        """Checkouts minus checkins, in names a second; below 0 while more names are given back."""
        self.seconds: float | None = None
        """The duration of a fetch; ``None`` until a fetch has brought names."""
        self.deviation: float = 0.0
        """The usual deviation from that duration, in seconds."""
        self.share: float = 1.0
        """The share of the requested names that a fetch really brings and that are new."""
        self._looked_at: float | None = None
        self._drawn = 0

    def look(self, now: float, drawn: int) -> None:
        """Learn the demand up to ``now``.

        ``drawn`` is the number of names asked for so far, minus the names given back so far.
        Older demand counts less and less. If nobody has asked for a name for a long time, the
        learnt demand is near 0. The number of calls of this method makes no difference.
        """
        if self.seconds is not None and self._looked_at is not None:
            memory = max(MEMORY * self.seconds, SHORTEST_MEMORY)
            age = max(now - self._looked_at, 0.0) / memory
            spread = -math.expm1(-age) / age if age else 1.0
            moved = (drawn - self._drawn) / memory
            self.demand = self.demand * math.exp(-age) + moved * spread
        elif self._looked_at is not None:
            return  # the next look with a memory goes back to the first one
        self.skip(now, drawn)

    def skip(self, now: float, drawn: int) -> None:
        """Learn nothing from the names that were drawn up to now."""
        self._looked_at, self._drawn = now, drawn

    def fetched(self, seconds: float, asked: int, came: int) -> None:
        """Learn from a fetch that took ``seconds`` and brought ``came`` names, at least one."""
        if self.seconds is None:
            self.seconds, self.deviation = seconds, seconds * FIRST_DEVIATION
        else:
            error = seconds - self.seconds
            self.deviation += DEVIATION_GAIN * (abs(error) - self.deviation)
            self.seconds += LATENCY_GAIN * error
        share = min(max(came / asked, LEAST_SHARE), 1.0)
        self.share += DEVIATION_GAIN * (share - self.share)

    @property
    def patience(self) -> float:
        """The seconds after which a fetch is late: longer than fetches usually take."""
        usual = 0.0 if self.seconds is None else self.seconds + 4 * self.deviation
        return max(usual, SHORTEST_PATIENCE)

    def policy(self, bounds: RefillPolicy, age: float = 0.0) -> RefillPolicy:
        """Return the policy of this moment, within ``bounds``.

        The policy makes a chunk so large that it serves the demand for the duration of one fetch.
        If a fetch has already run for ``age`` seconds, the pool expects that a fetch takes at least
        so long. A low-water mark of 0 stays 0: then the pool fetches names only for checkouts that
        wait.
        """
        if self.seconds is None or self.demand <= 0.0:
            return bounds
        seconds = max(self.seconds, age)
        usual = self.demand * seconds
        chunk = max(math.ceil(usual / self.share), bounds.chunk_size)
        chunk = min(chunk, bounds.max_chunk_size)
        late = self.demand * min(seconds + 4 * self.deviation, 2 * seconds)
        least = bounds.low_water_mark
        mark = max(_enough(late, 4 * usual - chunk), least) if least else 0
        return bounds._replace(chunk_size=chunk, low_water_mark=mark)


def _enough(asked: float, bound: float) -> int:
    """Return how many names to have ready if about ``asked`` names will be asked for.

    Random arrivals exceed their mean by three standard deviations once in several hundred times.
    Together with a chunk, more than ``bound`` names would be a hoard. But two standard deviations
    above the mean are always allowed.
    """
    deviation = math.sqrt(asked)
    return math.ceil(min(asked + 3 * deviation, max(bound, asked + 2 * deviation)))


BRIEF = 0.2
"""Seconds of the pause after the ledger was locked. The fetch itself has waited for it before."""


class Pauses:
    """The failures of a source in a row, and the end of the pause after the last failure."""

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self._jitter = jitter
        self.failures: int = 0
        self.until: float = -math.inf

    def failed(self, now: float, error: BaseException | None = None) -> float:
        """Note a failure, and return the pause in seconds.

        If the error has a ``retry_after`` (in seconds), the pause is at least that long.
        """
        self.failures += 1
        pause = max(BACKOFF.pause(self.failures, self._jitter), requested_pause(error))
        self.until = now + pause
        return pause

    def briefly(self, now: float) -> float:
        """Note a failure that will soon be over, and return a short pause in seconds."""
        self.failures += 1
        pause = BRIEF * (0.5 + self._jitter() / 2)
        self.until = now + pause
        return pause

    def succeeded(self) -> None:
        """Note a success. The pause after the next failure is as short as the first one."""
        self.failures = 0
        self.until = -math.inf

    def allows(self, now: float) -> bool:
        """Tell whether the pause is over."""
        return now >= self.until


def requested_pause(error: object) -> float:
    """Return the seconds in ``error.retry_after``, or 0 if they are missing or not sensible."""
    try:
        seconds = float(error.retry_after)  # type: ignore[attr-defined]
    except Exception:  # a foreign attribute may raise anything; the pool must live on
        return 0.0
    return seconds if 0.0 <= seconds <= LONGEST_REQUEST else 0.0
