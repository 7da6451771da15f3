"""Agents that are asyncio tasks: each under a name of its own, with tools that inherit it.

One agent waits too long for a name and is cancelled; no name is lost, and the loop never stops.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Sequence

from namepool import AsyncPoolHandle, OfflineNames, open_async_pool


class Unhurried:
    """Offline names that come when the door is opened, as if a model had to think."""

    def __init__(self) -> None:
        self.door = threading.Event()
        self._names = OfflineNames(seed=5)

    def fetch(self, count: int, used: Sequence[str]) -> Iterable[str]:
        self.door.wait()
        return self._names.fetch(count, used)


async def look_up(pool: AsyncPoolHandle, what: str) -> str:
    """A tool on the agent's loop."""
    return f"{pool.speaker()} looks up {what}"


def compute(pool: AsyncPoolHandle, what: str) -> str:
    """A tool on a thread."""
    return f"{pool.speaker()} computes {what}"


async def agent(pool: AsyncPoolHandle, what: str) -> list[str]:
    async with pool.named() as name:
        tools = look_up(pool, what), asyncio.to_thread(compute, pool, what)
        return [f"{name} wants {what}", *await asyncio.gather(*tools)]


async def main() -> None:
    source = Unhurried()
    async with open_async_pool(source=source) as pool:
        try:
            await asyncio.wait_for(agent(pool, "haste"), 0.05)
        except TimeoutError:
            print("the first agent gave up")

        agents = asyncio.gather(*(agent(pool, what) for what in ("tides", "stars", "bread")))
        turns = 0
        while turns < 100:  # the loop goes on while the agents wait for their names
            turns += 1
            await asyncio.sleep(0)
        source.door.set()

        for lines in await agents:
            print(*lines, sep="; ")
        stats = await pool.pool_stats()
        print(f"{stats.checked_out_count} names are out after {turns} turns of the loop")


if __name__ == "__main__":
    asyncio.run(main())
