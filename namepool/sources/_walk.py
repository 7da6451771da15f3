"""The walks of offline names: the progress of one theme, and the endings of repeated names."""

from __future__ import annotations

import math
from collections.abc import Sequence

from namepool.core.display import ORDINALS
from namepool.core.guard import MAX_WORDS


class Walk:
    """The progress of one theme: it goes through its places in the circle, lap by lap."""

    def __init__(self, places: Sequence[int]) -> None:
        self._places = places
        self._ranks = {place: rank for rank, place in enumerate(places)}
        self._steps = 0

    def step(self) -> tuple[int, int]:
        """Go on to the next place. Return its lap and its place in the circle."""
        self._steps += 1
        return self.at(self._steps - 1)

    def at(self, step: int) -> tuple[int, int]:
        """Return the lap and the place of step number ``step``."""
        lap, rank = divmod(step, len(self._places))
        return lap, self._places[rank]

    def told(self, lap: int, place: int) -> bool:
        """Return whether the walk has passed this place on this lap."""
        return lap * len(self._places) + self._ranks[place] < self._steps


def coprime(least: int, other: int) -> int:
    """Return the smallest number from ``least`` upwards that shares no factor with ``other``."""
    while math.gcd(least, other) > 1:
        least += 1
    return least


def aged(name: str, age: int) -> str:
    """Return ``name`` in the form in which a source gives it after ``age`` earlier times.

    "Ada Electron" becomes "Ada Electron the Second". A name of many words gets a number instead,
    such as "#2".
    """
    if age and len(name.split()) + 2 > MAX_WORDS:
        return f"{name} #{age + 1}"
    return name + _ordinal(age)


def _ordinal(age: int) -> str:
    """Return the ending of a name that was given ``age`` times before, such as " the Second"."""
    if age == 0:
        return ""
    if age <= len(ORDINALS):
        return f" the {ORDINALS[age - 1]}"
    number = age + 1
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f" the {number}{'th' if number % 100 in (11, 12, 13) else ending}"
