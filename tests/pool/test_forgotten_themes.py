"""A pool keeps the stocks of so many themes, and forgets those that nobody uses."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pykka
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from namepool import (
    CheckinName,
    CheckoutName,
    CheckoutTimeout,
    NamePool,
    Nomenclater,
    PoolHandle,
    PoolState,
    PoolStats,
    PoolStatsRequest,
    Reset,
    name_key,
    open_pool,
)
from namepool.core.judging import judge
from namepool.ledgers import Book, MemoryLedger
from namepool.pool import themes
from namepool.pool.ref import NamePoolRef
from tests.sources.llm.scripted import Endpoint
from tests.support import PATIENCE, MovableClock, wait_until


class Themed:
    """Names such as "Sea #1", never twice; a theme that is ``shut`` waits."""

    def __init__(self, shut: str | None = None) -> None:
        self.asked: list[str | None] = []
        self.used: list[int] = []
        self.gate, self.is_asked = threading.Event(), threading.Event()
        self._shut, self._numbers = shut, itertools.count(1)

    def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
        self.asked.append(theme)
        self.used.append(len(used))
        self.is_asked.set()
        if theme is not None and theme == self._shut:
            assert self.gate.wait(PATIENCE)
        first = (theme or "plain").split()[0].title()
        return [f"{first} #{next(self._numbers)}" for _ in range(count)]


OPTIONS: dict[str, Any] = {"chunk_size": 3, "low_water_mark": 0, "reuse_gap": 0}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a pool keep five themes, and forget one at a time."""
    monkeypatch.setattr(themes, "MOST_THEMES", 5)
    monkeypatch.setattr(themes, "AT_ONCE", 1)


@pytest.fixture
def state() -> PoolState:
    return PoolState()


@pytest.fixture
def ref(few: None, state: PoolState) -> Iterator[NamePoolRef]:
    ref = NamePool.start(source=Themed(), state=state, **OPTIONS)
    yield ref
    ref.stop()


def _use(ref: NamePoolRef, *names: str) -> None:
    for theme in names:
        _give_back(ref, _take(ref, theme))


def _take(ref: NamePoolRef, theme: str | None) -> str:
    return str(ref.ask(CheckoutName(owner=f"of {theme}", theme=theme), timeout=PATIENCE))


def _give_back(ref: NamePoolRef, name: str) -> None:
    assert ref.ask(CheckinName(name, f"agent {name}"), timeout=PATIENCE)


def _kept(state: PoolState) -> list[str | None]:
    return [theme for theme in state.stocks if theme is not None]


def _look_at(state: PoolState) -> None:
    names = [name for stock in state.stocks.values() for name in stock.all_names()]
    assert sorted([*names, *state.leases]) == sorted(state.known.used())


def test_a_program_that_asks_for_thousands_of_themes_does_not_grow() -> None:
    state = PoolState()
    ref = NamePool.start(source=Themed(), state=state, **OPTIONS)
    for n in range(400):
        _use(ref, f"crew {n}")
        assert len(_kept(state)) <= themes.MOST_THEMES
    _look_at(state)
    assert len(state.known) <= themes.MOST_THEMES * 3
    assert len(ref._actor._fetches.by_theme) <= themes.MOST_THEMES + 1
    ref.stop()


def test_the_theme_that_was_asked_for_longest_ago_is_forgotten_first(
    ref: NamePoolRef, state: PoolState
) -> None:
    _use(ref, *"abcde")
    _use(ref, "a")  # at once, by the caller alone
    _use(ref, "f")
    assert _kept(state) == [*"acdef"]
    _look_at(state)


def test_a_theme_with_a_name_that_is_checked_out_is_kept(
    ref: NamePoolRef, state: PoolState
) -> None:
    name = _take(ref, "a")
    _use(ref, *"bcdefgh")
    assert "a" in _kept(state)
    _give_back(ref, name)
    assert name in state.stocks["a"].all_names()
    _look_at(state)


