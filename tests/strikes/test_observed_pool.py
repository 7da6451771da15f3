"""Strikes at every place of the operations of a pool that is observed, and looks for leaks."""

from __future__ import annotations

import queue
from collections import Counter

import pytest

from namepool import NamePool, NumberedNames, PoolHandle
from namepool.events import LeaseEvent, NameCheckedIn
from namepool.pool import messages as m
from tests.mirror import Mirror, StillReader, spoken
from tests.strikes import operations as o
from tests.strikes.__main__ import Count, strike_pool
from tests.strikes.scene import QueuingPool, Scene, harm_done
from tests.strikes.tracing import strike_at
from tests.support import PATIENCE, on_thread

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")


def strike_observed(name: str, every: int = 1, pool_class: type[NamePool] = NamePool) -> Count:
    """Strike one operation; the pool's events must tell all of what became of it, and no more."""
    scene = Scene(supervised=False, pool_class=pool_class, leak_after=1000.0)
    reader, mirror = StillReader(), Mirror()
    scene.target.ask(m.Subscribe(reader))
    mirror.leases = spoken(scene.state.leases)
    before = counted(scene)

    def harm(speakers: set[str]) -> str | None:
        found = harm_done(scene, speakers)
        try:
            for event in reader.read():
                mirror(event)
        except (AssertionError, KeyError) as error:
            return f"{found}; {error!r}"
        if mirror.leases != spoken(scene.state.leases):
            return f"{found}; the events tell of {mirror.leases}"
        return found

    count = strike_pool(scene, name, every, harm)
    harm(set())  # what came after the last strike
    told = Counter(mirror.kinds())
    found = {kind: number - before[kind] for kind, number in counted(scene).items()}
    if found != {kind: told[kind] for kind in found}:
        count.harm.append(f"the books count {found}, the events {told}")
    scene.stop()
    return count


def counted(scene: Scene) -> dict[str, int]:
    """Return how many leases have begun and ended, by the pool's own count."""
    stats, adopted = scene.pool.pool_stats(), scene.state.counters.adopted
    return {
        "NameCheckedOut": stats.checkout_count + adopted,
        "NameCheckedIn": stats.checkin_count,
    }


@pytest.mark.proof
@pytest.mark.parametrize("pool_class", [NamePool, QueuingPool])
@pytest.mark.parametrize(
    "name",
    [
        *("ref.ask, both", "ref.ask, both, for another", "handle.associate_name, only one"),
        *("handle.associate_name, new", "speaking_as", "speaking_as, new", "named, nested"),
    ],
)
def test_a_strike_at_every_place_is_told_of_as_it_turned_out(
    name: str, pool_class: type[NamePool]
) -> None:
    count = on_thread(lambda: strike_observed(name, 1, pool_class), patience=None)

    assert count.harm == []
    assert count.strikes > 50


@pytest.mark.parametrize("every", [151, pytest.param(11, marks=pytest.mark.proof)])
def test_a_strike_at_any_place_of_any_operation_is_told_of_as_it_turned_out(every: int) -> None:
    counts = [
        on_thread(lambda: strike_observed(name, every), patience=None)  # noqa: B023
        for name in o.COMMON
    ]

    assert [harm for count in counts for harm in count.harm] == []
    assert sum(count.strikes for count in counts) > 10_000 // every


def test_a_subscriber_hears_of_what_a_struck_caller_did_though_nobody_uses_the_pool_since() -> None:
    ref = NamePool.start(source=NumberedNames())
    pool, heard = PoolHandle(ref), queue.SimpleQueue[LeaseEvent]()
    pool.subscribe(heard.put, only=LeaseEvent)
    place: str | None = ""
    for k in range(1000):
        name = pool.checkout_name()
        assert heard.get(timeout=PATIENCE).name == name  # it reads no further unless it is woken

        place, _ = strike_at(k, lambda: pool.checkin_name(name))  # noqa: B023

        if name in ref.state.leases:
            pool.checkin_name(name)
        assert isinstance(heard.get(timeout=PATIENCE), NameCheckedIn)
        if place is None:
            break
    assert place is None
