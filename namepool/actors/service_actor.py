"""The base of our actors: a Pykka actor whose requests run where they are sent.

Which thread runs what: ``on_start``, ``on_stop``, ``on_failure``, every ``tell`` and every timer
run on the actor's own thread. A request to an *idle* actor runs on the caller's thread, in the
actor's turn: one message at a time and in order, exactly as if the actor's thread had run it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

from pykka.messages import _ActorStop

from namepool.actors.actor_loop import ActorLoop
from namepool.actors.inbox import Inbox
from namepool.actors.later import LATER
from namepool.actors.launch import give_up, launch
from namepool.actors.reply import Reply
from namepool.actors.service_ref import ServiceRef
from namepool.actors.thread import ActorThread


class ServiceActor(ActorLoop):
    """A Pykka actor that answers every request and runs it where it is sent; see the module.

    Subclass it like ``pykka.ThreadingActor``. Its thread is a daemon: a program that forgets to
    stop it exits, after ``on_stop`` ran at interpreter exit: see ``at_exit``.
    """

    use_daemon_thread = True

    non_blocking: ClassVar[bool] = False
    """Set it on an actor whose handlers never block and may be cut short anywhere: then requests
    for a future, with a timeout or from the main thread run on the caller's thread too. What they
    may leave half done is ``actor_inbox.guarded``."""

    delays_exit: ClassVar[bool] = True
    """The interpreter's exit stops it and waits for that, up to 5 s. Unset it on an actor that
    another one stops, and whose work is worth nothing by then."""

    _reports_its_lifecycle: ClassVar[bool] = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._actor_ref = self._create_ref()
        self._inline: dict[type, Callable[[Any], Any]] = {_ActorStop: _later}
        """What callers may run, by the type of the message."""
        self._inline_other: Callable[[Any], Any] = self._receive_as_itself

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> Any:
        """Start an actor and return its ref; see ``pykka.Actor.start``.

        A caller that is struck leaves none behind.
        """
        started: list[Any] = []
        is_kept = False
        try:
            ref = launch(cls, args, kwargs, receipt=started)
            is_kept = True  # no call from here to the return
            return ref
        finally:
            if not is_kept:
                give_up(started)

    def _create_ref(self) -> ServiceRef[Any]:
        return ServiceRef(self)

    @staticmethod
    def _create_actor_inbox() -> Inbox:
        return Inbox()

    @staticmethod
    def _create_future() -> Reply[Any]:
        return Reply()

    def _start_actor_loop(self) -> None:
        thread = ActorThread(self, self._thread_ended)
        try:
            thread.start()
        except Exception as error:
            if thread.ident is not None:
                raise  # it came from outside
            # No thread can be started, or a tracer failed: nobody else will clean up.
            self._actor_ref.lifecycle.failed(error)
            self._finish()
            raise

    # -- for handlers -----------------------------------------------------------------------

    def deferred(self) -> Reply[Any]:
        """Return the reply that the current caller will read, to be returned and resolved later.

        A watched one is not kept alive by the actor: what is returned stands in for it.
        """
        return Reply() if self._replying is None else cast("Reply[Any]", self._replying)

    def schedule(self, delay: float, message: Any) -> None:
        """Tell oneself ``message`` in ``delay`` seconds."""
        self.actor_inbox.schedule(delay, message)


def _later(_: object) -> Any:
    return LATER
