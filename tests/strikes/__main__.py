"""Strike every operation at every place: ``python -m tests.strikes [--every N]``.

Prints, for each operation, how many strikes there were and how many did harm; exits 0 if none did.
"""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pykka

from tests.strikes import operations as o
from tests.strikes.tracing import HardStrike, Strike, strike_at

KINDS = (Strike, HardStrike)


class Count:
    """Strikes of one operation, and those that did harm, with where."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.strikes = 0
        self.harm: list[str] = []


def strike_everywhere(scene: o.Scene, name: str, operation: o.Operation, every: int) -> Count:
    """Strike an operation at each of its places, one after another, on this thread."""
    count = Count(name)
    k = 0
    while True:
        scene.refresh()
        place, came_out = strike_at(k, lambda: operation(scene), KINDS[k % 2])
        if place is None:
            break
        count.strikes += 1
        harm = o.harm_done(scene)
        if not came_out:
            harm = f"the strike vanished; {harm}"
        if harm is not None:
            count.harm.append(f"{place}: {harm}")
        k += every
    scene.refresh()
    return count


def strike_starts(every: int) -> Iterator[Count]:
    """Strike what starts and stops whole pools."""
    for name, operation in (("open_pool", o.open_and_close), ("start, stop", o.start_and_stop)):
        count = Count(name)
        k = 0
        while True:
            place, came_out = strike_at(k, operation, KINDS[k % 2])
            if place is None:
                break
            count.strikes += 1
            harm = o.none_left() if came_out else "the strike vanished"
            if harm is not None:
                count.harm.append(f"{place}: {harm}")
            for ref in pykka.ActorRegistry.get_all():
                ref.stop()
            k += every
        yield count


def all_counts(supervised: bool, every: int) -> Iterator[Count]:
    """Strike all operations of one pool, on this thread."""
    scene = o.Scene(supervised)
    table = {**o.OPERATIONS, **(o.OPERATIONS_OF_A_SUPERVISOR if supervised else {})}
    for name, operation in table.items():
        yield strike_everywhere(scene, name, operation, every)
    scene.stop()


def on_a_worker(function: Callable[[], Any]) -> None:
    """Run on a thread of its own."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def everything(every: int, report: Callable[[str, Count], None]) -> None:
    """Strike everything, on a worker and on this thread, supervised and not."""
    for supervised in (False, True):
        where = "supervised" if supervised else "alone"

        def run(place: str, supervised: bool = supervised, where: str = where) -> None:
            for count in all_counts(supervised, every):
                report(f"{place}, {where}", count)

        run("this thread")
        on_a_worker(lambda run=run: run("a worker"))  # type: ignore[misc]
    for count in strike_starts(every):
        report("this thread", count)


def main() -> int:
    parser = argparse.ArgumentParser(description="Strike every operation at every place.")
    parser.add_argument("--every", type=int, default=1, help="strike at each N-th place only")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    total = Count("all")

    def report(where: str, count: Count) -> None:
        total.strikes += count.strikes
        total.harm += count.harm
        print(f"{where:26}{count.name:36}{count.strikes:6}{len(count.harm):6}", flush=True)
        for harm in count.harm[:5]:
            print("    ", harm[:200])

    everything(args.every, report)
    print(f"{total.strikes} strikes, {len(total.harm)} of them did harm")
    return 1 if total.harm else 0


if __name__ == "__main__":
    sys.exit(main())
