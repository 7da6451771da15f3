"""Strikes at every place of the operations of a pool that is observed, and looks for leaks."""

from __future__ import annotations

import pytest

from namepool.pool import messages as m
from tests.mirror import Mirror, StillReader, spoken
from tests.strikes import operations as o
from tests.strikes.__main__ import Count, strike_everywhere
from tests.support import on_thread


def strike_observed(supervised: bool, name: str) -> Count:
    """Strike one operation at every place; the pool's events must tell all of what became of it."""
    scene = o.Scene(supervised, leak_after=1000.0)
    reader, mirror = StillReader(), Mirror()
    scene.target.ask(m.Subscribe(reader))
    mirror.leases = spoken(scene.ref._actor._state.leases)

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

    count = strike_everywhere(name, operation, before=scene.refresh, harm_done=harm_done, every=1)
    scene.stop()
    return count


@pytest.mark.parametrize("supervised", [False, True])
@pytest.mark.parametrize(
    "name", ["ref.ask, both", "handle.associate_name, exclusive", "handle.speaking_as"]
)
def test_a_strike_at_every_place_is_told_of_as_it_turned_out(name: str, supervised: bool) -> None:
    count = on_thread(lambda: strike_observed(supervised, name), patience=None)

    assert count.harm == []
    assert count.strikes > 50
