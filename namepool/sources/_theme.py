"""A theme, with given names and words that go with them. Anybody can write its TOML file.

A file has a ``title``, a ``description`` and lists. A list is a TOML array, or one string with
commas between the words. The string may have several lines::

    title = "The kitchen"
    description = "Cooks, tasters and keepers of the kettle."
    first = '''
    Basil, Clementine, Saffron,
    '''

``first`` and ``last`` are required. Each other list adds a pattern (see ``_FORMS``), or more words
to a pattern. "Basil the Toast Timer" has a trade, and "Basil of the Copper Kettle" has a phrase.
"Basil, Burner of Toast" has a deed, "Chef Basil Custard" a title, "Basil Two-Spoons" a byname.

A nickname is the name of a thing that is used as a first name, such as "Pudding". It has no
surname, no title and no place, because those belong to people.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from namepool.core.guard import why_unissuable
from namepool.core.names import name_key, one_line, shown
from namepool.core.options import CHECKS, LONGEST_THEME
from namepool.errors import InvalidOption
from namepool.sources._theme_file import check_dots, text_of

BUILT_IN = (
    *("bakery", "build", "castle", "circus", "clockwork", "computing", "deep", "detectives"),
    *("fables", "garden", "harbour", "kitchen", "laboratory", "library", "maps", "music", "myth"),
    *("post", "pulp", "railway", "sea", "stars", "theatre", "weather"),
)
"""The themes of the package."""

WALK = (
    *("epithet", "deed", "surname", "epithet", "phrase", "deed", "epithet", "title", "phrase"),
    *("epithet", "deed", "place", "epithet", "phrase", "byname", "deed", "phrase"),
)
"""The patterns of consecutive names. The most popular patterns come most often.

Between two equal patterns there are at least two others.
"""

FOR_NICKNAMES = ("epithet", "deed", "phrase")
"""The patterns of names that begin with a nickname. The other patterns need a person."""

# The most words of an entry in each list. With the given name, a name has at most five.
LISTS = {"first": 1, "nicknames": 1, "last": 2, "epithets": 3, "trades": 2, "phrases": 2}
LISTS |= {"deeds": 4, "titles": 2, "bynames": 1, "places": 3}
LEAST = {"first": 12, "last": 20}
_LONGEST = 44  # characters: room for " the Twentieth" and for a number after it
_LONGEST_WORD = 28
_ENDINGS = {
    "epithet": ("epithets", "trades"),
    "phrase": ("phrases",),
    "deed": ("deeds",),
    "place": ("places",),
    "byname": ("bynames",),
    **dict.fromkeys(("surname", "title"), ("last",)),
}
_EXTRAS = {"title": "titles"}
_FORMS = {
    "epithet": "{first} the {ending}",
    "phrase": "{first} of the {ending}",
    "deed": "{first}, {ending}",
    "place": "{first} of {ending}",
    "surname": "{first} {ending}",
    "title": "{extra} {first} {ending}",
    "byname": "{first} {ending}",
}


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a theme's walk, with a pattern and with endings that no other place has."""

    pattern: str
    endings: tuple[str, ...]
    extras: tuple[str, ...] = ("",)

    def __len__(self) -> int:
        return len(self.endings) * len(self.extras)

    def name(self, first: str, number: int) -> str:
        """Return the name of ``first`` with the ending for ``number``.

        Any ``len(self)`` consecutive numbers give different names.
        """
        turn, at = divmod(number, len(self.endings))
        extra = self.extras[(turn + at) % len(self.extras)]
        return _FORMS[self.pattern].format(first=first, extra=extra, ending=self.endings[at])

    def longest(self, first: str) -> str:
        """Return the longest name that ``first`` can have in this slot."""
        extra, ending = max(self.extras, key=len), max(self.endings, key=len)
        return _FORMS[self.pattern].format(first=first, extra=extra, ending=ending)


