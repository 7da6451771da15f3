"""``TextLedger``: the part of a Redis ledger that reads the texts of its scripts; see ``lua``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from namepool.ledgers.base import Holder, Session
from namepool.ledgers.lua import SEPARATOR
from namepool.ledgers.rows import BadRow, read_holder, read_session, unknown_session
from namepool.ledgers.session import SessionLedger


class TextLedger(SessionLedger):
    """A ledger whose claims and sessions are texts. Another program may have written them."""

    def _listed(self, now: Any, about: Sequence[Any]) -> Iterator[tuple[str, Session | None]]:
        """Yield the sessions of an answer, which has the id, the text and the moment of each."""
        for id_, text, seen in zip(about[::3], about[1::3], about[2::3], strict=True):
            yield id_, self._session(id_, text, seen, now)

    def _session(self, id_: Any, text: Any, seen: Any, now: Any) -> Session | None:
        def read() -> Session:
            ended, started, host, pid, place, parent = _parts("session", text, 6)
            return read_session(
                float(now),
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

    def _held(self, answer: Sequence[Any], name: str) -> Holder:
        """Return the holder that a script tells; nobody known holds a name whose row is bad."""
        _, key, claim, now, text, seen = answer
        id_ = str(claim).partition(SEPARATOR)[0]
        holder = self._holder(key, claim, {id_: self._session(id_, text, seen, now)})
        return holder or Holder(name, unknown_session(id_), 0.0, None)


def _parts(what: str, text: Any, count: int) -> list[str]:
    parts = str(text).split(SEPARATOR)
    if len(parts) != count:
        raise BadRow(f"a {what} must have {count} parts, not {len(parts)}")
    return parts
