"""A source with a list of names: "Ada", "Bo", and no more."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Self, cast

from namepool.actors.never_copied import NeverCopied
from namepool.core.guard import why_unissuable
from namepool.core.names import is_default_name, name_key, plain, shown
from namepool.core.options import CHECKS
from namepool.errors import InvalidOption, SourceExhausted
from namepool.sources._theme_file import text_of
from namepool.sources.base import is_brought

MAX_BYTES = 1024 * 1024
"""The most bytes in a file of names."""


class ListedNames(NeverCopied):
    """A source that gives the names of a list, in this order, and then no more.

    If more agents ask than the list has names, a checkout waits until a name is given back. After
    a ``reset()`` of the pool, all names of the list can come again, in any order. Several threads
    may fetch at once.

    Raises:
        InvalidOption: ``names`` is empty, lists a name that a pool may not issue, or lists two
            names that read alike. The message names the entry

    Examples:
        >>> pool = namepool.open_pool(source=namepool.ListedNames(["Ada", "Bo"]))
        >>> pool.checkout_name(owner="one"), pool.checkout_name(owner="two")
        ('Ada', 'Bo')
        >>> pool.checkout_name(owner="three", timeout=0.1)
        Traceback (most recent call last):
            ...
        namepool.errors.CheckoutTimeout: no name within 0.1 s (2 checked out, 1 waiting, ...
    """

    def __init__(self, names: Iterable[str]) -> None:
        entries = CHECKS.items("names", names, "a list of at least one name")
        places = (f"names: entry {number}" for number in range(1, len(entries) + 1))
        self._names = _checked(zip(places, entries, strict=True))
        self._next = 0
        self._lock = threading.Lock()

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Return a source with the names of a UTF-8 file that has one name on each line.

        Empty lines, and lines that begin with ``#``, do not count.

        Raises:
            InvalidOption: the file cannot be read, has more than 1 MB, has no name, or has a name
                that the class refuses. The message names the file and the line

        Examples:
            >>> with open("crew.txt", "w") as stream:
            ...     _ = stream.write("# the crew\\nAda\\nBo\\n")
            >>> namepool.ListedNames.from_file("crew.txt").fetch(12, ())
            ['Ada', 'Bo']
        """
        file, text = text_of(path, "names", MAX_BYTES)
        lines = enumerate(map(str.strip, text.split("\n")), 1)
        names = {f"{file}, line {n}": name for n, name in lines if name and name[0] != "#"}
        if not names:
            raise InvalidOption(f"{file}: must have at least one name, on a line of its own")
        return cls(_checked(names.items()).values())

    def fetch(self, count: int, used: Sequence[str]) -> list[str]:
        """Return up to ``count`` names of the list that are not in use.

        Raises:
            InvalidOption: ``count`` is not a positive int
            SourceExhausted: all names of the list are in use

        Examples:
            >>> source = namepool.ListedNames(["Ada", "Bo", "Cy"])
            >>> source.fetch(2, ())
            ['Ada', 'Bo']
            >>> source.fetch(2, ["Ada", "Bo"])
            ['Cy']
        """
        CHECKS.count("count", count, 1)
        known = set(map(name_key, used))
        with self._lock:
            # Two fetches at once have the same ``used``. So each goes on behind the other.
            ahead = [*range(self._next, len(self._names)), *range(self._next)]
            listed = list(self._names.items())
            unused = (at for at in ahead if listed[at][0] not in known)
            free = [*islice((at for at in unused if not is_brought(listed[at][1])), count)]
            if not free:
                raise SourceExhausted(f"the list has no more than its {len(listed)} names")
            self._next = free[-1] + 1
        return [listed[at][1] for at in free]


def _checked(entries: Iterable[tuple[str, object]]) -> dict[str, str]:
    """Return the names of entries, by key; the error names the place of a wrong entry."""
    names: dict[str, str] = {}
    for place, entry in entries:
        reason = why_unissuable(entry)
        if reason is None and is_default_name(cast("str", entry)):
            reason = "is the default name, which no pool issues"
        if reason is not None:
            raise InvalidOption(f"{place}: {shown(entry)} {reason}")
        name = cast("str", plain(entry))
        key = name_key(name)
        if key in names:
            other = shown(names[key])
            raise InvalidOption(f"{place}: {shown(name)} reads like {other}, an earlier one")
        names[key] = name
    return names
