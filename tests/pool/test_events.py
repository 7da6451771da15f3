"""``pool.subscribe()``: in order, on a thread of its own, bounded, and nobody is harmed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pykka
import pytest

import namepool
from namepool import (
    CheckoutName,
    CheckoutTimeout,
    InvalidOption,
    NamePool,
    NamesUnavailable,
    NumberedNames,
    PoolHandle,
    PoolState,
    Subscription,
)
from namepool import events as e
from namepool.core.log import KEPT_EVENTS
from tests.mirror import Mirror, kinds, spoken
from tests.pool.test_service import crash
from tests.strikes.tracing import strike_at
from tests.support import (
    PATIENCE,
    GatedSource,
    MovableClock,
    ScriptedSource,
    on_thread,
    run_together,
    wait_until,
)


@pytest.fixture
def pool() -> Iterator[PoolHandle]:
    with namepool.open_pool(source=NumberedNames(), chunk_size=50, reuse_gap=0) as pool:
        pool.checkin_name(pool.checkout_name())  # there are names
        yield pool


def state_of(pool: Any) -> PoolState:
    target = pool._target
    return getattr(target, "current", target)._actor._state  # type: ignore[no-any-return]


class Held:
    """A subscriber that does not return before the test lets it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.got: list[e.PoolEvent] = []

    def __call__(self, event: e.PoolEvent) -> None:
        self.got.append(event)
        self.entered.set()
        assert self.gate.wait(PATIENCE)


def test_what_an_agent_does_is_told_in_its_order(pool: PoolHandle) -> None:
    mirror = Mirror()
    with pool.subscribe(mirror), pool.named() as name:
        pool.associate_name(name, owner="worker")
        pool.dissociate_name(name, owner="worker")

    assert mirror.kinds() == [
        "NameCheckedOut",
        "NameAssociated",
        "NameDissociated",
        "NameCheckedIn",
    ]
    assert {event.name for event in mirror.events} == {name}  # type: ignore[attr-defined]
    assert mirror.events[1].owner == "worker"  # type: ignore[attr-defined]


def test_a_callback_runs_on_one_thread_that_is_neither_the_callers_nor_the_pools(
    pool: PoolHandle,
) -> None:
    threads: list[threading.Thread] = []
    with pool.subscribe(lambda _: threads.append(threading.current_thread())), pool.named():
        pass

    (pools_own,) = [t for t in threading.enumerate() if t.name.startswith("NamePool-")]
    assert len(threads) == 2
    assert len(set(threads)) == 1
    assert threads[0] not in (threading.current_thread(), pools_own)


def test_a_subscription_begins_with_it_and_ends_with_it(pool: PoolHandle) -> None:
    mirror = Mirror()
    before = set(threading.enumerate())
    with pool.named() as name:
        mirror.leases[name] = set()
        subscription = pool.subscribe(mirror)
        assert set(threading.enumerate()) != before
    subscription.close()
    with pool.named():
        pass

    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)  # it has answered, and is about to end
    assert mirror.kinds() == ["NameCheckedIn"]
    assert set(threading.enumerate()) == before
    subscription.close()


def test_a_pool_without_subscribers_is_not_observed(pool: PoolHandle) -> None:
    with pool.subscribe(Mirror()), pool.subscribe(Mirror()):
        assert state_of(pool).observer is not None

    assert state_of(pool).observer is None
    assert state_of(pool).log.readers == ()


def test_who_wants_no_leases_does_not_have_the_pool_observed(pool: PoolHandle) -> None:
    mirror = Mirror()
    with pool.subscribe(mirror, only=(e.PoolReset, e.FetchFailed)):
        assert state_of(pool).observer is None
        pool.reset()
        with pool.named():
            pass

    assert mirror.kinds() == ["PoolReset"]


