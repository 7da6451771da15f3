"""The columns of a terminal."""

from __future__ import annotations

import unicodedata


def columns(text: str) -> int:
    """Return the columns of ``text``; most Chinese, Japanese and Korean characters take two."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def padded(text: str, width: int) -> str:
    """Return ``text`` with spaces behind it, so that it takes at least ``width`` columns."""
    return text + " " * (width - columns(text))
