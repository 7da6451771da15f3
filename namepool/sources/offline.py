"""Names without a network: themed personas such as "Ada the Yak Shaver" or "Chet Electron".

Each theme is one readable file in ``themes/``: given names, and what may go with them. A source
arranges the given names of its themes in a circle and walks round it. The patterns of the names
("the Yak Shaver", "of the Seven Bogons") follow a walk of their own, and its length and that of the
circle have no common factor: so a given name has another ending on every lap. Of a theme, whoever
comes to a place of the walk has the ending after that of whoever came there before. The name at any
position is computed from the position alone, the millionth at the price of the thousandth, and
nothing has to be remembered but how far each walk has come.
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import cast

from namepool.actors.never_copied import NeverCopied
from namepool.core.names import name_key, shown
from namepool.errors import InvalidOption, UnknownTheme
from namepool.sources._alike import Circle
from namepool.sources._theme import BUILT_IN, WALK, Theme, built_in, read_theme
from namepool.sources._walk import Walk, aged, coprime


def available_themes() -> tuple[str, ...]:
    """Return the id of every theme of the package, in alphabetical order."""
    return BUILT_IN


class OfflineNames(NeverCopied):
    """A source of names that needs no network and never runs out.

    The same ``seed``, ``themes`` and ``theme_files`` give the same names in the same order, on
    every platform and every supported Python, for one version of the data; ``seed=None`` gives
    unpredictable ones. The order in which themes are listed does not matter.

    ``theme_files`` are files with themes of one's own; such a theme is called as its file is,
    without ``.toml``. They replace the themes of the package, unless ``themes`` chooses by name
    among both. A file wins over a theme of the package with its name. Where ``themes`` names no
    file's theme, those of all files are added.

    With all themes, no given name occurs twice in any 1000 consecutive names, no initial letter
    begins more than 12 % of any 200, no two given names in any 24 sound alike or are two letters
    apart, no two neighbours have one pattern, and what follows the first name does not come again
    within 200 names. A single theme has some 140 given names: there,
    each returns only after all the others. When every combination has been told they come back as
    "Ada the Yak Shaver the Second", as people do.

    Raises:
        InvalidOption: ``seed`` is no int or str, ``themes`` names none or an unknown one, two files
            have one name, or a file is no theme, or has more than 64 kB: with the file, the line
            and what is wrong
    """

    def __init__(
        self,
        *,
        seed: int | str | None = None,
        themes: Iterable[str] | None = None,
        theme_files: Iterable[str | os.PathLike[str]] = (),
    ) -> None:
        self._seed, self._is_seeded = _checked_seed(seed), seed is not None
        self._own = _read_files(theme_files)
        self._themes = _checked_themes(themes, self._own)
        self._position = 0
        self._walks: dict[str, Walk] = {}  # of the themes that were asked for by name
        self._circles: dict[str, Circle] = {}
        self._starts: dict[str, list[int]] = {}
        self._places: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        self._placed = 0
        self._lock = threading.Lock()
        self._advance: Callable[[str, int], int] | None = None

    @property
    def themes(self) -> tuple[str, ...]:
        """The ids of the chosen themes, in alphabetical order."""
        return self._themes

    def described(self) -> tuple[Theme, ...]:
        """Return the chosen themes: each with its ``id``, ``title`` and ``description``."""
        return tuple(self._own.get(theme_id) or built_in(theme_id) for theme_id in self.themes)

    def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
        """Return the next ``count`` names, of one ``theme`` or of all.

        Threads may call it at once: they share one walk. A name told as one of a theme is not
        told among the names of all themes, nor the other way round.

        ``used`` is not read: the walk never repeats itself, and the pool, which knows the names
        that came from elsewhere, drops those and asks again. Reading a million used names to hand
        out twelve would make every chunk dearer than the one before.

        Raises:
            InvalidOption: ``count`` is not a positive int
            UnknownTheme: ``theme`` is none of ``themes``
        """
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise InvalidOption(f"count must be a positive int, not {shown(count)}")
        if theme is not None:
            asked, theme = theme, _composed(theme)
            if theme not in self.themes:
                known = _listed(self.themes)
                raise UnknownTheme(f"theme must be one of {known}, not {shown(asked)}")
        if self._advance is not None:
            return self._shared(self._advance, count, theme)
        with self._lock:
            positions = self._ahead() if theme is None else self._ahead_in(theme)
            return [self._name_at(next(positions)) for _ in range(count)]

    def share(self, advance: Callable[[str, int], int], seed: str) -> None:
        """Walk one walk with other processes from now on, each taking a stretch of it at a time.

        ``advance(walk, count)`` returns the first of the next ``count`` positions of a walk. Those
        who share it must have one seed: ``seed``, unless this source was given one of its own.
        """
        with self._lock:
            if not self._is_seeded:
                self._seed, self._is_seeded = _checked_seed(seed), True
                self._circles.clear()
                self.__dict__.pop("_circle", None)  # where names were asked for before
            self._advance = advance

    def _shared(
        self, advance: Callable[[str, int], int], count: int, theme: str | None
    ) -> list[str]:
        chosen = hashlib.sha256(repr((self._seed, self.themes)).encode()).hexdigest()[:16]
        start = advance(f"offline {chosen} {theme or 'all'}", count)
        steps = range(start, start + count)
        with self._lock:
            if theme is not None:
                return [self._name_at(self._position_in(theme, step)) for step in steps]
            return [self._name_at(step) for step in steps]

    def _position_in(self, theme: str, step: int) -> int:
        """Return where on the walk of all themes a step of the walk of one theme is."""
        walk = self._walk_of(theme)
        lap, place = walk.at(step)
        return lap * len(self._circle) + place

    def _ahead(self) -> Iterator[int]:
        """Yield the positions that come next, but for those told as names of one theme."""
        while True:
            position = self._position
            self._position += 1
            if not self._walks or not self._told_by_theme(position):
                yield position

    def _told_by_theme(self, position: int) -> bool:
        lap, place = divmod(position, len(self._circle))
        walk = self._walks.get(self._of[self._circle[place]].id)
        return walk is not None and walk.told(lap, place)

    def _ahead_in(self, theme: str) -> Iterator[int]:
        """Yield the positions of a theme's names that come next, but for those behind the walk."""
        walk = self._walk_of(theme)
        while True:
            lap, place = walk.step()
            position = lap * len(self._circle) + place
            if position >= self._position:
                yield position

    def _walk_of(self, theme: str) -> Walk:
        walk = self._walks.get(theme)
        if walk is None:
            places = {self._circle[place]: place for place in range(len(self._circle))}
            own = self._circle_of(theme)
            walk = self._walks[theme] = Walk([places[own[at]] for at in range(len(own))])
        return walk

    def _name_at(self, position: int) -> str:
        lap, place = divmod(position, len(self._circle))
        age, lap = divmod(lap, len(WALK) * self._rounds)
        rounds, lap = divmod(lap, len(WALK))
        first = self._circle[place]
        theme = self._of[first]
        at = self._slot(place, lap)
        slot = theme.walk_of(first)[at]
        number = self._before(theme, at, place, lap) + self._start(theme.id, at)
        number += rounds * coprime(len(theme.first), len(slot))
        return aged(slot.name(first, number % len(slot)), age)

    def _slot(self, place: int, lap: int) -> int:
        """Return where in the walk of the patterns who has this place in the circle is."""
        # A step that shares no factor with the walk's length, so that a lap never meets the last's.
        step = len(self._circle) if len(self._circle) % len(WALK) else len(self._circle) + 1
        return (place + lap * step) % len(WALK)

    def _before(self, theme: Theme, at: int, place: int, lap: int) -> int:
        """Return how many of the theme came to place ``at`` of the walk before, in this round."""
        places = self._places_to(len(self._circle) - 1 if lap else place)
        ways = range(len(WALK))
        ways_of_laps = [(at - self._slot(0, earlier)) % len(ways) for earlier in range(lap)]
        came = sum(len(places[theme.id, way]) for way in ways_of_laps)
        return came + bisect_left(places[theme.id, place % len(ways)], place)

    def _places_to(self, last: int) -> dict[tuple[str, int], list[int]]:
        """Return the places in the circle, in order, of those of a theme that walk in step."""
        for place in range(self._placed, last + 1):
            self._places[self._of[self._circle[place]].id, place % len(WALK)].append(place)
        self._placed = max(self._placed, last + 1)
        return self._places

    def _start(self, theme_id: str, at: int) -> int:
        starts = self._starts.get(theme_id)
        if starts is None:
            rng = random.Random(f"{self._seed} {theme_id} endings")
            starts = self._starts[theme_id] = [rng.randrange(2**16) for _ in WALK]
        return starts[at]

    @cached_property
    def _rounds(self) -> int:
        return min(theme.rounds for theme in {t.id: t for t in self._of.values()}.values())

    @cached_property
    def _of(self) -> dict[str, Theme]:
        """First name → its theme; one that several themes have belongs to the first of them."""
        of: dict[str, Theme] = {}
        known: set[str] = set()
        for theme in self.described():
            firsts = theme.first
            if self._own:  # those of the package have none in common
                firsts = tuple(f for f in firsts if name_key(f) not in known)
                known.update(map(name_key, firsts))
            of.update(dict.fromkeys(firsts, theme))
        return of

    @cached_property
    def _circle(self) -> Circle:
        if len(self.themes) == 1:
            return self._circle_of(self.themes[0])
        return Circle(self._of, random.Random(self._seed))

    def _circle_of(self, theme_id: str) -> Circle:
        circle = self._circles.get(theme_id)
        if circle is None:
            firsts = [first for first, theme in self._of.items() if theme.id == theme_id]
            circle = Circle(firsts, random.Random(f"{self._seed} {theme_id}"))
            self._circles[theme_id] = circle
        return circle


