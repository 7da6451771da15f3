"""What each request does, on the pool's own thread: checked, decided by the state, answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from namepool.actors import Reply
from namepool.core.bindings import Speaking
from namepool.core.events import Journal
from namepool.core.leases import Lease
from namepool.core.names import is_default_name, validate_name
from namepool.core.options import invalid
from namepool.core.state import PoolState
from namepool.core.stock import Stock
from namepool.pool import messages as m
from namepool.pool.refilling import Refilling
from namepool.pool.waiting import WaitingList
from namepool.pool.warnings import warn


class Requests:
    """Handlers, by the type of the message; ``deferred`` makes the reply of who must wait."""

    def __init__(
        self,
        state: PoolState,
        waiting: WaitingList,
        refilling: Refilling,
        reclaim_after: float | None,
        journal: Journal,
        deferred: Callable[[], Reply[Any]],
    ) -> None:
        self._state = state
        self._waiting = waiting
        self._refilling = refilling
        self._reclaim_after = reclaim_after
        self._journal = journal
        self._deferred = deferred

    def table(self) -> dict[type, Callable[[Any], Any]]:
        """Return the handler of each message."""
        return {
            m.CheckoutName: self.checkout_name,
            m.CheckoutLease: self.checkout_lease,
            m.CheckinName: self.checkin_name,
            m.CheckinLease: self.checkin_lease,
            m.AssociateName: self.associate_name,
            m.BeginSpeaking: self.begin_speaking,
            m.EndSpeaking: self.end_speaking,
            m.DissociateName: self.dissociate_name,
            m.GetNameByOwner: self.get_name_by_owner,
        }

    def checkout_name(self, message: m.CheckoutName | m.CheckoutLease) -> Any:
        """Hand out a name, or let the caller wait for one; begin what fetch is due then."""
        state = self._state
        if state.events:
            self._waiting.apply_events()
        stock = state.stocks[self._refilling.theme_of(message.theme)]
        stock.in_use = True
        name = state.checkout(message.owner, self._journal, stock.theme)
        if name is None:
            return self._park(message, stock)
        self._refilling.refill()
        return name

    def checkout_lease(self, message: m.CheckoutLease) -> Lease | Reply[Any]:
        """As ``checkout_name``; answered with the lease."""
        answer = self.checkout_name(message)
        return answer if isinstance(answer, Reply) else self._state.lease_of(answer)

    def _park(self, message: m.CheckoutName | m.CheckoutLease, stock: Stock) -> Reply[Any]:
        reply = self._deferred()
        self._waiting.park(stock, message, reply)
        self._waiting.reclaim(self._reclaim_after)
        self._refilling.refill_for_waiter(stock)
        return reply

    def checkin_name(self, message: m.CheckinName) -> bool:
        """End the lease of a name, whoever holds it, and serve who waits."""
        state = self._state
        name = message.name
        if name.__class__ is not str or name not in state.leases:
            name = self._checked_out(name)
            if name is None:
                return False
        speakers = state.leases[name][1]
        if message.owner not in speakers and speakers:
            warn("%a, held by %a, was checked in by %a", name, [*speakers], message.owner)
        state.checkin(name)
        self._waiting.serve()
        return True

    def _checked_out(self, name: object) -> str | None:
        """Return the name that is checked out and reads like ``name``, or ``None``."""
        if name is None:
            return None
        known = self._state.canonical(validate_name(name))
        if known in self._state.leases:
            return known
        if not is_default_name(known):
            warn("check-in of a name that is not checked out: %a", known)
        return None

    def checkin_lease(self, message: m.CheckinLease) -> bool:
        """End this very lease, if it still lasts, and serve who waits."""
        if not self._state.is_current(message.lease):
            return False
        self._state.checkin(message.lease.name)
        self._waiting.serve()
        return True

    def associate_name(self, message: m.AssociateName) -> str | None:
        """Let the owner speak under a name."""
        name = _spoken(message)
        if name is None:
            return None
        return self._state.associate(message.owner, name, exclusive=message.exclusive)

    def begin_speaking(self, message: m.BeginSpeaking) -> Speaking | None:
        """Open a scope."""
        name = _spoken(message)
        if name is None:
            return None
        return self._state.begin_scope(
            message.owner, name, exclusive=message.exclusive, journal=self._journal
        )

    def end_speaking(self, message: m.EndSpeaking) -> None:
        """Close a scope."""
        self._state.end_scope(message.speaking)

    def dissociate_name(self, message: m.DissociateName) -> bool:
        """Stop the owner speaking under a name."""
        name = None if message.name is None else validate_name(message.name)
        return self._state.dissociate(message.owner, name)

    def get_name_by_owner(self, message: m.GetNameByOwner) -> str | None:
        """Look an owner up, after what has happened up to now."""
        if self._state.events:
            self._waiting.apply_events()
        return self._state.speaking.get(message.owner)


def _spoken(message: m.AssociateName) -> str | None:
    """Return the name to speak under; ``None`` if there is nothing to do."""
    if not isinstance(message.exclusive, bool):
        raise invalid("exclusive", message.exclusive, "True or False")
    name = None if message.name is None else validate_name(message.name)
    return None if name is None or is_default_name(name) else name
