"""The pool's warnings; they all come from one logger, so that users can filter by its name."""

from __future__ import annotations

from collections.abc import Callable

from namepool.actors.logs import Logger

warn: Callable[..., None] = Logger("namepool.pool").warning
"""Log a warning; it never raises."""
