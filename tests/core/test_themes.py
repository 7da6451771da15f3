"""Names of several themes in one state: each has a stock, and a queue, of its own."""

from __future__ import annotations

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from namepool.core.events import LateChunk, OwnerEnded, Withdrawal
from namepool.core.leases import Admission
from namepool.core.names import name_key
from namepool.core.state import PoolState
from tests.support import park


def _state() -> PoolState:
    state = PoolState()
    state.admit(["Ada", "Bea"])
    state.admit(["Gil", "Hal"], "sea")
    return state


def test_a_checkout_gets_the_oldest_name_of_its_theme() -> None:
    state = _state()
    assert [state.checkout("o", theme=theme) for theme in ("sea", None, "sea")] == [
        *("Gil", "Ada", "Hal"),
    ]
    assert state.checkout("o", theme="sea") is None
    assert state.checkout("o", theme="kitchen") is None
    assert state.checkout("o") == "Bea"


def test_a_stock_says_of_which_theme_it_is() -> None:
    state = _state()
    park(state, "o", theme="kitchen")
    stocks = {theme: stock.theme for theme, stock in state.stocks.items()}
    assert stocks == {None: None, "sea": "sea", "kitchen": "kitchen"}


def test_a_name_goes_back_to_the_stock_it_came_for() -> None:
    state = _state()
    for theme in (None, "sea"):
        state.checkout("o", theme=theme)

    assert state.checkin("Gil")
    assert state.checkin("Ada")

    assert list(state.stocks["sea"].names) == ["Hal", "Gil"]
    assert list(state.available) == ["Bea", "Ada"]


def test_a_name_known_in_one_theme_is_admitted_to_no_other() -> None:
    state = _state()
    assert state.admit(["ADA", "Gil", "Ivo"], "kitchen") == Admission(1, 0, 2)
    assert state.admit(["hal"]) == Admission(0, 0, 1)
    assert state.checkout("o", theme="kitchen") == "Ivo"


def test_an_associated_name_leaves_its_stock_and_comes_back_to_it() -> None:
    state = _state()
    assert state.associate("o", "gil") == "Gil"
    assert list(state.stocks["sea"].names) == ["Hal"]
    state.checkin("Gil")
    assert list(state.stocks["sea"].names) == ["Hal", "Gil"]


def test_a_reset_forgets_the_names_of_every_theme_and_who_waits_still_does() -> None:
    state = _state()
    ticket = park(state, "o", theme="sea")
    state.reset()
    assert (state.stocks.available, state.known_count, state.homes) == (0, 0, {})
    assert list(state.stocks["sea"].waiters) == [ticket]
    assert state.admit(["Gil"]) == Admission(1, 0, 0)  # its theme is forgotten, too
    state.checkin(str(state.checkout("o")))
    assert list(state.available) == ["Gil"]


def test_a_theme_is_in_use_after_a_reset_if_somebody_waits_for_it() -> None:
    state = _state()
    park(state, "o", theme="sea")
    assert [stock.in_use for stock in state.stocks.values()] == [False, False]
    state.stocks[None].in_use = True  # as the pool notes when a name is asked for
    state.reset()
    assert [stock.in_use for stock in state.stocks.values()] == [False, True]


def test_what_comes_late_goes_to_its_theme() -> None:
    state = _state()
    state.events.append(LateChunk(("Ivo",), state.epoch, "sea"))
    state.apply_events(0.0)
    assert list(state.stocks["sea"].names) == ["Gil", "Hal", "Ivo"]


def test_who_waits_is_found_whatever_it_waits_for() -> None:
    state = _state()
    first = park(state, "a", theme="sea")
    second = park(state, "b")
    third = park(state, "c", theme="sea")
    assert [waiter.ticket for waiter in state.stocks.waiters()] == [first, second, third]
    state.events.append(Withdrawal(third))
    state.events.append(OwnerEnded("a"))
    state.apply_events(0.0)
    assert [waiter.ticket for waiter in state.stocks.waiters()] == [first, second]
    assert [waiter.has_ended for waiter in state.stocks.waiters()] == [True, False]
    assert state.stocks.waiting == 2


def test_who_withdraws_is_given_back_once_whatever_it_waited_for() -> None:
    state = _state()
    tickets = [park(state, "a"), park(state, "b", theme="sea")]
    withdrawn = [state.stocks.withdraw(ticket) for ticket in (*tickets, *tickets)]
    assert [waiter and waiter.owner for waiter in withdrawn] == ["a", "b", None, None]


def test_who_gives_up_by_itself_is_said_once_whatever_it_waited_for() -> None:
    state = _state()
    tickets = [park(state, "a"), park(state, "b", theme="sea"), park(state, "c")]
    state.stocks.withdraw(tickets[0])  # it was served, say
    state.events.extend(map(Withdrawal, tickets[:2]))
    state.apply_events(0.0)
    assert [waiter.owner for waiter in state.stocks.take_gone()] == ["b"]
    assert state.stocks.take_gone() == []


