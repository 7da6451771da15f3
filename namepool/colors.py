"""The colours of names: agents that are at work at the same time have different ones."""

from __future__ import annotations

import weakref
from typing import NamedTuple

from namepool.core.display import COLORS, own_color
from namepool.core.leases import Lease
from namepool.core.names import name_key
from namepool.ends import listeners

KEPT = 10_000
"""The number of names whose colours are remembered after the names were given back."""


class Given(NamedTuple):
    """The colour that a name has got, and the lease for which it got it."""

    place: int
    """The place of the colour in ``COLORS``."""
    lease: weakref.ref[Lease]


_given: dict[str, Given] = {}
"""name_key → its colour. Any thread may write it, by single operations of C. If two threads ask at
the same moment, two names may get one colour."""

_places: dict[str, int] = {}
"""Id of a lease → the place of its colour. The first thread decides, so all threads agree."""


def color_of(name: str) -> str:
    """Return the colour of ``name`` as ``"#rrggbb"``; never block.

    It is one of 16 colours. Each of them is readable on black and on white: the contrast is at
    least 4.5 to 1. The colour depends on the name alone, so it is the same in every process and on
    every day. There is one exception: if the name is checked out in a pool of this process, and
    another name that is checked out has this colour, then the name gets a colour that no other has.
    It keeps this colour until it is handed out again. Names share a colour only if more than 16 are
    checked out, or if two threads ask for two names for the first time at the same moment.

    Examples:
        >>> namepool.color_of("Ada the Yak Shaver")
        '#9b6c27'
        >>> pool = namepool.open_pool(source=namepool.NumberedNames())
        >>> names = [pool.checkout_name(owner=f"agent {n}") for n in range(16)]
        >>> len({namepool.color_of(name) for name in names})
        16
    """
    key = name_key(name)
    given = _given.get(key)
    held = None if given is None else given.lease()
    if given is not None and held is not None and held.state.leases.get(held.name) is held:
        return COLORS[given.place]
    at_work = _at_work()
    lease = at_work.pop(key, None)
    if lease is None:
        return COLORS[own_color(key) if given is None else given.place]
    place = _places.setdefault(lease.id, _free(own_color(key), at_work))
    _given.pop(key, None)  # first, so that the oldest names stand in front
    _given[key] = Given(place, weakref.ref(lease))
    _forget(at_work)
    return COLORS[place]


def _at_work() -> dict[str, Lease]:
    """Return the key of each name that is checked out in a pool of this process, and its lease."""
    pools = [pool for pool in listeners() if not getattr(pool, "is_over", True)]
    leases = [lease for pool in pools for lease in [*pool.leases.values()]]  # type: ignore[attr-defined]
    return {name_key(lease.name): lease for lease in leases}


def _free(wanted: int, others: dict[str, Lease]) -> int:
    """Return a place that none of the other names has, at best one that none will want either."""
    taken = {_given[key].place for key in others if key in _given}
    will_want = {own_color(key) for key in others if key not in _given}
    # Colours that are next to each other in the list differ most.
    places = [(wanted + step) % len(COLORS) for step in range(len(COLORS))]
    free = [place for place in places if place not in taken]
    if wanted in free or not free:
        return wanted
    return next((place for place in free if place not in will_want), free[0])


def _forget(kept: dict[str, Lease]) -> None:
    """Forget the oldest colours, if there are many, except those of the ``kept`` names."""
    ids = {lease.id for lease in kept.values()}
    for colors, current in ((_given, kept.keys()), (_places, ids)):
        if len(colors) > KEPT:
            for key in [*colors][: KEPT // 2]:
                if key not in current:
                    colors.pop(key, None)
