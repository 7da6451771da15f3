"""``LATER``, the answer of an operation that cannot run now and has changed nothing."""

from __future__ import annotations

from enum import Enum
from typing import Any


class _Later(Enum):
    """An enum, because a member of an enum stays the same object when it is copied."""

    LATER = "later"


LATER: Any = _Later.LATER
"""The answer of an operation that must run on the actor's own thread, not on the caller's."""
