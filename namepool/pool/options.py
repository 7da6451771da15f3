"""The options of a pool, as type checkers, editors and the reference know them; and its supply.

``core.options`` says what each may be at run time.
"""

from __future__ import annotations

from typing import Any, TypedDict, cast

from namepool.core.names import one_line
from namepool.core.options import PoolOptions, invalid
from namepool.core.state import PoolState
from namepool.errors import InvalidOption
from namepool.ledgers.base import Ledger, check_ledger
from namepool.ledgers.claims import ClaimedNames
from namepool.sources.base import NameSource, check_source


class NamePoolOptions(TypedDict, total=False):
    """The options of a pool, for ``Unpack``: each may be left out."""

    source: NameSource | None
    """Where names come from; ``None``: offline names. Default: None."""

    chunk_size: int
    """Names asked for at a time, at least. Default: 12."""

    max_chunk_size: int | None
    """Names asked for at a time, at most, while demand is high. Default: 50, or ``chunk_size`` if
    that is more."""

    low_water_mark: int | None
    """Fetch when fewer names are available or under way, or earlier if demand is high; 0: when the
    pool is empty only; ``None``: half of ``chunk_size``. Default: None."""

    max_fetches: int
    """Fetches under way at once, at most: so many threads ask the source. Default: 4."""

    fetch_timeout: float
    """Seconds until a fetch is abandoned and its fetcher replaced. Default: 30."""

    prefetch: bool
    """Fetch the first chunk at the start, before anybody asks. Default: False."""

    reclaim_after: float | None
    """Seconds until a name comes home whose owners all ended without giving it back; ``None``:
    never. Default: 300."""

    leak_after: float | None
    """Seconds until a name that is still held is called a leak in the log; ``None``: never.
    Default: None."""

    ledger: str | Ledger | None
    """Where names are claimed, so that no other process uses them: a URL such as
    ``"sqlite:///names.db"``, or a ``Ledger``; it is closed with the pool. Default: None."""

    state: PoolState | None
    """What the pool knows, from an earlier pool; ``None``: nothing yet. Default: None."""


def checked_options(options: NamePoolOptions) -> PoolOptions:
    """Return those that need no other layer to be understood; refuse a wrong one by its name.

    Raises:
        InvalidOption: an unknown option, or one of the wrong type or range
    """
    given = dict[str, Any](cast("Any", options))
    source, state = given.pop("source", None), given.pop("state", None)
    if source is not None:
        check_source(source)
    if state is not None and not isinstance(state, PoolState):
        raise invalid("state", state, "a PoolState")
    known = PoolOptions.__dataclass_fields__
    for option in given:
        if option not in known:
            # Not its value: it may be a key that was meant for a source.
            raise InvalidOption(
                f"{one_line(option)} is not an option: there are source, {', '.join(known)}, state"
            )
    return PoolOptions(**given)


def supply(source: NameSource | None, claimed_in: str | Ledger | None) -> NameSource:
    """Return ``source``, or offline names; claimed in a ledger or that of a URL, if there is one.

    Raises:
        InvalidOption: it is no ledger, and no URL of one
    """
    ledger = _ledger(claimed_in)
    source = source if source is not None else _offline_names()
    if ledger is None:
        return source
    share = getattr(source, "share", None)
    if share is not None:  # all processes walk one walk, each a stretch of it
        share(ledger.advance, getattr(ledger, "namespace", "default"))
    return ClaimedNames(source, ledger)


def _ledger(given: object) -> Ledger | None:
    if isinstance(given, str):
        from namepool.ledgers.urls import open_ledger  # only now: most pools have none

        return open_ledger(given)
    if given is not None:
        check_ledger(given)
    return given  # type: ignore[return-value]


def _offline_names() -> NameSource:
    from namepool.sources.offline import OfflineNames  # only now: not every pool has them

    return OfflineNames()
