"""A pool's ref and its typed proxy; each call of the proxy tells the pool its caller."""

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
from namepool.ledgers.identities import Identities
from namepool.pool import messages as m
from namepool.pool.messages import CheckoutName
from namepool.pool.observing import LeaseInfo
from namepool.speaking import asked_for, chain, received, to_speak

if TYPE_CHECKING:
    from namepool.owners import OwnerLike


ANOTHER = "open a pool there, or share names through a ledger"
"""The advice at the end of the error if a program pickles a pool's ref, proxy or handle."""


class NamePoolRef(ServiceRef[Any]):
    """A pool's ref: a ``pykka.ActorRef`` that also shows the name of each owner that speaks.

    Examples:
        >>> ref = namepool.NamePool.start(source=namepool.NumberedNames())
        >>> ref.ask(namepool.CheckoutName())
        'NPC #1'
        >>> list(ref.speaking.values())
        ['NPC #1']
    """

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
        claims = source if isinstance(source, ClaimedNames) else None
        self.ledger: Ledger | None = None if claims is None else claims.ledger
        """The ledger in which the pool's names are claimed; ``None`` if there is none."""
        self.identities: Identities | None = None if claims is None else claims.identities
        self.state: PoolState = state
        self.speaking: Speaking = state.speaking
        """The name of each owner that speaks: a mapping, read-only and always current.

        Reading sends no message and takes no lock.
        """

    if not TYPE_CHECKING:  # type checkers use the overloads of the base class

        def ask(self, message, *, block=True, timeout=None, made=None):
            """Send a request and return its answer, or a future of it; see ``ServiceRef.ask``.

            A request for a name, or for speaking under one, becomes a token here. If the caller
            does not get the answer, the token ends. A caller that passes the answer on gives a list
            as ``made``: the token is appended to it. If passing on fails, the caller calls
            ``give_up`` with the token.

            Examples:
                >>> ref.ask(namepool.CheckoutName())
                'NPC #2'
                >>> ref.ask(namepool.CheckoutName(), block=False).get()
                'NPC #3'
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
                state.signal.put(token)  # ends the token, granted or not
                raise

    def _future(self, token: Token) -> Reply[Any]:
        """Ask by a token, and return a future; a name that nobody reads from it is checked in."""
        reply: Reply[Any] = Reply()
        # A binding needs no reader, so its sink does nothing. A sink runs in a finaliser, so it
        # must be a function of C.
        sink = self.state.signal.put if isinstance(token, Lease) else bool
        dropped = reply.watched(token, sink, received)
        answer = self.actor_inbox.run(self._operations[token.__class__], token)
        if isinstance(token, Binding):  # it speaks even if nobody reads the future
            _speak(token, is_pending=answer is LATER)
        if answer is LATER:
            self._prepare(token, reply)
            self._send(token, reply, dropped)
        else:
            reply.set_quietly(answer)
        return reply

    def _prepare(self, message: Any, reply: Reply[Any]) -> None:
        actor = self._actor  # read only once, because the actor may be dying
        if isinstance(message, Lease) and actor is not None:
            reply.fail_timeouts_with(partial(actor.timeout_error, theme=message.theme))

    def give_up(self, token: Any) -> None:
        """End a token whose answer did not get to the caller, granted or not.

        Examples:
            >>> made = []
            >>> ref.ask(namepool.CheckoutName(), made=made)
            'NPC #2'
            >>> ref.give_up(made[0])
        """
        self.state.signal.put(token)

    def proxy(self) -> NamePoolProxy:
        """Return a proxy; each of its calls tells the pool its caller.

        Raises:
            pykka.ActorDeadError: the pool is dead

        Examples:
            >>> ref.proxy().checkout_name().get()
            'NPC #2'
        """
        self._check_alive()
        return NamePoolProxy(actor_ref=self)


_TOKENED = frozenset({m.CheckoutName, m.CheckoutLease, m.AssociateName})
"""The requests that ``ask`` turns into a token."""


def token_of(state: PoolState, message: Any) -> Token:
    """Return a new token for a request."""
    if isinstance(message, m.AssociateName):
        return to_speak(state, message.name, message.exclusive, message.owner)
    kind = WholeLease if isinstance(message, m.CheckoutLease) else Lease
    token: Token = asked_for(state, message.owner, message.theme, message.timeout, kind)
    return token


def hold(token: Token) -> None:
    """Let the caller speak under the name of ``token``, which the pool has just granted."""
    if token.outside:
        return
    if isinstance(token, Lease):
        chain.set(token)
    else:
        received(token)


def _speak(binding: Binding, is_pending: bool) -> None:
    """Speak by a binding as soon as it has begun."""
    if not is_pending:
        received(binding)
    elif not binding.outside:
        chain.set(binding)


class NamePoolProxy(NeverCopied, pykka.ActorProxy[Any]):
    """A pool's typed proxy: each call finds its owner on the caller's thread and returns a future.

    Examples:
        >>> proxy = namepool.NamePool.start(source=namepool.NumberedNames()).proxy()
        >>> proxy.checkout_name().get()
        'NPC #1'
    """

    _instead = ANOTHER

    actor_ref: NamePoolRef

    def checkout_name(
        self,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        owner: OwnerLike | None = None,
        theme: str | None = None,
    ) -> pykka.Future[str]:
        """Return a future of a name that nobody else has; see ``CheckoutName``.

        If the future is dropped unread, no name is lost.

        Examples:
            >>> proxy.checkout_name(owner="planner-7").get()
            'NPC #2'
        """
        return self.actor_ref.ask(m.CheckoutName(timeout, owner, theme), block=False)

    def checkin_name(
        self, name: str | None, *, owner: OwnerLike | None = None
    ) -> pykka.Future[bool]:
        """End the lease of ``name``; see ``CheckinName``.

        Examples:
            >>> proxy.checkin_name("NPC #1").get()
            True
        """
        return self.actor_ref.ask(m.CheckinName(name, owner), block=False)

    def associate_name(
        self, name: str | None, exclusive: bool = False, *, owner: OwnerLike | None = None
    ) -> pykka.Future[str | None]:
        """Bind the owner to ``name``; see ``AssociateName``.

        Examples:
            >>> proxy.associate_name("npc #1", owner="reviewer-2").get()
            'NPC #1'
        """
        return self.actor_ref.ask(m.AssociateName(name, exclusive, owner), block=False)

    def dissociate_name(
        self, name: str | None = None, *, owner: OwnerLike | None = None
    ) -> pykka.Future[bool]:
        """Unbind the owner from ``name`` (``None``: from its latest name); see ``DissociateName``.

        Examples:
            >>> proxy.dissociate_name().get()
            True
        """
        return self.actor_ref.ask(m.DissociateName(name, owner), block=False)

    def get_name_by_owner(self, owner: OwnerLike | None = None) -> pykka.Future[str | None]:
        """Return a future of the name that ``owner`` speaks under; see ``GetNameByOwner``.

        Examples:
            >>> proxy.get_name_by_owner().get()
            'NPC #1'
        """
        return self.actor_ref.ask(m.GetNameByOwner(owner), block=False)

    def leases(self) -> pykka.Future[list[LeaseInfo]]:
        """Return a future of the leases, the oldest first; see ``LeasesRequest``.

        Examples:
            >>> [lease.name for lease in proxy.leases().get()]
            ['NPC #1']
        """
        return self.actor_ref.ask(m.LeasesRequest(), block=False)

    def pool_stats(self) -> pykka.Future[PoolStats]:
        """Return a future of the pool's counts; see ``PoolStatsRequest``.

        Examples:
            >>> proxy.pool_stats().get().checked_out_count
            1
        """
        return self.actor_ref.ask(m.PoolStatsRequest(), block=False)

    def reset(self) -> pykka.Future[None]:
        """Empty the pool; see ``Reset``.

        Examples:
            >>> proxy.reset().get()
            >>> proxy.leases().get()
            []
        """
        return self.actor_ref.ask(m.Reset(), block=False)
