"""A transition may be cut short between any two of its lines; then it is noted, and mended."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import namepool.core
from namepool.core.state import PoolState

CORE = str(Path(namepool.core.__file__).parent)


class Strike(BaseException):
    """What comes from outside."""


def struck(line: int, transition: Callable[[], object]) -> bool:
    """Run ``transition``, struck before the given line of the core that it runs; tell if it was."""
    left = line

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(CORE):
            return None
        left -= event == "line"
        if left == 0 and event == "line":
            raise Strike
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        transition()
    except Strike:
        return True
    finally:
        sys.settrace(before)
    return False


def busy_state() -> PoolState:
    """Of six names, Dan and Eve are available, and Flo is an orphan; o speaks under several.

    Three more are of the sea: Ide is available.
    """
    state = PoolState()
    state.admit(["Ada", "Bea", "Cid", "Flo", "Dan", "Eve"])
    for owner in ("o", "p", "o", "f"):
        state.checkout(owner)
    state.admit(["Gil", "Hal", "Ide"], "sea")
    for owner in ("o", "r"):
        state.checkout(owner, theme="sea")
    state.associate("p", "Ada")
    state.owner_gone("f")
    state.apply_events(1.0)
    return state


def stocked(state: PoolState) -> dict[str | None, list[str]]:
    return {theme: list(stock.names) for theme, stock in state.stocks.items()}


def indexes(state: PoolState) -> tuple[Any, ...]:
    return (
        stocked(state),
        {name: stock.theme for name, stock in state.homes.items()},
        {name: dict(record[1]) for name, record in state.leases.items()},
        {owner: state.names_of(owner) for owner in "opqrf"},
        dict(state.speaking),
        [*state.used()],
        state.known_count,
    )


TRANSITIONS: dict[str, Callable[[PoolState], object]] = {
    "checkout": lambda s: s.checkout("q"),
    "checkout of one more": lambda s: s.checkout("o"),
    "checkout of a theme": lambda s: s.checkout("q", theme="sea"),
    "checkin of a theme": lambda s: s.checkin("Gil"),
    "associate a name of a theme": lambda s: s.associate("o", "Ide"),
    "checkin": lambda s: s.checkin("Ada"),
    "checkin of an orphan": lambda s: s.checkin("Flo"),
    "associate": lambda s: s.associate("q", "Ada"),
    "associate an available name": lambda s: s.associate("o", "Eve"),
    "associate an unknown name": lambda s: s.associate("p", "Gus"),
    "associate, exclusive": lambda s: s.associate("q", "Ada", exclusive=True),
    "dissociate": lambda s: s.dissociate("o"),
    "scope": lambda s: s.end_scope(s.begin_scope("o", "Ada")),
    "mend": lambda s: _half_done(s).mend(),
}


def _half_done(state: PoolState) -> PoolState:
    state.in_transition = True
    state.available.append("Ada")
    state.leases["Gus"] = (99, {"q": 99})
    return state


@pytest.mark.parametrize("transition", TRANSITIONS.values(), ids=TRANSITIONS)
def test_a_transition_cut_short_at_any_line_is_mended(
    transition: Callable[[PoolState], object],
) -> None:
    line = 0
    while True:
        line += 1
        state = busy_state()
        known = {*state.used()}
        was_struck = struck(line, lambda: transition(state))  # noqa: B023  it is called here only
        state.mend()
        mended = indexes(state)
        assert state.in_transition is False
        available = itertools.chain(*stocked(state).values())
        assert sorted([*available, *state.leases]) == sorted(state.used())
        assert known <= {*state.used()}
        state.recover()
        assert mended == indexes(state), f"cut short at line {line}"
        if not was_struck:
            break
    assert line > 2


@pytest.mark.parametrize("transition", TRANSITIONS.values(), ids=TRANSITIONS)
def test_a_transition_that_ended_leaves_nothing_to_mend(
    transition: Callable[[PoolState], object],
) -> None:
    state = busy_state()
    assert state.in_transition is False

    transition(state)

    assert state.in_transition is False


def test_a_fresh_state_is_in_no_transition() -> None:
    assert PoolState().in_transition is False


def test_nothing_is_rebuilt_unless_a_transition_was_cut_short() -> None:
    state = busy_state()
    state.available.append("Dan")

    state.mend()

    assert list(state.available) == ["Dan", "Eve", "Dan"]
