"""``Looking``: the calls of a ledger that only read: its holders, its counts, who lives."""

from __future__ import annotations

import os
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

from namepool.core.names import name_key, one_line, validate_name
from namepool.core.options import CHECKS
from namepool.errors import LedgerError
from namepool.ledgers.base import LIVING_FOR, Holder, LedgerStats, Session
from namepool.ledgers.engine import Engine
from namepool.ledgers.processes import place_of_this_process, runs_here
from namepool.ledgers.rows import BadRow, read_count

T = TypeVar("T")

opened: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
"""The open ledgers of this process, by the ids of their sessions."""


class Looking(Engine):
    """A ledger that can be read. ``SessionLedger`` adds the calls that change something.

    Examples:
        >>> ledger = namepool.ledgers.MemoryLedger(namespace="crew")
        >>> ledger.claim(["Ada the Yak Shaver"], token="first")
        ['Ada the Yak Shaver']
    """

    _closed: bool = False

    def holders(self) -> Iterator[Holder]:
        """See :meth:`namepool.Ledger.holders`. The holders are read page by page.

        A name that is claimed or freed meanwhile may be missing.
        """
        after: Any = None
        while True:
            page, after = self._open_look(partial(self._page, after))
            yield from page
            if after is None:
                return

    def holder(self, name: str) -> Holder | None:
        """Return the holder of a name; ``None`` if nobody has claimed it.

        Examples:
            >>> ledger.holder("ada the yak shaver").name
            'Ada the Yak Shaver'
        """
        key = name_key(validate_name(name))
        return self._open_look(lambda: self._find(key))

    def kept(self, identity: str) -> Holder | None:
        """Return the holder of the name of an identity; ``None`` if the identity has no name.

        Examples:
            >>> ledger.kept("planner") is None
            True
            >>> ledger.take("Grace Under Load", identity="planner")
            >>> ledger.kept("planner").name
            'Grace Under Load'
        """
        CHECKS.text("identity", identity, 256)
        return self._open_look(lambda: self._kept(identity))

    def stats(self) -> LedgerStats:
        """See :meth:`namepool.Ledger.stats`.

        The look at the processes of many sessions takes some time, beside the ``timeout``.
        """
        claimed, sessions = self._open_look(self._tally)
        counts = Counter(map(self.state, sessions))
        states = (counts[state] for state in ("living", "silent", "ended"))
        return LedgerStats(self.namespace, claimed, *states)

    def _tally(self) -> tuple[int, list[Session]]:
        sessions = [session for session in self._sessions() if session is not None]
        try:
            return read_count(self._count()), sessions
        except BadRow as error:
            raise LedgerError(f"{self}: {one_line(error, 500)}") from None

    def namespaces(self) -> list[str]:
        """Return the namespaces of the storage, in alphabetical order.

        The result is empty if the storage does not let this user ask.

        Examples:
            >>> ledger.namespaces()
            ['crew']
        """
        return sorted(self._open_look(lambda: list(self._namespaces())))

    def exists(self) -> bool:
        """Tell whether the storage exists, without making it.

        Examples:
            >>> ledger.exists()
            True
        """
        return True

    # -- which sessions live ----------------------------------------------------------------

    def state(self, session: Session) -> str:
        """Return ``"living"``, ``"silent"`` or ``"ended"``.

        A session lives until it ends, as long as its process runs. If it is unknown whether the
        process runs, the session counts as living for 150 seconds after its last renewal. Then it
        is silent.

        Examples:
            >>> holder = ledger.holder("Ada the Yak Shaver")
            >>> ledger.state(holder.session)
            'living'
        """
        if session.ended:
            return "ended"
        return "living" if self.lives(session) else "silent"

    def lives(self, session: Session) -> bool:
        """Tell whether a session counts as living: see ``state``.

        Examples:
            >>> holder = ledger.holder("Ada the Yak Shaver")
            >>> ledger.lives(holder.session)
            True
        """
        if session.ended:
            return False
        runs = self.runs(session)
        return session.silent < LIVING_FOR if runs is None else runs

    def runs(self, session: Session) -> bool | None:
        """Tell whether a session's process runs; return ``None`` if nobody can know it here.

        A session of this process runs until its ledger is closed.

        Examples:
            >>> holder = ledger.holder("Ada the Yak Shaver")
            >>> ledger.runs(holder.session)
            True
        """
        if session.pid == os.getpid() and (session.id in opened or _is_here(session)):
            return session.id in opened
        return runs_here(session.place, session.pid)

    # -- calls ------------------------------------------------------------------------------

    def _do(self, work: Callable[[], T]) -> T:
        """Do ``work``, which changes something."""
        if self._closed:
            raise LedgerError(f"{self} is closed")
        return self._guarded(work)

    def _open_look(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise LedgerError(f"{self} is closed")
        return self._look(work)


def _is_here(session: Session) -> bool:
    return bool(session.place) and session.place == place_of_this_process()
