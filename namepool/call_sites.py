"""The place in the program at which a request is made."""

from __future__ import annotations

import sys
from types import CodeType

Place = tuple[CodeType, int]
"""A code object, and a line in it."""

_BETWEEN = {"namepool", "pykka", "contextlib"}
"""Packages that stand between the program and its pool."""


def place_of_caller() -> Place | None:
    """Return the innermost place on this thread that is in the program's own code."""
    frame = sys._getframe(2)  # noqa: SLF001  public by its documentation
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] not in _BETWEEN:
            return frame.f_code, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return None


def line_of(place: Place) -> str:
    """Return the text that shows a place: ``path/file.py:12``."""
    code, line = place
    return f"{code.co_filename}:{line}"
