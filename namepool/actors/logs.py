"""The log calls of the package: a filter or handler that raises costs no more than its line."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from namepool.actors.thread import ActorThread


class Logger:
    """A logger whose calls never raise; ``logs.Logger(__name__)`` where ``logging`` is no good.

    A filter or handler belongs to the program, and may raise. What it raises goes to ``stderr``,
    as ``logging`` itself does with what fails in a handler, and the caller goes on. An exception
    that is no ``Exception`` passes on the main thread, where it may be a Ctrl-C, and on the
    program's own threads; on an actor's thread it is the handler's, and stops there.
    """

    def __init__(self, name: str) -> None:
        self._log = logging.getLogger(name).log

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
    """Make a call that logs at its end; what its logging raises stops here.

    For those of Pykka's calls that do something and then log it.
    """
    try:
        call(*args, **kwargs)
    except Exception:
        _complain()
    except BaseException:
        if not isinstance(threading.current_thread(), ActorThread):
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
