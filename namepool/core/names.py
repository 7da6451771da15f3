"""What a name may be, when two names read alike, and the name of those who have none. Pure."""

from __future__ import annotations

import unicodedata
from typing import cast

from namepool.errors import InvalidName

MAX_NAME_LENGTH = 64
"""Longest name, in characters (the original's bound)."""

DEFAULT_NAME = "Nemo Nobody"
"""The name of an agent that has none. Never issued by a pool."""

# Control, format (bidi, zero-width), surrogate, private use, unassigned, line and paragraph
# separators: none of them can be read, and some of them write a line of their own.
_UNREADABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# Letters and marks by category, yet drawn as nothing: fillers, joiners, variation selectors.
_INVISIBLE = frozenset(
    [0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0]
).union(range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))


def why_invalid(name: object) -> str | None:
    """Return the rule that ``name`` breaks, as the end of a sentence; ``None`` if it is valid."""
    text = plain(name)
    if not issubclass(type(text), str):  # isinstance would believe an object that lies
        return f"must be a string, not {type(name).__name__}"
    text = cast("str", text)
    if not text.strip():
        return "must not be empty"
    if len(text) > MAX_NAME_LENGTH:
        return f"must have at most {MAX_NAME_LENGTH} characters, not {len(text)}"
    for character in text:
        if not _readable(character):
            return f"must not contain {character!a} (U+{ord(character):04X})"
    if text[0] == " " or text[-1] == " ":
        return "must not begin or end with a space"
    if not any(map(str.isalnum, name_key(text))):
        return "must contain a letter or a digit"
    return None


def _readable(character: str) -> bool:
    if " " <= character <= "~":
        return True
    if unicodedata.category(character) in _UNREADABLE or ord(character) in _INVISIBLE:
        return False
    return not character.isspace()


def plain(text: object) -> object:
    """Return an exact ``str`` for a string of a subclass, whose methods may say anything."""
    return str.__str__(text) if issubclass(type(text), str) else text


def validate_name(name: object) -> str:
    """Return ``name``, as an exact ``str``, if it may be a name.

    Raises:
        InvalidName: with ``ascii(name)``, cut to a readable length, and the rule it breaks
    """
    name = plain(name)
    reason = why_invalid(name)
    if reason is not None:
        raise InvalidName(f"a name {reason}: {shown(name)}")
    return cast("str", name)


def name_key(name: str) -> str:
    """Return what two names that read alike have in common.

    NFKC, casefold, letters and digits only: ``"Ada, the Yak-Shaver"`` and ``"ada the yak shaver"``
    have one key, so a pool that knows one never issues the other. A mark that NFKC leaves standing
    counts as a letter: it is one to who reads a vowel sign.
    """
    if name.isascii():
        return "".join(filter(str.isalnum, name.lower()))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    kept = "".join(c for c in folded if c.isalnum() or unicodedata.category(c)[0] == "M")
    return unicodedata.normalize("NFKC", kept)  # what was apart may compose now


_DEFAULT_KEY = name_key(DEFAULT_NAME)


def is_default_name(name: str) -> bool:
    """Tell whether ``name`` reads like the default name."""
    return name == DEFAULT_NAME or name_key(name) == _DEFAULT_KEY


def shown(value: object, limit: int = 100) -> str:
    """Return ``ascii(value)`` for an error message: one line, cut to ``limit``, never raising."""
    try:
        return one_line(ascii(value), limit)
    except Exception:
        return f"<{type(value).__name__} that cannot be shown>"


def one_line(text: object, limit: int = 200) -> str:
    """Return ``str(text)`` fit for one log line: control characters escaped, cut to ``limit``.

    Anything whose ``str()`` fails is named by its type instead: this runs where an error is being
    reported already.
    """
    try:
        raw = str(text)
    except Exception:
        raw = f"<{type(text).__name__} that cannot be shown>"
    cut = raw[: limit + 1]
    safe = "".join(c if _readable(c) else ascii(c)[1:-1] for c in cut)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"
