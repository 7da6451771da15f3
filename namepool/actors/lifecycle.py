"""When an actor came up, when it died and of what: each is told once to each who watches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pykka

from namepool.actors import forks
from namepool.actors.latch import Latch
from namepool.actors.logs import Logger

logger: Logger = Logger(__name__)

Report = Callable[[str | None], object]


class Lifecycle:
    """When an actor came up, when it died and of what; each is told once to each who watches."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._first: str | None = None
        self.is_up: Latch = Latch()
        self.is_gone: Latch = Latch()
        self.is_up_or_gone: Latch = Latch()
        self._up_watchers: list[Callable[[], object]] = []
        self._watchers: list[Report] = []
        forks.remember(self)

    @property
    def reason(self) -> str | None:
        """Type and text of the first failure; ``None`` if there was none. Never a traceback."""
        return self._first

    def failed(self, error: BaseException | type[BaseException] | None) -> None:
        """Note a failure; the first is the reason of the death, a later one its consequence."""
        if self._first is None:
            kind = error if isinstance(error, type) else type(error)
            self._first = f"{kind.__name__}: {_text_of(error)}"

    def came_up(self) -> None:
        """``on_start`` is over, and the actor lives."""
        self.is_up.set()
        self.is_up_or_gone.set()
        self._tell(self._up_watchers, lambda watcher: watcher())

    def died(self) -> None:
        """Nothing of the actor runs any more, and every request has been answered."""
        self.is_gone.set()
        self.is_up_or_gone.set()
        self._tell(self._watchers, lambda watcher: watcher(self._first))

    def forked(self) -> None:
        """Nothing of the actor runs in a forked child; who watched it did so in its parent."""
        self._watchers.clear()
        self._up_watchers.clear()
        self.is_gone = self.is_up_or_gone = Latch()
        self.is_gone.set()

    def watch_up(self, watcher: Callable[[], object]) -> None:
        """Call ``watcher()`` once when the actor is up; at once if it is."""
        self._up_watchers.append(watcher)
        if self.is_up.is_set():
            self.came_up()

    def watch(self, watcher: Report) -> None:
        """Call ``watcher(reason)`` once when the actor is dead; at once if it is.

        It runs on the dying actor's thread, or here: it must not block; a ``tell`` is what it is
        for.
        """
        self._watchers.append(watcher)
        if self.is_gone.is_set():
            self.died()

    def _tell(self, watchers: list[Any], call: Callable[[Any], object]) -> None:
        while watchers:
            try:
                watcher = watchers.pop(0)
            except IndexError:
                return  # another thread took the last one
            try:
                call(watcher)
            except Exception:
                logger.error("A watcher of %s failed:", self._name, exc_info=True)


def lifecycle_of(ref: pykka.ActorRef[Any]) -> Lifecycle:
    """Return the lifecycle of an actor that is ours or was started by ``launch``."""
    return cast("Lifecycle", vars(ref)["lifecycle"])


def _text_of(error: object) -> str:
    """Return the text of an error, fit for one log line."""
    try:
        text = str(error)[:500]
    except Exception:
        return f"<{type(error).__name__} that cannot be shown>"
    return text if text.isprintable() else ascii(text)[1:-1]
