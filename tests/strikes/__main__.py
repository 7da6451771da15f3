"""Strike every operation at every place: ``python -m tests.strikes [--every N]``.

Prints, for each operation, how many strikes there were and how many did harm; exits 0 if none did.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Iterator

from namepool.ledgers import MemoryLedger
from tests.strikes import operations as o
from tests.strikes import scene as s
from tests.strikes.scene import NOBODY, QueuingPool, Scene
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
            # What a log call raises is printed: see ``actors.logs``.
            has_vanished = not came_out and not place.endswith(" quietly")
            harm = "the strike vanished" if has_vanished else harm_done()
            if harm is not None:
                count.harm.append(f"{place}, {kind.__name__}: {harm}")
        k += every


def strike_pool(
    scene: Scene, name: str, every: int, harm_done: Callable[[set[str]], str | None] | None = None
) -> Count:
    """Strike one operation of a pool; who speaks as whom is seen on the thread that was struck."""
    operation, is_new = o.EVERY[name], name in o.OPERATIONS_OF_A_NEWCOMER
    may_be_silent = is_new or name in o.THAT_SILENCE_THE_CALLER

    def strike(k: int, struck: Callable[[], object], kind: type[BaseException]) -> Place:
        place = strike_at(k, struck, kind)
        scene.listen()
        return place

    def harm() -> str | None:
        speakers = (NOBODY if may_be_silent else set()) | (set() if is_new else {scene.mine})
        return s.harm_done(scene, speakers) if harm_done is None else harm_done(speakers)

    return strike_everywhere(
        name,
        lambda: operation(scene),
        before=scene.refresh,
        harm_done=harm,
        every=every,
        strike=(lambda *args: on_thread(lambda: strike(*args))) if is_new else strike,
    )


POOLS: dict[str, Callable[[], Scene]] = {
    "alone": lambda: Scene(supervised=False),
    "supervised": lambda: Scene(supervised=True),
    "queuing": lambda: Scene(supervised=False, pool_class=QueuingPool),
    "claimed": lambda: Scene(supervised=False, ledger=MemoryLedger()),
}
OPERATIONS = {
    **dict.fromkeys(POOLS, o.COMMON),
    "supervised": {**o.COMMON, **o.OPERATIONS_OF_A_SUPERVISOR},
    "claimed": o.OPERATIONS_OF_A_LEDGER,
}


def all_counts(pool: str, every: int) -> Iterator[Count]:
    """Strike all operations of one pool, on this thread."""
    scene = POOLS[pool]()
    for name in OPERATIONS[pool]:
        yield strike_pool(scene, name, every)
    scene.stop()


def everything(every: int, report: Callable[[str, Count], None]) -> None:
    """Strike everything, on a worker and on this thread, in each kind of pool."""

    def run(place: str) -> None:
        for pool in POOLS:
            for count in all_counts(pool, every):
                report(f"{place}, {pool}", count)
        for name, operation in o.STARTS.items():
            count = strike_everywhere(
                name, operation, before=s.stop_all, harm_done=s.none_left, every=every
            )
            s.stop_all()
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
