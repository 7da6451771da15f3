"""The options of a pool, for type checkers, editors and the reference; and the pool's source.

``core.options`` checks the value of each option at run time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict, cast

from namepool.core.names import one_line
from namepool.core.options import CHECKS, PoolOptions
from namepool.core.state import PoolState
from namepool.errors import InvalidOption
from namepool.ledgers.base import Ledger, check_ledger
from namepool.ledgers.claims import ClaimedNames
from namepool.ledgers.session import SessionLedger
from namepool.sources.base import NameSource, check_source, share_walk


class NamePoolOptions(TypedDict, total=False):
    """The options of a pool, for ``Unpack``; each option may be left out."""

    source: NameSource | None
    """The source of names; ``None``: offline names. Default: None."""

    chunk_size: int
    """The smallest number of names that a fetch asks for. Default: 12."""

    max_chunk_size: int | None
    """The largest number of names that a fetch asks for, while demand is high. Default: 50, or
    ``chunk_size`` if that is more."""

    low_water_mark: int | None
    """The pool fetches when fewer names than this are ready or under way; if demand is high, it
    fetches earlier. 0: only when the pool is empty; ``None``: half of ``chunk_size``. Default:
    None."""

    max_fetches: int
    """The largest number of fetches at once; each asks the source on a thread of its own.
    Default: 4."""

    fetch_timeout: float
    """Seconds until the pool abandons a fetch and replaces its fetcher. Default: 30."""

    prefetch: bool
    """Whether the pool fetches the first chunk at its start, before any request. Default: False."""

    reuse_gap: int
    """A name that was given back is handed out again only after so many other names were handed
    out, counted for each theme; 0: at once. If the source fails, is late or has no more names, the
    pool hands it out earlier. Default: 1000."""

    reclaim_after: float | None
    """Seconds until the pool takes a name back after all its owners have ended without a checkin;
    ``None``: never. Default: 300."""

    leak_after: float | None
    """Seconds until the log calls a name that is still checked out a leak; ``None``: never.
    Default: None."""

    reserved: Iterable[str]
    """Words and names that no source may give to an agent. An entry excludes each name that reads
    like it, and each name with the words of the entry in a row: ``"Acme"`` excludes "Ada Acme-Bot",
    but not "Acmena". The program itself may still give such a name: ``named(name="Acme")``.
    Default: ()."""

    ledger: str | Ledger | None
    """The ledger in which the pool claims its names, so that no other process uses them. It is a
    URL such as ``"sqlite:///names.db"``, or a ``Ledger``. The pool closes it at its end. Default:
    None."""

    state: PoolState | None
    """The state of an earlier pool, with which this pool goes on; ``None``: a new state.
    Default: None."""


def checked_options(options: NamePoolOptions) -> PoolOptions:
    """Check all options, and return those of ``core.options``; the error names a wrong option.

    Raises:
        InvalidOption: an option is unknown, or has a wrong type or range
    """
    given = dict[str, Any](cast("Any", options))
    # The options are shown and pickled, and the URL of a ledger may have a password.
    given.pop("ledger", None)
    source, state = given.pop("source", None), given.pop("state", None)
    if source is not None:
        check_source(source)
    CHECKS.that("state", state, isinstance(state, PoolState | None), "a PoolState")
    known = PoolOptions.__dataclass_fields__
    for option in given:
        if option not in known:
            # The message leaves out the value, which may be a key that was meant for a source.
            raise InvalidOption(
                f"{one_line(option)} is not an option: there are source, {', '.join(known)}, state"
            )
    return PoolOptions(**given)


def supply(source: NameSource | None, claimed_in: str | Ledger | None) -> NameSource:
    """Return ``source``, or offline names; with a ledger, wrap it so that names are claimed there.

    Raises:
        InvalidOption: ``claimed_in`` is no ledger and no URL of a ledger
    """
    ledger = _ledger(claimed_in)
    source = source if source is not None else _offline_names()
    if ledger is None:
        return source
    claims = ClaimedNames(source, ledger)
    # A class that has a ``claim`` of its own wants to see each claim.
    draws = isinstance(ledger, SessionLedger) and type(ledger).claim is SessionLedger.claim
    draw = claims.draw if draws else None
    # All processes share one walk; each takes the next positions of it.
    share_walk(source, ledger.advance, getattr(ledger, "namespace", "default"), draw)
    return claims


def _ledger(given: object) -> Ledger | None:
    if isinstance(given, str):
        from namepool.ledgers.urls import open_ledger  # here, as most pools have no ledger

        return open_ledger(given)
    if given is not None:
        check_ledger(given)
    return given  # type: ignore[return-value]


def _offline_names() -> NameSource:
    from namepool.sources.offline import OfflineNames  # here, as not every pool has them

    return OfflineNames()
