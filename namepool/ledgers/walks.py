"""``Walks``: the positions of shared walks that one pool took, to offer the unused ones again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from namepool.core.state import PoolState

PLACES = 2000
"""The most names whose positions are remembered. A pool with more offers none of the others."""


class Walks:
    """The names that one pool drew from shared walks, each with its walk and its position."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[str, int]] = {}

    def note(self, walk: str, positions: Mapping[str, int]) -> None:
        """Remember the positions of the names."""
        if len(self._places) < PLACES:
            self._places.update({name: (walk, at) for name, at in positions.items()})

    def spare(self, unused: Iterable[str], state: PoolState) -> dict[str, list[int]]:
        """Return the positions, by walk, of the unused names that were never handed out.

        A name that was handed out comes again after ``reuse_gap`` other names. Before that it
        rests, so every name that is ready is new. After that nobody can tell, so none is spare.
        """
        spare: dict[str, list[int]] = {}
        if state.number > state.options.reuse_gap or state.counters.early_reuse_count:
            return spare
        rested = {name for stock in state.stocks.values() for name, _ in stock.resting}
        for name in unused:
            if name in self._places and name not in rested:
                walk, position = self._places[name]
                spare.setdefault(walk, []).append(position)
        return spare
