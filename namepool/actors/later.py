"""``LATER``: the answer of what cannot be done here and now, and has changed nothing. Pure."""

from __future__ import annotations

from enum import Enum
from typing import Any


class _Later(Enum):
    """An enum's member stays one object, also where it is copied."""

    LATER = "later"


LATER: Any = _Later.LATER
"""What an operation returns on a caller's thread that is for the actor's own thread to do."""
