"""``ClaimedNames``: a source whose names are claimed in a ledger before the pool sees them.

The fetchers call ``fetch`` once per chunk. The ``LedgerKeeper`` makes all other claims, renewals
and releases in the background. The pool itself never waits for a ledger.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial, update_wrapper
from typing import Any, cast

from namepool.actors.logs import Logger
from namepool.core.judging import Judged
from namepool.core.known import UsedNames
from namepool.core.names import name_key, one_line
from namepool.core.state import PoolState, Withdrawn
from namepool.errors import LedgerError, SourceError, SourceExhausted
from namepool.ledgers.base import Ledger
from namepool.ledgers.doubts import Doubts
from namepool.ledgers.ending import Closed, Ending
from namepool.ledgers.identities import Identities
from namepool.ledgers.session import SessionLedger
from namepool.ledgers.walks import Walks
from namepool.sources.base import NameSource, read_answer, time_left, why_refused

warn: Callable[..., None] = Logger("namepool.pool").warning  # the ledger belongs to the pool

ENOUGH = 0.5
"""The share of a chunk that is enough for one fetch.

If a smaller share of the chunk is claimed, the source is asked again, for the missing names.
"""

ROUNDS = 3
"""The most times that a source is asked for one chunk, unless the source is quick."""

QUICK = 1.0
"""Seconds. Within this time a source may be asked any number of times for one chunk."""

BATCH = 500
"""Names that are claimed again in one call."""

CLAIMING = 1.0
"""Seconds that the end of a pool waits, at most, for claims that are under way."""

ENDING = 10.0
"""The most seconds that the end of a pool waits, for claims and for the ledger to release names.

