"""Races, at a switch interval of one microsecond and from barriers."""

from __future__ import annotations

import threading
from functools import partial

import pykka
import pytest

from namepool import (
    CheckinLease,
    CheckinName,
    CheckoutLease,
    CheckoutName,
    CheckoutTimeout,
    NamePool,
    NumberedNames,
    PoolHandle,
    PoolStatsRequest,
    owner_scope,
)
from namepool.core.names import name_key
from tests.support import (
    PATIENCE,
    GatedSource,
    ScriptedSource,
    run_together,
    switching_often,
    wait_until,
)


@pytest.mark.parametrize("rounds", [1_000, pytest.param(10_000, marks=pytest.mark.proof)])
def test_timeout_against_grant_loses_no_name(rounds: int) -> None:
    source = ScriptedSource(["Only Olga"])
    ref = NamePool.start(source=source, low_water_mark=0, reuse_gap=0)
    lease = ref.ask(CheckoutLease(owner="holder"), timeout=PATIENCE)
    assert lease.name == "Only Olga"
    # The source never comes back, so that the one name is all there is to wait for.
    held_back = GatedSource()
    actor = ref._actor
    assert actor is not None
    actor._refilling._source = held_back
    actor._fetches._shared.idle.clear()
    start, end = threading.Barrier(2), threading.Barrier(2)
    granted = timed_out = 0

    def give_back() -> None:
        held = lease
        for n in range(rounds):
            start.wait(PATIENCE)
            for _ in range(n % 5):
                ref.ask(PoolStatsRequest())
            ref.ask(CheckinLease(held))
            end.wait(PATIENCE)
            held = ref.ask(CheckoutLease(owner="holder"), timeout=PATIENCE)
            end.wait(PATIENCE)

    def give_up() -> None:
        nonlocal granted, timed_out
        for n in range(rounds):
            request = CheckoutName(timeout=None, owner="waiter")
            start.wait(PATIENCE)
            try:
                name = ref.ask(request, timeout=n % 7 * 3e-5)
                granted += 1
                ref.ask(CheckinName(name, owner="waiter"))
            except pykka.Timeout:
                timed_out += 1
            end.wait(PATIENCE)
            end.wait(PATIENCE)

    with switching_often():
        run_together([give_back, give_up])

    stats = ref.ask(PoolStatsRequest())
    assert granted + timed_out == rounds
    assert (granted > 0, timed_out > 0) == (True, True)
    assert (stats.checked_out_count, stats.all_used_count) == (1, 1)
    held_back.gate.set()


@pytest.mark.parametrize("checkouts", [50, pytest.param(1_000, marks=pytest.mark.proof)])
def test_100_threads_with_many_checkouts_each_never_hold_a_name_twice(checkouts: int) -> None:
    ref = NamePool.start(source=NumberedNames())
    proxy = ref.proxy()
    held: set[str] = set()
    lock = threading.Lock()

    def agent() -> None:
        for _ in range(checkouts):
            name = proxy.checkout_name().get(timeout=PATIENCE)
            with lock:
                assert name_key(name) not in held
                held.add(name_key(name))
            with lock:
                held.remove(name_key(name))
            assert proxy.checkin_name(name).get(timeout=PATIENCE)

    run_together([agent] * 100)

    stats = ref.ask(PoolStatsRequest())
    assert stats.checked_out_count == 0
    assert stats.available_count == stats.all_used_count


def test_agents_that_hold_names_at_once_never_share_one() -> None:
    ref = NamePool.start(source=NumberedNames(), max_fetches=2)
    pool = PoolHandle(ref)
    names: list[str] = []
    holding = threading.Barrier(64)

    def agent() -> None:
        with pool.named(timeout=PATIENCE) as name:
            names.append(name)
            holding.wait(PATIENCE)
            assert pool.speaker() == name

    with switching_often():
        run_together([agent] * 64)

    assert len(set(names)) == 64
    assert pool.pool_stats().checked_out_count == 0


def test_dropped_futures_lose_no_name() -> None:
    ref = NamePool.start(source=NumberedNames())
    proxy = ref.proxy()

    def agent() -> None:
        for n in range(500):
            future = proxy.checkout_name()
            if n % 3 == 0:
                ref.ask(CheckinName(future.get(timeout=PATIENCE)))
            del future

    with switching_often():
        run_together([agent] * 8)

    wait_until(lambda: ref.ask(PoolStatsRequest()).checked_out_count == 0, ref)
    stats = ref.ask(PoolStatsRequest())
    assert stats.available_count == stats.all_used_count


def test_a_reset_during_fetches_and_checkouts_leaves_a_whole_pool() -> None:
    ref = NamePool.start(source=NumberedNames())
    pool = PoolHandle(ref)

    def agent() -> None:
        for _ in range(300):
            name = pool.checkout_name(timeout=PATIENCE)
            pool.checkin_name(name)

    def resetter() -> None:
        for _ in range(300):
            pool.reset()

    with switching_often():
        run_together([agent, agent, agent, resetter])

    stats = pool.pool_stats()
    assert stats.all_used_count == stats.available_count + stats.checked_out_count
    assert stats.waiting_count == 0


def test_stopping_while_requests_arrive_answers_every_one() -> None:
    unanswered = 0
    for _ in range(200):
        ref = NamePool.start(source=NumberedNames())
        futures: list[pykka.Future[str]] = []

        def agent(ref=ref, futures=futures) -> None:  # type: ignore[no-untyped-def]
            for n in range(10):
                with owner_scope(f"agent {n}"):
                    futures.append(ref.ask(CheckoutName(), block=False))

        with switching_often():
            run_together([agent, agent, partial(ref.stop, timeout=PATIENCE)])
        for future in futures:
            try:
                future.get(timeout=PATIENCE)
            except pykka.ActorDeadError:
                pass
            except pykka.Timeout:
                unanswered += 1
    assert unanswered == 0


def test_exclusive_associations_leave_exactly_one_speaker() -> None:
    ref = NamePool.start(source=NumberedNames())
    pool = PoolHandle(ref)
    name = pool.checkout_name()

    def taker(owner: str) -> None:
        for _ in range(500):
            pool.associate_name(name, exclusive=True, owner=owner)

    owners = [f"agent {n}" for n in range(4)]
    with switching_often():
        run_together([partial(taker, owner) for owner in owners])

    assert [pool.get_name_by_owner(owner) for owner in owners].count(name) == 1


def test_a_name_is_never_granted_to_who_gave_up_first() -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    for n in range(200):
        with pytest.raises(CheckoutTimeout):
            ref.ask(CheckoutName(owner=f"impatient {n}"), timeout=0)
    source.gate.set()

    assert ref.ask(CheckoutName(), timeout=PATIENCE) == "Name 1"
