"""``SessionLedger``: the common part of all ledgers; a subclass adds the storage (``engine``)."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from namepool.core.names import is_default_name, name_key, one_line, validate_name
from namepool.core.options import CHECKS
from namepool.errors import InvalidOption, LedgerError
from namepool.ledgers.base import (
    LEAST_AGE,
    LONGEST,
    RENEW_EVERY,
    Holder,
    Session,
)
from namepool.ledgers.engine import Me, SessionLost, logger
from namepool.ledgers.looking import Looking, opened
from namepool.ledgers.processes import place_of, place_of_this_process
from namepool.ledgers.rows import PATH, BadRow, is_unknown, read_position

T = TypeVar("T")

SLICE = 100
"""Sessions that one step of a prune looks at."""

MOST_STEPS = 100_000
"""The most steps of a prune. In a step some hundred names become free."""

MOST = 10**6
"""Sessions that a prune passes over, at most. A hostile storage may list one again and again."""

REST = 0.005
"""Seconds, at least, between two steps of a prune: other sessions claim meanwhile."""


class SessionLedger(Looking):
    """A ledger without its storage, which a subclass adds. ``Ledger`` describes the methods.

    Args:
        namespace: names are unique within a namespace; a ledger does not see other namespaces
        retire_after: a number of seconds. The names of dead sessions whose last renewal is longer
            ago than that become free. One session of the namespace does this at a time, with a
            renewal. With ``None``, a renewal frees no names
        timeout: seconds that a call waits for the storage. No call takes more than twice as long
        parent: the path of the agent that this process works for

    Examples:
        >>> ledger = namepool.ledgers.MemoryLedger(namespace="crew", retire_after=7 * 86400.0)
        >>> ledger.claim(["Ada the Yak Shaver"], token="first")
        ['Ada the Yak Shaver']
    """

    def __init__(
        self,
        namespace: str = "default",
        *,
        retire_after: float | None = None,
        timeout: float = 5.0,
        parent: str = "",
    ) -> None:
        self.namespace: str = CHECKS.text("namespace", namespace, 100)
        if retire_after is not None:
            _check_age("retire_after", retire_after)
        CHECKS.seconds("timeout", timeout, zero=False)
        if parent:
            CHECKS.text("parent", parent, PATH)
        self._retire_after = retire_after
        self._timeout = timeout
        self._parent = parent
        self._lock = threading.Lock()
        self._closed = False
        self._begin_reading()
        self._begin()

    def _begin(self) -> None:
        """Begin a new session. Its first call registers it."""
        host, place = socket.gethostname()[:255], place_of_this_process()
        self._me = Me(uuid.uuid4().hex, host, os.getpid(), place, self._parent)
        self._registered = False
        opened[self._me.id] = self

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

    @property
    def timeout(self) -> float:
        """The seconds that a call waits for the storage.

        Examples:
            >>> ledger.timeout
            5.0
        """
        return self._timeout

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

    def draw(
        self, walk: str, count: int, name_at: Callable[[int], str | None], token: str
    ) -> dict[str, int]:
        """Claim the names at the next ``count`` positions of a shared walk, and return them.

        The result has the position of each name that this session now holds by ``token``. Positions
        that other sessions gave back unused come first. ``name_at`` returns the name at a position,
        or ``None`` for a name that is not wanted. It must be quick: other sessions may wait
        meanwhile.

        Examples:
            >>> ledger.draw("numbers", 2, "NPC #{}".format, token="second")
            {'NPC #0': 0, 'NPC #1': 1}
        """
        _check_walk(walk, count)
        CHECKS.text("token", token, 100)

        def claimed(positions: Iterable[int]) -> dict[str, int]:
            named = [(name, at) for at in positions if (name := name_at(at)) is not None]
            wanted = {name_key(validate_name(name)): name for name, _ in reversed(named)}
            ours = self._claim(wanted, token) if wanted else ()
            return {n: at for n, at in named if wanted[key := name_key(n)] == n and key in ours}

        def positions() -> list[int]:
            spares = [self._position(walk, at) for at in self._spares(walk, count)]
            if missing := count - len(spares):
                first = self._position(walk, self._advance(walk, missing))
                return [*spares, *range(first, first + missing)]
            return spares

        if self.joins:
            return self._call(lambda: claimed(positions()))
        found = self._call(positions)  # a claim may be repeated, and this may not
        return self._call(lambda: claimed(found))

    def take(self, name: str, identity: str | None = None) -> Holder | None:
        """See :meth:`namepool.Ledger.take`."""
        if is_default_name(validate_name(name)):
            raise CHECKS.invalid("name", name, "a name of one's own")
        if identity is not None:
            CHECKS.text("identity", identity, 256)
        key = name_key(name)

        def take() -> Holder | None:
            found = self._find(key)
            if found is not None and is_unknown(found):
                return found._replace(name=name)
            return self._take(key, name, identity, None)

        holder = self._call(take)
        if holder is None or identity is None or holder.identity != one_line(identity, LONGEST):
            return holder  # read in one line; the engine compares it as stored
        if name_key(holder.name) != key or self.lives(holder.session):
            return holder
        before = holder.session.id  # another session may be faster and get it
        return self._call(lambda: self._take(key, name, identity, before))

    def release(self, names: Iterable[str], token: str | None = None) -> None:
        """See :meth:`namepool.Ledger.release`."""
        keys = list(dict.fromkeys(name_key(validate_name(name)) for name in names))
        if keys:
            self._call(lambda: self._release(keys, token))

    def renew(self) -> None:
        """See :meth:`namepool.Ledger.renew`. It also frees names by ``retire_after``.

        If these are many, the next turns free the rest.
        """
        after = self._retire_after
        is_turn = self._call(lambda: self._renew(None if after is None else RENEW_EVERY))
        if is_turn and after is not None:
            until = time.monotonic() + self._timeout
            for _ in self._steps(after, False):
                if time.monotonic() > until:
                    break  # and go on at the next turn

    def stand_for(self, pid: int) -> None:
        """Let the session stand for another process of this machine, and renew it.

        The session then lives as long as that process runs.

        Examples:
            >>> import os
            >>> ledger.stand_for(os.getppid())
            >>> ledger.holder("Ada the Yak Shaver").session.pid == os.getppid()
            True
        """
        CHECKS.count("pid", pid, 1)
        self._me = self._me._replace(pid=pid, place=place_of(pid))
        self._call(self._renew)

    def advance(self, walk: str, count: int) -> int:
        """See :meth:`namepool.Ledger.advance`. If an answer is lost, nobody gets its positions.

        Raises:
            LedgerError: the ledger cannot be reached, or what it holds for the walk is no position
        """
        _check_walk(walk, count)
        return self._call(lambda: self._position(walk, self._advance(walk, count)))

    def close(
        self, unused: Iterable[str] = (), spare: Mapping[str, Collection[int]] | None = None
    ) -> None:
        """See :meth:`namepool.Ledger.close`. It releases ``unused`` names in the same step.

        ``spare`` has positions of walks that nobody used. ``draw`` offers them again.
        """
        if self._closed:
            return
        keys = list(dict.fromkeys(name_key(validate_name(name)) for name in unused))
        self._closed = True  # first: a renewal must not begin a new session
        self._leave(keys, spare or {})

    def _leave(self, keys: Sequence[str] = (), spare: Mapping[str, Any] | None = None) -> None:
        try:
            if self._registered:
                self._guarded(lambda: self._end(keys, spare or {}))
        except SessionLost:
            pass  # the session was pruned: this is an end, too
        finally:
            opened.pop(self._me.id, None)
            self._disconnect()

    def prune(self, older_than: float, *, identities: bool = False) -> int:
        """See :meth:`namepool.Ledger.prune`. With ``identities`` it frees their names, too.

        It works in steps of some milliseconds. Other sessions claim names between two steps.

        Raises:
            InvalidOption: ``older_than`` is less than ten minutes; a living session may be silent
                for that long

        Examples:
            >>> ledger.prune(older_than=7 * 86400.0, identities=True)
            0
        """
        _check_age("older_than", older_than)
        return sum(self._steps(older_than, identities))

    def _steps(self, silent: float, identities: bool) -> Iterator[int]:
        """Free the names of dead sessions in steps; yield the number of names after each step."""
        passed, steps, done = 0, 0, set[str]()
        while page := self._open_look(partial(self._old, silent, passed, SLICE, identities)):
            dead = {one.id for one in page if one is not None and self._is_dead(one)} - done
            done |= dead
            passed += len(page) - len(dead)
            while dead:
                began, steps = time.monotonic(), steps + 1
                freed, left = self._do(partial(self._free, [*dead], silent, identities))
                is_less = freed > 0 or len(left) < len(dead)
                if freed < 0 or not is_less or not dead.issuperset(left) or steps > MOST_STEPS:
                    raise LedgerError(f"{self}: its sessions do not give up their names")
                dead = set(left)
                yield freed
                time.sleep(max(REST, time.monotonic() - began))
            if passed + len(done) > MOST:
                raise LedgerError(f"{self}: it lists silent sessions without an end")

    def _is_dead(self, session: Session) -> bool:
        return session.id != self._me.id and (session.ended or not self.runs(session))

    # -- calls ------------------------------------------------------------------------------

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

    def _position(self, walk: str, stored: object) -> int:
        try:
            return read_position(stored)
        except BadRow as error:
            text = f"{self}: the walk {one_line(walk)!r} is lost: {one_line(error, 500)}"
            raise LedgerError(f"{text}; give it another namespace") from None


def _check_walk(walk: object, count: object) -> None:
    CHECKS.text("walk", walk, 200)
    CHECKS.count("count", count, 1)


def _check_age(option: str, value: object) -> None:
    CHECKS.seconds(option, value)
    if value < LEAST_AGE:  # type: ignore[operator]
        error = CHECKS.invalid(option, value, f"at least {LEAST_AGE:g} seconds")
        raise InvalidOption(f"{error}: a living session may be silent for that long")


def _after_fork_in_child() -> None:
    for ledger in list(opened.values()):
        ledger.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
