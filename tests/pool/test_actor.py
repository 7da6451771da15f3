"""One test for each promise of the operations, in the ways the pool is used."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import pykka
import pytest

from namepool import (
    DEFAULT_NAME,
    AssociateName,
    CheckinLease,
    CheckinName,
    CheckoutLease,
    CheckoutName,
    CheckoutTimeout,
    DissociateName,
    GetNameByOwner,
    InvalidName,
    InvalidOption,
    InvalidOwner,
    Lease,
    NamePool,
    NamePoolRef,
    NamesUnavailable,
    NumberedNames,
    OwnerRequired,
    PoolHandle,
    PoolState,
    PoolStatsRequest,
    Reset,
    current_owner,
    owner_scope,
)
from namepool.actors.lifecycle import launch
from namepool.actors.reply import Withdrawn
from namepool.core.stock import Stock
from namepool.pool.waiting_list import WaitingList
from tests.support import (
    PATIENCE,
    GatedSource,
    MovableClock,
    ScriptedSource,
    on_thread,
    wait_until,
)


@pytest.fixture
def ref() -> NamePoolRef:
    return NamePool.start(source=NumberedNames())


@pytest.fixture
def pool(ref: NamePoolRef) -> PoolHandle:
    return PoolHandle(ref)


# -- checkout -------------------------------------------------------------------------------


def test_start_without_an_argument_works_offline() -> None:
    name = NamePool.start().proxy().checkout_name().get(timeout=PATIENCE)

    assert name
    assert name != DEFAULT_NAME


def test_a_checkout_binds_the_caller(pool: PoolHandle) -> None:
    name = pool.checkout_name()

    assert pool.get_name_by_owner(threading.current_thread()) == name


def test_a_message_names_its_caller_when_it_is_made_not_when_it_is_sent(ref: NamePoolRef) -> None:
    message = CheckoutName()

    name = on_thread(lambda: ref.ask(message, timeout=PATIENCE))

    assert ref.ask(GetNameByOwner(current_owner())) == name


def test_a_proxy_call_names_the_thread_that_makes_it(ref: NamePoolRef) -> None:
    proxy = ref.proxy()
    name = proxy.checkout_name().get(timeout=PATIENCE)
    other = on_thread(lambda: proxy.checkout_name().get(timeout=PATIENCE))

    assert name != other
    assert proxy.get_name_by_owner().get() == name


def test_a_low_pool_hands_out_at_once_and_fetches_behind() -> None:
    source = GatedSource(is_open=True)
    pool = PoolHandle(NamePool.start(source=source, chunk_size=4, low_water_mark=2))
    pool.checkout_name()
    source.wait_asked()
    source.gate.clear()

    names = [pool.checkout_name() for _ in range(3)]  # the third is served while a fetch hangs

    source.wait_asked()
    assert len(names) == 3
    assert pool.pool_stats().fetching_count == 1
    source.gate.set()


def test_a_low_water_mark_of_zero_fetches_only_when_empty() -> None:
    source = GatedSource(is_open=True)
    pool = PoolHandle(NamePool.start(source=source, chunk_size=3, low_water_mark=0))

    for _ in range(3):
        pool.checkout_name()

    assert source.counts == [3]
    pool.checkout_name()
    assert source.counts == [3, 3]


def test_prefetch_fetches_before_anybody_asks() -> None:
    source = GatedSource(is_open=True)
    NamePool.start(source=source, prefetch=True)

    source.wait_asked()

    assert source.counts == [12]


def test_without_prefetch_nothing_is_fetched_until_somebody_asks(ref: NamePoolRef) -> None:
    assert ref.ask(PoolStatsRequest()).fetch_count == 0


def test_parked_checkouts_are_served_first_come_first_served() -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    futures = [ref.ask(CheckoutName(owner=f"agent {n}"), block=False) for n in range(8)]
    source.gate.set()

    assert [f.get(timeout=PATIENCE) for f in futures] == [f"Name {n}" for n in range(1, 9)]


def test_the_chunk_grows_while_waiters_outnumber_it_and_goes_back() -> None:
    source = GatedSource()
    ref = NamePool.start(source=source, chunk_size=4, max_chunk_size=10, max_fetches=2)
    futures = [ref.ask(CheckoutName(owner=f"agent {n}"), block=False) for n in range(16)]
    wait_until(lambda: ref.ask(PoolStatsRequest()).waiting_count == 16, ref)
    for _ in range(2):
        source.wait_asked()
    source.gate.set()
    for future in futures:
        future.get(timeout=PATIENCE)
    pool = PoolHandle(ref)
    for _ in range(20):
        pool.checkout_name()

    assert source.counts[:2] == [8, 8]
    assert source.counts[-1] == 4


def test_at_most_four_fetches_are_under_way_by_default() -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    futures = [ref.ask(CheckoutName(owner=f"agent {n}"), block=False) for n in range(400)]
    for _ in range(4):
        source.wait_asked()

    assert ref.ask(PoolStatsRequest()).fetching_count == 4
    assert source.counts == [50, 50, 50, 50]
    source.gate.set()
    assert len({future.get(timeout=PATIENCE) for future in futures}) == 400


def test_max_fetches_lets_several_chunks_come_at_once() -> None:
    source = GatedSource()
    ref = NamePool.start(source=source, max_fetches=3, max_chunk_size=12)
    futures = [ref.ask(CheckoutName(owner=f"agent {n}"), block=False) for n in range(40)]
    for _ in range(3):
        source.wait_asked()

    assert len(set(source.threads)) == 3
    source.gate.set()
    assert len({future.get(timeout=PATIENCE) for future in futures}) == 40


def test_a_checkout_by_ask_times_out_with_what_one_must_know() -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)

    with pytest.raises(CheckoutTimeout, match="0 checked out") as caught:
        ref.ask(CheckoutName(), timeout=0.01)

    assert isinstance(caught.value, pykka.Timeout)
    assert isinstance(caught.value, TimeoutError)
    source.gate.set()


def test_a_message_carries_its_own_timeout(clock: MovableClock) -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    clock.drive(ref)
    future = ref.ask(CheckoutName(timeout=7), block=False)
    source.wait_asked()

    clock.advance(7.1)

    with pytest.raises(CheckoutTimeout, match="within 7 s"):
        future.get(timeout=PATIENCE)
    source.gate.set()


def test_a_checkout_without_a_timeout_waits_for_its_name(clock: MovableClock) -> None:
    source = GatedSource()
    ref = NamePool.start(source=source, fetch_timeout=1e6)
    clock.drive(ref)
    future = ref.ask(CheckoutName(timeout=None), block=False)
    clock.advance(1e5)
    source.gate.set()

    assert future.get(timeout=PATIENCE) == "Name 1"


def test_a_timeout_of_zero_takes_a_name_that_is_there_and_does_not_wait_for_one() -> None:
    source = GatedSource()
    pool = PoolHandle(NamePool.start(source=source))
    with pytest.raises(CheckoutTimeout):
        pool.checkout_name(timeout=0)
    source.gate.set()
    pool.checkout_name()

    assert pool.checkout_name(timeout=0)


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf"), "soon", True])
def test_a_timeout_that_is_none_is_refused_where_it_is_given(
    pool: PoolHandle, timeout: Any
) -> None:
    for call in (pool.checkout_name, CheckoutName, CheckoutLease):
        with pytest.raises(InvalidOption, match="timeout must be seconds"):
            call(timeout)

    assert pool.pool_stats().checked_out_count == 0


def test_a_dropped_future_of_a_granted_name_costs_no_name(ref: NamePoolRef) -> None:
    proxy = ref.proxy()
    proxy.checkout_name().get(timeout=PATIENCE)
    dropped = proxy.checkout_name()
    proxy.pool_stats().get(timeout=PATIENCE)

    del dropped

    wait_until(lambda: ref.ask(PoolStatsRequest()).checked_out_count == 1, ref)


def test_a_dropped_future_that_waits_is_noticed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    came_home = threading.Event()
    monkeypatch.setattr(NamePool, "on_signal", lambda self, signalled: came_home.set())
    source = GatedSource()
    ref = NamePool.start(source=source)
    dropped = ref.proxy().checkout_name()
    source.wait_asked()

    del dropped

    assert came_home.wait(PATIENCE)  # though no message follows
    source.gate.set()


def test_a_request_that_is_given_up_while_it_is_parked_costs_no_pool(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    park = WaitingList.park

    def given_up_first(self: WaitingList, stock: Stock, lease: Lease, reply: Any) -> None:
        reply().give_up()
        park(self, stock, lease, reply)

    monkeypatch.setattr(WaitingList, "park", given_up_first)
    source = GatedSource()
    ref = NamePool.start(source=source)
    future = ref.proxy().checkout_name()
    source.wait_asked()

    wait_until(lambda: ref.ask(PoolStatsRequest()).waiting_count == 0, ref)

    with pytest.raises(Withdrawn):
        future.get(timeout=PATIENCE)
    source.gate.set()


def test_a_dropped_future_that_waits_costs_no_name() -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    dropped = ref.proxy().checkout_name()
    source.wait_asked()

    del dropped

    wait_until(lambda: ref.ask(PoolStatsRequest()).waiting_count == 0, ref)
    source.gate.set()
    assert ref.ask(CheckoutName(), timeout=PATIENCE) == "Name 1"


def test_a_future_that_waited_was_granted_and_is_dropped_unread_costs_no_name() -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    dropped = ref.proxy().checkout_name()
    other = ref.ask(CheckoutName(owner="other"), block=False)
    source.gate.set()
    other.get(timeout=PATIENCE)  # so the one before it has been granted too
    assert ref.ask(PoolStatsRequest()).checked_out_count == 2

    del dropped

    wait_until(lambda: ref.ask(PoolStatsRequest()).checked_out_count == 1, ref)


def test_awaiting_again_what_a_timeout_withdrew_does_not_hang() -> None:
    source = GatedSource()
    proxy = NamePool.start(source=source).proxy()

    async def agent() -> None:
        future: Any = proxy.checkout_name()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(future, 0.01)
        with pytest.raises(RuntimeError, match="withdrawn"):
            await future
        with pytest.raises(RuntimeError, match="withdrawn"):
            future.get(timeout=PATIENCE)

    asyncio.run(agent())
    source.gate.set()


def test_a_future_that_timed_out_but_is_still_held_gets_its_name() -> None:
    source = GatedSource()
    future = NamePool.start(source=source).proxy().checkout_name()
    with pytest.raises(CheckoutTimeout):
        future.get(timeout=0.01)

    source.gate.set()

    assert future.get(timeout=PATIENCE) == "Name 1"


def test_await_suspends_the_coroutine_and_not_the_loop() -> None:
    source = GatedSource()
    proxy = NamePool.start(source=source).proxy()

    async def agent() -> tuple[str, str]:
        steps: list[str] = []

        async def other() -> None:
            steps.append("the loop runs")
            source.gate.set()

        waiting = asyncio.ensure_future(proxy.checkout_name())
        await asyncio.gather(other())
        return await waiting, steps[0]

    assert asyncio.run(agent()) == ("Name 1", "the loop runs")


def test_cancelling_the_awaiting_task_withdraws_the_checkout() -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)

    async def agent() -> None:
        async def wait_for_name() -> str:
            return await ref.proxy().checkout_name()

        task = asyncio.create_task(wait_for_name())
        await asyncio.get_running_loop().run_in_executor(None, source.wait_asked)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(agent())
    source.gate.set()
    assert ref.ask(CheckoutName(), timeout=PATIENCE) == "Name 1"


def test_a_plain_actor_proxy_fails_clearly_where_it_lacks_the_owner(ref: NamePoolRef) -> None:
    plain: Any = pykka.ActorProxy(actor_ref=ref)

    for call in (plain.checkout_name, plain.dissociate_name, plain.get_name_by_owner):
        with pytest.raises(OwnerRequired, match="does not say who makes it"):
            call().get(timeout=PATIENCE)
    for call in (plain.checkin_name, plain.associate_name):
        with pytest.raises(OwnerRequired, match="proxy"):
            call("Ada").get(timeout=PATIENCE)
    assert ref.ask(PoolStatsRequest()).checked_out_count == 0


def test_a_plain_actor_proxy_works_where_it_gives_the_owner(ref: NamePoolRef) -> None:
    plain: Any = pykka.ActorProxy(actor_ref=ref)

    name = plain.checkout_name(owner="agent 7").get(timeout=PATIENCE)

    assert plain.get_name_by_owner("agent 7").get(timeout=PATIENCE) == name
    assert plain.dissociate_name(name, owner="agent 7").get(timeout=PATIENCE)
    assert plain.associate_name(name, owner="agent 8").get(timeout=PATIENCE) == name
    assert plain.checkin_name(name, owner="agent 8").get(timeout=PATIENCE)


@pytest.mark.parametrize("owner", ["", "a\nb", "x" * 257, 7, object()])
def test_what_cannot_be_an_owner_is_refused_where_it_is_given(owner: Any) -> None:
    messages: list[Callable[..., object]] = [CheckoutName, GetNameByOwner, DissociateName]
    messages += [CheckoutLease, partial(CheckinName, "Ada"), partial(AssociateName, "Ada")]
    for message in messages:
        with pytest.raises(InvalidOwner):
            message(owner=owner)


def test_a_message_takes_its_owner_in_any_form() -> None:
    thread = threading.current_thread()

    assert GetNameByOwner(thread) == GetNameByOwner(current_owner())
    assert GetNameByOwner().owner == current_owner()


# -- failure --------------------------------------------------------------------------------


def test_after_a_failure_checkouts_fail_at_once_until_the_pause_is_over(
    clock: MovableClock,
) -> None:
    source = ScriptedSource(OSError("first"), OSError("second"), ["Late Lea"])
    ref = NamePool.start(source=source, low_water_mark=0)
    clock.drive(ref)
    pool = PoolHandle(ref)
    for _ in range(5):
        with pytest.raises(NamesUnavailable, match="first.*next try in"):
            pool.checkout_name()
    assert source.calls == 1

    clock.advance(0.51)
    with pytest.raises(NamesUnavailable, match="second"):
        pool.checkout_name()
    clock.advance(0.49)  # the second pause is longer: from 0.5 s to 1 s
    with pytest.raises(NamesUnavailable):
        pool.checkout_name()
    assert source.calls == 2

    clock.advance(0.52)
    assert pool.checkout_name() == "Late Lea"
    assert pool.pool_stats().last_error is None


def test_a_source_that_gives_the_same_names_for_ever_ends_in_a_clear_error() -> None:
    class Stuck:
        calls = 0

        def fetch(self, count: int, used: Sequence[str]) -> list[str]:
            self.calls += 1
            return [f"Same {n}" for n in range(12)]

    source = Stuck()
    pool = PoolHandle(NamePool.start(source=source, low_water_mark=0))
    for _ in range(12):
        pool.checkout_name()

    with pytest.raises(NamesUnavailable, match="no new name"):
        pool.checkout_name()
    assert source.calls == 2


def test_an_endless_answer_is_read_only_so_far() -> None:
    class Endless:
        def fetch(self, count: int, used: Sequence[str]) -> Any:
            return (f"Name {n}" for n in itertools.count())

    pool = PoolHandle(NamePool.start(source=Endless()))

    assert pool.checkout_name(timeout=PATIENCE) == "Name 0"


def test_an_overdue_fetch_is_abandoned_its_late_answer_dropped_and_the_fetcher_replaced(
    clock: MovableClock,
) -> None:
    source = GatedSource()
    ref = NamePool.start(source=source, fetch_timeout=30.0)
    clock.drive(ref)
    future = ref.ask(CheckoutName(timeout=None), block=False)
    source.wait_asked()

    clock.advance(30.1)

    with pytest.raises(NamesUnavailable, match="took over 30 s"):
        future.get(timeout=PATIENCE)
    clock.advance(60)
    second = ref.ask(CheckoutName(timeout=None), block=False)
    source.wait_asked()
    assert source.threads[0] is not source.threads[1]
    source.gate.set()
    source.threads[0].join(PATIENCE)
    second.get(timeout=PATIENCE)
    assert ref.ask(PoolStatsRequest()).all_used_count == 12  # of the second answer alone


def test_a_fetcher_that_dies_is_replaced(clock: MovableClock) -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    clock.drive(ref)
    future = ref.ask(CheckoutName(), block=False)
    source.wait_asked()
    (fetcher,) = pykka.ActorRegistry.get_by_class_name("ChunkFetcher")
    fetcher.tell(object())  # unexpected, but harmless
    fetcher.stop(block=False)
    source.gate.set()
    future.get(timeout=PATIENCE)
    fetcher.actor_stopped.wait(PATIENCE)

    names = [ref.ask(CheckoutName(), timeout=PATIENCE) for _ in range(20)]

    assert len(set(names)) == 20


def test_a_fetcher_that_dies_with_the_answer_fails_the_fetch(clock: MovableClock) -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    clock.drive(ref)
    future = ref.ask(CheckoutName(), block=False)
    source.wait_asked()
    (fetcher,) = pykka.ActorRegistry.get_by_class_name("ChunkFetcher")
    cast("Any", fetcher)._actor._deliver = _raise_exit
    source.gate.set()

    with pytest.raises(NamesUnavailable, match="the fetcher died: SystemExit"):
        future.get(timeout=PATIENCE)
    clock.advance(60)
    assert ref.ask(CheckoutName(), timeout=PATIENCE)


def _raise_exit(_: object) -> None:
    raise SystemExit(1)


def test_a_newline_in_an_error_starts_no_log_line(caplog: pytest.LogCaptureFixture) -> None:
    pool = PoolHandle(NamePool.start(source=ScriptedSource(OSError("a\nFAKE LINE \x1b[31m"))))

    with pytest.raises(NamesUnavailable) as caught:
        pool.checkout_name()

    texts = [str(caught.value), str(pool.pool_stats().last_error)]
    texts += [record.getMessage() for record in caplog.records]
    assert len(texts) == 3
    assert all("\n" not in text and "\x1b" not in text for text in texts)


class _Liar(str):
    """A string whose methods say what it is not."""

    def __str__(self) -> str:
        return "Ada\nCRITICAL root: forged"

    def __iter__(self) -> Any:
        return iter("harmless")


def test_a_string_that_lies_is_taken_for_what_it_is() -> None:
    pool = PoolHandle(NamePool.start(source=ScriptedSource([_Liar("Honest Abe"), _Liar("a\nb")])))

    name = pool.checkout_name()

    assert type(name) is str
    assert name == "Honest Abe"
    assert pool.pool_stats().invalid_count == 1
    with pytest.raises(InvalidName):
        pool.associate_name(_Liar("a\nb"))


def test_a_log_filter_that_raises_costs_no_pool(clock: MovableClock) -> None:
    def fail(_: logging.LogRecord) -> bool:
        raise LookupError("a filter")

    ref = NamePool.start(source=ScriptedSource(OSError("down"), ["Up Una"]))
    clock.drive(ref)
    logging.getLogger("namepool.pool").addFilter(fail)
    try:
        with pytest.raises(NamesUnavailable, match="down"):
            ref.ask(CheckoutName(), timeout=PATIENCE)
        clock.advance(3600)
        assert ref.ask(CheckoutName(), timeout=PATIENCE) == "Up Una"
    finally:
        logging.getLogger("namepool.pool").removeFilter(fail)


def test_an_unexpected_message_starts_no_log_line(
    ref: NamePoolRef, caplog: pytest.LogCaptureFixture
) -> None:
    ref.tell("hello\nforged")
    ref.ask(PoolStatsRequest())

    assert [r.getMessage() for r in caplog.records] == ["unexpected message: 'hello\\nforged'"]


def test_the_good_names_before_an_exit_of_the_source_are_kept() -> None:
    class Quitter:
        def fetch(self, count: int, used: Sequence[str]) -> Any:
            yield "Good Gus"
            raise SystemExit(1)

    pool = PoolHandle(NamePool.start(source=Quitter(), low_water_mark=0))

    assert pool.checkout_name() == "Good Gus"


# -- check-in -------------------------------------------------------------------------------


def test_a_checkin_ends_the_lease_and_unbinds_every_speaker(pool: PoolHandle) -> None:
    name = pool.checkout_name(owner="parent")
    pool.associate_name(name, owner="child")

    assert pool.checkin_name(name, owner="child") is True

    assert [pool.get_name_by_owner(who) for who in ("parent", "child")] == [None, None]
    assert pool.pool_stats().checked_out_count == 0


@pytest.mark.parametrize("name", [None, DEFAULT_NAME])
def test_a_checkin_of_nothing_or_the_default_name_does_nothing(
    pool: PoolHandle, name: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    assert pool.checkin_name(name) is False
    assert not caplog.records


def test_a_checkin_of_what_is_not_checked_out_warns_and_changes_nothing(
    pool: PoolHandle, caplog: pytest.LogCaptureFixture
) -> None:
    before = pool.pool_stats()

    assert pool.checkin_name("Nobody’s Ñame") is False

    assert "'Nobody\\u2019s \\xd1ame'" in caplog.text
    assert pool.pool_stats() == before


def test_a_stale_lease_never_ends_somebody_elses(ref: NamePoolRef) -> None:
    one = NamePool.start(source=ScriptedSource(["Only Olga"]), low_water_mark=0)
    stale = one.ask(CheckoutLease(owner="first"))
    one.ask(CheckinLease(stale))
    one.ask(CheckoutName(owner="second"))

    assert one.ask(CheckinLease(stale)) is False

    assert one.ask(GetNameByOwner("second")) == "Only Olga"


def test_a_checked_in_name_serves_who_waits() -> None:
    source = ScriptedSource(["Only Olga"])
    pool = PoolHandle(NamePool.start(source=source, low_water_mark=0))
    name = pool.checkout_name(owner="first")
    hold = GatedSource()
    pool._target._actor._refilling._source = hold  # type: ignore[attr-defined]
    pool._target._actor._fetches._shared.idle.clear()  # type: ignore[attr-defined]
    waiting = pool._target.ask(CheckoutName(owner="second"), block=False)
    hold.wait_asked()

    pool.checkin_name(name, owner="first")

    assert waiting.get(timeout=PATIENCE) == "Only Olga"
    hold.gate.set()


def test_a_name_may_be_checked_in_as_people_spell_it(pool: PoolHandle) -> None:
    pool.associate_name("Ada the Yak Shaver")

    assert pool.checkin_name("ada the yak-shaver") is True


# -- associate, dissociate, lookup ----------------------------------------------------------


def test_associate_adopts_a_name_the_pool_has_never_seen(pool: PoolHandle) -> None:
    assert pool.associate_name("Restored Rita") == "Restored Rita"

    stats = pool.pool_stats()
    assert (stats.checked_out_count, stats.all_used_count) == (1, 1)
    assert pool.get_name_by_owner() == "Restored Rita"


def test_associate_with_an_available_name_takes_it_out_of_the_queue(pool: PoolHandle) -> None:
    pool.checkout_name()  # NPC #1; #2 is next

    pool.associate_name("NPC #2", owner="restored")

    assert pool.checkout_name() == "NPC #3"


def test_associate_with_nothing_or_the_default_name_does_nothing(pool: PoolHandle) -> None:
    name = pool.checkout_name()

    assert pool.associate_name(None) is None
    assert pool.associate_name(DEFAULT_NAME) is None
    assert pool.get_name_by_owner() == name


def test_dissociate_ends_the_speaking_and_keeps_the_lease(pool: PoolHandle) -> None:
    name = pool.checkout_name()

    assert pool.dissociate_name() is True

    assert pool.get_name_by_owner() is None
    assert pool.pool_stats().checked_out_count == 1
    assert pool.dissociate_name(name) is False


@pytest.mark.parametrize(
    "name",
    [7, "", "   ", "x" * 65, "a\nb", "\x1b[31mRed", "a\u202eb", "a\u200bb", "a\ud800b", "\u2028"],
    ids=ascii,
)
def test_what_may_not_be_a_name_is_refused_showing_it_escaped(ref: NamePoolRef, name: Any) -> None:
    for message in (CheckinName(name), AssociateName(name), DissociateName(name)):
        with pytest.raises(InvalidName) as caught:
            ref.ask(message, timeout=PATIENCE)
        assert str(caught.value).isprintable()
        assert ascii(name)[:60] in str(caught.value)
        assert isinstance(caught.value, ValueError)


def test_a_lookup_takes_any_form_of_owner(pool: PoolHandle) -> None:
    class Agent(pykka.ThreadingActor):
        def start_work(self) -> str:
            return pool.checkout_name()

    agent = Agent.start()
    name = agent.proxy().start_work().get(timeout=PATIENCE)

    owners = (agent, agent.proxy(), agent.actor_urn)
    assert [pool.get_name_by_owner(owner) for owner in owners] == [name] * 3


def test_the_refs_view_is_always_current_and_read_only(ref: NamePoolRef) -> None:
    name = ref.ask(CheckoutName(), timeout=PATIENCE)
    me = current_owner()
    assert ref.speaking[me] == name
    with pytest.raises(TypeError):
        ref.speaking[me] = "Mallory"  # type: ignore[index]

    ref.ask(CheckinName(name))

    assert me not in ref.speaking


# -- statistics, reset, default name, child spec --------------------------------------------


def test_stats_count_what_there_is(pool: PoolHandle) -> None:
    pool.checkout_name()
    pool.checkout_name()

    stats = pool.pool_stats()

    assert (stats.available_count, stats.checked_out_count, stats.all_used_count) == (10, 2, 12)
    assert (stats.chunk_size, stats.fetch_count, stats.restart_count) == (12, 1, 0)
    assert stats.last_source == "NumberedNames"


def test_reset_empties_the_pool(pool: PoolHandle) -> None:
    pool.checkout_name()

    pool.reset()

    stats = pool.pool_stats()
    assert (stats.available_count, stats.checked_out_count, stats.all_used_count) == (0, 0, 0)
    assert pool.get_name_by_owner() is None


def test_a_chunk_on_its_way_at_a_reset_is_dropped() -> None:
    source = GatedSource()
    ref = NamePool.start(source=source, max_fetches=1)
    future = ref.ask(CheckoutName(), block=False)
    source.wait_asked()
    ref.ask(Reset())

    source.gate.set()

    assert future.get(timeout=PATIENCE) == "Name 13"  # of the second chunk
    assert ref.ask(PoolStatsRequest()).all_used_count == 12


def test_after_a_reset_one_who_waits_is_fetched_for_while_the_old_chunk_is_on_its_way() -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    future = ref.ask(CheckoutName(), block=False)
    source.wait_asked()

    ref.ask(Reset())

    source.wait_asked()
    source.gate.set()
    assert future.get(timeout=PATIENCE).startswith("Name ")
    wait_until(lambda: ref.ask(PoolStatsRequest()).fetching_count == 0, ref)
    assert ref.ask(PoolStatsRequest()).all_used_count == 12


def test_a_reset_ends_the_pause_after_a_failure(clock: MovableClock) -> None:
    ref = NamePool.start(source=ScriptedSource(OSError("down"), ["Up Una"]))
    clock.drive(ref)
    with pytest.raises(NamesUnavailable):
        ref.ask(CheckoutName(), timeout=PATIENCE)

    ref.ask(Reset())

    assert ref.ask(CheckoutName(), timeout=PATIENCE) == "Up Una"


def test_the_default_name_is_the_same_everywhere(pool: PoolHandle, ref: NamePoolRef) -> None:
    plain: Any = ref.proxy()
    assert pool.default_name() == plain.default_name().get(timeout=PATIENCE) == DEFAULT_NAME


def test_a_child_spec_starts_pools_that_share_what_they_know() -> None:
    spec = NamePool.child_spec(id="names", source=NumberedNames(), chunk_size=3)
    first: Any = launch(spec.actor_class, spec.args, spec.kwargs)
    name = first.ask(CheckoutName(), timeout=PATIENCE)
    first.stop()

    second: Any = launch(spec.actor_class, spec.args, spec.kwargs)

    assert spec.id == "names"
    assert second.ask(GetNameByOwner()) == name
    assert second.ask(PoolStatsRequest()).restart_count == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [("source", object()), ("chunk_sice", 3), ("state", PoolState), ("chunk_size", 0)],
)
def test_a_wrong_option_is_refused_by_start_and_child_spec(option: str, value: Any) -> None:
    before = set(threading.enumerate())
    for begin in (NamePool.start, NamePool.child_spec):
        with pytest.raises(InvalidOption, match=option):
            begin(**{option: value})
    assert set(threading.enumerate()) <= before


# -- stop -----------------------------------------------------------------------------------


def test_stopping_answers_everybody_who_waits() -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    futures = [ref.ask(CheckoutName(owner=f"agent {n}"), block=False) for n in range(50)]
    source.wait_asked()

    ref.stop(timeout=PATIENCE)  # a fetch under way does not delay it

    for future in futures:
        with pytest.raises(pykka.ActorDeadError):
            future.get(timeout=PATIENCE)
    source.gate.set()


def test_stopping_closes_the_source_on_a_fetchers_thread() -> None:
    source = GatedSource(is_open=True)
    ref = NamePool.start(source=source)
    ref.ask(CheckoutName(), timeout=PATIENCE)

    ref.stop()

    assert source.closed.wait(PATIENCE)


def test_a_source_that_was_never_asked_is_closed_too() -> None:
    source = GatedSource()
    NamePool.start(source=source).stop()

    assert source.closed.wait(PATIENCE)


def test_a_pool_that_dies_alone_answers_everybody_who_waits() -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    future = ref.ask(CheckoutName(), block=False)
    source.wait_asked()
    ref.tell(AssociateName(7))  # type: ignore[arg-type]  # a failing tell kills an actor

    with pytest.raises(pykka.ActorDeadError):
        future.get(timeout=PATIENCE)
    source.gate.set()


# -- inline: what a worker thread's request does on that thread -----------------------------


@pytest.mark.parametrize(
    "act",
    [
        lambda ref: ref.ask(CheckoutName(), timeout=PATIENCE),
        lambda ref: ref.proxy().checkout_name().get(timeout=PATIENCE),
        lambda ref: PoolHandle(ref).checkout_name(),
        lambda ref: ref.ask(CheckoutLease(), timeout=PATIENCE).name,
    ],
    ids=["ask", "proxy", "handle", "lease"],
)
def test_every_way_of_use_works_from_a_worker_thread(
    ref: NamePoolRef, act: Callable[[NamePoolRef], str]
) -> None:
    def agent() -> tuple[str, str | None]:
        name = act(ref)
        return name, ref.ask(GetNameByOwner())

    name, looked_up = on_thread(agent)
    assert name == looked_up


def test_a_dropped_grant_comes_home_from_a_worker_thread_too(ref: NamePoolRef) -> None:
    ref.ask(CheckoutName(), timeout=PATIENCE)

    def agent() -> None:
        ref.proxy().checkout_name()

    on_thread(agent)
    gc.collect()

    wait_until(lambda: ref.ask(PoolStatsRequest()).checked_out_count == 1, ref)


def test_a_lease_names_its_checkout_and_ends_it_whoever_gives_it_back(ref: NamePoolRef) -> None:
    lease = ref.ask(CheckoutLease(), timeout=PATIENCE)

    assert isinstance(lease, Lease)
    assert lease.name == "NPC #1"
    with owner_scope("other"):
        assert ref.ask(CheckinLease(lease)) is True


def test_nothing_is_logged_when_all_goes_well(
    pool: PoolHandle, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(30):
        pool.checkin_name(pool.checkout_name())

    assert caplog.records == []
