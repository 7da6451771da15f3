"""Where names come from: the protocol, and a source that falls back to the next one."""

from __future__ import annotations

import inspect
import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, cast, runtime_checkable

from namepool.actors.logs import Logger
from namepool.actors.never_copied import NeverCopied
from namepool.core.guard import why_unissuable
from namepool.core.names import one_line, shown
from namepool.core.options import invalid
from namepool.core.refill import Backoff
from namepool.errors import InvalidOption, SourceError, UnknownTheme

logger: Logger = Logger(__name__)

SURPLUS = 1000
"""Candidates read from one answer beyond those asked for: an endless iterable ends here."""


IN_TIME = 0.9
"""The share of the time a pool waits that a source is told it has: its answer must still arrive."""

_deadline: ContextVar[float] = ContextVar("namepool_deadline", default=math.inf)


def time_left() -> float | None:
    """Return the seconds that the ``fetch`` under way may still take; ``None``: nobody says.

    For a source of your own: ``requests.get(url, timeout=time_left())``. Who takes longer has
    waited in vain, and takes the time of the next source of a ``FallbackSource``.
    """
    deadline = _deadline.get()
    return None if deadline == math.inf else max(deadline - time.monotonic(), 0.0)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Tell what is called in the block how long it may take; nested, the shortest counts."""
    token = _deadline.set(min(_deadline.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _deadline.reset(token)


@runtime_checkable
class NameSource(Protocol):
    """Anything that can come up with names.

    ``fetch`` is called from the pool's fetcher threads only, up to ``max_fetches`` of them at once
    (4; give the pool ``max_fetches=1`` if the source cannot bear it). It may block for up to the
    pool's ``fetch_timeout``. A source that holds something may also have a ``close()``; it is
    called once, when the pool has ended for good, and perhaps while a ``fetch`` that does not end
    is still under way.

    A source that knows themes has a third argument, ``theme: str | None = None``: what the names
    are to be about, as a checkout said. It raises ``UnknownTheme`` for one that it does not know.
    From a source without that argument a checkout with a theme gets what there is.
    """

    def fetch(self, count: int, used: Sequence[str]) -> Iterable[str]:
        """Return about ``count`` names, none of them in ``used``.

        ``used`` holds the names the pool knows, oldest first: a snapshot that does not change while
        the source reads it. Too few names, duplicates, used or invalid ones do no harm: the pool
        keeps the good ones and counts the rest. Raise to say that there are none.
        """
        ...


def check_source(source: object) -> None:
    """Refuse what is not a source: it has no ``fetch``, or it is a class that was not called."""
    if isinstance(source, type) or not callable(getattr(source, "fetch", None)):
        raise invalid("source", source, "an object with fetch(count, used)")


def knows_themes(source: object) -> bool:
    """Tell whether the source's ``fetch`` takes a ``theme``."""
    try:
        return "theme" in inspect.signature(cast("NameSource", source).fetch).parameters
    except (TypeError, ValueError):  # written in C, perhaps
        return False


def fetch_from(
    source: NameSource, count: int, used: Sequence[str], theme: str | None
) -> Iterable[str]:
    """Ask a source for names of a theme, if it knows themes, else for any."""
    if theme is None or not knows_themes(source):
        return source.fetch(count, used)
    names: Iterable[str] = cast("Any", source).fetch(count, used, theme=theme)
    return names


def read_answer(answer: object, count: int) -> list[object]:
    """Return the candidates in what a source returned for ``count`` names; it may be anything.

    Blocks as long as the iterable does. Names that came before it raised are kept.

    Raises:
        SourceError: it is no iterable of names
        BaseException: what the iterable raised before it gave anything
    """
    if isinstance(answer, str | bytes) or not isinstance(answer, Iterable):
        raise SourceError(
            f"a source must return an iterable of names, not {type(answer).__name__}: "
            f"{shown(answer)}"
        )
    names: list[object] = []
    try:
        for name in itertools.islice(answer, count + SURPLUS):
            names.append(name)
    except BaseException as error:
        if not names:
            raise
        logger.warning("a source failed after %d names: %s", len(names), one_line(error))
    return names


LAST_TURN = 0.1
"""The share of the time for a chunk that is kept for the last source of a ``FallbackSource``."""


