"""Finds JSON in a text: after prose, in fences, cut off, or nearly right. Pure, in linear time.

The reader walks over the tokens once and never steps back. If a token does not fit into JSON, or
the text ends, the reader closes all open lists and objects there. Their complete parts count. It
skips comments, and it needs no commas. The library ``json-repair`` (0.64) would do the same, but it
takes seconds for 100 kB of hostile text, so it is not used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

DEEPEST = 50
"""The most nested lists and objects. A deeper value is no list of names."""

_START = re.compile(r"[\[{]")
# The quantifiers are possessive: they never backtrack, so no character is read twice.
_TOKEN = re.compile(
    r"""(?:\s | //[^\n]*+ | \#[^\n]*+ | /\*(?:[^*]|\*(?!/))*+(?:\*/|\Z))*+
    (?:
        (?P<mark>[\[\]{},])
      | (?:
            (?P<literal>(?:true|false|null|none|[+-]?\d[\d.]*+)(?![\w+.-]))
          | (?P<word>[\w+.-]++)
          | (?:
                "(?P<string>(?:[^"\\]|\\.)*+)
              | '(?P<quoted>(?:[^'\\]|\\.|'(?=\w))*+)
              | [“„«](?P<curly>[^”“»]*+)
            ) (?P<end>["'”“»]?+)
        ) (?P<colon>\s*+:)?+
      | (?:.|\Z)
    )""",
    re.S | re.X | re.I,
)
_DECODER = json.JSONDecoder(strict=False)
_NO_ESCAPE = re.compile(r'\\(?![u"\\/bfnrt])')


def decoded(text: str) -> list[object]:
    """Return the value of a JSON text, or nothing. Its strings may hold line breaks."""
    try:
        return [_DECODER.decode(text)]
    except (ValueError, RecursionError):
        return []


def fragments(text: str) -> Iterator[tuple[object, int, int]]:
    """Yield the outermost lists and objects in ``text``, each with its start and its end."""
    position = 0
    while start := _START.search(text, position):
        value, position = _read(text, start.start())
        yield value, start.start(), position


def _read(text: str, position: int) -> tuple[object, int]:
    """Return the value that begins at ``position``, and the position where it ends."""
    whole: list[object] = []
    stack: list[list[object] | dict[str, object]] = [whole]
    key: str | None = None
    while token := _TOKEN.match(text, position):
        position = token.end()
        mark, top = token["mark"], stack[-1]
        if mark in ("]", "}"):
            stack.pop()
            if len(stack) == 1:
                return whole[0], position
        if mark in (",", "]", "}"):
            key = None
            continue
        value = _value(token)
        if token["colon"] and isinstance(top, dict):
            key = value if isinstance(value, str) else token["word"]
        elif token["colon"] or len(stack) > DEEPEST or (value is None and not token["literal"]):
            break
        elif isinstance(top, list):
            top.append(value)
        elif key is not None:
            top[key], key = value, None
        if isinstance(value, list | dict):
            stack.append(value)
    for top in stack:  # one word as the "name" of an object that was cut off may name a tool
        if isinstance(top, dict) and " " not in str(top.get("name", " ")):
            del top["name"]
    return whole[0], position


def _value(token: re.Match[str]) -> list[object] | dict[str, object] | str | None:
    """Return an empty list or object, or the string that a token spells, if it is complete."""
    if token["mark"] in ("[", "{"):
        return [] if token["mark"] == "[" else {}
    if not token["end"]:
        return None
    if token["string"] is None:
        return (token["quoted"] or token["curly"] or "").replace("\\'", "'")
    literal = _NO_ESCAPE.sub("", token["string"])  # a text with a broken \\u counts as empty
    return next(map(str, decoded(f'"{literal}"')), "")
