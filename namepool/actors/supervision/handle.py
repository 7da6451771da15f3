"""The handle of a supervised actor: a ref that survives restarts."""

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
    """A request with a weak reference to its reply, because the caller may drop the reply.

    ``asker`` is the actor that asks, or ``None`` if the caller is no actor.
    """

    message: Any
    waiting: weakref.ref[Reply[Any]]
    asker: pykka.ActorRef[Any] | None


class ActorHandle(NeverCopied):
    """A ref of a supervised actor that stays valid across the actor's incarnations.

    A request goes to the present incarnation. If there is none, the request waits for the next
    incarnation within its timeout. If an incarnation dies before it sees the request, the request
    goes to the next incarnation. If an incarnation may have handled the request, the request is not
    repeated. Then the caller gets an ``ActorDeadError`` that names the reason of the death.

    ``name`` is the child's path, for example ``crew/names``. It has the ids of the supervisors
    above the child, without the one at the root, and then the child's own id.

    Examples:
        >>> from namepool.actors import ChildSpec, ServiceActor, Supervisor
        >>> class Cook(ServiceActor):
        ...     def on_receive(self, dish):
        ...         return f"one {dish}"
        >>> root = Supervisor.start(children=[ChildSpec("cook", Cook)])
        >>> cook = root.handle("cook")
        >>> cook.ask("soup")
        'one soup'
    """

    _instead = ANOTHER

    def __init__(self, name: str, keeper: pykka.ActorRef[Any] | None = None) -> None:
        self.name = name
        self.keeper: pykka.ActorRef[Any] | None = keeper
        """The child's supervisor, in its present incarnation."""
        self.below: dict[str, ActorHandle] = {}
        """The handles of the children by their ids, if the child is a supervisor.

        They stay the same across its incarnations.
        """
        self._ref: pykka.ActorRef[Any] | None = None
        self._makes_tokens = False
        self._generation = 0
        self._closed: str | None = None
        self._lock = threading.RLock()
        """Callers take the lock with ``under``, because they may be struck.

        A supervisor's thread is never struck, so ``with`` is enough there.
        """
        self._parked: list[Request] = []
        forks.remember(self)

    @property
    def current(self) -> pykka.ActorRef[Any] | None:
        """The ref of the present incarnation, or ``None`` while there is no incarnation.

        Examples:
            >>> cook.current
            <ActorRef for Cook (urn:uuid:...)>
        """
        return self._ref

    @property
    def generation(self) -> int:
        """The number of incarnations so far.

        Examples:
            >>> cook.generation
            1
        """
        return self._generation

    def is_alive(self) -> bool:
        """Tell whether there is an incarnation that is alive.

        Examples:
            >>> cook.is_alive()
            True
        """
        ref = self._ref
        return ref is not None and ref.is_alive()

    def ask(self, message: Any, *, block: bool = True, timeout: Wait = None) -> Any:
        """Return the answer; wait up to ``timeout`` seconds for an incarnation and its answer.

        With ``block=False`` the method returns a future at once. If there is no incarnation, the
        future waits for the next one.

        Raises:
            pykka.Timeout: no incarnation came, or no answer, within ``timeout`` seconds
            NotHandled: there will be no further incarnation
            pykka.ActorDeadError: an incarnation that may have handled the request has died

        Examples:
            >>> cook.current.stop()
            True
            >>> cook.ask("soup", timeout=5)  # the supervisor has restarted the cook
            'one soup'
            >>> cook.generation
            2
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
        """Wait for the reply of an incarnation other than ``last``, and return the reply."""
        reply, is_there = Reply[Any](), False
        try:
            self._send(_request(message, reply), last)
            reply.wait(None if deadline is None else max(deadline - time.monotonic(), 0.0))
            is_there = True
        except pykka.Timeout as error:
            if type(error) is pykka.Timeout:
                raise pykka.Timeout(
                    f"{self.name} did not run again within {timeout} s: allow more time, or look "
                    "in its supervisor's log for the reason of its deaths"
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
                return answer  # the actor has an inbox of another class
            if answer.is_resolved() and not isinstance(answer.error(), NotHandled):
                return answer
            reply = Reply[Any]()
            self._follow(_request(message, reply), answer, ref)
            return reply
        reply = Reply[Any]()
        self._send(_request(message, reply), None)
        return reply

    def tell(self, message: Any) -> None:
        """Send a message to the present incarnation, and do not wait for an answer.

        Raises:
            pykka.ActorDeadError: there is no incarnation at this moment

        Examples:
            >>> cook.tell("soup")
        """
        self._present().tell(message)

    def proxy(self) -> pykka.ActorProxy[Any]:
        """Return a proxy of the present incarnation.

        The proxy is of no use after this incarnation's death.

        Raises:
            pykka.ActorDeadError: there is no incarnation at this moment

        Examples:
            >>> cook.proxy().on_receive("salad").get(timeout=5)
            'one salad'
        """
        return self._present().proxy()

    def _present(self) -> pykka.ActorRef[Any]:
        ref = self._ref
        if ref is None:
            raise NotHandled(f"{self.name} is not running: {self._closed or DOWN}")
        return ref

    def stop(self, **_: Any) -> None:
        """Raise an error, because only the supervisor stops a supervised actor.

        Raises:
            TypeError: always

        Examples:
            >>> cook.stop()
            Traceback (most recent call last):
                ...
            TypeError: stop cook with its supervisor's terminate_child()
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
            return  # nobody will read the reply, or the request is parked
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
        else:  # the actor has an inbox of another class
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
        """Return the handle of a child of this supervisor.

        ``keeper`` is the supervisor's present incarnation.
        """
        handle = self.below.get(id)
        if handle is None:
            path = f"{self.name}/{id}" if self.name else id
            handle = self.below[id] = ActorHandle(path, keeper)
        return handle

    def find(self, path: str) -> ActorHandle | None:
        """Return the handle of a child at any depth below this supervisor, or ``None``.

        ``path`` has the ids on the way to the child.
        """
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
        """Note that the present incarnation is dead; there may be another one."""
        with self._lock:
            self._ref = None
        # A request stays parked, unless the supervisor is ending and waits for the asker.
        self._send_parked()

    def close(self, reason: str) -> None:
        """Note that no further incarnation will come, and refuse the parked requests.

        Their error gives ``reason``. If the child is a supervisor, the same holds for all children
        below it.
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
        """Close the handle in a forked child, because the actor's thread does not exist there."""
        self._lock = threading.RLock()
        self._close(f"it {FORKED}")


def _request(message: Any, reply: Reply[Any]) -> Request:
    thread = threading.current_thread()
    asker = thread.ref if isinstance(thread, ActorThread) else None
    return Request(message, weakref.ref(reply), asker)


def _waits_for(asker: Any, supervisor: pykka.ActorRef[Any] | None) -> bool:
    """Tell whether a supervisor is ending while ``asker`` is an actor below it.

    The supervisor's end waits for the asker. So no other child gets an incarnation before that, and
    the asker would wait in vain.
    """
    while asker is not None and asker is not supervisor:
        asker = vars(asker).get("supervisor")
    return asker is not None and bool(asker.actor_stopped.is_set())
