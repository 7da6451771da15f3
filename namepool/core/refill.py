"""Demand and latency learnt; when to fetch, how many, when to try again after a failure. Pure.

Fetching the next chunk while the last one is being used, with a step that grows when it is used up
fast, is how segment allocators (Leaf, TiDB) keep their callers from waiting. How long a fetch takes
is learnt as TCP learns its round trip (SRTT and RTTVAR of RFC 6298), with larger gains, because
fetches are rarer than segments. The capped, jittered, growing pause is HikariCP's creation backoff.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import NamedTuple

FIRST_PAUSE = 0.5
"""Seconds to wait after the first failure, before jitter; doubles with each further one."""

LONGEST_PAUSE = 60.0
"""Seconds; no pause is longer, unless the source asks for more."""

LONGEST_REQUEST = 120.0
"""Seconds; a source that asks for a longer pause is not obeyed."""

LATENCY_GAIN = 1 / 3
"""Weight of the latest fetch in the seconds that a fetch takes."""

DEVIATION_GAIN = 1 / 4
"""Weight of the latest fetch in how far these seconds are off, and in the share that comes."""

MEMORY = 1.5
"""Latencies after which what was seen of the demand counts for 1/e."""

FIRST_DEVIATION = 1 / 8
"""How far off a fetch may be, in latencies, when there was but one."""

SHORTEST_MEMORY = 0.05
"""Seconds; with a source that is faster than this, less would be noise."""

LEAST_SHARE = 0.1
"""A source that brings less of what it is asked is not asked for more than ten times as much."""


class RefillPolicy(NamedTuple):
    """When and how much to fetch: the options, which are bounds, or what holds at a moment."""

    chunk_size: int = 12
    max_chunk_size: int = 50
    low_water_mark: int = 6
    max_fetches: int = 4

    def plan(self, available: int, waiting: int, fetching: int, expected: int) -> int:
        """Return how many names the next fetch should ask for; 0 if none is due.

        ``expected`` names are on their way in ``fetching`` fetches. Those who wait are shared out
        among the fetches that may still begin: a small chunk comes sooner than a large one.
        """
        if fetching >= self.max_fetches:
            return 0
        unserved = waiting - available - expected
        if unserved <= 0 and available + expected >= self.low_water_mark + waiting:
            return 0
        share = math.ceil(unserved / (self.max_fetches - fetching))
        return min(max(share, self.chunk_size), self.max_chunk_size)

    def floor(self, fetching: int, expected: int) -> int:
        """Return how many names must be left over if a checkout is not to make a fetch due."""
        return 0 if fetching >= self.max_fetches else max(self.low_water_mark - expected, 0)


class Learnt:
    """What is known of the demand and of the source. It outlives the incarnations of a pool."""

    def __init__(self) -> None:
        self.demand: float = 0.0
        """Checkouts less check-ins, names a second; below 0 while more are given back."""
        self.seconds: float | None = None
        """How long a fetch takes; ``None`` until one has brought names."""
        self.deviation: float = 0.0
        """How far, in seconds, that is off as a rule."""
        self.share: float = 1.0
        """How much of what is asked for comes and is new."""
        self._looked_at: float | None = None
        self._drawn = 0

    def look(self, now: float, drawn: int) -> None:
        """Learn the demand: by ``now``, ``drawn`` more names were asked for than given back.

        What is older counts less and less: a look after a long rest finds no demand, and it makes
        no difference how often one looks.
        """
        if self.seconds is not None and self._looked_at is not None:
            memory = max(MEMORY * self.seconds, SHORTEST_MEMORY)
            age = max(now - self._looked_at, 0.0) / memory
            spread = -math.expm1(-age) / age if age else 1.0
            moved = (drawn - self._drawn) / memory
            self.demand = self.demand * math.exp(-age) + moved * spread
        elif self._looked_at is not None:
            return  # the first look that has a memory goes back to the first of all
        self.skip(now, drawn)

    def skip(self, now: float, drawn: int) -> None:
        """Learn nothing from what was drawn up to now."""
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

    def policy(self, bounds: RefillPolicy, age: float = 0.0) -> RefillPolicy:
        """Return what holds now, within ``bounds``: a chunk lasts as long as a fetch takes.

        A fetch that has taken ``age`` seconds already says that one takes at least as long. A
        low-water mark of 0 stays 0: then names are fetched for those who wait only.
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
    """Return how many names to have where about ``asked`` will be asked for.

    Arrivals by chance exceed their mean by three standard deviations once in some hundred times.
    With a chunk on top, more than ``bound`` would be a hoard, unless two deviations take more.
    """
    deviation = math.sqrt(asked)
    return math.ceil(min(asked + 3 * deviation, max(bound, asked + 2 * deviation)))


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
