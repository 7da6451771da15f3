"""What a nomenclater keeps in mind: a chunk being filled, names given, themes in use."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from namepool.core.display import given_name, untitled
from namepool.core.names import name_key, one_line
from namepool.sources.llm.prompt import THEMES_PER_REQUEST, latest_within
from namepool.sources.llm.reply import Reading
from namepool.sources.llm.subjects import EXAMPLES

REMEMBERED = 10_000
"""Names of its own that a nomenclater does not give again."""

_SUFFIXES = frozenset({"jr", "junior", "sr", "senior", "ii", "iii", "iv", "esq", "phd", "md"})


def _untitled(name: str) -> str:
    """Return the key of a name without the titles before and after it."""
    words = [word for word in untitled(name) if name_key(word)]
    while len(words) > 1 and "".join(filter(str.isalnum, words[-1].lower())) in _SUFFIXES:
        del words[-1]
    return name_key(" ".join(words))


_PARROTED = frozenset(map(_untitled, EXAMPLES))


class Chunk:
    """The names that one ``fetch`` has so far, and how it stands with the endpoint."""

    def __init__(
        self,
        count: int,
        recent: Sequence[str],
        given: Given,
        rung: int,
        theme: str | None = None,
    ) -> None:
        self.count: int = count
        self.theme: str | None = theme
        """What its names are to be about; ``None``: whatever is drawn."""
        self.rung: int = rung
        self.names: list[str] = []
        self.rejected: dict[str, str] = {}
        self.known: int = 0
        self.received: int = 0
        self.wrote_no_json: bool = False
        """The last request took the form, and the model did not keep to it."""
        self.status: int | None = None
        """HTTP status of the last request; ``None`` if it was not answered."""
        self.headers: tuple[str, ...] = ()
        """The names of the headers of the last answer."""
        self.seconds: float = 0.0
        """How long that took."""
        self._recent, self._given = recent, given
        self._keys = {name_key(name) for name in recent}
        self._given_names: set[str] = set()

    @property
    def missing(self) -> int:
        """How many names are still to be asked for."""
        return self.count - len(self.names)

    def take(self, reading: Reading) -> None:
        """Keep the names that are new; remember the others, to tell the model."""
        self.received += len(reading.names) + len(reading.rejected)
        self.rejected = dict(reading.rejected)
        for name in reading.names:
            if not self.missing:
                return
            reason = self._refusal(name)
            if reason is None:
                self.names.append(name)
                self._keys.add(name_key(name))
                self._given_names.add(name_key(given_name(name)))
            else:
                self.rejected[name] = reason

    def _refusal(self, name: str) -> str | None:
        """Return why a valid name is not taken; else it is claimed."""
        key = name_key(name)
        if _untitled(name) in _PARROTED:
            return "is the example's"
        if key in self._keys:
            self.known += 1
            return "is in use already"
        if name_key(given_name(name)) in self._given_names:
            return "has the given name of another one"
        if not self._given.claim(key):
            self.known += 1
            return "is in use already"
        return None

    def listed(self, most: int | None) -> list[str]:
        """Return the latest names not to be given again: ``most``, or as many as fit."""
        names = [*self._recent, *self.names]
        return latest_within(names) if most is None else names[max(len(names) - most, 0) :]

    def complaint(self) -> str:
        """Return why there are no names though replies came."""
        if self.known == self.received:
            return f"only known names came, {self.known} in all"
        some = ", ".join(f"{name!a} {why}" for name, why in list(self.rejected.items())[:3])
        return f"no usable name among {self.received}: {one_line(some)}"


class Given:
    """The latest names given, by key, so that a source that is used alone repeats none."""

    def __init__(self) -> None:
        self._keys: dict[str, None] = {}
        self._used = 0
        self._lock = threading.Lock()

    def notice(self, used: int) -> None:
        """Forget all if fewer names are used than before: the pool was reset, they are free."""
        with self._lock:
            if used < self._used:
                self._keys.clear()
            self._used = used

    def claim(self, key: str) -> bool:
        """Tell whether ``key`` was not given lately; from now on it was."""
        with self._lock:
            if key in self._keys:
                return False
            self._keys[key] = None
            if len(self._keys) > REMEMBERED:
                del self._keys[next(iter(self._keys))]
            return True

    def forked(self) -> None:
        """Take a new lock: another thread may have held the old one when the process forked."""
        self._lock = threading.Lock()


class Themes:
    """Draws themes at random, preferring those that no other request has at the moment."""

    def __init__(self, themes: Sequence[str]) -> None:
        self._themes = list(themes)
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def drawn(self, theme: str | None = None) -> Iterator[tuple[list[str], list[str]]]:
        """Hold up to three themes for the length of the block; give also those that others have.

        A ``theme`` that was asked for is the only one, and others may ask for it, too.
        """
        if theme is not None:
            yield [theme], []
            return
        with self._lock:
            others = [theme for theme in self._themes if self._held[theme]]
            shuffled = random.sample(self._themes, len(self._themes))
            themes = sorted(shuffled, key=self._held.__getitem__)[:THEMES_PER_REQUEST]
            self._held.update(themes)
        try:
            yield themes, [theme for theme in others if theme not in themes]
        finally:
            with self._lock:
                self._held.subtract(themes)

    def forked(self) -> None:
        """Take a new lock, as ``Given.forked`` does; no request is under way here."""
        self._lock = threading.Lock()
        self._held.clear()


class Quiet:
    """Until when an endpoint wants to be left alone, for all who ask it."""

    def __init__(self) -> None:
        self._until = float("-inf")

    def asked(self, seconds: float | None, now: float) -> None:
        """Note that the endpoint wants ``seconds`` of quiet; ``None``: it said nothing."""
        if seconds is not None:
            self._until = max(self._until, now + seconds)

    def left(self, now: float) -> float:
        """Return the seconds of quiet that are left."""
        return max(self._until - now, 0.0)
