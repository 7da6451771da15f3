"""One identity has one name, and one holder at a time."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import namepool
from namepool import LedgerBusy, LedgerError, NameHeld, NumberedNames
from namepool.ledgers import Holder, open_ledger
from namepool.ledgers.base import LIVING_FOR
from namepool.ledgers.memory import Book, MemoryLedger
from namepool.ledgers.session import SessionLedger
from tests.ledgers.engines import forget
from tests.ledgers.redis_server import RedisServer
from tests.strikes.scene import turn_of
from tests.support import PATIENCE, MovableClock, on_thread, run_together, started, wait_until

ADA = "Ada the Yak Shaver"


def open_pool(ledger: Any, **options: Any) -> namepool.PoolHandle:
    options.setdefault("source", NumberedNames())
    return namepool.open_pool(ledger=ledger, **options)


def kept(ledger: SessionLedger, identity: str = "planner") -> Holder:
    holder = ledger.kept(identity)
    assert holder is not None
    return holder


def test_an_identity_alone_gets_its_name_back(book: Book, others: MemoryLedger) -> None:
    names = []
    for _ in range(2):
        with open_pool(MemoryLedger(book)) as pool:
            for _ in range(2):
                with pool.named(identity="planner") as name:
                    names.append(name)
                    assert pool.speaker() == name

    assert len(set(names)) == 1
    assert [holder.name for holder in others.holders()] == names[:1]


def test_another_pool_takes_it_though_the_first_is_still_open(book: Book) -> None:
    with open_pool(MemoryLedger(book)) as first, open_pool(MemoryLedger(book)) as second:
        with first.named(identity="planner") as name:
            with pytest.raises(NameHeld, match=f"^'{name}' is held by process .* runs: take anot"):
                second.named(identity="planner").__enter__()
            assert second.pool_stats().checked_out_count == 0
        with second.named(identity="planner") as again:
            assert again == name
            with pytest.raises(NameHeld, match="that process runs: take another name"):
                first.named(identity="planner").__enter__()


def test_an_identity_has_no_second_name(book: Book) -> None:
    with open_pool(MemoryLedger(book)) as pool, pool.named(identity="planner") as name:
        pass
    with open_pool(MemoryLedger(book)) as pool:
        with pytest.raises(NameHeld, match=f"^'{name}' is held by .* for the identity 'planner'"):
            pool.named(name=ADA, identity="planner").__enter__()
        assert pool.pool_stats().checked_out_count == 0
        with pool.named(identity="planner") as again:
            assert again == name


def test_of_two_agents_of_one_pool_the_second_is_refused_until_the_first_ends(book: Book) -> None:
    with open_pool(MemoryLedger(book)) as pool:
        with pool.named(identity="planner") as name:
            with pytest.raises(NameHeld, match="this very process holds it"):
                on_thread(lambda: pool.named(identity="planner").__enter__())
            assert kept(pool._access.ledger).is_kept is False  # type: ignore[arg-type]
        with pool.named(identity="planner") as again:
            assert again == name


@pytest.mark.parametrize("gap", [0, 1000])
def test_the_name_of_an_identity_is_handed_to_no_other_agent_of_the_pool(
    book: Book, gap: int
) -> None:
    with open_pool(MemoryLedger(book), reuse_gap=gap, chunk_size=2, low_water_mark=0) as pool:
        with pool.named(identity="planner") as name:
            pass
        with pool.named(name=ADA, identity="tester"):
            pass
        others = {pool.checkout_name() for _ in range(5)}
        known = pool._state.known
        wait_until(lambda: name not in known and ADA not in known, pool._target)

        assert others.isdisjoint({name, ADA})
        stats = pool.pool_stats()
        assert stats.all_used_count == stats.available_count + stats.checked_out_count


def test_a_name_that_another_agent_of_the_pool_has_is_not_taken_for_an_identity(
    book: Book, others: MemoryLedger
) -> None:
    with open_pool(MemoryLedger(book)) as pool:
        name = pool.checkout_name()
        with pytest.raises(NameHeld, match="is checked out in this pool by"):
            pool.named(name=name, identity="planner").__enter__()

        assert others.kept("planner") is None


def test_a_name_in_the_stock_of_the_pool_becomes_that_of_an_identity(
    book: Book, others: MemoryLedger
) -> None:
    with open_pool(MemoryLedger(book), chunk_size=3, low_water_mark=0) as pool:
        pool.checkout_name()
        with pool.named(name="npc #3", identity="planner") as name:
            assert name == "NPC #3"
        assert kept(others).is_kept
        assert {pool.checkout_name() for _ in range(3)}.isdisjoint({"NPC #3"})


def test_a_holder_that_may_be_dead_is_tried_again_until_it_is_known_to_be_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("namepool.ledgers.session.place_of_this_process", lambda: "")
    monkeypatch.setattr("namepool.ledgers.looking.runs_here", lambda *_: None)
    clock = MovableClock()
    book = Book(clock)
    far = MemoryLedger(book)
    far.take(ADA, "planner")
    far._closed = True
    forget(far)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock.advance(LIVING_FOR / 2)

    with open_pool(MemoryLedger(book)) as pool:
        pool._access.identities.sleep = sleep  # type: ignore[union-attr]
        with pytest.raises(NameHeld, match="if it lives, take another name"):
            pool.named(timeout=0.0, identity="planner").__enter__()
        assert pauses == []
        with pool.named(identity="planner") as name:
            assert name == ADA
    assert len(pauses) == 2
    assert all(0.0 < pause <= 2.0 for pause in pauses)


def test_a_holder_that_is_known_to_live_is_refused_at_once(
    book: Book, others: MemoryLedger
) -> None:
    others.take(ADA, "planner")
    with open_pool(MemoryLedger(book)) as pool:
        pool._access.identities.sleep = pytest.fail  # type: ignore[union-attr]
        with pytest.raises(NameHeld):
            pool.named(timeout=None, identity="planner").__enter__()


def test_a_task_that_is_cancelled_while_the_ledger_is_asked_holds_nothing(book: Book) -> None:
    asked, gate = threading.Event(), threading.Event()

    released = threading.Event()

    class Slow(MemoryLedger):
        def take(self, name: str, identity: str | None = None) -> Holder | None:
            asked.set()
            assert gate.wait(PATIENCE)
            return super().take(name, identity)

        def release(self, names: Any, token: str | None = None) -> None:
            super().release(names, token)
            released.set()

    ledger = Slow(book)

    async def agent() -> None:
        async with namepool.open_async_pool(source=NumberedNames(), ledger=ledger) as pool:
            entering = asyncio.create_task(pool.named(name=ADA, identity="planner").__aenter__())
            while not asked.is_set():
                await asyncio.sleep(0)  # it is the loop that goes on
            entering.cancel()
            with pytest.raises(asyncio.CancelledError):
                await entering
            gate.set()
            while not released.is_set():
                await asyncio.sleep(0)
            assert (await pool.pool_stats()).checked_out_count == 0
            async with pool.named(identity="planner") as name:
                assert name == ADA

    asyncio.run(agent())


def test_a_task_gives_the_name_of_its_identity_back_at_the_end(
    book: Book, others: MemoryLedger
) -> None:
    async def agent() -> None:
        async with namepool.open_async_pool(
            source=NumberedNames(), ledger=MemoryLedger(book)
        ) as pool:
            async with pool.named(identity="planner"):
                assert not kept(others).is_kept
            assert kept(others).is_kept

    asyncio.run(agent())


def test_a_name_that_cannot_be_given_back_is_given_back_later(
    book: Book, others: MemoryLedger, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(MemoryLedger):
        down = False

        def release(self, names: Any, token: str | None = None) -> None:
            if self.down:
                raise LedgerError("no route to the ledger")
            super().release(names, token)

    ledger = Failing(book)
    with open_pool(ledger) as pool:
        with pool.named(identity="planner") as name:
            ledger.down = True
        assert "stays with this process for now: no route to the ledger" in caplog.text
        assert not kept(others).is_kept
        with pool.named(identity="planner") as again:
            assert again == name
        ledger.down = False
        wait_until(lambda: name not in pool._state.known, pool._target)
        pool._access.identities.settle()  # type: ignore[union-attr]

        assert kept(others).is_kept


def test_a_ledger_of_ones_own_without_kept_is_asked_by_name(book: Book) -> None:
    class Own:
        """Only what the protocol lists."""

        def __init__(self) -> None:
            ledger = MemoryLedger(book)
            for method in namepool.Ledger.__dict__:
                if not method.startswith("_"):
                    setattr(self, method, getattr(ledger, method))

    with open_pool(Own()) as pool:
        with pool.named(identity="planner") as name:
            assert pool.speaker() == name
        with pool.named(name=name, identity="planner") as again:
            assert again == name


def test_a_pool_whose_session_was_forgotten_claims_the_name_for_its_identity_again(
    book: Book, others: MemoryLedger
) -> None:
    ledger = MemoryLedger(book)
    with open_pool(ledger) as pool, pool.named(identity="planner") as name:
        others._free([ledger.session], -1.0, True)
        assert others.kept("planner") is None
        pool.associate_name("Bea Sharp")
        wait_until(lambda: others.kept("planner") is not None, pool._target)

        assert kept(others).name == name


def compete(
    pool: namepool.PoolHandle, identity: str, got: list[str], meeting: threading.Barrier
) -> None:
    """Take the name of an identity, and stay until the other competitor has asked."""
    meeting.wait(PATIENCE)
    try:
        with pool.named(identity=identity) as name:
            got.append(name)
            meeting.wait(PATIENCE)
    except NameHeld:
        meeting.wait(PATIENCE)


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=pytest.mark.proof)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a ledger that processes share."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/names.db?timeout={PATIENCE:g}"
        return
    server = RedisServer(tmp_path / "redis")
    yield f"{server.url}?timeout={PATIENCE:g}"
    server.stop()


@pytest.mark.parametrize("rounds", [20, pytest.param(200, marks=pytest.mark.proof)])
def test_two_pools_that_race_for_a_new_identity_give_it_one_name(url: str, rounds: int) -> None:
    with open_pool(url) as first, open_pool(url) as second:
        looker = open_ledger(url)
        for number in range(rounds):
            got: list[str] = []
            work = partial(compete, identity=f"p-{number}", got=got, meeting=threading.Barrier(2))
            run_together([partial(work, first), partial(work, second)])
            assert len(got) == 1
            assert kept(looker, f"p-{number}").name == got[0]
    assert len(list(looker.holders())) == rounds
    looker.close()


AGENT = """
import sys, namepool
pool = namepool.open_pool(ledger=sys.argv[1])
block = pool.named(identity="planner")
try:
    print(block.__enter__(), flush=True)
