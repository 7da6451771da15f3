"""How long agents wait for names that a model makes: ``python -m tests.benchmarks.refill``.

The model is an HTTP server on loopback that takes a fixed time, L, for each request. Prints how
long a rush of agents takes, as a multiple of L, and how many requests it makes; then which share of
a steady demand had to wait, by the pool's own count, and what was in stock; then how long the
prompt is after many names. ``--quick`` shortens it.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pykka

from namepool import NamePool, Nomenclater, PoolHandle
from tests.sources.endpoint import Endpoint, Names, Seen, Told


def slow(latency: float) -> Callable[[Seen], Told]:
    """Return a model that makes up names in ``latency`` seconds."""
    names, never = Names(), threading.Event()

    def answer(seen: Seen) -> Told:
        never.wait(latency)
        return names(seen)

    return answer


@contextmanager
def pool_on(latency: float, **options: Any) -> Iterator[tuple[PoolHandle, Endpoint]]:
    """Run a pool on a slow model for the length of the block."""
    with Endpoint(slow(latency)) as endpoint:
        ref = NamePool.start(source=Nomenclater("m", endpoint.url), **options)
        try:
            yield PoolHandle(ref), endpoint
        finally:
            ref.stop()


def rush(agents: int, latency: float, **options: Any) -> tuple[float, int]:
    """Return the seconds until the last of ``agents`` has its name, and the requests made."""
    with pool_on(latency, **options) as (pool, endpoint):
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
    for name, options in (("default", {}), ("max_fetches=1", {"max_fetches": 1})):
        runs = sorted(rush(agents, latency, **options) for _ in range(rounds))
        times = f"{runs[0][0] / latency:.1f}–{runs[-1][0] / latency:.1f} × L"
        print(f"{name:16}{times:>24}{max(n for _, n in runs):10}", flush=True)


class Steady(NamedTuple):
    """How a steady demand was met, after its warm-up."""

    waited: int
    checkouts: int
    available: int
    requests: int


def steady(latency: float, every: float, warm_up: float, measured: float) -> Steady:
    """Check a name out each ``every`` seconds; nothing is given back. Times are in seconds."""
    with pool_on(latency) as (pool, endpoint):
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
        print(row.format(f"{every:g} × L", run.checkouts, share, run.available,
                         run.requests), flush=True)  # fmt: skip


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
    print_prompts()
    pykka.ActorRegistry.stop_all()


if __name__ == "__main__":
    main()
