"""The ten faults of the original that this pool does not repeat, and the bugs it fixed."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from typing import Any

import pykka
import pytest

from namepool import (
    DEFAULT_NAME,
    CheckoutName,
    CheckoutTimeout,
    NamePool,
    NamesUnavailable,
    NumberedNames,
    PoolHandle,
    owner_scope,
)
from namepool.events import LeaseEvent, NameDissociated, NameReclaimed
from tests.support import (
    PATIENCE,
    GatedSource,
    MovableClock,
    ScriptedSource,
    on_thread,
    run_together,
    wait_until,
)


def start(source: Any = None, **options: Any) -> PoolHandle:
    return PoolHandle(NamePool.start(source=source or NumberedNames(), **options))


# -- the ten faults -------------------------------------------------------------------------


def test_fault_1_workers_that_associate_the_parents_name_all_resolve_and_so_does_the_parent() -> (
    None
):
    pool = start()
    name = pool.checkout_name()
    for worker in ("worker-1", "worker-2", "worker-3"):
        pool.associate_name(name, owner=worker)

    speakers = (None, "worker-1", "worker-2", "worker-3")
    assert [pool.get_name_by_owner(who) for who in speakers] == [name] * 4


def test_fault_2_an_associated_name_is_never_issued_to_somebody_else() -> None:
    pool = start(ScriptedSource(["Restored Rita", "Fresh Fred"]))
    pool.associate_name("Restored Rita", owner="restored")

    assert pool.checkout_name(owner="other") == "Fresh Fred"
    assert pool.get_name_by_owner("restored") == "Restored Rita"


def test_fault_3_checking_in_the_first_of_two_names_keeps_the_second() -> None:
    pool = start()
    first, second = pool.checkout_name(), pool.checkout_name()

    pool.checkin_name(first)

    assert pool.get_name_by_owner() == second


def test_fault_4_associating_another_name_keeps_the_old_one_checked_out() -> None:
    pool = start()
    old = pool.checkout_name()

    pool.associate_name("Another Annie")

    assert pool.pool_stats().checked_out_count == 2
    pool.dissociate_name("Another Annie")
    assert pool.get_name_by_owner() == old


def test_fault_5_a_dead_owners_name_comes_home(
    clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    ref = NamePool.start(source=ScriptedSource(["Only Olga"]), reclaim_after=60.0)
    clock.drive(ref)
    pool = PoolHandle(ref)
    on_thread(pool.checkout_name)
    assert pool.pool_stats().checked_out_count == 1  # not at once: others may still use it

    clock.advance(61.0)

    assert pool.checkout_name(owner="next") == "Only Olga"
    assert "Only Olga" in caplog.text
    assert pool.pool_stats().reclaimed_count == 1


@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
def test_fault_5_a_dead_owners_name_comes_home_in_time_whether_or_not_anybody_asks(
    is_busy: bool, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    ref = NamePool.start(source=NumberedNames(), chunk_size=50, reclaim_after=60.0)
    pool, over, told = PoolHandle(ref), threading.Event(), queue.SimpleQueue[LeaseEvent]()
    pool.checkin_name(pool.checkout_name())  # there is stock
    clock.drive(ref)

    def work() -> None:
        while not over.is_set():
            pool.checkin_name(pool.checkout_name())

    worker = threading.Thread(target=work if is_busy else over.wait)
    with pool.subscribe(told.put, only=(NameDissociated, NameReclaimed)):
        worker.start()
        lost = on_thread(pool.checkout_name)
        assert told.get(timeout=PATIENCE).name == lost  # it is known that the owner has ended

        clock.advance(60.0)

        event = told.get(timeout=PATIENCE)
        over.set()
        worker.join(PATIENCE)
    assert isinstance(event, NameReclaimed)
    assert event.name == lost
    assert f"{lost!r} came home" in caplog.text


def test_fault_5_checking_in_anothers_name_is_noticed(caplog: pytest.LogCaptureFixture) -> None:
    pool = start()
    name = pool.checkout_name(owner="holder")

    assert pool.checkin_name(name, owner="meddler")

    assert [r.levelno for r in caplog.records if r.name == "namepool.pool"] == [logging.WARNING]
    assert "'holder'" in caplog.text
    assert "'meddler'" in caplog.text


def test_fault_6_a_timed_out_checkout_costs_no_name() -> None:
    source = GatedSource()
    pool = start(source)
    with pytest.raises(CheckoutTimeout):
        pool.checkout_name(timeout=0.01)

    source.gate.set()

    assert pool.checkout_name() == "Name 1"
    assert pool.pool_stats().checked_out_count == 1


def test_fault_6_a_refill_blocks_no_lookup() -> None:
    source = GatedSource()
    pool = start(source)
    pool.associate_name("Present Pat", owner="pat")
    waiting = pool._target.ask(CheckoutName(), block=False)
    source.wait_asked()

    assert pool.get_name_by_owner("pat") == "Present Pat"  # while the source is being asked

    source.gate.set()
    assert waiting.get(timeout=PATIENCE) == "Name 1"


@pytest.mark.parametrize(
    "answer",
    [RuntimeError("boom"), SystemExit(3), KeyboardInterrupt(), None, 42, "Ada", b"Ada", {}, [[]]],
    ids=repr,
)
def test_fault_7_whatever_a_source_does_the_pool_lives(
    answer: Any, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    ref = NamePool.start(source=ScriptedSource(answer, ["Later Lou"]))
    clock.drive(ref)
    pool = PoolHandle(ref)
    with pytest.raises(NamesUnavailable) as caught:
        pool.checkout_name()
    assert caught.value.__cause__ is not None

    clock.advance(3600.0)

    assert pool.checkout_name() == "Later Lou"
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_fault_8_duplicates_nil_and_the_default_name_are_never_issued() -> None:
    pool = start(ScriptedSource(["X", "X", "x.", None, DEFAULT_NAME, "nemo  nobody", "", "Y"]))

    assert [pool.checkout_name(), pool.checkout_name()] == ["X", "Y"]
    stats = pool.pool_stats()
    assert (stats.duplicate_count, stats.invalid_count) == (2, 4)


def test_fault_9_waiters_of_a_failing_source_fail_together_after_one_call() -> None:
    source = GatedSource()
    source.error = ConnectionError("down")
    ref = NamePool.start(source=source)
    waiting = [ref.ask(CheckoutName(owner=f"agent {n}"), block=False) for n in range(5)]
    source.wait_asked()

    source.gate.set()

    for future in waiting:
        with pytest.raises(NamesUnavailable) as caught:
            future.get(timeout=PATIENCE)
        assert caught.value.__cause__ is source.error
    assert len(source.counts) == 1


def test_fault_10_a_checked_in_name_is_not_reissued_at_once() -> None:
    pool = start()
    name = pool.checkout_name()
    pool.checkin_name(name)

    following = [pool.checkout_name(owner=f"agent {n}") for n in range(6)]

    assert name not in following


# -- bugs that the original fixed -----------------------------------------------------------


def test_a_source_may_ask_the_pool_for_its_own_name() -> None:
    class Curious:
        heard: str | None = "not asked"

        def fetch(self, count: int, used: Sequence[str]) -> list[str]:
            self.heard = pool.get_name_by_owner()
            return ["Fetched Fay"]

    source = Curious()
    pool = start(source)

    assert pool.checkout_name(timeout=PATIENCE) == "Fetched Fay"
    assert source.heard is None


def test_numbered_names_do_not_repeat_on_the_second_refill() -> None:
    pool = start(chunk_size=3)

    names = [pool.checkout_name() for _ in range(10)]

    assert names == [f"NPC #{n}" for n in range(1, 11)]
    assert pool.pool_stats().duplicate_count == 0


def test_a_caller_that_times_out_gets_an_error_and_everything_lives() -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    with pytest.raises(pykka.Timeout):
        ref.ask(CheckoutName(timeout=None), timeout=0.01)
    with pytest.raises(TimeoutError):
        ref.proxy().checkout_name(timeout=0.01).get(timeout=PATIENCE)
    source.gate.set()

    assert ref.ask(CheckoutName(), timeout=PATIENCE) == "Name 1"


def test_an_exclusive_association_leaves_no_stale_mapping() -> None:
    pool = start()
    name = pool.checkout_name(owner="old")

    pool.associate_name(name, exclusive=True, owner="new")

    assert pool.get_name_by_owner("old") is None
    assert pool.get_name_by_owner("new") == name
    pool.checkin_name(name, owner="new")
    assert pool.get_name_by_owner("new") is None


def test_a_partial_batch_keeps_the_good_names() -> None:
    pool = start(ScriptedSource(["Good Gus", 7, "bad\nname", "Fine Flo"]))

    assert [pool.checkout_name(), pool.checkout_name()] == ["Good Gus", "Fine Flo"]


def test_a_hundred_agents_that_start_at_once_get_a_name_each() -> None:
    pool = start()
    names: list[str] = []

    run_together([lambda: names.append(pool.checkout_name())] * 100)

    assert len(set(names)) == 100


def test_an_owner_that_ends_while_it_waits_costs_no_name() -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)

    def ask_and_end() -> None:
        ref.ask(CheckoutName(), block=False)

    thread = threading.Thread(target=ask_and_end)
    thread.start()
    thread.join()
    source.gate.set()

    with owner_scope("patient"):
        assert ref.ask(CheckoutName(), timeout=PATIENCE) == "Name 1"
    pool = PoolHandle(ref)
    wait_until(lambda: pool.pool_stats().checked_out_count == 1, ref)
