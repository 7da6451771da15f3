"""What each request does: checked, decided by the state, answered.

On the pool's own thread; a bare transition, where nothing else is to be done, also on its caller's,
in the pool's turn. Whoever waits, is served, warned or refused, and every fetch, is the business of
the pool's own thread alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeGuard

from namepool.actors import LATER, Reply
from namepool.core.bindings import Speaking
from namepool.core.events import Journal
from namepool.core.leases import Lease
from namepool.core.names import is_default_name, validate_name
from namepool.core.options import invalid
from namepool.core.state import PoolState
from namepool.core.stock import Stock
from namepool.errors import NameHeld
from namepool.lineage import inherited_name
from namepool.pool import messages as m
from namepool.pool.claim_renewal import Spoken
from namepool.pool.fetches import Fetches
from namepool.pool.refilling import Refilling
from namepool.pool.waiting_list import WaitingList
from namepool.pool.warnings import warn

Handler = Callable[[Any], Any]


class Requests:
    """Handlers, by the type of the message.

    ``journal`` is told of a grant before it is made; ``deferred`` makes the reply of who must wait.
    """

    def __init__(
        self,
        state: PoolState,
        fetches: Fetches[Any],
        waiting: WaitingList,
        refilling: Refilling,
        journal: Journal,
        deferred: Callable[[], Reply[Any]],
    ) -> None:
        self._state = state
        self._name_of = state.speaking.get
        self._fetches = fetches
        self._waiting = waiting
        self._refilling = refilling
        self._journal = journal
        self._deferred = deferred

    def table(self) -> dict[type, Handler]:
        """Return the handler of each message, for the pool's own thread."""
        return {
            m.CheckoutName: self.checkout_name,
            m.CheckoutLease: self.checkout_lease,
            m.TakeLease: partial(_take_lease, self._state, self._journal),
            m.CheckinName: self.checkin_name,
            m.CheckinLease: self.checkin_lease,
            m.AssociateName: self.associate_name,
            m.BeginSpeaking: self.begin_speaking,
            m.EndSpeaking: self.end_speaking,
            m.DissociateName: self.dissociate_name,
            m.GetNameByOwner: self.get_name_by_owner,
        }

    def inline(self) -> dict[type, Handler]:
        """Return what callers run themselves; ``LATER`` leaves it to the pool's own thread.

        Checkout, check-in and lookup are written out, because they must cost one call only.
        """
        state, leases = self._state, self._state.leases

        def may_end(message: m.CheckinLease) -> bool:
            home = state.homes.get(message.lease.name)
            is_wanted = state.waiters or (home is not None and home.waiters)
            return not is_wanted and state.is_current(message.lease)

        def is_one_more_speaker(message: m.AssociateName) -> bool:
            return _is_known(message.name, leases) and message.exclusive.__class__ is bool

        def is_spoken(message: m.DissociateName) -> bool:
            return message.name is None or _is_known(message.name, leases)

        return {
            m.CheckoutName: self._checkout_inline,
            m.CheckoutLease: self._checkout_lease_inline,
            m.CheckinName: self._checkin_inline,
            m.CheckinLease: self._if(may_end, self.checkin_lease),
            m.AssociateName: self._if(is_one_more_speaker, self.associate_name),
            m.BeginSpeaking: self._if(is_one_more_speaker, self.begin_speaking),
            m.EndSpeaking: self._if(lambda _: True, self.end_speaking),
            m.DissociateName: self._if(is_spoken, self.dissociate_name),
            m.GetNameByOwner: self._get_inline,
        }

    def _if(self, is_bare: Callable[[Any], bool], handler: Handler) -> Handler:
        """Let callers run ``handler`` where that is a bare transition, with nothing to take in."""
        events = self._state.events
        return lambda message: LATER if events or not is_bare(message) else handler(message)

    def _checkout_inline(self, message: m.CheckoutName | m.CheckoutLease) -> Any:
        state = self._state
        if message.theme is not None:
            return self._checkout_of_theme(message, message.theme)
        if state.events or len(state.available) <= self._fetches.floor:
            return LATER
        return state.checkout(message.owner, self._journal)

    def _checkout_of_theme(self, message: m.CheckoutName | m.CheckoutLease, theme: str) -> Any:
        state, fetches = self._state, self._fetches.by_theme.get(theme)
        if state.events or fetches is None or len(state.stocks[theme].names) <= fetches.floor:
            return LATER
        return state.checkout(message.owner, self._journal, theme)

    def _checkout_lease_inline(self, message: m.CheckoutLease) -> Any:
        name = self._checkout_inline(message)
        return name if name is LATER else self._state.lease_of(name)

    def _checkin_inline(self, message: m.CheckinName) -> Any:
        state = self._state
        name: Any = message.name
        if name.__class__ is str and not state.events and not state.waiters:
            record = state.leases.get(name)
            if record is not None and message.owner in record[1]:
                if name in state.homes and state.homes[name].waiters:
                    return LATER
                state.end_lease(name, record)
                return True
        return LATER

    def _get_inline(self, message: m.GetNameByOwner) -> Any:
        if self._state.events:
            return LATER
        name = self._name_of(message.owner)
        if name is None and message.lineage is not None:
            return inherited_name(self._state.speaking, message.lineage)
        return name

    # -- on the pool's own thread -----------------------------------------------------------

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
        self._refilling.refill_for_waiter(stock)
        return reply

    def checkin_name(self, message: m.CheckinName) -> bool:
        """End the lease of a name, whoever holds it, and serve who waits."""
        state = self._state
        name = message.name
        if not _is_known(name, state.leases):
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
        name = self._spoken(message)
        if name is None:
            return None
        return self._state.associate(message.owner, name, exclusive=message.exclusive)

    def begin_speaking(self, message: m.BeginSpeaking) -> Speaking | None:
        """Open a scope."""
        name = self._spoken(message)
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
        name = message.name
        if name is not None and not _is_known(name, self._state.leases):
            name = validate_name(name)
        return self._state.dissociate(message.owner, name)

    def get_name_by_owner(self, message: m.GetNameByOwner) -> str | None:
        """Look an owner up, after what has happened up to now."""
        if self._state.events:
            self._waiting.apply_events()
        speaking = self._state.speaking
        return speaking.get(message.owner) or inherited_name(speaking, message.lineage)

    def _spoken(self, message: m.AssociateName) -> str | None:
        """Return the name to speak under; ``None`` if there is nothing to do."""
        if not isinstance(message.exclusive, bool):
            raise invalid("exclusive", message.exclusive, "True or False")
        name = message.name
        if name is None or _is_known(name, self._state.leases):
            return name
        name = validate_name(name)
        if is_default_name(name):
            return None
        self._refilling.keeping.tell(Spoken(name))
        return name


def _take_lease(state: PoolState, journal: Journal, message: m.TakeLease) -> Lease:
    """Check out a name that is asked for by name."""
    name = state.canonical(validate_name(message.name))
    if is_default_name(name):
        raise invalid("name", name, "a name of one's own")
    if name in state.leases:
        raise NameHeld(f"{name!r} is checked out in this pool by {[*state.speakers_of(name)]}")
    state.associate(message.owner, name)
    journal.undelivered = lease = state.lease_of(name)
    return lease


def _is_known(name: object, leases: dict[str, Any]) -> TypeGuard[str]:
    """Tell whether it is checked out under this very spelling: then it is valid."""
    return name.__class__ is str and name in leases
