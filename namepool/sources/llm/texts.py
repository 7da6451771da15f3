"""Finds names in the text of a language model, from the strictest shape to the loosest. Pure.

Each function reads its text a fixed number of times, for any text. So the time grows only in
proportion to the length of a reply. No pattern backtracks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from namepool.sources.llm.fragments import fragments
from namepool.sources.llm.lines import on_lines, unnumbered
from namepool.sources.llm.values import decoded, list_in

MOST_CANDIDATES = 10_000
"""The most candidates that are read. A chunk has a few dozen."""

LONGEST_CANDIDATE = 1000
"""The most characters of a candidate that are read. A longer text is no name anyway."""

_TAG = re.compile(r"<(/?)(?:think|thinking|reasoning|thought)>", re.I)
_AROUND = '"“”„«»`*_,; '
_FENCES = re.compile(r"```\w*+")
_HEADING = re.compile(r"#{1,6} .*|\*\*.*|.*:\**", re.S)
LONGEST_HEADING = 60
_OF_A_DRAFT = re.compile(
    r"\b(?:draft|attempt|version|better|final|finally|improved|revised|corrected|polished|updated"
    r"|new|names?|answer|result|output|list|here|json)\b",
    re.I,
)
_OF_NO_NAMES = re.compile(
    r"\b(?:themes?|kinds?|categor(?:y|ies)|styles?|rules?|used|rejected|avoid\w*|notes?)\b", re.I
)
_PAIRED = "'‘’"  # noqa: RUF001


def clean(text: str) -> str:
    """Return ``text`` without numbering, quotes, and white space that no name needs."""
    name = unnumbered(" ".join(text.split())[:LONGEST_CANDIDATE]).strip(_AROUND)
    while len(name) > 1 and name[0] in _PAIRED and name[-1] in _PAIRED:
        name = name[1:-1].strip(_AROUND)
    return unnumbered(name)


def candidates(text: str) -> list[object]:
    """Return the candidates in a model's text. Most are strings, but JSON may hold any value."""
    found = list_in(decoded(_FENCES.sub("", text).strip()))
    if not found:
        text = _reasoned(text)
        found = _embedded(text) or [*on_lines(text)]
    return found[:MOST_CANDIDATES]


def _reasoned(text: str) -> str:
    """Return ``text`` without the reasoning in it. The reasoning may have begun in the prompt."""
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

    The last series counts, because drafts come before the final answer. But an object with "names"
    outranks an object without. A series under a heading such as "themes" counts only if there is
    no other series.
    """
    found: list[object] = []
    best = 0
    for heading, series in _series(text):
        read, rank = _ranked(series)
        if _OF_NO_NAMES.search(heading):
            rank = min(rank, 1)
        if rank and rank >= best:
            found, best = read, rank
    return found


def _ranked(series: list[object]) -> tuple[list[object], int]:
    """Return the candidates in a series, and their rank. The rank 0 means that there are none."""
    objects = [value for value in series if isinstance(value, dict)]
    named = [one for value in objects if "names" in value for one in list_in(value)]
    if named:
        return named, 5
    lists = [value for value in series if isinstance(value, list)]
    listed: list[object] = [
        one for value in lists for one in list_in(value) if isinstance(one, str)
    ]
    if listed and any(isinstance(item, dict) for value in lists for item in value):
        return listed, 4
    if found := [one for value in objects for one in list_in(value)]:
        return found, 4
    return listed, 3 if listed else 0


def _series(text: str) -> Iterator[tuple[str, list[object]]]:
    """Yield each heading (or "") with the series of values that belong together under it.

    Between the values of a series there is only white space or fences, or a heading for each value.
    """
    series: list[object] = []
    first, last = "", 0
    for value, start, end in fragments(text):
        lines = _lines_before(text[last:start])
        if series and lines and not (first and len(lines) == 1 and _groups(first, lines[0])):
            yield first, series
            series = []
        if not series:
            first = lines[-1] if lines and _is_heading(lines[-1]) else ""
        series.append(value)
        last = end
    if series:
        yield first, series


def _lines_before(between: str) -> list[str]:
    lines = (line.strip(" \t\r,") for line in _FENCES.sub("", between).splitlines())
    return [line for line in lines if line]


def _is_heading(line: str) -> bool:
    return len(line) <= LONGEST_HEADING and _HEADING.fullmatch(line) is not None


def _groups(first: str, second: str) -> bool:
    """Return whether both are headings of groups of names, not of drafts or notes."""
    return _is_heading(second) and not any(
        pattern.search(heading)
        for heading in (first, second)
        for pattern in (_OF_A_DRAFT, _OF_NO_NAMES)
    )
