"""Subclasses that report the death of a foreign actor once, with its reason.

Our own actors report their deaths themselves. A *foreign* actor is one of any other class. For such
a class, this module makes a subclass, and the supervisor starts the subclass. The subclass reports
the death. It turns a BaseException into the death of this one actor. It closes the inbox after the
death.
"""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any, cast

import pykka
from pykka import messages

from namepool.actors.inbox import Inbox, refuse
from namepool.actors.lifecycle import ActorThread, Lifecycle
from namepool.actors.logs import quietly
from namepool.actors.ref import QueuingRef
from namepool.actors.registry import retire
from namepool.actors.reply import Reply

_cache: weakref.WeakKeyDictionary[type, type] = weakref.WeakKeyDictionary()


def watched(actor_class: type[pykka.Actor]) -> type[pykka.Actor]:
    """Return ``actor_class``, or a subclass of it that reports its lifecycle.

    The subclass is made only once.
    """
    if hasattr(actor_class, "_reports_its_lifecycle"):
        return actor_class
    known = _cache.get(actor_class)
    if known is None:
        body = {"__module__": actor_class.__module__, "__qualname__": actor_class.__qualname__}
        if _says_nothing_of_its_thread(actor_class):
            body["use_daemon_thread"] = True  # type: ignore[assignment]
        if actor_class._create_actor_inbox is pykka.ThreadingActor._create_actor_inbox:
            body["_create_actor_inbox"] = staticmethod(Inbox)  # type: ignore[assignment]
            body["_create_future"] = staticmethod(Reply)  # type: ignore[assignment]
        known = _cache[actor_class] = type(actor_class.__name__, (_Watched, actor_class), body)
    return known


def _says_nothing_of_its_thread(actor_class: type[pykka.Actor]) -> bool:
    """Tell whether the class leaves its kind of thread to Pykka.

    Pykka's default thread keeps the interpreter from its exit. We do not need that, because the
    exit stops the supervisor, and so this actor, as soon as the exit begins.
    """
    mro = actor_class.__mro__
    if pykka.ThreadingActor not in mro:
        return False
    own = mro[: mro.index(pykka.ThreadingActor)]
    return not any("use_daemon_thread" in vars(cls) for cls in own)


class _Watched(pykka.Actor if TYPE_CHECKING else object):  # type: ignore[misc]
    """A mixin before an actor class that does not know this package."""

    _actor_ref: Any
    _unhooked: Any = None  # exc_info of a BaseException that on_failure has not got yet

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.actor_inbox, Inbox):
            self._actor_ref = QueuingRef(self)

    def _start_actor_loop(self) -> None:
        self._lifecycle = Lifecycle(str(self))
        self._actor_ref.lifecycle = self._lifecycle
        has_started = False
        try:
            self._start_thread()
            has_started = True
        finally:
            if not has_started:
                self._lifecycle.failed(sys.exc_info()[1])
                self._finish()

    def _start_thread(self) -> None:
        start = super()._start_actor_loop
        if getattr(start, "__func__", None) is pykka.ThreadingActor._start_actor_loop:
            ActorThread(cast("Any", self), self._thread_ended).start()
        else:
            start()  # an actor that overrides this method starts its thread in its own way

    def _thread_ended(self, error: BaseException | None) -> None:
        """Report the death of an actor if its loop never began."""
        if not self._lifecycle.is_gone.is_set():
            self._lifecycle.failed(error or RuntimeError("its thread ended before the actor did"))
            self._finish()

    def _actor_loop(self) -> None:
        if isinstance(self.actor_inbox, Inbox):
            self.actor_inbox.turn.acquire()
        try:
            super()._actor_loop()
            if self._unhooked is not None:
                self.on_failure(*self._unhooked)
        except BaseException:  # an error of a hook ends this actor and nothing else
            self._handle_failure(*sys.exc_info())
        finally:
            self._unhooked = None
            self._finish()

    def _finish(self) -> None:
        retire(self._actor_ref)
        inbox = self.actor_inbox
        if isinstance(inbox, Inbox):
            inbox.close(lambda envelope: refuse(self._actor_ref, envelope))
        self._lifecycle.died()

    def _actor_loop_setup(self) -> None:
        super()._actor_loop_setup()
        if not self.actor_stopped.is_set():
            self._lifecycle.came_up()

    def _actor_loop_teardown(self) -> None:
        if not isinstance(self.actor_inbox, Inbox):
            super()._actor_loop_teardown()  # our inbox does this work when it is closed

    def _handle_receive(self, message: Any) -> Any:
        try:
            return super()._handle_receive(message)
        except Exception:
            raise
        except BaseException as error:  # on such an error Pykka would stop all actors
            self._handle_failure(*sys.exc_info())
            if isinstance(message, messages._ActorStop):
                return None  # the actor has stopped, even though with an error
            self._unhooked = sys.exc_info()
            raise pykka.ActorDeadError(f"{self} died of {error!r} handling the message") from error

    def on_failure(self, *exc_info: Any) -> None:
        self._unhooked = None
        super().on_failure(*exc_info)

    def _handle_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        self._lifecycle.failed(exception_value or exception_type)
        retire(self._actor_ref)  # done here, because Pykka logs before it retires the actor
        quietly(super()._handle_failure, exception_type, exception_value, traceback)
