"""Words and names that no source may give to an agent."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from namepool import (
    CheckoutName,
    FallbackSource,
    InvalidOption,
    NamePool,
    NamesUnavailable,
    PoolHandle,
    PoolState,
    open_async_pool,
    open_pool,
)
from namepool.ledgers.memory import Book, MemoryLedger
from namepool.sources.base import why_refused
from tests.pool.test_service import crash
from tests.support import PATIENCE, GatedSource, ScriptedSource
from tests.test_fork import in_a_child

RESERVED = ["Acme", "Ada Lovelace"]
NAMES = ["Acme Ada", "Ada Acme-Bot", "ADA LOVELACE", "Acmena"]


class Repeating:
    """A source that gives the same names again and again."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def fetch(self, count: int, used: Sequence[str]) -> list[str]:
        return [*self.names]


def test_no_agent_gets_a_reserved_name() -> None:
    with open_pool(source=Repeating(*NAMES), reserved=RESERVED, low_water_mark=0) as pool:
        assert pool.checkout_name() == "Acmena"
        stats = pool.pool_stats()

    assert (stats.all_used_count, stats.invalid_count, stats.duplicate_count) == (1, 3, 0)


def test_a_source_whose_names_are_all_reserved_gave_no_name() -> None:
    pool = PoolHandle(NamePool.start(source=Repeating("Acme"), reserved=RESERVED))

    with pytest.raises(NamesUnavailable, match="gave no new name: 1 invalid, 0 known already"):
        pool.checkout_name()
    assert pool.pool_stats().invalid_count == 1


def test_a_program_itself_may_give_a_reserved_name() -> None:
    with open_pool(source=Repeating(*NAMES), reserved=RESERVED) as pool:
        with pool.named(name="Acme") as name:
            assert name == pool.speaker() == "Acme"
        assert pool.associate_name("Ada Lovelace", owner="agent") == "Ada Lovelace"
        assert pool.get_name_by_owner("agent") == "Ada Lovelace"


def test_a_reserved_name_is_not_claimed_in_the_ledger() -> None:
    class Noting(MemoryLedger):
        def claim(self, names: Sequence[str], token: str) -> list[str]:
            asked.extend(names)
            return super().claim(names, token)

    asked: list[str] = []
    ledger = Noting(Book())
    with open_pool(source=Repeating(*NAMES), ledger=ledger, reserved=RESERVED) as pool:
        assert pool.checkout_name() == "Acmena"
        assert pool.pool_stats().invalid_count >= 3

    assert set(asked) == {"Acmena"}


@pytest.mark.parametrize("ledger", [None, "memory"])
def test_behind_a_source_with_reserved_names_only_the_next_source_answers(
    ledger: str | None,
) -> None:
    source = FallbackSource(Repeating("Acme", "Acme Ada"), ScriptedSource(["Bo", "Acme Bo"]))
    claimed = None if ledger is None else MemoryLedger(Book())
    with open_pool(source=source, reserved=RESERVED, ledger=claimed, low_water_mark=0) as pool:
        assert pool.checkout_name() == "Bo"
        stats = pool.pool_stats()

    assert (stats.last_source, stats.all_used_count) == ("ScriptedSource", 1)


@pytest.mark.parametrize("entries", [["Acme"], ("Acme",), iter(["Acme"])], ids=str)
def test_names_stay_reserved_after_a_restart_and_a_reset(entries: Iterable[str]) -> None:
    source = ScriptedSource(*[["Acme", f"Bo {n}"] for n in range(9)])
    with open_pool(source=source, reserved=entries, low_water_mark=0) as pool:
        assert pool.checkout_name(owner="1") == "Bo 0"
        crash(pool)
        assert pool.checkout_name(owner="2") == "Bo 1"
        pool.reset()
        assert pool.checkout_name(owner="3") == "Bo 2"
        stats = pool.pool_stats()

    assert (stats.restart_count, stats.invalid_count) == (1, 3)


def test_a_change_of_the_list_changes_nothing_in_a_pool_that_was_opened_with_it() -> None:
    entries: list[Any] = ["Acme"]
    with open_pool(source=Repeating("Acme", "Bo"), reserved=entries) as pool:
        entries[0] = 7
        crash(pool)
        assert pool.checkout_name() == "Bo"


def test_reserved_names_that_come_for_a_dead_pool_are_dropped_by_the_next() -> None:
    class Late(GatedSource):
        def fetch(self, count: int, used: Sequence[str]) -> list[str]:
            super().fetch(count, used)
            return NAMES

    source, state = Late(), PoolState()
    ref = NamePool.start(source=source, state=state, reserved=RESERVED)
    waiting = ref.ask(CheckoutName(), block=False)
    source.wait_asked()
    ref.stop()

    source.gate.set()
    source.threads[0].join(PATIENCE)
    ref = NamePool.start(source=source, state=state, reserved=RESERVED, low_water_mark=0)

    assert waiting.get(timeout=PATIENCE) == "Acmena"
    assert (len(state.known), state.counters.invalid_count % 3) == (1, 0)
    ref.stop()


def test_a_pool_keeps_the_names_of_an_earlier_state() -> None:
    state = PoolState()
    ref = NamePool.start(source=Repeating("Acme", "Acme Bo"), state=state, low_water_mark=0)
    assert ref.ask(CheckoutName(owner="1")) == "Acme"
    ref.stop()

    ref = NamePool.start(source=Repeating("Cy"), state=state, reserved=["Acme"])

    assert ref.ask(CheckoutName(owner="2")) == "Acme Bo"
    assert ref.ask(CheckoutName(owner="3")) == "Cy"
    ref.stop()


def test_a_source_learns_in_a_fetch_what_is_reserved_and_two_pools_share_it() -> None:
    class Asking:
        def fetch(self, count: int, used: Sequence[str]) -> list[str]:
            seen.append((why_refused("Acme"), why_refused("Bo"), why_refused("null")))
            return ["Acme", "Bo"]

    seen: list[tuple[str | None, ...]] = []
    source = Asking()
    with (
        open_pool(source=source, reserved=["Acme"], low_water_mark=0) as strict,
        open_pool(source=source, low_water_mark=0) as other,
    ):
        assert strict.checkout_name() == "Bo"
        assert other.checkout_name() == "Acme"

    misread = "must not be a word that programs read as something else"
    assert seen == [("is reserved", None, misread), (None, None, misread)]
    assert why_refused("Acme") is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_names_are_reserved_in_the_pool_of_a_forked_child() -> None:
    class Forking:
        def fetch(self, count: int, used: Sequence[str]) -> list[str]:
            return [in_a_child(child)]

    def child() -> str:
        with open_pool(source=Repeating("Acme", "Bo", "Cy"), reserved=["Bo"]) as own:
            return f"{own.checkout_name(owner='1')} {own.checkout_name(owner='2')}"

    assert in_a_child(child) == "Acme Cy"
    with open_pool(source=Forking(), reserved=["Di"], low_water_mark=0) as pool:
        assert pool.checkout_name() == "Acme Cy"


def test_a_pool_of_tasks_has_the_option_too() -> None:
    async def task() -> str:
        async with open_async_pool(source=Repeating("Acme", "Bo"), reserved=["acme"]) as pool:
            return await pool.checkout_name()

    assert asyncio.run(task()) == "Bo"


@pytest.mark.parametrize("start", [NamePool.start, NamePool.child_spec, open_pool])
def test_a_wrong_entry_is_refused_at_the_start(start: Callable[..., Any]) -> None:
    with pytest.raises(InvalidOption, match="reserved: entry 2: 'Ada ' must not begin or end"):
        start(reserved=["Acme", "Ada "])
