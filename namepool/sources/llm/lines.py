"""Names on the lines of a text, after numbers or bullets. Pure, and linear."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

LONGEST_LINE_NAME = 8
"""Words; what is longer after a bullet is a sentence."""

_NUMBER = re.compile(r"\(?[0-9]{1,3}[.):\]]\**+(?=\s)")
_DOTS = "•‣◦·●○★☆▪◆✦➤"
_BULLETS = "-*+–—" + _DOTS  # noqa: RUF001  dashes of all lengths
_DESCRIBED = (" - ", " – ", " — ", ": ", "**", " (")  # noqa: RUF001
_MARKUP = " \t*_#>"
_TAB = 4
_NO_ITEM = (2, 0)


def unnumbered(text: str) -> str:
    """Return ``text`` without the number or the bullet before it."""
    if number := _NUMBER.match(text):
        return text[number.end() :].lstrip()
    return text[2:].lstrip() if text[:1] in {*_BULLETS, "#"} and text[1:2].isspace() else text


def on_lines(text: str) -> list[str]:
    """Return the items of the list in ``text`` that looks most like names, without descriptions.

    Lists are told apart by number or bullet, and by how far they are indented. If several look
    alike, numbers go before bullets, and what is indented least goes first. A run of lines of
    which most are phrases and none looks like a name, as rules and steps of reasoning, is left out.
    """
    lists: dict[tuple[int, int], list[str]] = {}
    for place, run in groupby(_items(text), key=lambda item: item[:2]):
        names = [*_undescribed((line for *_, line in run), place)]
        few_phrases = 2 * sum(map(_is_phrase, names)) < len(names)
        if place != _NO_ITEM and (few_phrases or how_likely(names)):
            lists.setdefault(place, []).extend(names)
    ranked = sorted(lists.items())
    return max((names for _, names in ranked), key=how_likely, default=[])


def how_likely(names: Iterable[object]) -> int:
    """Return how many look like names: two words to five, the first and the last with capitals."""
    return sum(isinstance(name, str) and _is_likely(name.split()) for name in names)


def _is_likely(words: list[str]) -> bool:
    return 2 <= len(words) <= 5 and not words[0][0].islower() and not words[-1][0].islower()


def _is_phrase(name: str) -> bool:
    """Tell whether there are several words, all but the first with small letters."""
    words = name.split()
    return len(words) > 1 and all(word[0].islower() for word in words[1:])


def _items(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the lines: 0 if they are numbered or 1 if bulleted, how far indented, what is left.

    A line that is no item is yielded too, and so is one before a list that begins anew.
    """
    for line in text.splitlines():
        bare = line.lstrip(_MARKUP)
        bullet = line.strip()
        lead = line[: len(line) - len(line.lstrip())]
        indent = len(lead.expandtabs(_TAB)) // 2
        if number := _NUMBER.match(bare):
            if number[0].strip("(").startswith(("1.", "1)", "1:", "1]")):
                yield *_NO_ITEM, ""
            yield 0, indent, bare[number.end() :]
        elif bullet and bullet[0] in _BULLETS and (bullet[1:2].isspace() or bullet[0] in _DOTS):
            yield 1, indent, bullet[1:]
        elif bullet:
            yield *_NO_ITEM, ""


def _undescribed(items: Iterable[str], place: tuple[int, int]) -> Iterator[str]:
    """Yield the names of ``items``, without the descriptions that models add, or none."""
    for item in items:
        name = " ".join(item.strip(_MARKUP).split())
        if name.endswith(":"):
            continue  # a heading
        ends = [end for mark in _DESCRIBED if (end := name.find(mark)) > 0]
        name = name[: min(ends)] if ends else name
        if name and (place[0] == 0 or _short(name)):
            yield name


def _short(text: str) -> bool:
    return text.count(" ") < LONGEST_LINE_NAME and text[-1] not in ".!?…"
