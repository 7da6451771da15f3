"""Executors, threads and the whole program: what they promise besides the name they hand on."""

from __future__ import annotations

import contextvars
import gc
import itertools
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing.pool import ThreadPool
from typing import Any
from unittest import mock

import pytest

from namepool import (
    DEFAULT_NAME,
    NamedExecutor,
    NamePool,
    NumberedNames,
    PoolHandle,
    current_owner,
    inherit_everywhere,
    named_thread,
    owner_scope,
)
from namepool.actors import ServiceActor
from namepool.attribution import threads
from namepool.speaking import chain, run_following
from tests.strikes.tracing import strike_at
from tests.support import PATIENCE, on_thread, run_together, switching_often

START, SUBMIT = threading.Thread.start, ThreadPoolExecutor.submit


@pytest.fixture
def pool() -> PoolHandle:
    return PoolHandle(NamePool.start(source=NumberedNames(), chunk_size=50))


@pytest.fixture(autouse=True)
def _nothing_stays_patched() -> Iterator[None]:
    yield
    assert threading.Thread.start is START
    assert ThreadPoolExecutor.submit is SUBMIT
    assert threads._users == threads._patches == []


def run(thread: threading.Thread) -> None:
    thread.start()
    thread.join(PATIENCE)


def length() -> int:
    """Return how many links this context has."""
    count, link = 0, chain.get()
    while link is not None:
        count, link = count + 1, link.before
    return count


# NamedExecutor


def test_a_named_executor_is_an_executor_with_all_its_options() -> None:
    ready: list[str] = []
    with NamedExecutor(2, "crew", ready.append, ("ready",)) as executor:
        assert isinstance(executor, ThreadPoolExecutor)
        assert executor.submit(divmod, 7, 2).result(PATIENCE) == (3, 1)
        assert executor.submit(dict, fn=1, self=2).result(PATIENCE) == {"fn": 1, "self": 2}
        assert list(executor.map(pow, [2, 3], [3, 2])) == [8, 9]
        error = executor.submit(divmod, 1, 0).exception(PATIENCE)
    assert isinstance(error, ZeroDivisionError)
    assert set(ready) == {"ready"}


def test_work_that_waits_in_the_queue_speaks_for_who_submitted_it(pool: PoolHandle) -> None:
    gate = threading.Event()
    with NamedExecutor(1) as executor:
        executor.submit(gate.wait, PATIENCE)

        def agent(number: int) -> tuple[str, Any]:
            name = pool.checkout_name(owner=f"agent {number}")
            with owner_scope(f"agent {number}"):
                return name, executor.submit(pool.speaker)

        agents = [agent(n) for n in range(5)]
        gate.set()
        assert [future.result(PATIENCE) for _, future in agents] == [name for name, _ in agents]


def test_only_the_name_is_handed_on_not_the_whole_context(pool: PoolHandle) -> None:
    mood = contextvars.ContextVar("mood", default="calm")
    mood.set("hectic")
    with pool.named() as name, NamedExecutor(1) as executor:
        found = executor.submit(lambda: (pool.speaker(), mood.get(), mood.set("wild"))).result()
        assert found[:2] == (name, "calm")
        assert executor.submit(mood.get).result(PATIENCE) == "wild"  # it is the worker's own


def test_work_speaks_for_who_submitted_it_whatever_its_worker_keeps(pool: PoolHandle) -> None:
    with NamedExecutor(1) as executor:
        kept = executor.submit(pool.checkout_name).result(PATIENCE)
        with pool.named() as name:
            assert executor.submit(pool.speaker).result(PATIENCE) == name
    assert kept != name


def strike_each(operation: Callable[[], object]) -> Iterator[str]:
    """Strike ``operation`` at one place after another; yield where, after each."""
    for k in itertools.count():
        place, _ = strike_at(k, operation)
        if place is None:
            return
        yield place


def test_a_worker_that_is_struck_keeps_nothing(pool: PoolHandle) -> None:
    def worker() -> int:
        work = strike_each(lambda: run_following(link, pool.speaker))
        return sum(1 for place in work if chain.get() is None or pytest.fail(place))

    with pool.named():
        link = chain.get()
        assert on_thread(worker) > 5


def test_who_is_struck_in_a_block_inherits_nothing_from_it(pool: PoolHandle) -> None:
    def block() -> None:
        with owner_scope("planner-7"), pool.named(), pool.speaking_as("Ada"):
            pool.speaker()

    def agent() -> int:
        count = 0
        for place in strike_each(block):
            gc.collect(1)  # a struck ``with`` leaves its end to a finaliser, and is young
            assert pool.speaker() == DEFAULT_NAME, place
            assert contextvars.copy_context().run(pool.speaker) == DEFAULT_NAME, place
            assert current_owner() != "planner-7", place
            count += 1
        return count

    assert on_thread(agent) > 50


