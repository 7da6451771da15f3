"""Names without a network: themed personas such as "Ada the Yak Shaver" or "Chet Electron".

Each theme is one readable file in ``themes/``, with given names and with words that go with them. A
source arranges the given names of its themes in a circle and walks round it. The patterns of the
names ("the Yak Shaver", "of the Seven Bogons") follow a walk of their own. The length of this walk
and the length of the circle have no common factor, so a given name has another ending on every lap.
Each place of the walk has a list of endings for each theme. If a given name of the theme comes to
this place, it gets the next ending of the list.

The name at a position is computed from the position alone, and the millionth name costs no more
than the thousandth. The source remembers only the progress of each walk.
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
import unicodedata
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from namepool.actors.checks import Checks
from namepool.actors.never_copied import NeverCopied
from namepool.core.names import name_key, shown
from namepool.core.options import CHECKS
from namepool.errors import InvalidOption, UnknownTheme
from namepool.sources._alike import APART, Circle
from namepool.sources._theme import BUILT_IN, WALK, Theme, built_in, read_theme
from namepool.sources._walk import Walk, aged, coprime
from namepool.sources.base import Draw

_UNKNOWN = Checks(UnknownTheme)


def available_themes() -> tuple[str, ...]:
    """Return the id of every theme of the package, in alphabetical order.

    Examples:
        >>> from namepool.sources.offline import available_themes
        >>> len(available_themes()), available_themes()[0]
        (24, 'bakery')
    """
    return BUILT_IN


class OfflineNames(NeverCopied):
    """A source of names that needs no network and never runs out.

    The same ``seed``, ``themes`` and ``theme_files`` give the same names in the same order. This
    holds on every platform and every supported Python, for one version of the data. ``seed=None``
    gives unpredictable names. The order of ``themes`` does not matter.

    ``theme_files`` lists files with themes of your own. The name of a theme is the name of its
    file, without ``.toml``. If a file and a theme of the package have the same name, the file wins.
    Without ``themes``, the source uses the themes of the files only. With ``themes``, it uses the
    listed themes. But if none of these is the theme of a file, it also uses the themes of all
    files.

    With all themes, the names differ as follows:

    - No given name occurs twice in any 1000 consecutive names.
    - No initial letter begins more than 12 % of any 200 consecutive names.
    - No two given names in any 24 consecutive names sound alike, or differ by only one or two
      letters.
    - No two neighbours have the same pattern.
    - The words after the first name do not come again within 200 names.

    A single theme has about 140 given names. There, each given name returns only after all the
    others. When the source has given every combination, the names come back with a number, such as
    "Ada the Yak Shaver the Second".

    Raises:
        UnknownTheme: ``themes`` names an unknown theme
        InvalidOption: ``seed`` is no int or str, ``themes`` names no theme, two files have the same
            name, a file has more than 64 kB, or a file is no theme. The message names the file,
            the line and the fault

    Examples:
        >>> source = namepool.OfflineNames(seed=7, themes=["sea", "kitchen"])
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
        self._walks: dict[str, Walk] = {}  # only of themes that were requested by name
        self._circles: dict[str, Circle] = {}
        self._starts: dict[str, list[int]] = {}
        self._places: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        self._placed = 0
        self._lock = threading.Lock()
        self._advance: Callable[[str, int], int] | None = None
        self._draw: Draw | None = None

    @property
    def themes(self) -> tuple[str, ...]:
        """The ids of the chosen themes, in alphabetical order.

        Examples:
            >>> source.themes
            ('kitchen', 'sea')
        """
        return self._themes

    def described(self) -> tuple[Theme, ...]:
        """Return the chosen themes, each with its ``id``, ``title`` and ``description``.

        Examples:
            >>> [theme.title for theme in source.described()]
            ['The kitchen', 'The seven seas']
        """
        return tuple(self._own.get(theme_id) or built_in(theme_id) for theme_id in self.themes)

    def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
        """Return the next ``count`` names, of one ``theme`` or of all themes.

        Several threads may fetch at once: they share one walk. A name that was given for one theme
        is not given again among the names of all themes, and the other way round.

        The source does not read ``used``, because the walk never repeats itself. A name of the walk
        may be in use all the same, for example from a saved conversation. The pool knows this name,
        so it drops the second one, and fetches again if it needs more names. If the source read a
        million used names to give twelve, every chunk would cost more than the chunk before.

        Raises:
            InvalidOption: ``count`` is not a positive int
            UnknownTheme: ``theme`` is none of ``themes``

        Examples:
            >>> source.fetch(2, ())
            ['Koray the Brunch Reporter', 'Magda, Illuminator of Charts']
            >>> source.fetch(1, (), theme="sea")
            ['Ruby, Reader of Ripples']
        """
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise CHECKS.invalid("count", count, "a positive int")
        if theme is not None:
            asked, theme = theme, _composed(theme)
            if theme not in self.themes:
                raise _UNKNOWN.invalid("theme", asked, f"one of {_listed(self.themes)}")
        if self._advance is not None:
            return self._shared(self._advance, count, theme)
        with self._lock:
            positions = self._ahead() if theme is None else self._ahead_in(theme)
            return [self._name_at(next(positions)) for _ in range(count)]

    def share(
        self, advance: Callable[[str, int], int], seed: str, draw: Draw | None = None
    ) -> None:
        """Share one walk with other processes from now on. Each takes one stretch at a time.

        ``advance(walk, count)`` returns the first of the next ``count`` positions of a walk. All
        processes that share a walk must have the same seed. This source uses ``seed``, unless it
        was given a seed of its own. A pool with a shared ledger calls this. If the ledger can
        take positions and claim their names in one step, the pool also gives
        ``draw(walk, count, name_at)``. It does both, and returns the names.

        Examples:
            >>> source.share(lambda walk, count: 40, seed="crew")  # others took 0 to 39
            >>> source.fetch(2, ())
            ['Sindre the Latitude Optimist', 'Hydrographer Jason Seafoam']
        """
        with self._lock:
            if not self._is_seeded:
                self._seed, self._is_seeded = _checked_seed(seed), True
                self._circles.clear()
                self.__dict__.pop("_circle", None)  # it exists if names were fetched before
            self._advance, self._draw = advance, draw

    def _shared(
        self, advance: Callable[[str, int], int], count: int, theme: str | None
    ) -> list[str]:
        chosen = hashlib.sha256(repr((self._seed, self.themes)).encode()).hexdigest()[:16]
        walk = f"offline {chosen} {theme or 'all'}"

        def name_at(step: int) -> str:
            with self._lock:
                return self._name_at(step if theme is None else self._position_in(theme, step))

        if self._draw is not None:
            name_at(0)  # reads the themes, before other processes wait for the names
            return list(self._draw(walk, count, name_at))
        start = advance(walk, count)
        return [name_at(step) for step in range(start, start + count)]

    def _position_in(self, theme: str, step: int) -> int:
        """Return the position on the walk of all themes of a step of one theme's walk."""
        walk = self._walk_of(theme)
        lap, place = walk.at(step)
        return lap * len(self._circle) + place

    def _ahead(self) -> Iterator[int]:
        """Yield the next positions, without those that were given as names of one theme."""
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
        """Yield the next positions of a theme, without those behind the walk of all themes."""
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
        """Return the place in the walk of the patterns for a place in the circle on a lap."""
        # The step shares no factor with the walk's length, so no lap repeats the lap before it.
        step = len(self._circle) if len(self._circle) % len(WALK) else len(self._circle) + 1
        return (place + lap * step) % len(WALK)

    def _before(self, theme: Theme, at: int, place: int, lap: int) -> int:
        """Return how many names of the theme came to ``at`` in the walk before, in this round."""
        places = self._places_to(len(self._circle) - 1 if lap else place)
        ways = range(len(WALK))
        ways_of_laps = [(at - self._slot(0, earlier)) % len(ways) for earlier in range(lap)]
        came = sum(len(places[theme.id, way]) for way in ways_of_laps)
        return came + bisect_left(places[theme.id, place % len(ways)], place)

    def _places_to(self, last: int) -> dict[tuple[str, int], list[int]]:
        """Return the places up to ``last``, by theme and by remainder of the walk's length."""
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
        """The theme of each first name. If several themes have a name, the first theme has it."""
        of: dict[str, Theme] = {}
        known: set[str] = set()
        for theme in self.described():
            firsts = theme.first
            if self._own:  # the themes of the package share no first name
                firsts = tuple(f for f in firsts if name_key(f) not in known)
                known.update(map(name_key, firsts))
            of.update(dict.fromkeys(firsts, theme))
        return of

    @cached_property
    def _circle(self) -> Circle:
        if len(self.themes) == 1:
            return self._circle_of(self.themes[0])
        of = {first: theme.id for first, theme in self._of.items()}
        largest = max(Counter(of.values()).values())
        is_spread = APART * largest < len(of) * len(WALK)  # otherwise the themes are too few
        return Circle(of, random.Random(self._seed), of if is_spread else None, len(WALK))

    def _circle_of(self, theme_id: str) -> Circle:
        circle = self._circles.get(theme_id)
        if circle is None:
            firsts = [first for first, theme in self._of.items() if theme.id == theme_id]
            circle = Circle(firsts, random.Random(f"{self._seed} {theme_id}"))
            self._circles[theme_id] = circle
        return circle


