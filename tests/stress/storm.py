"""A storm on a pool: ``python -m tests.stress.storm [--seconds 60] [--threads 16]``.

At a switch interval of one microsecond, threads mix every operation, drop futures, give up in the
very moment of the grant, reset, stop and restart the pool, and are struck by exceptions from
outside; the main thread does the same and forks, while the garbage collector's callback checks
names in from wherever it happens to run. Prints what was counted; exits 0 only if no request went
unanswered, no name was held twice, none was lost, and nothing hangs. It ends at the first fault.

``--without delivery`` or ``--without mending`` takes a guard of the package out first (see
``faults.py``), to see that the storm would find it missing.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import faulthandler
import gc
import logging
import os
import random
import signal
import sys
import threading
import time
import warnings
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
from tests.stress.faults import WITHOUT
from tests.strikes.tracing import HardStrike, Strike
from tests.support import strike, switching_often

PATIENCE = 10.0
"""Seconds without an answer after which a request counts as unanswered."""


class Storm:
    """One pool after another over one state, and what is known of its names."""

    def __init__(self) -> None:
        self.source = NumberedNames()
        self.state = PoolState()
        self.ref: NamePoolRef = self._start()
        self.stopping = threading.Event()
        self.counts: collections.Counter[str] = collections.Counter()
        self.began = time.monotonic()
        self.seconds = 0.0
        """How long it raged, or until the first fault."""
        self.epoch = 0
        self.held: dict[str, str] = {}
        self.lock = threading.Lock()
        self.garbage: collections.deque[str] = collections.deque()
        self.faults: list[str] = []
        self.agents: dict[int, threading.Thread] = {}
        self.armed: dict[int, threading.Thread] = {}
        """The agents that may be struck, each once until it is armed again."""
        self.gone: collections.deque[int] = collections.deque()
        """The numbers of those that were struck dead, to be replaced."""

    def _start(self) -> NamePoolRef:
        return NamePool.start(source=self.source, state=self.state, reclaim_after=None)

    def fault(self, text: str) -> None:
        """Note a fault; the first ends the storm."""
        if not self.faults:
            self.seconds = time.monotonic() - self.began
        self.faults.append(text)
        self.stopping.set()

    # -- what the threads do ----------------------------------------------------------------

    def checkout(self, owner: str) -> None:
        """Hold a name for a moment and see that nobody else does."""
        self._hold_one(owner, PATIENCE)

    def give_up(self, owner: str) -> None:
        """Wait for a name as long as it takes to grant one, give or take a little."""
        try:
            self._hold_one(owner, random.choice((0.0, 1e-5, 1e-4, 1e-3)) * random.random())
        except pykka.Timeout:
            self.counts["gave up"] += 1

    def _hold_one(self, owner: str, timeout: float) -> None:
        epoch = self.epoch
        name = self.ref.ask(CheckoutName(PATIENCE, owner), timeout=timeout)
        key = name_key(name)
        with self.lock:
            if epoch != self.epoch:
                return  # reset since: the name may be anybody's now
            if key in self.held:
                self.fault(f"{name} held by {self.held[key]} and {owner}")
            self.held[key] = owner
        if timeout < PATIENCE:
            time.sleep(random.random() * 1e-3)  # as long as it takes to see a name go home
        with self.lock:
            if epoch != self.epoch:
                return
            self.held.pop(key, None)
        was_mine = self.ref.ask(CheckinName(name, owner), timeout=PATIENCE)
        if not was_mine and epoch == self.epoch:
            self.fault(f"{name}, granted to {owner}, had gone home meanwhile")

    def named(self, owner: str) -> None:
        with owner_scope(owner), PoolHandle(self.ref).named(timeout=PATIENCE):
            pass

    def by_handle(self, owner: str) -> None:
        pool = PoolHandle(self.ref)
        for _ in range(10):
            pool.checkin_name(pool.checkout_name(PATIENCE, owner=owner), owner=owner)

    def proxy(self, owner: str) -> None:
        proxy = self.ref.proxy()
        future = proxy.checkout_name(owner=owner)
        proxy.checkin_name(future.get(timeout=PATIENCE), owner=owner).get(timeout=PATIENCE)

    def drop(self, owner: str) -> None:
        self.ref.ask(CheckoutName(PATIENCE, owner), block=False)

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
            self.fault(f"lost names: {stats}")

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
            self.fault("a pool did not die")
        self.ref = self._start()

    def fork(self) -> None:
        """Have a child see at once that the pool is elsewhere; it dies of SIGALRM if it hangs."""
        if not hasattr(os, "fork"):
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that other threads are running
            child = os.fork()
        if child == 0:
            signal.alarm(5)
            try:
                self.ref.ask(CheckoutName(PATIENCE, "child"), timeout=PATIENCE)
            except pykka.ActorDeadError:
                os._exit(0)
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if status:
            self.fault(f"a forked child ended with status {status}")

    def loop(self) -> None:
        """Check out and in on the main thread."""
        for _ in range(20):
            self.checkout("main")
            self.named("main")
            self.give_up("main")

    # -- the storm --------------------------------------------------------------------------

    def agent(self, number: int) -> None:
        """Act until the end; one with an odd number is struck now and then."""
        owner = f"agent {number}"
        while True:
            try:
                if number % 2:
                    self.armed[number] = threading.current_thread()
                self.act(owner, may_await=not number % 2)
                self._disarm(number)
                return
            except Strike:
                self._let_go(owner)
            except HardStrike:
                self._let_go(owner)
                self.gone.append(number)
                return

    def act(self, owner: str, may_await: bool) -> None:
        common: list[Callable[[str], None]] = [
            *[self.checkout] * 6,
            *[self.give_up] * 3,
            *[self.by_handle] * 3,
            *[self.named, self.proxy, self.drop, self.share, self.stats],
            self.leave_to_the_collector,
        ]
        while not self.stopping.is_set():
            # The event loop of a thread that is struck would be left behind as it is.
            rarely = may_await and random.random() < 0.002
            act = self.awaited if rarely else random.choice(common)
            try:
                act(owner)
                self.counts[act.__name__] += 1
            except Strike:
                raise
            except pykka.ActorDeadError:
                self.counts["pool was dead"] += 1
                self._let_go(owner)
                time.sleep(0.001)  # and leave the machine to who starts the next
            except Exception as error:
                self.fault(f"{act.__name__}: {error!r}")

    def _let_go(self, owner: str) -> None:
        with self.lock:
            self.held = {k: o for k, o in self.held.items() if o != owner}

    def _disarm(self, number: int) -> None:
        """See that no strike hits this thread any more: if one is on its way, it comes here."""
        end = time.monotonic() + 1.0  # unless it vanished in a finaliser
        while number % 2 and self.armed.pop(number, None) is None and time.monotonic() < end:
            pass

    def strikes(self) -> None:
        """Strike one agent after another, wherever it is; replace those that die of it."""
        while not self.stopping.is_set():
            self._replace()
            time.sleep(0.0002)
            try:
                _, thread = self.armed.popitem()
            except KeyError:
                continue
            strike(thread, random.choice((Strike, HardStrike)))
            self.counts["strikes"] += 1

    def rage(self, seconds: float, threads: int) -> None:
        """Run for so long; the main thread resets, restarts, forks, collects and asks as well."""
        self.gone.extend(range(threads))
        striker = threading.Thread(target=self.strikes, daemon=True)
        striker.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.faults:
            self._round()
        self.stopping.set()
        striker.join()
        for number, thread in self.agents.items():
            thread.join(2 * PATIENCE if not self.faults else 0.1)
            if thread.is_alive():
                self.fault(f"agent {number} hangs")

    def _replace(self) -> None:
        while self.gone:
            number = self.gone.popleft()
            # Daemons: where a guard was taken out, some may hang for ever.
            agent = threading.Thread(target=self.agent, args=(number,), daemon=True)
            self.agents[number] = agent
            agent.start()

    def _round(self) -> None:
        for act in (self.reset, self.restart, gc.collect, self.fork, *[self.loop] * 4):
            try:
                act()
            except pykka.ActorDeadError:
                self._let_go("main")
            except Exception as error:
                self.fault(f"the main thread: {error!r}")
                return
        self.counts["rounds of reset and restart"] += 1

    def settle(self) -> None:
        """See that every name is known, and either available or held by somebody who may."""
        while self.garbage:
            self.ref.ask(CheckinName(self.garbage.popleft(), "collector"), timeout=PATIENCE)
        gc.collect()
        for _ in range(1000):
            stats = self.ref.ask(PoolStatsRequest(), timeout=PATIENCE)
        self.stats("the end")
        leases = {n: [*held[1]] for n, held in self.state.leases.items() if "Shared" not in n}
        silent = [name for name, speakers in leases.items() if not speakers]
        if silent:  # only the shared names are left without a speaker on purpose
            self.fault(f"{len(silent)} names checked out by nobody: {silent[:5]}")
        if len(leases) > self.counts["strikes"]:  # each may hit one that has a name in its hand
            self.fault(f"{len(leases)} names are still checked out: {leases}")
        if stats.waiting_count:
            self.fault(f"{stats.waiting_count} wait for ever")
        self.ref.stop(timeout=PATIENCE)


def run(seconds: float, threads: int) -> Storm:
    """Rage and settle at a switch interval of one microsecond; return what was seen."""
    storm = Storm()
    hook = sys.unraisablehook

    def vanished(unraisable: Any) -> None:
        if issubclass(unraisable.exc_type, Strike | HardStrike):
            storm.counts["strikes on finalisers"] += 1
        else:
            hook(unraisable)

    logging.disable(logging.CRITICAL)  # the pool warns of what is done on purpose
    gc.callbacks.append(storm.collect)
    sys.unraisablehook = vanished
    try:
        with switching_often():
            storm.rage(seconds, threads)
        gc.callbacks.remove(storm.collect)
        if not storm.faults:
            storm.seconds = time.monotonic() - storm.began
            storm.settle()
    finally:
        sys.unraisablehook = hook
        logging.disable(logging.NOTSET)
    return storm


def main() -> int:
    parser = argparse.ArgumentParser(description="Storm a pool and count the damage.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=16)
    parser.add_argument("--without", choices=sorted(WITHOUT), help="a guard to take out first")
    args = parser.parse_args()
    faulthandler.dump_traceback_later(args.seconds + 10 * PATIENCE, exit=True)
    if args.without:
        WITHOUT[args.without]()
    storm = run(args.seconds, args.threads)
    for what, count in storm.counts.most_common():
        print(f"{count:10,}  {what}")
    for fault in storm.faults[:20]:
        print("FAULT", fault)
    print(
        f"{len(storm.faults)} faults in {storm.seconds:.1f} s: "
        "unanswered, held twice, lost or hanging"
    )
    return 1 if storm.faults else 0


if __name__ == "__main__":
    sys.exit(main())