@dataclass(frozen=True, slots=True)
class Theme:
    """The words of a theme, and its walk. Each pattern of the walk has words in this theme."""

    id: str
    title: str
    description: str
    words: Mapping[str, tuple[str, ...]]
    walk: tuple[Slot, ...]
    nicknames_walk: tuple[Slot, ...]

    @property
    def first(self) -> tuple[str, ...]:
        """The given names, then the nicknames."""
        return self.words["first"] + self.words["nicknames"]

    @property
    def rounds(self) -> int:
        """The number of times that a given name goes through the walk before an ending repeats."""
        return min(map(len, self.walk + self.nicknames_walk))

    def walk_of(self, first: str) -> tuple[Slot, ...]:
        """Return the walk of one of the theme's given names or nicknames."""
        return self.nicknames_walk if first in self.words["nicknames"] else self.walk

    def names_of(self, first: str) -> Iterator[str]:
        """Yield every name that ``first`` can have."""
        for slot in self.walk_of(first):
            for number in range(len(slot)):
                yield slot.name(first, number)


# -- reading --------------------------------------------------------------------------------------


@cache
def built_in(theme_id: str) -> Theme:
    """Return a theme of the package. The first call reads its file. The tests check the files."""
    path = os.path.join(os.path.dirname(__file__), "themes", f"{theme_id}.toml")
    text = globals()["__loader__"].get_data(path).decode("utf-8")  # works in a zip file too
    return _theme(theme_id, _tables(text))


def read_theme(path: str | os.PathLike[str]) -> Theme:
    """Read a file and return its theme. The theme's id is the file's name without ``.toml``.

    Raises:
        InvalidOption: the file cannot be read, or is no theme. The message names the file, the
            line and the reason
    """
    file, text = text_of(path)
    stem = os.path.splitext(os.path.basename(os.fsdecode(path)))[0]
    # Some file systems store an accent apart from its letter, but a keyboard joins both.
    theme_id = unicodedata.normalize("NFC", stem)
    CHECKS.text("theme_files: the name of a file", theme_id, LONGEST_THEME)
    return parse(text, theme_id, file)


def parse(text: str, theme_id: str, file: str) -> Theme:
    """Return the theme in ``text``. It raises like ``read_theme``; messages name ``file``."""
    try:
        check_dots(text)
        tables = _tables(text)
    except ValueError as error:  # the error names the line
        raise InvalidOption(f"{file}: {one_line(error)}") from None
    except RecursionError:
        raise InvalidOption(f"{file}: must not nest arrays or tables so deep") from None
    for key, word, reason in _faults(tables):
        line = _line(text, key, word)
        raise InvalidOption(f"{file}, line {line}: {one_line(reason)}")
    theme = _theme(theme_id, tables)
    firsts = [max(words, key=len) for key in ("first", "nicknames") if (words := theme.words[key])]
    slots = ((first, slot) for first in firsts for slot in theme.walk_of(first))
    longest = max((slot.longest(first) for first, slot in slots), key=len)
    if len(longest) > _LONGEST:
        reason = f"must have at most {_LONGEST} characters, not {len(longest)} as {shown(longest)}"
        raise InvalidOption(f"{file}: names {reason}")
    return theme


def _tables(text: str) -> dict[str, Any]:
    import tomllib  # only programs with offline names pay for this import

    tables = tomllib.loads(text)
    return {key: _listed(value) if key in LISTS else value for key, value in tables.items()}


def _listed(value: object) -> object:
    if isinstance(value, str):
        return tuple(word for part in value.split(",") if (word := " ".join(part.split())))
    return tuple(value) if isinstance(value, list) else value


def _theme(theme_id: str, tables: Mapping[str, Any]) -> Theme:
    words = {key: tables.get(key, ()) for key in LISTS}
    patterns, nicknamed = _patterns(words)
    slots: dict[tuple[int, str], Slot] = {}
    for ending in dict.fromkeys(_ENDINGS.values()):
        # The places that take their endings from the same list share its words.
        sharing = [
            (at, pattern)
            for at, pair in enumerate(zip(patterns, nicknamed, strict=True))
            for pattern in dict.fromkeys(pair)
            if _ENDINGS.get(pattern) == ending
        ]
        listed = [word for key in ending for word in words[key]]
        for n, (at, pattern) in enumerate(sharing):
            extras = words[_EXTRAS[pattern]] if pattern in _EXTRAS else ("",)
            slots[at, pattern] = Slot(pattern, tuple(listed[n :: len(sharing)]), extras)
    walk = tuple(slots[key] for key in enumerate(patterns))
    nicknames_walk = tuple(slots[key] for key in enumerate(nicknamed) if key[1])
    return Theme(theme_id, tables["title"], tables["description"], words, walk, nicknames_walk)


