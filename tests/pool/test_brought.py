"""A name that the program brings may be that of a person, and no source is told it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from namepool import (
    CheckoutName,
    FallbackSource,
    ListedNames,
    NamePool,
    Nomenclater,
    NumberedNames,
    PoolHandle,
    PoolState,
    open_pool,
)
from namepool.events import FetchFailed
from namepool.ledgers import Book, MemoryLedger
from tests.sources.llm.scripted import Endpoint, Names, Seen, Told, named
from tests.support import PATIENCE

JOHN = "Patient John Doe"


class Recording:
    """Numbered names; remembers the used names of each fetch."""

    def __init__(self, *first: str) -> None:
        self.told: list[list[str]] = []
        self._first, self._names = [*first], NumberedNames()

    def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
        self.told.append([*used])
        first, self._first = self._first, []
        return [*first, *self._names.fetch(count, used)]


def _associate(pool: PoolHandle) -> None:
    pool.associate_name(JOHN, owner="doctor")


def _speak(pool: PoolHandle) -> None:
    with pool.named(name=JOHN):
        pass  # it comes home, and rests in the stock


def _hold(pool: PoolHandle) -> None:
    pool.named(name=JOHN).__enter__()


BRING = [_associate, _speak, _hold]


def _take_all(pool: PoolHandle, count: int = 30) -> None:
    for n in range(count):
        pool.checkout_name(owner=f"agent {n}", timeout=PATIENCE)


@pytest.mark.parametrize("bring", BRING)
def test_a_source_is_not_told_a_name_that_the_program_brought(
    bring: Callable[[PoolHandle], None],
) -> None:
    source = Recording()
    with open_pool(source=source) as pool:
        bring(pool)
        _take_all(pool)
        assert pool.pool_stats().all_used_count > 30
    assert len(source.told) > 1
    assert JOHN not in str(source.told)
    assert "NPC #1" in source.told[-1]


@pytest.mark.parametrize("bring", BRING)
@pytest.mark.parametrize("spelling", [JOHN, "patient john doe"])
def test_a_source_that_gives_the_same_name_is_refused_and_still_not_told_it(
    bring: Callable[[PoolHandle], None], spelling: str
) -> None:
    source = Recording(spelling)
    with open_pool(source=source) as pool:
        bring(pool)
        _take_all(pool)
        assert pool.pool_stats().duplicate_count == 1
        assert [lease.name for lease in pool.leases()].count(spelling) <= 1
    assert JOHN.lower() not in str(source.told[1:]).lower()


def test_no_source_behind_another_one_is_told_it() -> None:
    told: list[list[str]] = []

    class Broken:
        def fetch(self, count: int, used: Sequence[str]) -> list[str]:
            told.append([*used])
            raise ConnectionError("it is down")

    source = Recording()
    with open_pool(source=FallbackSource(Broken(), source)) as pool:
        pool.associate_name(JOHN, owner="doctor")
        _take_all(pool)
    assert told
    assert JOHN not in str(source.told) + str(told)


def test_a_theme_changes_nothing() -> None:
    source = Recording()
    with open_pool(source=source) as pool:
        pool.associate_name(JOHN, owner="doctor")
        for n in range(30):
            pool.checkout_name(owner=f"agent {n}", theme="sea")
    assert JOHN not in str(source.told)


def test_a_pool_that_goes_on_with_the_state_of_another_one_does_not_tell_it() -> None:
    state, source = PoolState(), Recording()
    first = NamePool.start(source=source, state=state)
    PoolHandle(first).associate_name(JOHN, owner="doctor")
    first.ask(CheckoutName(owner="agent"))
    first.stop()
    second = NamePool.start(source=source, state=state)
    _take_all(PoolHandle(second))
    second.stop()
    assert len(source.told) > 1
    assert "NPC #1" in source.told[-1]
    assert JOHN not in str(source.told)


def test_a_ledger_claims_it_and_its_source_is_not_told_it() -> None:
    claimed: list[str] = []

    class Ledger(MemoryLedger):
        def take(self, name: str, *args: Any, **kwargs: Any) -> Any:
            claimed.append(name)
            return super().take(name, *args, **kwargs)

    source = Recording()
    with open_pool(source=source, ledger=Ledger(Book())) as pool:
        pool.associate_name(JOHN, owner="doctor")
        _take_all(pool)
    assert claimed == [JOHN]
    assert JOHN not in str(source.told)


def _also(name: str, names: Names) -> Callable[[Seen], Told]:
    """Return an answer with as many names as were asked for; one of them is ``name``."""

    def answer(seen: Seen) -> Told:
        others = json.loads(json.loads(names(seen).body)["choices"][0]["message"]["content"])
        return named(name, *others["names"][1:])

    return answer


@pytest.mark.parametrize("is_given_by_the_model", [True, False])
def test_no_prompt_of_a_model_has_it(is_given_by_the_model: bool) -> None:
    names = Names()
    answers = [_also(JOHN, names)] if is_given_by_the_model else []
    with Endpoint(*answers, names) as endpoint:
        source = Nomenclater("m", endpoint.url, max_used_in_prompt=100)
        with open_pool(source=source, max_fetches=1) as pool:
            pool.associate_name(JOHN, owner="doctor")
            _take_all(pool, 20)
            assert pool.pool_stats().duplicate_count == is_given_by_the_model
            assert [lease.owner for lease in pool.leases() if lease.name == JOHN] == ["doctor"]
    prompts = [seen.prompt for seen in endpoint.seen]
    assert "Agent 2" in prompts[-1]
    assert JOHN not in "".join(prompts)


# -- a source that would give it for ever -----------------------------------------------------


class Own:
    """A list as programs write it: it has no other way to skip a name than the used ones."""

    def __init__(self, size: int) -> None:
        self.names = [f"Name {n}" for n in range(1, size + 1)]
        self.counts: list[int] = []

    def fetch(self, count: int, used: Sequence[str]) -> list[str]:
        self.counts.append(count)
        return [name for name in self.names if name not in used][:count]


def test_a_source_that_gives_only_brought_names_is_asked_at_once_for_more() -> None:
    source, failures = Own(100), list[FetchFailed]()
    with (
        open_pool(source=source, chunk_size=4, low_water_mark=0, max_fetches=1) as pool,
        pool.subscribe(failures.append, FetchFailed),
    ):
        for n in range(1, 11):
            pool.associate_name(f"Name {n}", owner=f"restored {n}")
        given = [pool.checkout_name(owner=f"agent {n}") for n in range(20)]
    assert given == [f"Name {n}" for n in range(11, 31)]
    assert failures == []
    assert source.counts[:4] == [4, 8, 12, 14]
    assert max(source.counts) <= 14


def test_a_source_that_gives_nothing_else_fails_in_the_end() -> None:
    source = Own(3)
    with open_pool(source=source, chunk_size=2) as pool:
        for n in range(1, 4):
            pool.associate_name(f"Name {n}", owner=f"restored {n}")
        with pytest.raises(Exception, match="3 known already"):
            pool.checkout_name(owner="agent", timeout=PATIENCE)
    assert len(source.counts) <= 5


def test_a_list_of_ours_skips_brought_names_by_itself() -> None:
    names = [f"Name {n}" for n in range(1, 31)]
    with open_pool(source=ListedNames(names), chunk_size=5) as pool:
        for n in range(1, 11):
            pool.associate_name(f"NAME {n}", owner=f"restored {n}")
        given = [pool.checkout_name(owner=f"agent {n}") for n in range(20)]
        assert given == names[10:]
        assert pool.pool_stats().duplicate_count == 0
