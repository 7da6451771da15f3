"""The start of an actor, and its lifecycle: the moment it came up, and the reason of its death.

A caller is *struck* when an exception is raised in it from outside, for example by Ctrl-C.
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
from namepool.actors.checks import shown
from namepool.actors.latch import Latch
from namepool.actors.logs import Logger
from namepool.actors.registry import enter, leave

logger: Logger = Logger(__name__)

Report = Callable[[str | None], object]

_numbers = itertools.count()


class Lifecycle:
    """A record of an actor's way from its start to its death.

    ``watch_up`` adds a watcher that is called once, when the actor is up. ``watch`` adds a watcher
    that is called once, when the actor is dead, with the reason of its death.
    """

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
        """The type and text of the first failure, or ``None``; never a traceback."""
        return self._first

    def failed(self, error: BaseException | type[BaseException] | None) -> None:
        """Note a failure.

        The first failure is the reason of the death. A later failure is only its consequence.
        """
        if self._first is None:
            self._first = text_of(error)

    def came_up(self) -> None:
        """Note that the actor is up: ``on_start`` is over, and the actor lives."""
        self.is_up.set()
        self.is_up_or_gone.set()
        self._tell(self._up_watchers, lambda watcher: watcher())

    def died(self) -> None:
        """Note that the actor is dead: nothing of it runs, and every request is answered."""
        self.is_gone.set()
        self.is_up_or_gone.set()
        self._tell(self._watchers, lambda watcher: watcher(self._first))

    def forked(self) -> None:
        """Note that the actor is gone in a forked child.

        Nothing of the actor runs there. The watchers are forgotten, because they watch it in the
        parent.
        """
        self._watchers.clear()
        self._up_watchers.clear()
        self.is_gone = self.is_up_or_gone = Latch()
        self.is_gone.set()

    def watch_up(self, watcher: Callable[[], object]) -> None:
        """Call ``watcher()`` once when the actor is up, or at once if it is up already."""
        self._up_watchers.append(watcher)
        if self.is_up.is_set():
            self.came_up()

    def watch(self, watcher: Report) -> None:
        """Call ``watcher(reason)`` once when the actor is dead, or at once if it is dead already.

        The watcher runs on the dying actor's thread, or on this one. The watcher must not block; a
        typical watcher makes a ``tell``.
        """
        self._watchers.append(watcher)
        if self.is_gone.is_set():
            self.died()

    def _tell(self, watchers: list[Any], call: Callable[[Any], object]) -> None:
        while watchers:
            try:
                watcher = watchers.pop(0)
            except IndexError:
                return  # another thread took the last watcher
            try:
                call(watcher)
            except Exception:
                logger.error("A watcher of %s failed:", self._name, exc_info=True)


def lifecycle_of(ref: pykka.ActorRef[Any]) -> Lifecycle:
    """Return the lifecycle of an actor of ours, or of an actor that ``launch`` has started."""
    return cast("Lifecycle", vars(ref)["lifecycle"])


def text_of(error: object) -> str:
    """Return the type and the text of an error as one log line."""
    kind = error if isinstance(error, type) else type(error)
    return f"{kind.__name__}: {shown(error, 500, str)}"


def launch(
    actor_class: type[pykka.Actor],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    supervisor: pykka.ActorRef[Any] | None = None,
    receipt: list[Any] | None = None,
    **about: object,
) -> pykka.ActorRef[Any]:
    """Start an actor and return its ref at once, before ``on_start`` is over.

    The ref gets ``supervisor`` and the items of ``about`` as attributes. The actor must report its
    own lifecycle. Our actors do so; ``supervision.foreign`` makes other actors do so.

    A caller may be struck before it has the ref. So the ref is also appended to ``receipt``, and
    such a caller passes the receipt to ``give_up``. If this function raises, nothing of the actor
    is left. It raises any error of the actor's constructor, too.

    Raises:
        RuntimeError: no thread could be started
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
    """Stop the actors that were launched for a struck caller.

    This also works before the thread of an actor runs.
    """
    for ref in receipt:
        ref.stop(block=False)
        leave(ref)


class ActorThread(threading.Thread):
    """A thread that runs the loop of ``actor`` and calls ``ended(error)`` at its very end.

    A tracer, such as that of Sentry, may replace the method ``run`` of a thread, or the function of
    ``threading`` that calls ``run``. If the tracer's function fails, the loop does not begin. Then
    only this thread can report the actor's death.
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
            del self._invoke_excepthook, self._tell_program  # both refer back to the thread
            self._ended(error)
