"""Sources know how long they may take, and share the time of a chunk."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from namepool import FallbackSource, NamePool, Nomenclater, NumberedNames, PoolHandle, SourceError
from namepool.sources import time_left
from namepool.sources.base import IN_TIME, time_limit
from tests.sources.llm.scripted import Endpoint
from tests.support import PATIENCE, GatedSource, on_thread


class _Told:
    """Notes how long it may take; fails until it is mended."""

    def __init__(self, *, fails: bool = True) -> None:
        self.told: list[float | None] = []
        self.fails = fails

    def fetch(self, count: int, used: Sequence[str]) -> list[str]:
        self.told.append(time_left())
        if self.fails:
            raise SourceError("no")
        return [f"Told {n}" for n in range(count)]

    @property
    def last(self) -> float:
        left = self.told[-1]
        assert left is not None
        return left


def test_nobody_says_how_long_it_may_take_where_nobody_waits() -> None:
    source = _Told(fails=False)
    FallbackSource(source).fetch(1, [])
    assert source.told == [None]


def test_a_limit_within_another_is_the_shorter_of_the_two() -> None:
    with time_limit(100), time_limit(10), time_limit(50):
        left = time_left()
        assert left is not None
        assert 9 < left <= 10
    assert time_left() is None


def test_a_time_that_is_over_is_none_left() -> None:
    with time_limit(-1):
        assert time_left() == 0.0


def test_a_pool_tells_its_source_nine_tenths_of_what_it_waits() -> None:
    source = _Told(fails=False)
    ref = NamePool.start(source=source, fetch_timeout=100.0)
    on_thread(PoolHandle(ref).checkout_name)
    assert 100 * IN_TIME - 5 < source.last <= 100 * IN_TIME
    ref.stop()


def test_sources_share_the_time_and_a_tenth_is_kept_for_the_last() -> None:
    first, second, last = _Told(), _Told(), _Told(fails=False)
    with time_limit(100):
        FallbackSource(first, second, last).fetch(1, [])
    assert first.last == pytest.approx(45, abs=1)
    assert second.last == pytest.approx(90, abs=1)  # the first left it nearly all
    assert last.last == pytest.approx(100, abs=1)


def test_of_two_sources_the_first_has_nearly_all_the_time() -> None:
    first = _Told()
    with time_limit(100):
        FallbackSource(first, NumberedNames()).fetch(1, [])
    assert first.last == pytest.approx(90, abs=1)


def test_a_source_within_a_source_shares_its_share() -> None:
    inner = _Told()
    with time_limit(100):
        FallbackSource(FallbackSource(inner, _Told()), NumberedNames()).fetch(1, [])
    assert inner.last == pytest.approx(81, abs=1)


@pytest.mark.proof
def test_two_silent_endpoints_leave_the_last_source_its_turn() -> None:
    with Endpoint() as one, Endpoint() as other:
        one.gate.clear()
        other.gate.clear()
        silent = [Nomenclater("m", endpoint.url) for endpoint in (one, other)]
        source = FallbackSource(*silent, NumberedNames())
        ref = NamePool.start(source=source, fetch_timeout=2.0)
        assert on_thread(PoolHandle(ref).checkout_name) == "NPC #1"
        forms = [[seen.form for seen in endpoint.seen] for endpoint in (one, other)]
        assert forms == [["json_schema", None]] * 2  # each has two attempts in its turn
        ref.stop()
        one.gate.set()
        other.gate.set()


def test_a_source_that_overruns_its_share_is_left_alone_until_it_comes_back() -> None:
    slow = GatedSource()
    source = FallbackSource(slow, NumberedNames())

    def fetch() -> None:
        with time_limit(0.0):  # its share is over as it begins
            source.fetch(1, [])

    thread = threading.Thread(target=fetch)
    thread.start()
    slow.wait_asked()
    with time_limit(100):
        assert source.fetch(1, []) == ["NPC #1"]
        assert len(slow.counts) == 1
        slow.gate.set()
        thread.join(PATIENCE)
        assert source.fetch(1, []) == ["Name 2"]


def test_a_source_that_does_not_ask_for_the_time_works_as_it_did() -> None:
    with time_limit(100):
        assert FallbackSource(NumberedNames()).fetch(2, []) == ["NPC #1", "NPC #2"]
