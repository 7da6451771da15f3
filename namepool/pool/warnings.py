"""The pool's warnings: all under one logger, whose name people filter by."""

from __future__ import annotations

from collections.abc import Callable

from namepool.actors.logs import Logger

warn: Callable[..., None] = Logger("namepool.pool").warning
"""Log a warning; never raises."""
