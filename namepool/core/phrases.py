"""Texts that a model may write in the place of a name: an order, a command, a heading. Pure.

A model that does not keep to the form of its answer lists such texts among its names. Most of their
words are also words of good names: "Terry Error", "Captain Push", "Hope Thistle". So a rule needs
two words of its lists beside each other, or it needs that all words of the text are of one kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from namepool.core import wordlists as lists
from namepool.core.names import drawn

_PHRASE = "must not read like a phrase of an answer"


def why_no_name(text: str, words: Sequence[str]) -> str | None:
    """Return the reason why ``text`` is no name, as the end of a sentence; ``None`` if it is one.

    ``words`` are the words of ``text``, at least one.
    """
    keys = [_key(word) for word in words]
    if keys[0] not in _first() and _telling().isdisjoint(keys):
        return None  # nearly every name ends here
    if _hurts(keys):
        return "must not be an order to hurt somebody"
    if _is_command(text.split()):
        return "must not read like an instruction"
    for kind in _kinds():
        if kind.has(keys):
            return kind.reason
    return _PHRASE if _is_phrase(words, keys) else None


def _key(word: str) -> str:
    """Return the letters of a word without case, accents and apostrophes.

    In this key, unlike in that of a name, i and l are two letters: "Cali" does not read like
    "call".
    """
    return word.lower().replace("'", "") if word.isascii() else drawn(word)


@cache
def _set(listed: str) -> frozenset[str]:
    """Return the words of a list, or its phrases if it has commas."""
    entries = listed.split(",") if "," in listed else listed.split()
    return frozenset(" ".join(entry.split()) for entry in entries)


@cache
def _first() -> frozenset[str]:
    """Return each word that an order, a command or a phrase may begin with."""
    phrases = _set(lists.ORDERS) | _set(lists.PHRASES)
    commands = _set(lists.COMMANDS) | _set(lists.NAMESAKES)
    return commands | _set(lists.BEGINNINGS) | {phrase.split()[0] for phrase in phrases}


@cache
def _telling() -> frozenset[str]:
    """Return the words of all other rules; without one of them, no other rule refuses a text."""
    of_kinds = (kind.alone | kind.telling for kind in _kinds())
    verbs = _set(lists.HURTING) | _set(lists.RISKING)
    return verbs.union(_set(lists.OF_SENTENCES), *of_kinds)


def _hurts(keys: Sequence[str]) -> bool:
    hurting, somebody = _set(lists.HURTING), _set(lists.SOMEBODY)
    risking, deadly = _set(lists.RISKING), _set(lists.DEADLY)
    for at, key in enumerate(keys, 1):
        if key in hurting and not somebody.isdisjoint(keys[at : at + 2]):
            return True
        if key in risking and not deadly.isdisjoint(keys[at : at + 3]):
            return True
    return _begins(keys, lists.ORDERS)


def _begins(keys: Sequence[str], phrases: str) -> bool:
    return any(" ".join(keys[:n]) in _set(phrases) for n in (2, 3))


def _is_command(words: Sequence[str]) -> bool:
    """Tell whether the first word is a command, and it and the next word are in small letters."""
    if len(words) == 1:
        return False
    command = words[0]  # the lists are in small letters
    if words[1][0] in "-." or words[1] in _set(lists.ARGUMENTS):
        return command in _set(lists.COMMANDS) or command in _set(lists.NAMESAKES)
    return words[1].islower() and command in _set(lists.COMMANDS)


class _Kind(NamedTuple):
    """The words that the texts of one kind consist of."""

    reason: str
    alone: frozenset[str]
    """Each of these words is a text of the kind by itself."""
    telling: frozenset[str]
    """Each of these words makes a text of the kind together with other words of it."""
    beside: frozenset[str]

    def has(self, keys: Sequence[str]) -> bool:
        """Tell whether a text is of this kind: no name consists of such words only."""
        if self.alone.isdisjoint(keys) and (len(keys) == 1 or self.telling.isdisjoint(keys)):
            return False
        return all(key in self.alone or key in self.telling or key in self.beside for key in keys)


@cache
def _kinds() -> tuple[_Kind, ...]:
    of_any = _set(lists.NUMBERS) | _set(lists.JOINING)
    kinds = (
        ("must not be a placeholder", lists.PLACEHOLDERS),
        ("must not read like an error", lists.ERRORS),
        ("must not read like a heading", lists.HEADINGS),
        (_PHRASE, (lists.REPLIES, "", "")),
    )
    return tuple(
        _Kind(reason, _set(alone), _set(telling), _set(beside) | of_any)
        for reason, (alone, telling, beside) in kinds
    )


def _is_phrase(words: Sequence[str], keys: Sequence[str]) -> bool:
    """Tell whether a text begins like a phrase, or goes on in small letters as no name does."""
    if _begins(keys, lists.PHRASES):
        return True
    if len(words) == 1 or words[0].islower():
        return False
    small = [key for word, key in zip(words, keys, strict=True) if word.islower()]
    goes_on = words[1].islower() and keys[1] not in _set(lists.PARTICLES)
    return (goes_on and keys[0] in _set(lists.BEGINNINGS)) or not _set(
        lists.OF_SENTENCES
    ).isdisjoint(small)
