"""Who is calling: on threads, tasks, actors and workers; and who hears that an owner has ended."""

from __future__ import annotations

import _thread
import asyncio
import contextvars
import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pykka
import pytest

import namepool
from namepool import NamePool, NumberedNames, PoolHandle, inherit_owner, owner_scope
from namepool.actors import ServiceActor, acting
from namepool.ends import notify_gone
from namepool.errors import InvalidOwner
from namepool.owners import MAX_OWNER_LENGTH, current_owner, is_named_by_program, owner_id
from namepool.pool.messages import (
    AssociateName,
    CheckinName,
    CheckoutLease,
    CheckoutName,
    DissociateName,
    GetNameByOwner,
)
from tests.support import PATIENCE, on_thread


class _StockActor(pykka.ThreadingActor):
    """Answers with what a callable returns within its turn; tells who it was when it started."""

    def on_start(self) -> None:
        self.at_start = current_owner()

    def call(self, function: Callable[[], Any]) -> Any:
        return function()

    def on_helper(self) -> str:
        """Return who calls on a thread that this actor starts for a method of its own."""
        found: list[str] = []
        helper = threading.Thread(target=self.note_owner, args=(found,))
        helper.start()
        helper.join(PATIENCE)
        return found[0]

    def note_owner(self, found: list[str]) -> None:
        found.append(current_owner())


class _OurActor(ServiceActor):
    def on_start(self) -> None:
        self.at_start = current_owner()

    def on_receive(self, message: Any) -> Any:
        return message()

    def call(self, function: Callable[[], Any]) -> Any:
        return function()


class _Listener:
    def __init__(self) -> None:
        self.given: dict[str, Any] = {}
        self.gone: list[str] = []
        self.heard = threading.Semaphore(0)

    def owner_gone(self, owner: str) -> None:
        self.gone.append(owner)
        self.heard.release()

    def silence_all(self) -> None:
        raise AssertionError("nothing forks here")

    def wait_for(self, owner: str) -> None:
        while owner not in self.gone:
            assert self.heard.acquire(timeout=PATIENCE), "nobody told of its end"


@pytest.fixture
def listener() -> _Listener:
    gc.collect()  # who ended in an earlier test and was never collected tells of it now
    listener = _Listener()
    notify_gone(listener)
    return listener


# Threads


def test_a_thread_is_the_same_owner_whenever_it_asks() -> None:
    assert on_thread(lambda: current_owner() == current_owner())


def test_the_main_thread_is_an_owner_like_any_other() -> None:
    assert current_owner() == owner_id(threading.current_thread())


def test_threads_are_different_owners_although_their_idents_are_recycled() -> None:
    seen = [on_thread(lambda: (threading.get_ident(), current_owner())) for _ in range(100)]
    if len({ident for ident, _ in seen}) == 100:
        pytest.skip("this system recycles no idents")
    assert len({owner for _, owner in seen}) == 100


def test_threads_that_live_together_are_different_owners() -> None:
    everybody = threading.Barrier(8)

    def speak() -> str:
        everybody.wait(PATIENCE)
        return current_owner()

    with ThreadPoolExecutor(8) as workers:
        assert len({future.result() for future in [workers.submit(speak) for _ in range(8)]}) == 8


def test_a_thread_looked_up_before_it_first_speaks_finds_itself_the_same() -> None:
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(current_owner()))
    before = owner_id(thread)
    thread.start()
    thread.join(PATIENCE)
    assert found == [before]


def test_a_thread_looked_up_after_it_ended_is_who_it_was() -> None:
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(current_owner()))
    thread.start()
    thread.join(PATIENCE)
    assert owner_id(thread) == found[0] == owner_id(thread)


def test_a_thread_that_never_speaks_has_an_id_of_its_own() -> None:
    one, other = threading.Thread(), threading.Thread()
    assert owner_id(one) == owner_id(one) != owner_id(other)


def test_threads_that_look_up_one_thread_at_once_find_one_id() -> None:
    for _ in range(50):
        thread = threading.Thread()
        together = threading.Barrier(4)

        def look_up(thread: threading.Thread = thread, wait: Any = together.wait) -> str:
            wait(PATIENCE)
            return owner_id(thread)

        with ThreadPoolExecutor(4) as workers:
            assert len({f.result() for f in [workers.submit(look_up) for _ in range(4)]}) == 1


