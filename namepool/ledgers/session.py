"""``SessionLedger``: what all engines share; an engine stores claims and sessions, no more."""

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
from namepool.core.names import is_default_name, name_key, one_line, shown, validate_name
from namepool.core.options import check_count, check_seconds, check_text, invalid
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
"""The sessions of this process, by their ids."""


class Me(NamedTuple):
    """The session of this process, as an engine registers it."""

    id: str
    host: str
    pid: int
    place: str


class SessionLost(Exception):
    """The ledger does not know this session any more; raised by engines."""


class SessionLedger(NeverCopied, ABC):
    """A ledger without its storage; see ``Ledger`` for what its methods promise.

    Args:
        namespace: names are unique within one; others are not seen
        retire_after: seconds after which the names of a session that died are freed without being
            asked to; ``None``: never
        timeout: seconds that a call waits for the storage
    """

    _instead = "open the ledger there, for a session of its own"

    def __init__(
        self,
        namespace: str = "default",
        *,
        retire_after: float | None = None,
        timeout: float = 5.0,
    ) -> None:
        self.namespace: str = check_text("namespace", namespace, 100)
        if retire_after is not None:
            _check_age("retire_after", retire_after)
        check_seconds("timeout", timeout, zero=False)
        self._retire_after = retire_after
        self._timeout = timeout
        self._lock = threading.Lock()
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        """Be a new session; it is registered with its first call."""
        place = place_of_this_process()
        self._me = Me(uuid.uuid4().hex, socket.gethostname()[:255], os.getpid(), place)
        self._registered = False
        _open[self._me.id] = self

    @property
    def session(self) -> str:
        """The id of the session that calls made now belong to."""
        return self._me.id

    def after_fork(self) -> None:
        """Be a session of its own in a forked child; nothing else runs there yet."""
        self._lock = threading.Lock()
        self._forked()
        self._begin()

    # -- the protocol -----------------------------------------------------------------------

    def claim(self, names: Sequence[str], token: str) -> list[str]:
        """See ``Ledger.claim``. Of names that read alike only the first is asked for.

        Raises:
            LedgerError: it cannot be reached or used; nothing may be taken for claimed
        """
        wanted: dict[str, str] = {}
        for name in names:
            wanted.setdefault(name_key(validate_name(name)), name)
        check_text("token", token, 100)
        ours = self._call(lambda: self._claim(wanted, token)) if wanted else set[str]()
        return [name for key, name in wanted.items() if key in ours]

    def take(self, name: str, identity: str | None = None) -> Holder | None:
        """See ``Ledger.take``."""
        if is_default_name(validate_name(name)):
            raise invalid("name", name, "a name of one's own")
        if identity is not None:
            check_text("identity", identity, 256)
        holder = self._call(lambda: self._take(name_key(name), name, identity, None))
        if holder is None or identity is None or holder.identity != one_line(identity, LONGEST):
            return holder  # as it is read: the engine compares what is stored
        if self.lives(holder.session):
            return holder
        before = holder.session.id  # somebody else may have been faster: then that one has it
        return self._call(lambda: self._take(name_key(name), name, identity, before))

    def release(self, names: Iterable[str], token: str | None = None) -> None:
        """See ``Ledger.release``."""
        keys = list(dict.fromkeys(name_key(validate_name(name)) for name in names))
        if keys:
            self._call(lambda: self._release(keys, token))

    def renew(self) -> None:
        """See ``Ledger.renew``; frees what is to be retired, too."""
        self._call(self._renew)
        if self._retire_after is not None:
            self.prune(self._retire_after)

    def advance(self, walk: str, count: int) -> int:
        """See ``Ledger.advance``. A stretch whose answer was lost is left out by everybody."""
        check_text("walk", walk, 200)
        check_count("count", count, 1)
        return self._call(lambda: self._advance(walk, count))

    def close(self) -> None:
        """See ``Ledger.close``."""
        if self._closed:
            return
        self._closed = True  # first: who renews it meanwhile must not begin another
        self._leave()

    def _leave(self) -> None:
        try:
            if self._registered:
                self._guarded(self._end)
        except SessionLost:
            pass  # it was pruned, and has ended all the same
        finally:
            _open.pop(self._me.id, None)
            self._disconnect()

    def holders(self) -> Iterator[Holder]:
        """See ``Ledger.holders``."""
        yield from self._look(self._holders)

    def stats(self) -> LedgerStats:
        """See ``Ledger.stats``."""
        claimed, sessions = self._look(self._count)
        living = sum(self.lives(session) for session in sessions)
        ended = sum(session.ended for session in sessions)
        return LedgerStats(self.namespace, claimed, living, len(sessions) - living - ended, ended)

    def exists(self) -> bool:
        """Tell whether there is something to look into, without making it."""
        return True

    def lives(self, session: Session) -> bool:
        """Tell whether a session is to be taken for living: its process runs, or it was renewed."""
        if session.ended:
            return False
        runs = self.runs(session)
        return session.silent < LIVING_FOR if runs is None else runs

    def runs(self, session: Session) -> bool | None:
        """Tell whether a session's process runs; ``None``: that cannot be known here."""
        if session.pid == os.getpid() and session.place == self._me.place and session.place:
            return session.id in _open
        return runs_here(session.place, session.pid)

    def prune(self, older_than: float) -> int:
        """See ``Ledger.prune``.

        Raises:
            InvalidOption: less than ten minutes, which a living session may be silent for
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
        """Do ``work`` for the session of this process, once more if it is not known any more."""
        session = self.session
        try:
            result = self._do(work)
        except SessionLost:
            if self._closed:
                raise LedgerError(f"{self} is closed") from None
            logger.warning(
                "the ledger has forgotten session %s (pruned, or the ledger lost its data): "
                "its names are claimed anew, others may have some of them",
                session,
            )
            with self._lock:
                if self._me.id == session:
                    self._begin()
            result = self._do(work)
        self._registered = True
        if self._closed:
            self._leave()  # it was under way at the end, which may not have known of the session
        return result

    def _do(self, work: Callable[[], T]) -> T:
        """Do ``work``, which changes something."""
        if self._closed:
            raise LedgerError(f"{self} is closed")
        return self._guarded(work)

    def _look(self, work: Callable[[], T]) -> T:
        """Do ``work``, which only reads: nobody who writes waits for it."""
        return self._do(work)

    @abstractmethod
    def _guarded(self, work: Callable[[], T]) -> T:
        """Do ``work`` with the storage at hand; its failures become ``LedgerError``."""

    @abstractmethod
    def _claim(self, wanted: Mapping[str, str], token: str) -> Collection[str]:
        """Return the keys, of keys and names, that are claimed by this session and token now."""

    @abstractmethod
    def _take(self, key: str, name: str, identity: str | None, before: str | None) -> Holder | None:
        """Claim a name that is free, ours, or held by the session ``before``; else who has it.

        What is ours and was taken for another identity is not given.
        """

    @abstractmethod
    def _release(self, keys: Sequence[str], token: str | None) -> None:
        """Free those that are ours, by the token if one is given, and have no identity."""

    @abstractmethod
    def _renew(self) -> None:
        """Note that the session lives."""

    @abstractmethod
    def _advance(self, walk: str, count: int) -> int:
        """Move a walk on; return where it was."""

    @abstractmethod
    def _end(self) -> None:
        """Note that the session has ended; forget it if it holds nothing."""

    @abstractmethod
    def _free(self, session: str, silent: float) -> int:
        """Forget a session and its claims, if it is still silent that long; return how many."""

    @abstractmethod
    def _sessions(self) -> list[Session]:
        """Return the sessions of the namespace."""

    @abstractmethod
    def _count(self) -> tuple[int, list[Session]]:
        """Return how many names are claimed, and the sessions."""

    @abstractmethod
    def _holders(self) -> Iterable[Holder]:
        """Return who holds which name."""

    def _forked(self) -> None:
        """Let go of what the parent process has open, without closing it for the parent."""

    def _disconnect(self) -> None:
        """Close what is open."""


def _check_age(option: str, value: object) -> None:
    check_seconds(option, value)
    if value < LEAST_AGE:  # type: ignore[operator]
        raise InvalidOption(
            f"{option} must be at least {LEAST_AGE:g} seconds, not {shown(value)}: "
            "a session may live and be silent that long"
        )


def _after_fork_in_child() -> None:
    for ledger in list(_open.values()):
        ledger.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
