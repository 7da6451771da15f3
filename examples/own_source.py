"""A source of one's own in ten lines: anything with ``fetch(count, used)`` will do."""

from __future__ import annotations

from collections.abc import Sequence

import namepool


class Planets:
    """Names from a list, and numbered ones when it has been used up."""

    def fetch(self, count: int, used: Sequence[str]) -> list[str]:
        """Return about ``count`` names; ``used`` holds all that the pool knows, oldest first."""
        planets = ["Mercury", "Venus", "Terra", "Mars"][len(used) :]
        return planets or [f"Asteroid {len(used) + n}" for n in range(1, count + 1)]


def main() -> None:
    """Take six names."""
    with namepool.open_pool(source=Planets()) as pool:
        print(*(pool.checkout_name() for _ in range(6)), sep="\n")


if __name__ == "__main__":
    main()
