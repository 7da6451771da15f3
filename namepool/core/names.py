"""The rules for names, when two names read alike, and the default name. Pure."""

from __future__ import annotations

import unicodedata
from functools import cache
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
    """Return what two names that people take for one another have in common.

    ``"Ada, the Yak-Shaver"`` and ``"ada the yak shaver"`` have one key, so a pool that knows one
    never issues the other. It is made of letters and digits only, folded by NFKC and case, and

    - without accents: ``"Zoë"`` is ``"Zoe"``;
    - with each letter as the one it is drawn like, by Unicode's table (UTS #39): a Cyrillic or
      Greek ``"Аda"`` is ``"Ada"``, and I, l and 1, O and 0, rn and m, vv and w are one;
    - with 3, 4, 5, 7 and 8 as E, A, S, T and B where letters follow: ``"3va"`` is ``"Eva"``.

    Two numbers differ, and so do vowel signs, CJK characters, and the letters of scripts that are
    not drawn like Latin. The key of a name is the same in every process, on every Python: it may be
    stored.
    """  # noqa: RUF002  the letters that are confused
    key = letters(name).replace("m", "rn").replace("w", "vv")
    if key.isalpha():
        return key
    word = key.rstrip("ol23456789")  # what is left is a number, and means itself
    return word.translate(_DIGITS) + key[len(word) :]


def letters(name: str) -> str:
    """Return the letters and digits of ``name`` as they are drawn: no case, no accents, twins one.

    Of I, l and 1 it has l, of O and 0 it has o; groups of letters that look like one are left.
    """
    if name.isascii():
        return name.encode().translate(_ALIKE, _SILENT).decode()
    return drawn(name).replace("i", "l")


_SILENT = bytes(code for code in range(128) if not chr(code).isalnum())
_ALIKE = bytes(range(128)).lower().translate(bytes.maketrans(b"i10", b"llo")) + bytes(128)
_DIGITS = str.maketrans("34578", "eastb")
_LUNATE = {0x03F2: "c", 0x03F9: "C"}  # a sigma drawn as a c, which NFKC would turn into another one


def drawn(name: str) -> str:
    """Return the letters and digits of ``name`` folded, without accents, each as its twin."""
    twins = _twins()
    compatible = unicodedata.normalize("NFKC", name.translate(_LUNATE))
    folded = unicodedata.normalize("NFKC", compatible.casefold())
    drawn = (twins.get(c, c) for c in unicodedata.normalize("NFD", folded))
    kept = "".join(_kept(c) for text in drawn for c in text)
    return unicodedata.normalize("NFKC", kept)  # what was apart may compose now


def _kept(character: str) -> str:
    if character.isdecimal():
        return "ol23456789"[unicodedata.decimal(character)]
    if "\u0300" <= character <= "\u036f":  # an accent; other marks are vowels to who reads them
        return ""
    if character.isalnum() or unicodedata.category(character)[0] == "M":
        return character
    return ""


@cache
def _twins() -> dict[str, str]:
    from namepool.core.confusables import TWINS  # only now: most programs have ASCII names

    return {letter: twin for twin, letters in TWINS.items() for letter in letters}


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
