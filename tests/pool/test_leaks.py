"""Who holds what, since when and from where; and who has held it for too long."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pykka._envelope import Envelope

import namepool
from namepool import (
    AssociateName,
    CheckinName,
    CheckoutName,
    InvalidOption,
    LeasesRequest,
    NamePool,
    NumberedNames,
    PoolHandle,
    current_owner,
)
from namepool.actors import Reply
from namepool.actors.inbox import Inbox
from tests.pool.test_service import crash
from tests.support import (
    PATIENCE,
    GatedSource,
    MovableClock,
    on_thread,
    wait_until,
)


class Watched:
    """A pool that calls a lease a leak after 10 seconds by a clock that the test moves."""

    def __init__(self, clock: MovableClock, source: Any = None, **options: Any) -> None:
        self.clock = clock
        source = source or NumberedNames()
        self.ref: Any = NamePool.start(source=source, leak_after=10.0, **options)
        clock.drive(self.ref)
        self.pool = PoolHandle(self.ref)

    def advance(self, seconds: float) -> None:
        """Let time pass, and the pool's thread do what is due."""
        self.clock.advance(seconds)
        for _ in range(3):  # a timer that is due goes before what is queued
            self.ref.ask(LeasesRequest())


@pytest.fixture
def watched(clock: MovableClock) -> Iterator[Watched]:
    watched = Watched(clock)
    watched.pool.checkin_name(watched.pool.checkout_name())  # there are names
    yield watched
    watched.ref.stop()


