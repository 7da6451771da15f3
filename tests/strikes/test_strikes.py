"""Strikes at every place of some operations, and at every 23rd of all: the whole by command."""

from __future__ import annotations

import pytest

from tests.strikes import operations as o
from tests.strikes.__main__ import Count, everything, on_a_worker, strike_everywhere
from tests.strikes.tracing import Strike, strike_at


def test_a_strike_at_any_place_of_any_operation_harms_nobody_else() -> None:
    counts: list[Count] = []

    everything(23, lambda _, count: counts.append(count))

    assert [harm for count in counts for harm in count.harm] == []
    assert sum(count.strikes for count in counts) > 150


@pytest.mark.parametrize("supervised", [False, True])
@pytest.mark.parametrize("name", ["ref.ask, both", "handle.named"])
def test_a_strike_at_every_place_of_it_harms_nobody_else(name: str, supervised: bool) -> None:
    counts: list[Count] = []

    def strike() -> None:
        scene = o.Scene(supervised)
        counts.append(strike_everywhere(scene, name, o.OPERATIONS[name], 1))
        scene.stop()

    on_a_worker(strike)

    assert counts[0].harm == []
    assert counts[0].strikes > 15


def test_a_strike_is_raised_where_the_interpreter_looks_and_only_there() -> None:
    scene = o.Scene(supervised=False)

    place, came_out = strike_at(0, scene.pool.speaker, Strike)

    assert place is not None
    assert place.endswith(" current_owner")
    assert came_out
    assert strike_at(10_000, scene.pool.speaker, Strike) == (None, False)
