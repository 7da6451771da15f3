"""How a walk of offline names goes on: from theme to theme, ending to ending, bearer to bearer."""

from __future__ import annotations

import math
from collections.abc import Sequence

from namepool.core.guard import MAX_WORDS

_ORDINALS = (
    *("Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth"),
    *("Eleventh", "Twelfth", "Thirteenth", "Fourteenth", "Fifteenth", "Sixteenth"),
    *("Seventeenth", "Eighteenth", "Nineteenth", "Twentieth"),
)


class Walk:
    """How far the names of one theme have been told: its places in the circle, lap by lap."""

    def __init__(self, places: Sequence[int]) -> None:
        self._places = places
        self._ranks = {place: rank for rank, place in enumerate(places)}
        self._steps = 0

    def step(self) -> tuple[int, int]:
        """Go on to the next place; return its lap and where it is in the circle."""
        self._steps += 1
        return self.at(self._steps - 1)

    def at(self, step: int) -> tuple[int, int]:
        """Return the lap and the place of step number ``step``."""
        lap, rank = divmod(step, len(self._places))
        return lap, self._places[rank]

    def told(self, lap: int, place: int) -> bool:
        """Tell whether the walk has come by this place on this lap."""
        return lap * len(self._places) + self._ranks[place] < self._steps


def rotated(sizes: tuple[int, int], number: int, turn: int) -> int:
    """Return the ending that given name number ``turn`` of its theme has after ``number`` others.

    The written ones come first: they are shorter. Within a block every given name starts at a place
    of its own, far from its neighbours', and goes round once, so it meets each ending exactly once.
    """
    start = 0
    for size in sizes:
        if number < size:
            return start + (number + turn * _stride(size)) % size
        number -= size
        start += size
    raise AssertionError("a walk ends before its endings do")


def _stride(size: int) -> int:
    """Return a step near the golden section of ``size`` that shares no factor with it."""
    stride = max(1, size * 5 // 8)
    while math.gcd(stride, size) > 1:
        stride += 1
    return stride


def aged(name: str, age: int) -> str:
    """Return the name of bearer number ``age`` (from 0); a long one is numbered in one word."""
    if age and len(name.split()) + 2 > MAX_WORDS:
        return f"{name} #{age + 1}"
    return name + _ordinal(age)


def _ordinal(age: int) -> str:
    """Return what sets the bearer number ``age`` of a name (from 0) apart from the others."""
    if age == 0:
        return ""
    if age <= len(_ORDINALS):
        return f" the {_ORDINALS[age - 1]}"
    number = age + 1
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f" the {number}{'th' if number % 100 in (11, 12, 13) else ending}"
