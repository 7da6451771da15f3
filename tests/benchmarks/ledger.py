"""What a ledger costs: ``python -m tests.benchmarks.ledger``.

Prints how many batches of 50 names each ledger claims in a second, by one process and by eight at
once, while it knows 10³ to 10⁶ names; then which share of a checkout's time it takes, while the
pool is stocked and while names are taken as fast as they come; then the bytes of a claim.
``--quick`` shortens it. Redis is left out where there is no redis-server.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from namepool import NumberedNames, OfflineNames, open_pool
from namepool.ledgers import MemoryLedger, open_ledger
from namepool.ledgers.session import SessionLedger
from tests.ledgers.redis_server import PROGRAM, RedisServer

BATCH = 50
FILLING = 1000

_numbers = itertools.count()


def names(prefix: str, count: int) -> list[str]:
    """Return so many names that were never told by this process."""
    return [f"{prefix} {next(_numbers)}" for _ in range(count)]


def fill(ledger: SessionLedger, size: int) -> None:
    """Claim names until ``size`` are claimed."""
    for _ in range(ledger.stats().claimed, size, FILLING):
        ledger.claim(names("Filled", FILLING), uuid.uuid4().hex)


def rate(ledger: SessionLedger, seconds: float, prefix: str = "Alone") -> float:
    """Return the batches claimed in a second, of names that nobody has."""
    began, batches = time.perf_counter(), 0
    while (took := time.perf_counter() - began) < seconds:
        ledger.claim(names(prefix, BATCH), uuid.uuid4().hex)
        batches += 1
    return batches / took


def _work(url: str, seconds: float, gate: Any, results: Any) -> None:
    ledger = open_ledger(url)
    ledger.renew()
    gate.wait()
    results.put(rate(ledger, seconds, uuid.uuid4().hex))
    ledger.close()


def rate_of_processes(url: str, processes: int, seconds: float) -> float:
    """Return the batches that so many processes claim in a second, together."""
    context = multiprocessing.get_context("spawn")
    gate, results = context.Barrier(processes), context.Queue()
    children = [
        context.Process(target=_work, args=(url, seconds, gate, results)) for _ in range(processes)
    ]
    for child in children:
        child.start()
    total = sum(results.get() for _ in children)
    for child in children:
        child.join()
    return float(total)


def print_rates(kind: str, url: str | None, sizes: Sequence[int], seconds: float) -> None:
    ledger = MemoryLedger() if url is None else open_ledger(url)
    for size in sizes:
        fill(ledger, size)
        alone = rate(ledger, seconds)
        together = "" if url is None else f"{rate_of_processes(url, 8, seconds):12,.0f}"
        print(f"{kind:8}{size:12,}{alone:12,.0f}{together}", flush=True)
    ledger.close()


def stored(url: str) -> int:
    """Return the bytes that the storage of a ledger takes."""
    if url.startswith("sqlite:///"):
        return Path(url.removeprefix("sqlite:///")).stat().st_size
    client: Any = redis.Redis.from_url(url)
    return int(client.info("memory")["used_memory"])


def print_bytes(kind: str, url: str, claims: int) -> None:
    """Print the bytes that a claim of an offline name takes."""
    ledger, source = open_ledger(f"{url}?namespace=bytes"), OfflineNames(seed=1)
    ledger.renew()
    before = stored(url)
    for _ in range(0, claims, FILLING):
        ledger.claim(source.fetch(FILLING, ()), uuid.uuid4().hex)
    ledger.close()
    print(f"{kind:8}{'bytes of a claim':>22}{(stored(url) - before) / claims:12.0f}", flush=True)


class Timed:
    """A ledger that adds up the seconds that claims take."""

    def __init__(self, ledger: SessionLedger) -> None:
        self._ledger = ledger
        self.seconds = 0.0
        self.closed = threading.Event()

    def close(self) -> None:
        self._ledger.close()
        self.closed.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def claim(self, wanted: Sequence[str], token: str) -> list[str]:
        began = time.perf_counter()
        try:
            return self._ledger.claim(wanted, token)
        finally:
            self.seconds += time.perf_counter() - began


def measured(ledger: Timed, work: Callable[[], object], times: int) -> tuple[float, float]:
    """Return the microseconds of one ``work``, and the claims' seconds in one second of it."""
    before, began = ledger.seconds, time.perf_counter()
    for _ in range(times):
        work()
    took = time.perf_counter() - began
    return took / times * 1e6, (ledger.seconds - before) / took


def print_share(kind: str, ledger: SessionLedger, times: int) -> None:
    timed: Any = Timed(ledger)
    with open_pool(source=NumberedNames(), ledger=timed, prefetch=True, reuse_gap=0) as pool:
        for name in [pool.checkout_name() for _ in range(40)]:
            pool.checkin_name(name)
        while pool.pool_stats().fetching_count:
            time.sleep(0.01)
        cost, share = measured(timed, lambda: pool.checkin_name(pool.checkout_name()), times)
        print(f"{kind:8}{'checkout + checkin':>22}{cost:12.1f}{share:12.1%}")
        cost, share = measured(timed, pool.checkout_name, times // 10)
        print(f"{kind:8}{'checkout only':>22}{cost:12.1f}{share:12.1%}", flush=True)
    timed.closed.wait()


@contextmanager
def places() -> Iterator[dict[str, str | None]]:
    """Yield a URL for each kind of ledger; ``None`` for that in memory."""
    with tempfile.TemporaryDirectory() as folder:
        urls: dict[str, str | None] = {"memory": None, "sqlite": f"sqlite:///{folder}/names.db"}
        server = RedisServer(Path(folder) / "redis") if PROGRAM else None
        if server is not None:
            urls["redis"] = server.url
        try:
            yield urls
        finally:
            if server is not None:
                server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a ledger costs.")
    parser.add_argument("--quick", action="store_true", help="small, to see that it runs")
    quick = parser.parse_args().quick
    sizes = (1000, 10_000) if quick else (1000, 10_000, 100_000, 1_000_000)
    print(f"CPython {sys.version.split()[0]}; batches of {BATCH} names a second\n")
    print(f"{'ledger':8}{'claimed':>12}{'1 process':>12}{'8 processes':>12}")
    with places() as urls:
        for kind, url in urls.items():
            print_rates(kind, url, sizes, 0.1 if quick else 2.0)
        print(f"\n{'ledger':8}{'':>22}{'µs':>12}{'in a claim':>12}")
        for kind, url in urls.items():
            ledger = MemoryLedger() if url is None else open_ledger(f"{url}?namespace=share")
            print_share(kind, ledger, 1000 if quick else 50_000)
    with places() as urls:  # empty ones
        for kind, url in urls.items():
            if url is not None:
                print_bytes(kind, url, sizes[-2])


if __name__ == "__main__":
    main()
