"""Tells texts that look like names from other texts, and cuts names out of them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

Cell = TypeVar("Cell")

CUT = "…"
"""The end of a text that was cut off. A name that ends so is not complete."""

LONGEST = 40
"""The most characters of a text that looks like a name: the prompt asks for no longer ones."""

_NO_NAME = frozenset('!?:;…。？！।"“”=<>|{}[]')  # noqa: RUF001  marks of sentences and of markup
_AROUND = '"“”„«»「」『』`*_~,;|\\ \t\r\n\u200b\ufeff'
_PAIRED = "'‘’"  # noqa: RUF001
_NUMBER = re.compile(
    r"""\s*+(?:\#{1,6}\s)?+[*_]{0,3}(?:\#[0-9]{1,3}[.:)]?+(?=\s) | \d{1,2}\ufe0f?\u20e3
    | [一二三四五六七八九十]{1,3}[、．.] | [a-z]\)(?=\s)
    | [(\[（]?+\d{1,3}\s?+(?:[.):\]）：](?=[\s*]|[^\x00-\x7f])|[、．])(?!\d)
    | (?:[^\W\d_]{2,12}\ )(?:\d{1,3}|[A-Z])\s?[:.)](?=[\s*]))[*_]{0,3}\s*+""",  # noqa: RUF001
    re.X,
)
_BULLET = re.compile(
    r"""\s*+(?:\\item(?=\s) | [^\w\s"'“”„«»「『`*_|<(\[{\\#&.]{1,8}+(?=\s) | [*](?=\s)
    | [•‣◦·・●○★☆▪◆✦➤→]++ | [\u2190-\u2bff\U0001f000-\U0001faff\ufe0f\u200d]++)
    (?:\s*+\[[ xX✓]?+\](?=\s))?+\s*+""",
    re.X,
)
_SYMBOLS = re.compile(r"[\s\u2190-\u2bff\U0001f000-\U0001faff\ufe0f\u200d]++$")
_DESCRIBED = re.compile(
    r"\s[-–—|→=]+\s|[:：]\s|[:：]$|\s?[（(]|\*\*|\s[–—]"  # noqa: RUF001
    r"|,\s(?=(?:who|which|whose|an?)\s)"
)
_PARTS = re.compile(r"[,;/、，；]\s*(?:(?:and|und|et|y|e)\s)?|\s(?:and|und|et|y|e|&)\s")  # noqa: RUF001
MOST_WORDS = 6
"""The most words before a comma counts as the end of a name."""


def marker(text: str) -> tuple[int | None, str]:
    """Return the kind of list item that begins ``text``, and the text without its mark.

    The kind is 0 for a number or a counted label ("Agent 1:"), 1 for a bullet, ``None`` for none.
    """
    for kind, mark in enumerate((_NUMBER, _BULLET)):
        if (found := mark.match(text)) and found.end():
            return kind, text[found.end() :]
    return None, text


def bare(text: str) -> str:
    """Return ``text`` without numbering, quotes, markup, and white space that no name needs."""
    name = _SYMBOLS.sub("", marker(" ".join(text.split()))[1]).strip(_AROUND)
    while len(name) > 1 and name[0] in _PAIRED and name[-1] in _PAIRED:
        name = name[1:-1].strip(_AROUND)
    return marker(name)[1].replace("''", "'")


def undescribed(text: str) -> str:
    """Return the name at the start of a text, without a description that follows it."""
    text = text.strip()
    found = next((one for one in _DESCRIBED.finditer(text) if one.start()), None)
    name = bare(text[: found.start()] if found else text)
    return bare(name.partition(", ")[0]) if name.count(" ") >= MOST_WORDS else name


def is_likely(text: object) -> bool:
    """Return whether a text looks like a name.

    Such a text has two to five words and no mark of a sentence. Neither its first nor its last word
    begins with a small letter.
    """
    if not isinstance(text, str) or len(text) > LONGEST or not _NO_NAME.isdisjoint(text):
        return False
    words = text.split()
    if not 2 <= len(words) <= 5 or not words[0][0].isalnum():
        return False
    is_sentence = text[-1] == "." and len(words[-1]) > 4
    return not (is_sentence or is_small(words[0]) or is_small(words[-1]))


def is_small(word: str) -> bool:
    """Return whether a word begins with a small letter, in a script that has capitals."""
    return word[:1] != word[:1].title()


def how_likely(names: Iterable[object]) -> int:
    """Return how many of ``names`` look like names."""
    return sum(map(is_likely, names))


def column(rows: Sequence[Sequence[Cell]]) -> list[Cell]:
    """Return the column of a table whose cells look most like names; the first one of equals."""
    width = max(map(len, rows), default=0)
    columns = [[row[n] for row in rows if n < len(row)] for n in range(width)]
    return max(columns, key=how_likely, default=[])


def parted(text: str) -> list[str]:
    """Return the names that a text lists with commas, semicolons or "and"; else an empty list."""
    parts = [bare(part) for part in _PARTS.split(text) if not part.endswith(CUT)]
    return parts if len(parts) > 1 and how_likely(parts) == len(parts) else []
