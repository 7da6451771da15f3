"""The pool's warnings: all under one logger, whose name people filter by."""

from __future__ import annotations

import logging

logger: logging.Logger = logging.getLogger("namepool.pool")


def warn(text: str, *args: object) -> None:
    """Log a warning; a filter or handler that raises must not cost a pool."""
    try:
        logger.warning(text, *args)
    except Exception:
        return
