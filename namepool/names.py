"""What a name may be, when two names read alike, and the name of those who have none. Pure."""

from __future__ import annotations

import unicodedata

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
    if not isinstance(name, str):
        return f"must be a string, not {type(name).__name__}"
    if not name.strip():
        return "must not be empty"
    if len(name) > MAX_NAME_LENGTH:
        return f"must have at most {MAX_NAME_LENGTH} characters, not {len(name)}"
    if name.isascii() and name.isprintable():
        pass  # the common case, without a look at each character
    else:
        for character in name:
            if not _readable(character):
                return f"must not contain {character!a} (U+{ord(character):04X})"
    if name[0] == " " or name[-1] == " ":
        return "must not begin or end with a space"
    if not name_key(name):
        return "must contain a letter or a digit"
    return None


def _readable(character: str) -> bool:
    if unicodedata.category(character) in _UNREADABLE or ord(character) in _INVISIBLE:
        return False
    return character == " " or not character.isspace()


def validate_name(name: object) -> str:
    """Return ``name`` if it may be a name.

    Raises:
        InvalidName: with ``ascii(name)``, cut to a readable length, and the rule it breaks
    """
    reason = why_invalid(name)
    if reason is not None:
        shown = ascii(name)
        if len(shown) > 100:
            shown = shown[:97] + "..."
        raise InvalidName(f"a name {reason}: {shown}")
    assert isinstance(name, str)  # noqa: S101  why_invalid has checked it
    return name


def name_key(name: str) -> str:
    """Return what two names that read alike have in common.

    NFKC, casefold, letters and digits only: ``"Ada, the Yak-Shaver"`` and ``"ada the yak shaver"``
    have one key, so a pool that knows one never issues the other.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(filter(str.isalnum, folded))


_DEFAULT_KEY = name_key(DEFAULT_NAME)


def is_default_name(name: str) -> bool:
    """Tell whether ``name`` reads like the default name."""
    return name == DEFAULT_NAME or name_key(name) == _DEFAULT_KEY


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
