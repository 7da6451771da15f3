"""A pool in a moved clock, without threads: what agents ask for, what the policy does about it.

``python -m tests.core.simulation`` prints the table that ``test_simulation`` asserts. Time is in
latencies: a fetch takes 1 unless a scenario says otherwise.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from namepool.core.refill import RefillPolicy
from namepool.pool.fetches import Fetches

Arrivals = Iterator[float]


class Outcome(NamedTuple):
    """What a run came to, after its warm-up."""

    checkouts: int
    waited: int
    requests: int
    most: int
    """Names in stock or under way, at most."""
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
        self.fetches: Fetches[int] = Fetches(bounds)
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
        self._counts["most"] = max(self._counts["most"], self._position())
        return Outcome(**self._counts, longest=self._longest, last=self._last)

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
        needs_look = self.available <= self.fetches.stock.floor
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


# -- arrivals, in latencies -------------------------------------------------------------------


def constant(rate: float, until: float = math.inf) -> Arrivals:
    return itertools.takewhile(lambda when: when < until, (n / rate for n in itertools.count(1)))


def poisson(rate: float) -> Arrivals:
    draw, now = random.Random(1), 0.0
    while True:
        now += draw.expovariate(rate)
        yield now


def ramp(first: float, doubling: float, until: float) -> Arrivals:
    """The rate starts at ``first`` and doubles every ``doubling``."""
    now = 0.0
    while now < until:
        now += 1 / (first * 2 ** (now / doubling))
        yield now


def burst(size: int) -> Arrivals:
    return iter([0.0] * size)


# -- scenarios --------------------------------------------------------------------------------


class Scenario(NamedTuple):
    """A run, and what it may come to."""

    name: str
    run: Callable[[], Outcome]
    share: float
    """At most this share of the checkouts waits."""
    requests: int
    most: float
    """At most so many names are in stock or under way."""
    last: float = math.inf
    """By then the last one has its name."""


def scenarios() -> Iterator[Scenario]:
    """Yield what the policy must meet: share, requests and stock are bounded with room."""
    yield from _steady()
    yield Scenario("doubles every 5 L, from 1 to 128", _of(ramp(1, 5, 35), 5, 40), 0.01, 45, 250)
    yield Scenario("doubles every 5 L, from 4 to 128", _of(ramp(4, 5, 25), 5, 30), 0.01, 40, 250)
    for size in (1, 12, 30, 100, 200, 1000, 5000):
        rounds = math.ceil(size / 200)
        few = max(math.ceil(size / 50), math.ceil(size / 12) if size < 48 else 4) + 2
        name = f"{size:,} at once"
        yield Scenario(name, _of(burst(size), 0, 500), 1.0, few, size + 12, rounds + 0.01)
    for rate in (1, 4, 20, 100):
        name, arrivals = f"{rate} per L, stops", constant(rate, 40)
        yield Scenario(name, _of(arrivals, 40, 500), 0.0, 3, _hoard(rate))
    for rate in (1, 4, 20, 100):
        held = partial(random.Random(3).expovariate, 1 / 5)
        name = f"{rate} per L, given back after about 5 L"
        yield Scenario(name, _of(poisson(rate), 50, 300, held=held), 0.01, 5, 20 + 10 * rate)
    yield from _changing_sources()


def _steady() -> Iterator[Scenario]:
    for rate in (0.1, 0.5, 1, 2, 4, 8, 20, 50, 100, 150):
        until = max(60, 200 / rate)
        few = _requests(rate, until - 15)
        yield Scenario(f"{rate} per L", _of(constant(rate), 15, until), 0.0, few, _hoard(rate))
    # At 200 four fetches of 50 are just what is asked for: who waited at first waits for ever.
    name, eight = "200 per L, max_fetches=8", RefillPolicy(max_fetches=8)
    yield Scenario(name, _of(constant(200), 15, 60, eight), 0.0, _requests(200, 45), _hoard(200))
    yield Scenario("200 per L, default", _of(constant(200), 15, 60), 1.0, 190, 210)
    for rate in (0.1, 0.5, 1, 2, 4, 8, 20, 50, 100, 150):
        until = max(200, 2000 / rate)
        few = _requests(rate, until)
        name = f"{rate} per L, by chance"
        yield Scenario(name, _of(poisson(rate), 15, until), 0.02, few, 1.4 * _hoard(rate) + 12)


def _changing_sources() -> Iterator[Scenario]:
    def jumping(now: float) -> float:
        return 10.0 if 60 <= now < 200 else 1.0

    for rate in (1, 4, 10):
        whens = ("before", 15, 60), ("at once", 60, 110), ("on", 110, 200), ("back", 200, 300)
        for when, since, until in whens:
            name = f"{rate} per L, latency × 10 and back: {when}"
            run = _of(constant(rate), since, until, latency=jumping)
            share = 0.6 if when == "at once" else 0.0
            few = _requests(rate, until - since) + 4
            most = _hoard(rate) if when == "before" else _hoard(10 * rate)
            yield Scenario(name, run, share, few, most)
    for rate in (1, 4, 20, 50, 90):
        name = f"{rate} per L, half of what is asked comes"
        run = _of(constant(rate), 30, 200, gives=0.5)
        yield Scenario(name, run, 0.0, 2 * _requests(rate, 170), _hoard(rate))
    for rate in (1, 4, 20, 100):
        jitter = random.Random(3)
        name = f"{rate} per L by chance, latency 0.3 to 3 L"
        run = _of(
            poisson(rate),
            30,
            500,
            latency=lambda _, jitter=jitter: jitter.lognormvariate(-0.125, 0.5),
        )
        yield Scenario(name, run, 0.01, _requests(rate, 470), 3 * _hoard(rate))


def _of(
    arrivals: Arrivals,
    warm_up: float,
    until: float,
    bounds: RefillPolicy = RefillPolicy(),  # noqa: B008
    **options: Any,
) -> Callable[[], Outcome]:
    return lambda: Simulation(bounds, **options).run(arrivals, warm_up, until)


def _hoard(rate: float) -> float:
    """What is asked for in four latencies; or one chunk above the mark, which is 6 at least."""
    return max(4 * rate, 12 + max(6, rate + 3 * math.sqrt(rate)))


def _requests(rate: float, span: float) -> int:
    """A fifth more than chunks of 12, or of one latency's worth, make up what is asked for."""
    chunk = min(max(rate, 12), 50)
    return math.ceil(1.2 * rate * span / chunk) + 2


def main() -> None:
    print("time in latencies (L); default options; what is bounded: in brackets\n")
    print(f"{'':44}{'waited':>17}{'requests':>15}{'in stock or under way':>24}{'longest wait':>14}")
    for name, run, share, requests, most, _ in scenarios():
        came = run()
        print(
            f"{name:44}{came.share:8.2%} [{share:5.0%}]{came.requests:8} [{requests:4}]"
            f"{came.most:16} [{most:5.0f}]{came.longest:12.2f} L"
        )


if __name__ == "__main__":
    main()