def test_a_theme_whose_name_somebody_else_speaks_under_is_kept(
    ref: NamePoolRef, state: PoolState
) -> None:
    name = _take(ref, "a")
    _give_back(ref, name)
    PoolHandle(ref).associate_name(name, owner="restored")
    _use(ref, *"bcdefgh")
    assert "a" in _kept(state)
    _look_at(state)


def test_a_theme_with_a_waiting_caller_and_a_fetch_under_way_is_kept(few: None) -> None:
    source, state = Themed(shut="a"), PoolState()
    ref = NamePool.start(source=source, state=state, **OPTIONS)
    waiting = ref.ask(CheckoutName(owner="early", theme="a"), block=False)
    _use(ref, *"bcdefgh")
    assert "a" in _kept(state)
    source.gate.set()
    assert str(waiting.get(timeout=PATIENCE)).startswith("A ")
    _look_at(state)
    ref.stop()


def test_a_theme_whose_callers_wait_for_their_turn_is_kept(few: None) -> None:
    source, state = Themed(shut="a"), PoolState()
    ref = NamePool.start(source=source, state=state, max_fetches=1, **OPTIONS)
    waiting = [
        ref.ask(CheckoutName(owner=f"of {theme}", theme=theme), block=False) for theme in "abcdefgh"
    ]
    wait_until(lambda: state.stocks.waiting == 8, ref)
    source.gate.set()
    names = [str(one.get(timeout=PATIENCE)) for one in waiting]
    assert [name[0] for name in names] == [*"ABCDEFGH"]
    _look_at(state)
    ref.stop()


def test_a_theme_with_a_fetch_under_way_that_nobody_waits_for_is_kept(few: None) -> None:
    source, state, clock = Themed(shut="a"), PoolState(), MovableClock()
    ref = NamePool.start(source=source, state=state, **OPTIONS)
    clock.drive(ref)
    waiting: Any = ref.ask(CheckoutName(5.0, "early", "a"), block=False)
    assert source.is_asked.wait(PATIENCE)
    clock.advance(6.0)
    with pytest.raises(CheckoutTimeout):
        waiting.get(timeout=PATIENCE)
    _use(ref, *"bcdefgh")
    assert "a" in _kept(state)
    source.gate.set()
    wait_until(lambda: bool(state.stocks["a"].names), ref)
    _use(ref, *"ijklmn")
    assert "a" not in _kept(state)
    _look_at(state)
    ref.stop()


def test_if_all_themes_are_in_use_one_more_is_served(ref: NamePoolRef, state: PoolState) -> None:
    held = [_take(ref, theme) for theme in "abcdefghij"]
    assert _kept(state) == [*"abcdefghij"]
    _look_at(state)
    for name in held:
        _give_back(ref, name)
    _use(ref, *"klm")
    assert len(_kept(state)) <= 5
    _look_at(state)


def test_names_without_a_theme_are_never_forgotten(ref: NamePoolRef, state: PoolState) -> None:
    name = _take(ref, None)
    _give_back(ref, name)
    PoolHandle(ref).associate_name("Patient John Doe", owner="doctor")
    _give_back(ref, "Patient John Doe")
    _use(ref, *"abcdefgh")
    assert {name, "Patient John Doe"} <= {*state.stocks[None].all_names()}
    _look_at(state)


def test_a_forgotten_theme_begins_anew(ref: NamePoolRef, state: PoolState) -> None:
    _use(ref, *"abcdef")
    assert "a" not in _kept(state)
    assert _take(ref, "a").startswith("A ")
    assert len(state.stocks["a"].names) == 2
    _look_at(state)


def test_a_name_of_a_forgotten_theme_is_free(ref: NamePoolRef, state: PoolState) -> None:
    _use(ref, *"abcdef")
    assert "A #2" not in state.known
    assert PoolHandle(ref).associate_name("A #2", owner="restored") == "A #2"
    assert state.known.is_brought("A #2")
    _look_at(state)


def test_a_ledger_releases_the_names_of_a_forgotten_theme(few: None) -> None:
    book, state = Book(), PoolState()
    other = MemoryLedger(book)
    pool = open_pool(source=Themed(), ledger=MemoryLedger(book), state=state, **OPTIONS)
    for theme in "abcde":
        with pool.named(theme=theme, timeout=PATIENCE):
            pass
    assert other.claim(["A #2", "A #3"], "token") == []
    with pool.named(theme="f", timeout=PATIENCE):
        pass
    wait_until(lambda: other.claim(["A #2"], "token") == ["A #2"], pool._target)
    assert other.claim(["B #4"], "token") == []
    pool.close()


