"""Runs a fleet of workers and kills some of them while they claim."""

from __future__ import annotations

import random
import subprocess
import sys
import threading

from namepool.ledgers.session import SessionLedger
from tests.ledgers.worker import BATCH
from tests.support import PATIENCE


class Worker:
    """One process; ``names`` is what it has said to have got."""

    def __init__(self, url: str, count: int, kill_at: int | None) -> None:
        self.kill_at = kill_at
        self.names: list[str] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.ledgers.worker", url, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.session = self._process.stdout.readline().split()[1]
        self._thread = threading.Thread(target=self._read)

    def start(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line == "done\n":
                break
            if line.endswith("\n"):  # else it was killed while it wrote
                self.names.append(line[:-1])
            if len(self.names) == self.kill_at:
                self._process.kill()

    def join(self) -> None:
        self._thread.join(6 * PATIENCE)
        assert not self._thread.is_alive()

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def run_fleet(url: str, looker: SessionLedger, workers: int = 8, count: int = 2500) -> None:
    """Kill half of the workers at random; check that no name has two holders, and none is lost."""
    doomed = {n: random.randrange(1, count) for n in range(0, workers, 2)}
    fleet = [Worker(url, count, doomed.get(n)) for n in range(workers)]
    try:
        for worker in fleet:
            worker.start()
        for worker in fleet:
            worker.join()
        check(fleet, looker, count)
    finally:
        for worker in fleet:
            worker.end()


def check(fleet: list[Worker], looker: SessionLedger, count: int) -> None:
    got = [name for worker in fleet for name in worker.names]
    assert len(set(got)) == len(got), "two processes have one name"
    held: dict[str, set[str]] = {worker.session: set() for worker in fleet}
    for holder in looker.holders():
        held[holder.session.id].add(holder.name)
    for worker in fleet:
        if worker.kill_at is None:
            assert len(worker.names) == count
            assert held[worker.session] == set(worker.names)
        else:  # what it had got and could not say any more: one batch at most
            assert held[worker.session] >= set(worker.names)
            assert len(held[worker.session]) - len(worker.names) <= BATCH
