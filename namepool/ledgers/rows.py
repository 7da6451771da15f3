"""The one reader of all that comes out of a ledger.

Another program may have written a row, so its values may be anything. A value of a wrong type, out
of range or too long makes the row a bad one. The reader then raises ``BadRow``, and the ledger
leaves the row out and logs one warning. A text that fits is escaped, so that it is one line of a
log. Nobody shows the id and the place of a session to people, so these two stay as they are.
"""

from __future__ import annotations

from typing import Any

from namepool.core.names import name_key, one_line, validate_name, why_invalid
from namepool.errors import InvalidName
from namepool.ledgers.base import LONGEST, Holder, Session

LATEST = 253402300799.0
"""Seconds of the Unix clock: the end of the year 9999, the last year that can be shown."""

FURTHEST = 10**12
"""The last position of a walk. A namespace that takes a million names a second needs 11 days."""

PATH = 4096
"""The most characters of the path of an agent."""

UNKNOWN_HOST = "an unknown host"

_PIDS = 2**32


class BadRow(Exception):
    """A row of a ledger that no namepool has written. The text names the value, in one line."""


def read_session(
    now: float,
    *,
    id_: object,
    host: object,
    pid: object,
    place: object,
    parent: object,
    started: object,
    seen: object,
    ended: object,
) -> Session:
    """Return the session of the stored values; ``now`` is the time by the clock of the ledger.

    Raises:
        BadRow: a value cannot be that of a session
    """
    last = _moment("seen", seen)
    return Session(
        _text("id", id_, 64),
        one_line(_text("host", host, 255), LONGEST),
        _whole("pid", pid, _PIDS),
        _text("place", place, 255, shortest=0),
        _moment("started", started),
        last,
        max(now - last, 0.0),
        _whole("ended", ended, 3) > 0,
        one_line(_text("parent", parent, PATH, shortest=0), PATH),
    )


def read_holder(
    session: Session, *, key: object, name: object, claimed: object, identity: object, kept: object
) -> Holder:
    """Return the holder of the stored values; see ``read_session``.

    Raises:
        BadRow: a value cannot be that of a claim, or the name does not fit its key
    """
    text = _text("name", name, LONGEST)
    try:
        fits = name_key(validate_name(text)) == key
    except InvalidName:
        fits = False
    if not fits:
        raise BadRow(f"name {_shown(name)} is not the name of its row")
    whose = None if identity is None else one_line(_text("identity", identity, 256), LONGEST)
    return Holder(text, session, _moment("claimed", claimed), whose, bool(_whole("kept", kept, 2)))


def unknown_session(id_: object) -> Session:
    """Return the stand-in for a session whose row is missing or bad.

    Nobody knows whether it lives, so it counts as living, and no agent takes its names.
    """
    return Session(one_line(id_, 64), UNKNOWN_HOST, 0, "", 0.0, 0.0, 0.0, False)


def is_unknown(holder: Holder) -> bool:
    """Tell whether a holder stands for a claim whose own row is bad."""
    return holder.session.host == UNKNOWN_HOST and holder.claimed == 0.0


def read_position(stored: object) -> int:
    """Return a stored position of a walk.

    Raises:
        BadRow: the value is no position
    """
    return _whole("position", stored, FURTHEST)


def read_count(stored: object) -> int:
    """Return a stored number of rows.

    Raises:
        BadRow: the value is no number of rows
    """
    return _whole("count", stored, FURTHEST)


def read_list(stored: object, count: int | None = None) -> list[Any]:
    """Return a list that a server answers, of ``count`` values if this is given.

    Raises:
        BadRow: the answer is no such list
    """
    if not isinstance(stored, list) or count not in (None, len(stored)):
        wanted = "a list" if count is None else f"a list of {count}"
        told = f"one of {len(stored)}" if isinstance(stored, list) else _shown(stored)
        raise BadRow(f"an answer must be {wanted}, not {told}")
    return stored


def read_texts(stored: object, count: int | None = None) -> list[str]:
    """Return such a list of texts.

    Raises:
        BadRow: the answer is no such list
    """
    found = read_list(stored, count)
    for text in found:
        if not isinstance(text, str):
            raise BadRow(f"an answer must be a list of texts, not of {_shown(text)}")
    return found


def read_groups(stored: object, width: int) -> list[list[Any]]:
    """Return such a list, cut into groups of ``width`` values.

    Raises:
        BadRow: the answer is no such list, or its last group is too short
    """
    found = read_list(stored)
    if len(found) % width:
        raise BadRow(f"an answer must be a list of groups of {width}, not of {len(found)} values")
    return [found[at : at + width] for at in range(0, len(found), width)]


def stand_in(key: object) -> str:
    """Return a name for a row whose own name is none."""
    return key if isinstance(key, str) and why_invalid(key) is None else "an unknown name"


def _text(what: str, stored: object, longest: int, shortest: int = 1) -> str:
    if not isinstance(stored, str) or not shortest <= len(stored) <= longest:
        raise BadRow(
            f"{what} must be a text of {shortest} to {longest} characters, not {_shown(stored)}"
        )
    return stored


def _whole(what: str, stored: Any, below: int) -> int:
    """Read an int, also one that a server stores as a text."""
    is_text = isinstance(stored, str) and len(stored) < 20 and stored.isascii() and stored.isdigit()
    number = int(stored) if is_text else stored
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < below:
        raise BadRow(f"{what} must be a whole number below {below}, not {_shown(stored)}")
    return number


def _moment(what: str, stored: Any) -> float:
    """Read seconds of the Unix clock, also from a text."""
    is_number = isinstance(stored, int | float) and not isinstance(stored, bool)
    try:
        seconds = (
            float(stored) if is_number or (isinstance(stored, str) and len(stored) < 40) else -1.0
        )
    except (ValueError, OverflowError):
        seconds = -1.0
    if not 0.0 <= seconds <= LATEST:
        raise BadRow(f"{what} must be a moment in seconds, not {_shown(stored)}")
    return seconds


def _shown(stored: object) -> str:
    if isinstance(stored, str | bytes):
        return one_line(repr(stored[:40]), 100)
    return one_line(stored, 100) if isinstance(stored, int | float) else type(stored).__name__
