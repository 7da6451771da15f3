"""A ledger in memory for the tests of pools that have one, and another session of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from namepool.ledgers.memory import Book, MemoryLedger


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def others(book: Book) -> Iterator[MemoryLedger]:
    ledger = MemoryLedger(book)
    yield ledger
    ledger.close()
