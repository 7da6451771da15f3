"""Names in decoded JSON, whatever a language model has put around them. Pure."""

from __future__ import annotations

import json
import re
from typing import cast

_ARGUMENTS = ("arguments", "parameters", "input", "args", "kwargs", "schema")
_IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(?:(?:[_.][a-z0-9]+)+|(?:[A-Z][a-z0-9]*)+)")
_NUMBERED_KEY = re.compile(r"[A-Za-z_ -]{0,20}[0-9]{1,4}")
_NOT_NAMES = frozenset(
    {
        *("theme", "themes", "category", "style", "note", "notes", "comment", "reasoning"),
        *("thoughts", "rules", "used", "rejected"),
    }
)


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
    for key in ("names", "values"):
        if key in value:
            return list_in(value[key], depth - 1)
    for key in _ARGUMENTS:  # of a tool, whose own name is none of ours
        if key in value:
            inner = value[key]
            return list_in(decoded(inner) if isinstance(inner, str) else inner, depth - 1)
    if isinstance(name := value.get("name"), str):
        return [] if _IDENTIFIER.fullmatch(name) else [name]
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