def _drop_dummies() -> None:
    active: dict[int, threading.Thread] = vars(threading)["_active"]
    for ident, thread in list(active.items()):
        if isinstance(thread, threading._DummyThread):
            del active[ident]


@pytest.fixture
def foreign() -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Run a callable on a thread that ``threading`` did not start; return what it returned."""

    def run(function: Callable[[], Any]) -> Any:
        results: list[Any] = []
        done = threading.Event()

        def body() -> None:
            results.append(function())
            done.set()

        _thread.start_new_thread(body, ())
        assert done.wait(PATIENCE)
        return results[0]

    yield run
    _drop_dummies()


def test_foreign_threads_are_different_owners_although_their_idents_are_recycled(
    foreign: Callable[[Callable[[], Any]], Any],
) -> None:
    seen = [foreign(lambda: (threading.get_ident(), current_owner())) for _ in range(200)]
    if len({ident for ident, _ in seen}) == 200:
        pytest.skip("this system recycles no idents")
    assert len({owner for _, owner in seen}) == 200


def test_a_foreign_thread_is_the_same_owner_whenever_it_asks(
    foreign: Callable[[Callable[[], Any]], Any],
) -> None:
    one, two, looked_up = foreign(
        lambda: (current_owner(), current_owner(), owner_id(threading.current_thread()))
    )
    assert one == two == looked_up


def test_a_listener_hears_of_the_end_of_a_foreign_thread(
    foreign: Callable[[Callable[[], Any]], Any], listener: _Listener
) -> None:
    listener.wait_for(foreign(current_owner))


# Tasks


def test_a_task_is_the_same_owner_whenever_it_asks() -> None:
    async def main() -> bool:
        first = current_owner()
        await asyncio.sleep(0)
        return first == current_owner()

    assert asyncio.run(main())


def test_tasks_are_different_owners_from_each_other_and_from_their_thread() -> None:
    async def speak() -> str:
        await asyncio.sleep(0)
        return current_owner()

    async def main() -> list[str]:
        return [current_owner(), *await asyncio.gather(speak(), speak(), speak())]

    assert len({current_owner(), *asyncio.run(main())}) == 5


def test_a_callback_of_the_loop_outside_any_task_is_its_thread() -> None:
    found: list[str] = []

    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: found.append(current_owner()))
        await asyncio.sleep(0)

    asyncio.run(main())
    assert found == [current_owner()]


def test_after_the_loop_has_ended_its_thread_is_itself_again() -> None:
    async def main() -> str:
        return current_owner()

    before = current_owner()
    assert asyncio.run(main()) != before
    assert current_owner() == before


def test_a_task_looked_up_before_it_first_speaks_finds_itself_the_same() -> None:
    async def speak() -> str:
        return current_owner()

    async def main() -> bool:
        task = asyncio.create_task(speak())
        return owner_id(task) == await task == owner_id(task)

    assert asyncio.run(main())


def test_a_task_looked_up_after_it_first_spoke_is_who_it_was() -> None:
    async def main() -> bool:
        found = current_owner()
        task = asyncio.current_task()
        return found == owner_id(task) == await asyncio.to_thread(owner_id, task)

    assert asyncio.run(main())


def test_tasks_of_several_loops_are_different_owners() -> None:
    async def main() -> str:
        return current_owner()

    owners = [on_thread(lambda: asyncio.run(main())) for _ in range(10)]
    assert len(set(owners)) == 10


# Actors


@pytest.mark.parametrize("actor_class", [_StockActor, _OurActor])
def test_an_actors_thread_is_the_actor(actor_class: Any) -> None:
    ref = actor_class.start()
    proxy = ref.proxy()
    assert proxy.at_start.get(timeout=PATIENCE) == ref.actor_urn
    assert proxy.call(current_owner).get(timeout=PATIENCE) == ref.actor_urn  # from the main thread


def test_a_stock_actor_is_itself_whoever_asks() -> None:
    ref = _StockActor.start()
    found = on_thread(lambda: ref.proxy().call(current_owner).get(timeout=PATIENCE))
    assert found == ref.actor_urn


def test_one_of_our_actors_is_itself_whoever_asks() -> None:
    ref = _OurActor.start()
    ref.ask(current_owner, timeout=PATIENCE)  # it is idle from here on
    assert on_thread(lambda: ref.ask(current_owner)) == ref.actor_urn


def test_a_thread_that_an_actor_starts_for_its_own_method_is_not_the_actor() -> None:
    ref = _StockActor.start()
    assert ref.proxy().on_helper().get(timeout=PATIENCE) != ref.actor_urn


def test_an_actor_keeps_its_name_when_a_helper_thread_of_it_ends() -> None:
    pool = PoolHandle(NamePool.start(source=NumberedNames()))
    ref = _StockActor.start()
    actor = ref.proxy()
    name = actor.call(pool.checkout_name).get(timeout=PATIENCE)
    actor.on_helper().get(timeout=PATIENCE)
    assert pool.get_name_by_owner(ref) == name


# owner_scope


def test_a_scope_says_who_speaks() -> None:
    with owner_scope("planner-7") as owner:
        assert current_owner() == owner == "planner-7"


def test_after_a_scope_its_thread_is_itself_again() -> None:
    before = current_owner()
    with owner_scope("planner-7"):
        pass
    assert current_owner() == before


def test_scopes_nest() -> None:
    with owner_scope("outer"):
        with owner_scope("inner"):
            assert current_owner() == "inner"
        assert current_owner() == "outer"


def test_a_scope_ends_with_an_exception() -> None:
    with owner_scope("outer"):
        with pytest.raises(KeyError), owner_scope("inner"):
            raise KeyError
        assert current_owner() == "outer"


def test_a_scope_takes_a_thread_and_an_actor() -> None:
    thread, ref = threading.Thread(), _StockActor.start()
    with owner_scope(thread):
        assert current_owner() == owner_id(thread)
    with owner_scope(ref):
        assert current_owner() == ref.actor_urn


@pytest.mark.parametrize("owner", ["", "a\nb", None, 7])
def test_a_bad_scope_is_refused_and_changes_nothing(owner: Any) -> None:
    before = current_owner()
    with pytest.raises(InvalidOwner), owner_scope(owner):
        pass
    assert current_owner() == before


def test_a_scope_is_inherited_by_tasks_started_in_it() -> None:
    async def speak() -> str:
        return current_owner()

    async def main() -> tuple[str, str]:
        with owner_scope("planner-7"):
            task = asyncio.create_task(speak())
        return await task, await asyncio.create_task(speak())

    inside, after = asyncio.run(main())
    assert inside == "planner-7" != after


def test_a_scope_in_one_task_is_not_seen_by_its_siblings() -> None:
    async def scoped(entered: asyncio.Event, leave: asyncio.Event) -> None:
        with owner_scope("planner-7"):
            entered.set()
            await leave.wait()

    async def main() -> str:
        entered, leave = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(scoped(entered, leave))
        await entered.wait()
        owner = current_owner()
        leave.set()
        await task
        return owner

    assert asyncio.run(main()) != "planner-7"


def test_a_scope_is_not_inherited_by_threads() -> None:
    with owner_scope("planner-7"):
        assert on_thread(current_owner) != "planner-7"


def test_a_scope_hides_the_task_that_runs_in_it() -> None:
    async def main() -> str:
        return current_owner()

    with owner_scope("planner-7"):
        assert asyncio.run(main()) == "planner-7"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_scope_holds_for_the_tasks_started_in_it_when_it_has_ended(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    anyio = pytest.importorskip("anyio")
    monkeypatch.setattr("trio._core._thread_cache.IDLE_TIMEOUT", 0.01)
    found: list[str] = []

    async def speak(go: Any) -> None:
        await go.wait()
        found.append(current_owner())

    async def main() -> None:
        go = anyio.Event()
        async with anyio.create_task_group() as group:
            with owner_scope("planner-7"):
                group.start_soon(speak, go)
            found.append(current_owner())
            go.set()

    anyio.run(main, backend=backend)
    itself, task = found
    assert task == "planner-7" != itself


def test_a_scope_in_a_generator_that_is_broken_off_says_nothing_once_that_is_closed() -> None:
    def steps() -> Generator[str, None, None]:
        with owner_scope("planner-7"):
            yield current_owner()

    async def task() -> str:
        return current_owner()

    def consumer(expected: str) -> None:
        for _ in range(3):
            generator = steps()
            assert next(generator) == current_owner() == "planner-7"
            contextvars.Context().run(generator.close)  # as the collector does, in any context
        assert current_owner() == expected
        assert acting.get() is scope

    scope = acting.get()
    consumer(current_owner())
    assert asyncio.run(task()) != "planner-7"
    with owner_scope("reviewer"):
        scope = acting.get()
        consumer("reviewer")
        assert asyncio.run(task()) == "reviewer"


# inherit_owner


def test_a_worker_speaks_as_the_thread_that_handed_it_the_work() -> None:
    with ThreadPoolExecutor(1) as workers:
        assert workers.submit(inherit_owner(current_owner)).result(PATIENCE) == current_owner()


def test_a_worker_is_itself_again_after_the_work() -> None:
    with ThreadPoolExecutor(1) as workers:
        itself = workers.submit(current_owner).result(PATIENCE)
        workers.submit(inherit_owner(current_owner)).result(PATIENCE)
        assert workers.submit(current_owner).result(PATIENCE) == itself != current_owner()


def test_work_is_inherited_when_it_is_handed_on_not_when_it_runs() -> None:
    with owner_scope("planner-7"):
        work = inherit_owner(current_owner)
    with owner_scope("other"):
        assert work() == on_thread(work) == "planner-7"


def test_work_inherited_from_a_task_and_an_actor_speaks_as_these() -> None:
    async def main() -> bool:
        return on_thread(inherit_owner(current_owner)) == current_owner()

    ref = _StockActor.start()
    work = ref.proxy().call(lambda: inherit_owner(current_owner)).get(timeout=PATIENCE)
    assert asyncio.run(main())
    assert on_thread(work) == ref.actor_urn


def test_inherited_work_takes_arguments_and_keeps_its_name() -> None:
    def add(one: int, *, other: int) -> int:
        """Add."""
        return one + other

    work = inherit_owner(add)
    assert (work(1, other=2), work.__name__, work.__doc__) == (3, "add", "Add.")


def test_inherited_work_raises_as_it_did_and_leaves_the_worker_itself() -> None:
    def fail() -> None:
        raise KeyError("broken")

    with owner_scope("planner-7"):
        work = inherit_owner(fail)
    before = current_owner()
    with pytest.raises(KeyError, match="broken"):
        work()
    assert current_owner() == before


def test_an_inherited_coroutine_function_speaks_as_who_handed_it_on() -> None:
    async def speak() -> str:
        return current_owner()

    with owner_scope("planner-7"):
        work = inherit_owner(speak)
    assert asyncio.run(work()) == "planner-7"


# owner_id


@pytest.mark.parametrize("owner", ["planner-7", "a", " ", "Zoë", "x" * MAX_OWNER_LENGTH])
def test_an_id_is_itself(owner: str) -> None:
    assert owner_id(owner) == owner


def test_an_actor_is_its_urn_by_ref_and_by_proxy() -> None:
    ref = _StockActor.start()
    assert owner_id(ref) == owner_id(ref.proxy()) == ref.actor_urn


def test_one_of_our_actors_is_its_urn_by_ref_and_by_proxy() -> None:
    ref = NamePool.start()
    assert owner_id(ref) == owner_id(ref.proxy()) == ref.actor_urn


@pytest.mark.parametrize(
    "owner",
    ["", "a\nb", "\x1b[31m", "\u2028", "\ud800", "\u202e", "x" * (MAX_OWNER_LENGTH + 1)],
    ids=ascii,
)
def test_an_id_that_is_empty_too_long_or_unprintable_is_refused(owner: str) -> None:
    with pytest.raises(InvalidOwner, match=r"^an owner id must have 1 to 256 printable char") as no:
        owner_id(owner)
    assert len(str(no.value).splitlines()) == 1


@pytest.mark.parametrize(
    "owner", [None, 7, b"planner", object(), threading.Thread, ["planner"], threading.get_ident()]
)
def test_what_is_no_owner_is_refused_by_its_type(owner: object) -> None:
    with pytest.raises(InvalidOwner, match=f"not {type(owner).__name__}: ") as refusal:
        owner_id(owner)
    assert isinstance(refusal.value, ValueError)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_coroutine_and_a_future_are_no_owners() -> None:
    async def main() -> None:
        with pytest.raises(InvalidOwner, match="not Future: "):
            owner_id(asyncio.get_running_loop().create_future())

    asyncio.run(main())


class _Untellable:
    def __repr__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize("owner", [_Untellable(), 10**5000], ids=["broken repr", "endless number"])
def test_what_is_no_owner_and_cannot_be_shown_is_refused_all_the_same(owner: object) -> None:
    with pytest.raises(InvalidOwner, match=f"<{type(owner).__name__} that cannot be shown>$"):
        owner_id(owner)


# The owner of a request, refused when the request is made

REQUESTS: list[Callable[[Any], Any]] = [
    lambda owner: CheckoutName(owner=owner),
    lambda owner: CheckoutLease(owner=owner),
    lambda owner: CheckinName("Ada", owner),
    lambda owner: AssociateName("Ada", owner=owner),
    lambda owner: DissociateName("Ada", owner),
    lambda owner: GetNameByOwner(owner),
]
requests = pytest.mark.parametrize(
    "request_by",
    REQUESTS,
    ids=["CheckoutName", "CheckoutLease", "CheckinName", "Associate", "Dissociate", "GetName"],
)


@requests
@pytest.mark.parametrize("owner", ["", "a\nb", 7, b"planner", object], ids=ascii)
def test_a_request_of_no_owner_is_refused_when_it_is_made(
    request_by: Callable[[Any], Any], owner: object
) -> None:
    with pytest.raises(InvalidOwner, match="^an owner "):
        request_by(owner)


@requests
def test_a_request_is_of_who_makes_it_or_of_who_is_named(request_by: Callable[[Any], Any]) -> None:
    ref, thread = _StockActor.start(), threading.Thread()
    assert request_by(None).owner == current_owner()
    assert request_by("planner-7").owner == "planner-7"
    assert request_by(ref).owner == request_by(ref.proxy()).owner == ref.actor_urn
    assert request_by(thread).owner == owner_id(thread)


# notify_gone

OUR_AND_STOCK = pytest.mark.parametrize("actor_class", [_StockActor, _OurActor])


def test_a_listener_hears_of_a_thread_that_ended(listener: _Listener) -> None:
    owner = on_thread(current_owner)
    assert listener.gone == [owner]


def test_a_listener_does_not_hear_of_a_thread_that_lives(listener: _Listener) -> None:
    go, spoken = threading.Event(), threading.Event()

    def live() -> None:
        current_owner()
        spoken.set()
        go.wait(PATIENCE)

    thread = threading.Thread(target=live)
    thread.start()
    assert spoken.wait(PATIENCE)
    gc.collect()
    assert listener.gone == []
    go.set()
    thread.join(PATIENCE)
    assert listener.gone == [owner_id(thread)]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_listener_hears_of_a_thread_that_died_of_an_exception(listener: _Listener) -> None:
    found: list[str] = []

    def die() -> None:
        found.append(current_owner())
        raise KeyError

    thread = threading.Thread(target=die)
    thread.start()
    thread.join(PATIENCE)
    assert listener.gone == found


def test_a_listener_hears_of_a_task_that_finished(listener: _Listener) -> None:
    async def speak() -> str:
        return current_owner()

    async def main() -> bool:
        owner = await asyncio.create_task(speak())
        await asyncio.sleep(0)
        return listener.gone == [owner]

    assert asyncio.run(main())


def test_a_listener_hears_once_of_a_task_that_spoke_often(listener: _Listener) -> None:
    async def main() -> str:
        assert current_owner() == current_owner()
        return current_owner()

    owner = asyncio.run(main())
    assert listener.gone == [owner]


@pytest.mark.parametrize("end", ["failed", "cancelled"])
def test_a_listener_hears_of_a_task_that_did_not_finish_well(end: str, listener: _Listener) -> None:
    found: list[str] = []

    async def speak() -> None:
        found.append(current_owner())
        if end == "failed":
            raise KeyError
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        task = asyncio.create_task(speak())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())
    assert listener.gone == found


@OUR_AND_STOCK
def test_a_listener_hears_of_an_actor_that_stopped(actor_class: Any, listener: _Listener) -> None:
    ref = actor_class.start()
    ref.proxy().at_start.get(timeout=PATIENCE)
    assert listener.gone == []
    ref.stop()
    listener.wait_for(ref.actor_urn)
    assert listener.gone == [ref.actor_urn]


class _SilentActor(pykka.ThreadingActor):
    """Says nothing by itself."""

    def call(self, function: Callable[[], Any]) -> Any:
        return function()


def test_a_listener_hears_once_of_an_actor_that_was_looked_up_and_spoke(
    listener: _Listener,
) -> None:
    ref = _SilentActor.start()
    urn = owner_id(ref)
    assert ref.proxy().call(current_owner).get(timeout=PATIENCE) == urn
    ref.stop()
    listener.wait_for(urn)
    del ref
    gc.collect()
    assert listener.gone == [urn]


@OUR_AND_STOCK
def test_a_listener_hears_once_of_an_actor_that_spoke_and_was_looked_up(
    actor_class: Any, listener: _Listener
) -> None:
    ref = actor_class.start()
    ref.proxy().call(current_owner).get(timeout=PATIENCE)
    urn = owner_id(ref)
    ref.stop()
    listener.wait_for(urn)
    del ref
    gc.collect()
    assert listener.gone == [urn]


def test_a_listener_does_not_hear_of_a_scope_that_ended(listener: _Listener) -> None:
    with owner_scope("planner-7"):
        current_owner()
    gc.collect()
    assert listener.gone == []


def test_every_listener_hears_of_an_end(listener: _Listener) -> None:
    second = _Listener()
    notify_gone(second)
    owner = on_thread(current_owner)
    assert listener.gone == second.gone == [owner]


def test_a_listener_is_held_weakly() -> None:
    listener = _Listener()
    notify_gone(listener)
    alive = weakref.ref(listener)
    del listener
    gc.collect()
    assert alive() is None
    assert on_thread(current_owner)  # and nobody minds


class _Deaf(_Listener):
    fails = True

    def owner_gone(self, owner: str) -> None:
        if self.fails:
            raise RuntimeError("deaf")


def test_a_listener_that_fails_does_not_keep_the_others_from_hearing(
    listener: _Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: reported.append(str(args.exc_value)))
    deaf, last = _Deaf(), _Listener()
    notify_gone(deaf)
    notify_gone(last)
    owner = on_thread(current_owner)
    deaf.fails = False  # should anything keep it alive

    assert listener.gone == last.gone == [owner]
    assert reported == ["deaf"]


def test_a_listener_hears_of_a_thread_that_only_others_looked_up(listener: _Listener) -> None:
    thread = threading.Thread(target=lambda: None)
    owner = owner_id(thread)
    thread.start()
    thread.join(PATIENCE)
    gc.collect()
    assert listener.gone == []  # its object lives, and who holds it may still speak of it
    del thread
    gc.collect()
    assert listener.gone == [owner]


def test_a_listener_hears_of_a_thread_that_never_started(listener: _Listener) -> None:
    owner = owner_id(threading.Thread())
    gc.collect()
    assert listener.gone == [owner]


def test_a_listener_hears_once_of_a_thread_that_was_looked_up_and_spoke(
    listener: _Listener,
) -> None:
    thread = threading.Thread(target=current_owner)
    owner = owner_id(thread)
    thread.start()
    thread.join(PATIENCE)
    assert listener.gone == [owner] == [owner_id(thread)]
    del thread
    gc.collect()
    assert listener.gone == [owner]


def test_a_listener_hears_of_a_task_that_only_others_looked_up(listener: _Listener) -> None:
    async def main() -> str:
        task = asyncio.create_task(asyncio.sleep(0))
        owner = owner_id(task)
        await task
        return owner

    owner = asyncio.run(main())
    gc.collect()
    assert listener.gone == [owner]


def test_a_listener_hears_once_of_a_task_that_was_looked_up_and_spoke(listener: _Listener) -> None:
    async def speak() -> str:
        return current_owner()

    async def main() -> str:
        task = asyncio.create_task(speak())
        before = owner_id(task)
        assert await task == before == owner_id(task)
        return before

    owner = asyncio.run(main())
    gc.collect()
    assert listener.gone == [owner]


def test_a_listener_hears_of_a_task_that_spoke_and_was_dropped_before_its_end(
    listener: _Listener,
) -> None:
    found: list[str] = []

    async def speak() -> None:
        found.append(current_owner())
        await asyncio.get_running_loop().create_future()

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # "Task was destroyed but it is pending!"
    task = loop.create_task(speak())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    del task
    gc.collect()
    assert listener.gone == found


def test_a_listener_told_to_listen_twice_hears_once(listener: _Listener) -> None:
    notify_gone(listener)
    owner = on_thread(current_owner)
    assert listener.gone == [owner]


def test_a_listener_hears_once_of_an_actor_that_never_spoke(listener: _Listener) -> None:
    before = set(threading.enumerate())
    ref = _SilentActor.start()
    (thread,) = set(threading.enumerate()) - before
    urn = owner_id(ref)
    assert owner_id(ref.proxy()) == urn
    ref.stop()
    thread.join(PATIENCE)
    del ref, thread
    gc.collect()
    assert listener.gone == [urn]


def test_a_listener_hears_once_of_a_silent_actor_also_looked_up_by_its_thread(
    listener: _Listener,
) -> None:
    before = set(threading.enumerate())
    ref = _SilentActor.start()
    (thread,) = set(threading.enumerate()) - before
    urn = owner_id(ref)
    assert owner_id(thread) == urn
    ref.stop()
    thread.join(PATIENCE)
    del ref, thread, before
    gc.collect()
    assert listener.gone == [urn]


def test_the_name_given_to_a_silent_actor_is_nobodys_after_its_end() -> None:
    pool = PoolHandle(NamePool.start(source=NumberedNames()))
    before = set(threading.enumerate())
    ref = _SilentActor.start()
    (thread,) = set(threading.enumerate()) - before
    pool.checkout_name(owner=ref)
    urn = ref.actor_urn
    ref.stop()
    thread.join(PATIENCE)
    del ref, thread
    gc.collect()
    assert pool.get_name_by_owner(urn) is None
    assert urn not in pool.speaking


def test_only_a_string_of_the_program_is_an_owner_that_the_program_named() -> None:
    async def task() -> str:
        return current_owner()

    stock, ours = _StockActor.start(), _OurActor.start()
    unnamed = {
        "thread": current_owner(),
        "another thread": owner_id(threading.Thread()),
        "task": asyncio.run(task()),
        "actor": stock.proxy().call(current_owner).get(),
        "actor on its caller's thread": ours.ask(current_owner),
        "ref": owner_id(stock),
    }

    assert not [kind for kind, owner in unnamed.items() if is_named_by_program(owner)]
    assert is_named_by_program(owner_id("planner-7"))


LAST_WORDS = """
import sys
import namepool.ends, namepool.owners, namepool.speaking, namepool.core.state

state = namepool.core.state.PoolState()
namepool.ends.notify_gone(state)
state.admit(namepool.core.judging.judge(["Ada"]))
lease = namepool.speaking.asked_for(state)
assert state.begin(lease, spare=0) == "Ada"
sys.kept = (state, namepool.core.state, namepool.owners)  # outlives the modules, as test runners do
"""


def test_the_end_of_the_main_thread_is_quiet() -> None:
    root = str(Path(namepool.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", LAST_WORDS],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stderr == ""


def test_a_scope_that_a_finaliser_ends_on_another_thread_leaves_that_one_its_own() -> None:
    left: list[Any] = []

    def leave() -> None:
        scope = owner_scope("planner")
        scope.__enter__()
        left.append(scope)  # as a ``with`` does that is struck on its way in

    on_thread(leave)
    with owner_scope("reviewer"):
        left.clear()
        gc.collect()
        assert current_owner() == "reviewer"
