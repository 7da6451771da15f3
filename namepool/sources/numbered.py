"""Predictable names, for tests: "NPC #1", "NPC #2", …"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from namepool.actors.never_copied import NeverCopied
from namepool.core.guard import why_unissuable
from namepool.core.options import check_text, invalid


class NumberedNames(NeverCopied):
    """Counts on over all its chunks, so that no name comes twice; safe for several fetchers."""

    def __init__(self, prefix: str = "NPC #") -> None:
        self._prefix = check_text("prefix", prefix, 40)
        reason = why_unissuable(prefix + "1")
        if reason is not None:
            expected = f"the beginning of a name that a pool may issue (it {reason})"
            raise invalid("prefix", prefix, expected)
        self._numbers = itertools.count(1)

    def fetch(self, count: int, used: Sequence[str]) -> list[str]:
        """Return the next ``count`` names; ``used`` is not needed to know them."""
        return [f"{self._prefix}{next(self._numbers)}" for _ in range(count)]