def _read_files(paths: object) -> dict[str, Theme]:
    if isinstance(paths, str | bytes) or not isinstance(paths, Iterable):
        raise CHECKS.invalid("theme_files", paths, "a list of paths")
    themes: dict[str, Theme] = {}
    files: dict[str, str] = {}
    for path in paths:
        theme = read_theme(path)
        if theme.id in themes:
            both = f"{shown(files[theme.id], 300)} and {shown(os.fsdecode(path), 300)}"
            raise InvalidOption(f"theme_files: two are called {theme.id!r}: {both}")
        themes[theme.id], files[theme.id] = theme, os.fsdecode(path)
    return themes


def _checked_seed(seed: object) -> str:
    """Return the seed as ASCII text. With the int itself, -1 and 1 would give the same names."""
    if seed is None:
        return f"{random.SystemRandom().getrandbits(128):x}"
    if isinstance(seed, str):
        return ascii(seed)
    if isinstance(seed, int) and not isinstance(seed, bool):
        return f"{seed:x}"
    raise CHECKS.invalid("seed", seed, "an int, a str or None")


def _checked_themes(themes: object, own: Mapping[str, Theme]) -> tuple[str, ...]:
    """Return the ids of the chosen themes, among those of the package and the user's ``own``."""
    if themes is None:
        return tuple(sorted(own)) or available_themes()
    known = (*own, *(theme for theme in available_themes() if theme not in own))
    chosen = CHECKS.items("themes", themes, f"a list of some of {_listed(known)}")
    ids: set[str] = set()
    for theme in chosen:
        if (theme_id := _composed(theme)) not in known:
            raise _UNKNOWN.invalid("themes", theme, f"some of {_listed(known)}")
        ids.add(theme_id)
    if ids.isdisjoint(own):  # a given file is always wanted
        ids.update(own)
    return tuple(sorted(ids))


def _composed(theme: str) -> str:
    """Return an id with each accent joined to its letter, like the id of a file."""
    return unicodedata.normalize("NFC", theme) if isinstance(theme, str) else theme


def _listed(ids: Iterable[str]) -> str:
    return ", ".join(map(repr, ids))
