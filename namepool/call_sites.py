"""Where in the program a request is made."""

from __future__ import annotations

import sys

_BETWEEN = {"namepool", "pykka", "contextlib"}
"""Packages that stand between the program and its pool."""


def place_of_caller() -> str | None:
    """Return the innermost line on this thread that is the program's own: ``path/file.py:12``."""
    frame = sys._getframe(1)  # noqa: SLF001  public by its documentation
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] not in _BETWEEN:
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return None
