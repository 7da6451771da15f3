"""``Identities``: the names that agents of one pool hold for their identities.

One identity has one name in a namespace, and one holder at a time. The ledger sees to it between
sessions. ``Identities`` does so between the agents of one session, because for the ledger they are
all the same.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from weakref import WeakValueDictionary

from namepool.actors.backoff import Backoff
from namepool.actors.logs import Logger
from namepool.core.names import name_key, one_line
from namepool.errors import LedgerError, NameHeld
from namepool.ledgers.base import LONGEST, Holder, Ledger

warn: Callable[..., None] = Logger("namepool.pool").warning

_BACKOFF = Backoff(first=0.05, longest=2.0)
"""The pauses between two looks at a holder that may have died."""


OURS = "this very process holds it: take another name"


class Hold:
    """The hold of one agent on the name of its identity, from before it has the name.

    Any thread may call the methods. ``take`` may run on another thread than the agent's. If the
    agent gives up meanwhile, ``let_go`` ends the hold, and ``take`` gives the name back itself.
    """

    def __init__(self, among: Identities, identity: str) -> None:
        self.identity: str = identity
        self.name: str | None = None
        """The name that the ledger holds for the identity by this hold."""
        self.is_over: bool = False
        self._among = among

    def take(self, name: str, deadline: float = 0.0) -> None:
        """Take a name for the identity; up to ``deadline``, wait for a holder that may be dead.

        Raises:
            NameHeld: another agent has the name, or the identity has another name
            LedgerError: the ledger cannot be reached
        """
        ledger, tries = self._among.ledger, 0
        while not self.is_over:
            holder = ledger.take(name, self.identity)
            if holder is None:
                break
            tries += 1
            pause = _BACKOFF.pause(tries, random.random)
            if not self._may_come_free(name, holder) or time.monotonic() + pause > deadline:
                raise NameHeld(one_line(told(ledger, holder), 1000), holder)
            self._among.sleep(pause)
        else:
            return
        self.name = name
        if self.is_over:  # the agent gave up while the ledger was asked
            self.let_go()

    def _may_come_free(self, name: str, holder: Holder) -> bool:
        """Tell whether the name is that of the identity, and its holder is not known to live."""
        is_mine = holder.identity == one_line(self.identity, LONGEST)
        if not is_mine or name_key(holder.name) != name_key(name) or holder.session.ended:
            return False
        # A ledger of a user's own may lack ``runs``. ``None`` then means that nothing is known.
        return getattr(self._among.ledger, "runs", lambda _: None)(holder.session) is not True

    def let_go(self, is_free: bool = True) -> None:
        """End the hold, and let other sessions take the name for the identity; it may block.

        With ``is_free=False`` an agent of this pool still speaks under the name. Then the name
        stays with this session.
        """
        self.is_over = True
        name, self.name = self.name, None
        if name is None or not is_free:
            self._among.forget(self)
        else:
            self._among.release(self, name)


class Identities:
    """The holds of one pool on the names of its agents' identities."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger: Ledger = ledger
        self.sleep: Callable[[float], None] = time.sleep
        self._lock = threading.Lock()
        self._holds: WeakValueDictionary[str, Hold] = WeakValueDictionary()
        """Identity → its hold. A hold that nobody can end any more, it forgets by itself."""
        self._late: dict[str, str] = {}  # name → identity: the ledger has not heard of their end

    def hold(self, identity: str) -> Hold:
        """Return a new hold for an identity.

        Raises:
            NameHeld: an agent of this pool has one
        """
        with self._lock:
            if (other := self._holds.get(identity)) is not None and not other.is_over:
                held = f"'{one_line(other.name)}'" if other.name else "its name"
                raise NameHeld(f"{held} is held for the identity '{one_line(identity)}'; {OURS}")
            hold = self._holds[identity] = Hold(self, identity)
            return hold

    def kept(self, identity: str) -> str | None:
        """Return the name of an identity; ``None`` if it has none, or the ledger cannot tell."""
        kept: Callable[[str], Holder | None] = getattr(self.ledger, "kept", lambda _: None)
        holder = kept(identity)
        return None if holder is None else holder.name

    def held(self) -> dict[str, str]:
        """Return the names that are held now, each with its identity."""
        with self._lock:
            return {hold.name: hold.identity for hold in self._holds.values() if hold.name}

    def forget(self, hold: Hold) -> None:
        """Forget a hold that has no name."""
        with self._lock:
            if self._holds.get(hold.identity) is hold:
                del self._holds[hold.identity]

    def release(self, hold: Hold, name: str) -> None:
        """Let other sessions take the name of a hold; if the ledger fails, do so later."""
        with self._lock:  # no agent of this pool may take the name meanwhile
            self._late[name] = hold.identity
            try:
                self._settle()
            except LedgerError as error:
                warn("%a stays with this process for now: %s", name, one_line(error))
            if self._holds.get(hold.identity) is hold:
                del self._holds[hold.identity]

    def settle(self) -> None:
        """Tell the ledger of the names that were given back while it could not be reached.

        Raises:
            LedgerError: the ledger still cannot be reached
        """
        with self._lock:
            self._settle()

    def _settle(self) -> None:
        for name, identity in list(self._late.items()):
            hold = self._holds.get(identity)
            if hold is None or hold.is_over:
                self.ledger.release([name])
            del self._late[name]


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
