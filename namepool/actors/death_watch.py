"""Every death is reported once, with its reason; also that of actors that know nothing of us.

A ``Fate`` goes with each ref: it says when the actor came up and when and why it died. Our own
actors write theirs; for any other, ``launch`` starts a dynamic subclass of its class that does,
that turns a BaseException into the death of this one actor, and closes the inbox behind it.
"""

from __future__ import annotations

import logging
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

import pykka
from pykka import messages

from namepool.actors.inbox import Inbox, refuse
from namepool.actors.latch import Latch
from namepool.actors.ref import QueuingRef
from namepool.actors.reply import Reply

logger: logging.Logger = logging.getLogger(__name__)

Report = Callable[[str | None], object]


class Fate:
    """When an actor came up, when it died and of what; each is told once to each who watches."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._first: str | None = None
        self.thread: threading.Thread | None = None
        self.is_up: Latch = Latch()
        self.is_gone: Latch = Latch()
        self.settled: Latch = Latch()
        """It is up, or gone."""
        self._up_watchers: list[Callable[[], object]] = []
        self._watchers: list[Report] = []

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
        self.settled.set()
        self._tell(self._up_watchers, lambda watcher: watcher())

    def died(self) -> None:
        """Nothing of the actor runs any more, and every request has been answered."""
        self.is_gone.set()
        self.settled.set()
        self._tell(self._watchers, lambda watcher: watcher(self._first))

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
                logger.exception("A watcher of %s failed:", self._name)


def fate_of(ref: pykka.ActorRef[Any]) -> Fate:
    """Return the fate of an actor that is ours or was started by ``launch``."""
    return cast("Fate", vars(ref)["fate"])


def launch(
    actor_class: type[pykka.Actor],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    supervisor: pykka.ActorRef[Any] | None = None,
    receipt: list[Any] | None = None,
) -> pykka.ActorRef[Any]:
    """Start an actor of any make, watched; return its ref at once, before ``on_start`` is over.

    Raises what its constructor raises, or ``RuntimeError`` if there is no thread to be had; then,
    or when the caller is struck, nothing of it is left. Its ref is appended to ``receipt``, for
    callers that may be struck before they have it: ``give_up`` it then.
    """
    watched = actor_class if hasattr(actor_class, "_reports_its_fate") else _watched(actor_class)
    actor: Any = watched(*args, **kwargs)
    ref = cast("pykka.ActorRef[Any]", actor.actor_ref)
    vars(ref)["supervisor"] = supervisor
    started = [] if receipt is None else receipt
    try:
        started.append(ref)
        _register(ref, supervisor)
        actor._start_actor_loop()
    except BaseException:
        give_up([ref])
        raise
    return ref


def give_up(receipt: list[Any]) -> None:
    """Stop what was launched for a caller that was struck, whether its thread runs yet or not."""
    for ref in receipt:
        pykka.ActorRegistry.unregister(ref)
        ref.stop(block=False)


def _register(ref: pykka.ActorRef[Any], supervisor: pykka.ActorRef[Any] | None) -> None:
    """Enter an actor in the registry, and its supervisors, from the nearest on, behind it.

    ``ActorRegistry.stop_all`` goes through it backwards: so it asks a supervisor first, which stops
    its children in its own order, and restarts none.
    """
    registry = pykka.ActorRegistry
    with registry._actor_refs_lock:
        registry.register(ref)
        while supervisor is not None and supervisor in registry._actor_refs:
            registry._actor_refs.remove(supervisor)
            registry._actor_refs.append(supervisor)
            supervisor = vars(supervisor).get("supervisor")


_cache: weakref.WeakKeyDictionary[type, type] = weakref.WeakKeyDictionary()


def _watched(actor_class: type[pykka.Actor]) -> type[pykka.Actor]:
    """Return the subclass of ``actor_class`` that reports its fate; made once."""
    known = _cache.get(actor_class)
    if known is None:
        body = {"__module__": actor_class.__module__, "__qualname__": actor_class.__qualname__}
        if actor_class._create_actor_inbox is pykka.ThreadingActor._create_actor_inbox:
            body["_create_actor_inbox"] = staticmethod(Inbox)  # type: ignore[assignment]
            body["_create_future"] = staticmethod(Reply)  # type: ignore[assignment]
        known = _cache[actor_class] = type(actor_class.__name__, (_Watched, actor_class), body)
    return known


class _Watched(pykka.Actor if TYPE_CHECKING else object):  # type: ignore[misc]
    """Mixed in before the class of an actor that knows nothing of us."""

    _actor_ref: Any
    _unhooked: Any = None  # exc_info of a BaseException that on_failure has not been told of

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.actor_inbox, Inbox):
            self._actor_ref = QueuingRef(self)

    def _start_actor_loop(self) -> None:
        self._fate = Fate(str(self))
        self._actor_ref.fate = self._fate
        try:
            super()._start_actor_loop()
        except BaseException as error:
            self._handle_failure(type(error), error, error.__traceback__)
            self._fate.died()
            raise

    def _actor_loop(self) -> None:
        self._fate.thread = threading.current_thread()
        if isinstance(self.actor_inbox, Inbox):
            self.actor_inbox.turn.acquire()
        try:
            super()._actor_loop()
            if self._unhooked is not None:
                self.on_failure(*self._unhooked)
        except BaseException:  # out of a hook; it is the end of this actor and of nothing else
            self._handle_failure(*sys.exc_info())
        finally:
            self._unhooked = None
            inbox = self.actor_inbox
            if isinstance(inbox, Inbox):
                inbox.close(lambda envelope: refuse(self._actor_ref, envelope))
            self._fate.died()

    def _actor_loop_setup(self) -> None:
        super()._actor_loop_setup()
        if not self.actor_stopped.is_set():
            self._fate.came_up()

    def _actor_loop_teardown(self) -> None:
        if not isinstance(self.actor_inbox, Inbox):
            super()._actor_loop_teardown()  # else closing the inbox does it

    def _handle_receive(self, message: Any) -> Any:
        try:
            return super()._handle_receive(message)
        except Exception:
            raise
        except BaseException as error:  # Pykka would stop every actor of the program
            self._handle_failure(*sys.exc_info())
            if isinstance(message, messages._ActorStop):
                return None  # it has stopped, however badly
            self._unhooked = sys.exc_info()
            raise pykka.ActorDeadError(f"{self} died of {error!r} handling the message") from error

    def on_failure(self, *exc_info: Any) -> None:
        self._unhooked = None
        super().on_failure(*exc_info)

    def _handle_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
        self._fate.failed(exception_value or exception_type)
        super()._handle_failure(exception_type, exception_value, traceback)


def _text_of(error: object) -> str:
    """Return the text of an error, fit for one log line."""
    try:
        text = str(error)[:500]
    except Exception:
        return f"<{type(error).__name__} that cannot be shown>"
    return text if text.isprintable() else ascii(text)[1:-1]
