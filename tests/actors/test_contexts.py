"""An actor's hooks and handlers run in the actor's own context, on whatever thread."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from namepool import NamePool, NumberedNames, PoolHandle, owner_scope
from namepool.actors import ServiceActor, ServiceRef
from tests.support import PATIENCE, on_thread

word: ContextVar[str] = ContextVar("word", default="none")


class Clerk(ServiceActor):
    """Runs the functions it is sent."""

    non_blocking = True

    def __init__(self, **hooks: Callable[[], object]) -> None:
        super().__init__()
        self.hooks = hooks

    def on_start(self) -> None:
        self.hooks.get("on_start", lambda: None)()

    def on_stop(self) -> None:
        self.hooks.get("on_stop", lambda: None)()

    def on_receive(self, message: Any) -> Any:
        return message()


def up(**hooks: Callable[[], object]) -> ServiceRef[Any]:
    """Return a clerk that is idle: who asks it runs that on its own thread."""
    ref: ServiceRef[Any] = Clerk.start(**hooks)
    while ref.ask(threading.current_thread) is not threading.current_thread():
        pass
    return ref


def here(ref: ServiceRef[Any], function: Callable[[], Any]) -> Any:
    """Have the actor run ``function`` on this thread."""
    answer, thread = ref.ask(lambda: (function(), threading.current_thread()))
    assert thread is threading.current_thread()
    return answer


def at_home(ref: ServiceRef[Any], function: Callable[[], Any]) -> Any:
    """Have the actor run ``function`` on its own thread."""
    with ref.actor_inbox.turn:
        future = ref.ask(lambda: (function(), threading.current_thread()), block=False)
    answer, thread = future.get(timeout=PATIENCE)
    assert thread is not threading.current_thread()
    while ref.ask(threading.current_thread) is not threading.current_thread():
        pass  # until it is idle again
    return answer


def elsewhere(ref: ServiceRef[Any], function: Callable[[], Any]) -> Any:
    """Have the actor run ``function`` on yet another thread."""
    return on_thread(lambda: here(ref, function))


WAYS = pytest.mark.parametrize("way", [here, at_home, elsewhere], ids=lambda way: way.__name__)
NEXT = pytest.mark.parametrize("after", [here, at_home, elsewhere], ids=lambda way: way.__name__)


@WAYS
@NEXT
def test_what_a_handler_sets_is_there_in_the_next_handler_whatever_thread_runs_it(
    way: Any, after: Any
) -> None:
    ref = up()

    way(ref, lambda: word.set("the actor's"))

    assert after(ref, word.get) == "the actor's"


@WAYS
def test_a_handler_sees_nothing_of_its_callers_context_and_changes_nothing_in_it(way: Any) -> None:
    ref = up()

    def caller() -> tuple[str, str]:
        word.set("the caller's")
        seen = way(ref, lambda: (word.get(), word.set("the actor's"))[0])
        return seen, word.get()

    assert contextvars.copy_context().run(caller) == ("none", "the caller's")


@WAYS
def test_the_hooks_run_in_the_context_of_the_handlers(way: Any) -> None:
    seen: list[str] = []
    ref = up(on_start=lambda: word.set("since the start"), on_stop=lambda: seen.append(word.get()))
    assert way(ref, word.get) == "since the start"
    way(ref, lambda: word.set("later"))

    ref.stop()

    assert seen == ["later"]
    assert word.get() == "none"


def test_two_actors_have_a_context_each() -> None:
    first, second = up(), up()

    here(first, lambda: word.set("the first one's"))

    assert (here(first, word.get), here(second, word.get)) == ("the first one's", "none")


def test_an_actor_that_asks_another_is_in_its_own_context_before_and_after() -> None:
    first, second = up(), up()
    here(second, lambda: word.set("the second one's"))

    def ask_the_other() -> list[str]:
        word.set("the first one's")
        return [word.get(), here(second, word.get), word.get()]

    assert here(first, ask_the_other) == ["the first one's", "the second one's", "the first one's"]


def test_a_handler_that_a_task_runs_leaves_the_contexts_of_the_loop_alone() -> None:
    ref = up()

    async def task(own: str) -> tuple[str, str]:
        word.set(own)
        await asyncio.sleep(0)
        here(ref, lambda: word.set("the actor's"))
        await asyncio.sleep(0)
        return own, word.get()

    async def main() -> None:
        for own, seen in await asyncio.gather(task("one"), task("two")):
            assert own == seen
        assert word.get() == "none"

    asyncio.run(main())
    assert here(ref, word.get) == "the actor's"


def test_a_handler_that_raises_leaves_the_contexts_as_they_are() -> None:
    ref = up()

    def fail() -> None:
        word.set("the actor's")
        raise LookupError("lost")

    with pytest.raises(LookupError):
        here(ref, fail)

    assert (word.get(), here(ref, word.get)) == ("none", "the actor's")


# -- under which name -----------------------------------------------------------------------


@pytest.fixture
def pool() -> PoolHandle:
    return PoolHandle(NamePool.start(source=NumberedNames()))


@WAYS
@NEXT
def test_an_actor_speaks_under_its_name_on_whatever_thread_and_its_caller_does_not(
    way: Any, after: Any, pool: PoolHandle
) -> None:
    ref = up()
    with pool.named() as mine:
        name = way(ref, pool.checkout_name)

        assert after(ref, pool.speaker) == name != mine
        assert after(ref, pool.get_name_by_owner) == name
        assert pool.speaker() == mine
        assert pool.get_name_by_owner(ref) == name
    assert after(ref, lambda: pool.checkin_name(name)) is True
    assert way(ref, pool.speaker) == pool.default_name()


@WAYS
def test_an_actor_without_a_name_does_not_speak_as_its_caller(way: Any, pool: PoolHandle) -> None:
    ref = up()
    with pool.named():
        assert way(ref, pool.speaker) == pool.default_name()
        with owner_scope("planner"):
            pool.checkout_name()
            assert way(ref, pool.speaker) == pool.default_name()


@WAYS
def test_what_a_handler_starts_speaks_as_the_actor(way: Any, pool: PoolHandle) -> None:
    ref = up()
    name = here(ref, pool.checkout_name)

    def start() -> str:
        context = contextvars.copy_context()
        return on_thread(lambda: context.run(pool.speaker))

    with pool.named():
        assert way(ref, start) == name


@WAYS
def test_a_block_in_a_handler_ends_with_it(way: Any, pool: PoolHandle) -> None:
    ref = up()
    name = here(ref, pool.checkout_name)

    def work() -> tuple[str, str]:
        with pool.named() as inner:
            return inner, pool.speaker()

    inner, spoken = way(ref, work)

    assert inner == spoken != name
    assert here(ref, pool.speaker) == name
    assert pool.pool_stats().checked_out_count == 1


@WAYS
def test_an_owner_scope_in_a_handler_is_over_with_it(way: Any, pool: PoolHandle) -> None:
    ref = up()

    def work() -> str:
        with owner_scope("planner"):
            return pool.checkout_name()

    name = way(ref, work)

    assert pool.get_name_by_owner("planner") == name
    assert [step(ref, pool.speaker) for step in (here, at_home)] == [pool.default_name()] * 2
