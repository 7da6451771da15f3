"""Under which name a context speaks: the ten sentences of ``namepool.speaking``."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import pykka
import pytest

from namepool import (
    DEFAULT_NAME,
    AssociateName,
    AsyncPoolHandle,
    CheckoutLease,
    CheckoutName,
    GetNameByOwner,
    InvalidName,
    NamedExecutor,
    NamePool,
    NamePoolRef,
    NumberedNames,
    PoolHandle,
    current_owner,
    inherit_everywhere,
    inherit_owner,
    named_thread,
    owner_scope,
)
from namepool.actors import LATER, ServiceActor
from namepool.actors.lifecycle import ActorThread
from namepool.speaking import chain
from tests.support import PATIENCE, on_thread

LONG = 9
"""Links; more than this an endless chain of tasks, threads or timers never has."""


@pytest.fixture(autouse=True)
def _a_chain_of_its_own() -> Iterator[None]:
    before = chain.get()
    chain.set(None)
    yield
    chain.set(before)


@pytest.fixture
def ref() -> NamePoolRef:
    return NamePool.start(source=NumberedNames(), chunk_size=50)


@pytest.fixture
def pool(ref: NamePoolRef) -> PoolHandle:
    return PoolHandle(ref)


@pytest.fixture
def other() -> PoolHandle:
    return PoolHandle(NamePool.start(source=NumberedNames("Robot ")))


def child(function: Callable[[], Any]) -> Any:
    """Run ``function`` on another thread in a copy of this context."""
    context = contextvars.copy_context()
    return on_thread(lambda: context.run(function))


def length() -> int:
    """Return how many links this context has."""
    count, link = 0, chain.get()
    while link is not None:
        count, link = count + 1, link.before
    return count


# Taking a name


WAYS: dict[str, Callable[[PoolHandle, NamePoolRef, ExitStack], Any]] = {
    "checkout_name": lambda pool, *_: pool.checkout_name(),
    "associate_name": lambda pool, *_: pool.associate_name("Ada"),
    "CheckoutName": lambda _, ref, __: ref.ask(CheckoutName()),
    "CheckoutName, queued": lambda _, ref, __: ref.ask(CheckoutName(), timeout=PATIENCE),
    "CheckoutLease": lambda _, ref, __: ref.ask(CheckoutLease()),
    "AssociateName": lambda _, ref, __: ref.ask(AssociateName("Ada")),
    "proxy": lambda _, ref, __: ref.proxy().checkout_name().get(),
    "proxy.associate_name": lambda _, ref, __: ref.proxy().associate_name("Ada").get(),
    "named": lambda pool, _, blocks: blocks.enter_context(pool.named()),
    "speaking_as": lambda pool, _, blocks: blocks.enter_context(pool.speaking_as("Ada")),
}


@pytest.mark.parametrize("way", WAYS)
def test_whoever_takes_a_name_speaks_under_it_with_what_it_starts(
    way: str, pool: PoolHandle, ref: NamePoolRef
) -> None:
    def agent() -> tuple[str, str]:
        with ExitStack() as blocks:
            WAYS[way](pool, ref, blocks)
            return pool.speaker(), child(pool.speaker)

    own, inherited = on_thread(agent)
    assert own == inherited != DEFAULT_NAME


@pytest.mark.parametrize("way", ["checkout_name", "associate_name"])
def test_a_task_that_takes_a_name_speaks_under_it_with_what_it_starts(
    way: str, pool: PoolHandle
) -> None:
    async def agent() -> tuple[str, str]:
        handle = AsyncPoolHandle(pool)
        await (handle.checkout_name() if way == "checkout_name" else handle.associate_name("Ada"))
        return pool.speaker(), await asyncio.to_thread(pool.speaker)

    own, inherited = asyncio.run(agent())
    assert own == inherited != DEFAULT_NAME


@pytest.mark.parametrize("owner", ["somebody else", threading.Thread()])
def test_whoever_takes_a_name_for_somebody_else_does_not_speak_under_it(
    owner: Any, pool: PoolHandle
) -> None:
    def agent() -> list[str]:
        pool.checkout_name(owner=owner)
        pool.associate_name("Ada", owner=owner)
        return [pool.speaker(), child(pool.speaker)]

    assert on_thread(agent) == [DEFAULT_NAME] * 2


def test_the_name_in_a_future_is_spoken_where_it_is_read(
    pool: PoolHandle, ref: NamePoolRef
) -> None:
    future = ref.proxy().checkout_name()

    def reader() -> tuple[str, list[str]]:
        before = pool.speaker()
        name = future.get(timeout=PATIENCE)
        return name, [before, pool.speaker(), child(pool.speaker)]

    name, spoken = on_thread(reader)
    assert spoken == [DEFAULT_NAME, name, name]
    assert [pool.speaker(), child(pool.speaker)] == [DEFAULT_NAME] * 2


def test_whoever_reads_a_future_again_speaks_under_its_name_again(ref: NamePoolRef) -> None:
    pool, futures = PoolHandle(ref), [ref.proxy().checkout_name() for _ in range(2)]
    names = [future.get(timeout=PATIENCE) for future in futures]
    assert pool.speaker() == names[1]
    futures[0].get(timeout=PATIENCE)
    assert pool.speaker() == names[0]
    pool.checkin_name(names[0])
    assert pool.speaker() == names[1]


def test_a_future_may_be_read_again_while_a_name_is_being_asked_for(ref: NamePoolRef) -> None:
    async def agent() -> tuple[str, str, str]:
        pool, future = AsyncPoolHandle(PoolHandle(ref)), ref.proxy().checkout_name()
        await future
        asked = pool.checkout_name()
        first = future.get(timeout=PATIENCE)
        spoken = pool.speaker()
        second = await asked
        await pool.checkin_name(first)
        return first, spoken, second if pool.speaker() == second else pool.speaker()

    first, spoken, second = asyncio.run(agent())
    assert spoken == first
    assert second not in (first, DEFAULT_NAME)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_names_that_are_given_back_in_any_order_leave_the_latest_that_is_held(
    order: tuple[int, ...], pool: PoolHandle
) -> None:
    names = [pool.checkout_name() for _ in range(3)]
    held = dict.fromkeys(names)
    for number in order:
        assert pool.speaker() == [*held][-1]
        pool.checkin_name(names[number])
        del held[names[number]]
    assert pool.speaker() == DEFAULT_NAME


# Which link of a chain speaks


def test_an_own_name_wins_and_the_parents_is_back_when_it_goes_home(pool: PoolHandle) -> None:
    def work() -> list[str]:
        before = pool.speaker()
        with pool.named() as own:
            inside = pool.speaker()
            assert inside == own
        again = pool.checkout_name()
        checked_out = pool.speaker()
        pool.checkin_name(again)
        return [before, inside, checked_out, pool.speaker()]

    with pool.named() as parent:
        before, inside, checked_out, after = child(work)
        assert pool.speaker() == parent
    assert before == after == parent
    assert parent not in (inside, checked_out)


def test_a_grandchild_inherits_from_the_nearest_with_a_name(pool: PoolHandle) -> None:
    def middle() -> tuple[str, str, str]:
        nameless = child(pool.speaker)
        with pool.named() as own:
            return nameless, own, child(pool.speaker)

    with pool.named() as parent:
        nameless, own, named = child(middle)
    assert nameless == parent
    assert named == own != parent


def test_when_the_name_goes_home_those_who_inherited_it_are_nobody(pool: PoolHandle) -> None:
    context: list[contextvars.Context] = []
    with pool.named() as outer:
        with pool.named() as inner:
            context.append(contextvars.copy_context())
            assert on_thread(lambda: context[0].run(pool.speaker)) == inner
        assert on_thread(lambda: context[0].run(pool.speaker)) == outer
    assert on_thread(lambda: context[0].run(pool.speaker)) == DEFAULT_NAME
    assert on_thread(lambda: context[0].run(pool.get_name_by_owner)) is None


def test_a_child_loses_a_name_that_was_taken_from_its_parent(pool: PoolHandle) -> None:
    with pool.named() as name:
        context = contextvars.copy_context()
        on_thread(lambda: pool.associate_name(name, exclusive=True, owner="another"))
        assert on_thread(lambda: context.run(pool.speaker)) == DEFAULT_NAME


def test_a_tool_that_a_block_has_started_goes_on_under_its_name_when_the_agent_takes_another(
    pool: PoolHandle,
) -> None:
    with pool.named() as name:
        tool = contextvars.copy_context()
        another = pool.checkout_name()
        assert pool.speaker() == another
        assert on_thread(lambda: tool.run(pool.speaker)) == name
        pool.checkin_name(another)


def test_two_pools_do_not_mix(pool: PoolHandle, other: PoolHandle) -> None:
    def agent() -> None:
        with pool.named() as here:
            with other.named() as there:
                other.checkin_name(there)
                assert child(lambda: (pool.speaker(), other.speaker())) == (here, DEFAULT_NAME)
            with other.speaking_as("Bea"):
                assert child(lambda: (pool.speaker(), other.speaker())) == (here, "Bea")

    on_thread(agent)


def test_a_name_in_one_pool_leaves_what_is_inherited_in_another(
    pool: PoolHandle, other: PoolHandle
) -> None:
    def work() -> tuple[str, str]:
        with other.named():
            return pool.speaker(), child(pool.speaker)

    with pool.named() as name:
        assert child(work) == (name, name)


# Lookups


def test_a_lookup_without_an_owner_finds_the_inherited_name(
    pool: PoolHandle, ref: NamePoolRef
) -> None:
    def look_up() -> list[str | None]:
        ask = ref.ask(GetNameByOwner())
        queued = ref.ask(GetNameByOwner(), timeout=PATIENCE)
        return [ask, queued, pool.get_name_by_owner(), ref.proxy().get_name_by_owner().get()]

    with pool.named() as name:
        assert child(look_up) == [name] * 4
    assert child(look_up) == [None] * 4


def test_a_lookup_on_the_pools_own_thread_finds_the_inherited_name(
    pool: PoolHandle, ref: NamePoolRef
) -> None:
    with pool.named() as name:
        with ref.actor_inbox.turn:  # it is busy, so the request queues
            future = child(lambda: ref.ask(GetNameByOwner(), block=False))
        assert future.get(timeout=PATIENCE) == name


def test_a_lookup_with_an_owner_finds_its_own_name_only(pool: PoolHandle) -> None:
    with pool.named():
        assert child(lambda: pool.get_name_by_owner(threading.current_thread())) is None


# Threads and contexts


def test_a_context_does_not_speak_under_the_name_of_the_thread_that_runs_it(
    pool: PoolHandle,
) -> None:
    def worker() -> list[str]:
        with pool.named() as own:
            foreign = contextvars.Context().run(pool.speaker)
            return [own, pool.speaker(), foreign]

    own, spoken, foreign = on_thread(worker)
    assert own == spoken
    assert foreign == DEFAULT_NAME


def test_a_name_that_work_takes_and_keeps_in_a_copied_context_stays_in_there(
    pool: PoolHandle,
) -> None:
    context = contextvars.copy_context()

    def worker() -> list[str]:
        name = context.run(pool.checkout_name)
        return [name, pool.speaker(), context.run(pool.speaker)]

    name, worker_speaks, work_speaks = on_thread(worker)
    assert worker_speaks == pool.speaker() == DEFAULT_NAME
    assert work_speaks == name


def test_a_name_that_work_keeps_on_a_thread_is_that_threads_own(pool: PoolHandle) -> None:
    with ThreadPoolExecutor(1) as workers:
        name = workers.submit(pool.checkout_name).result(PATIENCE)
        assert workers.submit(pool.speaker).result(PATIENCE) == name
        with pool.named() as another:
            copied = contextvars.copy_context()
            assert workers.submit(copied.run, pool.speaker).result(PATIENCE) == another


# Scopes


def test_a_scope_without_a_name_speaks_under_that_of_whoever_enters_it(pool: PoolHandle) -> None:
    with pool.named() as name, owner_scope("reviewer"):
        assert pool.speaker() == name
        with pool.named() as own:
            assert pool.speaker() == own
        assert pool.speaker() == name


def test_a_scope_within_a_scope_speaks_under_the_name_of_the_outer_one(pool: PoolHandle) -> None:
    name = pool.checkout_name(owner="planner-7")
    with owner_scope("planner-7"), owner_scope("helper"):
        assert pool.speaker() == name
        assert child(pool.speaker) == name
    assert pool.speaker() == DEFAULT_NAME


def test_a_scope_that_a_thread_enters_speaks_under_the_name_that_the_thread_was_given(
    pool: PoolHandle,
) -> None:
    def worker() -> list[str]:
        own = pool.checkout_name()
        given = on_thread(lambda: pool.checkout_name(owner=thread))
        with owner_scope("helper"):
            inside = pool.speaker()
        pool.checkin_name(given, owner=thread)
        with owner_scope("helper"):
            return [inside, given, pool.speaker(), own]

    results: list[list[str]] = []
    thread = threading.Thread(target=lambda: results.append(worker()))
    thread.start()
    thread.join(PATIENCE)
    inside, given, after, own = results[0]
    assert inside == given
    assert after == own


def test_who_has_left_a_scope_does_not_speak_as_its_owner(pool: PoolHandle) -> None:
    def agent() -> list[str]:
        with owner_scope("planner-7"):
            pool.checkout_name()
        return [pool.speaker(), child(pool.speaker)]

    assert on_thread(agent) == [DEFAULT_NAME] * 2


def test_work_lent_by_who_inherits_speaks_under_the_inherited_name(pool: PoolHandle) -> None:
    async def agent() -> list[str]:
        async def delegate() -> list[str]:
            with ThreadPoolExecutor(1) as executor:
                lent = executor.submit(inherit_owner(pool.speaker)).result(PATIENCE)
                return [lent, executor.submit(pool.speaker).result(PATIENCE)]

        with pool.named() as name:
            return [name, *await asyncio.create_task(delegate())]

    name, lent, alone = asyncio.run(agent())
    assert lent == name
    assert alone == DEFAULT_NAME


def test_a_lent_coroutine_function_speaks_under_the_inherited_name(pool: PoolHandle) -> None:
    async def speak() -> str:
        await asyncio.sleep(0)
        return pool.speaker()

    with pool.named() as name:
        lent = child(lambda: inherit_owner(speak))
        assert on_thread(lambda: asyncio.run(lent())) == name


# Names that others take for an owner


def plainly(run: Callable[[], None]) -> threading.Thread:
    """Start a thread that inherits nothing."""
    thread = threading.Thread(target=run)
    thread.start()
    return thread


def with_its_starters_name(run: Callable[[], None]) -> threading.Thread:
    """Start a thread that follows its starter."""
    thread = named_thread(run)
    thread.start()
    return thread


def everywhere(run: Callable[[], None]) -> threading.Thread:
    """Start a thread that follows its starter, as all do."""
    with inherit_everywhere():
        return plainly(run)


Start = Callable[[Callable[[], None]], threading.Thread]
STARTS = pytest.mark.parametrize("start", [plainly, with_its_starters_name, everywhere])


def on_given_thread(
    pool: PoolHandle, work: Callable[[], Any], start: Start = plainly
) -> tuple[str, Any]:
    """Run ``work`` on a thread that has been given a name; return the name and the result."""
    results: list[Any] = []
    go = threading.Event()

    def run() -> None:
        assert go.wait(PATIENCE)
        try:
            results.append(work())
        except BaseException as error:
            results.append(error)

    thread = start(run)
    name = pool.checkout_name(owner=thread)
    go.set()
    thread.join(PATIENCE)
    if isinstance(results[0], BaseException):
        raise results[0]
    return name, results[0]


@STARTS
def test_a_thread_speaks_under_the_name_that_it_was_given(start: Start, pool: PoolHandle) -> None:
    with pool.named():
        name, spoken = on_given_thread(pool, pool.speaker, start)
    assert spoken == name


@STARTS
def test_of_a_given_and_an_own_name_the_later_is_spoken(start: Start, pool: PoolHandle) -> None:
    def work() -> list[str]:
        with pool.named() as own:
            inside = [own, pool.speaker()]
            me = threading.current_thread()
            later = on_thread(partial(pool.checkout_name, owner=me))
            inside += [later, pool.speaker()]
        pool.checkin_name(later)
        return [*inside, pool.speaker()]

    with pool.named() as parent:
        name, (own, spoken, later, then, after) = on_given_thread(pool, work, start)
    assert spoken == own
    assert then == later
    assert after == name != parent


@STARTS
def test_when_a_given_name_goes_home_the_inherited_one_is_back(
    start: Start, pool: PoolHandle
) -> None:
    def work() -> list[str]:
        before = pool.speaker()
        pool.checkin_name(before)
        return [before, pool.speaker()]

    with pool.named() as parent:
        name, (before, after) = on_given_thread(pool, work, start)
    assert before == name
    assert after == (DEFAULT_NAME if start is plainly else parent)


@STARTS
def test_what_a_thread_with_a_given_name_hands_on_speaks_under_that_name(
    start: Start, pool: PoolHandle
) -> None:
    def work() -> list[str]:
        found: list[str] = []

        def say() -> None:
            found.append(pool.speaker())

        for helper in (named_thread(say), threading.Thread(target=inherit_owner(say))):
            helper.start()
            helper.join(PATIENCE)
        with NamedExecutor(1) as workers:
            found.append(workers.submit(pool.speaker).result(PATIENCE))
        return found

    with pool.named():
        name, found = on_given_thread(pool, work, start)
    assert found == [name] * 3


@STARTS
def test_a_thread_with_a_given_name_does_not_speak_under_it_in_somebody_elses_context(
    start: Start, pool: PoolHandle
) -> None:
    with pool.named() as theirs:
        context = contextvars.copy_context()
        with owner_scope("starter"):
            name, spoken = on_given_thread(
                pool, lambda: [context.run(pool.speaker), pool.speaker()], start
            )
        assert spoken == [theirs, name]


def test_a_task_speaks_under_the_name_that_it_was_given(pool: PoolHandle) -> None:
    async def agent() -> list[str]:
        async def work() -> str:
            await given.wait()
            return pool.speaker()

        given = asyncio.Event()
        with pool.named():
            task = asyncio.create_task(work())
            name = pool.checkout_name(owner=task)
            given.set()
            return [name, await task]

    name, spoken = asyncio.run(agent())
    assert spoken == name


def test_a_name_given_in_one_pool_leaves_the_speaker_of_another(
    pool: PoolHandle, other: PoolHandle
) -> None:
    def work() -> list[str]:
        with other.named() as own:
            return [own, other.speaker(), pool.speaker()]

    name, (own, there, here) = on_given_thread(pool, work)
    assert there == own
    assert here == name


def test_a_default_name_is_spoken_until_a_name_is_given(pool: PoolHandle) -> None:
    def work() -> list[str]:
        me = threading.current_thread()
        with pool.named(timeout=1e-9, default="The Deputy") as deputy:
            stood_in = pool.speaker()
            pool.checkin_name(taken)
            given = on_thread(partial(pool.checkout_name, owner=me))
            return [deputy, stood_in, given, pool.speaker()]

    pool = PoolHandle(NamePool.start(source=_One(), chunk_size=1, low_water_mark=0))
    taken = pool.checkout_name(owner="another")
    deputy, stood_in, given, spoken = on_thread(work)
    assert deputy == stood_in == "The Deputy"
    assert spoken == given == taken


class _One:
    """A source that has one name."""

    def __init__(self) -> None:
        self.names = ["Ada"]

    def fetch(self, count: int, used: object) -> list[str]:
        return [self.names.pop()] if self.names else []


# Being nobody


def test_in_an_unnamed_block_the_caller_and_what_it_starts_are_nobody(pool: PoolHandle) -> None:
    with pool.named() as name:
        with pool.unnamed():
            started = contextvars.copy_context()
            assert [pool.speaker(), child(pool.speaker)] == [DEFAULT_NAME] * 2
            assert pool.get_name_by_owner() is None
        assert pool.speaker() == name
        assert on_thread(lambda: started.run(pool.speaker)) == DEFAULT_NAME


def test_what_an_unnamed_block_starts_with_a_name_handed_on_is_nobody_too(
    pool: PoolHandle,
) -> None:
    def work() -> list[str]:
        found: list[str] = []
        with inherit_everywhere(), NamedExecutor(1) as workers, pool.unnamed():
            thread = threading.Thread(target=lambda: found.append(pool.speaker()))
            thread.start()
            thread.join(PATIENCE)
            return [*found, workers.submit(pool.speaker).result(PATIENCE), pool.speaker()]

    with pool.named():
        assert child(work) == [DEFAULT_NAME] * 3
    assert on_given_thread(pool, work)[1] == [DEFAULT_NAME] * 3


def test_a_name_taken_in_an_unnamed_block_is_spoken_in_it(pool: PoolHandle) -> None:
    with pool.named(), pool.unnamed():
        with pool.named() as own:
            assert pool.speaker() == child(pool.speaker) == own
        assert pool.speaker() == DEFAULT_NAME


def test_unnamed_blocks_nest_and_leave_other_pools_alone(
    pool: PoolHandle, other: PoolHandle
) -> None:
    with pool.named() as name, other.named() as there:
        with pool.unnamed():
            with AsyncPoolHandle(pool).unnamed():
                assert [pool.speaker(), other.speaker()] == [DEFAULT_NAME, there]
                assert child(other.speaker) == there
            assert pool.speaker() == DEFAULT_NAME
        assert pool.speaker() == name


def test_an_unnamed_block_that_fails_ends(pool: PoolHandle) -> None:
    with pool.named() as name:
        with pytest.raises(KeyError), pool.unnamed():
            raise KeyError
        assert pool.speaker() == name


# Actors


class _Actor(ServiceActor):
    def on_receive(self, message: Any) -> Any:
        return message()


def test_an_actor_inherits_nothing_from_who_asks_it(pool: PoolHandle) -> None:
    actor = _Actor.start()
    actor.ask(lambda: None, timeout=PATIENCE)

    def agent() -> list[str]:
        with pool.named():
            handler = lambda: (threading.current_thread(), pool.speaker())  # noqa: E731
            thread, inline = actor.ask(handler)
            assert thread is threading.current_thread()
            _, queued = actor.ask(handler, timeout=PATIENCE)
            return [inline, queued]

    assert on_thread(agent) == [DEFAULT_NAME] * 2


def test_a_name_that_an_actor_takes_on_its_callers_thread_is_not_lent_to_the_caller(
    pool: PoolHandle,
) -> None:
    actor = _Actor.start()
    actor.ask(lambda: None, timeout=PATIENCE)

    def agent() -> list[str]:
        name = actor.ask(pool.checkout_name)
        assert [pool.speaker(), child(pool.speaker)] == [DEFAULT_NAME] * 2
        assert actor.ask(pool.speaker) == name
        assert actor.ask(lambda: child(pool.speaker)) == name
        return [pool.speaker(), child(pool.speaker)]

    assert on_thread(agent) == [DEFAULT_NAME] * 2


def test_who_has_asked_an_actor_lends_its_name_as_before(pool: PoolHandle) -> None:
    actor = _Actor.start()
    actor.ask(lambda: None, timeout=PATIENCE)

    def agent() -> None:
        with pool.named() as name:
            actor.ask(pool.speaker)
            assert child(pool.speaker) == name

    on_thread(agent)


@pytest.mark.parametrize("on_callers_thread", [False, True])
def test_what_an_actors_handler_starts_is_somebody_else_on_whatever_thread_it_runs(
    on_callers_thread: bool, pool: PoolHandle
) -> None:
    async def specialist() -> str:
        with pool.named() as name:
            return name

    async def tool() -> str:
        return pool.speaker()

    async def crew() -> tuple[str, str]:
        return await asyncio.gather(specialist(), tool())

    def handle() -> tuple[str, tuple[str, str], str]:
        name = pool.checkout_name()
        return name, asyncio.run(crew()), pool.speaker()

    actor = _Actor.start()
    timeout = None if on_callers_thread else PATIENCE
    name, (specialists, tools), at_last = on_thread(lambda: actor.ask(handle, timeout=timeout))

    assert name == tools == at_last != specialists


class _Stock(pykka.ThreadingActor):
    def call(self, function: Callable[[], Any]) -> Any:
        return function()


def test_what_a_stock_actor_starts_inherits_its_name(pool: PoolHandle) -> None:
    actor = _Stock.start().proxy()
    name = actor.call(pool.checkout_name).get(timeout=PATIENCE)
    assert actor.call(lambda: child(pool.speaker)).get(timeout=PATIENCE) == name


# Blocks that have ended


def test_a_block_leaves_the_chain_as_it_was(pool: PoolHandle) -> None:
    def agent() -> list[Any]:
        before = chain.get()
        with owner_scope("planner-7"), pool.named(), pool.speaking_as("Ada"), pool.unnamed():
            pass
        with pytest.raises(RuntimeError), pool.named():
            raise RuntimeError
        return [before, chain.get()]

    assert on_thread(agent) == [None, None]


def test_a_context_that_an_agent_has_left_does_not_lend_its_next_name(pool: PoolHandle) -> None:
    def agent() -> str:
        context = contextvars.copy_context()

        def block() -> None:
            with pool.named():
                pass

        context.run(block)
        with pool.named():
            return on_thread(lambda: context.run(pool.speaker))

    assert on_thread(agent) == DEFAULT_NAME


def test_who_outlives_a_block_does_not_speak_under_its_owners_next_name(pool: PoolHandle) -> None:
    def agent() -> tuple[str, str, str]:
        with pool.named():
            left_over = contextvars.copy_context()
        with pool.named() as following:
            return following, pool.speaker(), on_thread(lambda: left_over.run(pool.speaker))

    following, own, inherited = on_thread(agent)
    assert (own, inherited) == (following, DEFAULT_NAME)


def test_who_outlives_an_inner_block_speaks_under_the_name_of_the_outer(pool: PoolHandle) -> None:
    def agent() -> tuple[str, str]:
        with pool.named() as outer:
            with pool.named():
                left_over = contextvars.copy_context()
            return outer, on_thread(lambda: left_over.run(pool.speaker))

    outer, inherited = on_thread(agent)
    assert inherited == outer


@pytest.mark.parametrize("block", ["named", "speaking_as"])
def test_who_keeps_a_name_beyond_a_block_lends_it_to_what_it_starts_then(
    block: str, pool: PoolHandle
) -> None:
    def agent() -> tuple[str, str, str]:
        with pool.named() if block == "named" else pool.speaking_as("Ada"):
            kept = pool.checkout_name()
        return kept, pool.speaker(), child(pool.speaker)

    kept, own, inherited = on_thread(agent)
    assert kept == own == inherited


def test_blocks_of_two_pools_that_end_in_the_order_they_began_do_not_mix(
    pool: PoolHandle, other: PoolHandle
) -> None:
    def agent() -> tuple[str, str, str]:
        first, second = pool.named(), other.named()
        with ExitStack() as blocks:
            blocks.push(second)
            first.__enter__()
            name = second.__enter__()
            first.__exit__(None, None, None)
            return name, child(other.speaker), child(pool.speaker)

    assert on_thread(agent) == ("Robot 1", "Robot 1", DEFAULT_NAME)


def test_an_agent_with_a_name_of_its_own_lends_that_where_no_other_is_to_be_had() -> None:
    pool = PoolHandle(NamePool.start(source=NumberedNames(), chunk_size=1, low_water_mark=0))

    def agent() -> tuple[str, str, str]:
        pool.associate_name("Ada")
        with pool.named(timeout=1e-9, default="The Deputy") as name:
            return name, pool.speaker(), child(pool.speaker)

    pool.checkout_name()
    assert on_thread(agent) == ("Ada", "Ada", "Ada")


def test_a_name_that_was_taken_and_given_back_before_a_block_lends_no_later_one(
    pool: PoolHandle,
) -> None:
    def agent() -> str:
        pool.checkin_name(pool.checkout_name())
        with pool.named():
            left_over = contextvars.copy_context()
        with pool.named():
            return str(on_thread(lambda: left_over.run(pool.speaker)))

    assert on_thread(agent) == DEFAULT_NAME


# Endless chains


def test_an_endless_chain_of_tasks_grows_no_chain_and_keeps_its_root(
    pool: PoolHandle, ref: NamePoolRef
) -> None:
    lengths: list[int] = []
    names: set[str] = set()
    proxy = ref.proxy()

    async def work(left: int, may_look: asyncio.Event) -> None:
        async with asyncio.timeout(PATIENCE):
            await may_look.wait()  # until the name of its starter is over
            names.add(pool.speaker())
            name, is_over = await proxy.checkout_name(), asyncio.Event()
            if left:
                following.append(asyncio.create_task(work(left - 1, is_over)))
            await proxy.checkin_name(name)
            is_over.set()
        lengths.append(length())

    async def agent() -> None:
        with pool.named() as root:
            may_look = asyncio.Event()
            may_look.set()
            following.append(asyncio.create_task(work(200, may_look)))
            while following:
                await following.pop()
            assert names == {root}

    following: list[asyncio.Task[None]] = []
    asyncio.run(agent())
    assert len(lengths) == 201
    assert max(lengths) <= LONG


def _in_a_block_of_each(pool: PoolHandle, other: PoolHandle, go_on: Callable[[], None]) -> None:
    with pool.unnamed(), other.named(), pool.named(), other.unnamed(), pool.named():
        go_on()


def test_an_endless_chain_of_tasks_in_unnamed_blocks_grows_no_chain(
    pool: PoolHandle, other: PoolHandle
) -> None:
    lengths: list[int] = []
    following: list[asyncio.Task[None]] = []

    async def work(left: int) -> None:
        lengths.append(length())
        if left:
            _in_a_block_of_each(
                pool, other, lambda: following.append(asyncio.create_task(work(left - 1)))
            )

    async def agent() -> None:
        following.append(asyncio.create_task(work(100)))
        while following:
            await following.pop()

    asyncio.run(agent())
    assert len(lengths) == 101
    assert max(lengths) <= LONG


async def _refused(association: Any) -> None:
    with pytest.raises(InvalidName):
        await association


AGAIN: dict[str, Callable[[AsyncPoolHandle, NamePoolRef], Any]] = {
    "associate_name": lambda pool, _: pool.associate_name("Ada"),
    "associate_name(None)": lambda pool, _: pool.associate_name(None),
    "associate_name(default)": lambda pool, _: pool.associate_name(DEFAULT_NAME),
    "associate_name(invalid)": lambda pool, _: _refused(pool.associate_name("")),
    "a future": lambda _, ref: ref.proxy().associate_name("Ada"),
    "a future, None": lambda _, ref: ref.proxy().associate_name(None),
    "a future, invalid": lambda _, ref: _refused(ref.proxy().associate_name("")),
    "a future, unread": lambda _, ref: asyncio.sleep(0, ref.proxy().associate_name("Ada")),
}


@pytest.mark.parametrize("way", AGAIN)
def test_whoever_associates_again_and_again_grows_no_chain(
    way: str, pool: PoolHandle, ref: NamePoolRef
) -> None:
    async def agent() -> tuple[str, str, int]:
        handle = AsyncPoolHandle(pool)
        with pool.named() as name:
            for _ in range(50):
                await AGAIN[way](handle, ref)
            await handle.pool_stats()  # what nobody waited for has begun by now
            await AGAIN[way](handle, ref)
            return name, pool.speaker(), length()

    name, spoken, links = asyncio.run(agent())
    assert spoken in (name, "Ada")
    assert links <= LONG


@pytest.mark.parametrize(
    "hand_on",
    [
        lambda tick: threading.Thread(target=inherit_owner(tick)),
        named_thread,
        lambda tick: threading.Thread(target=contextvars.copy_context().run, args=(tick,)),
    ],
    ids=["inherit_owner", "named_thread", "copy_context"],
)
def test_an_endless_chain_of_threads_grows_no_chain_and_keeps_a_given_name(
    hand_on: Callable[[Any], threading.Thread], pool: PoolHandle
) -> None:
    lengths: list[int] = []
    names: set[str] = set()
    threads: list[threading.Thread] = []

    def tick() -> None:
        names.add(pool.speaker())
        lengths.append(length())
        if len(lengths) < 100:
            threads.append(hand_on(tick))
            threads[-1].start()

    with owner_scope("planner-7"):
        name = pool.checkout_name()
        threads.append(hand_on(tick))
        threads[0].start()
        for thread in threads:
            thread.join(PATIENCE)
    assert names == {name}
    assert len(lengths) == 100
    assert max(lengths) <= LONG


def test_a_chain_of_many_living_agents_is_kept_whole(pool: PoolHandle) -> None:
    def nest(depth: int) -> list[str]:
        with owner_scope(f"agent {depth}"), pool.named() as name:
            deeper = nest(depth - 1) if depth else []
        return [name, *deeper, pool.speaker()]

    depth = 3 * LONG
    with owner_scope("root"), pool.named() as root:
        found = nest(depth)
    names = found[: depth + 1]
    assert len(set(names)) == depth + 1
    assert found[depth + 1 :] == [*reversed(names[:-1]), root]


def test_scopes_without_names_add_nothing_to_a_chain(pool: PoolHandle) -> None:
    def nest(depth: int) -> tuple[str, int]:
        with owner_scope(f"nobody {depth}"):
            return nest(depth - 1) if depth else (pool.speaker(), length())

    with owner_scope("root"), pool.named() as root:
        assert nest(10 * LONG) == (root, 1)


# What a chain holds


def test_a_check_in_by_the_pools_own_thread_leaves_no_link_behind(
    pool: PoolHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work() -> None:
        name = pool.checkout_name()
        monkeypatch.setattr(pool._access, "run", lambda *_: LATER)  # as while another has the turn
        assert pool.checkin_name(name)
        assert chain.get() is None

    contextvars.Context().run(work)


def test_a_context_holds_no_task_and_after_its_blocks_no_pool() -> None:
    async def agent() -> tuple[Any, Any, Any, Any]:
        ref = NamePool.start(source=NumberedNames())
        pool, task = PoolHandle(ref), asyncio.current_task()
        with pool.named(), owner_scope("planner-7"):
            inside = contextvars.copy_context()
        pool.checkin_name(pool.checkout_name())
        ref.stop()
        assert task is not None
        return weakref.ref(task), weakref.ref(ref.speaking), inside, contextvars.copy_context()

    task, speaking, inside, after = asyncio.run(agent())
    for thread in threading.enumerate():
        if isinstance(thread, ActorThread):  # which may still have the pool that has stopped
            thread.join(PATIENCE)
    del thread
    gc.collect()
    assert task() is None
    assert inside[chain] is not None
    del inside
    gc.collect()
    assert speaking() is None
    assert after.get(chain) is None


# Links are no values


@pytest.mark.parametrize(
    "take",
    [
        lambda ref: ref.ask(CheckoutLease()),
        lambda ref: (ref.ask(CheckoutName()), chain.get())[1],
        lambda ref: (ref.ask(AssociateName("Ada")), chain.get())[1],
    ],
    ids=["CheckoutLease", "CheckoutName", "AssociateName"],
)
def test_a_link_is_copied_as_itself_and_not_pickled(
    take: Callable[[NamePoolRef], Any], ref: NamePoolRef
) -> None:
    link = take(ref)
    assert copy.copy(link) is link
    assert copy.deepcopy({"held": [link]})["held"][0] is link
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="cannot be pickled, as it cannot leave its process: "):
            pickle.dumps([link], protocol)


def test_a_link_tells_whose_it_is_and_what_it_says(ref: NamePoolRef) -> None:
    lease, me = ref.ask(CheckoutLease()), current_owner()
    assert repr(lease) == f"<WholeLease of {me!r}: 'NPC #1'>"
    PoolHandle(ref).checkin_name(lease.name)
    assert repr(lease) == f"<WholeLease of {me!r}: over>"
