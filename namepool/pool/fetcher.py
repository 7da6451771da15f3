"""``ChunkFetcher``: the only actor that waits for the world.

Nobody supervises it: the pool watches it, fails its fetches when it dies (``refilling``) and starts
another when one is needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from namepool.actors import ServiceActor
from namepool.actors.logs import Logger
from namepool.core.known import UsedNames
from namepool.core.names import one_line
from namepool.sources.base import IN_TIME, NameSource, fetch_from, read_answer, time_limit

logger: Logger = Logger(__name__)


class FetchChunk(NamedTuple):
    """Asks for about ``size`` names; answered with ``ChunkArrived`` or ``ChunkFailed``."""

    request: int
    size: int
    used: UsedNames
    epoch: int
    seconds: float = math.inf
    """How long the pool waits for it."""
    theme: str | None = None
    """What they are to be about; ``None``: anything."""


class ChunkArrived(NamedTuple):
    """Candidates came for a request. They are as the source made them: unchecked."""

    request: int
    names: tuple[object, ...]
    source: str
    epoch: int
    theme: str | None = None


class ChunkFailed(NamedTuple):
    """The source raised."""

    request: int
    error: BaseException


class ChunkFetcher(ServiceActor):
    """Calls the source on its own thread and reports to ``deliver``, whatever the source does."""

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
            with time_limit(message.seconds * IN_TIME):
                answer = fetch_from(self._source, message.size, message.used, message.theme)
                names = tuple(read_answer(answer, message.size))
        except BaseException as error:  # also SystemExit and the like: the pool lives
            self._deliver(ChunkFailed(message.request, error))
        else:
            source = getattr(self._source, "last_source", None) or type(self._source).__name__
            told = names, one_line(source), message.epoch, message.theme
            self._deliver(ChunkArrived(message.request, *told))


class SourceCloser(ServiceActor):
    """Closes a source on its own thread, and ends."""

    def __init__(self, source: NameSource) -> None:
        super().__init__()
        self._source = source

    def on_start(self) -> None:
        """Close it."""
        close_source(self._source)
        self.stop()


def close_source(source: object) -> None:
    """Let a source give back what it holds, whatever it does; blocks as long as it does."""
    try:
        source.close()  # type: ignore[attr-defined]
    except BaseException as error:
        logger.warning("closing the source of names failed: %s", one_line(repr(error)))
