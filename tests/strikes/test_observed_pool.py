"""Strikes at every place of the operations of a pool that is observed, and looks for leaks."""

from __future__ import annotations

from collections import Counter

import pytest

from namepool.pool import messages as m
from tests.mirror import Mirror, StillReader, spoken
from tests.strikes import operations as o
from tests.strikes.__main__ import Count, strike_everywhere
from tests.support import on_thread

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


def strike_observed(supervised: bool, name: str, every: int = 1) -> Count:
    """Strike one operation; the pool's events must tell all of what became of it, and no more."""
    scene = o.Scene(supervised, leak_after=1000.0)
    reader, mirror = StillReader(), Mirror()
    scene.target.ask(m.Subscribe(reader))
    mirror.leases = spoken(scene.ref._actor._state.leases)
    before = counted(scene)

    def harm_done() -> str | None:
        harm = o.harm_done(scene)
        try:
            for event in reader.read():
                mirror(event)
        except (AssertionError, KeyError) as error:
            return f"{harm}; {error!r}"
        if mirror.leases != spoken(scene.ref._actor._state.leases):
            return f"{harm}; the events tell of {mirror.leases}"
        return harm

    def operation() -> object:
        return o.EVERY[name](scene)

    count = strike_everywhere(
        name, operation, before=scene.refresh, harm_done=harm_done, every=every
    )
    harm_done()  # what came after the last strike
    told = Counter(mirror.kinds())
    found = {kind: number - before[kind] for kind, number in counted(scene).items()}
    if found != {kind: told[kind] for kind in found}:
        count.harm.append(f"the books count {found}, the events {told}")
    scene.stop()
    return count


def counted(scene: o.Scene) -> dict[str, int]:
    """Return how many leases have begun and ended, by the pool's own count."""
    stats, adopted = scene.pool.pool_stats(), scene.ref._actor._state.counters.adopted
    return {
        "NameCheckedOut": stats.checkout_count + adopted,
        "NameCheckedIn": stats.checkin_count,
    }


@pytest.mark.proof
@pytest.mark.parametrize("supervised", [False, True])
@pytest.mark.parametrize(
    "name", ["ref.ask, both", "handle.associate_name, exclusive", "handle.speaking_as"]
)
def test_a_strike_at_every_place_is_told_of_as_it_turned_out(name: str, supervised: bool) -> None:
    count = on_thread(lambda: strike_observed(supervised, name), patience=None)

    assert count.harm == []
    assert count.strikes > 50


@pytest.mark.parametrize("every", [61, pytest.param(11, marks=pytest.mark.proof)])
def test_a_strike_at_any_place_of_any_operation_is_told_of_as_it_turned_out(every: int) -> None:
    names = {**o.OPERATIONS, **o.OPERATIONS_OF_A_NEWCOMER}

    counts = [
        on_thread(lambda: strike_observed(False, name, every), patience=None)  # noqa: B023
        for name in names
    ]

    assert [harm for count in counts for harm in count.harm] == []
    assert sum(count.strikes for count in counts) > 3_300 // every