def test_only_what_is_wanted_is_delivered(pool: PoolHandle) -> None:
    mirror = Mirror()
    with pool.subscribe(mirror, only=e.NameCheckedOut), pool.named(), pool.named():
        pass

    assert mirror.kinds() == ["NameCheckedOut", "NameCheckedOut"]


def test_what_is_no_event_or_no_function_is_refused(pool: PoolHandle) -> None:
    before = set(threading.enumerate())
    bad: list[Any] = [str, (), (e.PoolReset, "PoolReset"), None]
    for only in bad:
        with pytest.raises(InvalidOption, match="only must be a class of namepool.events"):
            pool.subscribe(print, only=only)
    with pytest.raises(InvalidOption, match="callback must be a function of one event"):
        pool.subscribe("print")  # type: ignore[arg-type]

    assert set(threading.enumerate()) == before


# -- the world, and those who wait for it -------------------------------------------------------


def test_a_checkout_that_waits_a_fetch_and_its_chunk_are_told() -> None:
    mirror = Mirror()
    with namepool.open_pool(source=NumberedNames(), low_water_mark=0) as pool:
        with pool.subscribe(mirror):
            name = pool.checkout_name(owner="o")
        by_kind = {type(event): event for event in mirror.events}

        assert mirror.kinds() == [
            "WaitBegan",
            "FetchBegan",
            "NamesFetched",
            "NameCheckedOut",
            "WaitEnded",
        ]
        fetched: Any = by_kind[e.NamesFetched]
        assert (fetched.accepted, fetched.invalid, fetched.duplicate) == (12, 0, 0)
        assert fetched.source == "NumberedNames"
        ended: Any = by_kind[e.WaitEnded]
        assert (ended.owner, ended.outcome) == ("o", "served")
        assert ended.seconds >= fetched.seconds >= 0
        assert mirror.leases == {name: {"o"}}


def test_a_fetch_that_fails_is_told_with_its_error_and_what_it_cost() -> None:
    mirror = Mirror()
    source = ScriptedSource(LookupError("no names today"))
    with (
        namepool.open_pool(source=source) as pool,
        pool.subscribe(mirror),
        pytest.raises(NamesUnavailable),
    ):
        pool.checkout_name()

    assert mirror.kinds() == ["WaitBegan", "FetchBegan", "FetchFailed", "WaitEnded"]
    failed: Any = mirror.events[2]
    assert failed.error == "LookupError: no names today"
    assert failed.retry_in > 0
    assert mirror.events[3].outcome == "unavailable"  # type: ignore[attr-defined]


def test_a_timeout_and_a_withdrawal_are_told(clock: MovableClock) -> None:
    source = GatedSource()
    pool, mirror = PoolHandle(NamePool.start(source=source)), Mirror()
    ref: Any = pool._target
    clock.drive(ref)
    with pool.subscribe(mirror, only=e.WaitEnded):
        timed = ref.ask(CheckoutName(5.0, "late"), block=False)
        source.wait_asked()
        dropped = ref.ask(CheckoutName(50.0, "gone"), block=False)
        wait_until(lambda: pool.pool_stats().waiting_count == 2, ref)
        del dropped
        wait_until(lambda: pool.pool_stats().waiting_count == 1, ref)
        clock.advance(5.0)
        with pytest.raises(CheckoutTimeout):
            timed.get(timeout=PATIENCE)
    source.gate.set()

    ended: list[Any] = [*mirror.events]
    assert [(event.owner, event.outcome) for event in ended] == [
        ("gone", "withdrawn"),
        ("late", "timeout"),
    ]
    assert ended[1].seconds == 5.0


def test_the_theme_that_is_wanted_is_told() -> None:
    mirror = Mirror()
    with namepool.open_pool() as pool, pool.subscribe(mirror):
        name = pool.checkout_name(owner="o", theme="kitchen")

    of_theme = [event for event in mirror.events if getattr(event, "theme", "") == "kitchen"]
    wanted = ["WaitBegan", "FetchBegan", "NamesFetched", "WaitEnded"]
    assert [kind for kind in dict.fromkeys(kinds(of_theme)) if kind in wanted] == wanted
    assert mirror.leases == {name: {"o"}}


