"""A process that claims names until it has enough: ``python -m tests.ledgers.worker URL COUNT``.

It prints each name when it has it, as an agent would write it into its log.
"""

from __future__ import annotations

import random
import sys
import uuid

from namepool.ledgers import open_ledger

CANDIDATES = 30_000
"""So many names there are; every worker wants all of them."""

BATCH = 50


def main(url: str, count: int) -> None:
    ledger = open_ledger(url)
    start, got = random.randrange(CANDIDATES), 0
    print("ready", ledger.session, flush=True)
    sys.stdin.readline()
    while got < count:
        size = min(BATCH, count - got)
        names = [f"Name {(start + n) % CANDIDATES}" for n in range(size)]
        start += size
        ours = ledger.claim(names, uuid.uuid4().hex)
        got += len(ours)
        print(*ours, sep="\n", end="\n" if ours else "", flush=True)
    print("done", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
