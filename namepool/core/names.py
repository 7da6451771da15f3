"""The rules for names, the key of names that read alike, and the default name. Pure."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import cast

from namepool.actors.checks import shown as shown
from namepool.errors import InvalidName

MAX_NAME_LENGTH = 64
"""The most characters in a name."""

DEFAULT_NAME = "Nemo Nobody"
"""The name of an agent that has no name. A pool never issues it."""

# Nobody can read these characters, and some of them begin a new line: control, format (bidi,
# zero-width), surrogate, private use, unassigned, line and paragraph separators.
_UNREADABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

# These are letters and marks by category, but they are drawn as nothing: fillers, joiners,
# variation selectors.
_INVISIBLE = frozenset(
    [0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0]
).union(range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))


# Hebrew and Arabic are written with these vowel points or without them, and read alike. The last
# one only stretches an Arabic word.
_POINTS = frozenset(map(chr, (*range(0x0591, 0x05C8), *range(0x064B, 0x0653), 0x0670, 0x0640)))


def why_invalid(name: object) -> str | None:
    """Return the rule that ``name`` breaks, as the end of a sentence; ``None`` if it is valid."""
    text = plain(name)
    if not issubclass(type(text), str):  # isinstance would trust an object that lies
        return f"must be a string, not {type(name).__name__}"
    text = cast("str", text)
    if not text.strip():
        return "must not be empty"
    if len(text) > MAX_NAME_LENGTH:
        return f"must have at most {MAX_NAME_LENGTH} characters, not {len(text)}"
    for character in () if _is_plain(text) else text:
        if not _readable(character):
            return f"must not contain {character!a} (U+{ord(character):04X})"
    if text[0] == " " or text[-1] == " ":
        return "must not begin or end with a space"
    if not any(map(str.isalnum, name_key(text))):
        return "must contain a letter or a digit"
    return None


def _is_plain(text: str) -> bool:
    """Tell whether a text has only readable ASCII, as most texts do; quicker than a loop."""
    return text.isascii() and text.isprintable()


def _readable(character: str) -> bool:
    if " " <= character <= "~":
        return True
    if unicodedata.category(character) in _UNREADABLE or ord(character) in _INVISIBLE:
        return False
    return not character.isspace()


def plain(text: object) -> object:
    """Return a string as an exact ``str``, and any other object unchanged.

    The methods of a subclass of ``str`` may return anything.
    """
    return str.__str__(text) if issubclass(type(text), str) else text


def validate_name(name: object) -> str:
    """Return ``name``, as an exact ``str``, if it is a valid name.

    Raises:
        InvalidName: the name breaks a rule; the message shows the rule and ``ascii(name)``, cut to
            a readable length

    Examples:
        >>> namepool.validate_name("Ada the Yak Shaver")
        'Ada the Yak Shaver'
        >>> namepool.validate_name("Ada ")
        Traceback (most recent call last):
            ...
        namepool.errors.InvalidName: a name must not begin or end with a space: 'Ada '
    """
    name = plain(name)
    reason = why_invalid(name)
    if reason is not None:
        raise InvalidName(f"a name {reason}: {shown(name)}")
    return cast("str", name)


def name_key(name: str) -> str:
    """Return the key of a name. Two names with the same key read alike, so people confuse them.

    ``"Ada, the Yak-Shaver"`` and ``"ada the yak shaver"`` have the same key. So a pool that knows
    one of them never issues the other. A key consists of letters and digits only. They are folded
    by NFKC and by case, and then in four more ways:

    - Accents are dropped: ``"Zoë"`` has the key of ``"Zoe"``.
    - A letter counts as the letter that it is drawn like, by Unicode's table (UTS #39). A Cyrillic
      or Greek ``"Аda"`` has the key of ``"Ada"``. I, l and 1 are the same; so are O and 0, rn and
      m, vv and w.
    - The vowel points of Hebrew and Arabic are dropped, as their readers do.
    - The digits 3, 4, 5, 7 and 8 count as E, A, S, T and B if letters follow: ``"3va"`` has the key
      of ``"Eva"``.

    Two names have different keys if they differ in a number, in a vowel sign of another script, or
    in a CJK character.
    In other scripts than Latin, they also have different keys if they differ in two letters that do
    not look alike, such as the Greek ``"σ"`` and ``"ω"``. The key of a name is the same in every
    process and on every Python. So it may be stored.

    Examples:
        >>> namepool.name_key("Ada, the Yak-Shaver")
        'adatheyakshaver'
        >>> namepool.name_key("Zoë") == namepool.name_key("zoe")
        True
    """  # noqa: RUF002  the letters that are confused
    key = letters(name).replace("m", "rn").replace("w", "vv")
    if key.isalpha():
        return key
    word = key.rstrip("ol23456789")  # the rest is a number, whose digits stay digits
    return word.translate(_DIGITS) + key[len(word) :]


def letters(name: str) -> str:
    """Return the letters and digits of ``name`` as they are drawn, without case and accents.

    Letters that look alike become one letter: I, l and 1 become l, and O and 0 become o. A group of
    letters that looks like one letter stays.
    """
    if name.isascii():
        return name.encode().translate(_ALIKE, _SILENT).decode()
    return drawn(name).replace("i", "l")


_SILENT = bytes(code for code in range(128) if not chr(code).isalnum())
_ALIKE = bytes(range(128)).lower().translate(bytes.maketrans(b"i10", b"llo")) + bytes(128)
_DIGITS = str.maketrans("34578", "eastb")
_LUNATE = {0x03F2: "c", 0x03F9: "C"}  # NFKC would turn this sigma, drawn as a c, into another


def drawn(name: str) -> str:
    """Return the letters and digits of ``name``, folded and without accents.

    If a letter looks like another letter, or like a group of letters, the other one replaces it
    (see ``confusables.TWINS``).
    """
    twins = _twins()
    compatible = unicodedata.normalize("NFKC", name.translate(_LUNATE))
    folded = unicodedata.normalize("NFKC", compatible.casefold())
    drawn = (twins.get(c, c) for c in unicodedata.normalize("NFD", folded))
    kept = "".join(_kept(c) for text in drawn for c in text)
    return unicodedata.normalize("NFKC", kept)  # letters and marks that were apart may compose


def _kept(character: str) -> str:
    if character.isdecimal():
        return "ol23456789"[unicodedata.decimal(character)]
    if "\u0300" <= character <= "\u036f" or ord(character) in _INVISIBLE or character in _POINTS:
        return ""  # other marks are vowels
    if character.isalnum() or unicodedata.category(character)[0] == "M":
        return character
    return ""


@cache
def _twins() -> dict[str, str]:
    from namepool.core.confusables import TWINS  # imported late: most names are ASCII

    return {letter: twin for twin, letters in TWINS.items() for letter in letters}


_DEFAULT_KEY = name_key(DEFAULT_NAME)


def is_default_name(name: str) -> bool:
    """Tell whether ``name`` reads like the default name."""
    return name == DEFAULT_NAME or name_key(name) == _DEFAULT_KEY


def _as_text(thing: object) -> str:
    try:
        return str(thing)
    except Exception:
        return f"<{type(thing).__name__} that cannot be shown>"


def one_line(text: object, limit: int = 200) -> str:
    """Return ``str(text)`` for one log line: control characters escaped, cut to ``limit``.

    If ``str()`` fails, the result names the type instead, because the caller reports an error
    already.
    """
    raw = text if type(text) is str else _as_text(text)
    cut = raw[: limit + 1]
    safe = cut if _is_plain(cut) else "".join(c if _readable(c) else ascii(c)[1:-1] for c in cut)
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"
