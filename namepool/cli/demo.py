"""A crew of agents on threads: what ``namepool demo`` shows, and checks while it runs."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from namepool.attribution.logging import AgentFilter
from namepool.core.names import name_key
from namepool.core.stats import PoolStats
from namepool.errors import NamePoolError
from namepool.owners import inherit_owner
from namepool.pool.handle import PoolHandle
from namepool.pool.service import open_pool
from namepool.sources.base import NameSource

NARRATED = 24  # agents whose lines are shown; more would flood the screen
WIDTH = 35  # the longest of the first two thousand names fits
JOBS = (
    ("compiling the parser", "the parser compiles; nobody knows why"),
    ("shaving the yak", "the yak is bald, and grateful"),
    ("negotiating with the linter", "the linter and I have an understanding"),
    ("looking for a semicolon", "it was in the other file"),
    ("counting off-by-one errors", "there are six, or seven"),
)


def run_demo(agents: int, source: NameSource) -> int:
    """Let ``agents`` threads take names, lend them to tools and give them back; print it all.

    Returns 0 if every name was unique while held and all came home, else 1. Blocks until the last
    agent has gone home.

    Raises:
        KeyboardInterrupt: Ctrl-C, once everything has been closed
    """
    crew = _Crew(agents)
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


@contextmanager
def _interrupts(end: Callable[[], object]) -> Iterator[None]:
    """Let Ctrl-C call ``end``: an exception inside ``Thread.start`` may leave a lock held."""
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
    """Who holds which name, kept apart from the pool's own record, to check the pool by."""

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
        """Record ``problem`` unless what was expected is so."""
        if not fulfilled:
            self.problems.append(problem)


class _Crew:
    """Agents, each on its thread; their tools run on a few threads that all of them share."""

    pool: PoolHandle

    def __init__(self, size: int) -> None:
        self.size, self.book = size, _Book()
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
                done.wait(0.1)  # and again: somebody may have asked before all had heard

        thread = threading.Thread(target=end)
        thread.start()
        try:
            yield
        finally:
            done.set()
            self.over.set()
            thread.join()

    def work(self, source: NameSource) -> int:
        """Return the verdict when all have gone home, early if ``noon`` was aborted.

        Raises what an agent raised.
        """
        with open_pool(source=source) as self.pool:
            self.log.addHandler(_Page(self.pool))
            with self.tools, ThreadPoolExecutor(self.size) as threads:
                try:
                    for agent in [threads.submit(self._agent, n) for n in range(self.size)]:
                        agent.result()
                except BaseException:
                    self.noon.abort()  # nobody waits for those who will not come
                    raise
            return 0 if self.noon.broken else _conclude(self.book, self.pool.pool_stats(30))

    def _agent(self, number: int) -> None:
        try:
            self._day(number, *JOBS[number % len(JOBS)])
        except threading.BrokenBarrierError:
            pass  # somebody else failed, and says so
        except BaseException:
            self.noon.abort()
            raise

    def _day(self, number: int, job: str, result: str) -> None:
        if self.noon.broken:
            return
        with self.pool.named() as name, self.book.holding(name):
            self._say(number, job)
            self.noon.wait()  # here all agents hold their names at the same time
            if number % 3 == 0:  # the tools of this one speak under its name
                tool = inherit_owner(self._tool)
                for run in [self.tools.submit(tool, number, name) for _ in range(2)]:
                    run.result()
            self._say(number, result)
        if number % 4 == 0:
            with self.pool.named() as name, self.book.holding(name):
                self._say(number, f"back under another name, still {job}")

    def _tool(self, number: int, name: str) -> None:
        spoken = self.pool.speaker()
        self.book.expect(spoken == name, f"a tool of {name} spoke as {spoken}")
        thread = threading.current_thread().name.rpartition("_")[2]
        self._say(number, f"  ...with a tool on shared thread {thread}")

    def _say(self, number: int, text: str) -> None:
        if number < NARRATED:
            self.log.info("%s", text)

    def _noon(self) -> None:
        if self.size > NARRATED:
            print(f"... and {self.size - NARRATED} more, who work in silence")
        held = self.pool.pool_stats(timeout=30).checked_out_count
        self.book.expect(held == self.size, f"{self.size} agents hold {held} names")
        _title(f"names held now: {held}; a tool speaks as the agent it works for")


def _nothing() -> None:
    pass


def _title(text: str) -> None:
    print(f"\n-- {text} --", flush=True)


class _Page(logging.Handler):
    """Stdout; a closed pipe ends the demo, where ``StreamHandler`` would report each line."""

    def __init__(self, pool: PoolHandle) -> None:
        super().__init__()
        self.addFilter(AgentFilter(pool))
        self.setFormatter(logging.Formatter(f"%(agent)-{WIDTH}s | %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), flush=True)


def _conclude(book: _Book, stats: PoolStats) -> int:
    """Print statistics and verdict; return 0 if every name was unique and all came home, else 1."""
    _title("the books")
    rows = {
        "names held at the same time": book.most_held,
        "checkouts": book.checkouts,
        "chunks of names fetched": stats.fetch_count,
        "names in them": stats.all_used_count,
        "names home again": stats.available_count,
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
