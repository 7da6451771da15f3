"""``Backoff``, the growing pauses between tries. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from namepool.actors.checks import Checks


@dataclass(frozen=True)
class Backoff:
    """A growing pause before each new try, such as the restart of an actor, as in Akka.

    The first pause has ``first`` seconds. Each further pause is twice as long, up to ``longest``
    seconds. A random part, up to a half, is taken off each pause. A supervisor begins with
    ``first`` seconds again after ``quiet`` seconds without a death.

    Examples:
        >>> from namepool.actors import Backoff
        >>> backoff = Backoff(first=1.0, longest=8.0)
        >>> [backoff.pause(deaths, jitter=lambda: 1.0) for deaths in (1, 2, 3, 4, 5)]
        [1.0, 2.0, 4.0, 8.0, 8.0]
    """

    first: float = 0.1
    longest: float = 10.0
    quiet: float = 30.0

    def __post_init__(self) -> None:
        for field in ("first", "longest", "quiet"):
            Checks(ValueError).seconds(field, getattr(self, field), zero=False)

    def pause(self, failures: int, jitter: Callable[[], float] = random.random) -> float:
        """Return the seconds to wait after ``failures`` failures in a row (1 for the first one).

        ``jitter`` returns a number from 0 (the pause is halved) to 1 (the full pause).

        Examples:
            >>> backoff.pause(3, jitter=lambda: 0.0)
            2.0
        """
        nominal = min(self.first * 2.0 ** min(failures - 1, 64), self.longest)
        return nominal * (0.5 + jitter() / 2)
