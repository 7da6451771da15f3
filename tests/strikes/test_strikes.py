"""Strikes at every place of some operations, and at every 7th of all: the whole by command.

A quick suite strikes at every 61st place of all.
"""

from __future__ import annotations

import sys

import pytest

from tests.strikes import operations as o
from tests.strikes.__main__ import Count, everything, strike_pool
from tests.strikes.tracing import Strike, strike_at
from tests.support import PATIENCE, on_thread

# Struck between its making and its await: the caller gets the strike, which says more.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


@pytest.mark.parametrize("every", [61, pytest.param(7, marks=pytest.mark.proof)])
def test_a_strike_at_any_place_of_any_operation_harms_nobody_else(every: int) -> None:
    counts: list[Count] = []

    everything(every, lambda _, count: counts.append(count))

    assert [harm for count in counts for harm in count.harm] == []
    assert sum(count.strikes for count in counts) > 10_000 // every


@pytest.mark.proof
@pytest.mark.parametrize("supervised", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        *("ref.ask, both", "handle.named", "async handle, both", "async handle, scopes"),
        *("ref.ask, both, theme", "handle.named, theme"),
    ],
)
def test_a_strike_at_every_place_of_it_harms_nobody_else(name: str, supervised: bool) -> None:
    def strike() -> Count:
        scene = o.Scene(supervised)
        count = strike_pool(scene, name, 1)
        scene.stop()
        return count

    count = on_thread(strike, 6 * PATIENCE)

    assert count.harm == []
    assert count.strikes > 100


def test_a_strike_is_raised_where_the_interpreter_looks_and_only_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(
        sys.modules, "trio", raising=False
    )  # another test's; its tasks are looked for
    scene = o.Scene(supervised=False)

    def strike() -> list[tuple[str | None, bool]]:
        scene.pool.speaker()
        return [strike_at(k, scene.pool.speaker, Strike) for k in range(9)]

    struck = on_thread(strike)  # whose context nobody has noted himself in

    # At both entries; after one call in ``speaker`` and three in ``current_owner``, or so.
    assert [str(place).split()[-1] for place, _ in struck] == [
        "speaker",
        *["current_owner"] * 4,
        "speaker",
        "speaker",
        "speaker",
        "None",
    ]
    assert [came_out for _, came_out in struck] == [True] * 8 + [False]
