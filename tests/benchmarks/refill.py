"""How long agents wait for names that a model makes: ``python -m tests.benchmarks.refill``.

The model is an HTTP server on loopback that takes a fixed time, L, for each request. Prints how
long a rush of agents takes, as a multiple of L, and how many requests it makes; then which share of
a steady demand had to wait, by the pool's own count, and what was in stock; then how often a model
with habits repeats itself, asked by one fetch at a time and by four; then how long the prompt is
after many names. ``--quick`` shortens it.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pykka

from namepool import NamePool, Nomenclater, PoolHandle
from namepool.sources.llm.subjects import THEMES
from tests.sources.llm.scripted import Endpoint, Names, Seen, Told, named


def slow(latency: float) -> Callable[[Seen], Told]:
    """Return a model that makes up names in ``latency`` seconds."""
    names, never = Names(), threading.Event()

    def answer(seen: Seen) -> Told:
        never.wait(latency)
        return names(seen)

    return answer


@contextmanager
def pool_on(model: Callable[[Seen], Told], **options: Any) -> Iterator[tuple[PoolHandle, Endpoint]]:
    """Run a pool on a model for the length of the block."""
    with Endpoint(model) as endpoint:
        ref = NamePool.start(source=Nomenclater("m", endpoint.url), **options)
        try:
            yield PoolHandle(ref), endpoint
        finally:
            ref.stop()


def rush(
    agents: int, latency: float, model: Callable[[Seen], Told] | None = None, **options: Any
) -> tuple[float, int]:
    """Return the seconds until the last of ``agents`` has its name, and the requests made."""
    with pool_on(model or slow(latency), **options) as (pool, endpoint):
        start = threading.Barrier(agents + 1)
        names: list[str] = []

        def agent() -> None:
            start.wait()
            names.append(pool.checkout_name(timeout=None))

        threads = [threading.Thread(target=agent) for _ in range(agents)]
        for thread in threads:
            thread.start()
        start.wait()
        began = time.perf_counter()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - began
        assert len(set(names)) == agents
        return took, len(endpoint.seen)


def print_rushes(agents: int, latency: float, rounds: int) -> None:
    print(f"{agents} agents at once, L = {latency:g} s, {rounds} times")
    print(f"{'options':16}{'last name after':>24}{'requests':>10}")
    rows: tuple[tuple[str, dict[str, Any]], ...] = (
        ("default", {}),
        ("max_fetches=1", {"max_fetches": 1}),
    )
    for name, options in rows:
        runs = sorted(rush(agents, latency, **options) for _ in range(rounds))
        least, median, most = (runs[n][0] / latency for n in (0, rounds // 2, -1))
        times = f"{median:.1f} ({least:.1f}–{most:.1f}) × L"
        print(f"{name:16}{times:>24}{max(n for _, n in runs):10}", flush=True)


class Steady(NamedTuple):
    """How a steady demand was met, after its warm-up."""

    waited: int
    checkouts: int
    available: int
    requests: int


def steady(latency: float, every: float, warm_up: float, measured: float) -> Steady:
    """Check a name out each ``every`` seconds; nothing is given back. Times are in seconds."""
    with pool_on(slow(latency)) as (pool, endpoint):
        before, stats = 0, None
        pause, began = threading.Event(), time.perf_counter()
        for number in itertools.count(1):
            due = began + every * number
            if due - began > warm_up + measured:
                break
            pause.wait(max(due - time.perf_counter(), 0.0))
            if stats is None and due - began > warm_up:
                stats = pool.pool_stats()
                before = number
            pool.checkout_name(timeout=None)
        assert stats is not None
        end = pool.pool_stats()
        waited = end.waited_count - stats.waited_count
        return Steady(waited, number - before, end.available_count, len(endpoint.seen))


def print_steady(latency: float, warm_up: float, measured: float) -> None:
    """Print what becomes of the demands of the table; ``warm_up`` and ``measured`` in latencies."""
    print(f"\none checkout at a time, default options, L = {latency:g} s, {warm_up:g} L of warm-up")
    row = "{:>12}{:>11}{:>9}{:>15}{:>10}"
    print(row.format("every", "checkouts", "waited", "stock at end", "requests"))
    for every in (0.25, 0.05, 0.02):
        run = steady(latency, every * latency, warm_up * latency, measured * latency)
        share = f"{run.waited / run.checkouts:.1%}"
        print(
            row.format(f"{every:g} × L", run.checkouts, share, run.available, run.requests),
            flush=True,
        )


class Favourites:
    """A model with habits: of each theme it knows 150 names and likes some far more than others.

    One name in six is of a theme that it was not given. Of names that it is told are in use it
    repeats one in ten, and it goes where it is told to keep away one time in five.
    """

    def __init__(self, latency: float) -> None:
        self._random, self._lock = random.Random(1), threading.Lock()
        self._latency, self._never = latency, threading.Event()
        self.told: Counter[str] = Counter()

    def __call__(self, seen: Seen) -> Told:
        self._never.wait(self._latency)
        elsewhere = "".join(line for line in seen.prompt.splitlines() if "keep away" in line)
        mine = [t for t in THEMES if t in seen.prompt and t not in elsewhere]
        with self._lock:
            names = [self._name(seen.prompt, mine, elsewhere) for _ in range(seen.wanted)]
            self.told.update(names)
        return named(*names)

    def _name(self, prompt: str, mine: list[str], elsewhere: str) -> str:
        draw = self._random
        while True:
            theme = draw.choice(THEMES if draw.random() < 1 / 6 else mine)
            if theme in elsewhere and draw.random() > 0.2:
                continue
            liked = int(150 ** draw.random())  # Zipf's law
            name = f"Agent {THEMES.index(theme):02}{liked:03}"
            if name not in prompt or draw.random() < 0.1:
                return name

    @property
    def repeated(self) -> float:
        """The share of names that it had told before."""
        return 1 - len(self.told) / self.told.total()


def print_repetitions(agents: int, latency: float, rounds: int) -> None:
    print(f"\n{agents} agents, a model with habits")
    print(f"{'max_fetches':>12}{'told before':>15}{'requests':>10}{'last name after':>18}")
    for max_fetches in (1, 4):
        shares, times, requests = [], [], []
        for _ in range(rounds):
            model = Favourites(latency)
            took, made = rush(agents, latency, model, max_fetches=max_fetches)
            shares.append(model.repeated)
            times.append(took / latency)
            requests.append(made)
        share, took = statistics.median(shares), statistics.median(times)
        made = statistics.median_high(requests)
        print(f"{max_fetches:12}{share:15.1%}{made:10}{took:14.1f} × L", flush=True)


def print_prompts() -> None:
    print(f"\n{'names used':>12}{'characters of prompt':>22}")
    with Endpoint() as endpoint:
        nomenclater = Nomenclater("m", endpoint.url, themes=["one theme"])
        for used in (100, 10_000, 100_000):
            nomenclater.fetch(12, [f"Agent the Number {n:07}" for n in range(used)])
            print(f"{used:12,}{len(endpoint.seen[-1].prompt):22,}", flush=True)
        nomenclater.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how long agents wait for a model.")
    parser.add_argument("--quick", action="store_true", help="small, to see that it runs")
    quick = parser.parse_args().quick
    print(f"CPython {sys.version.split()[0]}, a model on loopback\n")
    print_rushes(100 if quick else 1000, 0.02 if quick else 0.2, 1 if quick else 5)
    print_steady(0.1 if quick else 1.0, 15, 5 if quick else 40)
    print_repetitions(60 if quick else 400, 0.02 if quick else 0.1, 1 if quick else 5)
    print_prompts()
    pykka.ActorRegistry.stop_all()


if __name__ == "__main__":
    main()
