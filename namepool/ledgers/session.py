"""``SessionLedger``: the common part of all engines. An engine only stores claims and sessions."""

from __future__ import annotations

import os
import socket
import threading
import uuid
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from namepool.actors.logs import Logger
from namepool.actors.never_copied import NeverCopied
from namepool.core.names import is_default_name, name_key, one_line, validate_name
from namepool.core.options import CHECKS
from namepool.errors import InvalidOption, LedgerError
from namepool.ledgers.base import (
    LEAST_AGE,
    LIVING_FOR,
    LONGEST,
    Holder,
    LedgerStats,
    Session,
)
from namepool.ledgers.processes import place_of_this_process, runs_here

logger: Logger = Logger(__name__)

T = TypeVar("T")

_open: weakref.WeakValueDictionary[str, SessionLedger] = weakref.WeakValueDictionary()
"""The open ledgers of this process, by the ids of their sessions."""


class Me(NamedTuple):
    """The session of this process, as an engine registers it."""

    id: str
    host: str
    pid: int
    place: str


class SessionLost(Exception):
    """The ledger does not know this session any more. Engines raise it."""


class SessionLedger(NeverCopied, ABC):
    """A ledger without its storage, which a subclass adds. ``Ledger`` describes the methods.

    Args:
        namespace: names are unique within a namespace; a ledger does not see other namespaces
        retire_after: a number of seconds. Each renewal also frees the names of dead sessions whose
            last renewal is longer ago than that. With ``None``, a renewal frees no names
        timeout: seconds that a call waits for the storage

    Examples:
        >>> ledger = namepool.ledgers.MemoryLedger(namespace="crew", retire_after=7 * 86400.0)
        >>> ledger.claim(["Ada the Yak Shaver"], token="first")
        ['Ada the Yak Shaver']
    """

    _instead = "open the ledger there, for a session of its own"

    def __init__(
        self,
        namespace: str = "default",
        *,
        retire_after: float | None = None,
        timeout: float = 5.0,
    ) -> None:
        self.namespace: str = CHECKS.text("namespace", namespace, 100)
        if retire_after is not None:
            _check_age("retire_after", retire_after)
        CHECKS.seconds("timeout", timeout, zero=False)
        self._retire_after = retire_after
        self._timeout = timeout
        self._lock = threading.Lock()
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        """Begin a new session. Its first call registers it."""
        place = place_of_this_process()
        self._me = Me(uuid.uuid4().hex, socket.gethostname()[:255], os.getpid(), place)
        self._registered = False
        _open[self._me.id] = self

    @property
    def session(self) -> str:
        """The id of the session that makes the calls now.

        A fork changes it in the child. It also changes if the ledger forgets the session.

        Examples:
            >>> [holder] = ledger.holders()
            >>> holder.session.id == ledger.session
            True
        """
        return self._me.id

    def after_fork(self) -> None:
        """Begin a session of its own in a forked child, before anything else runs there.

        A fork by Python calls this method itself.

        Examples:
            >>> before = ledger.session
            >>> ledger.after_fork()
            >>> ledger.session == before
            False
        """
        self._lock = threading.Lock()
        self._forked()
        self._begin()

    # -- the protocol -----------------------------------------------------------------------

    def claim(self, names: Sequence[str], token: str) -> list[str]:
        """See :meth:`namepool.Ledger.claim`. If names read alike, only the first is claimed.

        Raises:
            LedgerError: the ledger cannot be reached or used. Then assume that no name is claimed
        """
        wanted: dict[str, str] = {}
        for name in names:
            wanted.setdefault(name_key(validate_name(name)), name)
        CHECKS.text("token", token, 100)
        ours = self._call(lambda: self._claim(wanted, token)) if wanted else set[str]()
        return [name for key, name in wanted.items() if key in ours]

    def take(self, name: str, identity: str | None = None) -> Holder | None:
        """See :meth:`namepool.Ledger.take`."""
        if is_default_name(validate_name(name)):
            raise CHECKS.invalid("name", name, "a name of one's own")
        if identity is not None:
            CHECKS.text("identity", identity, 256)
        holder = self._call(lambda: self._take(name_key(name), name, identity, None))
        if holder is None or identity is None or holder.identity != one_line(identity, LONGEST):
            return holder  # read in one line; the engine compares it as stored
        if self.lives(holder.session):
            return holder
        before = holder.session.id  # another session may be faster and get it
        return self._call(lambda: self._take(name_key(name), name, identity, before))

    def release(self, names: Iterable[str], token: str | None = None) -> None:
        """See :meth:`namepool.Ledger.release`."""
        keys = list(dict.fromkeys(name_key(validate_name(name)) for name in names))
        if keys:
            self._call(lambda: self._release(keys, token))

    def renew(self) -> None:
        """See :meth:`namepool.Ledger.renew`. It also frees names by ``retire_after``."""
        self._call(self._renew)
        if self._retire_after is not None:
            self.prune(self._retire_after)

    def advance(self, walk: str, count: int) -> int:
        """See :meth:`namepool.Ledger.advance`. If an answer is lost, nobody gets its positions."""
        CHECKS.text("walk", walk, 200)
        CHECKS.count("count", count, 1)
        return self._call(lambda: self._advance(walk, count))

    def close(self) -> None:
        """See :meth:`namepool.Ledger.close`."""
        if self._closed:
            return
        self._closed = True  # first: a renewal must not begin a new session
        self._leave()

    def _leave(self) -> None:
        try:
            if self._registered:
                self._guarded(self._end)
        except SessionLost:
            pass  # the session was pruned: this is an end, too
        finally:
            _open.pop(self._me.id, None)
            self._disconnect()

    def holders(self) -> Iterator[Holder]:
        """See :meth:`namepool.Ledger.holders`."""
        yield from self._look(self._holders)

    def stats(self) -> LedgerStats:
        """See :meth:`namepool.Ledger.stats`."""
        claimed, sessions = self._look(self._count)
        living = sum(self.lives(session) for session in sessions)
        ended = sum(session.ended for session in sessions)
        return LedgerStats(self.namespace, claimed, living, len(sessions) - living - ended, ended)

    def exists(self) -> bool:
        """Tell whether the storage exists, without making it.

        Examples:
            >>> ledger.exists()
            True
        """
        return True

    def lives(self, session: Session) -> bool:
        """Tell whether a session counts as living.

        A session lives until it ends, as long as its process runs. If it is unknown whether the
        process runs, the session counts as living for 150 seconds after its last renewal.

        Examples:
            >>> [holder] = ledger.holders()
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
            >>> [holder] = ledger.holders()
            >>> ledger.runs(holder.session)
            True
        """
        if session.pid == os.getpid() and session.place == self._me.place and session.place:
            return session.id in _open
        return runs_here(session.place, session.pid)

    def prune(self, older_than: float) -> int:
        """See :meth:`namepool.Ledger.prune`.

        Raises:
            InvalidOption: ``older_than`` is less than ten minutes; a living session may be silent
                for that long
        """
        _check_age("older_than", older_than)
        freed = 0
        for session in self._look(self._sessions):
            dead = session.silent > older_than and session.id != self._me.id
            if dead and (session.ended or not self.runs(session)):
                freed += self._do(partial(self._free, session.id, older_than))
        return freed

    # -- for engines ------------------------------------------------------------------------

    def _call(self, work: Callable[[], T]) -> T:
        """Do ``work`` for this session; if the ledger has forgotten it, do so for a new one."""
        session = self.session
        try:
            result = self._do(work)
        except SessionLost:
            if self._closed:
                raise LedgerError(f"{self} is closed") from None
            logger.warning(
                "the ledger has forgotten session %s (pruned, or the ledger lost its data): "
                "its names are claimed again; other sessions may hold some of them",
                session,
            )
            with self._lock:
                if self._me.id == session:
                    self._begin()
            result = self._do(work)
        self._registered = True
        if self._closed:
            self._leave()  # ``close`` may not have known of the session of this call
        return result

    def _do(self, work: Callable[[], T]) -> T:
        """Do ``work``, which changes something."""
        if self._closed:
            raise LedgerError(f"{self} is closed")
        return self._guarded(work)

    def _look(self, work: Callable[[], T]) -> T:
        """Do ``work``, which only reads: no writer waits for it."""
        return self._do(work)

    @abstractmethod
    def _guarded(self, work: Callable[[], T]) -> T:
        """Do ``work`` with the storage; failures of the storage become ``LedgerError``."""

    @abstractmethod
    def _claim(self, wanted: Mapping[str, str], token: str) -> Collection[str]:
        """Claim the keys, given with their names; return those that session and token hold now."""

    @abstractmethod
    def _take(self, key: str, name: str, identity: str | None, before: str | None) -> Holder | None:
        """Claim a name that is free, ours, or held by the session ``before``, or return its holder.

        A name of ours that was taken for another identity is not given.
        """

    @abstractmethod
    def _release(self, keys: Sequence[str], token: str | None) -> None:
        """Free our names that have no identity, and have the token if one is given."""

    @abstractmethod
    def _renew(self) -> None:
        """Note that the session lives."""

    @abstractmethod
    def _advance(self, walk: str, count: int) -> int:
        """Move a walk on; return its position before."""

    @abstractmethod
    def _end(self) -> None:
        """Note that the session has ended; forget it if it holds no name."""

    @abstractmethod
    def _free(self, session: str, silent: float) -> int:
        """Forget a session that is still silent so long; return the number of its claims."""

    @abstractmethod
    def _sessions(self) -> list[Session]:
        """Return the sessions of the namespace."""

    @abstractmethod
    def _count(self) -> tuple[int, list[Session]]:
        """Return the number of claimed names, and the sessions."""

    @abstractmethod
    def _holders(self) -> Iterable[Holder]:
        """Return the holder of each name."""

    def _forked(self) -> None:
        """Let go of the parent's open storage, without closing it for the parent."""

    def _disconnect(self) -> None:
        """Close the storage."""


def _check_age(option: str, value: object) -> None:
    CHECKS.seconds(option, value)
    if value < LEAST_AGE:  # type: ignore[operator]
        error = CHECKS.invalid(option, value, f"at least {LEAST_AGE:g} seconds")
        raise InvalidOption(f"{error}: a living session may be silent for that long")


def _after_fork_in_child() -> None:
    for ledger in list(_open.values()):
        ledger.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
