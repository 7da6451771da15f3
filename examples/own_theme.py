"""A theme of one's own: without a model by composing names, with one by telling it.

As it stands it is offline; ``own_theme.py MODEL`` asks the model at OPENAI_BASE_URL.
"""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Sequence

import namepool

FIRST = ("Ines", "Bruno", "Tove", "Malik", "Greta", "Pavel", "Yara", "Finn")
TRADES = ("Cheesemonger", "Goatherd", "Bell Founder", "Avalanche Whisperer", "Cable Car Captain")


class AlpineNames:
    """Every combination of a given name and a trade, once, in random order."""

    def __init__(self, seed: int | None = None) -> None:
        pairs = [f"{first} the {trade}" for first in FIRST for trade in TRADES]
        random.Random(seed).shuffle(pairs)
        self._names = iter(pairs)

    def fetch(self, count: int, used: Sequence[str]) -> list[str]:
        """Return the next names; none when all have been told, which the pool calls a failure."""
        return list(itertools.islice(self._names, count))


def source() -> namepool.NameSource:
    """Return a source of Alpine names: a model that knows the theme, if there is one."""
    if not sys.argv[1:]:
        return AlpineNames(seed=8)
    return namepool.Nomenclater(
        sys.argv[1],
        themes=["cheese cellars", "goats with opinions", "cable cars", "bell foundries"],
        guidance="All of them live in one Alpine valley.",
    )


def main() -> None:
    """Name five villagers."""
    with namepool.open_pool(source=source()) as pool:
        print(*(pool.checkout_name() for _ in range(5)), sep="\n")


if __name__ == "__main__":
    main()
