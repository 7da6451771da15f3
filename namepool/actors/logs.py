"""The log calls of the package. If a filter or handler raises, only its log line is lost."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any


class Logger:
    """A logger whose calls never raise.

    Filters and handlers belong to the program, and may raise. Then the error is printed to
    ``stderr``, as ``logging`` does with an error in ``emit``, and the caller goes on. On an actor's
    thread this also holds for ``SystemExit`` and other errors that are no ``Exception``. On any
    other thread such an error is raised, because it may be a Ctrl-C.
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
    """Make a call that logs, and let no error of the logging pass, as ``Logger`` promises.

    Some functions of Pykka do their work and then log it. The package calls them through this one.
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
    """Print the exception that is being handled, as ``logging.Handler.handleError`` does."""
    try:
        if logging.raiseExceptions and sys.stderr is not None:
            sys.stderr.write("--- A log call of namepool failed ---\n")
            traceback.print_exc()
    except Exception:
        return  # stderr is closed
