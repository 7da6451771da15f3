"""The names that agents of one pool take in the ledger by name, or for their identities.

One identity has one name in a namespace, and one holder at a time. The ledger sees to it between
sessions. ``Identities`` does so between the agents of one session, because for the ledger they are
all the same.

A name is given back for its identity only if the pool does not have it any more. Otherwise the pool
could hand it out while the identity takes it elsewhere.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from namepool.actors.backoff import Backoff
from namepool.actors.logs import Logger
from namepool.core.judging import why_refused
from namepool.core.names import name_key, one_line
from namepool.errors import LedgerBusy, LedgerError, NameHeld
from namepool.ledgers.base import LONGEST, Holder, Ledger

T = TypeVar("T")

warn: Callable[..., None] = Logger("namepool.pool").warning

_BACKOFF = Backoff(first=0.05, longest=2.0)
"""The pauses between two tries, while a holder may have died or others have the ledger locked."""

OURS = "this very process holds it: take another name"


class Turn:
    """The lock of an identity, or of a name, while the ledger is asked about it."""

    def __init__(self) -> None:
        self.lock: threading.Lock = threading.Lock()


class Hold:
    """The hold of one agent on a name, from before it has the name.

    Any thread may call the methods. ``take`` may run on another thread than the agent's. If the
    agent gives up meanwhile, ``end`` says so, and ``take`` gives the name back itself.
    """

    def __init__(self, among: Identities, identity: str | None) -> None:
        self.identity: str | None = identity
        self.is_over: bool = False
        self._among = among
        self._turn = among.turn_of(identity)
        self._lock = threading.Lock()
        self._taken: list[str] = []  # the name, once the ledger holds it by this hold
        self.wanted: str | None = None
        """The key of the name, while the ledger is asked and until the pool has the name."""
        if identity is not None:
            dropped = weakref.finalize(self, among.note_late, self._taken, identity)
            dropped.atexit = False

    @property
    def name(self) -> str | None:
        """The name that the ledger holds by this hold."""
        return next(iter(self._taken), None)  # another thread may clear it at any moment

    def take(
        self, name: str, deadline: float = 0.0, first: Callable[[], object] = lambda: None
    ) -> None:
        """Take a name; up to ``deadline``, wait for a lock, and for a holder that may be dead.

        ``first`` is called before the ledger is asked, unless the agent has given up.

        Raises:
            NameHeld: another agent has the name, or the identity has another name
            LedgerError: the ledger cannot be reached
        """
        with self._lock:
            if self.is_over:
                return
            first()
        is_settled = False
        try:
            self._among.begin_taking(self, name)
            self._among.patiently(lambda: self._ask(name), deadline, lambda: self.is_over)
            is_settled = self.name is not None
        except NameHeld:
            is_settled = True
            raise
        finally:
            if not is_settled:  # the ledger may have the name for us, or has it from before
                self._among.note_late([name], self.identity)
            if self.is_over:
                self.let_go(is_free=False)

    def _ask(self, name: str) -> Holder | None:
        """Ask the ledger once; return a holder that may come free.

        Raises:
            NameHeld: the holder is not to be waited for
        """
        with self._turn.lock:
            holder = self._among.ledger.take(name, self.identity)
            if holder is None:
                self._taken.append(name)
        if holder is not None and not self._may_come_free(name, holder):
            raise held_by(self._among.ledger, holder)
        return holder

    def _may_come_free(self, name: str, holder: Holder) -> bool:
        """Tell whether the name is that of the identity, and its holder is not known to live."""
        is_mine = self.identity and holder.identity == one_line(self.identity, LONGEST)
        if not is_mine or name_key(holder.name) != name_key(name) or holder.session.ended:
            return False
        # A ledger of a user's own may lack ``runs``. ``None`` then means that nothing is known.
        return getattr(self._among.ledger, "runs", lambda _: None)(holder.session) is not True

    def end(self) -> None:
        """Say that the agent has given up, or has left; ``take`` does not begin any more."""
        with self._lock:
            self.is_over = True

    def let_go(self, *, is_free: bool) -> None:
        """Let other sessions take the name for the identity; it may block.

        With ``is_free=False`` the pool may have the name. Then this happens later, when the pool
        has let go of the name. A name without an identity is freed, if the pool does not have it.
        """
        self.end()
        self.wanted = None
        name = self.name
        if name is not None:
            self._taken.clear()
            self._among.give_back(self, name, is_free=is_free)


class Identities:
    """The holds of one pool on the names of its agents' identities.

    ``withdraw`` lets the pool forget a name, ``has`` tells whether the pool has a name, ``free``
    frees a name that the pool does not have, and ``is_over`` tells whether the pool has ended.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        has: Callable[[str], bool] = lambda _: False,
        withdraw: Callable[[str], object] = lambda _: None,
        free: Callable[[list[str]], object] = lambda _: None,
        is_over: Callable[[], bool] = bool,
    ) -> None:
        self.ledger: Ledger = ledger
        self.sleep: Callable[[float], None] = time.sleep
        self._has, self._withdraw, self._free, self._is_over = has, withdraw, free, is_over
        self._lock = threading.Lock()  # never held while the ledger is asked
        self._holds: weakref.WeakValueDictionary[str, Hold] = weakref.WeakValueDictionary()
        self._turns: weakref.WeakValueDictionary[str | None, Turn] = weakref.WeakValueDictionary()
        self._late: dict[str, str] = {}  # name → identity: the ledger has not heard of their end
        self._all: weakref.WeakSet[Hold] = weakref.WeakSet()
        self._freeing = threading.Lock()

    def hold(self, identity: str | None) -> Hold:
        """Return a new hold, for an identity or for a name that is taken without one.

        Raises:
            NameHeld: an agent of this pool has a hold for the identity
        """
        if identity is None:
            return Hold(self, None)
        new = Hold(self, identity)
        with self._lock:
            other = self._holds.get(identity)
            if other is None or other.is_over:
                self._holds[identity] = new
                return new
        held = f"'{one_line(name)}'" if (name := other.name) else "its name"
        raise NameHeld(f"{held} is held for the identity '{one_line(identity)}'; {OURS}")

    def turn_of(self, identity: str | None) -> Turn:
        """Return the turn of an identity; each name without one has a turn of its own."""
        if identity is None:
            return Turn()
        with self._lock:
            return self._turns.setdefault(identity, Turn())

    def kept(self, identity: str, asked: str | None = None) -> str | None:
        """Return the name of an identity; ``None`` if it has none, or the ledger cannot tell.

        Raises:
            LedgerError: no source may issue the name, and the agent has not ``asked`` for it; some
                other program may have written it
        """
        kept: Callable[[str], Holder | None] = getattr(self.ledger, "kept", lambda _: None)
        holder = kept(identity)
        if holder is None:
            return None
        reason = why_refused(holder.name, frozenset())
        if reason is not None and (asked is None or name_key(asked) != name_key(holder.name)):
            raise LedgerError(
                f"the ledger has a name for the identity '{one_line(identity)}' that {reason}: "
                f"'{one_line(holder.name, 100)}'; if it is right, ask for it by name as well"
            )
        return holder.name

    def held(self) -> dict[str, str]:
        """Return the names that are held now, each with its identity."""
        with self._lock:
            holds = [*self._holds.values()]
        return {name: hold.identity or "" for hold in holds if (name := hold.name)}

    def patiently(
        self, ask: Callable[[], object], deadline: float, is_over: Callable[[], bool]
    ) -> None:
        """Ask until the answer is ``None``, or nobody wants it; wait up to ``deadline``.

        Raises:
            NameHeld: the last answer was a holder, and the time is over
            LedgerBusy: other processes have kept the ledger locked until then
        """
        tries = 0
        while not is_over():
            tries, left = tries + 1, deadline - time.monotonic()
            try:
                holder: Any = ask()
            except LedgerBusy:
                if left <= 0.0:
                    raise
            else:
                if holder is None:
                    return
                if left <= 0.0:
                    raise held_by(self.ledger, holder)
            self.sleep(min(_BACKOFF.pause(tries), left))

    # -- giving back ------------------------------------------------------------------------

    def give_back(self, hold: Hold, name: str, *, is_free: bool) -> None:
        """Give the name of a hold back: see ``Hold.let_go``."""
        if hold.identity is None:
            self._free([name])
            return
        with self._lock:
            self._late[name] = hold.identity
        if self._is_over():
            return  # the session has ended, so the identity may take the name anyway
        try:
            self._settle(name, is_free=is_free)
        except LedgerError as error:
            warn("%a stays with this process for now: %s", name, one_line(error))

    def note_late(self, names: list[str], identity: str | None) -> None:
        """Note names that the ledger may hold for nobody; any finaliser may call this."""
        if identity is not None:
            for name in names:
                self._late[name] = identity

    def settle(self) -> None:
        """Tell the ledger of the names that were given back and that it has not heard of.

        Raises:
            LedgerError: the ledger cannot be reached
        """
        for name in [*self._late]:
            self._settle(name, is_free=False)

    def _settle(self, name: str, *, is_free: bool) -> None:
        identity = self._late.get(name)
        if identity is None:
            return
        is_settled = False
        with self.turn_of(identity).lock:
            try:
                # First, because an agent that lets go from now on notes the name again.
                self._late.pop(name, None)
                is_settled = self._try_to_settle(identity, name, is_free=is_free)
            finally:
                if not is_settled:
                    self._late[name] = identity

    def _try_to_settle(self, identity: str, name: str, *, is_free: bool) -> bool:
        """Release the name unless an agent has it; tell whether nothing is left to do."""
        hold = self._holds.get(identity)
        if hold is not None and hold.name is not None:
            return True
        if not is_free and self._has(name):
            self._withdraw(name)  # and give it back later
            return False
        self.ledger.release([name])
        return True

    def begin_taking(self, hold: Hold, name: str) -> None:
        """Keep the name from being freed until the pool has it, or the hold is over."""
        with self._freeing:  # waits for a call that frees names
            self._all.add(hold)
            hold.wanted = name_key(name)

    @contextmanager
    def freeing(self, names: list[str]) -> Iterator[list[str]]:
        """Let the block free those of the names that the pool does not have, and no agent takes."""
        with self._freeing:
            wanted = {hold.wanted for hold in [*self._all]}
            yield [n for n in names if not self._has(n) and name_key(n) not in wanted]