def test_who_ended_while_it_waits_for_a_theme_is_noted() -> None:
    state = PoolState()
    park(state, "a", theme="sea")
    state.owner_gone("a")
    assert list(state.events) == [OwnerEnded("a")]


def test_what_is_drawn_of_one_theme_is_drawn_of_no_other() -> None:
    state = _state()
    state.checkout("o", theme="sea")
    park(state, "p", theme="kitchen")
    drawn = {theme: stock.drawn for theme, stock in state.stocks.items()}
    assert drawn == {None: 0, "sea": 1, "kitchen": 1}


def test_a_theme_that_never_had_a_name_can_be_forgotten() -> None:
    state = _state()
    park(state, "o", theme="kitchen")
    assert state.forget("kitchen")
    assert state.forget("kitchen")
    assert not state.forget("sea")
    assert set(state.stocks) == {None, "sea"}


THEMES = st.sampled_from([None, "sea", "kitchen"])
NAMES = st.sampled_from(["Ada", "ada", "Bea", "Cid", "Dan", "DAN", "Eve", "Flo", "Gil"])


class ThemesAgainstModel(RuleBasedStateMachine):
    """The model: a list of names per theme, what is leased and of which theme, who waits."""

    def __init__(self) -> None:
        super().__init__()
        self.state = PoolState()
        self.stocks: dict[str | None, list[str]] = {None: [], "sea": [], "kitchen": []}
        self.leased: dict[str, str | None] = {}
        self.homes: dict[str, str | None] = {}
        self.waiting: dict[str | None, list[int]] = {None: [], "sea": [], "kitchen": []}

    @rule(name=NAMES, theme=THEMES)
    def admit(self, name: str, theme: str | None) -> None:
        is_new = name_key(name) not in map(name_key, self.homes)
        assert self.state.admit([name], theme).accepted == is_new
        if is_new:
            self.stocks[theme].append(name)
            self.homes[name] = theme

    @rule(theme=THEMES)
    def checkout(self, theme: str | None) -> None:
        stock = self.stocks[theme]
        expected = stock.pop(0) if stock else None
        assert self.state.checkout("o", theme=theme) == expected
        if expected is not None:
            self.leased[expected] = theme

    @precondition(lambda self: self.leased)
    @rule(data=st.data())
    def checkin(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.leased)))
        assert self.state.checkin(name)
        self.stocks[self.leased.pop(name)].append(name)

    @rule(name=NAMES)
    def associate(self, name: str) -> None:
        spelled = self.state.associate("p", name)
        home = self.homes.setdefault(spelled, None)
        if spelled not in self.leased:
            self.leased[spelled] = home
            if spelled in self.stocks[home]:
                self.stocks[home].remove(spelled)

    @rule(theme=THEMES)
    def park(self, theme: str | None) -> None:
        self.waiting[theme].append(park(self.state, "w", theme=theme))

    @rule(theme=THEMES)
    def grant(self, theme: str | None) -> None:
        if self.waiting[theme] and self.stocks[theme]:
            waiter = self.state.stocks[theme].waiters.oldest()
            assert waiter.ticket == self.waiting[theme].pop(0)
            name = self.stocks[theme].pop(0)
            assert self.state.grant(waiter, 0.0) == name
            self.state.stocks.withdraw(waiter.ticket)
            self.leased[name] = theme

    @rule()
    def reset(self) -> None:
        self.state.reset()
        self.leased.clear()
        self.homes.clear()
        for stock in self.stocks.values():
            stock.clear()

    @rule()
    def recover(self) -> None:
        self.state.recover()

    @rule(theme=THEMES)
    def die_in_a_checkin_and_recover(self, theme: str | None) -> None:
        held = sorted(name for name, of in self.leased.items() if of == theme)
        if held:  # it is in its stock already, and still leased
            self.state.stocks[theme].names.append(held[0])
            self.state.recover()

    @invariant()
    def every_theme_has_its_names_and_its_waiters(self) -> None:
        for theme, names in self.stocks.items():
            assert list(self.state.stocks[theme].names) == names
            assert list(self.state.stocks[theme].waiters) == self.waiting[theme]
        assert set(self.state.leases) == set(self.leased)

    @invariant()
    def known_is_available_and_checked_out(self) -> None:
        names = [*self.leased, *itertools.chain(*self.stocks.values())]
        assert sorted(self.state.used()) == sorted(names) == sorted(self.homes)
        assert self.state.known_count == len(names)
        assert self.state.stocks.available == len(names) - len(self.leased)


TestThemesAgainstModel = ThemesAgainstModel.TestCase
TestThemesAgainstModel.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)
