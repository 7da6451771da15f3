"""Names that agents come back for: asked for by name, or kept for an identity, in the ledger.

Runs on the caller's thread, which waits for the ledger itself.
"""

from __future__ import annotations

import time

from namepool.core.names import one_line
from namepool.core.options import invalid
from namepool.errors import InvalidOption, NameHeld
from namepool.ledgers.base import Holder, Ledger


def check(ledger: Ledger | None, theme: str | None, name: str | None, identity: str | None) -> None:
    """Refuse what does not go together."""
    if name is not None and theme is not None:
        raise invalid("theme", theme, "left out where a name is asked for by name")
    if identity is not None and ledger is None:
        raise InvalidOption("identity needs a ledger, which remembers it: open_pool(ledger=...)")


def take(ledger: Ledger, name: str, identity: str | None) -> None:
    """Have the ledger keep a name for an identity; ``NameHeld`` says who else has it."""
    holder = ledger.take(name, identity)
    if holder is not None:
        raise NameHeld(one_line(_told(ledger, holder), 1000), holder)


def _told(ledger: Ledger, holder: Holder) -> str:
    """Say who has the name, and what can be done about it."""
    # Not their repr: a ledger of ours has escaped them already.
    session, whose = holder.session, f"the identity '{one_line(holder.identity)}'"
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(holder.claimed))
    who = f"'{one_line(holder.name)}' is held by {session} since {since}, for "
    who += "no identity" if holder.identity is None else whose
    if session.id == getattr(ledger, "session", None):
        return f"{who}; this very process holds it: take another name"
    ended = "that session has ended" if session.ended else "that process is dead"
    freed = "until 'namepool ledger prune' frees them: take another name"
    # ``None``: the ledger, which may be a user's, does not know whether the process runs.
    runs = getattr(ledger, "runs", lambda _: None)(session)
    if session.ended or runs is False:
        waits = "stay claimed" if holder.identity is None else "wait for their identities"
        return f"{who}; {ended}, and its names {waits} {freed}"
    seen = f"it was seen {session.silent:.0f} s ago"
    if runs:
        return f"{who}; {seen}, and that process runs: take another name"
    return f"{who}; {seen}: if it lives, take another name"
