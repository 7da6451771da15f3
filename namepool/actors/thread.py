"""The thread of an actor: its end is reported, also where the actor's loop never began on it."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable

import pykka

_numbers = itertools.count()


class ActorThread(threading.Thread):
    """Runs the loop of ``actor``; calls ``ended(error)`` at its very end.

    Tracers and the like replace ``run``, or the function underneath. Where theirs fails, the loop
    does not begin, and the actor cannot say so itself.
    """

    def __init__(
        self, actor: pykka.ThreadingActor, ended: Callable[[BaseException | None], object]
    ) -> None:
        name = f"{type(actor).__name__}-{next(_numbers)}"
        super().__init__(target=actor._actor_loop, name=name, daemon=actor.use_daemon_thread)
        self._ended = ended
        self._error: BaseException | None = None
        self._tell_program = self._invoke_excepthook  # type: ignore[has-type]
        self._invoke_excepthook = self._note_error

    def _note_error(self, thread: threading.Thread) -> None:
        self._error = sys.exc_info()[1]
        self._tell_program(thread)

    def _bootstrap(self) -> None:
        try:
            super()._bootstrap()  # type: ignore[misc]
        finally:
            error, self._error = sys.exc_info()[1] or self._error, None
            del self._invoke_excepthook, self._tell_program  # they hold the thread
            self._ended(error)