def _patterns(words: Mapping[str, tuple[str, ...]]) -> tuple[list[str], list[str]]:
    """Return the patterns of the walk for people, and for nicknames ("" for a place without)."""
    left = Counter({keys: sum(len(words[key]) for key in keys) for keys in _ENDINGS.values()})

    def take(wanted: Iterable[str]) -> str:
        usable = (p for p in wanted if left[_ENDINGS[p]] and words[_EXTRAS.get(p, "last")])
        pattern = next(usable)
        left[_ENDINGS[pattern]] -= 1
        return pattern

    def spare() -> list[str]:
        return sorted(("surname", *FOR_NICKNAMES), key=lambda p: -left[_ENDINGS[p]])

    walk = [take((pattern, *spare())) for pattern in WALK]
    if not words["nicknames"]:
        return walk, [""] * len(walk)
    nicknamed = []
    for at, pattern in enumerate(walk):
        if pattern not in FOR_NICKNAMES:
            near = (walk[at - 1], walk[(at + 1) % len(walk)])
            choice = [p for p in spare() if p in FOR_NICKNAMES]
            pattern = take(sorted(choice, key=near.count))
        nicknamed.append(pattern)
    return walk, nicknamed


# -- faults ---------------------------------------------------------------------------------------


def _faults(tables: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """Yield each fault as its key, its word ("" for a fault of the key itself) and its reason."""
    known = ("title", "description", *LISTS)
    for key in tables:
        if key not in known:
            yield key, "", f"{shown(key)} is none of {', '.join(known)}"
    for key in ("title", "description", *LEAST):
        if not tables.get(key):
            yield key, "", f"{key} is missing"
    for key in ("title", "description"):
        if not isinstance(tables[key], str):
            yield key, "", f"{key} must be a string, not {shown(tables[key])}"
    for key in LISTS:
        yield from _faults_of_list(key, tables.get(key, ()))
    yield from _faults_of_nicknames({key: tables.get(key, ()) for key in LISTS})


def _faults_of_list(key: str, words: object) -> Iterator[tuple[str, str, str]]:
    if not isinstance(words, tuple):
        yield key, "", f"{key} must be words between commas, or an array, not {shown(words)}"
        return
    seen: dict[str, str] = {}
    for word in words:
        if (reason := _why_no_word(key, word)) is not None:
            yield key, str(word), f"{key}: {shown(word)} {reason}"
        before = seen.setdefault(name_key(word), word)
        if before is not word:
            yield key, word, f"{key}: {shown(word)} reads like {shown(before)}, which is there too"
    if len(words) < LEAST.get(key, 0):
        yield key, "", f"{key} must have at least {LEAST[key]} words, not {len(words)}"


def _faults_of_nicknames(words: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    people = {name_key(word): word for word in words["first"]}
    for word in words["nicknames"]:
        if (other := people.get(name_key(word))) is not None:
            yield "nicknames", word, f"nicknames: {shown(word)} reads like {shown(other)} in first"
    endings = sum(len(words[key]) for key in ("epithets", "trades", "phrases", "deeds"))
    if words["nicknames"] and endings < len(WALK):
        needed = f"at least {len(WALK)} words in epithets, trades, phrases and deeds"
        yield "nicknames", "", f"nicknames need {needed} together, not {endings}"


def _why_no_word(key: str, word: object) -> str | None:
    if not isinstance(word, str):
        return "must be a string"
    most = LISTS[key]
    if len(word.split()) > most:
        return f"must have at most {most} word{'s' if most > 1 else ''}, not {len(word.split())}"
    if len(word) > _LONGEST_WORD:
        return f"must have at most {_LONGEST_WORD} characters, not {len(word)}"
    return why_unissuable(
        {"first": word, "nicknames": word, "titles": f"{word} Ada"}.get(key, f"Ada {word}")
    )


def _line(text: str, key: str, word: str) -> int:
    """Return the line of the last ``word`` in the list of ``key``, else of ``key``, else 1."""
    start = re.search(rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*=", text, re.MULTILINE)
    if start is None:
        return 1
    end = re.compile(r"^[ \t]*\w+[ \t]*=", re.MULTILINE).search(text, start.end())
    last = text.rfind(word, start.end(), end.start() if end else None) if word else -1
    return text.count("\n", 0, last if last >= 0 else start.start()) + 1