# named_thread


def test_a_named_thread_takes_what_a_thread_takes() -> None:
    found: list[Any] = []

    def work(*args: int, **kwargs: int) -> None:
        found.append((threading.current_thread().name, args, kwargs))

    thread = named_thread(work, "helper", (1, 2), {"three": 3}, daemon=True)
    assert isinstance(thread, threading.Thread)
    assert thread.daemon
    run(thread)
    assert found == [("helper", (1, 2), {"three": 3})]


def test_a_named_thread_speaks_for_who_starts_it_not_for_who_makes_it(pool: PoolHandle) -> None:
    found: list[str] = []
    with pool.named():
        thread = named_thread(lambda: found.append(pool.speaker()))
    with owner_scope("another"), pool.named() as name:
        run(thread)
    assert found == [name]


def test_a_thread_does_not_speak_under_a_name_that_its_starter_takes_later(
    pool: PoolHandle,
) -> None:
    go = threading.Event()
    found: list[str] = []

    def work() -> None:
        go.wait(PATIENCE)
        found.append(pool.speaker())

    with pool.named() as name:
        thread = named_thread(work)
        thread.start()
        with pool.named():
            go.set()
            thread.join(PATIENCE)
    assert found == [name]


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_thread_starts_once_and_ends_without_the_collector(everywhere: bool) -> None:
    with ExitStack() as blocks:
        if everywhere:
            blocks.enter_context(inherit_everywhere())
        thread = named_thread(lambda: None)
        run(thread)
        with pytest.raises(RuntimeError, match="once"):
            thread.start()
        gone = weakref.ref(thread)
        gc.disable()
        try:
            del thread
            assert gone() is None
        finally:
            gc.enable()


def test_a_thread_that_could_not_be_started_can_be_started_later(pool: PoolHandle) -> None:
    found: list[str] = []
    thread = named_thread(lambda: found.append(pool.speaker()))
    name = "_start_joinable_thread" if hasattr(threading, "_start_joinable_thread") else None
    with (
        mock.patch.object(threading, name or "_start_new_thread", side_effect=RuntimeError("no")),
        pytest.raises(RuntimeError, match="no"),
    ):
        thread.start()
    with pool.named() as mine:
        run(thread)
    assert found == [mine]
    assert "run" not in vars(thread)


# inherit_everywhere


def speaker_of_a_thread(pool: PoolHandle) -> str:
    found: list[str] = []
    run(threading.Thread(target=lambda: found.append(pool.speaker())))
    return found[0]


def test_it_ends_with_its_block(pool: PoolHandle) -> None:
    with pool.named() as name:
        with inherit_everywhere():
            assert speaker_of_a_thread(pool) == name
        assert speaker_of_a_thread(pool) == DEFAULT_NAME


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_blocks_that_overlap_end_with_the_last(order: tuple[int, ...], pool: PoolHandle) -> None:
    blocks = [inherit_everywhere() for _ in range(3)]
    with pool.named() as name:
        for block in blocks:
            block.__enter__()
        for n in order:
            assert speaker_of_a_thread(pool) == name
            blocks[n].__exit__(None, None, None)
        assert speaker_of_a_thread(pool) == DEFAULT_NAME


def test_a_worker_that_was_started_for_an_agent_keeps_nothing_afterwards(pool: PoolHandle) -> None:
    with ThreadPoolExecutor(1) as executor, pool.named() as name:
        with inherit_everywhere():
            assert executor.submit(pool.speaker).result(PATIENCE) == name
        assert executor.submit(pool.speaker).result(PATIENCE) == DEFAULT_NAME


def test_a_thread_started_by_work_inherits_from_the_work(pool: PoolHandle) -> None:
    with inherit_everywhere(), ThreadPoolExecutor(1) as executor, pool.named() as name:
        assert executor.submit(speaker_of_a_thread, pool).result(PATIENCE) == name


def test_other_pools_of_threads_inherit_from_who_makes_them(pool: PoolHandle) -> None:
    with pool.named() as name, inherit_everywhere():
        workers = ThreadPool(1)
        assert workers.apply(pool.speaker) == name
        workers.close()
        workers.join()


