"""A crew of agents on threads, which ``namepool demo`` shows and checks while it runs."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress

from namepool.actors import ActorHandle, Supervisor
from namepool.attribution.logging import AgentFilter
from namepool.cli.page import WIDTH, Lines, Page
from namepool.core.names import name_key
from namepool.core.stats import PoolStats
from namepool.errors import NamePoolError
from namepool.owners import current_owner
from namepool.pool.actor import NamePool
from namepool.pool.handle import PoolHandle
from namepool.pool.messages import CheckinName
from namepool.sources.base import NameSource
from namepool.sources.offline import OfflineNames
from namepool.speaking import inherit_owner

JOBS = (
    ("compiling the parser", "the parser compiles; nobody knows why"),
    ("shaving the yak", "the yak is bald, and grateful"),
    ("negotiating with the linter", "the linter and I have an understanding"),
    ("looking for a semicolon", "it was in the other file"),
    ("counting off-by-one errors", "there are six, or seven"),
)

HEARING = 0.5
"""Seconds of one wait of the main thread.

If the user presses Ctrl-C, Python calls the handler at the end of this wait at the latest.
"""


def run_demo(agents: int, source: NameSource, page: Page | None = None) -> int:
    """Let ``agents`` threads take names, lend them to tools and give them back; show it all.

    The pool crashes in the middle, on purpose. Returns 0 if every name was unique while held,
    stayed with its agent and came home, else 1. Blocks until the last agent has gone home.

    Raises:
        KeyboardInterrupt: the user pressed Ctrl-C; everything is closed by then
    """
    crew = _Crew(agents, page or Lines())
    with _interrupts(crew.over.set), crew.ending(source):
        try:
            code = crew.work(source)
        except NamePoolError:
            if not crew.interrupted:
                raise
            raise KeyboardInterrupt from None
    if crew.noon.broken:
        raise KeyboardInterrupt
    return code


def page_for_stdout() -> Page:
    """Return a board if stdout is a terminal with colours and ``rich`` is installed, else lines.

    ``NO_COLOR``, a pipe and ``TERM=dumb`` ask for lines.
    """
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return Lines()
    try:
        from namepool.cli.board import Board
    except ModuleNotFoundError:  # rich is an extra
        return Lines()
    return Board()


@contextmanager
def _interrupts(end: Callable[[], object]) -> Iterator[None]:
    """Let Ctrl-C call ``end``, as an exception inside ``Thread.start`` may leave a lock held."""
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not heard or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: end())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _Book:
    """A record of the held names, apart from the pool's own record, to check the pool by."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.held: set[str] = set()
        self.checkouts = self.most_held = 0
        self.problems: list[str] = []

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Record that an agent holds ``name`` for the length of the block."""
        key = name_key(name)
        with self._lock:
            self.expect(key not in self.held, f"{name} was held twice at the same time")
            self.held.add(key)
            self.checkouts += 1
            self.most_held = max(self.most_held, len(self.held))
        try:
            yield
        finally:
            with self._lock:
                self.held.discard(key)

    def expect(self, fulfilled: bool, problem: str) -> None:
        """Record ``problem`` unless the expectation is fulfilled."""
        if not fulfilled:
            self.problems.append(problem)


class _Crew:
    """Agents, each on its own thread. Their tools run on a few threads that all agents share."""

    pool: PoolHandle
    target: ActorHandle

    def __init__(self, size: int, page: Page) -> None:
        self.size, self.page, self.book = size, page, _Book()
        self.holders: dict[str, str] = {}
        """Owner → the name that it took in the morning."""
        self.log = logging.Logger("demo")  # a private one: the program's logging stays as it is
        self.noon = threading.Barrier(size, action=self._noon)
        self.over = threading.Event()
        """Set by Ctrl-C, and at the end."""
        self.interrupted = False
        self.tools = ThreadPoolExecutor(4)

    @contextmanager
    def ending(self, source: NameSource) -> Iterator[None]:
        """Send the agents home if the day ends early, also those who still wait for a name."""
        done, close = threading.Event(), getattr(source, "close", _nothing)

        def end() -> None:
            self.over.wait()
            self.interrupted = not done.is_set()
            if self.interrupted:
                self.noon.abort()
            while not done.is_set():
                close()
                done.wait(0.1)  # and again: an agent may have asked before it heard

        thread = threading.Thread(target=end)
        thread.start()
        try:
            yield
        finally:
            done.set()
            self.over.set()
            thread.join()

    def work(self, source: NameSource) -> int:
        """Return the verdict when all agents have gone home, early if ``noon`` was aborted.

        Raises the error of an agent.
        """
        if isinstance(source, OfflineNames):
            source = self.page.slowed(source, self.over)
        with _supervised(source) as self.target:
            self.pool = PoolHandle(self.target)
            self.page.addFilter(AgentFilter(self.pool))
            self.log.addHandler(self.page)
            shown = self.page.showing(self.pool)
            undo = ExitStack()
            with shown, self.tools, ThreadPoolExecutor(self.size) as threads, undo:
                undo.callback(self.noon.abort)  # nobody waits for agents that will not come
                for agent in [threads.submit(self._agent, n) for n in range(self.size)]:
                    while wait([agent], HEARING).not_done:
                        pass
                    agent.result()
                undo.pop_all()
            self.log.removeHandler(self.page)
            return 0 if self.noon.broken else _conclude(self.book, self.pool.pool_stats(30))

    def _agent(self, number: int) -> None:
        with (
            suppress(threading.BrokenBarrierError),
            ExitStack() as undo,
        ):  # another agent raises the error
            undo.callback(self.noon.abort)
            self._day(number, *JOBS[number % len(JOBS)])
            undo.pop_all()

    def _day(self, number: int, job: str, result: str) -> None:
        self._rest(3.0 * number / self.size)
        if self.noon.broken:
            return
        with self._named() as name:
            self._say(number, job)
            self.holders[current_owner()] = name
            self.noon.wait()  # here all agents hold their names at the same time
            self._rest(number % 5)
            if number % 3 == 0:  # the tools of this agent speak under its name
                tool = inherit_owner(self._tool)
                for run in [self.tools.submit(tool, number, name) for _ in range(2)]:
                    run.result()
            self._say(number, result)
            self._rest(1.0 + number % 3)
        if number % 4 == 0:
            with self._named():
                self._say(number, f"back under another name, still {job}")
                self._rest(2.0)

    @contextmanager
    def _named(self) -> Iterator[str]:
        with self.pool.named() as name, self.book.holding(name):
            try:
                yield name
            finally:
                self.page.left(name)

    def _rest(self, seconds: float) -> None:
        """Work for so long, if somebody watches; Ctrl-C ends the work."""
        self.over.wait(seconds * self.page.pace)

    def _tool(self, number: int, name: str) -> None:
        spoken = self.pool.speaker()
        self.book.expect(spoken == name, f"a tool of {name} spoke as {spoken}")
        thread = threading.current_thread().name.rpartition("_")[2]
        self._say(number, f"  ...with a tool on shared thread {thread}")
        self._rest(0.5)

    def _say(self, number: int, text: str) -> None:
        if number < self.page.narrated:
            self.log.info("%s", text)

    def _noon(self) -> None:
        if self.size > self.page.narrated:
            print(f"... and {self.size - self.page.narrated} more work in silence")
        self._rest(2.0)
        held = self.pool.pool_stats(timeout=30).checked_out_count
        self.book.expect(held == self.size, f"{self.size} agents hold {held} names")
        self.page.title(f"names held now: {held}; the pool crashes, on purpose")
        self._rest(1.0)
        self._crash()
        kept = sum(self._is_kept(*holder) for holder in self.holders.items())
        self.book.expect(
            kept == self.size, f"after the crash {kept} of {self.size} have their names"
        )
        self.page.title(f"it was restarted: {kept} of {self.size} agents have their names still")
        self._rest(2.0)

    def _crash(self) -> None:
        """Let the pool die, as of a bug: no caller waits for the answer, so none gets the error."""
        silent = logging.NullHandler()
        loggers = [logging.getLogger(name) for name in ("pykka", "namepool")]
        for logger in loggers:
            logger.addHandler(silent)
        self.target.tell(CheckinName(""))
        restarts = self.pool.pool_stats(timeout=30).restart_count
        self.book.expect(restarts == 1, f"the pool was restarted {restarts} times, not once")
        for logger in loggers:
            logger.removeHandler(silent)

    def _is_kept(self, owner: str, name: str) -> bool:
        return self.pool.get_name_by_owner(owner) == name


@contextmanager
def _supervised(source: NameSource) -> Iterator[ActorHandle]:
    """Yield the target of a pool that is restarted if it dies; ``open_pool`` does not show it."""
    root = Supervisor.start(children=[NamePool.child_spec(id="names", source=source)])
    try:
        yield root.handle("names")
    finally:
        root.stop()


def _nothing() -> None:
    pass


def _conclude(book: _Book, stats: PoolStats) -> int:
    """Print statistics and verdict; return 0 if every name was unique and came home, else 1."""
    print("\n-- the books --")
    rows = {
        "names held at the same time": book.most_held,
        "checkouts": book.checkouts,
        "chunks of names fetched": stats.fetch_count,
        "names in them": stats.all_used_count,
        "names home again": stats.available_count,
        "crashes of the pool": stats.restart_count,
    }
    print(*(f"{text:<{WIDTH}} | {count:>5}" for text, count in rows.items()), sep="\n")
    out, home, known = stats.checked_out_count, stats.available_count, stats.all_used_count
    book.expect(not book.held, f"names never given back: {len(book.held)}")
    book.expect(not out and home == known, f"of {known} names, {home} came home, {out} are out")
    for problem in book.problems:
        print(f"FAILED: {problem}")
    if not book.problems:
        print("\nEvery name was unique while it was held, and every name came home.")
    return 1 if book.problems else 0