def test_the_next_pool_with_the_state_forgets_the_themes_of_the_one_before(
    few: None, state: PoolState
) -> None:
    source = Themed()
    first = NamePool.start(source=source, state=state, **OPTIONS)
    _use(first, *"abcde")
    held = _take(first, "b")
    first.stop()
    second = NamePool.start(source=source, state=state, **OPTIONS)
    _use(second, *"fgh")
    assert _kept(state) == [*"befgh"]
    _give_back(second, held)
    _look_at(state)
    second.stop()


def test_a_chunk_of_a_pool_that_is_gone_does_not_keep_its_theme(
    ref: NamePoolRef, state: PoolState
) -> None:
    state.admit(judge(["Z #1"]), "z")  # as a late chunk is
    _use(ref, *"abcde")
    assert _kept(state) == [*"abcde"]
    _look_at(state)


def test_a_source_hears_no_more_of_the_names_of_a_forgotten_theme(
    few: None, state: PoolState
) -> None:
    source = Themed()
    ref = NamePool.start(source=source, state=state, **OPTIONS)
    _use(ref, *"abcdefghijklmnop")
    assert max(source.used) <= 15
    ref.stop()


def test_a_nomenclater_does_not_give_a_name_again_when_its_theme_is_forgotten(
    few: None, state: PoolState, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(themes, "AT_ONCE", 2)
    with Endpoint() as endpoint:
        source = Nomenclater("m", endpoint.url)
        ref = NamePool.start(source=source, state=state, **OPTIONS)
        _use(ref, *"abcdefgh")
        assert "Agent 1" not in state.known
        assert source._given.claim(name_key("Agent 1")) is False
        ref.stop()
        source.close()


# -- against a model --------------------------------------------------------------------------


THEMES = st.sampled_from([None, *"abcdefgh"])


class ManyThemes(RuleBasedStateMachine):
    """The model: the names that are checked out, each with its theme."""

    def __init__(self) -> None:
        super().__init__()
        self.source, self.state = Themed(), PoolState()
        self.before = themes.MOST_THEMES, themes.AT_ONCE
        themes.MOST_THEMES, themes.AT_ONCE = 3, 2
        self.held: dict[str, str | None] = {}
        self.most = 0
        self.start()

    def start(self) -> None:
        self.ref = NamePool.start(source=self.source, state=self.state, **OPTIONS)

    @rule(theme=THEMES)
    def checkout(self, theme: str | None) -> None:
        name = _take(self.ref, theme)
        assert name not in self.held
        assert name.startswith((theme or "plain").title())
        self.held[name] = theme

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def checkin(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.held)))
        _give_back(self.ref, name)
        del self.held[name]

    @rule()
    def restart(self) -> None:
        self.ref.stop()
        self.start()

    @rule()
    def reset(self) -> None:
        self.ref.ask(Reset(), timeout=PATIENCE)
        self.held.clear()

    @invariant()
    def what_is_known_is_available_or_checked_out(self) -> None:
        stats: PoolStats = self.ref.ask(PoolStatsRequest(), timeout=PATIENCE)
        assert stats.checked_out_count == len(self.held) == len(self.state.leases)
        assert stats.all_used_count == stats.available_count + stats.checked_out_count
        _look_at(self.state)

    @invariant()
    def each_theme_in_use_is_kept(self) -> None:
        in_use = {theme for theme in self.held.values() if theme is not None}
        assert in_use <= {*_kept(self.state)}
        self.most = max(self.most, len(in_use))
        assert len(_kept(self.state)) <= max(3, self.most + 1)

    def teardown(self) -> None:
        self.ref.stop()
        pykka.ActorRegistry.stop_all()
        themes.MOST_THEMES, themes.AT_ONCE = self.before


ManyThemes.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestManyThemes = ManyThemes.TestCase