class Foreign:
    """Another's instrumentation of one method, as span libraries have it."""

    def __init__(self, cls: type, method: str) -> None:
        self.calls = 0
        self.where, self.before = (cls, method), vars(cls)[method]

        def patched(instance: Any, *args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return self.before(instance, *args, **kwargs)

        setattr(cls, method, patched)

    def undo(self) -> None:
        setattr(*self.where, self.before)


@pytest.fixture
def plain() -> Iterator[None]:
    yield
    threading.Thread.start = START  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = SUBMIT  # type: ignore[method-assign]


@pytest.mark.usefixtures("plain")
def test_another_that_was_there_first_goes_on(pool: PoolHandle) -> None:
    foreign = Foreign(threading.Thread, "start")
    with inherit_everywhere(), pool.named() as name:
        before = foreign.calls
        assert speaker_of_a_thread(pool) == name
        assert foreign.calls > before
    before = foreign.calls
    assert speaker_of_a_thread(pool) == DEFAULT_NAME
    assert foreign.calls > before
    foreign.undo()
    assert threading.Thread.start is START


@pytest.mark.usefixtures("plain")
def test_another_that_came_later_goes_on_and_nothing_is_inherited_any_more(
    pool: PoolHandle,
) -> None:
    with pool.named() as name:
        with inherit_everywhere():
            foreign = [Foreign(threading.Thread, "start"), Foreign(ThreadPoolExecutor, "submit")]
            assert speaker_of_a_thread(pool) == name
        assert speaker_of_a_thread(pool) == DEFAULT_NAME
        with ThreadPoolExecutor(1) as executor:
            assert executor.submit(pool.speaker).result(PATIENCE) == DEFAULT_NAME
        assert all(other.calls for other in foreign)
        for other in foreign:
            other.undo()  # what it puts back is ours, and does nothing
        assert speaker_of_a_thread(pool) == DEFAULT_NAME
        with inherit_everywhere():
            assert speaker_of_a_thread(pool) == name
        assert speaker_of_a_thread(pool) == DEFAULT_NAME


@pytest.mark.usefixtures("plain")
def test_another_that_takes_everything_off_meanwhile_is_left_alone(pool: PoolHandle) -> None:
    with pool.named():
        with inherit_everywhere():
            threading.Thread.start = START  # type: ignore[method-assign]
            assert speaker_of_a_thread(pool) == DEFAULT_NAME
        assert threading.Thread.start is START


@pytest.mark.usefixtures("plain")
def test_a_mock_in_its_place_is_called_as_before() -> None:
    with mock.patch.object(threading.Thread, "start") as start:
        with inherit_everywhere():
            threading.Thread(target=lambda: None).start()
        start.assert_called_once_with()


def test_many_threads_may_begin_and_end_it_at_once(pool: PoolHandle) -> None:
    def user() -> None:
        with owner_scope(f"user {next(numbers)}"), pool.named() as name:
            for _ in range(30):
                with inherit_everywhere():
                    assert speaker_of_a_thread(pool) == name

    numbers = itertools.count()
    with switching_often():
        run_together([user] * 4)


def test_an_endless_chain_of_timers_grows_no_chain_and_keeps_its_root(pool: PoolHandle) -> None:
    done = threading.Event()
    found: set[str] = set()
    lengths: list[int] = []

    def tick(left: int) -> None:
        found.add(pool.speaker())
        lengths.append(length())
        if left:
            threading.Timer(0, tick, (left - 1,)).start()
        else:
            done.set()

    def root() -> str:
        with inherit_everywhere(), pool.named() as name:
            threading.Timer(0, tick, (100,)).start()
            assert done.wait(PATIENCE)
        return name

    name = on_thread(root)
    assert found == {name}
    assert len(lengths) == 101
    assert max(lengths) <= 2  # what says whose context it is, and the root's


def test_a_struck_user_leaves_nothing_patched() -> None:
    def block() -> None:
        with inherit_everywhere():
            pass

    count = 0
    for place in strike_each(block):
        gc.collect(1)  # a struck ``with`` leaves its end to a finaliser, and is young
        assert threading.Thread.start is START, place
        assert ThreadPoolExecutor.submit is SUBMIT, place
        assert threads._users == threads._patches == [], place
        count += 1
    assert count > 10


def test_who_is_struck_while_it_submits_hands_names_on_as_before(pool: PoolHandle) -> None:
    with ThreadPoolExecutor(1) as executor, inherit_everywhere(), pool.named() as name:
        executor.submit(int).result(PATIENCE)
        count = 0
        for place in strike_each(lambda: executor.submit(int)):
            assert speaker_of_a_thread(pool) == name, place
            count += 1
        assert count > 10


def test_an_actor_speaks_under_its_starters_name_on_whatever_thread(pool: PoolHandle) -> None:
    class Actor(ServiceActor):
        def on_receive(self, message: Any) -> Any:
            return pool.speaker()

    with pool.named() as name, inherit_everywhere():
        actor = Actor.start()
        assert actor.ask("queued", timeout=PATIENCE) == name
        assert on_thread(lambda: actor.ask("inline")) == name
    assert on_thread(lambda: actor.ask("inline")) == DEFAULT_NAME
