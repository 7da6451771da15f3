"""JSON events of structlog that say which agent they are about.

It needs structlog, which the extra ``structlog`` installs.
"""

from __future__ import annotations

import sys
import threading

import structlog

import namepool
from namepool.attribution.structlog import AgentProcessor


def agent(pool: namepool.PoolHandle, job: str) -> None:
    """Log under a name of one's own."""
    log = structlog.get_logger().bind(job=job)
    with pool.named():
        log.info("started")
        log.info("quoted", agent="Somebody Else")  # an agent that is given is kept
        log.info("done")


def main() -> None:
    """Run two agents, then log as nobody in particular."""
    with namepool.open_pool(source=namepool.OfflineNames(seed=11)) as pool:
        structlog.configure(
            processors=[AgentProcessor(pool), structlog.processors.JSONRenderer()],
            logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        )
        for job in ("planning", "testing"):
            thread = threading.Thread(target=agent, args=(pool, job))
            thread.start()
            thread.join()
        structlog.get_logger().info("all done")


if __name__ == "__main__":
    main()
