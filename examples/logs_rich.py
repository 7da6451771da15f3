"""A terminal's log with a column for the agent, each in a colour of its own.

It needs rich, which the extra ``rich`` installs.
"""

from __future__ import annotations

import logging
import threading

import namepool
from namepool.attribution.rich import AgentRichHandler

log = logging.getLogger("crew")


def agent(pool: namepool.PoolHandle, job: str) -> None:
    """Log under a name of one's own."""
    with pool.named():
        log.info("started %s", job)


def main() -> None:
    """Run two agents, then log as nobody in particular."""
    with namepool.open_pool(source=namepool.OfflineNames(seed=11)) as pool:
        log.addHandler(AgentRichHandler(pool, show_time=False, show_path=False))
        log.setLevel(logging.INFO)
        for job in ("planning", "testing"):
            thread = threading.Thread(target=agent, args=(pool, job))
            thread.start()
            thread.join()
        log.warning("all done")


if __name__ == "__main__":
    main()
