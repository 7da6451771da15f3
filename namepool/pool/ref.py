"""A pool's ref, and its typed proxy, whose calls name their caller."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pykka

from namepool.actors import LATER, Reply, ServiceRef
from namepool.actors.never_copied import NeverCopied
from namepool.core.leases import Binding, Lease, Token, WholeLease
from namepool.core.options import DEFAULT_TIMEOUT
from namepool.core.speakers import Speaking
from namepool.core.state import PoolState
from namepool.core.stats import PoolStats
from namepool.ledgers.base import Ledger
from namepool.ledgers.claims import ClaimedNames
from namepool.pool import messages as m
from namepool.pool.messages import CheckoutName
from namepool.pool.observing import LeaseInfo
from namepool.speaking import asked_for, chain, received, to_speak

if TYPE_CHECKING:
    from namepool.owners import OwnerLike


ANOTHER = "open a pool there, or share names through a ledger"
"""Ends the error of a pool's ref, proxy or handle that is pickled: advice for another process."""


class NamePoolRef(ServiceRef[Any]):
    """A pool's ref: as any ``pykka.ActorRef``, with a view of who speaks under which name."""

    _instead = ANOTHER
    makes_tokens = True

    def __init__(
        self,
        actor: Any,
        state: PoolState,
        operations: Mapping[type, Callable[[Any], Any]],
        source: object,
    ) -> None:
        super().__init__(actor)
        self._operations = operations
        self.ledger: Ledger | None = source.ledger if isinstance(source, ClaimedNames) else None
        """Where the pool's names are claimed."""
        self.state: PoolState = state
        self.speaking: Speaking = state.speaking
        """Owner → name; read-only and always current: no message, no lock."""

    if not TYPE_CHECKING:  # else it is as its base has it

        def ask(self, message, *, block=True, timeout=None, made=None):
            """See ``ServiceRef.ask``.

            A request for a name, or to speak under one, becomes a token here, which is given up if
            its caller does not get the answer. A caller that passes the answer on finds the token
            in ``made``, to ``give_up`` if that fails.
            """
            kind, answer = message.__class__, LATER
            operation = self._operations.get(kind)
            if operation is not None:
                if block:
                    answer = self.actor_inbox.run(operation, message)
                if answer is LATER:
                    answer = super().ask(message, block=block, timeout=timeout)
                return answer
            state = self.state
            if kind is CheckoutName:
                token = asked_for(state, message[1], message[2], message[0])
            elif kind in _TOKENED:
                token = token_of(state, message)
            else:
                return super().ask(message, block=block, timeout=timeout)
            try:
                if made is not None:
                    made.append(token)
                if not block:
                    return self._future(token)
                if kind is CheckoutName:
                    answer = self.actor_inbox.run(state.begin, token)
                if answer is LATER:
                    answer = super().ask(token, timeout=timeout)
                if not token.outside:
                    hold(token)
                return answer
            except BaseException:
                state.signal.put(token)  # whatever has come of it: it ends
                raise

    def _future(self, token: Token) -> Reply[Any]:
        """Ask by a token, for a future; a name in it that nobody reads goes home."""
        reply: Reply[Any] = Reply()
        # To speak under a name needs no reader; a sink is of C, as it runs in a finaliser.
        sink = self.state.signal.put if isinstance(token, Lease) else bool
        dropped = reply.watched(token, sink, received)
        answer = self.actor_inbox.run(self._operations[token.__class__], token)
        if isinstance(token, Binding):  # it need not be read
            _speak(token, is_pending=answer is LATER)
        if answer is LATER:
            self._prepare(token, reply)
            self._send(token, reply, dropped)
        else:
            reply.set_quietly(answer)
        return reply

    def _prepare(self, message: Any, reply: Reply[Any]) -> None:
        actor = self._actor  # read once: it may be dying
        if isinstance(message, Lease) and actor is not None:
            reply.fail_timeouts_with(partial(actor.timeout_error, theme=message.theme))

    def give_up(self, token: Any) -> None:
        """End a token whose answer did not get to the caller, whatever has come of it."""
        self.state.signal.put(token)

    def proxy(self) -> NamePoolProxy:
        """Return a proxy whose calls name their caller.

        Raises:
            pykka.ActorDeadError: the pool is dead
        """
        self._check_alive()
        return NamePoolProxy(actor_ref=self)


_TOKENED = frozenset({m.CheckoutName, m.CheckoutLease, m.AssociateName})
"""Requests that become a token where they are asked."""


def token_of(state: PoolState, message: Any) -> Token:
    """Return the token that a request stands for."""
    if isinstance(message, m.AssociateName):
        return to_speak(state, message.name, message.exclusive, message.owner)
    kind = WholeLease if isinstance(message, m.CheckoutLease) else Lease
    token: Token = asked_for(state, message.owner, message.theme, message.timeout, kind)
    return token


def hold(token: Token) -> None:
    """Speak by a token that has just been granted to the caller."""
    if token.outside:
        return
    if isinstance(token, Lease):
        chain.set(token)
    else:
        received(token)


def _speak(binding: Binding, is_pending: bool) -> None:
    """Speak by a binding as soon as it speaks."""
    if not is_pending:
        received(binding)
    elif not binding.outside:
        chain.set(binding)


class NamePoolProxy(NeverCopied, pykka.ActorProxy[Any]):
    """A pool's typed proxy: each call finds its owner on this thread and returns a future."""

    _instead = ANOTHER

    actor_ref: NamePoolRef

    def checkout_name(
        self,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        owner: OwnerLike | None = None,
        theme: str | None = None,
    ) -> pykka.Future[str]:
        """See ``messages.CheckoutName``. A future that is dropped unread costs no name."""
        return self.actor_ref.ask(m.CheckoutName(timeout, owner, theme), block=False)

    def checkin_name(
        self, name: str | None, *, owner: OwnerLike | None = None
    ) -> pykka.Future[bool]:
        """See ``messages.CheckinName``."""
        return self.actor_ref.ask(m.CheckinName(name, owner), block=False)

    def associate_name(
        self, name: str | None, exclusive: bool = False, *, owner: OwnerLike | None = None
    ) -> pykka.Future[str | None]:
        """See ``messages.AssociateName``."""
        return self.actor_ref.ask(m.AssociateName(name, exclusive, owner), block=False)

    def dissociate_name(
        self, name: str | None = None, *, owner: OwnerLike | None = None
    ) -> pykka.Future[bool]:
        """See ``messages.DissociateName``."""
        return self.actor_ref.ask(m.DissociateName(name, owner), block=False)

    def get_name_by_owner(self, owner: OwnerLike | None = None) -> pykka.Future[str | None]:
        """See ``messages.GetNameByOwner``; without an argument, the caller's name."""
        return self.actor_ref.ask(m.GetNameByOwner(owner), block=False)

    def leases(self) -> pykka.Future[list[LeaseInfo]]:
        """See ``messages.LeasesRequest``."""
        return self.actor_ref.ask(m.LeasesRequest(), block=False)

    def pool_stats(self) -> pykka.Future[PoolStats]:
        """See ``messages.PoolStatsRequest``."""
        return self.actor_ref.ask(m.PoolStatsRequest(), block=False)

    def reset(self) -> pykka.Future[None]:
        """See ``messages.Reset``."""
        return self.actor_ref.ask(m.Reset(), block=False)
