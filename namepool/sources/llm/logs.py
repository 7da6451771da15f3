"""What HTTP libraries log while a request of ours runs, without its secrets."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOGGERS = ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry")
"""They log header lines that they do not understand, and URLs."""

_here = threading.local()


@contextmanager
def struck(strike: Callable[[str], str]) -> Iterator[None]:
    """Strike the secrets out of what this thread logs there in the block."""
    for name in LOGGERS:
        # It stays: a filter that is taken away makes another thread's logging miss the next one.
        logging.getLogger(name).addFilter(_filter)
    _here.strike = strike
    try:
        yield
    finally:
        del _here.strike


def _filter(record: logging.LogRecord) -> bool:
    strike = getattr(_here, "strike", None)
    if strike is not None:
        record.msg, record.args = strike(record.getMessage()), ()
        record.exc_info = record.exc_text = None  # it says the same again
    return True
