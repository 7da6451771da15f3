"""A storm on a pool: ``python -m tests.stress.storm [--seconds 60] [--threads 64]``.

At a switch interval of one microsecond, threads mix every operation, drop futures, give up, reset,
stop and restart the pool, while the garbage collector's callback checks names in from wherever it
happens to run, the main thread included. Prints what was counted; exits 0 only if no request went
unanswered, no name was held twice, none was lost, and nothing hangs.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import faulthandler
import gc
import logging
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pykka

from namepool import (
    AssociateName,
    CheckinName,
    CheckoutName,
    DissociateName,
    GetNameByOwner,
    NamePool,
    NamePoolError,
    NamePoolRef,
    NumberedNames,
    PoolHandle,
    PoolState,
    PoolStatsRequest,
    Reset,
    WouldDeadlock,
    name_key,
    owner_scope,
)

PATIENCE = 30.0
"""Seconds without an answer after which a request counts as unanswered."""


class Storm:
    """One pool after another over one state, and what is known of its names."""

    def __init__(self) -> None:
        self.source = NumberedNames()
        self.state = PoolState()
        self.ref: NamePoolRef = self._start()
        self.stopping = threading.Event()
        self.counts: collections.Counter[str] = collections.Counter()
        self.epoch = 0
        self.held: dict[str, str] = {}
        self.lock = threading.Lock()
        self.garbage: collections.deque[str] = collections.deque()
        self.faults: list[str] = []

    def _start(self) -> NamePoolRef:
        return NamePool.start(source=self.source, state=self.state, reclaim_after=None)

    # -- what the threads do ----------------------------------------------------------------

    def checkout(self, owner: str) -> None:
        """Hold a name for a moment and see that nobody else does."""
        epoch = self.epoch
        name = self.ref.ask(CheckoutName(PATIENCE, owner), timeout=PATIENCE)
        key = name_key(name)
        with self.lock:
            if epoch != self.epoch:
                return  # reset since: the name may be anybody's now
            if key in self.held:
                self.faults.append(f"{name} held by {self.held[key]} and {owner}")
            self.held[key] = owner
        with self.lock:
            if epoch != self.epoch:
                return
            del self.held[key]
        self.ref.ask(CheckinName(name, owner), timeout=PATIENCE)

    def named(self, owner: str) -> None:
        with owner_scope(owner), PoolHandle(self.ref).named(timeout=PATIENCE):
            pass

    def proxy(self, owner: str) -> None:
        proxy = self.ref.proxy()
        future = proxy.checkout_name(owner=owner)
        proxy.checkin_name(future.get(timeout=PATIENCE), owner=owner).get(timeout=PATIENCE)

    def drop(self, owner: str) -> None:
        self.ref.ask(CheckoutName(PATIENCE, owner), block=False)

    def give_up(self, owner: str) -> None:
        name = self.ref.ask(CheckoutName(PATIENCE, owner), timeout=0)
        self.ref.ask(CheckinName(name, owner), timeout=PATIENCE)

    def share(self, owner: str) -> None:
        name = f"Shared {random.randrange(5)}"
        self.ref.ask(AssociateName(name, random.random() < 0.3, owner), timeout=PATIENCE)
        self.ref.ask(GetNameByOwner(owner), timeout=PATIENCE)
        self.ref.ask(DissociateName(name, owner), timeout=PATIENCE)

    def leave_to_the_collector(self, owner: str) -> None:
        self.garbage.append(self.ref.ask(CheckoutName(PATIENCE, owner), timeout=PATIENCE))

    def awaited(self, owner: str) -> None:
        async def agent() -> None:
            name = await self.ref.proxy().checkout_name(owner=owner)
            await self.ref.proxy().checkin_name(name, owner=owner)

        asyncio.run(agent())

    def stats(self, owner: str) -> None:
        stats = self.ref.ask(PoolStatsRequest(), timeout=PATIENCE)
        if stats.all_used_count != stats.available_count + stats.checked_out_count:
            self.faults.append(f"lost names: {stats}")

    def collect(self, *_: Any) -> None:
        """The collector's callback: runs wherever it runs, inside the pool's turn too."""
        try:
            name = self.garbage.popleft()
        except IndexError:
            return
        message = CheckinName(name, "collector")
        try:
            if random.random() < 0.5 or threading.current_thread() is threading.main_thread():
                self.ref.tell(message)
            else:
                self.ref.ask(message, timeout=PATIENCE)
        except WouldDeadlock:
            self.counts["refused to wait for itself"] += 1  # the request is queued all the same
        except pykka.ActorDeadError:
            self.garbage.append(name)

    # -- what happens to the pool -----------------------------------------------------------

    def reset(self) -> None:
        with self.lock:
            self.epoch += 1
            self.held.clear()
            self.garbage.clear()
        self.ref.ask(Reset(), timeout=PATIENCE)
        with self.lock:  # what was checked out while it was reset is nobody's for sure
            self.epoch += 1
            self.held.clear()
            self.garbage.clear()

    def restart(self) -> None:
        """Stop or crash the pool, and start the next one over the same state."""
        before = self.ref
        if random.random() < 0.5:
            before.stop(timeout=PATIENCE)
        else:
            before.tell(AssociateName(7, owner="x"))  # type: ignore[arg-type]
        if not before.wait_gone(PATIENCE):
            self.faults.append("a pool did not die")
        self.ref = self._start()

    # -- the storm --------------------------------------------------------------------------

    def agent(self, number: int) -> None:
        common: list[Callable[[str], None]] = [
            *[self.checkout] * 6,
            *[self.named, self.proxy, self.drop, self.give_up, self.share, self.stats],
            self.leave_to_the_collector,
        ]
        owner = f"agent {number}"
        while not self.stopping.is_set():
            act = self.awaited if random.random() < 0.002 else random.choice(common)
            try:
                act(owner)
                self.counts[act.__name__] += 1
            except pykka.ActorDeadError:
                self.counts["pool was dead"] += 1
                with self.lock:
                    self.held = {k: o for k, o in self.held.items() if o != owner}
            except (pykka.Timeout, TimeoutError) as error:
                if act != self.give_up:
                    self.faults.append(f"unanswered: {act.__name__}: {error}")
            except NamePoolError as error:
                self.faults.append(f"{act.__name__}: {error!r}")

    def rage(self, seconds: float, threads: int) -> None:
        """Run for so long; the main thread resets, restarts, collects and asks as well."""
        agents = [threading.Thread(target=self.agent, args=(n,)) for n in range(threads)]
        gc.callbacks.append(self.collect)
        for thread in agents:
            thread.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for act in (self.reset, self.restart, gc.collect, lambda: self.stats("main")):
                try:
                    act()
                except pykka.ActorDeadError:
                    pass
            self.counts["rounds of reset and restart"] += 1
            self.stopping.wait(0.002)
        self.stopping.set()
        for number, thread in enumerate(agents):
            thread.join(2 * PATIENCE)
            if thread.is_alive():
                self.faults.append(f"agent {number} hangs")
        gc.callbacks.remove(self.collect)

    def settle(self) -> None:
        """See that every name is known, and either available or held by somebody who may."""
        while self.garbage:
            self.ref.ask(CheckinName(self.garbage.popleft(), "collector"), timeout=PATIENCE)
        gc.collect()
        for _ in range(1000):
            stats = self.ref.ask(PoolStatsRequest(), timeout=PATIENCE)
        self.stats("the end")
        silent = [name for name, (_, speakers) in self.state.leases.items() if not speakers]
        lost = [name for name in silent if not name.startswith("Shared")]
        if lost:  # only the shared names are left without a speaker on purpose
            self.faults.append(f"{len(lost)} names checked out by nobody: {lost[:5]}")
        if stats.waiting_count:
            self.faults.append(f"{stats.waiting_count} wait for ever")
        self.ref.stop(timeout=PATIENCE)


def run(seconds: float, threads: int) -> Storm:
    """Rage and settle at a switch interval of one microsecond; return what was seen."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    logging.getLogger("namepool").setLevel(logging.CRITICAL)  # it warns of what is done on purpose
    logging.getLogger("pykka").setLevel(logging.CRITICAL)
    storm = Storm()
    try:
        storm.rage(seconds, threads)
        storm.settle()
    finally:
        sys.setswitchinterval(before)
        logging.getLogger("namepool").setLevel(logging.NOTSET)
        logging.getLogger("pykka").setLevel(logging.NOTSET)
    return storm


def main() -> int:
    parser = argparse.ArgumentParser(description="Storm a pool and count the damage.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=64)
    args = parser.parse_args()
    faulthandler.dump_traceback_later(args.seconds + 10 * PATIENCE, exit=True)
    storm = run(args.seconds, args.threads)
    for what, count in storm.counts.most_common():
        print(f"{count:10,}  {what}")
    for fault in storm.faults[:20]:
        print("FAULT", fault)
    print(f"{len(storm.faults)} faults: unanswered, held twice, lost or hanging")
    return 1 if storm.faults else 0


if __name__ == "__main__":
    sys.exit(main())
