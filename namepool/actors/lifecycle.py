"""How an actor starts, and when it came up, when it died and of what: each is told once.

A caller is *struck* when an exception is raised in it from outside, as by Ctrl-C.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, ClassVar, cast

import pykka

from namepool.actors import forks
from namepool.actors.latch import Latch
from namepool.actors.logs import Logger
from namepool.actors.registry import enter, leave

logger: Logger = Logger(__name__)

Report = Callable[[str | None], object]

_numbers = itertools.count()


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
            self._first = text_of(error)

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


def text_of(error: object) -> str:
    """Return the type and the text of an error, fit for one log line."""
    kind = error if isinstance(error, type) else type(error)
    try:
        text = str(error)[:500]
    except Exception:
        text = f"<{kind.__name__} that cannot be shown>"
    return f"{kind.__name__}: {text if text.isprintable() else ascii(text)[1:-1]}"


def launch(
    actor_class: type[pykka.Actor],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    supervisor: pykka.ActorRef[Any] | None = None,
    receipt: list[Any] | None = None,
    **about: object,
) -> pykka.ActorRef[Any]:
    """Start an actor; return its ref at once, before ``on_start`` is over.

    Its ref has ``supervisor`` and ``about`` as attributes.

    It reports its own lifecycle: ours do, and ``supervision.foreign`` makes others.

    Raises what its constructor raises, or ``RuntimeError`` if there is no thread to be had; then,
    or when the caller is struck, nothing of it is left. Its ref is appended to ``receipt``, for
    callers that may be struck before they have it: ``give_up`` it then.
    """
    actor: Any = actor_class(*args, **kwargs)
    ref = cast("pykka.ActorRef[Any]", actor.actor_ref)
    vars(ref).update(about, supervisor=supervisor)
    started = [] if receipt is None else receipt
    with ExitStack() as undo:
        undo.callback(give_up, [ref])
        started.append(ref)
        enter(ref, supervisor)
        actor._start_actor_loop()
        undo.pop_all()
    return ref


def give_up(receipt: list[Any]) -> None:
    """Stop what was launched for a caller that was struck, whether its thread runs yet or not."""
    for ref in receipt:
        ref.stop(block=False)
        leave(ref)


class ActorThread(threading.Thread):
    """Runs the loop of ``actor``; calls ``ended(error)`` at its very end.

    Tracers and the like replace ``run``, or the function underneath. Where theirs fails, the loop
    does not begin, and the actor cannot say so itself.
    """

    runs_an_actor: ClassVar[bool] = True

    def __init__(
        self, actor: pykka.ThreadingActor, ended: Callable[[BaseException | None], object]
    ) -> None:
        name = f"{type(actor).__name__}-{next(_numbers)}"
        super().__init__(target=actor._actor_loop, name=name, daemon=actor.use_daemon_thread)
        self.ref: pykka.ActorRef[Any] = actor.actor_ref
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
