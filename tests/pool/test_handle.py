"""``PoolHandle``: scopes that nest, end what they began, and survive what happens meanwhile."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pykka
import pytest

from namepool import (
    DEFAULT_NAME,
    CheckinName,
    InvalidName,
    InvalidOption,
    NamePool,
    NamePoolRef,
    NamesUnavailable,
    NumberedNames,
    PoolHandle,
    PoolStatsRequest,
    inherit_owner,
    owner_scope,
)
from namepool.actors import LATER
from tests.support import PATIENCE, GatedSource, ScriptedSource, on_thread, wait_until


@pytest.fixture
def ref() -> NamePoolRef:
    return NamePool.start(source=NumberedNames())


@pytest.fixture
def pool(ref: NamePoolRef) -> PoolHandle:
    return PoolHandle(ref)


def test_named_speaks_under_a_name_for_the_length_of_the_block(pool: PoolHandle) -> None:
    with pool.named() as name:
        assert pool.speaker() == name
        assert pool.pool_stats().checked_out_count == 1

    assert pool.speaker() == DEFAULT_NAME
    assert pool.pool_stats().checked_out_count == 0


def test_named_nests_and_the_outer_name_speaks_again(pool: PoolHandle) -> None:
    with pool.named() as outer:
        with pool.named() as inner:
            assert pool.speaker() == inner
        assert pool.speaker() == outer


def test_named_never_leaks_when_the_block_raises(pool: PoolHandle) -> None:
    with pytest.raises(RuntimeError), pool.named():
        raise RuntimeError("in the block")

    assert pool.pool_stats().checked_out_count == 0


def test_an_ended_scope_never_ends_somebody_elses_lease() -> None:
    ref = NamePool.start(source=ScriptedSource(["Only Olga"]), low_water_mark=0)
    pool = PoolHandle(ref)
    with pool.named() as name:
        pool.checkin_name(name)  # given back early, and issued again
        assert pool.checkout_name(owner="second") == name

    assert pool.get_name_by_owner("second") == name


def test_a_scope_ends_quietly_when_the_pool_was_reset_inside_it(pool: PoolHandle) -> None:
    with pool.named():
        pool.reset()

    assert pool.pool_stats().checked_out_count == 0


def test_a_scope_ends_quietly_when_the_pool_was_stopped_inside_it(
    pool: PoolHandle, ref: NamePoolRef
) -> None:
    with pool.named():
        ref.stop()

    with pytest.raises(pykka.ActorDeadError):
        pool.checkout_name()


def test_speaking_as_shares_a_name_and_gives_the_own_one_back(pool: PoolHandle) -> None:
    with pool.named() as parent:

        def worker() -> list[str]:
            with pool.named() as own:
                with pool.speaking_as(parent):
                    inside = pool.speaker()
                return [inside, "own again" if pool.speaker() == own else "lost"]

        assert on_thread(worker) == [parent, "own again"]
        assert pool.speaker() == parent


def test_speaking_as_oneself_changes_nothing(pool: PoolHandle) -> None:
    with pool.named() as name:
        with pool.speaking_as(name):
            assert pool.speaker() == name
        assert pool.speaker() == name


def test_speaking_as_an_outer_name_makes_the_inner_one_speak_again_after(pool: PoolHandle) -> None:
    with pool.named() as outer, pool.named() as inner:
        with pool.speaking_as(outer):
            assert pool.speaker() == outer
        assert pool.speaker() == inner


def test_speaking_as_a_name_held_before_keeps_it_after(pool: PoolHandle) -> None:
    first, second = pool.checkout_name(), pool.checkout_name()
    with pool.speaking_as(first):
        assert pool.speaker() == first
    assert pool.speaker() == second

    pool.checkin_name(second)

    assert pool.speaker() == first


def test_speaking_as_nests_under_one_name(pool: PoolHandle) -> None:
    with pool.speaking_as("Saved Sue"):
        with pool.named(), pool.speaking_as("Saved Sue"):
            assert pool.speaker() == "Saved Sue"
        assert pool.speaker() == "Saved Sue"
    assert pool.speaker() == DEFAULT_NAME


def test_of_two_tools_of_one_owner_the_first_to_leave_does_not_silence_the_second(
    pool: PoolHandle,
) -> None:
    with owner_scope("agent"):
        first, second = pool.speaking_as("Shared Sam"), pool.speaking_as("Shared Sam")
        first.__enter__()
        second.__enter__()

        first.__exit__(None, None, None)

        assert pool.speaker() == "Shared Sam"
        second.__exit__(None, None, None)
        assert pool.speaker() == DEFAULT_NAME


def test_speaking_as_the_default_name_is_no_error(pool: PoolHandle) -> None:
    with pool.speaking_as(DEFAULT_NAME) as name:
        assert name == DEFAULT_NAME


def test_workers_on_a_thread_pool_speak_as_their_agent(pool: PoolHandle) -> None:
    def tool(_: int) -> str:
        return pool.speaker()

    with pool.named() as name, ThreadPoolExecutor(4) as executor:
        spoken = set(executor.map(inherit_owner(tool), range(20)))

    assert spoken == {name}


def test_a_scope_belongs_to_the_owner_that_began_it(pool: PoolHandle) -> None:
    with owner_scope("planner-7"), pool.named() as name:
        assert pool.get_name_by_owner("planner-7") == name
        assert on_thread(pool.speaker) == DEFAULT_NAME


def test_a_generator_closed_inside_the_pool_gives_its_name_back(
    pool: PoolHandle, ref: NamePoolRef
) -> None:
    def agent() -> Generator[str, None, None]:
        with pool.named() as name:
            yield name

    running = agent()
    next(running)
    actor = ref._actor
    assert actor is not None
    handle = actor._handlers[CheckinName]
    # Inside the pool's own handler, as a finaliser might: waiting there would be a deadlock.

    def handle_and_finalise(message: CheckinName) -> Any:
        running.close()
        return handle(message)

    actor._handlers[CheckinName] = handle_and_finalise

    pool.checkin_name(None)

    assert pool.pool_stats().checked_out_count == 0


def test_a_lookup_of_oneself_needs_no_argument(pool: PoolHandle) -> None:
    with pool.named() as name:
        assert pool.get_name_by_owner() == name
        assert pool.get_name_by_owner(threading.current_thread(), timeout=PATIENCE) == name


def test_a_handle_of_what_is_no_pool_is_refused() -> None:
    with pytest.raises(InvalidOption, match="pool"):
        PoolHandle(object())  # type: ignore[arg-type]


def test_closing_a_handle_of_a_pool_started_elsewhere_leaves_it_alone(
    pool: PoolHandle, ref: NamePoolRef
) -> None:
    with pool:
        pass
    assert ref.is_alive()


# A name where none is to be had


@pytest.fixture
def empty() -> PoolHandle:
    """A pool whose source has no names at all."""
    return PoolHandle(NamePool.start(source=ScriptedSource()))


@pytest.mark.parametrize(("default", "name"), [(True, DEFAULT_NAME), ("The Understudy",) * 2])
def test_where_no_name_is_to_be_had_the_block_runs_under_the_default_one(
    default: bool | str, name: str, empty: PoolHandle
) -> None:
    with empty.named(default=default) as mine:
        assert mine == empty.speaker() == empty.get_name_by_owner() == name
    assert empty.speaker() == DEFAULT_NAME
    assert empty.get_name_by_owner() is None
    assert empty.pool_stats().checked_out_count == 0


def test_a_checkout_that_takes_too_long_runs_under_the_default_name() -> None:
    source = GatedSource()
    ref = NamePool.start(source=source)
    with PoolHandle(ref).named(timeout=0.01, default=True) as name:
        assert name == DEFAULT_NAME
    source.gate.set()


def test_without_a_default_the_block_raises(empty: PoolHandle) -> None:
    with pytest.raises(NamesUnavailable), empty.named(default=False):
        raise AssertionError("it ran")


def test_where_a_name_is_to_be_had_the_default_is_not_used(
    pool: PoolHandle, caplog: pytest.LogCaptureFixture
) -> None:
    with pool.named(default=True) as name:
        assert name == pool.speaker() == "NPC #1"
        assert pool.pool_stats().checked_out_count == 1
    assert pool.pool_stats().checked_out_count == 0
    assert caplog.text == ""


def test_one_warning_says_that_a_block_runs_under_the_default_name(
    empty: PoolHandle, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        with empty.named(default=True):
            pass
    told = [r.getMessage() for r in caplog.records if "works as" in r.getMessage()]
    assert len(told) == 1
    assert told[0].startswith(f"no name is available, so an agent works as '{DEFAULT_NAME}'")


def test_what_the_block_itself_raises_is_raised(pool: PoolHandle) -> None:
    with pytest.raises(NamesUnavailable, match="of another pool"), pool.named(default=True):
        raise NamesUnavailable("of another pool")


def test_a_block_without_a_name_does_not_speak_under_its_parents(pool: PoolHandle) -> None:
    ref = NamePool.start(source=ScriptedSource(["Only Olga"]), low_water_mark=0)
    pool = PoolHandle(ref)

    def work() -> tuple[str, str, str]:
        before = pool.speaker()
        with pool.named(default=True):
            inside = pool.speaker()
            context = contextvars.copy_context()
            assert on_thread(lambda: context.run(pool.speaker)) == inside
        assert on_thread(lambda: context.run(pool.speaker)) == before
        return before, inside, pool.speaker()

    with pool.named() as parent:
        context = contextvars.copy_context()
        assert on_thread(lambda: context.run(work)) == (parent, DEFAULT_NAME, parent)
        assert pool.speaker() == parent


def test_who_holds_another_name_keeps_it(pool: PoolHandle) -> None:
    pool = PoolHandle(NamePool.start(source=ScriptedSource(["Only Olga"]), low_water_mark=0))
    with pool.named() as outer, pool.named(default=True) as inner:
        assert inner == outer == pool.speaker()


def test_the_default_of_one_pool_says_nothing_in_another(
    pool: PoolHandle, empty: PoolHandle
) -> None:
    with pool.named() as name:
        context = contextvars.copy_context()

        def work() -> str:
            with empty.named(default="The Understudy"):
                return pool.speaker()

        assert on_thread(lambda: context.run(work)) == name


@pytest.mark.parametrize("default", [None, 1, 0, object()])
def test_a_default_that_is_no_name_is_refused(default: Any, pool: PoolHandle) -> None:
    with pytest.raises(InvalidOption, match="default must be True, False or a name, not"):
        pool.named(default=default)
    with pytest.raises(InvalidName):
        pool.named(default="")


def test_a_block_that_is_dropped_while_the_pool_is_busy_is_silent_at_once() -> None:
    ref = NamePool.start(source=NumberedNames())
    pool = PoolHandle(ref)
    block: Any = pool.named()
    name = block.__enter__()
    assert pool.speaker() == name
    block._access.run = lambda *_: LATER  # the turn is taken

    del block

    assert pool.speaker() == DEFAULT_NAME
    wait_until(lambda: ref.ask(PoolStatsRequest()).checked_out_count == 0, ref)
