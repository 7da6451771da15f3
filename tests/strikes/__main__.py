"""Strike every operation at every place: ``python -m tests.strikes [--every N]``.

Prints, for each operation, how many strikes there were and how many did harm; exits 0 if none did.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Iterator

from tests.strikes import operations as o
from tests.strikes.tracing import HardStrike, Strike, strike_at
from tests.support import on_thread

KINDS = (Strike, HardStrike, KeyboardInterrupt, MemoryError, RecursionError)
"""Some have ways of their own: asyncio with KeyboardInterrupt, ``except RuntimeError``."""

Place = tuple[str | None, bool]


class Count:
    """Strikes of one operation, and those that did harm, with where."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.strikes = 0
        self.harm: list[str] = []


def at_a_newcomer(k: int, operation: Callable[[], object], kind: type[BaseException]) -> Place:
    """Strike on a new thread."""
    return on_thread(lambda: strike_at(k, operation, kind))


def strike_everywhere(
    name: str,
    operation: Callable[[], object],
    *,
    before: Callable[[], object],
    harm_done: Callable[[], str | None],
    every: int,
    strike: Callable[[int, Callable[[], object], type[BaseException]], Place] = strike_at,
) -> Count:
    """Strike at each ``every``-th place, one after another, until the operation ends before it.

    Each place with each kind of exception; if not at each place, then with one kind at each.
    """
    count = Count(name)
    k = 0
    while True:
        for kind in KINDS if every == 1 else (KINDS[k // every % len(KINDS)],):
            before()
            place, came_out = strike(k, operation, kind)
            if place is None:
                return count
            count.strikes += 1
            harm = harm_done() if came_out else "the strike vanished"
            if harm is not None:
                count.harm.append(f"{place}, {kind.__name__}: {harm}")
        k += every


def strike_pool(scene: o.Scene, name: str, every: int) -> Count:
    """Strike one operation of a pool."""
    operation = o.EVERY[name]
    return strike_everywhere(
        name,
        lambda: operation(scene),
        before=scene.refresh,
        harm_done=lambda: o.harm_done(scene),
        every=every,
        strike=at_a_newcomer if name in o.OPERATIONS_OF_A_NEWCOMER else strike_at,
    )


def all_counts(supervised: bool, every: int) -> Iterator[Count]:
    """Strike all operations of one pool, on this thread."""
    scene = o.Scene(supervised)
    for name in o.EVERY:
        if supervised or name not in o.OPERATIONS_OF_A_SUPERVISOR:
            yield strike_pool(scene, name, every)
    scene.stop()


def everything(every: int, report: Callable[[str, Count], None]) -> None:
    """Strike everything, on a worker and on this thread, supervised and not."""

    def run(place: str) -> None:
        for supervised in (False, True):
            for count in all_counts(supervised, every):
                report(f"{place}, {'supervised' if supervised else 'alone'}", count)
        for name, operation in o.STARTS.items():
            count = strike_everywhere(
                name, operation, before=o.stop_all, harm_done=o.none_left, every=every
            )
            o.stop_all()
            report(place, count)

    run("this thread")
    on_thread(lambda: run("a worker"), patience=None)


def main() -> int:
    parser = argparse.ArgumentParser(description="Strike every operation at every place.")
    parser.add_argument("--every", type=int, default=1, help="strike at each N-th place only")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    total = Count("all")
    began = time.monotonic()

    def report(where: str, count: Count) -> None:
        total.strikes += count.strikes
        total.harm += count.harm
        print(f"{where:26}{count.name:36}{count.strikes:6}{len(count.harm):6}", flush=True)
        for harm in count.harm[:5]:
            print("    ", harm[:200])

    everything(args.every, report)
    seconds = time.monotonic() - began
    print(f"{total.strikes} strikes, {len(total.harm)} of them did harm, in {seconds:.0f} s")
    return 1 if total.harm else 0


if __name__ == "__main__":
    sys.exit(main())
