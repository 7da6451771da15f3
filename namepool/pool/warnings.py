"""The pool's warnings: all under one logger, whose name people filter by."""

from __future__ import annotations

from namepool.actors.logs import Logger

warn = Logger("namepool.pool").warning
"""Log a warning; never raises."""
