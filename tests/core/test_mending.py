"""A transition may be cut short between any two of its lines; then the state is mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from namepool.actors.later import LATER
from namepool.core.judging import judge
from namepool.core.leases import Token
from namepool.core.state import PoolState
from tests.core.scene import (
    admit,
    associate,
    binding_for,
    checkin,
    checkout,
    is_true_to,
    look_at,
    picture,
    state_with,
    stocked,
    struck,
)
from tests.support import lease_for, park

CHUNK = judge(["Jan", "Kim", "ada", ""])


def busy_state() -> PoolState:
    """Of six names Dan and Eve are available; Flo is an orphan; o speaks under several.

    Three more are of the sea, and Ide of them is available. Zoe is lent, to a block of p, and Yan
    to one of t, which is silent; s has Cid from another party, and waits for a name of the kitchen.
    """
    state = state_with()
    admit(state, ["Ada", "Bea", "Cid", "Flo", "Dan", "Eve"])
    for owner in ("o", "p"):
        checkout(state, owner)
    checkout(state, "s", outside=True)
    checkout(state, "f")
    admit(state, ["Gil", "Hal", "Ide"], "sea")
    checkout(state, "o", "sea", in_block=True)
    checkout(state, "r", "sea")
    associate(state, "p", "Ada")
    associate(state, "s", "Ada", outside=True)
    associate(state, "p", "Zoe", in_block=True)
    associate(state, "t", "Yan", in_block=True)
    state.dissociate("t")
    state.owner_ended("f", 1.0)
    park(state, "s", theme="kitchen")
    look_at(state)
    return state


def in_any_order(state: PoolState) -> tuple[Any, ...]:
    """Return a picture that does not show the order of the stocks."""
    _, *rest, used, speaking = picture(state)
    names = {theme: sorted(names) for theme, names in stocked(state).items() if names}
    return names, *rest, sorted(used), speaking


# What a caller asks for by a token: whoever is struck ends it.

Ask = Callable[[PoolState], tuple[Token, Callable[[], object]]]


def beginning(owner: str, theme: str | None = None, *, outside: bool = False) -> Ask:
    def ask(state: PoolState) -> tuple[Token, Callable[[], object]]:
        lease = lease_for(state, owner, theme)
        lease.outside = outside
        return lease, lambda: state.begin(lease, spare=0)

    return ask


def taking(owner: str, name: str) -> Ask:
    def ask(state: PoolState) -> tuple[Token, Callable[[], object]]:
        lease = lease_for(state, owner)
        return lease, lambda: state.take(lease, name)

    return ask


def speaking(owner: str, name: str, *, in_block: bool = False, outside: bool = False) -> Ask:
    def ask(state: PoolState) -> tuple[Token, Callable[[], object]]:
        binding = binding_for(state, owner, name)
        binding.in_block, binding.outside = in_block, outside
        return binding, lambda: state.associate(binding)

    return ask


ASKED: dict[str, Ask] = {
    "begin": beginning("q"),
    "begin one more": beginning("o"),
    "begin one of a theme": beginning("q", "sea"),
    "begin for another": beginning("s", outside=True),
    "take a name in stock": taking("q", "Eve"),
    "take a name of a theme": taking("q", "Ide"),
    "take an unknown name": taking("q", "Gus"),
    "associate": speaking("q", "Ada"),
    "associate in a block": speaking("o", "Bea", in_block=True),
    "associate for another": speaking("r", "Ada", outside=True),
    "associate a name in stock": speaking("o", "Eve"),
    "associate a name of a theme": speaking("o", "Ide"),
    "associate an unknown name": speaking("q", "Gus"),
    "lend a name in stock": speaking("o", "Dan", in_block=True),
    "lend an unknown name": speaking("q", "Gus", in_block=True),
    "lend what is lent": speaking("q", "Zoe", in_block=True),
    "associate what is lent": speaking("q", "Zoe"),
    "associate what is lent to a block that is silent": speaking("q", "Yan"),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_what_was_asked_for_is_as_if_it_never_was_once_its_token_is_ended(ask: Ask) -> None:
    line = 0
    while True:
        line += 1
        state = busy_state()
        before, known = in_any_order(state), {*state.known.used()}
        token, transition = ask(state)

        was_struck = struck(line, transition)
        state.recover()

        look_at(state)
        assert known <= {*state.known.used()}
        assert is_true_to(state, token)
        state.end(token)
        look_at(state)
        for name in {*state.known.used()} - known:  # it was unknown, and comes home
            stock = state.stocks[None].names
            stock.remove(name)
        state.recover()
        assert in_any_order(state) == before, f"cut short at line {line}"
        assert not token.says
        if not was_struck:
            break
    assert line > 10


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_what_was_cut_short_may_be_asked_for_again(ask: Ask) -> None:
    expected = busy_state()
    ask(expected)[1]()
    line = 0
    while True:
        line += 1
        state = busy_state()
        token, transition = ask(state)

        was_struck = struck(line, transition)
        state.recover()
        assert transition() is not LATER

        look_at(state)
        assert in_any_order(state) == in_any_order(expected), f"cut short at line {line}"
        assert token.says
        if not was_struck:
            break


# What is done to a state: whoever is struck may do it again.

DONE: dict[str, Callable[[PoolState], object]] = {
    "end": lambda s: checkin(s, "Bea"),
    "end of a shared lease": lambda s: checkin(s, "Ada"),
    "end of a name of a theme": lambda s: checkin(s, "Gil"),
    "end of an orphan": lambda s: checkin(s, "Flo"),
    "end of a name that another took": lambda s: checkin(s, "Cid"),
    "end of a lent lease": lambda s: checkin(s, "Zoe"),
    "associate again": lambda s: associate(s, "p", "Bea"),
    "associate again, for another": lambda s: associate(s, "p", "Ada", outside=True),
    "associate an orphan": lambda s: associate(s, "o", "Flo"),
    "associate a lent name": lambda s: associate(s, "q", "Zoe"),
    "take over": lambda s: associate(s, "q", "Ada", exclusive=True),
    "take over what one speaks under": lambda s: associate(s, "p", "Ada", exclusive=True),
    "dissociate": lambda s: s.dissociate("o", "Ada"),
    "dissociate what another took": lambda s: s.dissociate("s", "Ada"),
    "the end of an owner": lambda s: s.owner_ended("o", 2.0),
    "the end of an owner of several": lambda s: s.owner_ended("p", 2.0),
    "the end of an owner that waits": lambda s: s.owner_ended("s", 2.0),
    "reclaim": lambda s: s.reclaim(1.0, 2.0),
    "admit": lambda s: s.admit(CHUNK, "sea"),
    "recover": lambda s: s.recover(),
}


@pytest.mark.parametrize("transition", DONE.values(), ids=DONE)
def test_what_is_done_again_after_it_was_cut_short_is_done_once(
    transition: Callable[[PoolState], object],
) -> None:
    expected = busy_state()
    transition(expected)
    look_at(expected)
    line = 0
    while True:
        line += 1
        state = busy_state()
        known = {*state.known.used()}

        was_struck = struck(line, lambda: transition(state))  # noqa: B023  it is called here only
        if state.torn:
            state.recover()

        look_at(state)
        assert known <= {*state.known.used()}
        if was_struck:
            transition(state)
        look_at(state)
        assert in_any_order(state) == in_any_order(expected), f"cut short at line {line}"
        if not was_struck:
            break
    assert line > 5


@pytest.mark.parametrize("name", ["Ada", "Zoe", "Jan"])
@pytest.mark.parametrize("in_block", [True, False])
def test_the_end_of_a_binding_that_was_cut_short_is_done_once_when_it_is_done_again(
    name: str, in_block: bool
) -> None:
    expected = busy_state()
    expected.end(associate(expected, "q", name, in_block=in_block))
    line = 0
    while True:
        line += 1
        state = busy_state()
        binding = associate(state, "q", name, in_block=in_block)

        was_struck = struck(line, lambda: state.end(binding))  # noqa: B023  it is called here only
        if state.torn:
            state.recover()

        look_at(state)
        assert is_true_to(state, binding)
        state.end(binding)
        look_at(state)
        assert in_any_order(state) == in_any_order(expected), f"cut short at line {line}"
        if not was_struck:
            break
    assert line > 10


def test_a_reset_that_was_cut_short_leaves_every_lease_or_none() -> None:
    line = 0
    while True:
        line += 1
        state = busy_state()
        tokens = [token for mine in state.owners.values() for token in mine]

        was_struck = struck(line, state.reset)
        state.recover()

        look_at(state)
        assert len(state.leases) in (0, 8)
        assert {bool(token.says) for token in tokens} == {bool(state.leases)}
        assert state.stocks.waiting == 1
        if not was_struck:
            break
    assert picture(state) == ({None: [], "sea": [], "kitchen": []}, {}, {}, {}, {}, [], {})


@pytest.mark.parametrize("transition", DONE.values(), ids=DONE)
def test_in_a_child_that_is_forked_in_the_midst_of_a_transition_nobody_speaks(
    transition: Callable[[PoolState], object],
) -> None:
    line, was_struck = 0, True
    while was_struck:
        line += 1
        state = busy_state()
        tokens = [token for mine in state.owners.values() for token in mine]

        was_struck = struck(line, lambda: transition(state))  # noqa: B023  it is called here only
        state.silence_all()

        assert {token.says for token in tokens} == {""}
        assert dict(state.speaking) == {}


# What tells that there is something to mend


@pytest.mark.parametrize("transition", DONE.values(), ids=DONE)
def test_a_transition_that_ended_leaves_nothing_to_mend(
    transition: Callable[[PoolState], object],
) -> None:
    state = busy_state()

    transition(state)

    assert state.torn is False


def test_a_fresh_state_has_nothing_to_mend() -> None:
    assert PoolState().torn is False


def test_a_name_that_stands_twice_after_a_recovery_was_cut_short_is_not_lost() -> None:
    state = busy_state()
    for line in range(1, 200):
        state.stocks[None].names.extend(["Ada", "Dan", "Dan"])
        struck(line, state.recover)
    state.recover()

    look_at(state)
    assert sorted(stocked(state)[None]) == ["Dan", "Eve"]
