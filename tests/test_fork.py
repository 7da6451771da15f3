"""A forked child has none of its parent's actors, and says so; the parent notices nothing."""

from __future__ import annotations

import asyncio
import contextvars
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, cast

import pykka
import pytest

from namepool import (
    DEFAULT_NAME,
    CheckoutLease,
    CheckoutName,
    ChildSpec,
    NamedActor,
    NamePool,
    NumberedNames,
    PoolHandle,
    PoolState,
    PoolStatsRequest,
    SourceError,
    Supervisor,
    open_pool,
    owner_scope,
)
from namepool.actors import ServiceActor, SupervisorRef, WhichChildren
from tests.support import PATIENCE, on_thread

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def in_a_child(work: Callable[[], Any]) -> str:
    """Fork; return what ``work`` returned in the child, or how it failed there."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            text = str(work())
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(write, text.encode()[:4000])
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read().decode()
    os.waitpid(child, 0)
    return text


def refusals(calls: Mapping[str, Callable[[], Any]]) -> dict[str, str]:
    """Return, of each call, how it was not refused at once as dead and forked."""
    wrong = {}
    for name, call in calls.items():
        began = time.monotonic()
        try:
            wrong[name] = f"returned {call()!r}"
        except pykka.ActorDeadError as error:
            if "forked" not in str(error):
                wrong[name] = f"says {error}"
        except BaseException as error:
            wrong[name] = repr(error)
        if time.monotonic() - began > 2:
            wrong[name] = "took its time"
    return wrong


def calls_of(pool: PoolHandle, ref: Any) -> dict[str, Callable[[], Any]]:
    return {
        "checkout_name": lambda: pool.checkout_name(timeout=20),
        "checkin_name": lambda: pool.checkin_name("Ada"),
        "associate_name": lambda: pool.associate_name("Ada"),
        "dissociate_name": lambda: pool.dissociate_name("Ada"),
        "get_name_by_owner": lambda: pool.get_name_by_owner(timeout=20),
        "pool_stats": lambda: pool.pool_stats(timeout=20),
        "reset": pool.reset,
        "named": lambda: pool.named(timeout=20).__enter__(),
        "speaking_as": lambda: pool.speaking_as("Ada").__enter__(),
        "ask": lambda: ref.ask(CheckoutName(), timeout=20),
        "ask, future": lambda: ref.ask(CheckoutName(), block=False).get(timeout=20),
        "tell": lambda: ref.tell(PoolStatsRequest()),
        "proxy": lambda: ref.proxy(),
    }


def test_in_a_forked_child_every_call_says_at_once_that_the_pool_is_elsewhere() -> None:
    ref = NamePool.start(source=NumberedNames())
    pool = PoolHandle(ref)
    mine = pool.checkout_name()
    waiting = ref.ask(PoolStatsRequest(), block=False)
    waiting.get(timeout=PATIENCE)

    assert in_a_child(lambda: refusals(calls_of(pool, ref))) == "{}"
    assert pool.checkin_name(mine) is True


# Who speaks in a child

TAKE: dict[str, Callable[[PoolHandle, ExitStack], object]] = {
    "checkout_name": lambda pool, _: pool.checkout_name(),
    "associate_name": lambda pool, _: pool.associate_name("Ada"),
    "named": lambda pool, blocks: blocks.enter_context(pool.named()),
    "speaking_as": lambda pool, blocks: blocks.enter_context(pool.speaking_as("Ada")),
    "given": lambda pool, _: on_thread(
        partial(pool.checkout_name, owner=threading.current_thread())
    ),
    "owner_scope": lambda pool, blocks: (
        blocks.enter_context(owner_scope("planner")),
        pool.checkout_name(),
    ),
    "default": lambda pool, blocks: blocks.enter_context(
        pool.named(timeout=1e-9, theme="none", default="The Deputy")
    ),
}


class Once(NumberedNames):
    """Gives names once."""

    def fetch(self, count: int, used: Any) -> list[str]:
        if self.is_empty:
            raise SourceError("that was all")
        self.is_empty = True
        return list(super().fetch(count, used))

    is_empty = False


@pytest.fixture
def pool() -> PoolHandle:
    pool = PoolHandle(NamePool.start(source=Once()))
    pool.checkin_name(pool.checkout_name())
    return pool


def spoken_in_a_child(pool: PoolHandle, *contexts: contextvars.Context) -> str:
    """Return who speaks in a forked child: in this context, and in others of the parent."""
    speakers: list[Callable[[], str]] = [
        pool.speaker,
        *[partial(context.run, pool.speaker) for context in contexts],
    ]
    return in_a_child(lambda: {speaker() for speaker in speakers})


@pytest.mark.parametrize("take", TAKE)
def test_in_a_forked_child_each_context_of_its_parent_is_nobody(
    take: str, pool: PoolHandle
) -> None:
    def agent() -> tuple[str, str, str]:
        with ExitStack() as blocks:
            TAKE[take](pool, blocks)
            copied = contextvars.copy_context()
            child = spoken_in_a_child(pool, copied)
            return child, pool.speaker(), copied.run(pool.speaker)

    child, spoken, in_the_copy = on_thread(agent)
    assert child == str({DEFAULT_NAME})
    assert spoken == in_the_copy != DEFAULT_NAME


def test_in_a_child_that_a_copied_context_forks_its_thread_is_nobody_too(
    pool: PoolHandle,
) -> None:
    with pool.named():
        copied = contextvars.copy_context()
        said = in_a_child(lambda: (copied.run(in_a_child, pool.speaker), pool.speaker()))
    assert said == str((DEFAULT_NAME, DEFAULT_NAME))


def test_in_a_child_that_a_task_forks_that_task_and_all_others_are_nobody(
    pool: PoolHandle,
) -> None:
    async def agent(others: list[contextvars.Context]) -> str:
        with pool.named() as name:
            others.append(contextvars.copy_context())
            await asyncio.sleep(0)
            said = spoken_in_a_child(pool, *others)
            assert pool.speaker() == name
        return said

    async def crew() -> list[str]:
        others: list[contextvars.Context] = []
        return await asyncio.gather(*[agent(others) for _ in range(3)])

    assert asyncio.run(crew()) == [str({DEFAULT_NAME})] * 3


def test_in_a_forked_child_an_actor_is_nobody_and_in_its_parent_as_before() -> None:
    with open_pool(source=NumberedNames()) as pool:

        class Forking(NamedActor, ServiceActor):
            def on_receive(self, message: Any) -> Any:
                return spoken_in_a_child(pool), pool.speaker()

        actor = Forking.start(pool=pool)
        for timeout in (PATIENCE, None):  # on its own thread, then on this one
            said, spoken = on_thread(partial(actor.ask, "who", timeout=timeout))
            assert said == str({DEFAULT_NAME})
            assert spoken == "NPC #1"
        actor.stop()


def test_in_a_forked_child_whoever_takes_a_name_there_speaks_under_it(pool: PoolHandle) -> None:
    def work() -> list[str]:
        with open_pool(source=NumberedNames("Child ")) as own, own.named():
            return [own.speaker(), pool.speaker()]

    with pool.named():
        assert in_a_child(work) == str(["Child 1", DEFAULT_NAME])


def say_who_speaks(connection: Any, pool: PoolHandle) -> None:
    connection.send(pool.speaker())


def test_a_process_of_multiprocessing_speaks_as_nobody(pool: PoolHandle) -> None:
    context = multiprocessing.get_context("fork")
    mine, its = context.Pipe(duplex=False)
    with pool.named():
        process = context.Process(target=say_who_speaks, args=(its, pool))
        process.start()
        assert mine.poll(PATIENCE)
        assert mine.recv() == DEFAULT_NAME
        process.join(PATIENCE)


def test_in_a_forked_child_a_supervised_pool_is_elsewhere_too() -> None:
    with open_pool(source=NumberedNames()) as pool:
        mine = pool.checkout_name()
        handle: Any = pool._target
        calls = calls_of(pool, handle)

        assert in_a_child(lambda: refusals(calls)) == "{}"
        assert in_a_child(pool.close) == "None"
        assert pool.checkin_name(mine) is True


class Stock(pykka.ThreadingActor):
    """Knows nothing of us."""

    use_daemon_thread = True


def calls_of_a_tree(root: SupervisorRef) -> dict[str, Callable[[], Any]]:
    names, stock = root.handle("names"), root.handle("stock")
    pool, proxy = cast("Any", names.current).proxy(), root.proxy()
    spec = ChildSpec(id="new", actor_class=Stock)
    current: Any = stock.current

    async def agent() -> str:
        return cast("str", await pool.checkout_name())

    return {
        "proxy of the pool": lambda: pool.checkout_name().get(timeout=20),
        "await": lambda: asyncio.run(agent()),
        "map": lambda: pool.pool_stats().map(str).get(timeout=20),
        "join": lambda: pool.pool_stats().join(pool.pool_stats()).get(timeout=20),
        "handle": lambda: root.handle("names"),
        "ask": lambda: root.ask(WhichChildren(), timeout=20),
        "proxy": lambda: root.proxy(),
        "which_children": lambda: proxy.which_children().get(timeout=20),
        "count_children": lambda: proxy.count_children().get(timeout=20),
        "get_child_spec": lambda: proxy.get_child_spec("stock").get(timeout=20),
        "start_child": lambda: proxy.start_child(spec).get(timeout=20),
        "terminate_child": lambda: proxy.terminate_child("stock").get(timeout=20),
        "restart_child": lambda: proxy.restart_child("stock").get(timeout=20),
        "delete_child": lambda: proxy.delete_child("stock").get(timeout=20),
        "another child": lambda: current.ask(1, timeout=20),
        "another child, tell": lambda: current.tell(1),
        "handle of another child": lambda: stock.ask(1, timeout=20),
    }


def test_in_a_forked_child_supervisors_futures_and_other_children_say_so_too() -> None:
    specs = [NamePool.child_spec(id="names", source=NumberedNames())]
    root = Supervisor.start(children=[*specs, ChildSpec(id="stock", actor_class=Stock)])
    calls = calls_of_a_tree(root)

    assert in_a_child(lambda: refusals(calls)) == "{}"
    assert in_a_child(lambda: root.wait_gone(20) and pykka.ActorRegistry.get_all()) == "[]"
    assert root.proxy().count_children().get().active == 2
    root.stop()


def test_a_block_entered_in_the_parent_ends_quietly_in_the_child() -> None:
    pool = PoolHandle(NamePool.start(source=NumberedNames()))

    def leave(block: Any) -> str:
        return in_a_child(lambda: block.__exit__(None, None, None))

    with pool.named() as name:
        blocks: list[Any] = [pool.named(), pool.speaking_as(name), pool.unnamed()]
        for block in blocks:
            block.__enter__()
        assert {leave(block) for block in blocks} <= {"None", "False"}
        for block in reversed(blocks):
            block.__exit__(None, None, None)
    assert pool.pool_stats().checked_out_count == 0


def test_a_grandchild_has_a_pool_neither_of_its_parent_nor_of_its_grandparent() -> None:
    pool = PoolHandle(NamePool.start(source=NumberedNames()))
    pool.checkout_name()

    def child() -> str:
        with open_pool(source=NumberedNames()) as own:
            first = own.checkout_name(timeout=PATIENCE)
            both = {"own": own.checkout_name, "first": pool.checkout_name}
            return f"{in_a_child(lambda: refusals(both))} {first} {own.checkout_name()}"

    assert in_a_child(child) == "{} NPC #1 NPC #2"
    assert pool.checkout_name() == "NPC #2"


def id_of_a_first_lease(**options: Any) -> str:
    """Return the id of the first lease of a new pool."""
    with open_pool(source=NumberedNames(), **options) as own:
        own.checkout_name(timeout=PATIENCE)
        return own.leases()[0].id


def test_no_two_of_parent_child_and_grandchild_give_out_one_id() -> None:
    def child() -> str:
        return f"{id_of_a_first_lease()} {in_a_child(id_of_a_first_lease)}"

    found = [id_of_a_first_lease(), *in_a_child(child).split(), *in_a_child(child).split()]

    assert len({lease_id.split("-")[0] for lease_id in found}) == 5


def test_a_pool_that_a_child_starts_with_its_parents_state_gives_out_ids_of_its_own() -> None:
    state = PoolState()
    parent = NamePool.start(source=NumberedNames(), state=state)
    other = partial(id_of_a_first_lease, state=state)  # its number will be that of the next lease

    lease_id = in_a_child(other)
    lease = parent.ask(CheckoutLease())

    assert lease_id.split("-")[1:] == lease.id.split("-")[1:]
    assert lease_id != lease.id


def work_of_a_process(connection: Any, pool: PoolHandle) -> None:
    wrong = refusals({"checkout_name": pool.checkout_name, "pool_stats": pool.pool_stats})
    with open_pool(source=NumberedNames()) as own:
        connection.send(f"{wrong} {own.checkout_name(timeout=PATIENCE)}")


def test_a_process_of_multiprocessing_is_such_a_child() -> None:
    context = multiprocessing.get_context("fork")
    with open_pool(source=NumberedNames()) as pool:
        pool.checkout_name()
        mine, its = context.Pipe(duplex=False)
        process = context.Process(target=work_of_a_process, args=(its, pool))
        process.start()
        assert mine.poll(PATIENCE)
        assert mine.recv() == "{} NPC #1"
        process.join(PATIENCE)
        assert process.exitcode == 0
        assert pool.checkout_name() == "NPC #2"


def test_a_request_that_was_under_way_at_the_fork_is_answered_in_the_child() -> None:
    entered, leave = threading.Event(), threading.Event()

    class Stuck(NumberedNames):
        def fetch(self, count: int, used: Any) -> list[str]:
            entered.set()
            leave.wait(PATIENCE)
            return list(super().fetch(count, used))

    ref = NamePool.start(source=Stuck())
    future = ref.ask(CheckoutName(), block=False)
    assert entered.wait(PATIENCE)

    calls = {"the future": lambda: future.get(timeout=20), "ask": lambda: ref.ask(CheckoutName())}
    assert in_a_child(lambda: refusals(calls)) == "{}"
    leave.set()
    assert future.get(timeout=PATIENCE) == "NPC #1"


def test_a_forked_child_is_told_what_to_do() -> None:
    ref = NamePool.start(source=NumberedNames())
    with open_pool(source=NumberedNames()) as pool:
        for call in (pool.checkout_name, lambda: ref.ask(PoolStatsRequest())):
            said = in_a_child(call)
            assert "works in the parent process only, and this process was forked" in said
            assert "start one of your own in the child" in said
    ref.stop()


def test_a_forked_child_opens_a_pool_of_its_own() -> None:
    with open_pool(source=NumberedNames()) as parents:
        parents.checkout_name()

        def work() -> str:
            with open_pool(source=NumberedNames()) as own:
                return own.checkout_name(timeout=PATIENCE)

        assert in_a_child(work) == "NPC #1"
        assert parents.checkout_name() == "NPC #2"


@pytest.mark.parametrize("forks", [3, pytest.param(50, marks=pytest.mark.proof)])
def test_forks_while_others_use_the_pool_harm_neither_side(forks: int) -> None:
    ref = NamePool.start(source=NumberedNames())
    pool = PoolHandle(ref)
    stopping = threading.Event()
    errors: list[BaseException] = []

    def agent() -> None:
        try:
            while not stopping.is_set():
                with pool.named():
                    pool.speaker()
        except BaseException as error:
            errors.append(error)

    agents = [threading.Thread(target=agent) for _ in range(4)]
    for thread in agents:
        thread.start()
    try:
        for _ in range(forks):
            assert in_a_child(lambda: refusals(calls_of(pool, ref))) == "{}"
    finally:
        stopping.set()
        for thread in agents:
            thread.join(PATIENCE)
    assert errors == []
    assert pool.pool_stats().checked_out_count == 0


@pytest.mark.parametrize(
    "child", ["pass", "import sys; sys.exit(0)", "pool.speaker()", "pool.close()"]
)
def test_a_forked_child_exits_at_once_and_without_a_word(child: str) -> None:
    program = f"""
import os, time, warnings
warnings.simplefilter("ignore")
import namepool
pool = namepool.open_pool()
pool.checkout_name()
began = time.monotonic()
pid = os.fork()
if pid == 0:
    {child}
else:
    _, status = os.waitpid(pid, 0)
    assert status == 0, status
    assert time.monotonic() - began < 1, "the child took its time"
    pool.checkout_name()
    pool.close()
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
