"""Lines of loguru that say which agent wrote them, also those that another thread writes down.

It needs loguru, which the extra ``loguru`` installs.
"""

from __future__ import annotations

import sys
import threading

from loguru import logger

import namepool
from namepool.attribution.loguru import agent_patcher


def agent(pool: namepool.PoolHandle, job: str) -> None:
    """Log under a name of one's own."""
    with pool.named():
        logger.info("started {}", job)


def main() -> None:
    """Run two agents, then log as nobody in particular."""
    with namepool.open_pool(source=namepool.OfflineNames(seed=11)) as pool:
        logger.remove()  # the sink that loguru begins with
        logger.add(sys.stdout, format="{extra[agent]:<24} | {message}", enqueue=True)
        logger.configure(patcher=agent_patcher(pool))  # runs on the agent's thread
        for job in ("planning", "testing"):
            thread = threading.Thread(target=agent, args=(pool, job))
            thread.start()
            thread.join()
        logger.info("all done")
        logger.remove()  # writes the remaining lines


if __name__ == "__main__":
    main()
