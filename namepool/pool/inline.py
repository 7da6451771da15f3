"""What callers run themselves: one bare transition where nothing else is to be done, else LATER.

On the caller's thread, in the pool's turn. Whoever waits, is served, warned or refused, and every
fetch, is the business of the pool's own thread: see ``requests``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from namepool.actors import LATER
from namepool.core.events import Journal
from namepool.core.state import PoolState
from namepool.pool import messages as m
from namepool.pool.fetches import Fetches


class InlineRequests:
    """Handlers, by the type of the message; ``journal`` is told of a grant before it is made."""

    def __init__(self, state: PoolState, fetches: Fetches[Any], journal: Journal) -> None:
        self._state = state
        self._fetches = fetches
        self._journal = journal

    def table(self) -> dict[type, Callable[[Any], Any]]:
        """Return the handler of each message; any other message is for the pool's own thread."""
        return {
            m.CheckoutName: self._checkout_name,
            m.CheckoutLease: self._checkout_lease,
            m.CheckinName: self._checkin_name,
            m.CheckinLease: self._checkin_lease,
            m.AssociateName: self._associate_name,
            m.BeginSpeaking: self._begin_speaking,
            m.EndSpeaking: self._end_speaking,
            m.DissociateName: self._dissociate_name,
            m.GetNameByOwner: self._get_name_by_owner,
        }

    def _checkout_name(self, message: m.CheckoutName | m.CheckoutLease) -> Any:
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

    def _checkout_lease(self, message: m.CheckoutLease) -> Any:
        name = self._checkout_name(message)
        return name if name is LATER else self._state.lease_of(name)

    def _checkin_name(self, message: m.CheckinName) -> Any:
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

    def _checkin_lease(self, message: m.CheckinLease) -> Any:
        state, name = self._state, message.lease.name
        if state.events or state.waiters or not state.is_current(message.lease):
            return LATER
        if name in state.homes and state.homes[name].waiters:
            return LATER
        return state.checkin(name)

    def _associate_name(self, message: m.AssociateName) -> Any:
        name: Any = message.name
        if self._must_look_closer(message):
            return LATER
        return self._state.associate(message.owner, name, exclusive=message.exclusive)

    def _begin_speaking(self, message: m.BeginSpeaking) -> Any:
        name: Any = message.name
        if self._must_look_closer(message):
            return LATER
        return self._state.begin_scope(
            message.owner, name, exclusive=message.exclusive, journal=self._journal
        )

    def _must_look_closer(self, message: m.AssociateName) -> bool:
        """Tell whether it is more than one more speaker of a name that is checked out."""
        name = message.name
        plain = name.__class__ is str and message.exclusive.__class__ is bool
        return not plain or bool(self._state.events) or name not in self._state.leases

    def _end_speaking(self, message: m.EndSpeaking) -> Any:
        return LATER if self._state.events else self._state.end_scope(message.speaking)

    def _dissociate_name(self, message: m.DissociateName) -> Any:
        name = message.name
        if self._state.events or not (name is None or name.__class__ is str):
            return LATER
        if name is not None and name not in self._state.leases:
            return LATER
        return self._state.dissociate(message.owner, name)

    def _get_name_by_owner(self, message: m.GetNameByOwner) -> Any:
        return LATER if self._state.events else self._state.speaking.get(message.owner)
