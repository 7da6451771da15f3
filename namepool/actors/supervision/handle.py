"""A ref that survives restarts."""

from __future__ import annotations

import threading
import time
import weakref
from typing import Any, NamedTuple

import pykka

from namepool.actors import forks
from namepool.actors.inbox import NotHandled
from namepool.actors.latch import under
from namepool.actors.lifecycle import ActorThread
from namepool.actors.never_copied import NeverCopied
from namepool.actors.ref import ANOTHER, FORKED
from namepool.actors.reply import Reply, Wait

_PARKED: Any = object()

DOWN = "it is down at this moment; ask() waits until it runs again"
ENDING = "its supervisor is ending, and waits for the actor that asks"


class Request(NamedTuple):
    """A request, whose reply nobody may read any more; ``asker`` is the actor that asks, if any."""

    message: Any
    waiting: weakref.ref[Reply[Any]]
    asker: pykka.ActorRef[Any] | None


class ActorHandle(NeverCopied):
    """Stands for a supervised actor across its incarnations.

    A request goes to the present incarnation, or waits, within its timeout, for the next one. One
    that an incarnation died without having seen goes to the next; one that may have been handled
    is not repeated, and its ``ActorDeadError`` says what the incarnation died of.

    ``name`` is the child's path: the ids of the supervisors above it, below the one at the root,
    and its own, as in ``crew/names``.
    """

    _instead = ANOTHER

    def __init__(self, name: str, keeper: pykka.ActorRef[Any] | None = None) -> None:
        self.name = name
        self.keeper: pykka.ActorRef[Any] | None = keeper
        """The child's supervisor, in its present incarnation."""
        self.below: dict[str, ActorHandle] = {}
        """Of a supervisor: the handles of its children, by their ids, across its incarnations."""
        self._ref: pykka.ActorRef[Any] | None = None
        self._makes_tokens = False
        self._generation = 0
        self._closed: str | None = None
        self._lock = threading.RLock()
        """Callers use it by ``under``; a supervisor's thread is not struck, and needs no more than
        ``with``."""
        self._parked: list[Request] = []
        forks.remember(self)

    @property
    def current(self) -> pykka.ActorRef[Any] | None:
        """The present incarnation's ref; ``None`` while there is none."""
        return self._ref

    @property
    def generation(self) -> int:
        """How many incarnations there have been."""
        return self._generation

    def is_alive(self) -> bool:
        """Tell whether there is an incarnation, and it is alive."""
        ref = self._ref
        return ref is not None and ref.is_alive()

    def ask(self, message: Any, *, block: bool = True, timeout: Wait = None) -> Any:
        """Return the answer; waits up to ``timeout`` seconds for an incarnation and its answer.

        With ``block=False`` it returns a future at once, which waits for the next incarnation if it
        must.

        Raises:
            pykka.Timeout: no incarnation, or no answer, in time
            pykka.ActorDeadError: there will be no further incarnation (``NotHandled``), or the one
                that had the request died of it or before it answered
        """
        if not block:
            return self._future(message)
        deadline = None if timeout is None else time.monotonic() + timeout
        ref: Any = self._ref
        if ref is not None:
            made: list[Any] = []
            is_there = False
            try:
                if self._makes_tokens:
                    answer = ref.ask(message, timeout=timeout, made=made)
                else:
                    answer = ref.ask(message, timeout=timeout)
                is_there = True  # no call from here to the return
                return answer
            except NotHandled:
                pass
            finally:
                if not is_there:
                    for token in made:
                        ref.give_up(token)
        reply, is_read = self._ask_next(message, ref, timeout, deadline), False
        try:
            answer = reply._answer
            is_read = True  # no call from here to the return
            return answer
        finally:
            if not is_read:
                reply.give_up()

    def _ask_next(
        self, message: Any, last: Any, timeout: float | None, deadline: float | None
    ) -> Reply[Any]:
        """Return the reply of an incarnation other than ``last``, once it is there."""
        reply, is_there = Reply[Any](), False
        try:
            self._send(_request(message, reply), last)
            reply.wait(None if deadline is None else max(deadline - time.monotonic(), 0.0))
            is_there = True
        except pykka.Timeout as error:
            if type(error) is pykka.Timeout:
                raise pykka.Timeout(
                    f"{self.name} did not run again within {timeout} s: allow more time, or see "
                    "its supervisor's log for what it dies of"
                ) from None
            raise
        finally:
            if not is_there:
                reply.give_up()
        return reply

    def _future(self, message: Any) -> Any:
        ref = self._ref
        if ref is not None:
            answer: Any = ref.ask(message, block=False)
            if not isinstance(answer, Reply):
                return answer  # of an actor that has an inbox of its own make
            if answer.is_resolved() and not isinstance(answer.error(), NotHandled):
                return answer
            reply = Reply[Any]()
            self._follow(_request(message, reply), answer, ref)
            return reply
        reply = Reply[Any]()
        self._send(_request(message, reply), None)
        return reply

    def tell(self, message: Any) -> None:
        """Send a message to the present incarnation.

        Raises:
            pykka.ActorDeadError: there is none at this moment
        """
        self._present().tell(message)

    def proxy(self) -> pykka.ActorProxy[Any]:
        """Return a proxy of the present incarnation; it does not outlive it.

        Raises:
            pykka.ActorDeadError: there is none at this moment
        """
        return self._present().proxy()

    def _present(self) -> pykka.ActorRef[Any]:
        ref = self._ref
        if ref is None:
            raise NotHandled(f"{self.name} is not running: {self._closed or DOWN}")
        return ref

    def stop(self, **_: Any) -> None:
        """Refused: a supervised actor is stopped by its supervisor.

        Raises:
            TypeError: always
        """
        raise TypeError(f"stop {self.name} with its supervisor's terminate_child()")

    def __repr__(self) -> str:
        return f"<ActorHandle of {self.name!r}, generation {self._generation}>"

    # -- requests that do not block ---------------------------------------------------------

    def _send(self, request: Request, last: pykka.ActorRef[Any] | None) -> None:
        """Send a request to an incarnation other than ``last``, or park it until there is one."""
        ref: Any = under(self._lock, self._next_or_park, request, last)
        reply = request.waiting()
        if reply is None or ref is _PARKED:
            return  # nobody will read it, or it is parked
        if ref is None:
            why = self._closed or ENDING
            reply.fail_quietly(NotHandled(f"{self.name} is not running: {why}"))
        else:
            self._follow(request, ref.ask(request.message, block=False), ref)

    def _next_or_park(self, request: Request, last: pykka.ActorRef[Any] | None) -> Any:
        ref = self._ref if self._ref is not last else None
        if ref is None and self._closed is None and not _waits_for(request.asker, self.keeper):
            self._parked.append(request)
            return _PARKED
        return ref

    def _follow(self, request: Request, answer: Any, ref: pykka.ActorRef[Any]) -> None:
        reply = request.waiting()
        if reply is None:
            return
        if isinstance(answer, Reply):
            reply.follow(answer, lambda: self._answered(request, answer, ref))
        else:  # of an actor that has an inbox of its own make
            reply.set_get_hook(lambda timeout: answer.get(timeout=timeout))

    def _answered(self, request: Request, answer: Reply[Any], ref: pykka.ActorRef[Any]) -> None:
        if isinstance(answer.error(), NotHandled):
            self._send(request, ref)
            return
        reply = request.waiting()
        if reply is not None:
            reply.take_over(answer)

    def _send_parked(self) -> None:
        with self._lock:
            parked, self._parked = self._parked, []
        for request in parked:
            self._send(request, None)

    # -- for the supervisor -----------------------------------------------------------------

    def child(self, id: str, keeper: pykka.ActorRef[Any]) -> ActorHandle:  # noqa: A002
        """Return the handle of a child of this one, a supervisor, which is ``keeper`` now."""
        handle = self.below.get(id)
        if handle is None:
            path = f"{self.name}/{id}" if self.name else id
            handle = self.below[id] = ActorHandle(path, keeper)
        return handle

    def find(self, path: str) -> ActorHandle | None:
        """Return the handle of a child of this one, or of a child of one of these, and so on."""
        found = self.below.get(path)
        if found is None:
            for id_, handle in list(self.below.items()):
                if path.startswith(f"{id_}/"):
                    found = found or handle.find(path[len(id_) + 1 :])
        return found

    def install(self, ref: pykka.ActorRef[Any]) -> None:
        """Make ``ref`` the present incarnation."""
        with self._lock:
            self._ref = ref
            self._makes_tokens = getattr(ref, "makes_tokens", False)
            self._generation += 1
            self._closed = None
        self._send_parked()

    def vacate(self) -> None:
        """The present incarnation is dead; there may be another."""
        with self._lock:
            self._ref = None
        self._send_parked()  # those stay parked, unless their supervisor waits for the asker

    def close(self, reason: str) -> None:
        """No further incarnation is to be expected: who waits for one is told ``reason``.

        Nor is one of the children below, if this is a supervisor.
        """
        self._close(reason)
        for handle in list(self.below.values()):
            handle.close(reason)

    def _close(self, reason: str) -> None:
        with self._lock:
            self._ref = None
            self._closed = reason
        self._send_parked()

    def forked(self) -> None:
        """Be closed in a forked child: its actor's thread does not exist there."""
        self._lock = threading.RLock()
        self._close(f"it {FORKED}")


def _request(message: Any, reply: Reply[Any]) -> Request:
    thread = threading.current_thread()
    asker = thread.ref if isinstance(thread, ActorThread) else None
    return Request(message, weakref.ref(reply), asker)


def _waits_for(asker: Any, supervisor: pykka.ActorRef[Any] | None) -> bool:
    """Tell whether a supervisor is ending, and ``asker`` is an actor below it.

    That end waits for the actor, and a next incarnation of any other comes after it.
    """
    while asker is not None and asker is not supervisor:
        asker = vars(asker).get("supervisor")
    return asker is not None and bool(asker.actor_stopped.is_set())
