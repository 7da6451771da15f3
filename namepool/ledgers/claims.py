"""``ClaimedNames``: a source whose names are claimed in a ledger before the pool sees them.

Its ``fetch`` runs in the fetchers, once per chunk; what else is to be claimed, renewed or released
is the ``LedgerKeeper``'s, behind everybody's back. The pool itself never waits for a ledger.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial, update_wrapper
from typing import Any, cast

from namepool.actors.at_exit import exiting_for
from namepool.actors.logs import Logger
from namepool.core.guard import why_unissuable
from namepool.core.known import UsedNames
from namepool.core.names import is_default_name, name_key, one_line, why_invalid
from namepool.core.state import PoolState
from namepool.errors import LedgerError, SourceError
from namepool.ledgers.base import Ledger
from namepool.sources.base import NameSource, read_answer, time_left

warn: Callable[..., None] = Logger("namepool.pool").warning  # it is the pool that has a ledger

ENOUGH = 0.5
"""The share of a chunk below which the source is asked for the rest of it."""

ROUNDS = 3
"""Times that a source is asked for one chunk, at most, unless it is a quick one."""

QUICK = 1.0
"""Seconds in which a source may be asked as often as it takes."""

BATCH = 500
"""Names that are claimed anew at a time."""

UNCERTAIN = 100
"""Claims whose answer never came that are remembered, to be taken back."""

CLAIMING = 1.0
"""Seconds that the end of a pool waits, at most, for claims that are under way."""

ENDING = 10.0
"""Seconds that it waits then, at most, until the ledger has what is given back."""


def _token() -> str:
    """Return what tells one claim from any other."""
    return os.urandom(16).hex()


class _Closed(LedgerError):
    """The pool has ended: nothing more is claimed for it."""


class ClaimedNames:
    """The names of ``source`` that the ledger says are ours; both are closed with it."""

    def __init__(self, source: NameSource, ledger: Ledger) -> None:
        self.ledger = ledger
        self._source = source
        self._state = PoolState()
        self._lock = threading.Lock()
        self._session: object = getattr(ledger, "session", None)
        self._uncertain: list[tuple[list[str], str]] = []
        self._spoken: dict[str, None] = {}
        self._on_its_way: dict[str, None] = {}  # claimed, and unknown to the pool yet
        self._working = 0
        self._is_closing = False
        self._pid = os.getpid()
        self._claimed = threading.Event()  # the pool ends, and no claim is under way any more
        self._ended = threading.Event()
        # It looks as its source does: whether that knows themes shows in the signature.
        self.fetch: Any = update_wrapper(partial(self._fetch), source.fetch)

    def serve(self, state: PoolState) -> None:
        """Work for the pool that has this state, from its first incarnation on."""
        self._state = state

    @property
    def last_source(self) -> str:
        """Where the last names came from."""
        return getattr(self._source, "last_source", None) or type(self._source).__name__

    # -- in a fetcher -----------------------------------------------------------------------

    def _fetch(self, count: int, used: Sequence[str], **wishes: Any) -> list[object]:
        """Return names that are claimed for this pool, and what is no name, for it to count.

        What others have costs no further call of the source while half of the chunk is left.

        Raises:
            LedgerError: the ledger cannot be reached: nothing unclaimed is handed out
            SourceError: others have all that the source gave
        """
        self.settle()
        self.forget_admitted()
        chunk = Chunk(count, time.monotonic())
        while chunk.may_ask():
            known = used if not chunk.rejected else UsedNames([*used, *chunk.rejected])
            answer = self._ask(chunk, known, wishes)
            if not chunk.take_in(answer, self._claim):
                break
        with self._lock:
            self._state.counters.rejected_count += len(chunk.rejected)
        if not chunk.claimed and chunk.rejected and not chunk.others:
            raise SourceError(
                f"others have claimed all {len(chunk.rejected)} names that {self.last_source} gave"
            )
        if self._is_closing:
            raise _Closed("the pool is closed")
        return [*chunk.claimed, *chunk.others]

    def _ask(self, chunk: Chunk, used: Sequence[str], wishes: dict[str, Any]) -> list[object]:
        try:
            count = chunk.size - len(chunk.claimed)
            return read_answer(self._source.fetch(count, used, **wishes), count)
        except BaseException:
            if not chunk.claimed:
                raise
            return []

    def _claim(self, names: list[str]) -> list[str]:
        token = _token()
        with self._before_the_end():
            with self._doubted(names, token):
                claimed = self.ledger.claim(names, token)
            with self._lock:
                self._on_its_way.update(dict.fromkeys(claimed))
        self._look_at_session()
        return claimed

    # -- behind everybody's back ------------------------------------------------------------

    def settle(self) -> None:
        """Take back what may have been claimed and never came; claim what agents speak under.

        Raises:
            LedgerError: the ledger cannot be reached
        """
        with self._before_the_end():
            self._take_back()
            for name in list(self._spoken):
                self._keep(name)
                self._spoken.pop(name, None)

    def _take_back(self) -> None:
        while self._uncertain:
            with self._lock:
                if not self._uncertain:
                    break
                names, token = self._uncertain.pop()
            with self._doubted(names, token):
                self.ledger.release(names, token)

    @contextmanager
    def _doubted(self, names: list[str], token: str) -> Iterator[None]:
        """Have names taken back later, if the ledger does not say what became of them."""
        with ExitStack() as undo:
            undo.callback(self._doubt, names, token)
            yield
            undo.pop_all()

    def _doubt(self, names: list[str], token: str) -> None:
        with self._lock:
            self._uncertain = [*self._uncertain[1 - UNCERTAIN :], (names, token)]

    def keep(self, name: str) -> None:
        """Claim a name that an agent speaks under already, now or when the ledger can be reached.

        If another session has it, that is logged and counted: the agent goes on.
        """
        self._spoken[name] = None
        self._try(self.settle)

    def _keep(self, name: str) -> None:
        holder = self.ledger.take(name)
        self._look_at_session()
        if holder is not None:
            self._conflict(name, f"is held by {holder.session} too")

    def release(self, names: Iterable[object]) -> None:
        """Free names that came too late for the pool to take them, unless it has them anyway."""
        valid = [cast("str", name) for name in names if why_invalid(name) is None]
        self._try(partial(self._release, [n for n in valid if n not in self._state.known]))

    def _release(self, names: list[str]) -> None:
        with self._before_the_end():
            self.ledger.release(names)
            with self._lock:
                for name in names:
                    self._on_its_way.pop(name, None)

    def forget_admitted(self) -> None:
        """Note what the pool knows by now: that is its own to give back."""
        with self._lock:
            late = [name for name in self._on_its_way if name not in self._state.known]
            self._on_its_way = dict.fromkeys(late)

    def renew(self) -> None:
        """Tell the others that this pool lives."""
        self._try(self.ledger.renew)
        self._try(self.settle)
        self._look_at_session()

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except _Closed:
            pass  # what there is to say says who ends it
        except LedgerError as error:
            if not self._ended.is_set():  # else it was under way when the ledger was closed
                warn("%s", one_line(error))
        except Exception as error:  # it may be somebody else's ledger
            warn("the ledger failed: %s", one_line(repr(error)))

    def _look_at_session(self) -> None:
        """Claim all names anew where the ledger has forgotten that they are ours."""
        session = getattr(self.ledger, "session", None)
        with self._lock:
            before, self._session = self._session, session
        if session != before:
            names = list(self._state.known.used())
            for start in range(0, len(names), BATCH):
                self._try(partial(self._claim_anew, names[start : start + BATCH]))

    def _claim_anew(self, names: list[str]) -> None:
        with self._before_the_end():
            ours = set(self.ledger.claim(names, _token()))
            for name in [name for name in names if name not in ours]:
                self._keep(name)

    def _conflict(self, name: str, why: str) -> None:
        with self._lock:
            self._state.counters.conflict_count += 1
        warn("%a, under which an agent of this pool may speak, %s", name, why)

    # -- the end ----------------------------------------------------------------------------

    def wait_ended(self) -> None:
        """See ``wait_released``; at once in a forked child, whose parent does it."""
        if self._pid == os.getpid() and self._claimed.wait(max(CLAIMING - exiting_for(), 0.0)):
            self._ended.wait(ENDING)

    def close(self) -> None:
        """Release what is not checked out, end the session, and close the source.

        Waits up to ``CLAIMING`` seconds for claims that are under way. A later one is released by
        the fetcher that gets it, if the process still runs then.
        """
        with self._lock:
            self._is_closing = True
            is_idle = not self._working
        if is_idle:
            self._end()
        self.wait_ended()
        if (close := getattr(self._source, "close", None)) is not None:
            close()

    @contextmanager
    def _before_the_end(self) -> Iterator[None]:
        """Have the end wait for what is done here; who is the last then brings it about."""
        with self._lock:
            if self._is_closing:
                raise _Closed("the pool is closed")
            self._working += 1
        try:
            yield
        finally:
            with self._lock:
                self._working -= 1
                is_last = self._is_closing and not self._working
            if is_last:
                self._end()

    def _end(self) -> None:
        self._claimed.set()
        self._try(self._release_unused)
        self._try(self.ledger.close)
        self._ended.set()

    def _release_unused(self) -> None:
        self.forget_admitted()
        leases = self._state.leases
        unused = [name for name in self._state.known.used() if name not in leases]
        self._take_back()
        self.ledger.release([*unused, *self._on_its_way])


class Chunk:
    """What has come of a chunk of ``size`` names up to now."""

    def __init__(self, size: int, began: float) -> None:
        self.size: int = size
        self.claimed: list[str] = []
        self.rejected: list[str] = []
        self.others: list[object] = []
        """No names; the pool counts them."""
        self._began = began
        self._rounds = 0

    def may_ask(self) -> bool:
        """Tell whether too few came and there is time to ask for more."""
        if not self._rounds:
            return True
        took = time.monotonic() - self._began
        left = time_left()
        in_time = left is None or left > 2 * took / self._rounds
        often = self._rounds >= ROUNDS and took > QUICK
        return len(self.claimed) < ENOUGH * self.size and in_time and not often

    def take_in(
        self, candidates: Iterable[object], claim: Callable[[list[str]], list[str]]
    ) -> bool:
        """Claim what is new of the candidates; tell whether anything was."""
        self._rounds += 1
        known = set(map(name_key, [*self.claimed, *self.rejected]))
        fresh: list[str] = []
        for candidate in candidates:
            if why_unissuable(candidate) is not None or is_default_name(cast("str", candidate)):
                self.others.append(candidate)
            elif (key := name_key(cast("str", candidate))) not in known:
                known.add(key)
                fresh.append(cast("str", candidate))
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
    """Wait until a pool that was stopped has released what it had in a ledger, if it had one.

    So the next pool that is opened finds it done. A claim under way gets ``CLAIMING`` seconds, and
    then the ledger ``ENDING`` seconds.
    """
    if isinstance(source, ClaimedNames):
        source.wait_ended()