def here(offset: int) -> str:
    """Return the line that is ``offset`` lines below the caller's."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return f"{__file__}:{frame.f_back.f_lineno + offset}"


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert {record.levelno for record in caplog.records} <= {logging.WARNING}
    return [record.getMessage() for record in caplog.records]


# -- what is known of a lease -------------------------------------------------------------------


def test_leases_say_who_holds_what_since_when_and_from_where(watched: Watched) -> None:
    line = here(1)
    name = watched.pool.checkout_name()
    watched.pool.associate_name(name, owner="worker")
    watched.advance(4.0)

    (lease,) = watched.pool.leases()

    assert (lease.name, lease.owner, lease.where) == (name, current_owner(), line)
    assert lease.speakers == (current_owner(), "worker")
    assert lease.held_seconds == 4.0
    assert lease.since is not None
    assert datetime.now().astimezone() - lease.since < timedelta(seconds=4.0 + PATIENCE)


def test_the_oldest_lease_comes_first(watched: Watched) -> None:
    first, second = watched.pool.checkout_name(), watched.pool.checkout_name()
    watched.pool.checkin_name(first)
    third = watched.pool.checkout_name()

    assert [lease.name for lease in watched.pool.leases()] == [second, third]


def test_a_pool_that_keeps_nothing_says_who_holds_what() -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        name = pool.checkout_name()
        pool.associate_name(name, owner="worker")
        me = current_owner()

        (lease,) = pool.leases()

        assert (lease.name, lease.owner, lease.speakers) == (name, me, (me, "worker"))
        assert (lease.since, lease.held_seconds, lease.where) == (None, None, None)


def test_a_lease_from_before_a_subscription_is_known_by_its_owner_only() -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        pool.checkout_name(owner="before")
        with pool.subscribe(lambda _: None):
            pool.checkout_name(owner="since")
            before, since = pool.leases()

        assert (before.owner, before.held_seconds) == ("before", None)
        assert since.owner == "since"
        assert since.held_seconds is not None
        assert since.where is None


def test_the_line_is_the_programs_own_however_it_asks(watched: Watched) -> None:
    ref, pool = watched.ref, watched.pool
    lines = [here(n) for n in range(1, 6)]
    ref.ask(CheckoutName())
    ref.ask(CheckoutName(), block=False).get()
    ref.proxy().checkout_name().get()
    pool.associate_name("Grace Hopper")
    with pool.named():
        assert [lease.where for lease in pool.leases()] == lines


def test_the_line_is_known_of_who_had_to_wait(clock: MovableClock) -> None:
    source = GatedSource()
    watched = Watched(clock, source)
    asked: list[str] = []

    def agent() -> None:
        asked.append(here(1))
        watched.pool.checkout_name()

    thread = threading.Thread(target=agent)
    thread.start()
    source.wait_asked()
    source.gate.set()
    thread.join(PATIENCE)

    assert [lease.where for lease in watched.pool.leases()] == asked


def test_the_line_is_not_that_of_whose_check_in_made_it_possible(clock: MovableClock) -> None:
    source = GatedSource(is_open=True)
    watched = Watched(clock, source, reuse_gap=0)  # else the name would rest until the fetch fails
    ref, pool = watched.ref, watched.pool
    first = pool.checkout_name()
    source.gate.clear()
    while pool.pool_stats().available_count:
        pool.checkout_name()
    with ref.actor_inbox.turn:  # so that the pool's own thread has all of it to do
        futures: list[Any] = []
        on_thread(partial(_ask_for_a_name, ref, futures))
        on_thread(partial(ref.ask, CheckinName(first), block=False))
    assert futures[0].get(timeout=PATIENCE) == first
    source.gate.set()

    assert pool.leases()[-1].where == _ASKED


def test_the_line_is_known_of_one_that_the_pools_thread_served(watched: Watched) -> None:
    futures: list[Any] = []
    turn = watched.ref.actor_inbox.turn

    def ask_while_it_is_busy() -> str:
        with turn:
            on_thread(partial(_ask_for_a_name, watched.ref, futures))
        return str(futures[0].get(timeout=PATIENCE))

    name = on_thread(ask_while_it_is_busy)

    (lease,) = watched.pool.leases()
    assert (lease.name, lease.where) == (name, _ASKED)


_ASKED = here(4)


def _ask_for_a_name(ref: Any, futures: list[Any]) -> None:
    futures.append(ref.ask(CheckoutName(), block=False))


def test_a_line_is_looked_for_only_if_leaks_are() -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        name = pool.checkout_name()
        assert pool._access.state.leases[name].seen is None


def test_what_is_known_survives_a_restart() -> None:
    with namepool.open_pool(source=NumberedNames(), leak_after=100.0) as pool:
        line = here(1)
        name = pool.checkout_name()
        crash(pool)

        (lease,) = pool.leases()
        assert (lease.name, lease.where) == (name, line)
        assert lease.held_seconds is not None


# -- leaks --------------------------------------------------------------------------------------


def test_a_name_that_is_held_too_long_is_called_a_leak_once(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    line = here(1)
    name = watched.pool.checkout_name(owner="o")
    watched.advance(9.9)
    assert warnings(caplog) == []

    watched.advance(0.1)
    watched.advance(100.0)

    assert warnings(caplog) == [
        f"'{name}' may have leaked: 'o' has held it for 10.0 s, checked out at {line}"
    ]


def test_each_lease_is_called_a_leak_in_its_own_time(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    names = []
    for _ in range(3):
        names.append(watched.pool.checkout_name())
        watched.advance(1.0)
    watched.pool.checkin_name(names[1])
    watched.advance(7.0)
    assert [text.split("'")[1] for text in warnings(caplog)] == names[:1]

    watched.advance(2.0)

    assert [text.split("'")[1] for text in warnings(caplog)] == [names[0], names[2]]


@pytest.mark.parametrize("is_busy", [False, True])
def test_a_leak_that_ends_is_said_to_be_none(
    watched: Watched, caplog: pytest.LogCaptureFixture, is_busy: bool
) -> None:
    line = here(1)
    name = watched.pool.checkout_name(owner="o")
    watched.advance(12.0)
    caplog.clear()
    if is_busy:
        with watched.ref.actor_inbox.turn:
            on_thread(partial(watched.ref.ask, CheckinName(name, "o"), block=False))
    else:
        watched.pool.checkin_name(name, owner="o")
    wait_until(lambda: bool(caplog.records), watched.ref)

    assert warnings(caplog) == [f"'{name}' was returned after all, after 12.0 s: {line}"]


def test_a_name_that_was_given_back_in_time_is_never_spoken_of(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        name = watched.pool.checkout_name()
        watched.advance(6.0)
        watched.pool.checkin_name(name)
    watched.advance(60.0)

    assert warnings(caplog) == []


def test_an_associated_name_can_leak_too(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    line = here(1)
    watched.ref.ask(AssociateName("Grace Hopper", owner="o"))
    watched.advance(10.0)

    assert warnings(caplog) == [
        f"'Grace Hopper' may have leaked: 'o' has held it for 10.0 s, checked out at {line}"
    ]


def test_a_leak_whose_line_nobody_saw_is_one_too(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    reply = Reply[str]()  # as it is of one that waits while there is no pool
    watched.ref.actor_inbox.put(Envelope(CheckoutName(owner="o"), reply_to=reply))
    name = reply.get(timeout=PATIENCE)
    watched.advance(10.0)

    assert warnings(caplog) == [
        f"'{name}' may have leaked: 'o' has held it for 10.0 s, "
        "checked out at a place that is not known"
    ]


def test_a_restart_neither_forgets_a_leak_nor_repeats_it(
    clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    with namepool.open_pool(source=NumberedNames(), leak_after=10.0) as pool:
        handle: Any = pool._target
        clock.drive(handle.current)
        said, quiet = pool.checkout_name(), ""
        clock.advance(5.0)
        quiet = pool.checkout_name()
        clock.advance(5.0)
        wait_until(lambda: said in caplog.text, handle)
        crash(pool)
        clock.drive(handle.current)
        clock.advance(60.0)
        wait_until(lambda: quiet in caplog.text, handle)

    leaks = [record.getMessage() for record in caplog.records if "leaked" in record.getMessage()]
    assert [text.split("'")[1] for text in leaks] == [said, quiet]


def test_what_was_held_before_a_restart_counts(
    clock: MovableClock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Inbox.__init__, "__defaults__", (clock,))  # also of the next incarnation
    with namepool.open_pool(source=NumberedNames(), leak_after=10.0) as pool:
        handle: Any = pool._target
        held = pool.checkout_name()
        clock.advance(8.0)
        crash(pool)
        clock.drive(handle.current)
        clock.advance(2.5)
        wait_until(lambda: f"'{held}' may have leaked" in caplog.text, handle)


def test_a_pool_that_holds_nothing_has_no_timer(watched: Watched) -> None:
    watched.advance(20.0)
    timers: Callable[[], int] = lambda: len(watched.ref.actor_inbox._timers)  # noqa: E731
    at_rest = timers()

    watched.pool.checkout_name()
    watched.pool.checkout_name()
    assert timers() == at_rest + 1


@pytest.mark.parametrize("value", [0, -1, "10", True])
def test_a_leak_after_that_is_no_time_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOption, match="leak_after must be seconds, above 0"):
        NamePool.start(leak_after=value)
