"""Strikes at every place of some operations, and at every 7th of all: the whole by command.

A quick suite strikes at every 211th place of all.
"""

from __future__ import annotations

import sys

import pytest

from tests.strikes.__main__ import POOLS, Count, everything, strike_pool
from tests.strikes.scene import Scene
from tests.strikes.tracing import Strike, strike_at
from tests.support import PATIENCE, on_thread

# Struck between its making and its await: the caller gets the strike, which says more.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


@pytest.mark.parametrize("every", [211, pytest.param(7, marks=pytest.mark.proof)])
def test_a_strike_at_any_place_of_any_operation_harms_nobody_else(every: int) -> None:
    counts: list[Count] = []

    everything(every, lambda _, count: counts.append(count))

    assert [harm for count in counts for harm in count.harm] == []
    assert sum(count.strikes for count in counts) > 70_000 // every


@pytest.mark.proof
@pytest.mark.parametrize("pool", ["alone", "supervised", "queuing"])
@pytest.mark.parametrize(
    "name",
    [
        *("handle, both", "ref.ask, both", "ref.ask, future", "named", "speaking_as, new"),
        *("async handle, both", "async with", "named, default", "decorated generator"),
        *("first named", "first unnamed, between"),
    ],
)
def test_a_strike_at_every_place_of_it_harms_nobody_else(name: str, pool: str) -> None:
    def strike() -> Count:
        scene = POOLS[pool]()
        count = strike_pool(scene, name, 1)
        scene.stop()
        return count

    count = on_thread(strike, 6 * PATIENCE)

    assert count.harm == []
    assert count.strikes > 100


@pytest.mark.parametrize("name", ["named, identity", "async with, name and identity"])
def test_a_strike_at_every_place_of_coming_back_harms_nobody_else(name: str) -> None:
    scene = POOLS["claimed"]()
    count = strike_pool(scene, name, 1)
    scene.stop()

    assert count.harm == []
    assert count.strikes > 100


def test_a_strike_is_raised_where_the_interpreter_looks_and_only_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Another test's; its tasks are looked for.
    monkeypatch.delitem(sys.modules, "trio", raising=False)
    scene = Scene(supervised=False)

    def strike() -> list[tuple[str | None, bool]]:
        scene.pool.checkin_name(scene.pool.checkout_name())
        places = [strike_at(k, scene.pool.speaker, Strike) for k in range(20)]
        return places[: places.index((None, False)) + 1]

    struck = on_thread(strike)

    # At both entries, after the call of ContextVar.get, and after the call of the other function.
    assert [str(place).split()[-1] for place, _ in struck] == [
        *("speaker", "name_of_caller", "name_of_caller", "speaker"),
        "None",
    ]
    assert [came_out for _, came_out in struck] == [True] * 4 + [False]


def test_a_strike_is_raised_where_a_loop_jumps_back_and_not_where_it_ends() -> None:
    def loop() -> None:
        left = 3
        while left:
            left -= 1

    places = [strike_at(k, loop, Strike, __file__)[0] for k in range(6)]

    count = 3 if sys.version_info < (3, 14) else 4  # whose loops jump back to their condition
    assert [place is not None for place in places] == [True] * count + [False] * (6 - count)
