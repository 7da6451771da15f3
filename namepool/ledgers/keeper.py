"""``LedgerKeeper``: claims, renews and releases in the background; one for each pool with a ledger.

It waits for the ledger, so that neither the pool nor its callers do.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from namepool.actors import ServiceActor
from namepool.core.names import one_line
from namepool.core.state import PoolState
from namepool.ledgers.base import RENEW_EVERY
from namepool.ledgers.claims import ClaimedNames, warn


class Spoken(NamedTuple):
    """An agent speaks under a name that did not come from the ledger."""

    name: str


class Unwanted(NamedTuple):
    """Names came too late."""

    names: tuple[object, ...]


class Renew(NamedTuple):
    """Tell the other sessions that this one lives, from now on and unless that is done already."""


class Again(NamedTuple):
    """It is time to tell them again."""


class LedgerKeeper(ServiceActor):
    """Keeps the claims of one incarnation of a pool; a ledger that fails is tried again."""

    delays_exit = False  # closing the claims waits for what must be done before

    def __init__(self, claims: ClaimedNames) -> None:
        super().__init__()
        self._claims = claims
        self._is_renewing = False
        self._handlers.update(
            {
                Spoken: lambda message: claims.keep(message.name),
                Unwanted: lambda message: claims.release(message.names),
                Renew: lambda _: self._renew(),
                Again: lambda _: self._again(),
            }
        )

    def _renew(self) -> None:
        if not self._is_renewing:
            self._claims.renew()
            self._is_renewing = True
            self.schedule(RENEW_EVERY, Again())

    def _again(self) -> None:
        self._is_renewing = False
        self._renew()


class Keeping:
    """Has a pool's ledger, if it has one, told behind everybody's back."""

    def __init__(self, source: object, state: PoolState) -> None:
        self._claims = source if isinstance(source, ClaimedNames) else None
        self._keeper: Any = None
        self._untold: list[Spoken | Unwanted | Renew] = []
        """Messages for the keeper, until its thread can be started."""
        if self._claims is not None:
            self._claims.serve(state)

    def tell(self, message: Spoken | Unwanted | Renew) -> None:
        """Tell the keeper; nothing happens without a ledger."""
        if self._claims is None:
            return
        if message not in self._untold:
            self._untold.append(message)
        if self._keeper is None or not self._keeper.is_alive():
            try:
                self._keeper = LedgerKeeper.start(self._claims)
            except Exception as error:
                if self._untold == [message]:  # else it has been said
                    warn("the ledger is told later, no thread can be started: %s", one_line(error))
                return
        while self._untold and self._keeper.try_tell(self._untold[0]):
            del self._untold[0]

    def forget_admitted(self) -> None:
        """Note what the pool knows, before it forgets that; nothing happens without a ledger."""
        if self._claims is not None:
            self._claims.forget_admitted()

    def let_go(self) -> None:
        """Stop the keeper, without waiting for it."""
        if self._keeper is not None:
            self._keeper.stop(block=False)
