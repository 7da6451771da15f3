"""Finds names in decoded JSON, in any of the structures of language models. Pure."""

from __future__ import annotations

import re

from namepool.sources.llm.fragments import decoded
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


def list_in(value: object, depth: int = _DEPTH) -> list[object]:
    """Return the candidates in decoded JSON: a list, an object around lists, or one name.

    A string that holds JSON counts as that JSON value.
    """
    value = _opened(value)
    if isinstance(value, list):
        return _in_table(value) or _of_list(value, depth)
    if not isinstance(value, dict) or not depth:
        return []
    fields = {"".join(filter(str.isalnum, key)).lower(): inner for key, inner in value.items()}
    for key in _NAMES:
        if key in fields:
            return _of_names(_opened(fields[key]), depth - 1)
    for key in _ARGUMENTS:  # of a tool, whose own name does not count, or of a schema
        if key in fields:
            return list_in(fields[key], depth - 1)
    crew = {key: inner for key, inner in value.items() if _is_crew(key, _opened(inner))}
    if len(found := _of_groups(crew, depth - 1)) > 1:
        return found
    if (name := _of_record(fields)) is not None:
        return [] if _IDENTIFIER.fullmatch(name) else [name]
    return _of_texts(value) or _of_groups(value, depth - 1)


def _is_crew(key: str, value: object) -> bool:
    """Return whether a value holds agents, and not the traits of one agent."""
    return isinstance(value, list | dict) and not _CREW.isdisjoint(words_of(key))


def _opened(value: object) -> object:
    """Return the JSON value in a string, or in a string in it; else the value itself."""
    while isinstance(value, str) and value.lstrip()[:1] in ("[", "{", '"'):
        if not (inner := decoded(value)):
            break
        value = inner[0]
    return value


def _in_table(rows: list[object]) -> list[object]:
    """Return the column of a table of which all names are in one column."""
    table = [row for row in rows if isinstance(row, list)]
    widths = {len(row) for row in table[:-1] or table}  # the last one may be cut off
    if len(table) < len(rows) or len(widths) != 1 or widths == {1}:
        return []
    names = column(table)
    likely = {cell for row in table for cell in row if is_likely(cell)}
    return names if likely <= {*filter(is_likely, names)} else []


def _of_list(items: list[object], depth: int) -> list[object]:
    """Return the candidates in the items of a list: texts, objects, or groups."""
    inner = [list_in(item, depth - 1) if depth else [] for item in items]
    found = [n for item, names in zip(items, inner, strict=True) for n in names or _of_item(item)]
    if 2 * how_likely(found) < len(found):
        return found
    return [one for one in found if not (isinstance(one, str) and is_small(one))]  # no remarks


def _of_item(item: object) -> list[object]:
    """Return the names that a text lists with line breaks or commas, else the item itself."""
    if not isinstance(item, str):
        return [item]
    lines = item.strip().split("\n")
    parts = on_lines(item) if len(lines) > 1 else parted(item)
    return [*parts] if len(parts) > 2 or how_likely(parts) == len(lines) else [item]


def _of_names(value: object, depth: int) -> list[object]:
    """Return the candidates in the value of the key "names"."""
    if isinstance(value, str):
        return [*(parted(value) or on_lines(value) or [value])]
    if found := list_in(value, depth):
        return found
    if not isinstance(value, dict) or "type" in value:  # it is a schema
        return []
    return [inner for inner in value.values() if isinstance(inner, str)]


def _of_record(fields: dict[str, object]) -> str | None:
    """Return the name in an object that describes one agent, or ``None``."""
    for first, last in _HALVES:
        halves = fields.get(first), fields.get(last)
        if all(isinstance(half, str) and half for half in halves):
            return f"{halves[0]} {halves[1]}"
    return next((n for k in fields if k in NAME and isinstance(n := fields[k], str)), None)


def _of_texts(value: dict[str, object]) -> list[object]:
    """Return the likely names among the texts of an object, or among its keys."""
    texts = [one for key, one in value.items() if isinstance(one, str) and may_name(key)]
    listed = [name for one in texts for name in parted(one) or [undescribed(one)]]
    return list(filter(is_likely, max(listed, [*value], key=how_likely)))


def _of_groups(value: dict[str, object], depth: int) -> list[object]:
    """Return the candidates in the groups of an object. A key for kinds must hold groups."""
    groups = [one for key, one in value.items() if may_name(key)]
    kinds = [_opened(one) for key, one in value.items() if not KINDS.isdisjoint(words_of(key))]
    found = [name for one in groups for name in list_in(one, depth)]
    return found or [name for one in kinds if _is_grouped(one) for name in list_in(one, depth)]


def _is_grouped(value: object) -> bool:
    items = value if isinstance(value, list) else [value]
    return all(isinstance(item, dict) for item in items)
