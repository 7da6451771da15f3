"""No exception from outside can come while a plain lease begins or ends: the bytecode says so.

CPython looks for one after a call, at a function's entry, and at a backward jump. What is looked at
is the bytecode of the CPython that runs this test.
"""

from __future__ import annotations

import dis
from collections.abc import Callable
from typing import Any

import pytest

from namepool import PoolState
from namepool.core.judging import judge
from namepool.core.leases import Lease
from namepool.speaking import asked_for
from tests.strikes.tracing import strike_at

GUARDS = frozenset({"told", "outside", "further", "orphans"})
"""What nobody has who checks out and in for himself, in a pool without an observer."""


def between_the_marks(transition: Callable[..., Any]) -> list[dis.Instruction]:
    """Return what may run from one ``torn`` mark to the other where nothing of ``GUARDS`` holds."""
    code = [*dis.get_instructions(transition)]
    at = {instruction.offset: n for n, instruction in enumerate(code)}
    mark = "STORE_ATTR", "torn"
    first, last = [n for n, one in enumerate(code) if (one.opname, one.argval) == mark]
    todo, seen = [first + 1], set[int]()
    while todo:
        n = todo.pop()
        if n == last or n in seen:
            continue
        seen.add(n)
        name = code[n].opname
        assert not name.startswith(("RETURN", "RAISE", "RERAISE")), "it is left between the marks"
        jumps = code[n].opcode in (*dis.hasjrel, *dis.hasjabs)
        is_sure = name.startswith("JUMP_")
        if _tested(code, n) in GUARDS:
            jumps, is_sure = name.endswith("FALSE"), name.endswith("FALSE")
        if jumps:
            todo.append(at[code[n].argval])
        if not is_sure:
            todo.append(n + 1)
    return [code[n] for n in sorted(seen)]


def _tested(code: list[dis.Instruction], n: int) -> Any:
    """Return the name of what a conditional jump depends on, or ``None``."""
    if not (code[n].opname.startswith("POP_JUMP") and code[n].opname.endswith(("TRUE", "FALSE"))):
        return None
    before = code[n - 2] if code[n - 1].opname == "TO_BOOL" else code[n - 1]
    return (
        before.argval if before.opname in ("LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_ATTR") else None
    )


def places(transition: Callable[..., Any]) -> list[str]:
    """Return the instructions between the marks at or after which CPython looks."""
    found = [instruction.opname for instruction in between_the_marks(transition)]
    return [
        name for name in found if name.startswith(("CALL", "RESUME")) or "JUMP_BACKWARD" in name
    ]


@pytest.mark.parametrize("transition", [PoolState.begin, PoolState.end])
def test_between_the_marks_of_a_plain_lease_there_is_no_place_where_cpython_looks(
    transition: Callable[..., Any],
) -> None:
    assert len(between_the_marks(transition)) > 30
    assert places(transition) == []


@pytest.mark.parametrize("transition", [PoolState.associate, PoolState.dissociate])
def test_other_transitions_have_such_places(transition: Callable[..., Any]) -> None:
    assert places(transition) != []


def a_state() -> tuple[PoolState, Lease]:
    state = PoolState()
    state.admit(judge(["Ada", "Bea", "Cleo"]))
    state.stocks[None].floor = 0
    return state, asked_for(state)


def test_a_plain_lease_that_is_struck_as_it_begins_has_begun_or_has_not() -> None:
    for k in range(100):
        state, lease = a_state()
        place, _ = strike_at(k, lambda: state.begin(lease))  # noqa: B023
        assert not state.torn
        assert (lease.says, [*state.leases]) in [(None, []), ("Ada", ["Ada"])]
        if place is None:
            break
    assert k > 1
    assert lease.says == "Ada"


def test_a_plain_lease_that_is_struck_as_it_ends_has_ended_or_has_not() -> None:
    for k in range(100):
        state, lease = a_state()
        state.begin(lease)
        place, _ = strike_at(k, lambda: state.end(lease))  # noqa: B023
        assert not state.torn
        assert (lease.says, [*state.leases]) in [("Ada", ["Ada"]), ("", [])]
        if place is None:
            break
    assert k > 1
    assert lease.says == ""
