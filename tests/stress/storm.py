"""A storm on a pool: ``python -m tests.stress.storm [--seconds 60] [--threads 16]``.

At a switch interval of one microsecond, threads mix every operation, drop futures, give up in the
very moment of the grant, reset, stop and restart the pool, and are struck by exceptions from
outside; the main thread does the same and forks, while the garbage collector's callback checks
names in from wherever it happens to run. Prints what was counted; exits 0 only if no request went
unanswered, no name was held twice, none was lost, and nothing hangs. It ends at the first fault.

``--without way-out`` or ``--without mending`` takes a guard of the package out first (see
``faults.py``), to see that the storm would find it missing.
"""

from __future__ import annotations

import argparse
import collections
import faulthandler
import gc
import logging
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pykka

from namepool import CheckinName, PoolStatsRequest
from namepool.core.leases import speaking_owners
from tests.stress.faults import WITHOUT
from tests.stress.operations import PATIENCE, Operations
from tests.strikes.scene import inconsistencies
from tests.strikes.tracing import HardStrike, Strike
from tests.support import strike, switching_often


class Storm(Operations):
    """The agents, of whom some are struck, and the main thread."""

    def __init__(self) -> None:
        super().__init__()
        self.agents: dict[int, threading.Thread] = {}
        self.armed: dict[int, threading.Thread] = {}
        """The agents that may be struck, each once until it is armed again."""
        self.gone: collections.deque[int] = collections.deque()
        """The numbers of those that were struck dead, to be replaced."""

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
                is_gone = False
            except HardStrike:
                is_gone = True
            self.let_go(owner)
            self.fall_silent(owner)
            if is_gone:
                self.gone.append(number)
                return

    def act(self, owner: str, may_await: bool) -> None:
        common: list[Callable[[str], None]] = [
            *[self.checkout] * 6,
            *[self.give_up] * 3,
            *[self.by_handle] * 3,
            *[self.named, self.proxy, self.drop, self.share, self.stats],
            *[self.blocks, self.generator, self.leave_to_the_collector],
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
                self.let_go(owner)
                time.sleep(0.001)  # and leave the machine to who starts the next
            except Exception as error:
                self.fault(f"{act.__name__}: {error!r}")

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
            # Behind a fault: longer than ``_disarm`` waits for a strike that has vanished.
            thread.join(2 * PATIENCE if not self.faults else 2.0)
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
        once: list[Callable[[], object]] = [self.reset, self.restart, gc.collect, self.fork]
        for act in (*once, *[self.loop] * 4):
            try:
                act()
            except pykka.ActorDeadError:
                self.let_go("main")
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
        leases = {
            name: speaking_owners(lease)
            for name, lease in self.state.leases.items()
            if "Shared" not in name
        }
        silent = [name for name, owners in leases.items() if not owners]
        if silent:  # only the shared names are left without a speaker on purpose
            self.fault(f"{len(silent)} names checked out by nobody: {silent[:5]}")
        if len(leases) > self.counts["strikes"]:  # each may hit one that has a name in its hand
            self.fault(f"{len(leases)} names are still checked out: {leases}")
        if stats.waiting_count:
            self.fault(f"{stats.waiting_count} wait for ever")
        for what in inconsistencies(self.ref):
            self.fault(what)
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
    sys.stdout.flush()
    if storm.faults:
        os._exit(1)  # without waiting for what hangs
    return 0


if __name__ == "__main__":
    sys.exit(main())
