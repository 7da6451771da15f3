"""The interpreter's exit: all our actors are stopped, and their ``on_stop`` runs."""

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
"""When the exit began, by ``time.monotonic``."""


def is_exiting() -> bool:
    """Tell whether the interpreter exits: from CPython 3.12 on no thread starts any more."""
    return _began is not None


def exiting_for() -> float:
    """Return for how many seconds the interpreter has been exiting; 0 if it is not."""
    return 0.0 if _began is None else time.monotonic() - _began


def _stop_all_at_exit() -> None:
    """Stop our actors, all at once; its supervisor stops what is supervised, in its order."""
    global _began
    _began = time.monotonic()
    deadline = _began + EXIT_TIMEOUT
    asked: dict[ServiceRef[Any], Any] = {}
    while left := [ref for ref in _roots() if ref not in asked]:
        asked.update((ref, ref.stop(block=False)) for ref in reversed(left))
        for ref, stopped in asked.items():  # one that stops may start a last one, to clean up
            try:
                stopped.get(timeout=max(deadline - time.monotonic(), 0.0))
            except Exception:
                logger.warning("%s did not stop before the interpreter's exit", ref)


def _roots() -> list[ServiceRef[Any]]:
    """Return the refs of those that nobody else stops."""
    refs = [ref for ref in pykka.ActorRegistry.get_all() if isinstance(ref, ServiceRef)]
    return [ref for ref in refs if ref.delays_exit and vars(ref).get("supervisor") is None]


atexit.register(_stop_all_at_exit)
