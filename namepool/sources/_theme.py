"""A theme: given names, and what may go with them. Read from one TOML file that anybody can write.

A file has a ``title``, a ``description`` and lists. A list is words between commas, in one string
over as many lines as it takes, or a TOML array::

    title = "The kitchen"
    description = "Cooks, tasters and keepers of the kettle."
    first = '''
    Basil, Clementine, Saffron,
    '''

``first`` and ``last`` are needed; each other list adds a pattern, or more to one:

| list | names |
|---|---|
| ``first``, ``last`` | Basil Custard |
| ``epithets`` | Basil the Slightly Burnt |
| ``trades`` (with ``moods``) | Basil the Toast Timer, Basil the Jovial Toast Timer |
| ``phrases`` | Basil of the Copper Kettle |
| ``counts`` with ``things`` | Basil of the Seven Spoons |
| ``titles`` | Chef Basil Custard |
| ``bynames`` | Basil Two-Spoons Custard |
| ``places`` | Basil of Butterwick |
| ``deeds`` | Basil, Burner of Toast |
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from namepool.core.guard import why_unissuable
from namepool.core.names import name_key, one_line, shown
from namepool.errors import InvalidOption

BUILT_IN = (
    *("bakery", "build", "castle", "circus", "clockwork", "computing", "deep", "detectives"),
    *("fables", "garden", "harbour", "kitchen", "laboratory", "library", "maps", "music", "myth"),
    *("post", "pulp", "railway", "sea", "stars", "theatre", "weather"),
)
"""The themes that come with the package."""

WALK = (
    *("epithet", "surname", "phrase", "epithet", "title", "phrase", "epithet", "byname", "surname"),
    *("phrase", "epithet", "place", "title", "phrase", "epithet", "surname", "deed"),
)
"""The pattern of each name in a row: none within two of its like, the best loved most often."""

LISTS = {  # how many words each may have: with the given name they make at most five
    "first": 1,
    "last": 2,
    "epithets": 3,
    "trades": 2,
    "moods": 1,
    "phrases": 2,
    "counts": 1,
    "things": 1,
    "titles": 2,
    "bynames": 1,
    "places": 3,
    "deeds": 4,
}
LEAST = {"first": 12, "last": 20}
_LONGEST = 44  # characters: room for " the Twentieth" and for a number after it


@dataclass(frozen=True, slots=True)
class Theme:
    """The words of a theme; ``walk`` is its own ``WALK``, without the patterns it has no words for.

    ``rounds``: how often a given name can go through the walk before an ending comes again.
    """

    id: str
    title: str
    description: str
    words: Mapping[str, tuple[str, ...]]
    walk: tuple[str, ...]
    rounds: int

    @property
    def first(self) -> tuple[str, ...]:
        """The given names."""
        return self.words["first"]

    def names_of(self, first: str) -> Iterator[str]:
        """Yield every name that ``first`` can have."""
        for pattern in sorted(set(self.walk)):
            for number in range(sum(blocks(self.words, pattern))):
                yield self.name(first, pattern, number)

    def name(self, first: str, pattern: str, number: int) -> str:
        """Return ``first`` with ending ``number`` of ``pattern``; the short ones come first."""
        words = self.words
        last = words["last"]
        if pattern == "surname":
            return f"{first} {last[number]}"
        if pattern == "epithet":
            return f"{first} the {_epithet(words, number)}"
        if pattern == "phrase":
            return f"{first} of the {_phrase(words, number)}"
        if pattern == "place":
            return f"{first} of {words['places'][number]}"
        if pattern == "deed":
            return f"{first}, {words['deeds'][number]}"
        extras = words["titles" if pattern == "title" else "bynames"]
        turn, extra = divmod(number, len(extras))
        surname = last[(turn + extra * 7) % len(last)]
        return (
            f"{extras[extra]} {first} {surname}"
            if pattern == "title"
            else (f"{first} {extras[extra]} {surname}")
        )


def _epithet(words: Mapping[str, tuple[str, ...]], number: int) -> str:
    trades = words["trades"]
    for plain in (words["epithets"], trades):
        if number < len(plain):
            return plain[number]
        number -= len(plain)
    mood, trade = divmod(number, len(trades))
    return f"{words['moods'][(mood + trade) % len(words['moods'])]} {trades[trade]}"


def _phrase(words: Mapping[str, tuple[str, ...]], number: int) -> str:
    phrases, things = words["phrases"], words["things"]
    if number < len(phrases):
        return phrases[number]
    count, thing = divmod(number - len(phrases), len(things))
    return f"{words['counts'][(count + thing) % len(words['counts'])]} {things[thing]}"


def blocks(words: Mapping[str, tuple[str, ...]], pattern: str) -> tuple[int, int]:
    """Return how many endings of ``pattern`` are written out, and how many are put together."""
    sizes = {key: len(listed) for key, listed in words.items()}
    if pattern == "epithet":
        return sizes["epithets"] + sizes["trades"], sizes["moods"] * sizes["trades"]
    if pattern == "phrase":
        return sizes["phrases"], sizes["counts"] * sizes["things"]
    if pattern in ("title", "byname"):
        return 0, sizes[f"{pattern}s"] * sizes["last"]
    return sizes["last" if pattern == "surname" else f"{pattern}s"], 0


# -- reading --------------------------------------------------------------------------------------


@cache
def built_in(theme_id: str) -> Theme:
    """Return a theme of the package. Reads its file the first time; the tests have checked it."""
    path = os.path.join(os.path.dirname(__file__), "themes", f"{theme_id}.toml")
    text = globals()["__loader__"].get_data(path).decode("utf-8")  # also where it is a zip file
    return _theme(theme_id, _tables(text))


def read_theme(path: str | os.PathLike[str]) -> Theme:
    """Return the theme in a file; its id is the file's name without ``.toml``. Reads the file.

    Raises:
        InvalidOption: it cannot be read, or is no theme: with the file, the line and the reason
    """
    try:
        file = os.fspath(path)
        with open(file, encoding="utf-8") as stream:
            text = stream.read()
    except (OSError, TypeError, ValueError) as error:
        raise InvalidOption(f"theme_files: {one_line(error)}") from error
    return parse(text, os.path.basename(file).removesuffix(".toml"), file)


def parse(text: str, theme_id: str, file: str) -> Theme:
    """Return the theme in ``text``. Raises as ``read_theme`` does; ``file`` is for the message."""
    try:
        tables = _tables(text)
    except ValueError as error:  # it names the line
        raise InvalidOption(f"{one_line(file)}: {one_line(error)}") from None
    for key, word, reason in _faults(tables):
        line = _line(text, key, word)
        raise InvalidOption(f"{one_line(file)}, line {line}: {one_line(reason)}")
    theme = _theme(theme_id, tables)
    longest = max(theme.names_of(max(theme.first, key=len)), key=len)
    if len(longest) > _LONGEST:
        raise InvalidOption(
            f"{one_line(file)}: names must have at most {_LONGEST} characters, not {len(longest)} "
            f"as {shown(longest)}"
        )
    return theme


def _tables(text: str) -> dict[str, Any]:
    import tomllib  # only now: a program that never runs offline names does not pay for it

    tables = tomllib.loads(text)
    return {key: _listed(value) if key in LISTS else value for key, value in tables.items()}


def _listed(value: object) -> object:
    if isinstance(value, str):
        return tuple(word for part in value.split(",") if (word := " ".join(part.split())))
    return tuple(value) if isinstance(value, list) else value


def _theme(theme_id: str, tables: Mapping[str, Any]) -> Theme:
    words = {key: tables.get(key, ()) for key in LISTS}
    endings = {pattern: sum(blocks(words, pattern)) for pattern in WALK}
    walk = list(WALK)
    for at, pattern in enumerate(WALK):
        if endings[pattern] < WALK.count(pattern):  # then one of those with most to spare
            walk[at] = max(sorted(endings), key=lambda p: endings[p] / (walk.count(p) + 1))
    rounds = min(endings[pattern] // walk.count(pattern) for pattern in walk)
    return Theme(theme_id, tables["title"], tables["description"], words, tuple(walk), rounds)


# -- what may be wrong ----------------------------------------------------------------------------


def _faults(tables: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong: the key, the word ("" if it is the key itself), and the reason."""
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


def _why_no_word(key: str, word: object) -> str | None:
    if not isinstance(word, str):
        return "must be a string"
    most = LISTS[key]
    if len(word.split()) > most:
        return f"must have at most {most} word{'s' if most > 1 else ''}, not {len(word.split())}"
    if len(word) > 24:
        return f"must have at most 24 characters, not {len(word)}"
    return why_unissuable({"first": word, "titles": f"{word} Ada"}.get(key, f"Ada {word}"))


def _line(text: str, key: str, word: str) -> int:
    """Return the line of the last ``word`` in the list of ``key``, or that of ``key``, or 1."""
    start = re.search(rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*=", text, re.MULTILINE)
    if start is None:
        return 1
    end = re.compile(r"^[ \t]*\w+[ \t]*=", re.MULTILINE).search(text, start.end())
    last = text.rfind(word, start.end(), end.start() if end else None) if word else -1
    return text.count("\n", 0, last if last >= 0 else start.start()) + 1
