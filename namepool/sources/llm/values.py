"""Finds names in decoded JSON, in any of the structures of language models. Pure."""

from __future__ import annotations

import re

from namepool.sources.llm.fragments import decoded
from namepool.sources.llm.likely import column, how_likely, is_likely, parted, undescribed
from namepool.sources.llm.lines import on_lines

_NAMES = ("names", "values")
_NAME = frozenset({"name", "fullname", "agentname", "agent", "nom", "nombre", "nome", "имя"})
_HALVES = (
    *(("first", "last"), ("firstname", "lastname"), ("givenname", "surname")),
    *(("givenname", "familyname"), ("given", "family"), ("forename", "surname")),
)
_ARGUMENTS = ("arguments", "parameters", "input", "args", "kwargs", "schema", "properties")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(?:(?:[_.-][a-z0-9]+)+|(?:[A-Z][a-z0-9]*)+)")
_MARKS = re.compile(r"[\W_]+")
_WORD = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+")
_KINDS = frozenset({"theme", "category", "categorie", "kind", "style", "group", "type"})
_NOT_NAMES = _KINDS | {
    *("note", "comment", "reasoning", "thought", "rule", "used", "rejected", "draft", "error"),
    *("explanation", "description", "persona", "role", "trait", "existing", "avoid", "required"),
    *("enum", "count", "example", "message"),
}
_DEPTH = 6


def list_in(value: object, depth: int = _DEPTH) -> list[object]:
    """Return the candidates in decoded JSON: a list, an object around lists, or one name.

    A string that holds JSON counts as that JSON value.
    """
    value = _opened(value)
    if isinstance(value, list) and depth:
        return _in_table(value) or [n for one in value for n in list_in(one, depth - 1) or [one]]
    if not isinstance(value, dict) or not depth:
        return []
    fields = {_MARKS.sub("", key).lower(): inner for key, inner in value.items()}
    for key in _NAMES:
        if key in fields:
            return _of_names(_opened(fields[key]), depth - 1)
    for key in _ARGUMENTS:  # of a tool, whose own name does not count, or of a schema
        if key in fields:
            return list_in(fields[key], depth - 1)
    if (name := _of_record(fields)) is not None:
        return [] if _IDENTIFIER.fullmatch(name) else [name]
    return _of_texts(value) or _of_groups(value, depth - 1)


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
    if len(table) < len(rows) or len({len(row) for row in table}) > 1:
        return []
    names = column(table)
    return names if 0 < how_likely(names) == sum(map(how_likely, table)) else []


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
    return next((n for k in fields if k in _NAME and isinstance(n := fields[k], str)), None)


def _of_texts(value: dict[str, object]) -> list[object]:
    """Return the likely names among the texts of an object, or among its keys."""
    texts = [one for key, one in value.items() if isinstance(one, str) and _may_name(key)]
    listed = [name for one in texts for name in parted(one) or [undescribed(one)]]
    return list(filter(is_likely, max(listed, [*value], key=how_likely)))


def _of_groups(value: dict[str, object], depth: int) -> list[object]:
    """Return the candidates in the groups of an object. A key for kinds must hold groups."""
    groups = [one for key, one in value.items() if _may_name(key)]
    kinds = [_opened(one) for key, one in value.items() if not _KINDS.isdisjoint(_words(key))]
    found = [name for one in groups for name in list_in(one, depth)]
    return found or [name for one in kinds if _is_grouped(one) for name in list_in(one, depth)]


def _may_name(key: str) -> bool:
    return _NOT_NAMES.isdisjoint(_words(key))


def _words(key: str) -> set[str]:
    return {word.lower().removesuffix("s") for word in _WORD.findall(key)}


def _is_grouped(value: object) -> bool:
    items = value if isinstance(value, list) else [value]
    return all(isinstance(item, dict) for item in items)
