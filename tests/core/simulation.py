"""A pool in a moved clock, without threads: what agents ask for, what the policy does about it.

``python -m tests.core.simulation`` prints the table that ``test_refill_learns`` asserts. Time is in
latencies: a fetch takes 1 unless a scenario says otherwise.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from namepool.core.refill import Learnt, RefillPolicy
from namepool.pool.fetches import Fetches

Arrivals = Iterator[float]


class Outcome(NamedTuple):
    """What a run came to, after its warm-up."""

    checkouts: int
    waited: int
    requests: int
    most: int
    """Names in stock or under way, at most."""
    stock: int
    """Names in stock or under way at the end."""
    longest: float
    """The longest wait, warm-up included."""
    last: float
    """When the last checkout had its name."""

    @property
    def share(self) -> float:
        return self.waited / max(self.checkouts, 1)


class Simulation:
    """Feeds ``Fetches`` what the pool would: looks where the pool looks, and nowhere else."""

    def __init__(
        self,
        bounds: RefillPolicy = RefillPolicy(),  # noqa: B008
        latency: Callable[[float], float] = lambda _: 1.0,
        gives: float = 1.0,
        held: Callable[[], float] | None = None,
    ) -> None:
        self.fetches: Fetches[int] = Fetches(bounds, Learnt())
        self.latency, self.gives, self.held = latency, gives, held
        self.now = 0.0
        self.available = self.stocked = 0
        self.waiters: deque[float] = deque()
        self._events: list[tuple[float, bool, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = itertools.count()
        self._measured_from = 0.0
        self._counts = dict.fromkeys(("checkouts", "waited", "requests", "most"), 0)
        self._longest = self._last = 0.0

    def run(self, arrivals: Arrivals, warm_up: float, until: float) -> Outcome:
        """Let agents come at these times, which rise."""
        self._measured_from = warm_up
        self._next_arrival(arrivals)
        while self._events and self._events[0][0] <= until:
            self.now, _, _, act, args = heapq.heappop(self._events)
            act(*args)
        return Outcome(
            **self._counts, stock=self._position(), longest=self._longest, last=self._last
        )

    def _at(self, when: float, act: Callable[..., None], *args: Any) -> None:
        is_last = act == self._refill  # the pool lets those come who come at the same moment
        heapq.heappush(self._events, (when, is_last, next(self._order), act, args))

    def _next_arrival(self, arrivals: Arrivals) -> None:
        when = next(arrivals, None)
        if when is not None:
            self._at(when, self._arrive, arrivals)

    def _arrive(self, arrivals: Arrivals) -> None:
        self._next_arrival(arrivals)
        self._count("checkouts")
        needs_look = self.available <= self.fetches.floor
        if self.available:
            self.available -= 1
            self._served(self.now)
            if needs_look:
                self._refill()
        else:
            self._count("waited")
            self.waiters.append(self.now)
            self._at(self.now, self._refill)

    def _served(self, since: float) -> None:
        self._longest, self._last = max(self._longest, self.now - since), self.now
        if self.held is not None:
            self._at(self.now + self.held(), self._give_back)

    def _give_back(self) -> None:
        self.available += 1
        self._serve()

    def _serve(self) -> None:
        while self.waiters and self.available:
            self.available -= 1
            self._served(self.waiters.popleft())

    def _look(self) -> None:
        drawn = self.stocked - self.available + len(self.waiters)
        self.fetches.look(self.now, drawn, self.available)

    def _refill(self) -> None:
        self._look()
        while count := self.fetches.due(self.available, len(self.waiters)):
            self._count("requests")
            request = self.fetches.begin(0, count, self.now)
            self._at(self.now + self.latency(self.now), self._arrived, request, count)
        if self.now >= self._measured_from:
            self._counts["most"] = max(self._counts["most"], self._position())

    def _arrived(self, request: int, count: int) -> None:
        fetch = self.fetches.end(request)
        assert fetch is not None
        self._look()
        came = max(int(count * self.gives), 1)
        self.fetches.succeeded(fetch, came, self.now)
        self.available += came
        self.stocked += came
        self._serve()
        self._refill()

    def _position(self) -> int:
        return self.available + self.fetches.expected

    def _count(self, what: str) -> None:
        self._counts[what] += self.now >= self._measured_from


def constant(rate: float) -> Arrivals:
    return (n / rate for n in itertools.count(1))


def poisson(rate: float, seed: int = 1) -> Arrivals:
    draw = random.Random(seed)
    now = 0.0
    while True:
        now += draw.expovariate(rate)
        yield now


def ramp(first: float, doubling: float, until: float) -> Arrivals:
    """The rate starts at ``first`` and doubles every ``doubling``."""
    now = 0.0
    while now < until:
        now += 1 / (first * 2 ** (now / doubling))
        yield now


def burst(size: int, at: float = 0.0) -> Arrivals:
    return iter([at] * size)


def stopped(arrivals: Arrivals, at: float) -> Arrivals:
    return itertools.takewhile(lambda when: when < at, arrivals)
