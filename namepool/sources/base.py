"""The protocol of a source, its time limit, and a source that falls back to the next one."""

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
from namepool.core import judging
from namepool.core.judging import Judged
from namepool.core.names import one_line, shown
from namepool.core.options import CHECKS
from namepool.core.refill import Pauses
from namepool.errors import InvalidOption, SourceError, SourceExhausted, UnknownTheme

logger: Logger = Logger(__name__)

SURPLUS = 1000
"""The most candidates that are read from an answer beyond the requested count.

The limit ends an endless iterable.
"""


IN_TIME = 0.9
"""The share of the pool's waiting time that a source may use. The rest is left for the answer."""

_deadline: ContextVar[float] = ContextVar("namepool_deadline", default=math.inf)


def time_left() -> float | None:
    """Return the seconds that the ``fetch`` under way may still take.

    The result is ``None`` if there is no time limit. A source of your own passes the seconds on:
    ``requests.get(url, timeout=time_left())``. A source that takes longer may answer in vain. In a
    ``FallbackSource`` it also takes the time of the next source.

    Examples:
        >>> from namepool.sources import time_left
        >>> class Clocked:
        ...     def fetch(self, count, used):
        ...         return ["In Time" if time_left() <= 27 else "Too Late"]
        >>> pool = namepool.open_pool(source=Clocked(), fetch_timeout=30)
        >>> pool.checkout_name()
        'In Time'
        >>> print(time_left())  # no fetch is under way here
        None
    """
    deadline = _deadline.get()
    return None if deadline == math.inf else max(deadline - time.monotonic(), 0.0)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Set the time limit of the block, in seconds. Of nested limits, the shortest one counts."""
    token = _deadline.set(min(_deadline.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _deadline.reset(token)


_reserved: ContextVar[frozenset[str]] = ContextVar("namepool_reserved", default=frozenset())


_is_brought: ContextVar[Callable[[str], bool]] = ContextVar("namepool_is_brought")


@contextmanager
def reserving(
    reserved: frozenset[str], is_brought: Callable[[str], bool] = lambda _: False
) -> Iterator[None]:
    """Let ``why_refused`` refuse reserved names in the block, by their keys.

    ``is_brought`` answers the function of the same name.
    """
    tokens = _reserved.set(reserved), _is_brought.set(is_brought)
    try:
        yield
    finally:
        _reserved.reset(tokens[0])
        _is_brought.reset(tokens[1])


def is_brought(name: str) -> bool:
    """Return whether the program has brought ``name`` to the pool of the ``fetch`` under way.

    Such a name is not in ``used``, because it may be that of a person. So only a source that sends
    nothing to anybody may ask, and it can ask only about its own names.
    """
    return (asked := _is_brought.get(None)) is not None and asked(name)


def why_refused(candidate: object) -> str | None:
    """Return the reason why the pool of the ``fetch`` under way may not issue ``candidate``.

    The reason is the end of a sentence. The result is ``None`` if the pool may issue it. Without a
    ``fetch`` under way, no name is reserved except the default name.
    """
    return judging.why_refused(candidate, _reserved.get())


def judged(names: Iterable[str]) -> Judged:
    """Return names that ``why_refused`` has let pass, so that nobody judges them again."""
    return Judged(names, reserved=_reserved.get())


@runtime_checkable
class NameSource(Protocol):
    """A source of names: any object with this ``fetch``.

    Only the fetcher threads of the pool call ``fetch``. Up to ``max_fetches`` (4) of them call it
    at once: give the pool ``max_fetches=1`` if the source is not thread-safe. ``fetch`` may block
    for up to the pool's ``fetch_timeout``.

    A source that holds resources may also have a ``close()``. The pool calls it once, when the pool
    has ended for good. A ``fetch`` that does not end may still be under way then.

    The ``fetch`` of a source that knows themes has a third argument, ``theme: str | None = None``.
    It is the theme of the checkout. The source raises ``UnknownTheme`` for a theme that it does not
    know. If ``fetch`` has no such argument, a checkout with a theme gets any name of the source.

    Examples:
        >>> class Planets:
        ...     def fetch(self, count, used):
        ...         return [f"Asteroid {len(used) + n}" for n in range(1, count + 1)]
        >>> isinstance(Planets(), namepool.NameSource)
        True
        >>> namepool.open_pool(source=Planets()).checkout_name()
        'Asteroid 1'
    """

    def fetch(self, count: int, used: Sequence[str]) -> Iterable[str]:
        """Return about ``count`` names that are not in ``used``.

        ``used`` is a snapshot of the names from the source that the pool knows, oldest first. It
        does not change while the source reads it. A name that the program gave itself, as by
        ``named(name="John Doe")``, is not in ``used``, because the source may send ``used`` to
        somebody. If the source gives such a name, the pool drops it, and asks for more names.

        Too few names, duplicates, used names and invalid names do no harm: the pool keeps the good
        names and counts the others. A source without any name raises an error of any type, and the
        pool asks again after a pause. A source that has given all its names raises
        ``SourceExhausted``. Then the pool asks no more for this theme, before a ``reset()`` or a
        restart.

        Examples:
            >>> Planets().fetch(2, ["Asteroid 1"])
            ['Asteroid 2', 'Asteroid 3']
        """
        ...


def check_source(source: object) -> None:
    """Refuse an object without ``fetch``, and a class that was not called."""
    if isinstance(source, type) or not callable(getattr(source, "fetch", None)):
        raise CHECKS.invalid("source", source, "an object with fetch(count, used)")


def knows_themes(source: object) -> bool:
    """Return whether the ``fetch`` of the source takes a ``theme``."""
    return _takes(cast("NameSource", source).fetch, "theme")


def _takes(function: Callable[..., object], parameter: str) -> bool:
    try:
        return parameter in inspect.signature(function).parameters
    except (TypeError, ValueError):  # a function written in C may have no signature
        return False


Draw = Callable[[str, int, Callable[[int], str]], Sequence[str]]
"""``draw(walk, count, name_at)`` claims the names at the next positions, and returns them."""


def share_walk(
    source: object, advance: Callable[[str, int], int], seed: str, draw: Draw | None
) -> None:
    """Call ``share`` of a source that has it. It gets ``draw`` if it takes one."""
    share = getattr(source, "share", None)
    if share is not None and draw is not None and _takes(share, "draw"):
        share(advance, seed, draw=draw)
    elif share is not None:
        share(advance, seed)


def fetch_from(
    source: NameSource, count: int, used: Sequence[str], theme: str | None
) -> Iterable[str]:
    """Fetch names of a theme if the source knows themes, else any names."""
    if theme is None or not knows_themes(source):
        return source.fetch(count, used)
    names: Iterable[str] = cast("Any", source).fetch(count, used, theme=theme)
    return names


def read_answer(answer: object, count: int) -> Judged:
    """Judge the candidates in the answer of a source that was asked for ``count`` names.

    The answer may be any object. The call blocks as long as the iterable blocks. If the iterable
    raises an error after some names, these names are judged. If another call of this function has
    made the answer, it is not judged again.

    Raises:
        SourceError: the answer is no iterable of names
        BaseException: the iterable raised this error before it gave any name
    """
    if isinstance(answer, str | bytes) or not isinstance(answer, Iterable):
        raise SourceError(
            f"a source must return an iterable of names, not {type(answer).__name__}: "
            f"{shown(answer)}"
        )
    if isinstance(answer, Judged) and answer.holds(_reserved.get()):
        return answer
    names: list[object] = []
    try:
        for name in itertools.islice(answer, count + SURPLUS):
            names.append(name)
    except SourceExhausted:
        if not names:
            raise
    except BaseException as error:
        if not names:
            raise
        logger.warning("a source failed after %d names: %s", len(names), one_line(error))
    return judging.judge(names, _reserved.get())


LAST_TURN = 0.1
"""The share of the time of a fetch that is kept for the last source of a ``FallbackSource``."""


class FallbackSource(NeverCopied):
    """A source that asks several sources in order, until one of them gives names.

    While the first source fails, the next source answers. A failed source is left alone for a
    jittered, growing pause, and is then asked again. Only the last source has no pause. If no
    source answers, ``fetch`` raises the error of the last one that failed or is left alone.

    The sources share the time limit, if there is one (a pool sets one, see ``time_left()``). Each
    source gets an even share of the time that is left. A tenth of that time is kept for the last
    source. A source that exceeds its share is not interrupted, but it is not asked again before it
    has returned.

    If a source raises ``SourceExhausted``, the next source is asked at once, without a pause.

    If a source raises ``UnknownTheme``, the next source is asked. There is one exception: another
    source has just failed, has no more names, or is left alone at this moment. Then a name of
    another theme is better than no name, so the source that raised ``UnknownTheme`` is asked again,
    without a theme. A source whose ``fetch`` takes no ``theme`` always gives names of any theme.

    Examples:
        >>> class Broken:
        ...     def fetch(self, count, used):
        ...         raise ConnectionError("the service is down")
        >>> source = namepool.FallbackSource(Broken(), namepool.NumberedNames())
    """

    def __init__(self, *sources: NameSource, clock: Callable[[], float] = time.monotonic) -> None:
        if not sources:
            raise InvalidOption("sources must be at least one source, not none")
        for source in sources:
            check_source(source)
        self._clock = clock
        self._ranks = [_Rank(source) for source in sources]
        self.last_source: str | None = None
        """The type of the source that gave the last names, or that source's own ``last_source``."""

    def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
        """Return the valid names of the first source that gives any.

        The call blocks as long as the sources take.

        Raises:
            UnknownTheme: no source knows this theme
            SourceExhausted: all sources have given all their names
            SourceError: the last source that failed gave no valid name
            Exception: the last source that failed, or is left alone, had this error

        Examples:
            >>> source.fetch(2, ())
            ['NPC #1', 'NPC #2']
            >>> source.last_source
            'NumberedNames'
        """
        refusals: list[Exception] = []
        failures: list[Exception] = []
        ranks = self._candidates()
        stands_in = len(ranks) < len(self._ranks)
        for place, rank in enumerate(ranks):
            source, left = rank.source, time_left()
            try:
                with rank.limited(None if left is None else _share(left, len(ranks) - place)):
                    names = _answer(source, count, used, theme, stands_in=stands_in)
                if not names:
                    first = [f": {shown(value)} {reason}" for value, reason in names.refused[:1]]
                    raise SourceError(f"{type(source).__name__} gave no valid name{''.join(first)}")
            except (UnknownTheme, SourceExhausted) as error:
                refusals.append(error)
                stands_in = stands_in or isinstance(error, SourceExhausted)
            except Exception as error:
                rank.failed(self._clock(), error)
                failures.append(error)
                stands_in = True
            else:
                rank.pauses.succeeded()
                self.last_source = getattr(source, "last_source", None) or type(source).__name__
                return names
        # A source that failed, or is left alone, may give names later. So its error comes before
        # those of the sources that have no names for this theme, or none at all.
        # Without its old traceback: otherwise it would grow each time that the error is raised.
        left_alone = [r.error.with_traceback(None) for r in self._ranks if r not in ranks]
        exhausted = [error for error in refusals if isinstance(error, SourceExhausted)]
        raise (failures or left_alone or exhausted or refusals)[-1]

    def share(
        self, advance: Callable[[str, int], int], seed: str, draw: Draw | None = None
    ) -> None:
        """Call the method ``share`` of each source that has one.

        Such a source then shares its walk with other processes. A pool with a shared ledger makes
        this call. See ``OfflineNames.share`` for the arguments.

        Examples:
            >>> source.share(lambda walk, count: 0, seed="crew")  # neither source has a share
        """
        for rank in self._ranks:
            share_walk(rank.source, advance, seed, draw)

    def _candidates(self) -> list[_Rank]:
        """Return the sources that may be asked now. The last source is always one of them."""
        now = self._clock()
        free = [rank for rank in self._ranks[:-1] if rank.pauses.allows(now) and rank.in_time()]
        return free + self._ranks[-1:]

    def close(self) -> None:
        """Close every source that has a ``close()``. An error of one is logged as a warning.

        Examples:
            >>> source.close()
        """
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
) -> Judged:
    try:
        return read_answer(fetch_from(source, count, used, theme), count)
    except UnknownTheme:
        if not stands_in:
            raise
        return read_answer(source.fetch(count, used), count)


class _Rank:
    """A source of a ``FallbackSource``, with its pause and its calls under way."""

    def __init__(self, source: NameSource) -> None:
        self.source, self.pauses = source, Pauses()
        self.error: Exception = SourceError(f"{type(source).__name__} has not returned yet")
        """The last error of the source."""
        self._deadlines: list[float] = []  # of the calls under way

    def failed(self, now: float, error: Exception) -> None:
        """Note a failure. The source is left alone for a pause."""
        pause = self.pauses.failed(now, error)
        self.error = error
        logger.warning(
            "%s failed, left alone for %.1f s: %s",
            type(self.source).__name__,
            pause,
            one_line(error),
        )

    @contextmanager
    def limited(self, seconds: float | None) -> Iterator[None]:
        """Limit the source to ``seconds`` in the block. ``None`` sets no limit."""
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
        """Return whether all calls under way are still within their limits."""
        return not any(deadline < time.monotonic() for deadline in list(self._deadlines))


def _share(left: float, sources: int) -> float:
    """Return the first source's share of the seconds left. The last source has a part kept."""
    return left if sources == 1 else left * (1.0 - LAST_TURN) / (sources - 1)