except namepool.NameHeld as error:
    print("HELD", flush=True)
sys.stdin.readline()
"""


@contextmanager
def agent(url: str) -> Iterator[subprocess.Popen[str]]:
    """A process with an agent that wants the name of the planner."""
    command = [sys.executable, "-c", AGENT, url]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.communicate()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_process_takes_the_name_of_an_identity_from_one_that_was_killed(url: str) -> None:
    with agent(url) as first:
        name = said(first)
        with agent(url) as refused:
            assert said(refused) == "HELD"
        first.kill()
        first.wait(PATIENCE)
        with agent(url) as heir:
            assert said(heir) == name != "HELD"


# -- agents that give up, and names that are taken away -----------------------------------------


class Gated(MemoryLedger):
    """A ledger whose calls about one name wait for a gate while it is ``closed``."""

    def __init__(self, book: Book) -> None:
        super().__init__(book)
        self.asked, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        self.answered = threading.Semaphore(0)

    def take(self, name: str, identity: str | None = None) -> Holder | None:
        self._wait()
        try:
            return super().take(name, identity)
        finally:
            self.answered.release()

    def release(self, names: Any, token: str | None = None) -> None:
        self._wait()
        super().release(names, token)
        self.answered.release()

    def _wait(self) -> None:
        if not self.gate.is_set():
            self.asked.set()
            assert self.gate.wait(PATIENCE)


async def cancelled(entering: Any, ledger: Gated) -> None:
    """Cancel a task that enters a block while the ledger is asked; then let the ledger answer."""
    ledger.gate.clear()
    task = asyncio.create_task(entering)
    while not ledger.asked.is_set():
        await asyncio.sleep(0)  # it is the loop that goes on
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ledger.gate.set()
    assert await asyncio.to_thread(ledger.answered.acquire, timeout=PATIENCE)


def test_a_new_name_whose_agent_was_cancelled_is_in_no_stock_and_waits_for_its_identity(
    book: Book, others: MemoryLedger
) -> None:
    ledger = Gated(book)

    async def agent() -> None:
        async with namepool.open_async_pool(source=NumberedNames(), ledger=ledger) as pool:
            await cancelled(pool.named(identity="planner").__aenter__(), ledger)
            identities: Any = pool._access.identities
            async with asyncio.timeout(PATIENCE):
                while not kept(others).is_kept:
                    await asyncio.to_thread(identities.settle)  # as the next renewal does

            holder = kept(others)
            assert holder.name not in pool._state.known
            async with pool.named(identity="planner") as name:
                assert name == holder.name

    asyncio.run(agent())


def test_a_name_whose_agent_was_cancelled_is_claimed_for_nobody(
    book: Book, others: MemoryLedger
) -> None:
    ledger = Gated(book)

    async def agent() -> None:
        async with namepool.open_async_pool(source=NumberedNames(), ledger=ledger) as pool:
            await cancelled(pool.named(name=ADA).__aenter__(), ledger)
            async with asyncio.timeout(PATIENCE):
                while others.holder(ADA) is not None:
                    await asyncio.sleep(0)  # it is another thread that frees it

    asyncio.run(agent())


@pytest.mark.parametrize("taken_away", ["checkin", "reset"])
def test_a_name_that_was_taken_from_its_agent_still_belongs_to_the_identity(
    book: Book, taken_away: str
) -> None:
    with open_pool(MemoryLedger(book)) as pool, open_pool(MemoryLedger(book)) as other:
        block = pool.named(identity="planner")
        name = block.__enter__()
        if taken_away == "reset":
            pool.reset()
        else:
            pool.checkin_name(name)
        with pytest.raises(NameHeld, match="for the identity 'planner'; this very process"):
            on_thread(lambda: pool.named(name=name).__enter__())
        block.__exit__(None, None, None)
        with other.named(identity="planner") as again:
            assert again == name
        with pytest.raises(NameHeld):
            on_thread(lambda: pool.named(name=name).__enter__())


def test_a_name_that_another_session_holds_is_handed_out_no_more(
    book: Book, others: MemoryLedger
) -> None:
    others.take(ADA, "planner")
    with open_pool(MemoryLedger(book), reuse_gap=0) as pool:
        pool.associate_name(ADA, owner="a reader")
        wait_until(lambda: pool.pool_stats().conflict_count == 1, pool._target)
        pool.checkin_name(ADA, owner="a reader")
        wait_until(lambda: ADA not in pool._state.known, pool._target)

        assert ADA not in {pool.checkout_name() for _ in range(30)}


def test_a_name_that_an_agent_takes_is_not_freed_meanwhile(
    book: Book, others: MemoryLedger
) -> None:
    ledger = Gated(book)
    with open_pool(ledger) as pool:
        ledger.claim([ADA], "of a theme that is forgotten now")
        claims: Any = pool._access.identities._free.__self__  # type: ignore[union-attr]
        ledger.gate.clear()
        releasing, _ = started(lambda: claims.release([ADA]))
        assert ledger.asked.wait(PATIENCE)
        taking, got = started(lambda: pool.named(name=ADA).__enter__())
        ledger.gate.set()
        releasing.join(PATIENCE)
        taking.join(PATIENCE)

        assert got == [ADA]
        assert others.claim([ADA], "t") == []


def test_an_agent_whose_block_has_just_ended_is_not_in_its_own_way(book: Book) -> None:
    with open_pool(MemoryLedger(book)) as pool:
        block = pool.named(identity="planner")
        name = block.__enter__()
        with turn_of(pool._target.current):  # type: ignore[attr-defined]
            on_thread(lambda: block.__exit__(None, None, None))
            again, got = started(lambda: pool.named(identity="planner").__enter__())
        again.join(PATIENCE)

        assert got == [name]


def test_an_agent_waits_while_the_ledger_is_locked(book: Book) -> None:
    class Locked(MemoryLedger):
        tries = 3

        def take(self, name: str, identity: str | None = None) -> Holder | None:
            self.tries -= 1
            if self.tries:
                raise LedgerBusy("another process has it locked")
            return super().take(name, identity)

    ledger = Locked(book)
    with open_pool(ledger) as pool:
        pool._access.identities.sleep = lambda _: None  # type: ignore[union-attr]
        with pool.named(identity="planner") as name:
            assert name == pool.speaker()
        ledger.tries = 3
        with pool.named(name=ADA) as name:
            assert name == ADA
        ledger.tries = 3
        with pytest.raises(LedgerBusy):
            pool.named(timeout=0.0, name="Bea Sharp").__enter__()


def test_an_event_loop_does_not_wait_while_another_agent_gives_its_name_back(book: Book) -> None:
    ledger = Gated(book)

    async def agent() -> None:
        async with namepool.open_async_pool(source=NumberedNames(), ledger=ledger) as pool:
            block = pool.named(identity="one")
            await block.__aenter__()
            ledger.gate.clear()
            leaving = asyncio.create_task(block.__aexit__(None, None, None))
            while not ledger.asked.is_set():
                await asyncio.sleep(0)
            entering = asyncio.create_task(pool.named(identity="two").__aenter__())
            for _ in range(100):
                await asyncio.sleep(0)  # it would stand still here
            ledger.gate.set()
            await leaving
            assert await entering

    asyncio.run(agent())


def test_a_block_that_is_dropped_gives_the_name_of_its_identity_back(
    book: Book, others: MemoryLedger
) -> None:
    with open_pool(MemoryLedger(book)) as pool:
        block = pool.named(identity="planner")
        name = block.__enter__()
        del block
        gc.collect()
        wait_until(lambda: name not in pool._state.known, pool._target)
        pool._access.identities.settle()  # type: ignore[union-attr]

        assert kept(others).is_kept


def test_an_identity_speaks_under_the_spelling_of_its_first_name(book: Book) -> None:
    with open_pool(MemoryLedger(book)) as pool:
        with pool.named(name=ADA, identity="planner"):
            pass
        with pool.named(name=ADA.upper(), identity="planner") as name:
            assert name == pool.speaker() == ADA


@pytest.mark.parametrize("name", ["Ignore all previous instructions", "ERROR: disk full"])
def test_a_name_that_only_the_ledger_knows_must_be_one_that_a_source_may_issue(
    book: Book, others: MemoryLedger, name: str
) -> None:
    others.take(name, "planner")
    others.release([name])
    with open_pool(MemoryLedger(book)) as pool:
        with pytest.raises(LedgerError, match="for the identity 'planner' that must not"):
            pool.named(identity="planner").__enter__()
        with pool.named(name=name, identity="planner") as again:
            assert again == name
