"""Finds JSON in a text: after prose, in fences, cut off, or nearly right. Pure, in linear time.

The reader walks over the tokens once and never steps back. If a token does not fit into JSON, or
the text ends, the reader closes all open lists and objects there. Their complete parts count. It
skips comments. It needs no comma between two strings of a list. The library ``json-repair`` (0.64)
would do the same, but it takes seconds for 100 kB of hostile text, so it is not used.
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
    r"""(?:\s | //[^\n]*+ | \#[^\n]*+ | /\*(?:[^*]|\*(?!/))*+(?:\*/|\Z))*+
    (?:
        "(?P<string>(?:[^"\\]|\\.)*+)(?P<end>"|\Z)
      | '(?P<quoted>(?:[^'\\]|\\.|'(?=\w))*+)(?P<over>'|\Z)
      | [“„«](?P<curly>[^”“»]*+)(?P<out>[”“»]|\Z)
      | (?P<mark>[\[\]{},:])
      | (?P<word>[\w+.-]++)
      | (?P<other>.|\Z)
    )""",
    re.S | re.X,
)
_NO_ESCAPE = re.compile(r'\\(?![u"\\/bfnrt])')
_WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_NOTHING = object()


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
        if value is not _NOTHING and isinstance(self.value, list):
            self.value.append(value)
        elif value is not _NOTHING and isinstance(self.value, dict) and self.key is not None:
            self.value[self.key], self.key = value, None

    def meet(self, token: re.Match[str]) -> bool:
        """Note any token but a bracket. Return ``False`` if it does not fit here."""
        if token["mark"] == ",":
            self.settle()
            return True
        if token["mark"] == ":":
            is_key = isinstance(self.value, dict) and isinstance(self.waits, str)
            if is_key:
                self.key, self.waits = str(self.waits), _NOTHING
            return is_key
        word, text = token["word"], _text(token)
        if self.waits is not _NOTHING and (text is None or isinstance(self.value, dict)):
            return False  # two values in a row; between two strings of a list, the comma is missing
        self.settle()
        if text is not None:
            self.waits = text
        elif word in _WORDS:
            self.waits = _WORDS[word]
        elif word and isinstance(self.value, dict) and self.key is None:
            self.waits = word  # a key without quotes
        elif word and word.lstrip("+-").replace(".", "").isdigit():
            self.waits = None
        else:
            return False
        return True


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
            closed = stack.pop()
            closed.settle()
            if not stack:
                return closed.value, position
            stack[-1].waits = closed.value
        elif not stack[-1].meet(token):
            break
    return _broken(stack), position


def _text(token: re.Match[str]) -> str | None:
    """Return the string that a token spells, or ``None`` if it is no complete string."""
    if token["end"]:
        literal = _NO_ESCAPE.sub("", token["string"])
        try:
            return str(json.loads(f'"{literal}"', strict=False))
        except ValueError:  # the text has an escape that JSON does not know
            return ""
    if token["over"]:
        return token["quoted"].replace("\\'", "'")
    return token["curly"] if token["out"] else None


def _broken(stack: list[_Open]) -> object:
    """Close all open values. One word as the "name" of a cut-off object may name a tool."""
    value: object = _NOTHING
    for top in reversed(stack):
        if value is not _NOTHING:
            top.waits = value
        top.settle()
        value = top.value
        if isinstance(value, dict) and " " not in str(value.get("name")):
            value.pop("name", None)
    return value
