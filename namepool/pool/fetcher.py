"""``ChunkFetcher``: the actor that waits for the source.

It has no supervisor. The pool watches it. If a fetcher dies, its fetches fail (``refilling``), and
the pool starts another fetcher when it needs one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from namepool.actors import ServiceActor
from namepool.actors.logs import Logger
from namepool.core.judging import Judged
from namepool.core.known import UsedNames
from namepool.core.names import one_line
from namepool.sources.base import (
    IN_TIME,
    NameSource,
    fetch_from,
    read_answer,
    reserving,
    time_limit,
)

logger: Logger = Logger(__name__)


class FetchChunk(NamedTuple):
    """A request for about ``size`` names; the answer is ``ChunkArrived`` or ``ChunkFailed``."""

    request: int
    size: int
    used: UsedNames
    epoch: int
    seconds: float = math.inf
    """The seconds that the pool waits for the chunk."""
    theme: str | None = None
    """The theme of the names; ``None``: any."""
    reserved: frozenset[str] = frozenset()
    """The keys of the words and names that no source may give."""
    is_brought: Callable[[str], bool] = lambda _: False
    """Tells whether the program brought a name. The source does not get a list of these names."""


class ChunkArrived(NamedTuple):
    """The names for a request."""

    request: int
    judged: Judged
    source: str
    epoch: int
    theme: str | None = None


class ChunkFailed(NamedTuple):
    """The source raised an error."""

    request: int
    error: BaseException


class ChunkFetcher(ServiceActor):
    """The actor that calls the source on its own thread, and gives each result to ``deliver``."""

    delays_exit = False

    def __init__(
        self, source: NameSource, deliver: Callable[[ChunkArrived | ChunkFailed], None]
    ) -> None:
        super().__init__()
        self._source = source
        self._deliver = deliver
        self._handlers[FetchChunk] = self._fetch

    def _fetch(self, message: FetchChunk) -> None:
        try:
            limit = time_limit(message.seconds * IN_TIME)
            with limit, reserving(message.reserved, message.is_brought):
                answer = fetch_from(self._source, message.size, message.used, message.theme)
                judged = read_answer(answer, message.size)
        except BaseException as error:  # also SystemExit, because the pool must live on
            self._deliver(ChunkFailed(message.request, error))
        else:
            source = getattr(self._source, "last_source", None) or type(self._source).__name__
            told = judged, one_line(source), message.epoch, message.theme
            self._deliver(ChunkArrived(message.request, *told))


class SourceCloser(ServiceActor):
    """The actor that closes a source on its own thread, and then ends."""

    def __init__(self, source: NameSource) -> None:
        super().__init__()
        self._source = source

    def on_start(self) -> None:
        """Close the source and end."""
        close_source(self._source)
        self.stop()


def close_source(source: object) -> None:
    """Close a source; log its error, if any. Block as long as the source does."""
    try:
        source.close()  # type: ignore[attr-defined]
    except BaseException as error:
        logger.warning("closing the source of names failed: %s", one_line(repr(error)))