def _read_files(paths: object) -> dict[str, Theme]:
    listed = isinstance(paths, Iterable) and not isinstance(paths, str | bytes)
    if not listed:
        raise InvalidOption(f"theme_files must list paths, not be {shown(paths)}")
    themes: dict[str, Theme] = {}
    files: dict[str, str] = {}
    for path in cast("Iterable[str | os.PathLike[str]]", paths):
        theme = read_theme(path)
        if theme.id in themes:
            both = f"{shown(files[theme.id], 300)} and {shown(os.fsdecode(path), 300)}"
            raise InvalidOption(f"theme_files: two are called {theme.id!r}: {both}")
        themes[theme.id], files[theme.id] = theme, os.fsdecode(path)
    return themes


def _checked_seed(seed: object) -> str:
    """Return ASCII text to seed with: given the seed itself, ``random`` would take -1 for 1."""
    if seed is None:
        return f"{random.SystemRandom().getrandbits(128):x}"
    if isinstance(seed, str):
        return ascii(seed)
    if isinstance(seed, int) and not isinstance(seed, bool):
        return f"{seed:x}"
    raise InvalidOption(f"seed must be an int, a str or None, not {shown(seed)}")


def _checked_themes(themes: object, own: Mapping[str, Theme]) -> tuple[str, ...]:
    """Return the ids of the themes that are chosen among those of the package and one's ``own``."""
    if themes is None:
        return tuple(sorted(own)) or available_themes()
    known = (*own, *(theme for theme in available_themes() if theme not in own))
    chosen = list(themes) if isinstance(themes, Iterable) and not isinstance(themes, str) else []
    if not chosen:
        raise InvalidOption(f"themes must list some of {_listed(known)}, not be {shown(themes)}")
    ids: set[str] = set()
    for theme in chosen:
        if (theme_id := _composed(theme)) not in known:
            raise UnknownTheme(f"themes must be some of {_listed(known)}, not {shown(theme)}")
        ids.add(theme_id)
    if ids.isdisjoint(own):  # a file that is given is meant
        ids.update(own)
    return tuple(sorted(ids))


def _composed(theme: str) -> str:
    """Return an id with each accent in its letter, as the id of a file has it."""
    return unicodedata.normalize("NFC", theme) if isinstance(theme, str) else theme


def _listed(ids: Iterable[str]) -> str:
    return ", ".join(map(repr, ids))
