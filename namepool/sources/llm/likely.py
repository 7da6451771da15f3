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
    | [(\[（]?+\d{1,3}\s?+(?:[.):\]）：](?=[\s*A-Z]|[^\x00-\x7f])|[、．])(?!\d)
    | (?:[^\W\d_]{2,12}\ )(?:\d{1,3}\s?[:.)]|[A-Z]\s?[:)])(?=[\s*]))[*_]{0,3}\s*+""",  # noqa: RUF001
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
_VALUES = re.compile(r",\S")  # between values that a comma separates
_PARTS = re.compile(r"[,;/、，；]\s*(?:(?:and|und|et|y|e)\s)?|\s(?:and|und|et|y|e|&)\s")  # noqa: RUF001
NAME = frozenset({"name", "fullname", "full name", "agentname", "agent name", "agent"})
NAME |= {"nom", "nombre", "nome", "имя", "名前", "名字"}
"""Labels of names, in small letters."""

_WORD = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+")
KINDS = frozenset({"theme", "category", "categorie", "kind", "style", "group", "type"})
"""Labels of the groups that names belong to."""

_NOT_NAMES = KINDS | {
    *("note", "comment", "reasoning", "thought", "rule", "used", "rejected", "draft", "error"),
    *("explanation", "description", "persona", "role", "trait", "existing", "avoid", "required"),
    *("enum", "count", "example", "message", "status", "setting", "subject", "origin", "tagline"),
    *("occupation", "job", "section", "genre", "motto", "specialty", "h1", "h2", "h3", "b"),
}
MOST_WORDS = 6
"""The most words before a comma counts as the end of a name."""

MOST_LABELS = 3
"""The most labels before a name. A text may hold thousands of colons."""


def marker(text: str) -> tuple[int | None, str]:
    """Return the kind of list item that begins ``text``, and the text without its mark.

    The kind is 0 for a number or a counted label ("Agent 1:"), 1 for a bullet, ``None`` for none.
    """
    if found := _NUMBER.match(text):
        return 0, text[found.end() :]
    if (found := _BULLET.match(text)) and found.end():
        return 1, text[found.end() :]
    return None, text


def bare(text: str) -> str:
    """Return ``text`` without numbering, quotes, markup, and white space that no name needs."""
    name = _SYMBOLS.sub("", marker(" ".join(text.split()))[1]).strip(_AROUND)
    while len(name) > 1 and name[0] in _PAIRED and name[-1] in _PAIRED:
        name = name[1:-1].strip(_AROUND)
    return marker(name)[1].replace("''", "'")


def undescribed(text: str, labels: int = MOST_LABELS) -> str:
    """Return the name at the start of a text, without a description that follows it.

    In "Jargon: Ada Byte" the name is behind its label.
    """
    text = marker(text.strip())[1].lstrip("*_`")
    found = next((one for one in _DESCRIBED.finditer(text) if one.start()), None)
    name = bare(text[: found.start()] if found else text)
    if labels and found and ":" in found[0] and not is_likely(name) and may_name(name):
        labelled = undescribed(text[found.end() :], labels - 1)
        name = labelled if is_likely(labelled.removesuffix(CUT)) else name
    return bare(name.partition(", ")[0]) if name.count(" ") >= MOST_WORDS else name


def is_likely(text: object) -> bool:
    """Return whether a text looks like a name.

    Such a text has two to five words and no mark of a sentence. Neither its first nor its last word
    begins with a small letter.
    """
    if not isinstance(text, str) or len(text) > LONGEST or not _NO_NAME.isdisjoint(text):
        return False
    words = text.split()
    if not 2 <= len(words) <= 5 or not words[0][0].isalnum() or _VALUES.search(text):
        return False
    is_sentence = text[-1] == "." and len(words[-1]) > 4
    return not (is_sentence or is_small(words[0]) or is_small(words[-1]))


def is_small(word: str) -> bool:
    """Return whether a word begins with a small letter, in a script that has capitals."""
    return word[:1] != word[:1].title()


def may_name(label: str) -> bool:
    """Return whether a name may stand under a label, such as a key or the heading of a column."""
    return _NOT_NAMES.isdisjoint(words_of(label)) and label.lower() not in _NOT_NAMES


def words_of(label: str) -> set[str]:
    """Return the words of a label, such as "usedNames", in small letters and in the singular."""
    return {word.lower().removesuffix("s") for word in _WORD.findall(label)}


def how_likely(names: Iterable[object]) -> int:
    """Return how many of ``names`` look like names."""
    return sum(map(is_likely, names))


def column(rows: Sequence[Sequence[Cell]]) -> list[Cell]:
    """Return the column of a table whose cells look most like names; the first one of equals.

    A cell that begins with a capital counts, too, if no column has a name of two words.
    """
    width = max(map(len, rows), default=0)
    columns = [[row[n] for row in rows if n < len(row)] for n in range(width)]
    score = how_likely if any(map(how_likely, columns)) else _how_capital
    return max(columns, key=score, default=[])


def _how_capital(cells: Iterable[object]) -> int:
    return sum(
        isinstance(cell, str) and cell[:1].isalpha() and not is_small(cell) for cell in cells
    )


def parted(text: str) -> list[str]:
    """Return the names that a text lists with commas, semicolons or "and"; else an empty list.

    Three or more single words count as names, too.
    """
    parts = [bare(part) for part in _PARTS.split(text) if not part.endswith(CUT)]
    are_words = len(parts) > 2 and all(map(str.isalpha, parts)) and not any(map(is_small, parts))
    return parts if len(parts) > 1 and (are_words or how_likely(parts) == len(parts)) else []
