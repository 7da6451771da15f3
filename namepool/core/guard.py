"""What a source may not issue, though a user may still speak under it. Pure.

A source may be a model that answers anything, and its names go into logs, prompts, file names and
shells. So what one of those would take for something else stays out.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from itertools import groupby
from typing import cast

from namepool.core.names import name_key, plain, why_invalid
from namepool.core.offence import is_offensive

MAX_WORDS = 6
"""The most words in a name that a source may issue. What hyphens make of up to four is one."""

MAX_MARKS = 4
"""The most combining marks on a letter in such a name: what has more runs into other lines."""

PUNCTUATION = frozenset(" -'’.,&#")  # noqa: RUF001  as books print it
"""What a name may have beside letters, marks and digits if a source is to issue it."""

# What follows is made ready when a source has answered: it would slow down ``import namepool``.


@cache
def _reserved() -> frozenset[str]:
    words = _numbered().union(map(name_key, _READ_BY_PROGRAMS.split()))
    return words.union(name_key(f"{device}{n}") for device in ("com", "lpt") for n in range(10))


@cache
def _numbered() -> frozenset[str]:
    """Return the words that programs read as something else, but not with a number: "Agent 7"."""
    words = """
        agent agents subagent human person bot operator moderator guest worker host server client
        supervisor manager owner master main name names test example model tool tools
    """
    return frozenset(map(name_key, words.split()))


_READ_BY_PROGRAMS = """
    none null nil nan inf infinity true false yes no on off undefined void empty unset missing
    unknown unnamed untitled noname anonymous nobody somebody anybody everybody everyone all any
    nothing something default todo tbd system user assistant developer function
    ai llm prompt root admin administrator superuser sudo daemon self
    localhost trace debug info notice warn warning error err critical crit alert fatal
    emergency panic exception traceback success failure failed ok stdin stdout stderr
    con prn aux nul me you i we they here channel
"""
_JOINING = frozenset(("a", "and", "not", "of", "or", "the"))


@cache
def _orders() -> re.Pattern[str]:
    return re.compile(
        r"\b(ignore|disregard|forget|override|bypass|reveal|repeat|obey|follow|pretend|execute"
        r"|delete|print|output|return|respond|reply|answer|write|say|drop|skip|stop)\b.*"
        r"\b(instructions?|prompts?|previous|prior|above|everything|rules?|system|names?|tables?"
        r"|json|commands?|messages?|training|guidelines?|earlier|directions?|directives?|safety"
        r"|being|assistants?)\b"
        r"|^(sure|certainly|sorry|please|here (are|is)|as an? (ai|language|assistant)"
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
    """Return the rule that keeps a source from issuing ``name``, as the end of a sentence.

    ``None`` if it may. The default name is not looked at here: a pool counts it as known.
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
    """Return how many words there are: "Jack-in-the-Box" is one, a whole sentence is not."""
    parts = [len(word.split("-")) for word in text.split()]
    return sum(1 if n <= 4 else n for n in parts)


def _in_names(character: str) -> bool:
    return (
        character in PUNCTUATION
        or unicodedata.category(character)[:1] in "LM"
        or (unicodedata.category(character) == "Nd")
    )


def _why_misread(text: str) -> str | None:
    if not any(map(str.isalpha, text)):
        return "must contain a letter"
    if _is_reserved(text):
        return "must not be a word that programs read as something else"
    if _orders().search(re.sub("(?<=[a-z])(?=[A-Z])", " ", text)):
        return "must not read like an instruction"
    if _address().search(text):
        return "must not read like an address"
    if is_offensive(text):
        return "must not be offensive"
    return None


def _is_reserved(text: str) -> bool:
    """Tell whether programs misread ``text``: all its words, or the first if it is in capitals."""
    if name_key(text) in _reserved():
        return True
    words = [word for word in re.split("[ .,&#-]+", text) if any(map(str.isalpha, word))]
    if len(words[0]) > 1 and words[0].isupper() and name_key(words[0]) in _reserved() - _numbered():
        return True
    keys = [name_key(word) for word in words if word.lower() not in _JOINING]
    is_numbered = len(keys) == 1 and keys[0] in _numbered()
    return bool(keys) and not is_numbered and _reserved().issuperset(keys)
