"""What happens to our actors when the interpreter exits: they are stopped, and ``on_stop`` runs."""

from __future__ import annotations

import atexit
import time
from typing import Any

import pykka

from namepool.actors.logs import Logger
from namepool.actors.service_ref import ServiceRef

logger: Logger = Logger(__name__)

EXIT_TIMEOUT = 5.0
"""Seconds that the interpreter's exit waits for all actors together to stop."""


_exiting = False


def is_exiting() -> bool:
    """Tell whether the interpreter exits: from CPython 3.12 on no thread starts any more."""
    return _exiting


def _stop_all_at_exit() -> None:
    """Stop our actors, all at once; its supervisor stops what is supervised, in its order."""
    global _exiting
    _exiting = True
    deadline = time.monotonic() + EXIT_TIMEOUT
    asked: dict[ServiceRef[Any], Any] = {}
    while left := [ref for ref in _roots() if ref not in asked]:
        asked.update((ref, ref.stop(block=False)) for ref in reversed(left))
        for ref, stopped in asked.items():  # one that stops may start a last one, to clean up
            if not ref.delays_exit:
                continue
            try:
                stopped.get(timeout=max(deadline - time.monotonic(), 0.0))
            except Exception:
                logger.warning("%s did not stop before the interpreter's exit", ref)


def _roots() -> list[ServiceRef[Any]]:
    refs = [ref for ref in pykka.ActorRegistry.get_all() if isinstance(ref, ServiceRef)]
    return [ref for ref in refs if vars(ref).get("supervisor") is None]


atexit.register(_stop_all_at_exit)
