"""What a byte of a reply costs to read, at three sizes, for replies made to be slow to read.

python -m tests.benchmarks.reading
"""

from __future__ import annotations

from tests.sources.llm.hostile import nanoseconds, reply, shapes

SIZES = (10_000, 100_000, 1_000_000)


def main() -> None:
    """Print the table."""
    print(f"{'ns a byte at':44}{'10 kB':>8}{'100 kB':>8}{'1 MB':>8}{'ratio':>7}")
    largest, slowest = 0.0, 0.0
    for name, shape in shapes().items():
        costs = [nanoseconds(reply(shape, size), 5 if size < 10**6 else 2) for size in SIZES]
        ratio = max(costs[1:]) / costs[0]
        largest, slowest = max(largest, ratio), max(slowest, *costs)
        print(f"{name:44}{costs[0]:8.1f}{costs[1]:8.1f}{costs[2]:8.1f}{ratio:7.2f}", flush=True)
    print(f"\n{len(shapes())} shapes; largest ratio {largest:.2f}, slowest {slowest:.0f} ns a byte")


if __name__ == "__main__":
    main()
