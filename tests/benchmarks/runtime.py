"""What a request costs: ``python -m tests.benchmarks.runtime [--rounds 7] [--quick]``.

Prints microseconds per operation on 1, 8 and 100 worker threads: the least of several rounds, in
each of which every row is measured. Where ``elixir`` is on the machine, a GenServer that does the
same (``gen_server.exs``) takes part in each round, and the rows are told as ratios to it, too.
Then: what a pair costs with many names known, and with a subscriber; what the import costs; the
memory of leases and of tasks that wait. Ratios say more than times: machines are noisy.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pykka
from sqlalchemy.pool import QueuePool

from namepool import (
    CheckinName,
    CheckoutName,
    NamePool,
    NumberedNames,
    PoolHandle,
    PoolState,
    owner_scope,
)
from namepool.core.judging import judge

THREADS = (1, 8, 100)
SHARE = 0.15
"""Seconds that an operation is repeated for in a round, by all threads together."""

Work = Callable[[int], object]
"""Does something so many times."""

Costs = dict[str, list[float]]
"""Row → microseconds at each number of threads."""

PAIR, LOOKUP = "GenServer: checkout + checkin", "GenServer: lookup"


# -- what is measured -----------------------------------------------------------------------


def rows(pool: PoolHandle) -> dict[str, Work]:
    """Return the operations of a pool, by the name of the row."""
    return {
        "checkout + checkin by handle": partial(_pairs, pool),
        "checkout + checkin by ask": partial(_asked, pool._target),
        "with named(): pass": partial(_blocks, pool),
        "lookup by owner, by handle": partial(_lookups, pool),
        "speaker(): own": partial(_speaking, pool),
        "speaker(): own, in a task": partial(_speaking_in_task, pool),
        "speaker(): inherited by a task": partial(_speaking_for, pool),
    }


def _pairs(pool: PoolHandle, calls: int) -> None:
    checkout, checkin = pool.checkout_name, pool.checkin_name
    for _ in range(calls):
        checkin(checkout())


def _asked(ref: Any, calls: int) -> None:
    ask = ref.ask
    for _ in range(calls):
        ask(CheckinName(ask(CheckoutName())))


def _blocks(pool: PoolHandle, calls: int) -> None:
    named = pool.named
    for _ in range(calls):
        with named():
            pass


def _lookups(pool: PoolHandle, calls: int) -> None:
    look_up, owner = pool.get_name_by_owner, f"owner {threading.get_ident()}"
    with owner_scope(owner), pool.named():
        for _ in range(calls):
            look_up(owner)


def _speaking(pool: PoolHandle, calls: int) -> None:
    speaker = pool.speaker
    with pool.named():
        for _ in range(calls):
            speaker()


def _speaking_in_task(pool: PoolHandle, calls: int) -> None:
    async def agent() -> None:
        _speaking(pool, calls)

    asyncio.run(agent())


def _speaking_for(pool: PoolHandle, calls: int) -> None:
    async def tool() -> None:
        speaker = pool.speaker
        for _ in range(calls):
            speaker()

    async def agent() -> None:
        with pool.named():
            await asyncio.create_task(tool())

    asyncio.run(agent())


# -- what it is held against ----------------------------------------------------------------


class Echo(pykka.ThreadingActor):
    """The least that a stock actor can do."""

    def on_receive(self, message: Any) -> Any:
        return message


class NoConnection:
    """A connection that costs nothing, for the compared pool to hand out."""

    def cursor(self) -> Any:
        return self

    def close(self) -> None:
        pass

    rollback = commit = close


def others() -> dict[str, Work]:
    """Return operations of other makes, by the name of the row."""
    stock, call = Echo.start(), two_hand_offs()
    connections: Any = QueuePool(NoConnection, pool_size=200, reset_on_return=None)  # type: ignore[arg-type]
    return {
        "stock Pykka ask": _repeated(partial(stock.ask, "?")),
        "two hand-offs between threads": _repeated(call),
        "SQLAlchemy QueuePool connect + close": _repeated(lambda: connections.connect().close()),
    }


def _repeated(call: Callable[[], object]) -> Work:
    def work(calls: int) -> None:
        for _ in range(calls):
            call()

    return work


def two_hand_offs() -> Callable[[], object]:
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


def gen_server(calls: int, callers: int) -> tuple[float, float] | None:
    """Return the microseconds of a GenServer's pair and of its lookup; ``None``: no Elixir here."""
    elixir = shutil.which("elixir")
    if elixir is None:
        return None
    script = str(Path(__file__).with_name("gen_server.exs"))
    told = subprocess.run(
        [elixir, script, str(calls), str(callers)], capture_output=True, text=True, check=True
    )
    pair, lookup = map(float, told.stdout.split())
    return pair, lookup


