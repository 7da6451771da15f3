"""The output of ``namepool names`` and ``namepool themes``."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from contextlib import closing
from typing import Any, TypeAlias

from namepool.core.display import short_names, slug
from namepool.core.names import one_line
from namepool.sources.llm.nomenclater import Nomenclater
from namepool.sources.offline import OfflineNames

BLOCK = 1000
"""Names written at a time."""

CHUNK = 50
"""Names that a model is asked for at a time."""

Blocks: TypeAlias = Generator[list[str], None, None]


def walked(source: OfflineNames, count: int) -> Blocks:
    """Yield the next ``count`` names of a source that always has some."""
    for done in range(0, count, BLOCK):
        yield source.fetch(min(BLOCK, count - done), ())


def asked(source: Nomenclater, count: int) -> Blocks:
    """Yield ``count`` names in the chunks of a model, then close the source."""
    names: list[str] = []
    with closing(source):
        while len(names) < count:
            names += (block := source.fetch(min(CHUNK, count - len(names)), names))
            yield block


def joined(blocks: Iterable[list[str]]) -> Blocks:
    """Yield all names in one block, so that nothing is printed before the last name is there.

    Otherwise a model that fails half-way would leave half a JSON array.
    """
    yield [name for block in blocks for name in block]


def run_names(blocks: Blocks, *, short: bool, slugs: bool, array: bool) -> int:
    """Print names, or forms of them, one a line or as a JSON array; return the exit code."""
    start, between, end = ("[\n", ",\n", "\n]\n") if array else ("", "\n", "\n")
    written = json.dumps if array else "\t".join if short and slugs else str
    with closing(blocks):
        # A short form depends on all other names.
        for names in joined(blocks) if short else blocks:
            block = between.join(map(written, _shown(names, short, slugs)))
            print(start, block, sep="", end="", flush=True)
            start = between
    print(end=end)
    return 0


def _shown(names: list[str], short: bool, slugs: bool) -> Iterable[Any]:
    if short and slugs:
        return zip(short_names(names), map(slug, names), strict=True)
    if short:
        return short_names(names)
    return map(slug, names) if slugs else names


def run_themes(source: OfflineNames) -> int:
    """Print the id, the description and three names of each theme; return the exit code."""
    for theme in source.described():
        names = "; ".join(source.fetch(3, (), theme.id))
        about = one_line(theme.description, 1000)  # the text of a file may be anything
        print(f"{one_line(theme.id):<12} {about}\n{'':<12} {names}")
    return 0
