"""``Chunk``: what is claimed of the names that a source gives for one request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import cast

from namepool.core.guard import why_unissuable
from namepool.core.names import is_default_name, name_key
from namepool.errors import LedgerError
from namepool.sources.base import time_left

ENOUGH = 0.5
"""The share of a chunk below which the source is asked for the rest of it."""

ROUNDS = 3
"""Times that a source is asked for one chunk, at most, unless it is a quick one."""

QUICK = 1.0
"""Seconds in which a source may be asked as often as it takes."""


class Chunk:
    """What has come of a chunk of ``size`` names up to now."""

    def __init__(self, size: int, began: float) -> None:
        self.size: int = size
        self.claimed: list[str] = []
        self.rejected: list[str] = []
        self.others: list[object] = []
        """No names; the pool counts them."""
        self._began = began
        self._rounds = 0

    def may_ask(self) -> bool:
        """Tell whether too few came and there is time to ask for more."""
        if not self._rounds:
            return True
        took = time.monotonic() - self._began
        left = time_left()
        in_time = left is None or left > 2 * took / self._rounds
        often = self._rounds >= ROUNDS and took > QUICK
        return len(self.claimed) < ENOUGH * self.size and in_time and not often

    def take_in(
        self, candidates: Iterable[object], claim: Callable[[list[str]], list[str]]
    ) -> bool:
        """Claim what is new of the candidates; tell whether anything was."""
        self._rounds += 1
        known = set(map(name_key, [*self.claimed, *self.rejected]))
        fresh: list[str] = []
        for candidate in candidates:
            if why_unissuable(candidate) is not None or is_default_name(cast("str", candidate)):
                self.others.append(candidate)
            elif (key := name_key(cast("str", candidate))) not in known:
                known.add(key)
                fresh.append(cast("str", candidate))
        try:
            ours = claim(fresh) if fresh else []
        except LedgerError:
            if not self.claimed:
                raise
            return False
        self.claimed += ours
        self.rejected += [name for name in fresh if name not in set(ours)]
        return bool(fresh)
