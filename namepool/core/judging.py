"""The judgement which candidates of a source a pool may issue. Pure.

Each candidate is judged once, where the answer of its source is read: see ``read_answer`` in
``sources.base``. Later, a ledger claims the names of a ``Judged``, and the pool stocks them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import cast

from namepool.core.guard import why_unissuable
from namepool.core.names import is_default_name, name_key, plain

RESERVED = "is reserved"
"""The reason why a pool never issues the default name and the names that its program reserves."""


class Judged(list[str]):
    """The names in the answer of a source that a pool may issue.

    A source that asks another source returns such a list, and its caller may change the list. So
    the judged names are kept a second time. The pool reads only these.
    """

    __slots__ = ("names", "refused", "reserved")

    def __init__(
        self,
        names: Iterable[str],
        refused: Iterable[tuple[object, str]] = (),
        reserved: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(names)
        self.names: tuple[str, ...] = tuple(self)
        """The names as they were judged, each an exact ``str``."""
        self.refused: tuple[tuple[object, str], ...] = tuple(refused)
        """Each other candidate, with the reason."""
        self.reserved: frozenset[str] = reserved
        """The keys of the reserved words and names by which the candidates were judged."""

    def holds(self, reserved: frozenset[str]) -> bool:
        """Tell whether the list is as it was judged, and would be judged so by ``reserved``."""
        return self.reserved == reserved and tuple(self) == self.names


def judge(candidates: Iterable[object], reserved: frozenset[str] = frozenset()) -> Judged:
    """Judge each of the ``candidates`` by ``why_refused``."""
    names: list[str] = []
    refused: list[tuple[object, str]] = []
    for candidate in candidates:
        reason = why_refused(candidate, reserved)
        if reason is None:
            names.append(cast("str", plain(candidate)))
        else:
            refused.append((candidate, reason))
    return Judged(names, refused, reserved)


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
