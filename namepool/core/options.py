"""The options of a pool, checked by name when it starts. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from namepool.core.names import plain, shown, why_invalid
from namepool.errors import InvalidOption

MAX_SECONDS = 1e8
"""The longest duration: three years, in effect for ever. The locks of every platform accept it."""


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
        check_count("chunk_size", self.chunk_size, 1)
        if self.max_chunk_size is None:
            object.__setattr__(self, "max_chunk_size", max(MAX_CHUNK_SIZE, self.chunk_size))
        check_count("max_chunk_size", self.max_chunk_size, self.chunk_size)
        if self.low_water_mark is not None:
            check_count("low_water_mark", self.low_water_mark, 0)
        check_count("max_fetches", self.max_fetches, 1)
        check_seconds("fetch_timeout", self.fetch_timeout, zero=False)
        if not isinstance(self.prefetch, bool):
            raise invalid("prefetch", self.prefetch, "True or False")
        check_count("reuse_gap", self.reuse_gap, 0)
        check_seconds("reclaim_after", self.reclaim_after, none=True)
        check_seconds("leak_after", self.leak_after, none=True, zero=False)
        object.__setattr__(self, "reserved", _names("reserved", self.reserved))


LONGEST_THEME = 200
"""The most characters in a theme."""


def check_theme(theme: object) -> str | None:
    """Return ``theme`` if it is a valid theme or ``None``."""
    return None if theme is None else check_text("theme", theme, LONGEST_THEME)


def check_count(option: str, value: object, least: int) -> None:
    """Refuse a value that is not an integer of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise invalid(option, value, f"an integer of at least {least}")


def check_seconds(option: str, value: object, *, none: bool = False, zero: bool = True) -> None:
    """Refuse a value that is not a number of seconds up to ``MAX_SECONDS``.

    ``none`` and ``zero`` tell whether ``None`` and 0 are allowed.
    """
    if value is None and none:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not (0 < value <= MAX_SECONDS or (value == 0 and zero)):  # type: ignore[operator]
        least = "at least 0" if zero else "above 0"
        expected = f"seconds, {least} and at most {MAX_SECONDS:g}{', or None' if none else ''}"
        raise invalid(option, value, expected)


def _names(option: str, value: object) -> tuple[str, ...]:
    """Return ``value`` as a tuple if it is an iterable of valid names."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise invalid(option, value, "a list of names")
    names = tuple(map(plain, value))
    for number, name in enumerate(names, 1):
        if (reason := why_invalid(name)) is not None:
            raise InvalidOption(f"{option}: entry {number}: {shown(name)} {reason}")
    return cast("tuple[str, ...]", names)


def check_text(option: str, value: object, longest: int) -> str:
    """Return ``value`` if it is a printable string of 1 to ``longest`` characters."""
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= longest:
        raise invalid(option, value, f"a string of 1 to {longest} printable characters")
    return value


def invalid(option: str, value: object, expected: str) -> InvalidOption:
    """Return the error for an option; its message is one line."""
    return InvalidOption(f"{option} must be {expected}, not {shown(value)}")