def held_by(ledger: Ledger, holder: Holder) -> NameHeld:
    """Return the error that tells of the holder of a name."""
    return NameHeld(one_line(told(ledger, holder), 1000), holder)


def told(ledger: Ledger, holder: Holder) -> str:
    """Return the message of ``NameHeld``: the holder of the name, and advice."""
    # The texts of our own ledgers are escaped already, so they are shown without ``repr``.
    session, whose = holder.session, f"the identity '{one_line(holder.identity)}'"
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(holder.claimed))
    who = f"'{one_line(holder.name)}' is held by {session} since {since}, for "
    who += "no identity" if holder.identity is None else whose
    if holder.is_kept and not session.ended:
        return f"'{one_line(holder.name)}' is kept for {whose}: take another name"
    if session.id == getattr(ledger, "session", None):
        return f"{who}; {OURS}"
    ended = "that session has ended" if session.ended else "that process is dead"
    freed = "until 'namepool ledger prune' frees them: take another name"
    # A ledger of a user's own may lack ``runs``. ``None`` then means that nothing is known.
    runs = getattr(ledger, "runs", lambda _: None)(session)
    if session.ended or runs is False:
        waits = "stay claimed" if holder.identity is None else "wait for their identities"
        return f"{who}; {ended}, and its names {waits} {freed}"
    seen = f"it was seen {session.silent:.0f} s ago"
    if runs:
        return f"{who}; {seen}, and that process runs: take another name"
    return f"{who}; {seen}: if it lives, take another name"
