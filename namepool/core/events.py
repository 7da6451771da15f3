"""What happens outside the pool's turn, and waits in ``PoolState.signal`` until that comes round.

Beside these, a token lies there that its caller has given up, and a ``Dropped`` reply.
"""

from __future__ import annotations

from typing import NamedTuple


class OwnerEnded(NamedTuple):
    """An owner has ended."""

    owner: str


class LateChunk(NamedTuple):
    """Candidates that came for a dead pool, unchecked, and the epoch they were asked for in."""

    names: tuple[object, ...]
    epoch: int
    theme: str | None = None
