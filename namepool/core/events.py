"""What happens outside the pool's turn, noted at once and applied when the turn comes round.

Beside these, what was granted and never delivered comes home: a ``LeaseRecord``, a ``Lease`` or a
``Speaking``.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class OwnerEnded(NamedTuple):
    """An owner has ended."""

    owner: str


class LateChunk(NamedTuple):
    """Candidates that came for a dead pool, unchecked, and the epoch they were asked for in."""

    names: tuple[object, ...]
    epoch: int
    theme: str | None = None


class Withdrawal(NamedTuple):
    """Who waits under this ticket does not wait any more."""

    ticket: int


class Journal(Protocol):
    """Is told of a grant before it is made, so that it can be taken back."""

    undelivered: Any


class _NoJournal:
    undelivered: Any = None


NO_JOURNAL: Journal = _NoJournal()
