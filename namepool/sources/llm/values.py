"""Finds names in decoded JSON, in any of the structures of language models. Pure."""

from __future__ import annotations

import json
import re
from typing import cast

from namepool.sources.llm.likely import (
    KINDS,
    NAME,
    column,
    how_likely,
    is_likely,
    is_small,
    may_name,
    parted,
    undescribed,
    words_of,
)
from namepool.sources.llm.lines import on_lines

_NAMES = ("names", "values")
_HALVES = (
    *(("first", "last"), ("firstname", "lastname"), ("givenname", "surname")),
    *(("givenname", "familyname"), ("given", "family"), ("forename", "surname")),
)
_ARGUMENTS = ("arguments", "parameters", "input", "args", "kwargs", "schema", "properties")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(?:(?:[_.-][a-z0-9]+)+|(?:[A-Z][a-z0-9]*)+)")
_CREW = frozenset(
    {
        *("agent", "character", "crew", "data", "item", "list", "member", "name", "people"),
        *("person", "personas", "result", "team", "output", "response", "answer"),
    }
)
"""The words of keys that hold agents."""

_DEPTH = 6


def decoded(text: str) -> object:
    """Return the JSON value in ``text``, or ``None``. JSON inside a JSON string is decoded too."""
    value: object = text
    for _ in range(3):
        if not isinstance(value, str):
            break
        try:
            value = cast("object", json.loads(value, strict=False))
        except (ValueError, RecursionError):
            break
    return None if isinstance(value, str) else value


def list_in(value: object, depth: int = _DEPTH) -> list[object]:
    """Return the candidates in decoded JSON: a list, an object around lists, or one name.

    A string that holds JSON counts as that JSON value.
    """
    value = _opened(value)
    if isinstance(value, list):
        return _of_list(list(map(_opened, value)), depth)
    if not isinstance(value, dict) or not depth:
        return []
    fields = {_plain(key): inner for key, inner in value.items()}
    for key in _NAMES:
        if key in fields:
            return _of_names(_opened(fields[key]), depth - 1)
    for key in _ARGUMENTS:  # of a tool, whose own name does not count, or of a schema
        if key in fields:
            return list_in(fields[key], depth - 1)
    crew = {key: inner for key, inner in value.items() if _is_crew(key, _opened(inner))}
    if len(found := _of_groups(crew, depth)) > 1:
        return found
    if (name := _of_record(fields)) is not None:
        return [] if _IDENTIFIER.fullmatch(name) else [name]
    return _of_texts(value) or _of_groups(value, depth)


def _is_crew(key: str, value: object) -> bool:
    """Return whether a value holds agents, and not the traits of one agent."""
    return isinstance(value, list | dict) and not _CREW.isdisjoint(words_of(key))


def _plain(key: str) -> str:
    return "".join(filter(str.isalnum, key)).lower()


def _opened(value: object) -> object:
    is_json = isinstance(value, str) and value.lstrip()[:1] in ("[", "{")
    opened = decoded(value) if is_json and isinstance(value, str) else None
    return value if opened is None else opened


def _of_list(items: list[object], depth: int) -> list[object]:
    """Return the candidates in the items of a list: texts, objects, rows of a table, or groups."""
    rows = [item for item in items if isinstance(item, list)]
    widths = {len(row) for row in rows[:-1] or rows}  # the last one may be cut off
    if len(rows) == len(items) and widths and widths != {1} and len(widths) == 1:
        names = column(rows)
        if not how_likely(cell for row in rows for cell in row if cell not in names):
            return names
    found = [one for item in items for one in _of_item(item, depth)]
    if 2 * how_likely(found) < len(found):
        return found
    return [one for one in found if not (isinstance(one, str) and is_small(one))]  # no remarks


def _of_item(item: object, depth: int) -> list[object]:
    if isinstance(item, str):
        parts = on_lines(item) if "\n" in item.strip() else parted(item)
        are_all = how_likely(parts) == len(item.split("\n"))
        return [*parts] if are_all or len(parts) > 2 else [item]
    if not isinstance(item, dict | list):
        return [item]
    return (list_in(item, depth - 1) if depth else []) or [item]


def _of_names(value: object, depth: int) -> list[object]:
    """Return the candidates in the value of the key "names"."""
    if isinstance(value, str):
        return [*(parted(value) or on_lines(value) or [value])]
    if found := list_in(value, depth):
        return found
    if not isinstance(value, dict) or "type" in value:  # it is a schema
        return []
    texts = [inner for inner in value.values() if isinstance(inner, str)]
    return max([*texts], [*value], key=how_likely)


def _of_record(fields: dict[str, object]) -> str | None:
    """Return the name in an object that describes one agent, or ``None``."""
    for first, last in _HALVES:
        halves = fields.get(first), fields.get(last)
        if all(isinstance(half, str) and half for half in halves):
            return f"{halves[0]} {halves[1]}"
    return next((n for k in fields if k in NAME and isinstance(n := fields[k], str)), None)


def _of_texts(value: dict[str, object]) -> list[object]:
    """Return the likely names among the texts of an object, or among its keys."""
    texts = {key: one for key, one in value.items() if isinstance(one, str) and may_name(key)}
    listed = [name for one in texts.values() for name in parted(one) or [undescribed(one)[0]]]
    if how_likely(value) > how_likely(listed):
        return [key for key in value if is_likely(key)]
    return [name for name in listed if is_likely(name)]


def _of_groups(value: dict[str, object], depth: int) -> list[object]:
    """Return the candidates in the groups of an object. A key for kinds must hold groups."""
    groups = {key: _opened(inner) for key, inner in value.items()}
    found = [n for key, one in groups.items() if may_name(key) for n in list_in(one, depth - 1)]
    if found:
        return found
    kinds = [one for key, one in groups.items() if not KINDS.isdisjoint(words_of(key))]
    return [name for one in kinds if _is_grouped(one) for name in list_in(one, depth - 1)]


def _is_grouped(value: object) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and all(isinstance(item, dict) for item in value)
    )
