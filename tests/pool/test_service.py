"""``open_pool()``: restarts with what was known, closes everything, and never keeps a program."""

from __future__ import annotations

import logging
import queue
import subprocess
import sys
import threading
from typing import Any

import pykka
import pytest

import namepool
from namepool import (
    AssociateName,
    CheckoutName,
    InvalidOption,
    NamePool,
    NumberedNames,
    PoolHandle,
    Supervisor,
)
from namepool.events import LeaseEvent, NameDissociated, NameReclaimed
from tests.support import PATIENCE, GatedSource, MovableClock, on_thread, wait_until


def crash(pool: PoolHandle) -> None:
    """Have the present incarnation die of a failing tell, and wait for the next one."""
    handle: Any = pool._target
    generation = handle.generation
    handle.current.tell(AssociateName(7))  # type: ignore[arg-type]
    wait_until(lambda: handle.generation > generation, handle)


def test_a_with_block_closes_everything() -> None:
    source = GatedSource(is_open=True)
    with namepool.open_pool(source=source) as pool:
        pool.checkout_name()

    assert source.closed.wait(PATIENCE)
    assert pykka.ActorRegistry.get_by_class_name("NamePool") == []
    with pytest.raises(pykka.ActorDeadError):
        pool.checkout_name()


def test_closing_twice_does_no_harm() -> None:
    pool = namepool.open_pool()
    pool.close()
    pool.close()


def test_a_restarted_pool_knows_every_lease_and_binding(caplog: pytest.LogCaptureFixture) -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        mine = pool.checkout_name()
        pool.associate_name(mine, owner="worker")

        crash(pool)

        assert pool.get_name_by_owner() == mine
        assert pool.get_name_by_owner("worker") == mine
        assert pool.checkout_name(owner="other") != mine
        assert pool.pool_stats().restart_count == 1
    assert [r.levelno for r in caplog.records if "restarted" in r.getMessage()] == [logging.WARNING]


def test_a_name_whose_owner_ended_before_a_restart_comes_home_in_time(
    clock: MovableClock,
) -> None:
    root = Supervisor.start(
        children=[NamePool.child_spec(source=NumberedNames(), reclaim_after=60.0)]
    )
    child = root.handle("namepool")
    pool, told = PoolHandle(child), queue.SimpleQueue[LeaseEvent]()
    clock.drive(child.current)
    pool.subscribe(told.put, only=(NameDissociated, NameReclaimed))
    lost = on_thread(pool.checkout_name)
    assert told.get(timeout=PATIENCE).name == lost
    crash(pool)
    pool.pool_stats()
    clock.drive(child.current)

    clock.advance(60.1)

    assert isinstance(told.get(timeout=PATIENCE), NameReclaimed)


def test_a_parked_checkout_is_served_by_the_next_incarnation() -> None:
    source = GatedSource()
    with namepool.open_pool(source=source) as pool:
        future = pool._target.current.ask(CheckoutName(), block=False)  # type: ignore[attr-defined]
        source.wait_asked()

        crash(pool)
        source.gate.set()

        assert future.get(timeout=PATIENCE)


def test_a_blocking_checkout_survives_a_restart() -> None:
    source = GatedSource()
    with namepool.open_pool(source=source) as pool:
        names: list[str] = []
        thread = threading.Thread(target=lambda: names.append(pool.checkout_name()))
        thread.start()
        source.wait_asked()

        crash(pool)
        source.gate.set()

        thread.join(PATIENCE)
        assert len(names) == 1


def test_a_chunk_fetched_for_a_dead_incarnation_is_not_wasted() -> None:
    source = GatedSource()
    with namepool.open_pool(source=source) as pool:
        future = pool._target.current.ask(CheckoutName(timeout=1e6), block=False)  # type: ignore[attr-defined]
        source.wait_asked()

        crash(pool)
        source.wait_asked()  # the next incarnation asks for the waiter too
        source.gate.set()

        assert future.get(timeout=PATIENCE)
        wait_until(lambda: pool.pool_stats().all_used_count == 24, pool._target)


def test_a_chunk_from_before_a_crash_and_a_reset_is_dropped() -> None:
    source = GatedSource()
    with namepool.open_pool(source=source, fetch_timeout=1e6) as pool:
        future = pool._target.current.ask(CheckoutName(timeout=None), block=False)  # type: ignore[attr-defined]
        source.wait_asked()
        crash(pool)
        source.wait_asked()
        pool.reset()

        source.gate.set()

        assert future.get(timeout=PATIENCE)
        source.threads[0].join(PATIENCE)  # the fetcher of the dead incarnation has delivered
        assert pool.pool_stats().all_used_count == 12


def test_a_pool_that_is_given_up_has_its_source_closed() -> None:
    source = GatedSource(is_open=True)
    with namepool.open_pool(source=source) as pool:
        for _ in range(3):
            crash(pool)
        assert not source.closed.is_set()
        pool._target.current.tell(AssociateName(7))  # type: ignore[attr-defined, arg-type]

        assert source.closed.wait(PATIENCE)


