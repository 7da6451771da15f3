"""Agents on threads: each takes a name, works under it, and gives it back.

``named()`` nests, and the name comes home however the block ends.
"""

from __future__ import annotations

import threading

import namepool


def agent(pool: namepool.PoolHandle, start: threading.Barrier, report: list[str]) -> None:
    """Work under one name, and hand a part of the work to a character of its own."""
    with pool.named() as name:
        start.wait()  # so that all agents hold their names at the same time
        with pool.named():
            review = f"{pool.speaker()} reviews it"
        # The inner block has given its name back, and the outer name speaks again.
        report.append(f"{name} asks for a review; {review}; {pool.speaker()} is happy")


def main() -> None:
    """Run five agents at once."""
    report: list[str] = []
    with namepool.open_pool(source=namepool.OfflineNames(seed=5)) as pool:
        start = threading.Barrier(5)
        agents = [threading.Thread(target=agent, args=(pool, start, report)) for _ in range(5)]
        for thread in agents:
            thread.start()
        for thread in agents:
            thread.join()
        stats = pool.pool_stats()
    print(*report, sep="\n")
    print(f"{stats.checked_out_count} names are out, {stats.available_count} are home.")


if __name__ == "__main__":
    main()
