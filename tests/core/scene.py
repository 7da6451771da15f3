"""What the tests of the core share: tokens as callers make them, and what must hold of a state."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import namepool.core
from namepool.actors.later import LATER
from namepool.core.judging import judge
from namepool.core.known import Admission, KnownNames
from namepool.core.leases import Binding, Lease, Token, speakers, speaking_owners
from namepool.core.links import Link
from namepool.core.names import name_key
from namepool.core.options import PoolOptions
from namepool.core.state import PoolState
from tests.support import lease_for

CORE = str(Path(namepool.core.__file__).parent)


def admit(
    state: PoolState | KnownNames, candidates: Iterable[object], theme: str | None = None
) -> Admission:
    """Judge candidates, and admit them."""
    return state.admit(judge(candidates), theme)


def state_with(*names: str, gap: int = 0) -> PoolState:
    """Return a state with these names; one that was given back comes again after ``gap`` others."""
    state = PoolState()
    state.options = PoolOptions(reuse_gap=gap)
    admit(state, names)
    return state


def binding_for(state: PoolState, owner: str, name: str, *, exclusive: bool = False) -> Binding:
    """Return the token by which ``owner`` itself asks to speak under a name."""
    binding = Binding()
    binding.state, binding.owner, binding.outside, binding.before = state, owner, False, None
    binding.says = binding.lease = binding.spoken = binding.seen = None
    binding.wanted, binding.exclusive, binding.in_block = name, exclusive, False
    binding.name = None
    return binding


def checkout(
    state: PoolState,
    owner: str,
    theme: str | None = None,
    *,
    in_block: bool = False,
    outside: bool = False,
) -> Lease:
    """Lease the next name, which there is, to ``owner``: ``outside`` if another took it for it."""
    lease = lease_for(state, owner, theme)
    lease.in_block, lease.outside = in_block, outside
    assert state.begin(lease, spare=0) is not LATER
    return lease


def associate(
    state: PoolState,
    owner: str,
    name: str,
    *,
    exclusive: bool = False,
    in_block: bool = False,
    outside: bool = False,
) -> Binding:
    """Have ``owner`` speak under a name; the token says by which it was asked for."""
    binding = binding_for(state, owner, name, exclusive=exclusive)
    binding.in_block, binding.outside = in_block, outside
    state.associate(binding)
    return binding


def checkin(state: PoolState, name: str) -> bool:
    """End the lease of a name, if there is one."""
    return name in state.leases and state.end(state.leases[name])


def speakers_of(state: PoolState, name: str) -> tuple[str, ...]:
    return speaking_owners(state.leases[name]) if name in state.leases else ()


def stocked(state: PoolState) -> dict[str | None, list[str]]:
    """Return the names in stock of each theme: those that are ready, then those that rest."""
    return {theme: stock.all_names() for theme, stock in state.stocks.items()}


def available(state: PoolState) -> list[str]:
    return [name for names in stocked(state).values() for name in names]


def picture(state: PoolState) -> tuple[Any, ...]:
    """Return all that a state knows, so that it can be compared with that of another moment."""
    return (
        stocked(state),
        {name: [t.owner for t in speakers(lease)] for name, lease in state.leases.items()},
        {owner: [t.name for t in mine] for owner, mine in state.owners.items() if mine},
        {owner: token.name for owner, token in state.given.items()},
        {lease.name: since for lease, since in state.orphans.items()},
        [*state.known.used()],
        dict(state.speaking),
    )


def look_at(state: PoolState) -> None:
    """See that a state is in order: each name in one place, each index as a rebuild makes it."""
    assert not state.torn
    known = [*available(state), *state.leases]
    assert sorted(known) == sorted({*known}), "a name is in two places"
    assert len({name_key(name) for name in known}) == len(known), "two names read alike"
    assert sorted(state.known.used()) == sorted(known)
    assert len(state.known) == len(known)
    of_source = {*state.known.of_source()}
    assert {*known} - of_source == {name for name in known if state.known.is_brought(name)}
    assert of_source <= {*known}
    assert all(name in state.known and state.known.canonical(name) == name for name in known)
    tokens: list[Token] = []
    for name, lease in state.leases.items():
        assert lease.name == name
        assert lease.says is not None, "it never began"
        assert all(further.says for further in lease.further or ())
        tokens += speakers(lease)
    tokens.sort(key=lambda token: token.number)
    assert all(token.says == token.name for token in tokens)
    owners: dict[str, list[Token]] = {}
    for token in tokens:
        owners.setdefault(token.owner, []).append(token)
    assert {owner: [*mine] for owner, mine in state.owners.items() if mine} == owners
    given = {token.owner: token for token in tokens if token.outside}  # the latest is the last
    assert state.given == given
    assert dict(state.speaking) == {owner: mine[-1].name for owner, mine in owners.items()}
    assert all(state.leases.get(lease.name) is lease for lease in state.orphans)
    assert all(token.number <= state.number for token in tokens)


def is_true_to(state: PoolState, link: Link) -> bool:
    """Tell whether a token that says a name is one that the state has, and the other way round."""
    mine = [token for lease in state.leases.values() for token in speakers(lease)]
    return bool(link.says) == (link in mine)


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
