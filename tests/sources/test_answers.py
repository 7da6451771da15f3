"""The answer of a source is judged once, where it is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

import namepool.core.judging
from namepool import FallbackSource, NumberedNames, SourceError, open_pool
from namepool.core.guard import why_unissuable
from namepool.core.judging import judge, reserved_keys
from namepool.ledgers.memory import Book, MemoryLedger
from namepool.pool.options import NamePoolOptions
from namepool.sources.base import SURPLUS, read_answer, reserving, why_refused
from tests.support import ScriptedSource

ACME = reserved_keys(["Acme"])


def test_the_candidates_of_an_answer_are_judged_by_what_is_reserved_now() -> None:
    answer = ["Ada", "Acme", None]
    assert read_answer(answer, 3) == ["Ada", "Acme"]

    with reserving(ACME):
        judged = read_answer(iter(answer), 3)

    assert judged == ["Ada"]
    assert judged.refused == (("Acme", "is reserved"), (None, "must be a string, not NoneType"))
    assert read_answer(answer, 3) == ["Ada", "Acme"]


def test_a_judged_answer_is_passed_on() -> None:
    with reserving(ACME):
        judged = read_answer(["Ada", "Acme"], 2)
        assert read_answer(judged, 2) is judged


def test_a_judged_answer_that_was_changed_is_judged_anew() -> None:
    judged = read_answer(["Ada", "Bo"], 2)
    judged[1:] = ["root", "Cy"]

    again = read_answer(judged, 2)

    assert again.names == ("Ada", "Cy")
    assert [value for value, _ in again.refused] == ["root"]


def test_an_answer_that_was_judged_for_others_is_judged_anew() -> None:
    before = judge(["Ada", "Acme"])

    with reserving(ACME):
        assert read_answer(before, 2).names == ("Ada",)


def test_an_answer_without_end_is_read_up_to_its_limit() -> None:
    def names() -> Iterable[str]:
        while True:
            yield "Ada"

    assert len(read_answer(names(), 3)) == 3 + SURPLUS
    judged = judge([])
    judged += ["Ada"] * (4 + SURPLUS)
    assert len(read_answer(judged, 3)) == 3 + SURPLUS


class _Silent:
    """A value that cannot be shown."""

    def __repr__(self) -> str:
        raise SystemExit


def test_a_value_that_cannot_be_shown_harms_no_name_beside_it() -> None:
    with open_pool(source=ScriptedSource([_Silent(), "Ada"]), low_water_mark=0) as pool:
        assert pool.checkout_name() == "Ada"
        assert pool.pool_stats().invalid_count == 1


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Counter[object]:
    """Count how often each candidate is judged."""
    count: Counter[object] = Counter()

    def counting(candidate: object) -> str | None:
        count[candidate] += 1
        return why_unissuable(candidate)

    monkeypatch.setattr(namepool.core.judging, "why_unissuable", counting)
    return count


@pytest.mark.parametrize("ledger", [False, True])
def test_a_candidate_is_judged_once_on_its_way_through_other_sources(
    ledger: bool, judged: Counter[object]
) -> None:
    inner = FallbackSource(ScriptedSource(["Ada", "root", "Acme", "Bo", 7]), NumberedNames())
    source = FallbackSource(ScriptedSource(SourceError("none")), inner)
    options: NamePoolOptions = {"source": source, "reserved": ["Acme"], "chunk_size": 4}
    options["low_water_mark"] = 0
    if ledger:
        options["ledger"] = MemoryLedger(Book())
    with open_pool(**options) as pool:
        names = {pool.checkout_name(owner=owner) for owner in "ab"}
        stats = pool.pool_stats()

    assert names == {"Ada", "Bo"}
    assert judged == dict.fromkeys(["Ada", "root", "Acme", "Bo", 7], 1)
    assert (stats.invalid_count, stats.duplicate_count) == (3, 0)


def test_no_raw_name_that_a_source_adds_to_a_judged_answer_is_issued() -> None:
    class Adding:
        def __init__(self) -> None:
            self.inner = FallbackSource(NumberedNames())

        def fetch(self, count: int, used: Sequence[str]) -> list[str]:
            names = self.inner.fetch(1, used)
            names.insert(0, "root")
            return names

    with open_pool(source=Adding(), low_water_mark=0) as pool:
        assert pool.checkout_name() == "NPC #1"
        assert pool.pool_stats().invalid_count == 1


def test_names_that_a_source_fetched_before_its_pool_was_opened_are_judged_for_the_pool() -> None:
    class Keeping:
        def __init__(self) -> None:
            self.names = FallbackSource(ScriptedSource(["Acme", "Ada"])).fetch(2, [])

        def fetch(self, count: int, used: Sequence[str]) -> list[str]:
            return self.names

    with open_pool(source=Keeping(), reserved=["Acme"], low_water_mark=0) as pool:
        assert pool.checkout_name() == "Ada"


@pytest.mark.parametrize("wrong", ["Ada", b"Ada", 7, None])
def test_an_answer_that_is_no_list_of_names_is_an_error(wrong: Any) -> None:
    with pytest.raises(SourceError, match="a source must return an iterable of names, not"):
        read_answer(wrong, 1)


def test_outside_of_a_fetch_only_the_default_name_is_reserved() -> None:
    assert why_refused("Acme") is None
    assert why_refused("Nemo Nobody") == "is reserved"
    with reserving(ACME), reserving(reserved_keys(["Bo"])):
        assert (why_refused("Acme"), why_refused("Bo")) == (None, "is reserved")
