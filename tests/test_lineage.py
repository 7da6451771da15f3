"""Who has no name of its own speaks under the name of whoever started it: the rule itself."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pykka
import pytest

from namepool import (
    DEFAULT_NAME,
    AssociateName,
    CheckoutLease,
    CheckoutName,
    GetNameByOwner,
    NamePool,
    NamePoolRef,
    NumberedNames,
    PoolHandle,
    inherit_owner,
    owner_scope,
)
from namepool.actors import ServiceActor, lineage
from namepool.lineage import LONG
from tests.support import PATIENCE, on_thread


@pytest.fixture(autouse=True, scope="module")
def _no_pools_of_others() -> None:
    """Collect what earlier tests have left: an owner that speaks in a dead pool may still lend."""
    gc.unfreeze()
    gc.collect()


@pytest.fixture(autouse=True)
def _a_lineage_of_its_own() -> Iterator[None]:
    before = lineage.get()
    lineage.set(None)
    yield
    lineage.set(before)


@pytest.fixture
def ref() -> NamePoolRef:
    return NamePool.start(source=NumberedNames(), chunk_size=50)


@pytest.fixture
def pool(ref: NamePoolRef) -> PoolHandle:
    return PoolHandle(ref)


def child(function: Callable[[], Any]) -> Any:
    """Run ``function`` on another thread in a copy of this context."""
    context = contextvars.copy_context()
    return on_thread(lambda: context.run(function))


# What is noted


NOTED: dict[str, Callable[[PoolHandle, NamePoolRef, ExitStack], Any]] = {
    "checkout_name": lambda pool, *_: pool.checkout_name(),
    "associate_name": lambda pool, *_: pool.associate_name("Ada"),
    "CheckoutName": lambda _, ref, __: ref.ask(CheckoutName()),
    "CheckoutLease": lambda _, ref, __: ref.ask(CheckoutLease()),
    "AssociateName": lambda _, ref, __: ref.ask(AssociateName("Ada")),
    "proxy": lambda _, ref, __: ref.proxy().checkout_name().get(),
    "proxy.associate_name": lambda _, ref, __: ref.proxy().associate_name("Ada").get(),
    "named": lambda pool, _, blocks: blocks.enter_context(pool.named()),
    "speaking_as": lambda pool, _, blocks: blocks.enter_context(pool.speaking_as("Ada")),
}


@pytest.mark.parametrize("way", NOTED)
def test_whoever_takes_a_name_lends_it_to_what_it_starts(
    way: str, pool: PoolHandle, ref: NamePoolRef
) -> None:
    def agent() -> tuple[str, str]:
        with ExitStack() as blocks:
            NOTED[way](pool, ref, blocks)
            return pool.speaker(), child(pool.speaker)

    own, inherited = on_thread(agent)
    assert own == inherited != DEFAULT_NAME


@pytest.mark.parametrize("owner", ["somebody else", threading.Thread()])
def test_whoever_takes_a_name_for_somebody_else_lends_nothing(owner: Any, pool: PoolHandle) -> None:
    def agent() -> str:
        pool.checkout_name(owner=owner)
        pool.associate_name("Ada", owner=owner)
        return str(child(pool.speaker))

    assert on_thread(agent) == DEFAULT_NAME


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


# Whose name is spoken


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


def test_two_pools_do_not_mix(pool: PoolHandle) -> None:
    other = PoolHandle(NamePool.start(source=NumberedNames()))

    def agent() -> None:
        with pool.named() as here:
            with other.named() as there:
                other.checkin_name(there)
                assert child(lambda: (pool.speaker(), other.speaker())) == (here, DEFAULT_NAME)
            with other.speaking_as("Bea"):
                assert child(lambda: (pool.speaker(), other.speaker())) == (here, "Bea")

    on_thread(agent)


def test_a_name_in_one_pool_leaves_what_is_inherited_in_another(pool: PoolHandle) -> None:
    other = PoolHandle(NamePool.start(source=NumberedNames()))

    def work() -> tuple[str, str]:
        with other.named():
            return pool.speaker(), child(pool.speaker)

    with pool.named() as name:
        assert child(work) == (name, name)


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


def test_who_has_left_a_scope_does_not_inherit_from_it(pool: PoolHandle) -> None:
    def agent() -> list[str]:
        with owner_scope("planner-7"):
            pool.checkout_name()
        return [pool.speaker(), child(pool.speaker)]

    assert on_thread(agent) == [DEFAULT_NAME] * 2


def test_a_block_leaves_the_lineage_as_it_was(pool: PoolHandle) -> None:
    def agent() -> list[Any]:
        before = lineage.get()
        with owner_scope("planner-7"), pool.named(), pool.speaking_as("Ada"):
            pass
        with pytest.raises(RuntimeError), pool.named():
            raise RuntimeError
        return [before, lineage.get()]

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


class _Stock(pykka.ThreadingActor):
    def call(self, function: Callable[[], Any]) -> Any:
        return function()


def test_what_a_stock_actor_starts_inherits_its_name(pool: PoolHandle) -> None:
    actor = _Stock.start().proxy()
    name = actor.call(pool.checkout_name).get(timeout=PATIENCE)
    assert actor.call(lambda: child(pool.speaker)).get(timeout=PATIENCE) == name


# Endless chains


def length() -> int:
    count, line = 0, lineage.get()
    while line is not None:
        count, line = count + 1, line[1]
    return count


def test_an_endless_chain_of_tasks_grows_no_lineage_and_keeps_its_root(pool: PoolHandle) -> None:
    lengths: list[int] = []
    names: set[str] = set()

    async def work(left: int) -> None:
        names.add(pool.speaker())
        async with asyncio.timeout(PATIENCE):
            name = await pool_ref.checkout_name()
            if left:
                following.append(asyncio.create_task(work(left - 1)))
            await pool_ref.checkin_name(name)
        lengths.append(length())

    async def agent() -> None:
        with pool.named() as root:
            following.append(asyncio.create_task(work(200)))
            while following:
                await following.pop()
            assert names == {root}

    following: list[asyncio.Task[None]] = []
    pool_ref = pool._target.proxy()  # type: ignore[attr-defined]
    asyncio.run(agent())
    assert len(lengths) == 201
    assert max(lengths) <= LONG + 1


def test_a_lineage_of_many_living_agents_is_kept_whole(pool: PoolHandle) -> None:
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


def test_a_long_lineage_keeps_who_was_there_first(pool: PoolHandle) -> None:
    with owner_scope("root"), pool.named() as root:

        def nest(depth: int) -> str:
            with owner_scope(f"nobody {depth}"):
                return nest(depth - 1) if depth else f"{pool.speaker()} {length()}"

        found = nest(10 * LONG)
    name, _, links = found.rpartition(" ")
    assert name == root
    assert int(links) <= LONG + 1


def test_a_lineage_holds_neither_tasks_nor_pools(ref: NamePoolRef) -> None:
    pool = PoolHandle(ref)

    async def agent() -> tuple[Any, Any]:
        with pool.named():
            pass
        task = asyncio.current_task()
        pool.checkin_name(pool.checkout_name())
        assert task is not None
        return weakref.ref(task), contextvars.copy_context()

    task, context = asyncio.run(agent())
    gc.collect()
    assert context[lineage] is not None
    assert task() is None


# Blocks that have ended


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


def test_blocks_of_two_pools_that_end_in_the_order_they_began_do_not_mix(pool: PoolHandle) -> None:
    other = PoolHandle(NamePool.start(source=NumberedNames("Robot ")))

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


def test_a_long_lineage_keeps_the_blocks_of_one_owner_apart(pool: PoolHandle) -> None:
    def agent() -> tuple[str, str]:
        for number in range(2 * LONG):
            pool.associate_name(f"Elder Number {number}", owner=f"planner-{number}")
            lineage.set((f"planner-{number}", lineage.get(), number + 1))
        with pool.named() as outer:
            with pool.named():
                left_over = contextvars.copy_context()
            return outer, on_thread(lambda: left_over.run(pool.speaker))

    outer, inherited = on_thread(agent)
    assert inherited == outer


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