def test_closing_a_pool_from_inside_it_does_not_wait_for_itself() -> None:
    pool = namepool.open_pool(source=NumberedNames())
    closed = threading.Event()

    def close(_: logging.LogRecord) -> bool:
        pool.close()
        closed.set()
        return True

    logger = logging.getLogger("namepool.pool")
    logger.addFilter(close)
    try:
        assert on_thread(lambda: pool.checkin_name("Not Out")) is False
    finally:
        logger.removeFilter(close)
    assert closed.is_set()
    pool.close()


def test_who_waits_for_a_pool_that_is_given_up_is_answered() -> None:
    source = GatedSource()
    with namepool.open_pool(source=source) as pool:
        future = pool._target.current.ask(CheckoutName(timeout=None), block=False)  # type: ignore[attr-defined]
        source.wait_asked()
        for _ in range(3):
            crash(pool)
        pool._target.current.tell(AssociateName(7))  # type: ignore[attr-defined, arg-type]

        with pytest.raises(pykka.ActorDeadError):
            future.get(timeout=PATIENCE)
        source.gate.set()


def test_a_pool_embedded_by_its_child_spec_is_used_by_a_handle() -> None:
    spec = NamePool.child_spec(id="names", source=NumberedNames(), shutdown=2.0)
    root = Supervisor.start(children=[spec])
    pool = PoolHandle(root.handle("names"))

    with pool.named() as name:
        assert name == "NPC #1"
        assert pool.speaker() == name
    assert spec.shutdown == 2.0


def test_a_pool_that_dies_too_often_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    with namepool.open_pool() as pool:
        for _ in range(3):
            crash(pool)
        current = pool._target.current  # type: ignore[attr-defined]
        current.tell(AssociateName(7))  # type: ignore[arg-type]
        assert current.wait_gone(PATIENCE)

        with pytest.raises(pykka.ActorDeadError):
            pool.checkout_name()
    assert "gives up" in caplog.text


def test_a_wrong_option_is_refused_and_leaves_nothing_running() -> None:
    before = set(threading.enumerate())
    with pytest.raises(InvalidOption, match="chunk_size"):
        namepool.open_pool(chunk_size="many")  # type: ignore[arg-type]

    assert set(threading.enumerate()) <= before
    assert pykka.ActorRegistry.get_all() == []


def test_a_program_that_forgets_to_close_still_exits_and_the_source_is_closed() -> None:
    program = """
import namepool

class Source:
    def fetch(self, count, used):
        return [f"Name {n}" for n in range(count)]
    def close(self):
        print("closed", flush=True)

pool = namepool.open_pool(source=Source())
print(pool.checkout_name(), flush=True)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )

    assert run.stdout.split("\n")[:2] == ["Name 0", "closed"]
    assert run.stderr == ""


def test_a_program_that_forgets_a_bare_pool_still_exits() -> None:
    program = "from namepool import *; print(NamePool.start().proxy().checkout_name().get())"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )

    assert run.stderr == ""
    assert len(run.stdout.split()) >= 2


LEAVES = """
import atexit, os, signal, sys, threading, time
left = None
atexit.register(lambda: print(time.monotonic() - left < 4.0))  # after those of namepool
import namepool
from namepool.ledgers.memory import MemoryLedger

begun = threading.Event()

def hang(*_):
    begun.set()
    threading.Event().wait()

class Source(namepool.NumberedNames):
    fetch = hang

class Ledger(MemoryLedger):
    claim = hang

options = {"ledger": Ledger()} if sys.argv[2] == "claim" else {"source": Source()}
pool = namepool.open_pool(**options)
asking = threading.Thread(target=pool.checkout_name, args=(None,), daemon=True)
threading.excepthook = lambda _: None  # the pool ends under it
asking.start()
begun.wait()
try:
    if sys.argv[1] == "interrupt":
        with pool:
            signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    left = time.monotonic()
    sys.exit()
left = time.monotonic()
if sys.argv[1] == "close":
    pool.close()
"""


@pytest.mark.parametrize(
    ("ending", "under_way"),
    [
        ("exit", "fetch"),
        ("close", "fetch"),
        ("interrupt", "fetch"),
        pytest.param("exit", "claim", marks=pytest.mark.proof),
        pytest.param("close", "claim", marks=pytest.mark.proof),
        pytest.param("interrupt", "claim", marks=pytest.mark.proof),
    ],
)
def test_the_exit_does_not_wait_for_what_is_not_needed_any_more(
    ending: str, under_way: str
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", LEAVES, ending, under_way], capture_output=True, timeout=60
    )

    assert (run.returncode, run.stdout, run.stderr) == (0, b"True\n", b"")


CREW_LEAVES = """
import atexit, threading, time
atexit.register(lambda: print(time.monotonic() - left < 2.5))
import namepool
from namepool.ledgers.memory import MemoryLedger

begun = threading.Semaphore(0)

class Ledger(MemoryLedger):
    def claim(self, *_):
        begun.release()
        threading.Event().wait()

specs = [namepool.NamePool.child_spec(str(n), ledger=Ledger(), prefetch=True) for n in range(4)]
root = namepool.Supervisor.start(children=specs)
for _ in specs:
    begun.acquire()
left = time.monotonic()
"""


@pytest.mark.proof
def test_the_exit_waits_a_second_for_the_claims_of_all_pools_together() -> None:
    run = subprocess.run([sys.executable, "-c", CREW_LEAVES], capture_output=True, timeout=60)

    assert (run.returncode, run.stdout, run.stderr) == (0, b"True\n", b"")
