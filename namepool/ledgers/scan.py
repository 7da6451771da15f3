"""``Scan``: the state of a scan of Redis."""

from __future__ import annotations

from typing import Any

from namepool.ledgers.rows import BadRow, read_texts

_BARREN = 10_000
"""Pages of a scan, at most, that may bring nothing new: a hash that was far larger has some."""


class Scan:
    """The state of a scan. A scan may tell a row twice, and one of a hostile server has no end.

    It remembers hashes and no texts, so it needs less than 100 bytes for each row.
    """

    def __init__(self) -> None:
        self.cursor: str = "0"
        self._cursors: set[int] = set()
        self._rows: set[int] = set()

    def is_new(self, row: Any) -> bool:
        """Note a row, and tell whether it is a new one.

        Raises:
            BadRow: the row is no text
        """
        read_texts([row])
        known = len(self._rows)
        self._rows.add(hash(row))
        return len(self._rows) > known

    def next(self, cursor: Any) -> Scan | None:
        """Go on at a cursor; return ``None`` at the end.

        Raises:
            BadRow: the scan does not end, or the cursor is no text
        """
        read_texts([cursor])
        if cursor == "0":
            return None
        if hash(cursor) in self._cursors or len(self._cursors) >= _BARREN + len(self._rows):
            raise BadRow("its list has no end")
        self._cursors.add(hash(cursor))
        self.cursor = cursor
        return self