It does not wait longer than the ``timeout`` of the ledger, if the ledger has one.
"""


def _token() -> str:
    """Return a new token, which tells one claim from all others."""
    return os.urandom(16).hex()


class ClaimedNames:
    """A source that gives only names that the ledger has claimed for this pool.

    The names come from another source, ``source``. ``close`` closes that source and the ledger.
    """

    def __init__(self, source: NameSource, ledger: Ledger) -> None:
        self.ledger = ledger
        self._source = source
        self._state = PoolState()
        self._lock = threading.Lock()
        self.identities: Identities = Identities(
            ledger,
            has=lambda name: name in self._state.known,
            withdraw=lambda name: self._state.signal.put(Withdrawn(name)),
            free=self.release,
            is_over=lambda: self._ending.is_closing,
        )
        self._session: object = getattr(ledger, "session", None)
        self._doubts = Doubts(ledger)
        self._ending = Ending(self._end)
        self._spoken: dict[str, None] = {}
        self._on_its_way: dict[str, None] = {}  # claimed, and not yet known to the pool
        self._walks = Walks()
        self._here = threading.local()  # the chunk that this thread fetches
        # The signature is that of the source, because it shows whether the source knows themes.
        self.fetch: Any = update_wrapper(partial(self._fetch), source.fetch)

    def serve(self, state: PoolState) -> None:
        """Note the state of the pool for which this source claims names.

        Each incarnation of the pool calls this method with the same state.
        """
        self._state = state

    @property
    def last_source(self) -> str:
        """The name of the source that gave the last names."""
        return getattr(self._source, "last_source", None) or type(self._source).__name__

    # -- in a fetcher -----------------------------------------------------------------------

    def _fetch(self, count: int, used: Sequence[str], **wishes: Any) -> Judged:
        """Return names that are claimed for this pool, with the candidates that were refused.

        The pool counts the refused candidates. If other sessions hold some of the source's
        names, the source is asked again only if less than half of the chunk is left.

        Raises:
            LedgerError: the ledger cannot be reached, so no name is handed out
            SourceError: other sessions hold all names that the source gave
        """
        self.settle()
        self.forget_admitted()
        self._here.chunk = chunk = Chunk(count, time.monotonic())
        try:
            while chunk.may_ask():
                known = used if not chunk.rejected else UsedNames([*used, *chunk.rejected])
                answer = self._ask(chunk, known, wishes)
                if not chunk.take_in(answer, self._claim):
                    break
        finally:
            self._here.chunk = None
            if left := chunk.left_over():
                self._doubts.add(left, chunk.token)
        with self._lock:
            self._state.counters.rejected_count += len(chunk.rejected)
        if not chunk.claimed and chunk.rejected and not chunk.refused:
            raise SourceError(
                f"others have claimed all {len(chunk.rejected)} names that {self.last_source} gave"
            )
        if self._ending.is_closing:
            raise Closed("the pool is closed")
        return Judged(chunk.claimed, chunk.refused, chunk.reserved)

    def _ask(self, chunk: Chunk, used: Sequence[str], wishes: dict[str, Any]) -> Judged:
        try:
            count = chunk.size - len(chunk.claimed)
            return read_answer(self._source.fetch(count, used, **wishes), count)
        except BaseException as error:
            if chunk.claimed or (chunk.rejected and isinstance(error, SourceExhausted)):
                return read_answer((), 0)  # the names of other sessions may come free
            raise

    def draw(self, walk: str, count: int, name_at: Callable[[int], str]) -> list[str]:
        """Claim the names at the next positions of a shared walk in one step, and return them.

        A source calls this in its ``fetch``. Some of the names may not be claimed: no pool may
        issue them, or other sessions hold them. ``_claim`` knows which.
        """
        chunk: Chunk | None = getattr(self._here, "chunk", None)
        if chunk is None:  # the source fetches on a thread of its own
            first = self.ledger.advance(walk, count)
            return [name_at(at) for at in range(first, first + count)]
        names: list[str] = []

        def wanted_at(position: int) -> str | None:
            names.append(name := name_at(position))
            return None if why_refused(name) else name

        with self._ending.work(), self._doubts.doubted(names, chunk.token):
            places = cast("SessionLedger", self.ledger).draw(walk, count, wanted_at, chunk.token)
            with self._lock:
                self._on_its_way.update(dict.fromkeys(places))
                self._walks.note(walk, places)
        chunk.drawn.update({name: name in places for name in names})
        self._look_at_session()
        return names

    def _claim(self, names: list[str]) -> list[str]:
        drawn = self._here.chunk.drawn
        others = [name for name in names if name not in drawn]
        claimed = set(self._claim_all(others) if others else ())
        return [name for name in names if name in claimed or drawn.get(name)]

    def _claim_all(self, names: list[str]) -> list[str]:
        token = _token()
        with self._ending.work():
            with self._doubts.doubted(names, token):
                claimed = self.ledger.claim(names, token)
            with self._lock:
                self._on_its_way.update(dict.fromkeys(claimed))
        self._look_at_session()
        return claimed

    # -- in the background ------------------------------------------------------------------

    def settle(self) -> None:
        """Take back the claims without an answer, and claim the names that agents speak under.

        Raises:
            LedgerError: the ledger cannot be reached
        """
        with self._ending.work():
            self._doubts.take_back()
            self.identities.settle()
            for name in list(self._spoken):
                self._keep(name)
                self._spoken.pop(name, None)

    def keep(self, name: str) -> None:
        """Claim a name that an agent speaks under already, now or when the ledger can be reached.

        If another session holds the name, the conflict is logged and counted. The agent goes on.
        """
        self._spoken[name] = None
        self._try(self.settle)

    def _keep(self, name: str, identity: str | None = None) -> None:
        holder = self.ledger.take(name, identity)
        self._look_at_session()
        if holder is not None and holder.session.id != getattr(self.ledger, "session", None):
            self._conflict(name, f"is held by {holder.session} too")

    def release(self, names: Iterable[str]) -> None:
        """Free names that came too late for the pool, unless the pool knows them already."""
        self._try(partial(self._release, list(names)))

    def _release(self, names: list[str]) -> None:
        with self._ending.work(), self.identities.freeing(names) as unwanted:
            self.ledger.release(unwanted)
            with self._lock:
                for name in unwanted:
                    self._on_its_way.pop(name, None)

    def forget_admitted(self) -> None:
        """Remove each name that the pool knows by now from the names on their way.

        ``close`` finds these names in the state of the pool, and releases the unused ones.
        """
        with self._lock:
            late = [name for name in self._on_its_way if name not in self._state.known]
            self._on_its_way = dict.fromkeys(late)

    def renew(self) -> None:
        """Tell the other sessions that this pool lives."""
        self._try(self.ledger.renew)
        self._try(self.settle)
        self._look_at_session()

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except Closed:
            pass  # the end of the pool logs its own failures
        except LedgerError as error:
            if not self._ending.has_ended.is_set():  # else the ledger was closed during the work
                warn("%s", one_line(error))
        except Exception as error:  # the ledger may be the user's own class
            warn("the ledger failed: %s", one_line(repr(error)))

    def _look_at_session(self) -> None:
        """Claim all names again if the ledger has forgotten the session that held them."""
        session = getattr(self.ledger, "session", None)
        with self._lock:
            before, self._session = self._session, session
        if session != before:
            names = list(self._state.known.used())
            for start in range(0, len(names), BATCH):
                self._try(partial(self._claim_anew, names[start : start + BATCH]))

    def _claim_anew(self, names: list[str]) -> None:
        held = self.identities.held()
        with self._ending.work():
            ours = set(self.ledger.claim([n for n in names if n not in held], _token()))
            for name in [name for name in names if name not in ours]:
                self._keep(name, held.get(name))

    def _conflict(self, name: str, why: str) -> None:
        """Log that another session has a name; the pool hands it out no more."""
        with self._lock:
            self._state.counters.conflict_count += 1
        self._state.signal.put(Withdrawn(name))
        warn("%a, under which an agent of this pool may speak, %s", name, why)

    # -- the end ----------------------------------------------------------------------------

    def wait_ended(self) -> None:
        """Wait as ``wait_released`` does. A forked child does not wait."""
        self._ending.wait(CLAIMING, _longest_end(self.ledger))

    def close(self) -> None:
        """Release the names that are not checked out, end the session, and close the source.

        Waits up to ``CLAIMING`` seconds for claims that are under way. If a claim takes longer, its
        fetcher releases the stock when the claim is done, if the process still runs then.
        """
        self._ending.close()
        self.wait_ended()
        if (close := getattr(self._source, "close", None)) is not None:
            close()

    def _end(self) -> None:
        self._try(self._release_unused)
        self._try(self.ledger.close)

    def _release_unused(self) -> None:
        """Release the names that nobody has, and end the session; in one step, if it can."""
        self.forget_admitted()
        leases = self._state.leases
        known = [*self._state.known.used(), *self._on_its_way, *self._doubts.names()]
        unused = [name for name in dict.fromkeys(known) if name not in leases]
        if isinstance(self.ledger, SessionLedger):
            self.ledger.close(unused, self._walks.spare(unused, self._state))
        else:
            self._doubts.take_back()
            self.ledger.release(unused)


def _longest_end(ledger: Ledger) -> float:
    return min(ENDING, ledger.timeout) if isinstance(ledger, SessionLedger) else ENDING


class Chunk:
    """The progress of a chunk of ``size`` names."""

    def __init__(self, size: int, began: float) -> None:
        self.size: int = size
        self.claimed: list[str] = []
        self.rejected: list[str] = []
        self.refused: list[tuple[object, str]] = []
        """The candidates that no pool may issue, with the reasons; the pool counts them."""
        self.reserved: frozenset[str] = frozenset()
        self.drawn: dict[str, bool] = {}
        """The names that came from a shared walk, each with whether it is claimed."""
        self.token: str = _token()
        """The token by which those names were claimed."""
        self._began = began
        self._rounds = 0

    def left_over(self) -> list[str]:
        """Return the names that were claimed for the chunk, and are not in it."""
        taken = set(self.claimed)
        return [name for name, is_ours in self.drawn.items() if is_ours and name not in taken]

    def may_ask(self) -> bool:
        """Tell whether names are missing and there is time to ask for more."""
        if not self._rounds:
            return True
        took = time.monotonic() - self._began
        left = time_left()
        in_time = left is None or left > 2 * took / self._rounds
        often = self._rounds >= ROUNDS and took > QUICK
        return len(self.claimed) < ENOUGH * self.size and in_time and not often

    def take_in(self, judged: Judged, claim: Callable[[list[str]], list[str]]) -> bool:
        """Claim the names that are new; tell whether the source may be asked again."""
        self._rounds += 1
        self.refused += judged.refused
        self.reserved = judged.reserved
        known = set(map(name_key, [*self.claimed, *self.rejected]))
        fresh: list[str] = []
        for name in judged.names:
            if (key := name_key(name)) not in known:
                known.add(key)
                fresh.append(name)
        try:
            ours = claim(fresh) if fresh else []
        except LedgerError:
            if not self.claimed:
                raise
            return False
        self.claimed += ours
        self.rejected += [name for name in fresh if name not in set(ours)]
        return bool(fresh)


def wait_released(source: object) -> None:
    """Wait until a pool that was stopped has released its names in its ledger, if it has one.

    The next pool that is opened then finds these names free. The wait lasts up to ``CLAIMING``
    seconds for claims under way, and up to ``ENDING`` seconds in all.
    """
    if isinstance(source, ClaimedNames):
        source.wait_ended()
