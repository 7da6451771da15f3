"""JSON that stands in a text: after prose, in fences, cut off, or nearly right. Pure, and linear.

One walk over the tokens, never a step back. What is open when something comes that JSON cannot
hold, or when the text ends, is closed there: its complete parts count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

DEEPEST = 50
"""Containers within each other; what nests deeper is no list of names."""

_START = re.compile(r"[\[{]")
# Possessive: a token that has begun is never given back, so no character is looked at twice.
_TOKEN = re.compile(
    r"""\s*+(?:
        (?P<string>"(?:[^"\\]|\\.)*+(?P<end>"|\Z))
      | (?P<quoted>'(?:[^'\\]|\\.|'(?=\w))*+(?P<over>'|\Z))
      | (?P<mark>[\[\]{},:])
      | (?P<word>[\w+.-]++)
      | (?P<other>.|\Z)
    )""",
    re.S | re.X,
)
_WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}


class Fragment(NamedTuple):
    """A list or an object, and where in the text it stands."""

    value: object
    start: int
    end: int


class _Open:
    """A list or an object that is being read."""

    __slots__ = ("items", "key", "value", "waits")

    def __init__(self, bracket: str) -> None:
        self.value: object = [] if bracket == "[" else {}
        self.key: str | None = None
        self.waits: object = _NOTHING  # read, but not known yet to be a value or a key

    def settle(self) -> None:
        """Put what was read where it belongs."""
        value, self.waits = self.waits, _NOTHING
        if value is _NOTHING:
            return
        if isinstance(self.value, list):
            self.value.append(value)
        elif isinstance(self.value, dict) and self.key is not None:
            self.value[self.key] = value
            self.key = None

    def name(self) -> bool:
        """Take what was read for a key; ``False`` if it can be none."""
        if isinstance(self.value, dict) and isinstance(self.waits, str):
            self.key, self.waits = self.waits, _NOTHING
            return True
        return False


_NOTHING = object()


def fragments(text: str) -> Iterator[Fragment]:
    """Yield the outermost lists and objects in ``text``, in order."""
    position = 0
    while start := _START.search(text, position):
        value, position = _read(text, start.start())
        yield Fragment(value, start.start(), position)


def _read(text: str, position: int) -> tuple[object, int]:
    """Return the value that begins at ``position``, and where it ends or breaks off."""
    stack: list[_Open] = []
    while token := _TOKEN.match(text, position):
        mark, position = token["mark"], token.end()
        if mark in ("[", "{"):
            if len(stack) == DEEPEST:
                break
            stack.append(_Open(mark))
        elif mark in ("]", "}"):
            closed = _closed(stack.pop())
            if not stack:
                return closed, position
            stack[-1].waits = closed
        elif not (_punctuated(stack[-1], mark) if mark else _given(stack[-1], token)):
            break
    return _broken(stack), position


def _punctuated(top: _Open, mark: str) -> bool:
    if mark == ":":
        return top.name()
    top.settle()
    return True


def _given(top: _Open, token: re.Match[str]) -> bool:
    """Note a string, a number or a word; ``False`` if JSON has no place for it here."""
    if top.waits is not _NOTHING:  # two in a row
        return False
    if token["string"] is not None:
        top.waits = _unquoted(token["string"]) if token["end"] else _NOTHING
        return bool(token["end"])
    if token["quoted"] is not None:
        top.waits = token["quoted"][1:-1].replace("\\'", "'") if token["over"] else _NOTHING
        return bool(token["over"])
    word = token["word"]
    if word is None:
        return False
    return _word(top, word)


def _word(top: _Open, word: str) -> bool:
    if word in _WORDS:
        top.waits = _WORDS[word]
    elif word.lstrip("+-").replace(".", "").isdigit():
        top.waits = word if isinstance(top.value, dict) and top.key is None else None
    elif isinstance(top.value, dict) and top.key is None:
        top.waits = word  # a key without quotes
    else:
        return False
    return True


def _unquoted(literal: str) -> object:
    try:
        return json.loads(literal, strict=False)
    except ValueError:  # an escape that JSON does not know
        return _NOTHING


def _closed(top: _Open) -> object:
    top.settle()
    return top.value


def _broken(stack: list[_Open]) -> object:
    """Close what is open. An object's "name" may be a tool's, if more was to come: it is left."""
    value: object = _NOTHING
    for top in reversed(stack):
        if value is not _NOTHING:
            top.waits = value
        top.settle()
        value = top.value
        if isinstance(value, dict):
            value.pop("name", None)
    return value
