"""The judgement whether a pool may issue a name that a source gave. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import cast

from namepool.core.guard import why_unissuable
from namepool.core.names import is_default_name, name_key, plain

RESERVED = "is reserved"
"""The reason why a pool never issues the default name and the names that its program reserves."""


def reserved_keys(entries: Iterable[str]) -> frozenset[str]:
    """Return the keys by which ``why_refused`` finds the reserved words and names.

    A key is that of a whole name, or it consists of the keys of words with spaces between them.
    """
    return frozenset(
        key for entry in entries for key in (name_key(entry), " ".join(_word_keys(entry)))
    )


def why_refused(candidate: object, reserved: frozenset[str] = frozenset()) -> str | None:
    """Return the reason why a pool may not issue ``candidate``, as the end of a sentence.

    The result is ``None`` if the pool may issue it. ``reserved`` are the keys of the words and
    names that the pool's program reserves.
    """
    reason = why_unissuable(candidate)
    if reason is not None:
        return reason
    name = cast("str", plain(candidate))
    is_reserved = is_default_name(name) or (reserved and _holds(name, reserved))
    return RESERVED if is_reserved else None


def _holds(name: str, reserved: frozenset[str]) -> bool:
    """Tell whether ``name`` reads like a reserved one, or has the words of one in a row."""
    if name_key(name) in reserved:
        return True
    keys = _word_keys(name)
    ends = range(1, len(keys) + 1)
    return any(" ".join(keys[start:end]) in reserved for end in ends for start in range(end))


def _word_keys(name: str) -> list[str]:
    return [key for word in re.split("[ .,&#-]", name) if (key := name_key(word))]
