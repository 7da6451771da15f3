"""Strikes on whoever gives a name back while somebody waits for one: that one gets it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from namepool import (
    AsyncPoolHandle,
    CheckinLease,
    CheckinName,
    CheckoutLease,
    CheckoutName,
    CheckoutTimeout,
    DissociateName,
    NamePool,
    PoolHandle,
)
from namepool.pool import messages as m
from tests.mirror import StillReader
from tests.strikes.__main__ import strike_everywhere
from tests.strikes.operations import run_task
from tests.strikes.scene import QueuingPool, inconsistencies, turn_of
from tests.support import PATIENCE, on_thread

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


class Three:
    """Has three names, and no more until it is over."""

    def __init__(self) -> None:
        self.names = ["Ada", "Bea", "Cleo"]
        self.over = threading.Event()

    def fetch(self, count: int, used: Sequence[str]) -> list[str]:
        names, self.names = self.names, []
        if not names:
            self.over.wait()
        return names


class Full:
    """A pool whose three names are out, and somebody who waits for one."""

    def __init__(self, pool_class: type[NamePool], is_observed: bool) -> None:
        self.source = Three()
        self.ref: Any = pool_class.start(source=self.source, chunk_size=3)
        self.pool = PoolHandle(self.ref)
        if is_observed:
            self.ref.ask(m.Subscribe(StillReader()))
        self.waiter: Any = None
        self.mine: Any = None
        """What the caller holds, and is to give back."""

    def prepare(self, take: Callable[[Full], Any]) -> None:
        """Have the caller hold one name, and two bystanders the others."""
        self.waiter = None
        self.mine = None
        for lease in self.pool.leases():
            self.pool.checkin_name(lease.name)
        self.mine = take(self)
        while self.pool.pool_stats().available_count:
            self.pool.checkout_name(owner="bystander")
        self.waiter = self.ref.ask(CheckoutName(None, owner="waiter"), block=False)
        assert self.pool.pool_stats(timeout=5).waiting_count == 1

    def harm_done(self) -> str | None:
        """Return what is wrong after a strike, or ``None``."""
        stats = self.pool.pool_stats(timeout=5)  # its own thread answers: after what was signalled
        problems = [*inconsistencies(self.ref)]
        if stats.restart_count:
            problems.append("the pool died of it")
        with turn_of(self.ref):
            stock = self.ref.state.stocks[None]
            if stock.names and stock.waiters:
                problems.append(f"{[*stock.names]} lie there, and somebody waits")
            if len(stock.waiters) != (not self.waiter.is_resolved()):
                problems.append(f"{len(stock.waiters)} wait")
        return "; ".join(problems) or None

    def stop(self) -> None:
        self.waiter = None
        self.ref.stop()
        self.source.over.set()


def a_name(full: Full) -> str:
    return full.pool.checkout_name()


def another_s_name(full: Full) -> str:
    return full.pool.checkout_name(owner="another")


def a_lease(full: Full) -> Any:
    return full.ref.ask(CheckoutLease())


def a_block(full: Full) -> Any:
    block = full.pool.named()
    block.__enter__()
    return block


def a_block_of_a_lent_name(full: Full) -> Any:
    name = full.pool.checkout_name()
    full.pool.checkin_name(name)
    block = full.pool.speaking_as(name)
    block.__enter__()
    return block


def a_generator(full: Full) -> Any:
    @full.pool.named()
    def agent() -> Iterator[None]:
        yield

    steps = agent()
    next(steps)
    return steps


def _leave(full: Full) -> None:
    full.mine.__exit__(None, None, None)


def _leave_in_a_task(full: Full) -> None:
    run_task(lambda: full.mine.__aexit__(None, None, None))


def _in_a_task(full: Full) -> None:
    run_task(lambda: _awaited(full))


async def _awaited(full: Full) -> None:
    await AsyncPoolHandle(full.pool).checkin_name(full.mine)


def _wait_in_vain(full: Full) -> None:
    try:
        full.pool.checkout_name(0.0)
    except CheckoutTimeout:
        pass


def _wait_in_vain_in_a_block(full: Full) -> None:
    with full.pool.named(0.0, default=True):
        pass


WAYS: dict[str, tuple[Callable[[Full], Any], Callable[[Full], Any]]] = {
    "handle.checkin_name": (a_name, lambda f: f.pool.checkin_name(f.mine)),
    "handle.checkin_name, another's": (
        another_s_name,
        lambda f: f.pool.checkin_name(f.mine, owner="another"),
    ),
    "handle.checkin_name, by another": (
        a_name,
        lambda f: f.pool.checkin_name(f.mine, owner="another"),
    ),
    "ref.ask": (a_name, lambda f: f.ref.ask(CheckinName(f.mine))),
    "ref.ask, lease": (a_lease, lambda f: f.ref.ask(CheckinLease(f.mine))),
    "ref.ask, future": (a_name, lambda f: f.ref.ask(CheckinName(f.mine), block=False).get()),
    "ref.tell": (a_name, lambda f: f.ref.tell(CheckinName(f.mine))),
    "proxy": (a_name, lambda f: f.ref.proxy().checkin_name(f.mine).get()),
    "named": (a_block, _leave),
    "named, async": (a_block, _leave_in_a_task),
    "speaking_as": (a_block_of_a_lent_name, _leave),
    "decorated generator": (a_generator, lambda f: f.mine.close()),
    "async handle": (a_name, _in_a_task),
    "dissociate": (a_name, lambda f: f.ref.ask(DissociateName(f.mine))),
    "checkout in vain": (a_name, _wait_in_vain),
    "block in vain": (a_name, _wait_in_vain_in_a_block),
}


@pytest.mark.parametrize("every", [29, pytest.param(1, marks=pytest.mark.proof)])
@pytest.mark.parametrize("is_observed", [False, True], ids=["plain", "observed"])
@pytest.mark.parametrize("pool_class", [NamePool, QueuingPool])
def test_who_waits_gets_the_name_that_a_struck_caller_gives_back(
    pool_class: type[NamePool], is_observed: bool, every: int
) -> None:
    harm: list[str] = []

    def strike(full: Full) -> None:
        for name, (take, give_back) in WAYS.items():
            count = strike_everywhere(
                name,
                lambda: give_back(full),  # noqa: B023
                before=lambda: full.prepare(take),  # noqa: B023
                harm_done=full.harm_done,
                every=every,
            )
            assert count.strikes > 0
            harm.extend(f"{name}: {one}" for one in count.harm)

    full = Full(pool_class, is_observed)
    try:
        on_thread(lambda: strike(full), 9 * PATIENCE)
    finally:
        full.stop()
    assert harm == []


class PoorReader(StillReader):
    """Lacks memory when it is woken the next time."""

    is_poor = False

    def wake(self) -> None:
        if self.is_poor:
            self.is_poor = False
            raise MemoryError


def test_who_waits_gets_a_name_that_came_home_when_memory_was_lacking() -> None:
    full, reader = Full(QueuingPool, is_observed=False), PoorReader()
    full.ref.ask(m.Subscribe(reader))
    full.prepare(a_name)
    reader.is_woken, reader.is_poor = False, True

    with pytest.raises(MemoryError):
        full.pool.checkin_name(full.mine)

    assert full.waiter.get(timeout=PATIENCE) == full.mine
    full.stop()
