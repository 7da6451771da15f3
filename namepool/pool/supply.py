"""What a pool is supplied from: its source, and the ledger in which its names are claimed."""

from __future__ import annotations

from namepool.ledgers.base import Ledger, check_ledger
from namepool.pool.claims import ClaimedNames
from namepool.sources.base import NameSource


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
