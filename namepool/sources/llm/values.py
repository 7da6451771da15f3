"""Finds names in decoded JSON, in any of the structures of language models. Pure."""

from __future__ import annotations

import json
import re
from typing import cast

from namepool.sources.llm.lines import how_likely

_ARGUMENTS = ("arguments", "parameters", "input", "args", "kwargs", "schema", "properties")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(?:(?:[_.][a-z0-9]+)+|(?:[A-Z][a-z0-9]*)+)")
_NUMBERED_KEY = re.compile(r"[A-Za-z_ -]{0,20}[0-9]{1,4}")
_KINDS = frozenset(
    {"theme", "themes", "category", "categories", "kind", "kinds", "style", "styles"}
)
_NOT_NAMES = _KINDS | {
    *("note", "notes", "comment", "reasoning", "thoughts", "rules", "used", "rejected"),
    *("required", "enum"),  # keys of a schema
}


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


def list_in(value: object, depth: int = 6) -> list[object]:
    """Return the candidates in decoded JSON: a list, an object around lists, or one name.

    A string that holds JSON counts as that JSON value.
    """
    value = _opened(value)
    if isinstance(value, list):
        return [one for item in value for one in _item(item, depth)]
    if not isinstance(value, dict) or not depth:
        return []
    for key in ("names", "values"):
        if key in value:
            return list_in(value[key], depth - 1) or _told_apart(value[key])
    for key in _ARGUMENTS:  # of a tool, whose own name does not count, or of a schema
        if key in value:
            return list_in(value[key], depth - 1)
    if isinstance(name := value.get("name"), str):
        return [] if _IDENTIFIER.fullmatch(name) else [name]
    numbered = [v for k, v in value.items() if isinstance(v, str) and _NUMBERED_KEY.fullmatch(k)]
    return [*numbered] or _grouped(value, depth)


def _opened(value: object) -> object:
    is_json = isinstance(value, str) and value.lstrip()[:1] in ("[", "{")
    opened = decoded(value) if is_json and isinstance(value, str) else None
    return value if opened is None else opened


def _item(item: object, depth: int) -> list[object]:
    """Return the candidates in an item of a list: the item, its name, or its group of names."""
    if not isinstance(_opened(item), dict | list):
        return [item]
    return (list_in(item, depth - 1) if depth else []) or [item]


def _told_apart(value: object) -> list[object]:
    """Return the names in an object with a name for each kind, or a description for each name."""
    if not isinstance(value, dict) or "type" in value:  # it is a schema
        return []
    if not all(isinstance(inner, str) for inner in value.values()):
        return []
    return max([*value.values()], [*value], key=how_likely)


def _grouped(value: dict[str, object], depth: int) -> list[object]:
    """Return the candidates in the groups of an object. A key for kinds must hold groups."""
    groups = {key.lower(): _opened(inner) for key, inner in value.items()}
    named = [inner for key, inner in groups.items() if key not in _NOT_NAMES]
    found = [one for group in named for one in list_in(group, depth - 1)]
    if found:
        return found
    kinds = [inner for key, inner in groups.items() if key in _KINDS and _is_grouped(inner)]
    return [one for group in kinds for one in list_in(group, depth - 1)]


def _is_grouped(value: object) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and all(isinstance(item, dict) for item in value)
    )
