"""Eight log lines of a crew of agents, first by thread, then by name: README shows them.

Each agent works on a thread of its own. The play gives every line to an agent, and the next line
waits for it, so the log is the same at each run.
"""

from __future__ import annotations

import logging
import sys
from queue import SimpleQueue
from threading import Barrier, Thread

import namepool
from namepool.attribution.logging import AgentFilter

PLAY = (
    (7, "I change three lines, no more"),
    (12, "I rewrite it from scratch"),
    (3, "all tests pass"),
    (7, "please review"),
    (12, "src/ deleted"),
    (3, "no test passes: src/ is gone"),
    (7, "who was that?"),
    (12, "not me"),
)
"""The number of an agent, counted from 1, and its line."""

log = logging.getLogger("crew")


def agent(pool: namepool.PoolHandle, lines: SimpleQueue[str | None], turn: Barrier) -> None:
    """Log each line under a name, and pass the turn; ``None`` ends the agent."""
    with pool.named():
        for line in iter(lines.get, None):
            log.info(line)
            turn.wait()


def perform(pool: namepool.PoolHandle, handler: logging.Handler) -> None:
    """Log the play through ``handler``; an agent starts when its first line is due."""
    log.addHandler(handler)
    crew: dict[int, tuple[Thread, SimpleQueue[str | None]]] = {}
    turn = Barrier(2)
    for number, line in PLAY:
        if number not in crew:
            lines: SimpleQueue[str | None] = SimpleQueue()
            thread = Thread(target=agent, args=(pool, lines, turn), name=f"Thread-{number}")
            thread.start()
            crew[number] = thread, lines
        crew[number][1].put(line)
        turn.wait()
    for thread, lines in crew.values():
        lines.put(None)
        thread.join()
    log.removeHandler(handler)


def main() -> None:
    """Perform the play twice: the lines begin with the thread, then with the agent."""
    log.setLevel(logging.INFO)
    log.propagate = False
    with namepool.open_pool(source=namepool.OfflineNames(seed=7)) as pool:
        by_thread = logging.StreamHandler(sys.stdout)
        by_thread.setFormatter(logging.Formatter("%(threadName)s: %(message)s"))
        perform(pool, by_thread)
        print()
        by_name = logging.StreamHandler(sys.stdout)
        by_name.setFormatter(logging.Formatter("%(agent)s: %(message)s"))
        by_name.addFilter(AgentFilter(pool))
        perform(pool, by_name)


if __name__ == "__main__":
    main()
