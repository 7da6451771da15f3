"""What a nomenclater keeps in mind: a chunk being filled, names given, themes in use."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from namepool.core.names import name_key, one_line
from namepool.sources.prompts import THEMES_PER_REQUEST, Reading

REMEMBERED = 10_000
"""Names of its own that a nomenclater does not give again."""


class Chunk:
    """The names that one ``fetch`` has so far, and how it stands with the endpoint."""

    def __init__(self, count: int, recent: Sequence[str], given: Given, rung: int) -> None:
        self.count, self.rung = count, rung
        self.names: list[str] = []
        self.rejected: dict[str, str] = {}
        self.known = self.received = 0
        self.status: int | None = None
        """HTTP status of the last request; ``None`` if it was not answered."""
        self.seconds = 0.0
        """How long that took."""
        self._recent, self._given = recent, given
        self._keys = {name_key(name) for name in recent}

    @property
    def missing(self) -> int:
        """How many names are still to be asked for."""
        return self.count - len(self.names)

    def take(self, reading: Reading) -> None:
        """Keep the names that are new; remember the others, to tell the model."""
        self.received += len(reading.names) + len(reading.rejected)
        self.rejected = dict(reading.rejected)
        for name in reading.names:
            key = name_key(name)
            if not self.missing:
                return
            if key in self._keys or not self._given.claim(key):
                self.known += 1
                self.rejected[name] = "is in use already"
            else:
                self.names.append(name)
                self._keys.add(key)

    def listed(self, most: int) -> list[str]:
        """Return the latest names that the model must not give again."""
        names = [*self._recent, *self.names]
        return names[max(len(names) - most, 0) :]

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


class Themes:
    """Draws themes at random, preferring those that no other request has at the moment."""

    def __init__(self, themes: Sequence[str]) -> None:
        self._themes = list(themes)
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def drawn(self) -> Iterator[tuple[list[str], list[str]]]:
        """Hold up to three themes for the length of the block; give also those that others have."""
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
