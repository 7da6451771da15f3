"""``LedgerKeeper``: an actor that claims, renews and releases names in the background.

Each pool with a ledger has one. The keeper waits for the ledger, so that neither the pool nor its
callers wait.
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
    """Names came too late for the pool."""

    names: tuple[str, ...]


class Renew(NamedTuple):
    """Renew the session from now on, unless the keeper does so already."""


class Again(NamedTuple):
    """It is time for the next renewal."""


class LedgerKeeper(ServiceActor):
    """The keeper of the claims of one incarnation of a pool; it tries a failed ledger again."""

    delays_exit = False  # ``ClaimedNames.close`` waits for the keeper's work

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
        if not self._is_renewing:  # the fetch that begins now renews it first
            self._is_renewing = True
            self.schedule(RENEW_EVERY, Again())

    def _again(self) -> None:
        self._is_renewing = False
        self._claims.renew()
        self._renew()


class Keeping:
    """The part of a pool that sends messages to the ``LedgerKeeper``.

    If the pool has no ledger, this part does nothing.
    """

    def __init__(self, source: object, state: PoolState) -> None:
        self._claims = source if isinstance(source, ClaimedNames) else None
        self._keeper: Any = None
        self._untold: list[Spoken | Unwanted | Renew] = []
        """Messages that wait until the keeper's thread can be started."""
        if self._claims is not None:
            self._claims.serve(state)

    def tell(self, message: Spoken | Unwanted | Renew) -> None:
        """Tell the keeper. Without a ledger do nothing."""
        if self._claims is None:
            return
        if message not in self._untold:
            self._untold.append(message)
        if self._keeper is None or not self._keeper.is_alive():
            try:
                self._keeper = LedgerKeeper.start(self._claims)
            except Exception as error:
                if self._untold == [message]:  # else the warning was logged before
                    warn("no thread starts, so the ledger is told later: %s", one_line(error))
                return
        while self._untold and self._keeper.try_tell(self._untold[0]):
            del self._untold[0]

    def forget_admitted(self) -> None:
        """Call ``ClaimedNames.forget_admitted``. Without a ledger do nothing.

        The pool calls this before a reset, because a reset forgets the known names.
        """
        if self._claims is not None:
            self._claims.forget_admitted()

    def let_go(self) -> None:
        """Stop the keeper without waiting for it."""
        if self._keeper is not None:
            self._keeper.stop(block=False)
