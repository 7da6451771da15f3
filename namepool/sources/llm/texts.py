"""Names in what a language model wrote: the strictest shape first, the loosest last. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import cast

MAX_FALSE_STARTS = 50
"""Brackets in a text that may begin no JSON: one made of brackets is given up here."""

_REASONING = re.compile(r"<(think|thinking|reasoning|thought)>.*?(?:</\1>|\Z)", re.S | re.I)
_REASONED = re.compile(r"</(?:think|thinking|reasoning|thought)>", re.I)  # begun in the prompt
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.S)
_NAMED = re.compile(r'"name"\s*:\s*("(?:[^"\\]|\\.)*")', re.S)
_START = re.compile(r"[\[{]")
_OPEN = re.compile(r"\[\s*")
_LIST = re.compile(r'"(?:names|values)"\s*:\s*\[\s*')
_COMMA = re.compile(r"\s*,\s*")
_NUMBERED = re.compile(r"^[ \t*_#>]*\(?[0-9]{1,3}[.):\]][ \t*_]+(\S.*)$", re.M)
_DESCRIBED = re.compile(r"\s+[-–—]\s+|:\s|\*\*|\s+\(")  # noqa: RUF001  dashes of all lengths
_NUMBER = re.compile(r"^(?:\(?[0-9]{1,3}[.):\]]|[-*•#])\s+")
_AROUND = '"“”„«»`*_,; '
_PAIRED = "'‘’"  # noqa: RUF001


def clean(text: str) -> str:
    """Return ``text`` without numbering, quotes, and white space that no name needs."""
    name = _NUMBER.sub("", " ".join(text.split())).strip(_AROUND)
    while len(name) > 1 and name[0] in _PAIRED and name[-1] in _PAIRED:
        name = name[1:-1].strip(_AROUND)
    return _NUMBER.sub("", name)


def candidates(text: str) -> list[object]:
    """Return what may be names in what a model wrote; mostly strings, but JSON holds anything."""
    if whole := _listed_in(_decoded(text)):
        return whole
    text = _REASONED.split(_REASONING.sub("", text))[-1]
    objects, lists = _embedded(text)
    return objects or _salvaged(text, _LIST) or lists or _salvaged(text, _OPEN) or _numbered(text)


def _decoded(text: str) -> object:
    try:
        return cast("object", json.loads(text))
    except (ValueError, RecursionError):
        return None


def _listed_in(value: object, depth: int = 3) -> list[object]:
    """Return the candidates in decoded JSON: a list, or an object around one."""
    if isinstance(value, list):
        return [item.get("name", item) if isinstance(item, dict) else item for item in value]
    if not isinstance(value, dict) or not depth:
        return []
    inner = [value[key] for key in ("names", "values") if key in value]
    if not inner and len(value) == 1:  # {"characters": […]}
        inner = [item for item in value.values() if isinstance(item, list | dict)]
    if inner:
        return _listed_in(inner[0], depth - 1)
    name = value.get("name")
    return [name] if isinstance(name, str) else []


def _embedded(text: str) -> tuple[list[object], list[object]]:
    """Return the candidates in the last JSON object around a list, and those in the last list.

    The last, because drafts come before what is meant.
    """
    objects: list[object] = []
    lists: list[object] = []
    for value in _values(text):
        if isinstance(value, dict) and not isinstance(value.get("name"), str):
            objects = _listed_in(value) or objects
        elif isinstance(value, list) and any(isinstance(item, str) for item in value):
            lists = value
    return objects, lists


def _values(text: str) -> Iterator[object]:
    """Yield the JSON objects and lists that stand in a text, fenced or after prose."""
    decoder = json.JSONDecoder(strict=False)
    position = false_starts = 0
    while false_starts < MAX_FALSE_STARTS and (start := _START.search(text, position)):
        try:
            value, position = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            position = start.end()
            false_starts += 1
        else:
            yield value


def _salvaged(text: str, opening: re.Pattern[str]) -> list[object]:
    """Return the names that are complete in JSON that is not: cut off, or slightly wrong."""
    if named := _NAMED.findall(text):
        return _unquoted(named)
    strings: list[str] = []
    start = opening.search(text)
    while start and (string := _STRING.match(text, start.end())):
        strings.append(string[0])
        start = _COMMA.match(text, string.end())
    return _unquoted(strings)


def _unquoted(literals: Iterable[str]) -> list[object]:
    values: list[object] = []
    for literal in literals:
        try:
            values.append(json.loads(literal, strict=False))
        except ValueError:  # an escape that JSON does not know
            continue
    return values


def _numbered(text: str) -> list[object]:
    """Return what stands on numbered lines, without the descriptions that models add."""
    lines = (match.strip() for match in _NUMBERED.findall(text))
    return [_DESCRIBED.split(line, maxsplit=1)[0] for line in lines]
