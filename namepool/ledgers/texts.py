"""``TextLedger``: the part of a Redis ledger that reads the texts of its scripts; see ``lua``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from namepool.ledgers.base import Holder, Session
from namepool.ledgers.lua import SEPARATOR
from namepool.ledgers.rows import (
    BadRow,
    read_groups,
    read_holder,
    read_list,
    read_session,
    read_texts,
    stand_in,
    unknown_session,
)
from namepool.ledgers.session import SessionLedger


class TextLedger(SessionLedger):
    """A ledger whose claims and sessions are texts. Another program may have written them."""

    def _listed(self, now: Any, about: object) -> Iterator[tuple[str, Session | None]]:
        """Yield the sessions of an answer, which has the id, the text and the moment of each."""
        for id_, text, seen in read_groups(about, 3):
            read_texts([id_])
            yield id_, self._session(id_, text, seen, now)

    def _session(self, id_: Any, text: Any, seen: Any, now: Any) -> Session | None:
        time = _time(now)

        def read() -> Session:
            ended, started, host, pid, place, parent = _parts("session", text, 6)
            return read_session(
                time,
                id_=id_,
                host=host,
                pid=pid,
                place=place,
                parent=parent,
                started=started,
                seen=seen,
                ended=ended,
            )

        return self._read(read)

    def _holder(
        self, key: Any, claim: Any, sessions: Mapping[str, Session | None]
    ) -> Holder | None:
        def read() -> Holder:
            id_, _, claimed, kept, identity, name = _parts("claim", claim, 6)
            session = sessions.get(id_) or unknown_session(id_)
            return read_holder(
                session, key=key, name=name, claimed=claimed, identity=identity or None, kept=kept
            )

        return self._read(read)

    def _held(self, answer: Sequence[Any], name: str = "") -> Holder:
        """Return the holder that a script tells.

        If the row is bad, nobody known holds ``name``, or the name whose key the row has.
        """
        held, key, claim, now, text, seen = read_list(answer, 6)
        if held != "held":
            raise BadRow("an answer must tell a holder")
        id_ = str(claim).partition(SEPARATOR)[0]
        holder = self._holder(key, claim, {id_: self._session(id_, text, seen, now)})
        return holder or Holder(name or stand_in(key), unknown_session(id_), 0.0, None)


def _time(now: Any) -> float:
    try:
        seconds = float(now)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise BadRow("an answer must have the time of the server")
    return seconds


def _parts(what: str, text: Any, count: int) -> list[str]:
    parts = str(text).split(SEPARATOR, count)  # a text may have millions
    if len(parts) != count:
        found = "more" if len(parts) > count else len(parts)
        raise BadRow(f"a {what} must have {count} parts, not {found}")
    return parts
