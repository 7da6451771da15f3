"""Keeps the secrets of a request out of the log lines of HTTP libraries."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOGGERS = ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry")
"""These loggers log URLs, and header lines that they cannot parse."""

_here = threading.local()


@contextmanager
def struck(strike: Callable[[str], str]) -> Iterator[None]:
    """Strike the secrets out of the lines that this thread logs to ``LOGGERS`` in the block."""
    for name in LOGGERS:
        # The filter stays. If it were removed, a thread that logs now could skip the next filter.
        logging.getLogger(name).addFilter(_filter)
    _here.strike = strike
    try:
        yield
    finally:
        del _here.strike


def _filter(record: logging.LogRecord) -> bool:
    if strike := getattr(_here, "strike", None):
        record.msg, record.args = strike(record.getMessage()), ()
        record.exc_info = record.exc_text = None  # they repeat the message
    return True
