"""The operations: one function for each type of request, run in the pool's turn.

If the turn is free, the caller runs the operation on its own thread. Otherwise the request is
queued, and the pool's own thread runs the same function. Only the pool's own thread lets a caller
wait, serves it, warns, refuses a request or begins a fetch. If an operation needs that on another
thread, it changes nothing and answers ``LATER``.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import Any, TypeGuard

from namepool.actors import LATER, Reply
from namepool.actors.inbox import Inbox
from namepool.actors.reply import Dropped
from namepool.core.leases import Binding, Lease, Taking, WholeLease, speaking_owners
from namepool.core.links import NOBODY, OVER, Link
from namepool.core.names import is_default_name, validate_name
from namepool.core.options import CHECKS
from namepool.core.state import PoolState
from namepool.core.stock import Apart
from namepool.errors import NameHeld
from namepool.ledgers.keeper import Spoken
from namepool.pool import messages as m
from namepool.pool.refilling import Refilling
from namepool.pool.waiting_list import WaitingList
from namepool.pool.warnings import warn

Operation = Callable[[Any], Any]


class Operations:
    """The operations, by the type of the request.

    ``replying`` returns the reply to the present request. If a checkout must wait for a name, the
    pool keeps this reply, and gives the answer through it later.
    """

    def __init__(
        self,
        state: PoolState,
        inbox: Inbox,
        waiting: WaitingList,
        refilling: Refilling,
        replying: Callable[[], Reply[Any] | Dropped],
    ) -> None:
        self._state = state
        self._inbox = inbox
        self._waiting = waiting
        self._refilling = refilling
        self._replying = replying

    def table(self) -> dict[type, Operation]:
        """Return the operation for each type of request."""
        return {
            Lease: self.checkout,
            WholeLease: self.checkout,
            Taking: self.take,
            Binding: self.associate,
            m.CheckinName: self.checkin,
            m.CheckinLease: self.end,
            m.DissociateName: self.dissociate,
            m.GetNameByOwner: self.get_name_by_owner,
        }

    def _is_at_home(self) -> bool:
        """Tell whether this is the pool's own thread."""
        return get_ident() == self._inbox.own_thread

    def checkout(self, lease: Lease) -> Any:
        """Hand out a name, or let the caller wait for one; begin a fetch if one is due."""
        if lease.says == OVER and self._state.leases.get(lease.name) is not lease:
            # Without this check, the dead request would wait behind other waiting callers.
            raise LookupError("the request was given up before it was answered")
        state = self._state
        name = state.begin(lease)
        if name is LATER and self._is_at_home():
            stock = self._refilling.themes.requested(lease.theme)
            lease.theme = stock.theme
            is_next = not stock.waiters and self._waiting.has_name(stock)
            name = state.begin(lease, spare=0) if is_next else LATER
            if name is LATER:
                reply = self._replying()
                self._waiting.park(stock, lease, reply)
                self._refilling.refill_for_waiter(stock)
                return reply
            self._refilling.refill()
        return lease if lease.is_whole and name is not LATER else name

    def take(self, lease: Taking) -> Any:
        """Check out the name that the request gives."""
        if not self._is_at_home():
            return LATER
        name = self._state.known.canonical(validate_name(lease.wanted))
        if is_default_name(name):
            raise CHECKS.invalid("name", name, "a name of one's own")
        holder = self._state.leases.get(name)
        if holder is not None and holder is not lease:
            owners = [*speaking_owners(holder)]
            raise NameHeld(f"{name!r} is checked out in this pool by {owners}")
        taken = self._state.take(lease, name)
        if lease.leaves:
            lease.stock = Apart(lease, lease.stock)
        return taken

    def associate(self, binding: Binding) -> Any:
        """Let an owner speak under a name."""
        try:
            spelled = self._associate(binding)
        except Exception:
            self._never_speaks(binding)
            raise
        if spelled is None:
            self._never_speaks(binding)
        return spelled

    def _never_speaks(self, binding: Binding) -> None:
        """End a binding without a name, so that every chain leaves it out."""
        if binding.says is None:
            binding.says = OVER

    def _associate(self, binding: Binding) -> Any:
        name, state = binding.wanted, self._state
        if not isinstance(binding.exclusive, bool):
            if not self._is_at_home():
                return LATER
            raise CHECKS.invalid("exclusive", binding.exclusive, "True or False")
        if name is None:
            return None
        if not self._is_held(name):
            if not self._is_at_home():
                return LATER
            binding.wanted = name = validate_name(name)
            if is_default_name(name):
                return None
            self._refilling.keeping.tell(Spoken(name))
        return state.associate(binding)

    def checkin(self, message: m.CheckinName) -> Any:
        """End the lease of a name, also of another owner's name."""
        name, state = message.name, self._state
        if name.__class__ is str and name in state.leases:
            lease = state.leases[name]
            if lease.owner == message.owner and lease.says:
                return state.end(lease)
        if not self._is_at_home():
            return LATER
        if name is None:
            return False
        known = name if self._is_held(name) else state.known.canonical(validate_name(name))
        if known not in state.leases:
            if not is_default_name(known):
                warn("check-in of a name that is not checked out: %a", known)
            return False
        lease = state.leases[known]
        speakers = speaking_owners(lease)
        if message.owner not in speakers and speakers:
            warn("%a, held by %a, was checked in by %a", known, [*speakers], message.owner)
        return state.end(lease)

    def end(self, message: m.CheckinLease) -> Any:
        """End this lease, if it still lasts."""
        lease = message.lease
        if not isinstance(lease, Lease):
            if not self._is_at_home():
                return LATER
            raise CHECKS.invalid("lease", lease, "the answer to a CheckoutLease()")
        return lease.state is self._state and self._state.end(lease)

    def dissociate(self, message: m.DissociateName) -> Any:
        """Unbind an owner from a name."""
        name = message.name
        if name is not None and not self._is_held(name):
            if not self._is_at_home():
                return LATER
            name = validate_name(name)
        return self._state.dissociate(message.owner, name)

    def get_name_by_owner(self, message: m.GetNameByOwner) -> Any:
        """Return the name that an owner or the caller speaks under."""
        if not message.is_caller:
            name = self._state.look_up(message.owner)
            is_home = name is LATER and self._is_at_home()
            return self._state.name_of(message.owner) if is_home else name
        link: Link | None = message.chain
        while link is not None:
            name = link.says
            if name and link.state is self._state:
                return None if name == NOBODY else name
            link = link.before
        return None

    def _is_held(self, name: object) -> TypeGuard[str]:
        """Tell whether a name is checked out in exactly this spelling; then it is valid."""
        return name.__class__ is str and name in self._state.leases
