"""Names without a network: themed personas such as "Ada the Yak Shaver" or "Chet Electron".

Each theme is one readable file in ``themes/``: given names, and what may follow them. A source
arranges the given names of its themes in a circle and walks round it; on every lap each given name
gets an ending of its theme that it has not had before. So the name at any position is computed
from the position alone, the millionth at the price of the first, and nothing has to be remembered
but how far the walk has come.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from namepool.core.names import one_line
from namepool.errors import InvalidOption

_ORDINALS = (
    *("Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth"),
    *("Eleventh", "Twelfth", "Thirteenth", "Fourteenth", "Fifteenth", "Sixteenth"),
    *("Seventeenth", "Eighteenth", "Nineteenth", "Twentieth"),
)


@cache
def available_themes() -> tuple[str, ...]:
    """Return the id of every theme, in alphabetical order. Lists a folder on the first call."""
    from importlib.resources import files  # a slow import, and few programs need it early

    folder = files("namepool").joinpath("sources").joinpath("themes")
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


class OfflineNames:
    """A source of names that needs no network and never runs out.

    The same ``seed`` and ``themes`` give the same names in the same order, on every platform and
    every supported Python, for one version of the data; ``seed=None`` gives unpredictable ones.
    The order in which ``themes`` are listed does not matter; ``None`` means all of them.

    With all themes, no given name occurs twice in any 200 consecutive names and no initial letter
    begins more than 12 % of them. A single theme has some fifty given names: there, each returns
    only after all the others. When every combination has been told they come back as
    "Ada the Yak Shaver the Second", as people do.

    Raises:
        InvalidOption: ``seed`` is no int or str, or ``themes`` names none or an unknown one
    """

    def __init__(
        self, *, seed: int | str | None = None, themes: Iterable[str] | None = None
    ) -> None:
        self._seed = _checked_seed(seed)
        self._themes = _checked_themes(themes)
        self._position = 0
        self._lock = threading.Lock()

    @property
    def themes(self) -> tuple[str, ...]:
        """The ids of the chosen themes, in alphabetical order."""
        return self._themes

    def fetch(self, count: int, used: Sequence[str]) -> list[str]:
        """Return the next ``count`` names. Threads may call it at once: they share one walk.

        ``used`` is not read: the walk never repeats itself, and the pool, which knows the names
        that came from elsewhere, drops those and asks again. Reading a million used names to hand
        out twelve would make every chunk dearer than the one before.

        Raises:
            InvalidOption: ``count`` is not a positive int
        """
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise InvalidOption(f"count must be a positive int, not {_shown(count)}")
        with self._lock:
            start = self._position
            self._position += count
        return [self._name_at(start + step) for step in range(count)]

    def _name_at(self, position: int) -> str:
        lap, place = divmod(position, len(self._circle))
        first, theme, turn = self._circle[place]
        age, lap = divmod(lap, theme.endings)
        return f"{first} {theme.ending(turn, lap)}{_ordinal(age)}"

    # Two threads may compute it at once: it follows from seed and themes, so they agree.
    @cached_property
    def _circle(self) -> tuple[tuple[str, _Theme, int], ...]:
        rng = random.Random(self._seed)
        places: dict[str, tuple[_Theme, int]] = {}
        for theme_id in self._themes:
            theme = _shuffled(_read(theme_id), rng)
            places |= {first: (theme, turn) for turn, first in enumerate(theme.first)}
        return tuple((first, *places[first]) for first in _spread(places, rng))


@dataclass(frozen=True, slots=True)
class _Theme:
    first: tuple[str, ...]
    written: tuple[str, ...]  # endings as they stand in the file
    composed: tuple[str, ...]  # endings put together of two words

    @property
    def endings(self) -> int:
        return len(self.written) + len(self.composed)

    def ending(self, turn: int, lap: int) -> str:
        """Return the ending that given name number ``turn`` has on this lap.

        The written ones come first: they are shorter. Within a block every given name starts at a
        place of its own and goes round once, so it meets each ending exactly once.
        """
        block = self.written
        if lap >= len(block):
            block, lap = self.composed, lap - len(block)
        return block[(lap + turn * len(block) // len(self.first)) % len(block)]


@cache
def _read(theme_id: str) -> _Theme:
    import tomllib  # only now: a program that never runs offline names does not pay for it
    from importlib.resources import files

    folder = files("namepool").joinpath("sources").joinpath("themes")
    data = tomllib.loads(folder.joinpath(f"{theme_id}.toml").read_text(encoding="utf-8"))
    written = [
        *data["last"],
        *(f"the {epithet}" for epithet in data["epithets"]),
        *(f"of the {phrase}" for phrase in data["phrases"]),
    ]
    composed = [
        *(f"the {mood} {epithet}" for mood in data["moods"] for epithet in data["epithets"]),
        *(f"of the {number} {things}" for number in data["counts"] for things in data["things"]),
    ]
    return _Theme(tuple(data["first"]), tuple(written), tuple(composed))


def _shuffled(theme: _Theme, rng: random.Random) -> _Theme:
    parts = (theme.first, theme.written, theme.composed)
    return _Theme(*(tuple(rng.sample(part, len(part))) for part in parts))


def _spread(names: Iterable[str], rng: random.Random) -> list[str]:
    """Return ``names`` shuffled, yet with those of one initial at even distances in a circle.

    Each initial cuts the circle into equal arcs, one for each of its names, from a random point
    on. So an arc that holds 200 names holds of every initial its share, give or take a name.
    """
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(name[0], []).append(name)
    placed: list[tuple[float, str]] = []
    for group in groups.values():
        rng.shuffle(group)
        start = rng.random()
        placed += [((start + step) / len(group), name) for step, name in enumerate(group)]
    return [name for _, name in sorted(placed)]


def _ordinal(age: int) -> str:
    """Return what sets the bearer number ``age`` of a name (from 0) apart from the others."""
    if age == 0:
        return ""
    if age <= len(_ORDINALS):
        return f" the {_ORDINALS[age - 1]}"
    number = age + 1
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f" the {number}{'th' if number % 100 in (11, 12, 13) else ending}"


def _checked_seed(seed: object) -> str:
    """Return ASCII text to seed with: given the seed itself, ``random`` would take -1 for 1."""
    if seed is None:
        return f"{random.SystemRandom().getrandbits(128):x}"
    if isinstance(seed, str):
        return ascii(seed)
    if isinstance(seed, int) and not isinstance(seed, bool):
        return f"{seed:x}"
    raise InvalidOption(f"seed must be an int, a str or None, not {_shown(seed)}")


def _checked_themes(themes: object) -> tuple[str, ...]:
    known = available_themes()
    if themes is None:
        return known
    chosen = list(themes) if isinstance(themes, Iterable) and not isinstance(themes, str) else []
    if not chosen:
        raise InvalidOption(f"themes must list some of {_listed(known)}, not be {_shown(themes)}")
    for theme in chosen:
        if theme not in known:
            raise InvalidOption(f"themes: {_shown(theme)} is none of {_listed(known)}")
    return tuple(sorted(set(chosen)))


def _listed(ids: Iterable[str]) -> str:
    return ", ".join(map(repr, ids))


def _shown(value: object) -> str:
    try:
        return one_line(ascii(value), limit=100)
    except Exception:  # its repr() fails, as that of a huge int does: the refusal comes first
        return f"<{type(value).__name__} that cannot be shown>"
