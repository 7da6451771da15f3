"""What a request costs: ``python -m tests.benchmarks.runtime [--rounds 5] [--quick]``.

Prints microseconds per operation, the median of several rounds, with the callers on 1 to 100 worker
threads; then what the main thread and an event loop pay, how the cost grows with the names known,
bytes per known name, and the import time.
Ratios say more than times: machines are noisy.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import queue
import statistics
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import pykka
from sqlalchemy.pool import QueuePool

from namepool import (
    CheckinName,
    CheckoutName,
    GetNameByOwner,
    NamePool,
    NumberedNames,
    PoolHandle,
    PoolState,
)

THREADS = (1, 2, 8, 32, 100)
SHARE = 0.15  # seconds that one round of one cell should take

Operation = Callable[[], object]


class Echo(pykka.ThreadingActor):
    """The least that a stock actor can do."""

    def on_receive(self, message: Any) -> Any:
        return message


class NoConnection:
    """What the compared pool hands out: nothing that costs anything."""

    def cursor(self) -> Any:
        return self

    def close(self) -> None:
        pass

    rollback = commit = close


def two_hand_offs() -> Operation:
    """Return a call that another thread answers: the floor for any actor with a thread."""
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def answer() -> None:
        while True:
            requests.get().release()

    threading.Thread(target=answer, daemon=True).start()

    def call() -> None:
        done = threading.Lock()
        done.acquire()
        requests.put(done)
        done.acquire()

    return call


def operations() -> dict[str, Operation]:
    """Return what is measured, by the name of its row."""
    ref = NamePool.start(source=NumberedNames(), chunk_size=400, max_chunk_size=400)
    proxy, handle, ask = ref.proxy(), PoolHandle(ref), ref.ask
    stock = Echo.start()
    connections: Any = QueuePool(NoConnection, pool_size=200, reset_on_return=None)  # type: ignore[arg-type]
    lookup = GetNameByOwner("somebody")
    return {
        "stock Pykka ask": partial(stock.ask, "?"),
        "two hand-offs between threads": two_hand_offs(),
        "SQLAlchemy QueuePool connect + close": lambda: connections.connect().close(),
        "lookup by message": lambda: ask(lookup),
        "lookup in the published view": handle.speaker,
        "checkout + checkin by ask": lambda: ask(CheckinName(ask(CheckoutName()))),
        "checkout + checkin by proxy future": (
            lambda: proxy.checkin_name(proxy.checkout_name().get()).get()
        ),
        "checkout + checkin by PoolHandle": lambda: handle.checkin_name(handle.checkout_name()),
    }


def cost(operation: Operation, threads: int, calls: int) -> float:
    """Return the seconds per call when ``threads`` threads make ``calls`` calls each."""
    start = threading.Barrier(threads + 1)
    end = threading.Barrier(threads + 1)

    def caller() -> None:
        operation()
        start.wait()
        for _ in range(calls):
            operation()
        end.wait()

    callers = [threading.Thread(target=caller) for _ in range(threads)]
    for thread in callers:
        thread.start()
    start.wait()
    began = time.perf_counter()
    end.wait()
    took = time.perf_counter() - began
    for thread in callers:
        thread.join()
    return took / (threads * calls)


def median_cost(operation: Operation, threads: int, rounds: int, share: float) -> float:
    """Return the median of several rounds, each long enough to be measured."""
    trial = cost(operation, threads, 20)
    calls = max(20, int(share / (trial * threads)))
    return statistics.median(cost(operation, threads, calls) for _ in range(rounds))


def print_costs(rounds: int, share: float) -> None:
    print(f"{'µs per operation at … threads':40}" + "".join(f"{n:>9}" for n in THREADS))
    measured: dict[str, list[float]] = {}
    for row, operation in operations().items():
        cells = [median_cost(operation, n, rounds, share) * 1e6 for n in THREADS]
        measured[row] = cells
        print(f"{row:40}" + "".join(f"{cell:9.2f}" for cell in cells), flush=True)
    stock, ours = measured["stock Pykka ask"], measured["lookup by message"]
    ratios = [a / b for a, b in zip(stock, ours, strict=True)]
    print(f"{'stock Pykka ask / lookup by message':40}" + "".join(f"{r:8.0f}×" for r in ratios))


async def awaited(calls: int, operation: Callable[[], Any]) -> float:
    """Return the seconds per call that a running task takes for ``calls`` calls."""
    result = operation()
    is_awaitable = hasattr(result, "__await__")
    if is_awaitable:
        await result
    began = time.perf_counter()
    if is_awaitable:
        for _ in range(calls):
            await operation()
    else:
        for _ in range(calls):
            operation()
    return (time.perf_counter() - began) / calls


def called(calls: int, operation: Operation) -> float:
    """Return the seconds per call that this thread takes for ``calls`` calls."""
    operation()
    began = time.perf_counter()
    for _ in range(calls):
        operation()
    return (time.perf_counter() - began) / calls


def on_a_worker(measure: Callable[[], float]) -> float:
    """Measure on a thread of its own."""
    found: list[float] = []
    thread = threading.Thread(target=lambda: found.append(measure()))
    thread.start()
    thread.join()
    return found[0]


def ratio(a: Callable[[], float], b: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Return the median of ``a`` in seconds, and of a ÷ b, measured in turn."""
    pairs = [(a(), b()) for _ in range(rounds)]
    return statistics.median(x for x, _ in pairs), statistics.median(x / y for x, y in pairs)