# -- measuring ------------------------------------------------------------------------------


def cost(work: Work, threads: int, calls: int) -> float:
    """Return the microseconds per call when so many threads make ``calls`` calls together."""
    each = max(calls // threads, 1)
    gate = threading.Barrier(threads + 1)

    def caller() -> None:
        gate.wait()
        work(each)

    callers = [threading.Thread(target=caller) for _ in range(threads)]
    for thread in callers:
        thread.start()
    gate.wait()
    began = time.perf_counter()
    for thread in callers:
        thread.join()
    return (time.perf_counter() - began) / (each * threads) * 1e6


def calls_in(work: Work, share: float) -> int:
    """Return how many calls take ``share`` seconds."""
    work(100)
    return max(int(share * 1e6 / cost(work, 1, 1000)), max(THREADS))


def measured(works: dict[str, Work], rounds: int, share: float) -> Costs:
    """Return the least cost of each row, measured in turn, and of the GenServer's."""
    least: Costs = {}
    calls = {row: calls_in(work, share) for row, work in works.items()}

    def note(row: str, at: int, found: float) -> None:
        cells = least.setdefault(row, [float("inf")] * len(THREADS))
        cells[at] = min(cells[at], found)

    for _ in range(rounds):
        for at, threads in enumerate(THREADS):
            for row, work in works.items():
                note(row, at, cost(work, threads, calls[row]))
            if (theirs := gen_server(int(share * 1e6), threads)) is not None:
                note(PAIR, at, theirs[0])
                note(LOOKUP, at, theirs[1])
    return least


def least_cost(pool: PoolHandle, rounds: int, share: float) -> float:
    """Return the least cost of a checkout and its check-in by handle, on one thread."""
    work = partial(_pairs, pool)
    calls = calls_in(work, share)
    return min(cost(work, 1, calls) for _ in range(rounds))


# -- what is printed ------------------------------------------------------------------------


def print_costs(costs: Costs) -> None:
    """Print the table, and the ratios to the GenServer."""
    heads = "".join(f"{n:>9}" for n in THREADS)
    print(f"{'µs per operation at … threads':40}{heads}{'8 ÷ 1':>9}{'100 ÷ 1':>9}")
    for row, cells in costs.items():
        grown = "".join(f"{cell / cells[0]:9.2f}" for cell in cells[1:])
        print(f"{row:40}" + "".join(f"{cell:9.2f}" for cell in cells) + grown)
    if PAIR not in costs:
        print("\nno GenServer to hold it against: install elixir")
        return
    print(f"\n{'÷ GenServer, at … threads':40}{heads}")
    for row, base in {
        "checkout + checkin by handle": PAIR,
        "checkout + checkin by ask": PAIR,
        "with named(): pass": PAIR,
        "lookup by owner, by handle": LOOKUP,
    }.items():
        pairs = zip(costs[row], costs[base], strict=True)
        print(f"{row:40}" + "".join(f"{ours / theirs:9.2f}" for ours, theirs in pairs))


def print_ratios(rounds: int, share: float, most_known: int) -> None:
    """Print the cost of a pair with many names known, with ``leak_after``, with a subscriber."""
    bare, few = (least_cost(pool, rounds, share) for pool in (_pool(), _knowing(1000)))
    many, warned, read = _knowing(most_known), _pool(leak_after=1000.0), _pool()
    print(f"\n{'checkout + checkin by handle':40}{'µs':>9}{'ratio':>9}")
    for row, pool, base in (
        (f"{most_known:,} known names ÷ 1,000", many, few),
        ("with leak_after ÷ without", warned, bare),
        ("with one subscriber ÷ without", read, bare),  # last: its thread goes on for a while
    ):
        if pool is read:
            pool.subscribe(lambda _: None)
        found = least_cost(pool, rounds, share)
        print(f"{row:40}{found:9.2f}{found / base:9.2f}", flush=True)


def _pool(**options: Any) -> PoolHandle:
    source = NumberedNames()
    return PoolHandle(NamePool.start(source=source, chunk_size=400, **options))


def _knowing(names: int) -> PoolHandle:
    state = PoolState()
    state.admit(judge(f"Name {n}" for n in range(names)))
    return _pool(state=state)


def print_import_time(rounds: int) -> None:
    """Print the time that imports add to the start of an interpreter."""
    # As after an install: with the compiled files that pip leaves.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def seconds(code: str) -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)
        return time.perf_counter() - began

    codes = ("pass", "import pykka", "import namepool")
    seconds(codes[-1])
    found = [[seconds(code) for code in codes] for _ in range(3 * rounds)]
    bare, pykkas, ours = (min(column) for column in zip(*found, strict=True))
    print(f"\nimport namepool: {(ours - bare) * 1e3:.0f} ms more than an empty program, ", end="")
    print(f"of which Pykka has {(pykkas - bare) * 1e3:.0f}")


MEMORY = """
import asyncio, resource, sys, threading
from pathlib import Path
from namepool.core.judging import judge
from namepool import AsyncPoolHandle, NamePool, NumberedNames, PoolHandle, PoolState

def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024

count, state = int(sys.argv[1]), PoolState()
state.admit(judge(f"Name {n}" for n in range(2 * count)))
pool = PoolHandle(NamePool.start(source=NumberedNames(), low_water_mark=0, state=state))
pool.checkin_name(pool.checkout_name())
before = resident()
held = [pool.checkout_name(owner=f"agent {n}") for n in range(count)]
leases = resident() - before

class Nothing:
    def fetch(self, count, used):
        gate.wait()
        return []

async def main():
    empty = AsyncPoolHandle(PoolHandle(NamePool.start(source=Nothing(), fetch_timeout=1000.0)))
    async def agent():
        await empty.checkout_name(timeout=None)
    tasks = [asyncio.create_task(agent())]
    while not (await empty.pool_stats()).waiting_count:
        pass
    before = resident()
    tasks += [asyncio.create_task(agent()) for _ in range(count)]
    while (await empty.pool_stats()).waiting_count <= count:
        pass
    print(leases * 1000 / count, (resident() - before) * 1000 / count)
    gate.set()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

gate = threading.Event()
asyncio.run(main())
"""


def print_memory(count: int) -> None:
    """Print the resident memory of leases, and of tasks that wait for a name; on Linux."""
    if not Path("/proc/self/statm").exists():
        return
    told = subprocess.run(
        [sys.executable, "-c", MEMORY, str(count)], capture_output=True, text=True, check=True
    )
    leases, waiting = map(float, told.stdout.split())
    print(f"resident: {leases:.0f} kB per 1,000 leases, {waiting:.0f} kB per 1,000 tasks that wait")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what a request costs.")
    parser.add_argument("--rounds", type=int, default=7, help="rounds; the least cost counts")
    parser.add_argument("--quick", action="store_true", help="short rounds, to see that it runs")
    args = parser.parse_args()
    share = 0.005 if args.quick else SHARE
    version, load = sys.version.split()[0], os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(
        f"CPython {version}{'' if has_gil else ', no GIL'}, load {load:.1f}; {args.rounds} rounds\n"
    )
    print_costs(measured({**rows(_pool()), **others()}, args.rounds, share))
    print_ratios(args.rounds, share, 10**4 if args.quick else 10**6)
    print_import_time(args.rounds)
    print_memory(1000 if args.quick else 20_000)
    pykka.ActorRegistry.stop_all()


if __name__ == "__main__":
    main()
