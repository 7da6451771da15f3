"""A pool's ref, and its typed proxy, whose calls name their caller."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pykka

from namepool.actors import Reply, ServiceRef
from namepool.actors.never_copied import NeverCopied
from namepool.core.observed import LeaseInfo
from namepool.core.options import DEFAULT_TIMEOUT
from namepool.core.stats import PoolStats
from namepool.ledgers.base import Ledger
from namepool.pool import messages as m
from namepool.pool.call_sites import place_of_caller
from namepool.pool.claims import ClaimedNames

if TYPE_CHECKING:
    from namepool.owners import OwnerLike


ANOTHER = "open a pool there, or share names through a ledger"
"""Ends the error of a pool's ref, proxy or handle that is pickled: advice for another process."""


class NamePoolRef(ServiceRef[Any]):
    """A pool's ref: as any ``pykka.ActorRef``, with a view of who speaks under which name."""

    _instead = ANOTHER

    def __init__(self, actor: Any, speaking: Mapping[str, str], source: object = None) -> None:
        super().__init__(actor)
        self.ledger: Ledger | None = source.ledger if isinstance(source, ClaimedNames) else None
        """Where the pool's names are claimed."""
        self.speaking = speaking
        """Owner → name; read-only and always current: a dict read, no message, no lock."""

    def _prepare(self, message: Any, reply: Reply[Any]) -> None:
        actor = self._actor
        if actor is not None and isinstance(message, m.CheckoutName | m.CheckoutLease):
            reply.fail_timeouts_with(partial(actor.timeout_error, theme=message.theme))
        if actor is not None and actor.keeps_places:
            reply.asked_from = place_of_caller()

    def proxy(self) -> NamePoolProxy:
        """Return a proxy whose calls name their caller.

        Raises:
            pykka.ActorDeadError: the pool is dead
        """
        self._check_alive()
        return NamePoolProxy(actor_ref=self)


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