def test_a_reset_is_told(pool: PoolHandle) -> None:
    mirror = Mirror()
    with pool.subscribe(mirror):
        pool.checkout_name()
        pool.reset()

    assert mirror.kinds() == ["NameCheckedOut", "PoolReset"]


def test_a_name_that_comes_home_by_itself_is_told_as_reclaimed() -> None:
    mirror = Mirror()
    wanted = (e.NameReclaimed, e.NameDissociated)
    with (
        namepool.open_pool(source=NumberedNames(), chunk_size=1, reclaim_after=0) as pool,
        pool.subscribe(mirror, only=wanted),
    ):
        lost = on_thread(pool.checkout_name)
        while pool.checkout_name() != lost:
            pass

    assert mirror.kinds() == ["NameDissociated", "NameReclaimed"]


# -- restarts, and the end ----------------------------------------------------------------------


def test_a_subscription_survives_a_restart_and_is_told_of_it(pool: PoolHandle) -> None:
    mirror = Mirror()
    with pool.subscribe(mirror):
        kept = pool.checkout_name()
        crash(pool)
        with pool.named():
            pass

    assert mirror.kinds() == ["NameCheckedOut", "PoolRestarted", "NameCheckedOut", "NameCheckedIn"]
    assert mirror.events[1].restarts == 1  # type: ignore[attr-defined]
    assert set(mirror.leases) == {kept}


def test_the_end_of_the_pool_ends_it_when_all_is_delivered() -> None:
    held, before = Held(), set(threading.enumerate())
    with namepool.open_pool(source=NumberedNames(), prefetch=True) as pool:
        subscription = pool.subscribe(held, only=e.LeaseEvent)
        pool.checkout_name()
        pool.checkout_name()
        assert held.entered.wait(PATIENCE)
    held.gate.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()

    assert kinds(held.got) == ["NameCheckedOut", "NameCheckedOut"]
    subscription.close()


def test_a_pool_that_has_ended_is_not_subscribed_to() -> None:
    before = set(threading.enumerate())
    pool = namepool.open_pool(source=NumberedNames())
    pool.close()

    with pytest.raises(pykka.ActorDeadError):
        pool.subscribe(print)

    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_pool_on_its_own_has_subscribers_too() -> None:
    mirror = Mirror()
    ref = NamePool.start(source=NumberedNames())
    PoolHandle(ref).subscribe(mirror, only=e.LeaseEvent)
    dispatcher = next(t for t in threading.enumerate() if t.name.startswith("Dispatcher"))

    ref.ask(CheckoutName())
    ref.stop()
    dispatcher.join(PATIENCE)

    assert mirror.kinds() == ["NameCheckedOut"]


