"""Log lines that say which agent wrote them, with nothing but the standard library's logging.

Three set-ups: a filter on a handler, a record factory for the whole program, and a
``QueueHandler`` whose lines are written by another thread.
"""

from __future__ import annotations

import logging
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler, QueueListener

import namepool
from namepool.attribution.logging import AgentFilter, agent_record_factory

log = logging.getLogger("crew")


def console() -> logging.Handler:
    """Return a handler whose lines begin with the agent."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(agent)-33s | %(message)s"))
    return handler


@contextmanager
def logging_to(handler: logging.Handler) -> Iterator[None]:
    """Attach ``handler`` to the log for the length of the block."""
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def work(pool: namepool.PoolHandle, how: str) -> None:
    """Log under a name, on a thread of its own, then without one, on this thread."""

    def agent() -> None:
        with pool.named():
            log.info("attributed by %s", how)

    thread = threading.Thread(target=agent)
    thread.start()
    thread.join()
    log.info("nobody in particular")


def with_a_filter(pool: namepool.PoolHandle) -> None:
    """The filter belongs on the handler: there it sees the records of every logger."""
    handler = console()
    handler.addFilter(AgentFilter(pool))
    with logging_to(handler):
        work(pool, "a filter")


def with_a_record_factory(pool: namepool.PoolHandle) -> None:
    """Every record of the program has its agent from birth; no handler needs a filter."""
    with agent_record_factory(pool), logging_to(console()):
        work(pool, "a record factory")


def with_a_queue(pool: namepool.PoolHandle) -> None:
    """The filter goes on the ``QueueHandler``: the thread that writes the line is not the agent."""
    lines: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = QueueHandler(lines)
    handler.addFilter(AgentFilter(pool))
    listener = QueueListener(lines, console())
    listener.start()
    try:
        with logging_to(handler):
            work(pool, "a filter before a queue")
    finally:
        listener.stop()  # writes the remaining lines


def main() -> None:
    """Run the three set-ups."""
    log.setLevel(logging.INFO)
    log.propagate = False
    with namepool.open_pool(source=namepool.OfflineNames(seed=11)) as pool:
        with_a_filter(pool)
        with_a_record_factory(pool)
        with_a_queue(pool)


if __name__ == "__main__":
    main()
