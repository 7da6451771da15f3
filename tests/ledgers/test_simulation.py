"""Thousands of sessions, which come, claim, crash and are pruned: no name has two holders."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from namepool.core.names import name_key
from namepool.ledgers.memory import Book, MemoryLedger
from tests.ledgers.engines import forget
from tests.support import MovableClock

CHUNK = 6
DAY = 86400.0


class Fleet:
    """Agents' processes; ``owner`` is who holds which name, as the processes themselves know it."""

    def __init__(self, seed: int, sessions: int) -> None:
        print(f"seed {seed}")  # noqa: T201  pytest shows it if the test fails
        self.random = random.Random(seed)
        self.sessions = sessions
        self.clock = MovableClock()
        self.book = Book(self.clock)
        self.owner: dict[str, MemoryLedger] = {}
        self.holds: dict[MemoryLedger, list[str]] = {}
        self.living: list[MemoryLedger] = []
        self.dead: dict[MemoryLedger, float] = {}
        self.counts: Counter[str] = Counter()

    def begin(self) -> None:
        ledger = MemoryLedger(self.book)
        self.living.append(ledger)
        self.holds[ledger] = []
        self.claim(ledger)

    def claim(self, ledger: MemoryLedger) -> None:
        """Ask for a stretch of the walk, or, as a model would, for what others have thought of."""
        if self.random.random() < 0.7:
            start = ledger.advance("walk", CHUNK)
            names = [f"Name {start + n}" for n in range(CHUNK)]
        else:
            names = [f"Thought {self.random.randrange(self.sessions)}" for _ in range(CHUNK)]
        token = f"{self.random.random()}"
        ours = ledger.claim(names, token)
        if self.random.random() < 0.2:  # the answer was lost
            assert ledger.claim(names, token) == ours
        for name in ours:
            assert name_key(name) not in self.owner, "a name has two holders"
            self.owner[name_key(name)] = ledger
        self.holds[ledger] += ours
        self.counts["claimed"] += len(ours)

    def end(self, ledger: MemoryLedger) -> None:
        """Close in order: what is not checked out is released."""
        free = [name for name in self.holds[ledger] if self.random.random() < 0.8]
        ledger.release(free)
        for name in free:
            del self.owner[name_key(name)]
        self.holds[ledger] = [name for name in self.holds[ledger] if name not in set(free)]
        ledger.close()
        self.died(ledger)

    def crash(self, ledger: MemoryLedger) -> None:
        ledger._closed = True
        forget(ledger)
        self.died(ledger)
        self.counts["crashed"] += 1

    def died(self, ledger: MemoryLedger) -> None:
        self.living.remove(ledger)
        self.dead[ledger] = self.clock.now

    def prune(self, older_than: float) -> None:
        """Free the names of the dead, who may be none of the living."""
        looker = MemoryLedger(self.book)
        freed = looker.prune(older_than)
        held = {name_key(holder.name) for holder in looker.holders()}
        gone = [key for key in self.owner if key not in held]
        assert all(self.owner[key] in self.dead for key in gone), "a living one lost a name"
        assert len(gone) == freed
        for key in gone:
            del self.owner[key]
        self.counts["freed"] += freed

    def check(self) -> None:
        """The ledger has what the processes have, and nothing else."""
        looker = MemoryLedger(self.book)
        held = {name_key(h.name): h.session.id for h in looker.holders()}
        assert held == {key: ledger.session for key, ledger in self.owner.items()}


@pytest.mark.parametrize("sessions", [1_000, pytest.param(10_000, marks=pytest.mark.proof)])
def test_sessions_that_crash_at_random_never_share_a_name(sessions: int) -> None:
    fleet = Fleet(random.randrange(10**6), sessions)
    for number in range(sessions):
        fleet.begin()
        fleet.clock.advance(7 * DAY / sessions)
        ledger = fleet.random.choice(fleet.living)
        fate = fleet.random.random()
        if fate < 0.3:
            fleet.crash(ledger)
        elif fate < 0.6:
            fleet.end(ledger)
        else:
            fleet.claim(ledger)
        if (number + 1) % (sessions // 4) == 0:
            fleet.prune(fleet.random.choice([600.0, DAY]))
    fleet.check()

    assert fleet.counts["claimed"] > CHUNK * sessions / 2
    assert min(fleet.counts["crashed"], fleet.counts["freed"]) > sessions / 10
    for ledger in list(fleet.living):
        fleet.crash(ledger)
