"""Checks of options: seconds, counts, texts and more, and the error for a wrong value. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

MAX_SECONDS = 1e8
"""The longest duration: three years, in effect for ever. The locks of every platform accept it."""


@dataclass(frozen=True)
class Checks:
    """The checks that raise ``error``. Each takes the name of an option and its value.

    The text of the error is one line: the option, the expected values and the value.
    """

    error: type[ValueError]

    def invalid(self, option: str, value: object, expected: str) -> ValueError:
        """Return the error for an option."""
        return self.error(f"{option} must be {expected}, not {shown(value)}")

    def that(self, option: str, value: object, is_right: bool, expected: str) -> None:
        """Refuse a value that is not right."""
        if not is_right:
            raise self.invalid(option, value, expected)

    def flag(self, option: str, value: object) -> None:
        """Refuse a value that is neither ``True`` nor ``False``."""
        self.that(option, value, isinstance(value, bool), "True or False")

    def one_of(self, option: str, value: object, allowed: tuple[str, ...]) -> None:
        """Refuse a value that is none of the allowed strings."""
        self.that(option, value, isinstance(value, str) and value in allowed, f"one of {allowed}")

    def items(self, option: str, value: object, expected: str) -> list[Any]:
        """Return the items of an iterable; refuse a text, and an iterable without items."""
        is_text = isinstance(value, str | bytes)
        items = list(value) if isinstance(value, Iterable) and not is_text else []
        self.that(option, value, bool(items), expected)
        return items

    def count(self, option: str, value: object, least: int) -> None:
        """Refuse a value that is not an integer of at least ``least``."""
        is_right = isinstance(value, int) and not isinstance(value, bool) and value >= least
        self.that(option, value, is_right, f"an integer of at least {least}")

    def seconds(self, option: str, value: object, *, none: bool = False, zero: bool = True) -> None:
        """Refuse a value that is not a number of seconds up to ``MAX_SECONDS``.

        ``none`` and ``zero`` tell whether ``None`` and 0 are allowed.
        """
        if value is None and none:
            return
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not (0 < value <= MAX_SECONDS or (value == 0 and zero)):  # type: ignore[operator]
            least = "at least 0" if zero else "above 0"
            expected = f"seconds, {least} and at most {MAX_SECONDS:g}{', or None' if none else ''}"
            raise self.invalid(option, value, expected)

    def text(self, option: str, value: object, longest: int) -> str:
        """Return ``value`` if it is a printable string of 1 to ``longest`` characters."""
        if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= longest:
            raise self.invalid(option, value, f"a string of 1 to {longest} printable characters")
        return value


def shown(value: object, limit: int = 100, form: Callable[[object], str] = ascii) -> str:
    """Return ``form(value)`` for an error message, on one line, cut to ``limit``; never raise."""
    try:
        text = form(value)
    except Exception:
        text = f"<{type(value).__name__} that cannot be shown>"
    line = text if text.isprintable() else ascii(text)[1:-1]
    return line if len(line) <= limit else line[: limit - 1] + "…"
