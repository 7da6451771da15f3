"""What a task waits for that can only be waited for by a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from namepool.actors import Reply


def on_its_own_thread(function: Callable[[], Any]) -> Reply[Any]:
    """Run ``function``: not on a loop's executor, whose threads may all wait for names.

    Where no thread can be started it runs here, and the loop waits.
    """
    reply: Reply[Any] = Reply()

    def run() -> None:
        try:
            reply.set_quietly(function())
        except BaseException as error:
            reply.fail_quietly(error)

    try:
        threading.Thread(target=run, name="namepool-aside", daemon=True).start()
    except RuntimeError as error:
        if isinstance(error, RecursionError):
            raise  # it came from outside
        run()
    return reply
