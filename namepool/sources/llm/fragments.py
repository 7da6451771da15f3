"""Finds JSON in a text: after prose, in fences, cut off, or nearly right. Pure, in linear time.

The reader walks over the tokens once and never steps back. If a token does not fit into JSON, or
the text ends, the reader closes all open lists and objects there. Their complete parts count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

DEEPEST = 50
"""The most nested lists and objects. A deeper value is no list of names."""

_START = re.compile(r"[\[{]")
# The quantifiers are possessive: they never backtrack, so no character is read twice.
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
    """A list or an object, with its place in the text."""

    value: object
    start: int
    end: int


class _Open:
    """A list or an object that is not closed yet."""

    __slots__ = ("items", "key", "value", "waits")

    def __init__(self, bracket: str) -> None:
        self.value: object = [] if bracket == "[" else {}
        self.key: str | None = None
        self.waits: object = _NOTHING  # a value or a key: the next token decides

    def settle(self) -> None:
        """Put the waiting value into the list or the object."""
        value, self.waits = self.waits, _NOTHING
        if value is _NOTHING:
            return
        if isinstance(self.value, list):
            self.value.append(value)
        elif isinstance(self.value, dict) and self.key is not None:
            self.value[self.key] = value
            self.key = None

    def name(self) -> bool:
        """Use the waiting value as a key. Return ``False`` if it cannot be a key."""
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
    """Return the value that begins at ``position``, and the position where it ends."""
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
    """Note a string, a number or a word. Return ``False`` if it does not fit here."""
    if top.waits is not _NOTHING:  # two values in a row
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
    except ValueError:  # the text has an escape that JSON does not know
        return _NOTHING


def _closed(top: _Open) -> object:
    top.settle()
    return top.value


def _broken(stack: list[_Open]) -> object:
    """Close all open values. Drop the "name" of a cut-off object: it may be the name of a tool."""
    value: object = _NOTHING
    for top in reversed(stack):
        if value is not _NOTHING:
            top.waits = value
        top.settle()
        value = top.value
        if isinstance(value, dict):
            value.pop("name", None)
    return value
