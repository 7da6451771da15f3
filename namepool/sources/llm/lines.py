"""Finds names on the lines of a text, after numbers or bullets. Pure, in linear time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

LONGEST_LINE_NAME = 8
"""The most words of a name after a bullet. A longer line is a sentence."""

_NUMBER = re.compile(r"\(?[0-9]{1,3}[.):\]]\**+(?=\s)")
_DOTS = "•‣◦·●○★☆▪◆✦➤"
_BULLETS = "-*+–—" + _DOTS  # noqa: RUF001  dashes of all lengths
_DESCRIBED = (" - ", " – ", " — ", ": ", "**", " (")  # noqa: RUF001
_MARKUP = " \t*_#>"
_TAB = 4
_NO_ITEM = (2, 0)


def unnumbered(text: str) -> str:
    """Return ``text`` without a number or a bullet at its start."""
    if number := _NUMBER.match(text):
        return text[number.end() :].lstrip()
    return text[2:].lstrip() if text[:1] in {*_BULLETS, "#"} and text[1:2].isspace() else text


def on_lines(text: str) -> list[str]:
    """Return the items of the list in ``text`` that looks most like names, without descriptions.

    All items of a list have the same indentation, and either all have a number or all have a
    bullet. If several lists look equally like names, a list with numbers wins over a list with
    bullets. After that, the list with the least indentation wins. A run of lines is left out if
    most of them are phrases and none looks like a name. Rules and steps of reasoning are such runs.
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
    """Return how many of ``names`` look like names.

    Such a name has two to five words. Neither its first nor its last word begins with a small
    letter.
    """
    return sum(isinstance(name, str) and _is_likely(name.split()) for name in names)


def _is_likely(words: list[str]) -> bool:
    return 2 <= len(words) <= 5 and not words[0][0].islower() and not words[-1][0].islower()


def _is_phrase(name: str) -> bool:
    """Return whether there are several words, and all but the first begin with a small letter."""
    words = name.split()
    return len(words) > 1 and all(word[0].islower() for word in words[1:])


def _items(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield each line as its kind (0: numbered, 1: with a bullet), its indentation and its text.

    A line that is no item is yielded as ``_NO_ITEM``, and so is the start of each new list.
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
    """Yield the names in ``items``, without the descriptions that models add."""
    for item in items:
        name = " ".join(item.strip(_MARKUP).split())
        if name.endswith(":"):
            continue  # it is a heading
        ends = [end for mark in _DESCRIBED if (end := name.find(mark)) > 0]
        name = name[: min(ends)] if ends else name
        if name and (place[0] == 0 or _short(name)):
            yield name


def _short(text: str) -> bool:
    return text.count(" ") < LONGEST_LINE_NAME and text[-1] not in ".!?…"
