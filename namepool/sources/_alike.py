"""A test for first names that people confuse, and an order that keeps these far apart. Pure."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping

WINDOW = 24
"""The number of consecutive names in which no two first names are alike."""

APART = 200
"""The number of consecutive names in which no ending comes twice."""

MOST = 2
"""The most names of one group and one remainder in ``APART`` consecutive places of a circle."""

_EDITS = 2
# Letters that can sound alike become one letter, and vowels are dropped. This is coarser than any
# phonetic key: two names that are alike for such a key are alike here too.
_SOUNDS = str.maketrans(
    {**dict.fromkeys("cgjkqsxz", "s"), "d": "t", "b": "p", "v": "f", **dict.fromkeys("aeiouyhw")}
)


def sound(name: str) -> str:
    """Return a key that is the same for names that sound alike."""
    text = name.lower().removeprefix("j").replace("ph", "f").translate(_SOUNDS)
    return "".join(c for at, c in enumerate(text) if at == 0 or text[at - 1] != c)


def within_edits(one: str, other: str, edits: int = _EDITS) -> bool:
    """Return whether at most ``edits`` letter changes turn one text into the other.

    A change inserts, removes or replaces a letter.
    """
    if one == other:
        return True
    if edits == 0 or abs(len(one) - len(other)) > edits:
        return False
    at = 0
    while at < min(len(one), len(other)) and one[at] == other[at]:
        at += 1
    one, other = one[at:], other[at:]
    return (
        within_edits(one[1:], other[1:], edits - 1)
        or within_edits(one[1:], other, edits - 1)
        or within_edits(one, other[1:], edits - 1)
    )


class _First:
    """A first name, with data that makes it cheap to compare."""

    __slots__ = ("letters", "lower", "name", "sound")

    def __init__(self, name: str) -> None:
        self.name, self.lower, self.sound = name, name.lower(), sound(name)
        self.letters = 0
        for character in self.lower:
            self.letters |= 1 << (ord(character) & 63)

    def fits(self, near: Iterable[_First]) -> bool:
        """Return whether none of the names in ``near`` is like this one."""
        for other in near:
            if self.sound == other.sound:
                return False
            # One edit changes at most two letters of the set of letters in a name.
            different = (self.letters ^ other.letters).bit_count()
            if different <= 2 * _EDITS and within_edits(self.lower, other.lower):
                return False
        return True


class Circle:
    """A circle of first names in random order, with similar names far apart.

    Names with the same initial are spread evenly: their distances differ by a few places only.
    Names that sound alike, or differ by at most two letters, are at least ``WINDOW`` places apart,
    if there are enough other names. The first half of the circle is computed only as far as it is
    used, so a program that takes a dozen names pays only for those. Only one thread at a time may
    use a circle.

    ``groups`` tells the group of each name. Then, of any ``APART`` consecutive places, at most
    ``MOST`` have names of one group and the same remainder when divided by ``turns``. The names
    that fit nowhere at the end are inserted before it. Near these, there may be twice as many.
    """

    def __init__(
        self,
        names: Iterable[str],
        rng: random.Random,
        groups: Mapping[str, str] | None = None,
        turns: int = 1,
    ) -> None:
        self._groups, self._turns = groups, turns
        self._last: defaultdict[tuple[str, int], deque[int]]
        self._last = defaultdict(lambda: deque([-APART] * MOST, maxlen=MOST))
        self._waiting = deque(_by_initials(names, rng))
        self._size = len(self._waiting)
        self._firsts: dict[str, _First] = {}
        self._circle: list[_First] = []

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: int) -> str:
        if place >= len(self._circle) and self._waiting:
            self._lengthen(place + 1 if 2 * place < len(self) else len(self))
        return self._circle[place].name

    def _lengthen(self, size: int) -> None:
        while self._waiting and len(self._circle) < size:
            near = self._circle[-WINDOW + 1 :]
            # The end of the circle touches its beginning, and leftover names move others there.
            if len(self) - len(self._circle) < 3 * WINDOW:
                near += self._circle[: WINDOW - 1]
            fitting = (
                n
                for n, name in enumerate(self._waiting)
                if self._is_rare(name) and self._first(name).fits(near)
            )
            at = next(fitting, None)
            if at is None:
                break
            self._append(self._waiting[at])
            del self._waiting[at]
        else:
            return
        for name in self._waiting:  # none fits at the end, but one may fit before it
            self._fit_in(self._first(name))
        self._waiting.clear()

    def _is_rare(self, name: str) -> bool:
        """Return whether few names of the group have the next place's remainder near this place."""
        return self._groups is None or self._places(name)[0] <= len(self._circle) - APART

    def _append(self, name: str) -> None:
        if self._groups is not None:
            self._places(name).append(len(self._circle))
        self._circle.append(self._first(name))

    def _places(self, name: str) -> deque[int]:
        """Return the last places of the name's group with the next place's remainder."""
        return self._last[self._groups[name], len(self._circle) % self._turns]  # type: ignore[index]

    def _fit_in(self, first: _First) -> None:
        """Insert ``first`` where it fits, else instead of a name that fits elsewhere, else last."""
        reach = WINDOW - 1
        if self._inserted(first):
            return
        for at in range(len(self) // 2 + reach, len(self._circle) - reach):
            near = self._circle[at - reach : at] + self._circle[at + 1 : at + reach + 1]
            if first.fits(near):
                other, self._circle[at] = self._circle[at], first
                if not self._is_crowded(at) and self._inserted(other):
                    return
                self._circle[at] = other
        self._circle.append(first)

    def _inserted(self, first: _First) -> bool:
        """Insert ``first`` in the second half, with no name like it near it; return whether."""
        reach = WINDOW - 1
        far = reach if self._groups is None else APART
        for at in range(len(self) // 2 + reach, len(self._circle) - far):
            if first.fits(self._circle[at - reach : at + reach]):
                self._circle.insert(at, first)
                if not self._is_crowded(at):
                    return True
                del self._circle[at]
        return False

    def _is_crowded(self, middle: int) -> bool:
        """Return whether near a place more than ``2 * MOST`` names have one group and remainder."""
        if self._groups is None:
            return False
        places = defaultdict[tuple[str, int], list[int]](list)
        for place in range(middle - APART, min(middle + APART, len(self._circle))):
            known = places[self._groups[self._circle[place].name], place % self._turns]
            known.append(place)
            if len(known) > 2 * MOST and place - known[-1 - 2 * MOST] < APART:
                return True
        return False

    def _first(self, name: str) -> _First:
        first = self._firsts.get(name)
        if first is None:
            first = self._firsts[name] = _First(name)
        return first


def _by_initials(names: Iterable[str], rng: random.Random) -> list[str]:
    """Return ``names`` shuffled, with the names of one initial spread evenly over a circle.

    Each initial divides the circle into equal arcs, one for each of its names, from a random point.
    So any 200 names in a row have the share of every initial, give or take one name.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name[0], []).append(name)
    placed: list[tuple[float, str]] = []
    for group in groups.values():
        rng.shuffle(group)
        start = rng.random()
        placed += [((start + step) / len(group), name) for step, name in enumerate(group)]
    return [name for _, name in sorted(placed)]
