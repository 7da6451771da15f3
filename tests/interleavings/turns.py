"""Whose turn it is: frontrun's scheduler of opcodes, made fast and made to explore timeouts.

frontrun wakes every thread at every opcode, gives turns to threads that look in vain whether they
may go on, and lets a timeout pass only where nothing else can happen. Here one thread runs at a
time, until the schedule has another one; who is blocked is passed over; a timeout may pass whenever
its thread is passed over; and when everybody is blocked for ever, that is found at once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from frontrun import bytecode
from frontrun._cooperative import real_lock
from frontrun._deadlock import DeadlockError

MOST_TURNS = 100_000
"""Opcodes in a run; more of them are a loop without an end."""

_ROOT = Path(__file__).resolve().parents[2]


def take_over(patch: pytest.MonkeyPatch) -> None:
    """Have frontrun use these turns, and trace only the modules that ``trace_packages`` names."""
    patch.setattr(bytecode, "_TraceFilter", Filter)
    patch.setattr(bytecode, "OpcodeScheduler", Turns)


class Filter:
    """Which files are traced; asked at every call, so it remembers."""

    def __init__(self, modules: Sequence[str]) -> None:
        self._modules = modules
        self._known: dict[str, bool] = {}

    def should_trace_file(self, filename: str) -> bool:
        """Tell whether it is a module of this project that matches a pattern."""
        known = self._known.get(filename)
        if known is None:
            known = self._known[filename] = self._matches(Path(filename))
        return known

    def _matches(self, path: Path) -> bool:
        if not path.is_relative_to(_ROOT):
            return False
        name = ".".join(path.relative_to(_ROOT).with_suffix("").parts)
        return any(fnmatchcase(name, module) for module in self._modules)


class Turns(bytecode.OpcodeScheduler):  # type: ignore[misc]
    """See the module."""

    schedule: list[int]
    _index: int
    _error: Exception | None

    def __init__(self, schedule: list[int], num_threads: int, **options: Any) -> None:
        super().__init__([], num_threads, **{**options, "max_ops": MOST_TURNS})
        self._running: int | None = None
        self._gates: list[Any] = [real_lock() for _ in range(num_threads)]
        self._random = random.Random(hash(tuple(schedule)))
        self._longest = self._random.randint(2, 9)
        """Binary logarithm of the longest turn, in opcodes: some runs are finer than others."""
        self._haste = 2.0 ** -self._random.randint(2, 9)
        """How likely it is that a timeout passes when its thread is passed over."""

    def wait_for_turn(self, thread_id: int) -> bool:
        """End the turn of ``thread_id``, if it has it, and wait for its next one."""
        index = self._index
        if (
            self._running == thread_id  # then nobody else runs, and no lock is needed
            and not self._is_blocked(thread_id)
            and index < len(self.schedule)
            and self.schedule[index] == thread_id
        ):
            self._index = index + 1
            return self._error is None
        if self._running in (None, thread_id):
            self._pass_on()
        while self._running != thread_id and not self._finished and self._error is None:
            if not self._gates[thread_id].acquire(timeout=self.deadlock_timeout):
                self._stop(TimeoutError(f"thread {self._running} does not end its turn"))
        return not self._finished and self._error is None

    def mark_done(self, thread_id: int) -> None:
        """``thread_id`` has ended."""
        super().mark_done(thread_id)
        if self._running == thread_id:
            self._pass_on()

    def report_error(self, error: Exception) -> None:
        """A worker failed, or a cycle of locks was found: everybody is to end."""
        super().report_error(error)
        self._open_all()

    def _extend_schedule(self) -> bool:
        """Append a turn of some thread: as many opcodes, as often short as long."""
        alive = [n for n in range(self.num_threads) if n not in self._threads_done]
        self._max_ops_exhausted = bool(alive) and len(self.schedule) >= self._max_ops
        if not alive or self._max_ops_exhausted:
            return False
        opcodes = int(2 ** self._random.uniform(0, self._longest))
        self.schedule += [self._random.choice(alive)] * opcodes
        return True

    def _pass_on(self) -> None:
        with self._lock:
            self._running = self._choose()
        if self._running is None:
            self._finished = True
            self._open_all()
        else:
            _open(self._gates[self._running])

    def _choose(self) -> int | None:
        """Return the next thread of the schedule that can run; ``None`` if there is none."""
        while True:
            if self._index >= len(self.schedule) and not self._extend_schedule():
                return None
            thread_id: int = self.schedule[self._index]
            self._index += 1
            if thread_id in self._threads_done:
                continue
            if self._deadlines.in_timed_wait(thread_id) and self._random.random() < self._haste:
                self._let_time_pass()
            if not self._is_blocked(thread_id):
                return thread_id
            if self._all_blocked() and not self._let_time_pass():
                self._error = DeadlockError("everybody waits", "everybody waits, for ever")
                return None

    def _is_blocked(self, thread_id: int) -> bool:
        return thread_id in self._spin_waiters

    def _all_blocked(self) -> bool:
        alive = set(range(self.num_threads)) - self._threads_done
        return all(self._is_blocked(thread_id) for thread_id in alive)

    def _let_time_pass(self) -> bool:
        """Move the clock to the next deadline; tell whether there is one."""
        deadline = self._deadlines.next_deadline()
        if deadline is not None:
            self._advance_clock_to(deadline)
        return deadline is not None

    def _stop(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
        self._open_all()

    def _open_all(self) -> None:
        for gate in self._gates:
            _open(gate)


def _open(gate: Any) -> None:
    try:
        gate.release()
    except RuntimeError:
        pass  # open already
