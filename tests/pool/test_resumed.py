"""An agent takes its own earlier name back, and is told who has it where it cannot."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import namepool
from namepool import InvalidName, InvalidOption, LedgerError, NameHeld, NumberedNames
from namepool.ledgers.claims import ENDING
from namepool.ledgers.memory import Book, MemoryLedger
from namepool.ledgers.session import SessionLedger
from tests.support import PATIENCE, GatedSource, on_thread
from tests.test_fork import in_a_child

ADA = "Ada the Yak Shaver"


def open_pool(book: Book, **options: Any) -> namepool.PoolHandle:
    return namepool.open_pool(source=NumberedNames(), ledger=MemoryLedger(book), **options)


def test_a_name_is_taken_by_name_and_comes_home_at_the_end_of_the_block(book: Book) -> None:
    with open_pool(book) as pool:
        with pool.named(name=ADA, identity="planner") as name:
            assert name == pool.speaker() == ADA
            assert pool.pool_stats().checked_out_count == 1
        assert pool.speaker() == namepool.DEFAULT_NAME
        assert pool.pool_stats().checked_out_count == 0


def test_a_new_process_takes_its_earlier_name_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/names.db"
    code = (
        "import namepool, os\n"
        f"pool = namepool.open_pool(ledger={url!r})\n"
        "scope = pool.named(identity='planner')\n"
        "print(scope.__enter__(), flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    died = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    name = died.stdout.strip()
    assert name

    with namepool.open_pool(ledger=url) as pool:
        with pytest.raises(NameHeld, match="for the identity 'planner'; that process is dead, and"):
            pool.named(name=name, identity="tester").__enter__()
        with pool.named(name=name, identity="planner") as again:
            assert again == name


def test_after_an_orderly_end_a_name_waits_for_its_identity(
    book: Book, others: MemoryLedger
) -> None:
    source = GatedSource(is_open=True)
    pool = namepool.open_pool(source=source, ledger=MemoryLedger(book))
    with pool, pool.named(identity="planner") as name:
        pass
    assert source.closed.wait(PATIENCE)
    assert [holder.name for holder in others.holders()] == [name]

    with open_pool(book) as pool:
        with pytest.raises(NameHeld, match="has ended, and its names wait for their identities"):
            pool.named(name=name).__enter__()
        with pool.named(name=name, identity="planner") as again:
            assert again == name


def test_who_asks_for_a_name_of_a_dead_process_is_told_that_it_is_dead_and_what_to_do(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/names.db"
    code = f"from namepool.ledgers import open_ledger as o; o({url!r}).claim([{ADA!r}], 't')"
    subprocess.run([sys.executable, "-c", code], check=True)

    with namepool.open_pool(ledger=url) as pool, pytest.raises(NameHeld) as caught:
        pool.named(name=ADA).__enter__()
    assert str(caught.value).endswith(
        ", for no identity; that process is dead, and its names stay claimed until 'namepool "
        "ledger prune' frees them: take another name"
    )


def test_who_asks_for_a_name_that_a_living_session_has_is_told_which(
    book: Book, others: MemoryLedger
) -> None:
    others.take(ADA, "planner")
    with open_pool(book) as pool:
        with pytest.raises(NameHeld, match=f"^'{ADA}' is held by process [0-9]+ on ") as caught:
            pool.named(name="ada, the yak-shaver", identity="planner").__enter__()
        assert pool.pool_stats().checked_out_count == 0
        assert pool.speaker() == namepool.DEFAULT_NAME

    assert (
        "for the identity 'planner'; it was seen 0 s ago, and that process runs: take another name"
        in str(caught.value)
    )
    assert caught.value.holder.session.id == others.session


def test_within_one_pool_a_name_has_one_holder(book: Book) -> None:
    with open_pool(book) as pool, pool.named(name=ADA, identity="planner"):
        with pytest.raises(NameHeld, match="is checked out in this pool by"):
            on_thread(lambda: pool.named(name=ADA, identity="planner").__enter__())
        with pytest.raises(
            NameHeld, match="for the identity 'planner'; this very process holds it: take"
        ):
            on_thread(lambda: pool.named(name=ADA, identity="tester").__enter__())


def test_a_name_without_an_identity_is_free_again_after_the_end(
    book: Book, others: MemoryLedger
) -> None:
    source = GatedSource(is_open=True)
    pool = namepool.open_pool(source=source, ledger=MemoryLedger(book))
    with pool, pool.named(name=ADA):
        assert others.take(ADA) is not None
    assert source.closed.wait(PATIENCE)

    assert others.take(ADA) is None


def test_a_name_that_waits_in_the_pool_is_taken_out_of_it(book: Book) -> None:
    with open_pool(book, low_water_mark=0, chunk_size=2) as pool:
        first = pool.checkout_name()
        with pool.named(name="npc #2") as name:
            assert name == "NPC #2"
            assert {pool.checkout_name() for _ in range(3)}.isdisjoint({first, name})


def test_without_a_ledger_a_name_is_taken_by_name_but_for_no_identity() -> None:
    with namepool.open_pool(source=NumberedNames()) as pool:
        with pool.named(name=ADA) as name:
            assert name == ADA
        with pytest.raises(InvalidOption, match="identity needs a ledger"):
            pool.named(name=ADA, identity="planner").__enter__()


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"name": "two\nlines"}, InvalidName, "must not contain"),
        ({"name": "Nemo Nobody"}, InvalidOption, "name must be a name of one's own"),
        ({"name": ADA, "identity": ""}, InvalidOption, "identity must be a string"),
        ({"name": ADA, "theme": "kitchen"}, InvalidOption, "theme must be left out"),
    ],
)
def test_what_may_not_be_asked_for(
    book: Book, options: dict[str, Any], error: type[Exception], says: str
) -> None:
    with open_pool(book) as pool:
        with pytest.raises(error, match=says):
            pool.named(**options).__enter__()
        assert pool.pool_stats().checked_out_count == 0


def test_an_identity_that_cannot_be_noted_costs_no_name(book: Book) -> None:
    class Failing(MemoryLedger):
        def take(self, name: str, identity: str | None = None) -> Any:
            raise LedgerError("no route to the ledger")

    with namepool.open_pool(source=NumberedNames(), ledger=Failing(book)) as pool:
        with pytest.raises(LedgerError):
            pool.named(identity="planner").__enter__()
        assert pool.pool_stats().checked_out_count == 0


def test_a_restarted_pool_resumes_too(book: Book, others: SessionLedger) -> None:
    with open_pool(book) as pool:
        handle: Any = pool._target
        assert pool._access.ledger is handle.current.ledger


def test_a_name_that_an_identity_keeps_is_passed_over_by_others(book: Book) -> None:
    with open_pool(book) as pool:
        for identity in ("planner", "builder", "tester"):
            with pool.named(identity=identity) as name:
                assert name == pool.speaker()
        held = [pool.pool_stats().checked_out_count]
        with pool.named(name="NPC #1", identity="planner"):
            held.append(pool.pool_stats().checked_out_count)
        assert held == [0, 1]
    kept = {claim.name: claim.identity for claim in MemoryLedger(book).holders() if claim.identity}
    assert kept == {
        "NPC #1": "planner",
        "NPC #2": "builder",
        "NPC #3": "tester",
    }


def test_a_task_takes_its_name_back_and_is_told_who_has_it(
    book: Book, others: MemoryLedger
) -> None:
    async def agent() -> None:
        async with namepool.open_async_pool(
            source=NumberedNames(), ledger=MemoryLedger(book)
        ) as pool:
            async with pool.named(name=ADA, identity="planner") as name:
                assert name == pool.speaker() == ADA
                others.take("Bea Sharp", "tester")
                with pytest.raises(NameHeld, match="'tester'"):
                    async with pool.named(name="Bea Sharp", identity="builder"):
                        raise AssertionError("it is held")
                assert pool.speaker() == ADA
            async with pool.named(identity="builder") as fresh:
                assert fresh == pool.speaker() == "NPC #1"  # the planner's is passed over
            assert (await pool.pool_stats()).checked_out_count == 0
            with pytest.raises(InvalidOption, match="theme"):
                pool.named(name=ADA, theme="sea")
        identities = {holder.name: holder.identity for holder in others.holders()}
        assert identities["NPC #1"] == "builder"

    asyncio.run(agent())


def test_while_a_task_waits_for_the_ledger_its_loop_goes_on(book: Book) -> None:
    gate, asked = threading.Event(), threading.Event()

    class Slow(MemoryLedger):
        def take(self, name: str, identity: str | None = None) -> Any:
            asked.set()
            assert gate.wait(PATIENCE)
            return super().take(name, identity)

    async def agent() -> None:
        async with namepool.open_async_pool(source=NumberedNames(), ledger=Slow(book)) as pool:

            async def resume() -> str:
                async with pool.named(name=ADA, identity="planner") as name:
                    return name

            resuming = asyncio.create_task(resume())
            while not asked.is_set():
                await asyncio.sleep(0)  # it is the loop that goes on
            gate.set()
            assert await resuming == ADA

    asyncio.run(agent())


def test_the_end_of_a_pool_has_released_its_names_when_it_returns(
    book: Book, others: MemoryLedger
) -> None:
    with open_pool(book) as pool:
        name = pool.checkout_name()

    assert [holder.name for holder in others.holders()] == [name]
    assert others.stats().ended == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_that_closes_its_parents_pool_changes_nothing(tmp_path: Path) -> None:
    with namepool.open_pool(ledger=f"sqlite:///{tmp_path}/names.db") as pool:
        pool.checkout_name()
        before = pool._access.ledger.stats()  # type: ignore[union-attr]
        began = time.monotonic()

        assert in_a_child(pool.close) == "None"

        assert time.monotonic() - began < ENDING / 2
        assert pool._access.ledger.stats() == before  # type: ignore[union-attr]
        assert pool.checkout_name()


def test_a_block_for_an_identity_is_not_entered_twice_at_once(book: Book) -> None:
    with open_pool(book) as pool:
        block = pool.named(identity="planner")
        with block as name:
            with pytest.raises(RuntimeError, match="entered already"):
                block.__enter__()
            assert pool.speaker() == name
        with block:
            assert pool.pool_stats().checked_out_count == 1