# -- who is bad, and who is not harmed ----------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(3), KeyboardInterrupt()])
def test_one_that_raises_is_told_so_once_and_goes_on(
    pool: PoolHandle, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    mirror, calls = Mirror(), []

    def raising(event: e.PoolEvent) -> None:
        calls.append(event)
        raise error

    with pool.subscribe(raising), pool.subscribe(mirror), pool.named():
        pass

    assert len(calls) == len(mirror.events) == 2
    said = [record for record in caplog.records if "raising" in record.getMessage()]
    assert [record.levelno for record in said] == [logging.WARNING]
    assert type(error).__name__ in said[0].getMessage()


def test_one_that_hangs_keeps_up_neither_the_pool_nor_the_others(pool: PoolHandle) -> None:
    held, mirror = Held(), Mirror()
    slow = pool.subscribe(held)
    with pool.subscribe(mirror):
        for _ in range(100):
            with pool.named():
                pass

    assert len(mirror.events) == 200
    assert held.entered.wait(PATIENCE)
    assert len(held.got) == 1
    held.gate.set()
    slow.close()
    assert held.got == mirror.events


def test_one_that_is_too_slow_loses_the_oldest_and_is_told_so(
    pool: PoolHandle, caplog: pytest.LogCaptureFixture
) -> None:
    held = Held()
    slow = pool.subscribe(held)
    pool.checkin_name(pool.checkout_name())
    assert held.entered.wait(PATIENCE)
    for _ in range(KEPT_EVENTS // 2 + 10):
        pool.checkin_name(pool.checkout_name())
    held.gate.set()
    slow.close(timeout=PATIENCE)

    lost = [event for event in held.got if isinstance(event, e.EventsLost)]
    assert len(held.got) - 1 + sum(event.count for event in lost) == KEPT_EVENTS + 22
    assert slow.lost == sum(event.count for event in lost) > 0
    assert len([r for r in caplog.records if "too slow" in r.getMessage()]) == 1


def test_closing_one_that_hangs_waits_no_longer_than_it_is_told(pool: PoolHandle) -> None:
    held = Held()
    subscription = pool.subscribe(held)
    for _ in range(3):
        pool.checkout_name()
    assert held.entered.wait(PATIENCE)

    subscription.close(timeout=0.01)
    held.gate.set()
    subscription._reading.ref.wait_gone(PATIENCE)

    assert len(held.got) == 1


def test_a_callback_may_use_the_pool_and_end_its_own_subscription(pool: PoolHandle) -> None:
    got: list[str | None] = []
    subscriptions: list[Subscription] = []
    is_done = threading.Event()

    def greet(event: e.NameCheckedOut) -> None:
        got.append(pool.checkout_name(owner="guest"))
        subscriptions[0].close()
        is_done.set()

    subscriptions.append(pool.subscribe(greet, only=e.NameCheckedOut))
    pool.checkout_name()
    pool.checkout_name()

    assert is_done.wait(PATIENCE)
    assert subscriptions[0]._reading.ref.wait_gone(PATIENCE)
    assert got == [pool.get_name_by_owner("guest")]


def test_the_events_of_a_storm_tell_who_holds_what(pool: PoolHandle) -> None:
    mirror = Mirror()

    def agent(number: int) -> None:
        for n in range(60):
            with pool.named() as name:
                pool.associate_name(name, owner=f"helper-{number}")
            if n % 20 == 7:
                pool.checkout_name(owner=f"holder-{number}")

    with pool.subscribe(mirror):
        actions: list[Callable[[], None]] = [partial(agent, n) for n in range(8)]
        run_together([*actions, lambda: crash(pool)])

    assert mirror.leases == spoken(state_of(pool).leases)
    assert len(mirror.leases) == 24
    stats = pool.pool_stats()  # one checkout and its check-in were before
    assert stats.checkout_count - 1 == mirror.kinds().count("NameCheckedOut") == 8 * 63
    assert stats.checkin_count - 1 == mirror.kinds().count("NameCheckedIn") == 8 * 60
    assert "EventsLost" not in mirror.kinds()


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.proof)])
def test_one_that_was_struck_on_its_way_is_subscribed_or_leaves_nothing(
    pool: PoolHandle, every: int
) -> None:
    before = set(threading.enumerate())
    for k in range(0, 10_000, every):
        place, _ = strike_at(k, lambda: pool.subscribe(print, only=e.PoolReset).close())
        if place is None:
            assert k > 100
            return
        pool.pool_stats()  # behind what was asked for
        for reading in state_of(pool).log.readers:  # nobody holds it: it lasts as long as the pool
            Subscription(pool._target, reading).close()  # type: ignore[arg-type]
        for thread in set(threading.enumerate()) - before:
            thread.join(PATIENCE)
            assert not thread.is_alive(), f"{place}: a thread is left"
        assert pool.pool_stats().restart_count == 0, place
