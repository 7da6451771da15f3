"""Names of several themes in one state: each has a stock, and a queue, of its own."""

from __future__ import annotations

from namepool.actors.later import LATER
from namepool.core.known import Admission
from namepool.core.state import PoolState
from tests.core.scene import admit, associate, available, checkin, checkout, state_with
from tests.support import lease_for, park


def _state() -> PoolState:
    state = state_with()
    admit(state, ["Ada", "Bea"])
    admit(state, ["Gil", "Hal"], "sea")
    return state


def test_a_checkout_gets_the_oldest_name_of_its_theme() -> None:
    state = _state()
    assert [checkout(state, "o", theme).name for theme in ("sea", None, "sea")] == [
        *("Gil", "Ada", "Hal"),
    ]
    assert state.begin(lease_for(state, "o", "sea"), spare=0) is LATER
    assert state.begin(lease_for(state, "o", "kitchen"), spare=0) is LATER
    assert checkout(state, "o").name == "Bea"


def test_a_checkout_of_a_theme_that_nobody_asked_for_makes_no_stock() -> None:
    state = _state()
    state.begin(lease_for(state, "o", "kitchen"), spare=0)
    assert set(state.stocks) == {None, "sea"}


def test_a_stock_says_of_which_theme_it_is() -> None:
    state = _state()
    park(state, "o", theme="kitchen")
    stocks = {theme: stock.theme for theme, stock in state.stocks.items()}
    assert stocks == {None: None, "sea": "sea", "kitchen": "kitchen"}


def test_a_name_goes_back_to_the_stock_it_came_for() -> None:
    state = _state()
    for theme in (None, "sea"):
        checkout(state, "o", theme)

    assert checkin(state, "Gil")
    assert checkin(state, "Ada")

    assert list(state.stocks["sea"].names) == ["Hal", "Gil"]
    assert list(state.stocks[None].names) == ["Bea", "Ada"]


def test_a_name_known_in_one_theme_is_admitted_to_no_other() -> None:
    state = _state()
    assert admit(state, ["ADA", "Gil", "Ivo"], "kitchen") == Admission(1, 0, 2)
    assert admit(state, ["hal"]) == Admission(0, 0, 1)
    assert checkout(state, "o", "kitchen").name == "Ivo"


def test_an_associated_name_leaves_its_stock_and_comes_back_to_it() -> None:
    state = _state()
    assert associate(state, "o", "gil").name == "Gil"
    assert list(state.stocks["sea"].names) == ["Hal"]
    checkin(state, "Gil")
    assert list(state.stocks["sea"].names) == ["Hal", "Gil"]


def test_a_reset_forgets_the_names_of_every_theme_and_who_waits_still_does() -> None:
    state = _state()
    lease = park(state, "o", theme="sea")
    state.reset()
    assert (available(state), state.stocks.available, len(state.known)) == ([], 0, 0)
    assert list(state.stocks["sea"].waiters) == [lease]
    assert admit(state, ["Gil"]) == Admission(1, 0, 0)  # its theme is forgotten, too
    checkin(state, checkout(state, "o").name)
    assert list(state.stocks[None].names) == ["Gil"]


def test_a_theme_is_in_use_after_a_reset_if_somebody_waits_for_it() -> None:
    state = _state()
    park(state, "o", theme="sea")
    assert [stock.in_use for stock in state.stocks.values()] == [False, False]
    state.stocks[None].in_use = True  # as the pool notes when a name is asked for
    state.reset()
    assert [stock.in_use for stock in state.stocks.values()] == [False, True]


def test_those_who_wait_are_counted_whatever_they_wait_for() -> None:
    state = _state()
    for owner, theme in (("a", "sea"), ("b", None), ("c", "sea")):
        park(state, owner, theme=theme)
    assert state.stocks.waiting == 3
    assert [lease.owner for lease in state.stocks["sea"].waiters] == ["a", "c"]


def test_what_is_drawn_of_one_theme_is_drawn_of_no_other() -> None:
    state = _state()
    checkout(state, "o", "sea")
    park(state, "p", theme="kitchen")
    drawn = {theme: stock.drawn for theme, stock in state.stocks.items()}
    assert drawn == {None: 0, "sea": 1, "kitchen": 1}


def test_a_theme_that_never_had_a_name_can_be_forgotten() -> None:
    state = _state()
    park(state, "o", theme="kitchen")
    assert state.known.forget("kitchen")
    assert state.known.forget("kitchen")
    assert not state.known.forget("sea")
    assert set(state.stocks) == {None, "sea"}
