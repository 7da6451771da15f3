"""What is done to the pool in a storm, by its agents and by the main thread, and what is noted."""

from __future__ import annotations

import asyncio
import collections
import itertools
import os
import random
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pykka

from namepool import (
    DEFAULT_NAME,
    AssociateName,
    CheckinName,
    CheckoutName,
    DissociateName,
    GetNameByOwner,
    NamePool,
    NamePoolRef,
    PoolHandle,
    PoolState,
    PoolStatsRequest,
    Reset,
    WouldDeadlock,
    name_key,
    owner_scope,
)
from namepool.actors.latch import under
from namepool.speaking import chain, name_of_caller
from tests.support import HAS_GIL, Crews

PATIENCE = 10.0
"""Seconds without an answer after which a request counts as unanswered."""


_numbers = itertools.count()


def _theme() -> str | None:
    """Return one that may be asked for; most ask for none."""
    return random.choice((None, None, None, "sea", "kitchen"))


class Operations:
    """One pool after another over one state, and what is known of its names."""

    def __init__(self) -> None:
        self.source = Crews()
        self.state = PoolState()
        self.ref: NamePoolRef = self._start()
        self.stopping = threading.Event()
        self.counts: collections.Counter[str] = collections.Counter()
        self.began = time.monotonic()
        self.seconds = 0.0
        """How long it raged, or until the first fault."""
        self.epoch = 0
        """Counts the beginnings and the ends of resets: odd while one is under way."""
        self.held: dict[str, str] = {}
        self.lock = threading.RLock()
        self.garbage: collections.deque[str] = collections.deque()
        self.faults: list[str] = []

    def _start(self) -> NamePoolRef:
        return NamePool.start(source=self.source, state=self.state, reclaim_after=None)

    def fault(self, text: str) -> None:
        """Note a fault; the first ends the storm."""
        if not self.faults:
            self.seconds = time.monotonic() - self.began
        self.faults.append(text)
        self.stopping.set()

    def let_go(self, owner: str) -> None:
        """Note that ``owner`` has lost track of what it held."""
        under(self.lock, self._let_go, owner)

    def _let_go(self, owner: str) -> None:
        self.held = {k: o for k, o in self.held.items() if o != owner}

    # -- what the threads do ----------------------------------------------------------------

    def checkout(self, owner: str) -> None:
        """Hold a name for a moment and see that nobody else does."""
        self.hold_one(owner, PATIENCE)

    def give_up(self, owner: str) -> None:
        """Wait for a name as long as it takes to grant one, give or take a little."""
        try:
            self.hold_one(owner, random.choice((0.0, 1e-5, 1e-4, 1e-3)) * random.random())
        except pykka.Timeout:
            self.counts["gave up"] += 1

    def hold_one(self, owner: str, timeout: float) -> None:
        epoch = self.epoch
        name = self.ref.ask(CheckoutName(PATIENCE, owner, _theme()), timeout=timeout)
        key = name_key(name)
        if not under(self.lock, self._hold, key, owner, epoch):
            return  # reset since: the name may be anybody's now
        if timeout < PATIENCE:
            time.sleep(random.random() * 1e-3)  # as long as it takes to see a name go home
        if not under(self.lock, self._release, key, epoch):
            return
        was_mine = self.ref.ask(CheckinName(name, owner), timeout=PATIENCE)
        if not was_mine and self._is_as_in(epoch):
            self.fault(f"{name}, granted to {owner}, had gone home meanwhile")

    def _hold(self, key: str, owner: str, epoch: int) -> bool:
        if not self._is_as_in(epoch):
            return False
        if key in self.held:
            self.fault(f"{key} held by {self.held[key]} and {owner}")
        self.held[key] = owner
        return True

    def _release(self, key: str, epoch: int) -> bool:
        if not self._is_as_in(epoch):
            return False
        self.held.pop(key, None)
        return True

    def _is_as_in(self, epoch: int) -> bool:
        """Tell whether no reset began since, and none was under way then."""
        return epoch == self.epoch and epoch % 2 == 0

    def named(self, owner: str) -> None:
        with owner_scope(owner), PoolHandle(self.ref).named(PATIENCE, theme=_theme()):
            pass

    def blocks(self, owner: str) -> None:
        """Speak under names of one's own, and a lent one, and as nobody."""
        epoch, pool = self.epoch, PoolHandle(self.ref)
        with pool.named(PATIENCE, default=True) as outer:
            self.expect(outer, epoch)
            with pool.named(PATIENCE, theme=_theme()) as inner, pool.speaking_as(outer):
                self.expect(outer, epoch)
                with pool.unnamed():
                    self.expect(DEFAULT_NAME, epoch)
            with pool.speaking_as(f"Lent {next(_numbers)}") as lent, pool.speaking_as(lent):
                self.expect(lent, epoch)
            self.expect(outer, epoch)
        self.expect(DEFAULT_NAME, epoch)
        self.counts["blocks of different names"] += inner != outer

    def generator(self, owner: str) -> None:
        """Iterate over an agent, as whom only that speaks."""
        epoch, pool = self.epoch, PoolHandle(self.ref)

        @pool.named(PATIENCE)
        def agent() -> Iterator[None]:
            for _ in range(2):
                lease: Any = chain.get()
                self.expect(lease.name, epoch)
                yield

        for _ in agent():
            self.expect(DEFAULT_NAME, epoch)

    def expect(self, name: str, epoch: int) -> None:
        """See that the caller speaks under ``name``, unless it may have been taken away since.

        A reset takes every name away. A shared name comes into stock when the agent that brought
        it up is struck; then a block may hold it, and lose it to an agent that takes it over.
        """
        speaker = PoolHandle(self.ref).speaker()
        if speaker != name and self._is_as_in(epoch) and not name.startswith("Shared"):
            self.fault(f"who is {name} speaks as {speaker}")

    def fall_silent(self, owner: str) -> None:
        """See that a thread that was struck is nobody, as soon as a pool has dealt with it."""
        end = time.monotonic() + PATIENCE
        while (name := name_of_caller(self.state)) is not None:
            if time.monotonic() > end:
                self.fault(f"{owner} speaks as {name} after it was struck")
                return
            try:
                self.ref.ask(PoolStatsRequest(), timeout=PATIENCE)
            except pykka.ActorDeadError:
                time.sleep(0.001)

    def by_handle(self, owner: str) -> None:
        pool = PoolHandle(self.ref)
        for _ in range(10):
            pool.checkin_name(pool.checkout_name(PATIENCE, owner=owner), owner=owner)

    def proxy(self, owner: str) -> None:
        proxy = self.ref.proxy()
        future = proxy.checkout_name(owner=owner)
        proxy.checkin_name(future.get(timeout=PATIENCE), owner=owner).get(timeout=PATIENCE)

    def drop(self, owner: str) -> None:
        self.ref.ask(CheckoutName(PATIENCE, owner, _theme()), block=False)

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
        if not hasattr(os, "fork") or not HAS_GIL:
            return  # without a GIL CPython itself may hang in the child, in a call of C
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
        """Check out and in on the main thread, which must not wait for ever."""
        for _ in range(20):
            self.checkout("main")
            self.give_up("main")
