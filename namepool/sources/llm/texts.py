"""Names in what a language model wrote: the strictest shape first, the loosest last. Pure.

Every function here goes through its text a fixed number of times, whatever the text is: a reply of
a megabyte is read in a megabyte's time. No pattern can give back what it has taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import cast

from namepool.sources.llm.fragments import fragments

MOST_CANDIDATES = 10_000
"""No more are looked at: a chunk has a few dozen."""

LONGEST_CANDIDATE = 1000
"""Characters; of what is longer the rest is not looked at, it is no name anyway."""

LONGEST_LINE_NAME = 8
"""Words; what is longer after a bullet is a sentence."""

_TAG = re.compile(r"<(/?)(?:think|thinking|reasoning|thought)>", re.I)
_NUMBER = re.compile(r"\(?[0-9]{1,3}[.):\]](?=\s)")
_BULLETS = "-*•‣◦·–—"  # noqa: RUF001  dashes of all lengths
_DESCRIBED = (" - ", " – ", " — ", ": ", "**", " (")  # noqa: RUF001
_MARKUP = " \t*_#>"
_AROUND = '"“”„«»`*_,; '
_PAIRED = "'‘’"  # noqa: RUF001
_NUMBERED_KEY = re.compile(r"[A-Za-z_ -]{0,20}[0-9]{1,4}")
_NOT_NAMES = frozenset(
    {
        *("theme", "themes", "category", "style", "note", "notes", "comment", "reasoning"),
        *("thoughts", "rules", "used", "rejected"),
    }
)


def clean(text: str) -> str:
    """Return ``text`` without numbering, quotes, and white space that no name needs."""
    name = _unnumbered(" ".join(text.split())[:LONGEST_CANDIDATE]).strip(_AROUND)
    while len(name) > 1 and name[0] in _PAIRED and name[-1] in _PAIRED:
        name = name[1:-1].strip(_AROUND)
    return _unnumbered(name)


def _unnumbered(text: str) -> str:
    if number := _NUMBER.match(text):
        return text[number.end() :].lstrip()
    return text[2:].lstrip() if text[:1] in {*_BULLETS, "#"} and text[1:2].isspace() else text


def candidates(text: str) -> list[object]:
    """Return what may be names in what a model wrote; mostly strings, but JSON holds anything."""
    found = list_in(decoded(text))
    if not found:
        text = _reasoned(text)
        found = _embedded(text) or [*_on_lines(text)]
    return found[:MOST_CANDIDATES]


def decoded(text: str) -> object:
    """Return what ``text`` is in JSON, ``None`` if it is none; a string in a string is opened."""
    value: object = text
    for _ in range(3):
        if not isinstance(value, str):
            break
        try:
            value = cast("object", json.loads(value, strict=False))
        except (ValueError, RecursionError):
            break
    return None if isinstance(value, str) else value


def list_in(value: object, depth: int = 6) -> list[object]:
    """Return the candidates in decoded JSON: a list, an object around lists, or one name."""
    if isinstance(value, list):
        return [one for item in value for one in _item(item, depth)]
    if not isinstance(value, dict) or not depth:
        return []
    for key in ("arguments", "parameters"):  # of a tool, whose own name is none of ours
        if key in value:
            inner = value[key]
            return list_in(decoded(inner) if isinstance(inner, str) else inner, depth - 1)
    for key in ("names", "values"):
        if key in value:
            return list_in(value[key], depth - 1)
    if isinstance(value.get("name"), str):
        return [value["name"]]
    numbered = [v for k, v in value.items() if isinstance(v, str) and _NUMBERED_KEY.fullmatch(k)]
    return [*numbered] or _grouped(value, depth)


def _item(item: object, depth: int) -> list[object]:
    """Return the candidates in an item of a list: itself, its name, or a group of them."""
    if not isinstance(item, dict | list):
        return [item]
    return (list_in(item, depth - 1) if depth else []) or [item]


def _grouped(value: dict[str, object], depth: int) -> list[object]:
    groups = [
        inner
        for key, inner in value.items()
        if isinstance(inner, list | dict) and key.lower() not in _NOT_NAMES
    ]
    return [one for group in groups for one in list_in(group, depth - 1)]


def _reasoned(text: str) -> str:
    """Return ``text`` without the reasoning in it, also when it began in the prompt."""
    kept: list[str] = []
    position, inside = 0, False
    for tag in _TAG.finditer(text):
        if tag[1]:
            if not inside:
                kept.clear()
            position, inside = tag.end(), False
        elif not inside:
            kept.append(text[position : tag.start()])
            inside = True
    return "".join(kept if inside else [*kept, text[position:]])


def _embedded(text: str) -> list[object]:
    """Return the candidates in the last series of JSON objects, else of JSON lists.

    The last, because drafts come before what is meant; values with nothing between them but white
    space and fences are one series.
    """
    objects: list[object] = []
    lists: list[object] = []
    for series in _series(text):
        found = [one for value in series if isinstance(value, dict) for one in list_in(value)]
        objects = found or objects
        values = [value for value in series if isinstance(value, list)]
        named = [one for value in values for one in list_in(value)]
        if any(isinstance(value, dict) for value in values for value in value):
            objects = [one for one in named if isinstance(one, str)] or objects
        elif any(isinstance(one, str) for one in named):
            lists = named
    return objects or lists


def _series(text: str) -> Iterator[list[object]]:
    series: list[object] = []
    last = 0
    for value, start, end in fragments(text):
        if series and text[last:start].strip(" \t\r\n,`"):
            yield series
            series = []
        series.append(value)
        last = end
    if series:
        yield series


def _on_lines(text: str) -> list[str]:
    """Return what stands on numbered lines, else after bullets, without descriptions."""
    numbered: list[str] = []
    bulleted: list[tuple[int, str]] = []
    for line in text.splitlines():
        bare = line.lstrip(_MARKUP)
        if number := _NUMBER.match(bare):
            numbered.append(bare[number.end() :])
            continue
        bullet = line.strip()
        if bullet[:1] and bullet[0] in _BULLETS and bullet[1:2].isspace():
            bulleted.append((len(line) - len(line.lstrip()), bullet[2:]))
    items = [name for name in _undescribed(_outermost(bulleted)) if _short(name)]
    names = list(_undescribed(numbered))
    return names or items


def _outermost(bulleted: list[tuple[int, str]]) -> list[str]:
    """Return the items that are indented least, apart from headings."""
    items = [(indent, text) for indent, text in bulleted if not text.rstrip(" *_").endswith(":")]
    least = min((indent for indent, _ in items), default=0)
    return [text for indent, text in items if indent == least]


def _undescribed(items: Iterable[str]) -> Iterator[str]:
    """Yield the names of ``items``, without the descriptions that models add, or none."""
    for item in items:
        name = " ".join(item.strip(_MARKUP).split())
        if name.endswith(":"):
            continue  # a heading
        ends = [end for mark in _DESCRIBED if (end := name.find(mark)) > 0]
        name = name[: min(ends)] if ends else name
        if name:
            yield name


def _short(text: str) -> bool:
    return text.count(" ") < LONGEST_LINE_NAME and text[-1] not in ".!?…"
