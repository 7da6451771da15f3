"""The memory of a nomenclater: the chunk, the names that it gave, and the themes in use."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import InitVar, dataclass, field

from namepool.actors.never_copied import NeverCopied
from namepool.core.display import given_name, untitled
from namepool.core.names import name_key, one_line
from namepool.sources.llm.prompt import THEMES_PER_REQUEST, USED_TOKENS, latest, latest_within
from namepool.sources.llm.reply import Reading
from namepool.sources.llm.subjects import EXAMPLES

REMEMBERED = 10_000
"""The most names that a nomenclater remembers. It gives none of its latest names again."""

_SUFFIXES = frozenset({"jr", "junior", "sr", "senior", "ii", "iii", "iv", "esq", "phd", "md"})


def _untitled(name: str) -> str:
    """Return the key of a name without the titles before and after it."""
    words = [word for word in untitled(name) if name_key(word)]
    while len(words) > 1 and "".join(filter(str.isalnum, words[-1].lower())) in _SUFFIXES:
        del words[-1]
    return name_key(" ".join(words))


_PARROTED = frozenset(map(_untitled, EXAMPLES))
_KINDS = frozenset({"jargon", "pulp", "pun", "puns", "quiet"})
"""The kinds of names in the prompt."""


@dataclass(kw_only=True)
class Probe:
    """The result of one question to an endpoint, see ``Nomenclater.probe``."""

    status: int | None = None
    """The HTTP status of the last request, or ``None`` if there was no answer."""
    seconds: float = 0.0
    """The seconds from the last request to its answer."""
    form: str | None = None
    """The form of ``ladder.RUNGS`` that the endpoint takes, or ``None`` if it took none."""
    received: int = 0
    names: list[str] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    """Each candidate that is no usable name, with the reason."""
    error: str | None = None
    late: bool = False
    """Whether there is no answer only because the time was over."""
    host: str = ""
    """The host of the endpoint, with its port."""
    headers: tuple[str, ...] = ()
    """The names of the headers of the last answer, in lower case."""
    tried: dict[str, str] = field(default_factory=dict)
    """The forms of the requests, each with its last outcome."""


@dataclass(eq=False, repr=False)
class Chunk(NeverCopied, Probe):
    """The names of one ``fetch`` so far, and the state of its requests.

    It is never pickled, because an endpoint may repeat the key in an error.
    """

    count: int
    used: InitVar[Sequence[str]]
    given: Given
    rung: int
    theme: str | None = None
    """The theme of its names, or ``None`` for themes that are drawn at random."""
    is_sample: bool = False
    """Whether one reply is enough, and all its names are kept."""
    max_used: int | None = None
    """The most names that the prompt lists, or ``None`` for ``prompt.USED_TOKENS``."""
    known: int = 0
    failures: int = 0
    """The number of attempts that failed, since the last good one."""
    wrote_no_json: bool = False
    """Whether the endpoint took the form of the last request but the model ignored it."""
    is_unread: bool = False
    """Whether the last reply could not be read."""
    said: str = field(default="", repr=False)
    """The start of the last error. It may hold secrets."""
    asked_about: set[str] = field(default_factory=lambda: {*map(name_key, _KINDS)})
    """The keys of the kinds and themes in the prompts. A model may repeat them as headings."""

    def __post_init__(self, used: Sequence[str]) -> None:
        self.first_rung: int = self.rung
        self._recent = latest(used, USED_TOKENS if self.max_used is None else self.max_used)
        self._keys = set(map(name_key, self._recent))
        self._given_names: set[str] = set()

    @property
    def missing(self) -> int:
        """The number of names that are still missing."""
        return self.count - len(self.names)

    def take(self, reading: Reading) -> None:
        """Keep the new names. Remember the others, because the next prompt lists them."""
        self.received: int = self.received + len(reading.names) + len(reading.rejected)
        self.rejected: dict[str, str] = dict(reading.rejected)
        for name in reading.names:
            if not self.missing and not self.is_sample:
                return
            if (reason := self._refusal(name)) is None:
                self.names.append(name)
                self._keys.add(name_key(name))
                self._given_names.add(name_key(given_name(name)))
            else:
                self.rejected[name] = reason
        if self.is_sample:
            self.count = len(self.names)

    def _refusal(self, name: str) -> str | None:
        """Return the reason not to take a valid name. If there is none, claim the name."""
        key = name_key(name)
        if _untitled(name) in _PARROTED:
            return "is the example's"
        if key in self.asked_about:
            return "is a theme"
        is_known = key in self._keys
        if not is_known and name_key(given_name(name)) in self._given_names:
            return "has the given name of another one"
        if is_known or not self.given.claim(key):
            self.known += 1
            return "is in use already"
        return None

    def listed(self) -> list[str]:
        """Return the known names that the prompt lists, so that the model does not repeat them.

        They are the latest ``max_used`` names. If that is ``None``, they are the latest names that
        fit into ``prompt.USED_TOKENS``.
        """
        names, most = [*self._recent, *self.names], self.max_used
        return latest_within(names) if most is None else latest(names, most)

    def complaint(self) -> str:
        """Return the reason why no reply had a usable name."""
        if self.known == self.received:
            return f"only known names came, {self.known} in all"
        some = ", ".join(f"{name!a} {why}" for name, why in list(self.rejected.items())[:3])
        return f"no usable name among {self.received}: {one_line(some)}"


class Given:
    """The keys of the latest names, so that a source without a pool repeats no name.

    Several threads need no lock, because each step of a dict is atomic.
    """

    def __init__(self) -> None:
        self._keys: dict[str, object] = {}
        self._used = 0

    def notice(self, used: int) -> None:
        """Forget all names if ``used`` is much smaller than before, because the pool was reset.

        It is only a little smaller if the pool has forgotten some themes.
        """
        if 2 * used < self._used:
            self._keys.clear()
        self._used = used

    def claim(self, key: str) -> bool:
        """Remember ``key``. Return ``False`` if it was already among the latest keys."""
        mine = object()
        if self._keys.setdefault(key, mine) is not mine:
            return False
        for old in list(self._keys)[:-REMEMBERED]:
            self._keys.pop(old, None)
        return True


class Themes:
    """Draws themes at random. It prefers themes that no other request has at the moment."""

    def __init__(self, themes: Sequence[str]) -> None:
        self.themes: Sequence[str] = themes
        self._held: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def drawn(self, theme: str | None = None) -> Iterator[tuple[list[str], list[str]]]:
        """Hold up to three themes for the block. Yield them, then the themes of other requests.

        A given ``theme`` is the only one of the block. Other requests may have it at the same time.
        """
        if theme is not None:
            yield [theme], []
            return
        with self._lock:
            others = [theme for theme in self.themes if self._held[theme]]
            shuffled = random.sample(self.themes, len(self.themes))
            themes = sorted(shuffled, key=self._held.__getitem__)[:THEMES_PER_REQUEST]
            self._held.update(themes)
        try:
            yield themes, [theme for theme in others if theme not in themes]
        finally:
            with self._lock:
                self._held.subtract(themes)