class FallbackSource(NeverCopied):
    """Asks the first source; while that fails, the next one answers.

    A source that failed is left alone for a jittered, growing pause, then asked again. Without a
    source that answers, ``fetch`` raises what the last of them raised.

    If there is a time limit (``time_left()``: a pool sets one), the sources share it: each is told
    an even share of what is left, and a tenth of it is kept for the last one. Who overruns its
    share is not interrupted, but is left alone until it has come back.

    A theme is for those sources that know themes. One that does not know this theme is passed over,
    unless it stands in for another that failed: then it gives names of any theme.
    """

    def __init__(self, *sources: NameSource, clock: Callable[[], float] = time.monotonic) -> None:
        if not sources:
            raise InvalidOption("sources must be at least one source, not none")
        for source in sources:
            check_source(source)
        self._clock = clock
        self._ranks = [_Rank(source) for source in sources]
        self.last_source: str | None = None
        """The type of the source that answered last."""

    def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
        """Return the names of the first source that gives any; blocks as long as they take.

        Raises:
            UnknownTheme: no source knows this theme
            Exception: what the last source raised, or SourceError if it gave nothing
        """
        failure: Exception | None = None
        ranks = self._candidates()
        stands_in = len(ranks) < len(self._ranks)
        for place, rank in enumerate(ranks):
            source, left = rank.source, time_left()
            try:
                with rank.limited(None if left is None else _share(left, len(ranks) - place)):
                    names = _answer(source, count, used, theme, stands_in=stands_in)
                reasons = [why_unissuable(name) for name in names]
                if all(reasons):
                    first = f": {shown(names[0])} {reasons[0]}" if names else ""
                    raise SourceError(f"{type(source).__name__} gave no valid name{first}")
            except UnknownTheme as error:
                failure = error
            except Exception as error:
                pause = rank.backoff.failed(self._clock(), error)
                logger.warning(
                    "%s failed, left alone for %.1f s: %s",
                    type(source).__name__,
                    pause,
                    one_line(error),
                )
                failure, stands_in = error, True
            else:
                rank.backoff.succeeded()
                self.last_source = getattr(source, "last_source", None) or type(source).__name__
                return cast("list[str]", names)
        assert failure is not None  # noqa: S101  there is at least one source
        raise failure

    def share(self, advance: Callable[[str, int], int], seed: str) -> None:
        """Have those sources that can walk one walk with other processes."""
        for rank in self._ranks:
            share = getattr(rank.source, "share", None)
            if share is not None:
                share(advance, seed)

    def _candidates(self) -> list[_Rank]:
        """Return the sources that are not paused; the last one always: somebody must answer."""
        now = self._clock()
        free = [rank for rank in self._ranks[:-1] if rank.backoff.allows(now) and rank.in_time()]
        return free + self._ranks[-1:]

    def close(self) -> None:
        """Close every source that can be closed."""
        for source in [rank.source for rank in self._ranks]:
            close = getattr(source, "close", None)
            if close is None:
                continue
            try:
                close()
            except Exception as error:
                logger.warning("closing %s failed: %s", type(source).__name__, one_line(error))


def _answer(
    source: NameSource, count: int, used: Sequence[str], theme: str | None, *, stands_in: bool
) -> list[object]:
    try:
        return read_answer(fetch_from(source, count, used, theme), count)
    except UnknownTheme:
        if not stands_in:
            raise
        return read_answer(source.fetch(count, used), count)


class _Rank:
    """A source in a row of them, and how it stands with it."""

    def __init__(self, source: NameSource) -> None:
        self.source, self.backoff = source, Backoff()
        self._deadlines: list[float] = []  # of the calls under way

    @contextmanager
    def limited(self, seconds: float | None) -> Iterator[None]:
        """Let the source know that it may take so many seconds; ``None``: as many as it likes."""
        if seconds is None:
            yield
            return
        deadline = time.monotonic() + seconds
        self._deadlines.append(deadline)
        try:
            with time_limit(seconds):
                yield
        finally:
            self._deadlines.remove(deadline)

    def in_time(self) -> bool:
        """Tell whether no call under way has taken longer than it may."""
        return not any(deadline < time.monotonic() for deadline in list(self._deadlines))


def _share(left: float, sources: int) -> float:
    """Return the seconds for the first of so many sources, of which the last has a part kept."""
    return left if sources == 1 else left * (1.0 - LAST_TURN) / (sources - 1)
