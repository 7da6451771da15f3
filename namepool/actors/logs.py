"""The log calls of the package: a filter or handler that raises costs no more than its line."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any


class Logger:
    """A logger whose calls never raise.

    Filters and handlers belong to the program, and may raise. The error is printed to ``stderr``,
    as ``logging`` does with an error in ``emit``, and the caller goes on. ``SystemExit`` and the
    like stop here on an actor's thread; on any other thread they pass, as they may be a Ctrl-C.
    """

    def __init__(self, name: str) -> None:
        self._log = logging.getLogger(name).log

    def debug(self, text: str, *args: object) -> None:
        """Log a line."""
        quietly(self._log, logging.DEBUG, text, *args, stacklevel=3)

    def info(self, text: str, *args: object, exc_info: Any = None) -> None:
        """Log a line."""
        quietly(self._log, logging.INFO, text, *args, exc_info=exc_info, stacklevel=3)

    def warning(self, text: str, *args: object, exc_info: Any = None) -> None:
        """Log a line."""
        quietly(self._log, logging.WARNING, text, *args, exc_info=exc_info, stacklevel=3)

    def error(self, text: str, *args: object, exc_info: Any = None) -> None:
        """Log a line."""
        quietly(self._log, logging.ERROR, text, *args, exc_info=exc_info, stacklevel=3)


def quietly(call: Callable[..., object], *args: Any, **kwargs: Any) -> None:
    """Make a call that logs, and let no error of its logging pass; see ``Logger``.

    Some functions of Pykka do their work and then log it: they are called by this one.
    """
    try:
        call(*args, **kwargs)
    except Exception:
        _complain()
    except BaseException:
        if not hasattr(threading.current_thread(), "runs_an_actor"):
            raise
        _complain()


def _complain() -> None:
    """Print the exception being handled, as ``logging.Handler.handleError`` does."""
    try:
        if logging.raiseExceptions and sys.stderr is not None:
            sys.stderr.write("--- A log call of namepool failed ---\n")
            traceback.print_exc()
    except Exception:
        return  # stderr is closed
