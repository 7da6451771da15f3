"""The interpreter's exit, which stops all our actors and so runs their ``on_stop``."""

from __future__ import annotations

import atexit
import time
from typing import Any

import pykka

from namepool.actors.logs import Logger
from namepool.actors.ref import ServiceRef

logger: Logger = Logger(__name__)

EXIT_TIMEOUT = 5.0
"""Seconds that the interpreter's exit waits for all actors together to stop."""


_began: float | None = None
"""The time at which the exit began, by ``time.monotonic``."""


def is_exiting() -> bool:
    """Tell whether the interpreter is exiting.

    From CPython 3.12 on, no new thread can start during the exit.

    Examples:
        >>> from namepool.actors import is_exiting
        >>> is_exiting()
        False
    """
    return _began is not None


def exiting_for() -> float:
    """Return the seconds since the interpreter's exit began, or 0 if it has not begun."""
    return 0.0 if _began is None else time.monotonic() - _began


def _stop_all_at_exit() -> None:
    """Stop all our actors at the same time.

    A supervised actor is stopped by its supervisor, in the supervisor's order.
    """
    global _began
    _began = time.monotonic()
    deadline = _began + EXIT_TIMEOUT
    asked: dict[ServiceRef[Any], Any] = {}
    while left := [ref for ref in _roots() if ref not in asked]:
        asked.update((ref, ref.stop(block=False)) for ref in reversed(left))
        for ref, stopped in asked.items():  # an actor may start another one to clean up
            try:
                stopped.get(timeout=max(deadline - time.monotonic(), 0.0))
            except Exception:
                logger.warning("%s did not stop before the interpreter's exit", ref)


def _roots() -> list[ServiceRef[Any]]:
    """Return the refs of our actors without a supervisor that the exit must stop."""
    refs = [ref for ref in pykka.ActorRegistry.get_all() if isinstance(ref, ServiceRef)]
    return [ref for ref in refs if ref.delays_exit and vars(ref).get("supervisor") is None]


atexit.register(_stop_all_at_exit)
