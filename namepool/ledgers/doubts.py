"""``Doubts``: the claims whose answers were lost. The ledger may have made them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from namepool.ledgers.base import Ledger

MOST = 100
"""The most claims without an answer that are remembered, to be taken back later."""


class Doubts:
    """The claims of one pool that may have been made, and that nobody uses."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._uncertain: list[tuple[Sequence[str], str]] = []

    @contextmanager
    def doubted(self, names: Sequence[str], token: str) -> Iterator[None]:
        """Take the names back later if the block fails: the ledger may have claimed them."""
        with ExitStack() as undo:
            undo.callback(self.add, names, token)
            yield
            undo.pop_all()

    def add(self, names: Sequence[str], token: str) -> None:
        """Remember names that were claimed by a token, to be taken back."""
        with self._lock:
            self._uncertain = [*self._uncertain[1 - MOST :], (names, token)]

    def take_back(self) -> None:
        """Release the names.

        Raises:
            LedgerError: the ledger cannot be reached; the rest is tried again
        """
        while self._uncertain:
            with self._lock:
                if not self._uncertain:
                    break
                names, token = self._uncertain.pop()
            with self.doubted(names, token):
                self._ledger.release(names, token)

    def names(self) -> list[str]:
        """Return the names in doubt."""
        return [name for names, _ in self._uncertain for name in names]
