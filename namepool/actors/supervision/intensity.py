"""The restart budget, and the pause between restarts. Pure: time is an argument."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast


def is_seconds(value: object, *, zero: bool = False) -> bool:
    """Tell whether ``value`` is a time to wait; ``zero`` says whether that may be none."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= cast("float", value) <= 1e8 and (zero or value != 0)


class RestartBudget:
    """OTP's intensity: at most ``max_restarts`` restarts within any ``max_seconds`` seconds."""

    def __init__(self, max_restarts: int, max_seconds: float) -> None:
        self._max_restarts = max_restarts
        self._max_seconds = max_seconds
        self._spent: deque[float] = deque()

    def spend(self, now: float) -> bool:
        """Count a restart attempt at ``now``; return whether it is still within the budget."""
        self._spent.append(now)
        while now - self._spent[0] > self._max_seconds:
            self._spent.popleft()
        return len(self._spent) <= self._max_restarts


@dataclass(frozen=True)
class Backoff:
    """A pause before each restart: ``first`` seconds, doubling up to ``longest``, jittered down by
    up to a half; back at ``first`` after ``quiet`` seconds without a death (Akka's rule)."""

    first: float = 0.1
    longest: float = 10.0
    quiet: float = 30.0

    def __post_init__(self) -> None:
        for field in ("first", "longest", "quiet"):
            value = getattr(self, field)
            if not is_seconds(value):
                raise ValueError(f"{field} must be seconds, above 0 and at most 1e8, not {value!a}")

    def pause(self, failures: int, jitter: Callable[[], float] = random.random) -> float:
        """Return the seconds to wait after ``failures`` deaths in a row (1 for the first)."""
        nominal = min(self.first * 2.0 ** min(failures - 1, 64), self.longest)
        return nominal * (0.5 + jitter() / 2)
