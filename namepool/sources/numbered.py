"""Predictable names for tests: "NPC #1", "NPC #2", …"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from namepool.actors.never_copied import NeverCopied
from namepool.core.guard import why_unissuable
from namepool.core.options import CHECKS


class NumberedNames(NeverCopied):
    """A source of numbered names, for tests.

    The numbers go on from chunk to chunk, so no name comes twice. Several threads may fetch at
    once.

    Raises:
        InvalidOption: a pool may not issue names with this ``prefix``

    Examples:
        >>> source = namepool.NumberedNames("Robot ")
    """

    def __init__(self, prefix: str = "NPC #") -> None:
        self._prefix = CHECKS.text("prefix", prefix, 40)
        reason = why_unissuable(prefix + "1")
        if reason is not None:
            expected = f"the beginning of a name that a pool may issue (it {reason})"
            raise CHECKS.invalid("prefix", prefix, expected)
        self._numbers = itertools.count(1)

    def fetch(self, count: int, used: Sequence[str]) -> list[str]:
        """Return the next ``count`` names. The source does not read ``used``.

        Examples:
            >>> source.fetch(2, ())
            ['Robot 1', 'Robot 2']
            >>> source.fetch(1, ())
            ['Robot 3']
        """
        return [f"{self._prefix}{next(self._numbers)}" for _ in range(count)]
