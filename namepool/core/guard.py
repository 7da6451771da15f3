"""Names that a source may not issue, although a user may speak under them. Pure.

A source may be a model that answers anything. Its names go into logs, prompts, file names and
shells. A program that reads logs could misread the name "ERROR", and a model could obey the name
"Ignore All Rules". So the pool rejects such names.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import groupby
from typing import cast

from namepool.core.names import name_key, plain, why_invalid
from namepool.core.offence import is_offensive
from namepool.core.phrases import why_no_name

MAX_WORDS = 6
"""The most words in a name that a source may issue. Up to four words with hyphens count as one."""

MAX_MARKS = 4
"""The most combining marks on a letter of such a name. More marks would run into other lines."""

PUNCTUATION = frozenset(" -'’.,&#")  # noqa: RUF001  the apostrophe of books
"""The characters that such a name may have besides letters, marks and digits."""

# The sets and patterns below are built when a source has answered for the first time. At the import
# they would slow down ``import namepool``.


@cache
def _reserved() -> frozenset[str]:
    words = """
        nan inf infinity true false yes no on off void empty unset missing
        unknown unnamed untitled noname anonymous nobody somebody anybody everybody everyone all any
        nothing something default example test todo tbd name names agent agents subagent
        model tools human person bot ai llm prompt
        root admin administrator superuser sudo daemon guest operator moderator owner self host
        localhost server client supervisor worker main master manager
        success failure failed ok stdin stdout stderr
        con prn aux nul me you i we they here channel
    """
    devices = (f"{device}{n}" for device in ("com", "lpt") for n in range(10))
    return _beginnings().union(map(name_key, words.split()), map(name_key, devices))


@cache
def _beginnings() -> frozenset[str]:
    """Return the keys of the words with which a log line or a turn of a chat begins."""
    words = """
        none null nil undefined system user assistant developer tool function
        trace debug info notice warn warning error err critical crit alert fatal emergency panic
        exception traceback
    """
    return frozenset(map(name_key, words.split()))


_JOINING = frozenset(("a", "and", "not", "of", "or", "the"))


@cache
def _orders() -> re.Pattern[str]:
    return re.compile(
        r"\b(ignore|disregard|forget|override|bypass|reveal|repeat|obey|follow|pretend|execute"
        r"|delete|print|output|return|respond|reply|answer|write|say|drop|skip|stop)\b.*"
        r"\b(instructions?|prompts?|previous|prior|above|everything|rules?|system|names?|tables?"
        r"|json|commands?|messages?|training|guidelines?|earlier|directions?|directives?|safety"
        r"|being|assistants?)\b"
        r"|^(sure(?=,|$)|certainly|sorry|please|here (are|is)|as an? (ai|language|assistant)"
        r"|you (are|must|will)|i (am|can ?not|will|must|have)|i['’]m|do not|don['’]t|let['’]?s"  # noqa: RUF001
        r"|act as|pretend to)\b",
        re.IGNORECASE,
    )


@cache
def _address() -> re.Pattern[str]:
    return re.compile(
        r"\w{2,}\.\w{2,}|www\.|\b(dot|at) (com|org|net|io|dev)\b|\d{2,}[ .-]\d{3,}", re.IGNORECASE
    )


def why_unissuable(name: object) -> str | None:
    """Return the rule that forbids a source to issue ``name``, as the end of a sentence.

    The result is ``None`` if the source may issue the name. The result is also ``None`` for the
    default name and for the names that a program reserves: see ``core.judging``.
    """
    reason = why_invalid(name)
    if reason is not None:
        return reason
    text = cast("str", plain(name))
    for character in text:
        if not (character.isascii() and character.isalnum()) and not _in_names(character):
            return f"must not contain {character!a} (U+{ord(character):04X})"
    if not text[0].isalnum():
        return "must begin with a letter or a digit"
    if (words := _count_words(text)) > MAX_WORDS:
        return f"must have at most {MAX_WORDS} words, not {words}"
    if not text.isascii() and _most_marks(text) > MAX_MARKS:
        return f"must have at most {MAX_MARKS} marks on a letter"
    return _why_misread(text)


def _most_marks(text: str) -> int:
    marks = (unicodedata.category(c)[0] == "M" for c in unicodedata.normalize("NFD", text))
    return max(len(list(run)) if is_mark else 0 for is_mark, run in groupby(marks))


def _count_words(text: str) -> int:
    """Return the number of words. "Jack-in-the-Box" is one word, a sentence with hyphens is not."""
    parts = [len(word.split("-")) for word in text.split()]
    return sum(1 if n <= 4 else n for n in parts)


def _in_names(character: str) -> bool:
    return (
        character in PUNCTUATION
        or unicodedata.category(character)[:1] in "LM"
        or (unicodedata.category(character) == "Nd")
    )


def _why_misread(text: str) -> str | None:
    words = _words(text)
    if not words:
        return "must contain a letter"
    keys = [name_key(word) for word in words]
    if _is_reserved(text, words, keys):
        return "must not be a word that programs read as something else"
    spaced = re.sub(_SEAM, " ", text)
    if _orders().search(spaced):
        return "must not read like an instruction"
    if _address().search(text):
        return "must not read like an address"
    if is_offensive(text):
        return "must not be offensive"
    return why_no_name(text, words if spaced == text else _words(spaced))


_SEAM = "(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"
"""The place between two words that are written as one: "IgnoreRules", "OSError"."""


def _words(text: str) -> list[str]:
    """Return the words of ``text``; numbers do not count."""
    return [word for word in re.split("[ .,&#-]+", text) if any(map(str.isalpha, word))]


def _is_reserved(text: str, words: Sequence[str], keys: Sequence[str]) -> bool:
    """Tell whether programs misread ``text``.

    They misread a text whose first word, in capitals, may begin a log line. They also misread a
    text if all its words are reserved; numbers and joining words do not count.
    """
    if name_key(text) in _reserved():
        return True
    if words[0].isupper() and keys[0] in _beginnings():
        return True  # log levels and roles are written in capitals
    pairs = zip(words, keys, strict=True)
    telling = [key for word, key in pairs if word.lower() not in _JOINING]
    # "Agent 7" is a name, "User 1" is not.
    misread = _reserved() if len(telling) > 1 else _beginnings()
    return bool(telling) and misread.issuperset(telling)
