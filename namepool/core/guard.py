"""What a source may not issue, though a user may still speak under it. Pure.

A source may be a model that answers anything, and its names go into logs, prompts, file names and
shells. So what one of those would take for something else stays out.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import cast

from namepool.core.names import name_key, plain, why_invalid
from namepool.core.offence import is_offensive

MAX_WORDS = 6
"""The most words in a name that a source may issue."""

PUNCTUATION = frozenset(" -'’.,&#")  # noqa: RUF001  as books print it
"""What a name may have beside letters, marks and digits if a source is to issue it."""

# What follows is made ready when a source has answered: it would slow down ``import namepool``.


@cache
def _reserved() -> frozenset[str]:
    words = """
        none null nil nan inf infinity true false yes no on off undefined void empty unset missing
        unknown unnamed untitled noname anonymous nobody somebody anybody everybody everyone all any
        nothing something default example test todo tbd name names agent agents subagent
        system user assistant developer model function tool tools human person bot ai llm prompt
        root admin administrator superuser sudo daemon guest operator moderator owner self host
        localhost server client supervisor worker main master manager
        trace debug info notice warn warning error err critical crit alert fatal emergency panic
        exception traceback success failure failed ok stdin stdout stderr
        con prn aux com1 lpt1 me you i we they here channel
    """
    return frozenset(map(name_key, words.split()))


@cache
def _orders() -> re.Pattern[str]:
    return re.compile(
        r"\b(ignore|disregard|forget|override|bypass|reveal|repeat|obey|follow|pretend|execute"
        r"|delete|print|output|return|respond|reply|answer|write|say|drop|skip|stop)\b.*"
        r"\b(instructions?|prompts?|previous|prior|above|everything|rules?|system|names?|tables?"
        r"|json|commands?|messages?|training|guidelines?)\b"
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
    if len(text.split()) > MAX_WORDS:
        return f"must have at most {MAX_WORDS} words, not {len(text.split())}"
    return _why_misread(text)


def _in_names(character: str) -> bool:
    return (
        character in PUNCTUATION
        or unicodedata.category(character)[:1] in "LM"
        or (unicodedata.category(character) == "Nd")
    )


def _why_misread(text: str) -> str | None:
    if not any(map(str.isalpha, text)):
        return "must contain a letter"
    if name_key(text) in _reserved():
        return "must not be a word that programs read as something else"
    if _orders().search(text):
        return "must not read like an instruction"
    if _address().search(text):
        return "must not read like an address"
    if is_offensive(text):
        return "must not be offensive"
    return None