def print_places(rounds: int, share: float) -> None:
    """Print what the main thread and an event loop pay, as ratios within one run."""
    ref = NamePool.start(source=NumberedNames(), chunk_size=400, max_chunk_size=400)
    proxy, handle, ask = ref.proxy(), PoolHandle(ref), ref.ask
    calls = max(int(share / 3e-6), 50)

    async def both() -> None:
        await proxy.checkin_name(await proxy.checkout_name())

    by_ask = partial(called, calls, lambda: ask(CheckinName(ask(CheckoutName()))))
    by_handle = partial(called, calls, lambda: handle.checkin_name(handle.checkout_name()))
    futures = partial(called, calls, lambda: proxy.checkin_name(proxy.checkout_name().get()).get())
    thread_speaker = partial(called, calls, handle.speaker)

    def in_a_task(operation: Callable[[], Any]) -> float:
        return asyncio.run(awaited(calls, operation))

    rows: dict[str, tuple[Callable[[], float], Callable[[], float]]] = {
        "by ask: main thread ÷ worker": (by_ask, partial(on_a_worker, by_ask)),
        "by handle: main thread ÷ worker": (by_handle, partial(on_a_worker, by_handle)),
        "awaited: loop on main thread ÷ worker": (
            partial(in_a_task, both),
            lambda: on_a_worker(lambda: in_a_task(both)),
        ),
        "awaited ÷ proxy futures with get": (partial(in_a_task, both), futures),
        "speaker of a task ÷ of a thread": (partial(in_a_task, handle.speaker), thread_speaker),
    }
    print(f"\n{'checkout + checkin':40}{'µs':>9}{'ratio':>8}")
    for row, (a, b) in rows.items():
        took, times = ratio(a, b, rounds)
        print(f"{row:40}{took * 1e6:9.2f}{times:7.2f}×", flush=True)
    ref.stop()


def print_growth(rounds: int) -> None:
    """Print how checkout + checkin grows with the names known."""
    print(f"\n{'names known':>12}{'µs':>9}{'ratio':>8}{'bytes/name':>12}")
    first = 0.0
    for known in (10**3, 10**5, 10**6):
        gc.collect()
        tracemalloc.start()
        state = PoolState()
        state.admit(f"Name {n}" for n in range(known))
        per_name = tracemalloc.get_traced_memory()[0] / known
        tracemalloc.stop()
        ref = NamePool.start(source=NumberedNames(), state=state)
        ask = ref.ask
        each = median_cost(
            lambda ask=ask: ask(CheckinName(ask(CheckoutName()))),  # type: ignore[misc]
            1,
            rounds,
            0.5,
        )
        ref.stop()
        first = first or each
        print(f"{known:12,}{each * 1e6:9.2f}{each / first:7.2f}×{per_name:12.0f}", flush=True)


def print_import_time(rounds: int) -> None:
    """Print what ``import namepool`` adds to the start of an interpreter."""

    def seconds(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)
        return time.perf_counter() - began

    # As after an install: with the compiled files that pip leaves.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    seconds("import namepool")
    bare = statistics.median(seconds("pass") for _ in range(rounds * 3))
    full = statistics.median(seconds("import namepool") for _ in range(rounds * 3))
    print(f"\nimport namepool: {(full - bare) * 1e3:.0f} ms more than an empty program")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a request costs.")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; the median counts")
    parser.add_argument("--quick", action="store_true", help="short rounds, to see that it runs")
    args = parser.parse_args()
    share = 0.005 if args.quick else SHARE
    print(f"CPython {sys.version.split()[0]}, {args.rounds} rounds, callers on worker threads\n")
    print_costs(args.rounds, share)
    print_places(args.rounds, share)
    if not args.quick:
        print_growth(args.rounds)
    print_import_time(args.rounds)
    pykka.ActorRegistry.stop_all()


if __name__ == "__main__":
    main()
