"""What the tests share: a clock they move, sources they hold back, threads they join."""

from __future__ import annotations

import contextlib
import ctypes
import math
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import pytest

from namepool import NumberedNames, PoolState
from namepool.core.leases import Lease
from namepool.core.stock import Wait

T = TypeVar("T")

HAS_GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()

needs_gil: pytest.MarkDecorator = pytest.mark.skipif(
    not HAS_GIL,
    reason="it is about what a thread does between two switches, which are no more without a GIL",
)

PATIENCE = 20.0
"""Seconds that a test waits for what must happen; reached only when it fails."""


class MovableClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        # Timers set before it was moved stay in the future; whole seconds add up without rounding.
        self.now = float(int(time.monotonic()))
        self._inboxes: list[Any] = []

    def __call__(self) -> float:
        return self.now

    def drive(self, ref: Any) -> None:
        """Make ``ref``'s actor live by this clock."""
        ref.actor_inbox.clock = self
        self._inboxes.append(ref.actor_inbox)

    def advance(self, seconds: float) -> None:
        """Move on; timers that are due now fire on their actors' threads."""
        self.now += seconds
        for inbox in self._inboxes:
            inbox.wake()


class GatedSource:
    """Numbered names that come when the test opens the gate; remembers how it was asked."""

    def __init__(self, *, is_open: bool = False) -> None:
        self.gate = threading.Event()
        self.asked = threading.Semaphore(0)
        self.counts: list[int] = []
        self.threads: list[threading.Thread] = []
        self.closed = threading.Event()
        self.error: BaseException | None = None
        self._next = 0
        if is_open:
            self.gate.set()

    def fetch(self, count: int, used: Sequence[str]) -> Iterable[str]:
        self.counts.append(count)
        self.threads.append(threading.current_thread())
        self.asked.release()
        assert self.gate.wait(PATIENCE), "the test never opened the gate"
        if self.error is not None:
            raise self.error
        first = self._next + 1
        self._next += count
        return [f"Name {n}" for n in range(first, self._next + 1)]

    def wait_asked(self) -> None:
        """Wait until ``fetch`` has been called once more."""
        assert self.asked.acquire(timeout=PATIENCE), "the source was not asked"

    def close(self) -> None:
        self.closed.set()


class ScriptedSource:
    """Gives its answers one after another; an exception among them is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls = 0

    def fetch(self, count: int, used: Sequence[str]) -> Any:
        self.calls += 1
        answer = self.answers.pop(0) if self.answers else []
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Crews:
    """Numbered names: "NPC #1", and of a theme such as the sea "Sea #1"."""

    def __init__(self) -> None:
        self._crews = {theme: NumberedNames(f"{theme} #") for theme in ("NPC", "Sea", "Kitchen")}

    def fetch(self, count: int, used: Sequence[str], theme: str | None = None) -> list[str]:
        return self._crews["NPC" if theme is None else theme.title()].fetch(count, used)


def lease_for(
    state: PoolState, owner: str, theme: str | None = None, kind: type[Lease] = Lease
) -> Lease:
    """Return the token by which ``owner`` asks for a name itself; without a context's chain."""
    lease = kind()
    lease.state, lease.owner, lease.outside, lease.before = state, owner, False, None
    lease.says = lease.name = lease.further = lease.seen = lease.timeout = None
    lease.theme, lease.in_block = theme, False
    return lease


def park(
    state: PoolState,
    owner: str,
    deadline: float | None = None,
    reply: Any = None,
    theme: str | None = None,
) -> Lease:
    """Let ``owner`` wait for a name; return its lease."""
    lease = lease_for(state, owner, theme)
    lease.wait = Wait(reply, 0.0, deadline)
    state.stocks[theme].waiters[lease] = None
    return lease


def on_thread(function: Callable[[], T], patience: float | None = PATIENCE) -> T:
    """Run ``function`` on a thread of its own; return its result or raise its exception."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(patience)
    assert not thread.is_alive(), "the function did not return"
    if errors:
        raise errors[0]
    return results[0]


def started(function: Any) -> tuple[threading.Thread, list[Any]]:
    """Run ``function`` on a thread; return the thread and the list that its result will be in."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(function())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def run_together(functions: Iterable[Callable[[], Any]]) -> None:
    """Run all functions at once, each on its own thread; raise what one of them raised."""
    functions = list(functions)
    barrier = threading.Barrier(len(functions))
    errors: list[BaseException] = []

    def run(function: Callable[[], Any]) -> None:
        barrier.wait(PATIENCE)
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(6 * PATIENCE)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]


def wait_until(condition: Callable[[], bool], ref: Any) -> None:
    """Send ``ref`` requests, which queue behind all else, until ``condition`` holds.

    For effects of a message that nobody answers, sent by a thread that the test cannot wait for.
    """
    from namepool import PoolStatsRequest

    for _ in range(100_000):
        if condition():
            return
        ref.ask(PoolStatsRequest(), timeout=PATIENCE)
    raise AssertionError("it never came about")


@contextlib.contextmanager
def untraced() -> Iterator[None]:
    """Let no tracer, as that of the coverage, take its time in the block: a test looks at it."""
    before = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(before)


@contextlib.contextmanager
def switching_often() -> Iterator[None]:
    """Switch threads every microsecond, so that races show."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextlib.contextmanager
def threads_dying(first: float = math.inf) -> Iterator[None]:
    """Let the first threads that are started in the block die before they run what they should.

    As under a tracer that replaces ``run`` by something that fails.
    """
    start, hook, left = threading.Thread.start, threading.excepthook, first

    def traced(thread: threading.Thread) -> None:
        nonlocal left
        if left > 0:
            left -= 1
            thread.run = fail  # type: ignore[method-assign]
        start(thread)

    def fail() -> None:
        raise TypeError("the tracer failed")

    threading.Thread.start = traced  # type: ignore[method-assign,assignment]
    threading.excepthook = lambda _: None
    try:
        yield
    finally:
        threading.Thread.start, threading.excepthook = start, hook  # type: ignore[method-assign]


def strike(thread: threading.Thread, kind: type[BaseException]) -> None:
    """Have the interpreter raise in ``thread`` when it next looks."""
    assert thread.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(kind))
