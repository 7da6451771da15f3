"""Ledgers, in which processes claim names: the protocol ``Ledger`` and its engines.

This package imports ``actors``, ``core`` and ``errors``. The pool, the command and users import it.
The first use of an engine imports the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from namepool.ledgers.base import Holder, Ledger, LedgerStats, Session

if TYPE_CHECKING:
    from namepool.ledgers.memory import Book, MemoryLedger
    from namepool.ledgers.redis import RedisLedger
    from namepool.ledgers.sqlite import SQLiteLedger
    from namepool.ledgers.urls import open_ledger

__all__ = [
    "Book",
    "Holder",
    "Ledger",
    "LedgerStats",
    "MemoryLedger",
    "RedisLedger",
    "SQLiteLedger",
    "Session",
    "open_ledger",
]


def __getattr__(name: str) -> Any:
    if name in ("Book", "MemoryLedger"):
        from namepool.ledgers import memory

        return getattr(memory, name)
    if name == "SQLiteLedger":
        from namepool.ledgers.sqlite import SQLiteLedger

        return SQLiteLedger
    if name == "RedisLedger":
        from namepool.ledgers.redis import RedisLedger

        return RedisLedger
    if name == "open_ledger":
        from namepool.ledgers.urls import open_ledger

        return open_ledger
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
