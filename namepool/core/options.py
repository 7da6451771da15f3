"""The options of a pool, checked by name when it starts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from namepool.actors.checks import Checks, shown
from namepool.core.names import plain, why_invalid
from namepool.errors import InvalidOption

CHECKS: Checks = Checks(InvalidOption)
"""The checks of all options but those of supervisors."""

DEFAULT_TIMEOUT = 30.0
"""Seconds that a checkout waits for a name by default."""

GRACE = 1.0
"""Seconds beyond a checkout's timeout that a handle waits for the pool's own answer."""


MAX_CHUNK_SIZE = 50
"""The most names that one fetch asks for, unless ``chunk_size`` is larger."""


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """The options of ``NamePool.start`` besides its source.

    Raises:
        InvalidOption: an option is wrong; the message names the option, the value and the values
            that are allowed
    """

    chunk_size: int = 12
    max_chunk_size: int | None = None
    low_water_mark: int | None = None
    max_fetches: int = 4
    fetch_timeout: float = 30.0
    prefetch: bool = False
    reuse_gap: int = 1000
    reclaim_after: float | None = 300.0
    leak_after: float | None = None
    reserved: Iterable[str] = ()
    ledger: object = None

    def __post_init__(self) -> None:
        CHECKS.count("chunk_size", self.chunk_size, 1)
        if self.max_chunk_size is None:
            object.__setattr__(self, "max_chunk_size", max(MAX_CHUNK_SIZE, self.chunk_size))
        CHECKS.count("max_chunk_size", self.max_chunk_size, self.chunk_size)
        if self.low_water_mark is not None:
            CHECKS.count("low_water_mark", self.low_water_mark, 0)
        CHECKS.count("max_fetches", self.max_fetches, 1)
        CHECKS.seconds("fetch_timeout", self.fetch_timeout, zero=False)
        CHECKS.flag("prefetch", self.prefetch)
        CHECKS.count("reuse_gap", self.reuse_gap, 0)
        CHECKS.seconds("reclaim_after", self.reclaim_after, none=True)
        CHECKS.seconds("leak_after", self.leak_after, none=True, zero=False)
        object.__setattr__(self, "reserved", _names("reserved", self.reserved))


LONGEST_THEME = 200
"""The most characters in a theme."""


def check_theme(theme: object) -> str | None:
    """Return ``theme`` if it is a valid theme or ``None``."""
    return None if theme is None else CHECKS.text("theme", theme, LONGEST_THEME)


def _names(option: str, value: object) -> tuple[str, ...]:
    """Return ``value`` as a tuple if it is an iterable of valid names."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise CHECKS.invalid(option, value, "a list of names")
    names = tuple(map(plain, value))
    for number, name in enumerate(names, 1):
        if (reason := why_invalid(name)) is not None:
            raise InvalidOption(f"{option}: entry {number}: {shown(name)} {reason}")
    return cast("tuple[str, ...]", names)
