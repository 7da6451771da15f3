"""How long agents wait for names that a model makes: ``python -m tests.benchmarks.refill``.

The model is an HTTP server on loopback that takes a fixed time, L, for each request. Prints how
long a rush of agents takes, as a multiple of L, and how many requests it makes; then which share of
a steady demand had to wait; then how long the prompt is after many names. ``--quick`` shortens it.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pykka

from namepool import NamePool, Nomenclater, PoolHandle
from tests.sources.llm.scripted import Endpoint, Names, Seen, Told


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


def rush(agents: int, latency: float, max_fetches: int) -> tuple[float, int]:
    """Return the seconds until the last of ``agents`` has its name, and the requests made."""
    options = {"max_fetches": max_fetches, "max_chunk_size": 50}
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


def print_rushes(agents: int, latency: float) -> None:
    print(f"{agents} agents at once, L = {latency:g} s, max_chunk_size 50")
    print(f"{'max_fetches':>12}{'last name after':>18}{'requests':>10}")
    for max_fetches in (1, 4):
        took, requests = rush(agents, latency, max_fetches)
        print(f"{max_fetches:12}{took / latency:15.1f} × L{requests:10}", flush=True)


def steady(latency: float, every: float, checkouts: int, **options: Any) -> tuple[int, int]:
    """Return how many of ``checkouts``, one each ``every`` seconds, waited; and the requests.

    Nothing is given back. What comes before the first full chunk is warm-up.
    """
    with pool_on(latency, prefetch=True, **options) as (pool, endpoint):
        pool.checkout_name()
        waited, pause = 0, threading.Event()
        began = time.perf_counter()
        for number in itertools.count(-checkouts // 4):  # a fifth of them: warm-up
            if number == checkouts:
                return waited, len(endpoint.seen)
            due = began + every * (number + checkouts // 4 + 1)
            pause.wait(max(due - time.perf_counter(), 0.0))
            asked = time.perf_counter()
            pool.checkout_name()
            waited += number >= 0 and time.perf_counter() - asked > every / 2
    raise AssertionError("not reached")


def print_steady(latency: float, every: float, checkouts: int) -> None:
    print(f"\none checkout each {every * 1e3:g} ms, L = {latency:g} s, after warm-up")
    print(
        f"{'chunk_size':>12}{'low_water_mark':>16}{'max_fetches':>13}{'waited':>9}{'requests':>10}"
    )
    for chunk, low, fetches in ((12, 6, 1), (12, 24, 1), (12, 24, 4), (24, 24, 1), (40, 30, 1)):
        options = {"chunk_size": chunk, "low_water_mark": low, "max_fetches": fetches}
        waited, requests = steady(latency, every, checkouts, **options)
        share = waited / checkouts
        print(f"{chunk:12}{low:16}{fetches:13}{share:9.1%}{requests:10}", flush=True)


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
    print_rushes(100 if quick else 1000, 0.02 if quick else 0.2)
    print_steady(0.1 if quick else 1.0, 0.005 if quick else 0.05, 40 if quick else 200)
    print_prompts()
    pykka.ActorRegistry.stop_all()


if __name__ == "__main__":
    main()
