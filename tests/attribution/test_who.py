"""Whoever speaks under a name has the id of the lease of that name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from namepool import (
    NamedExecutor,
    NumberedNames,
    PoolHandle,
    current_owner,
    inherit_owner,
    open_pool,
    owner_scope,
)
from namepool.attribution import who
from namepool.core.links import Link
from namepool.core.state import PoolState
from namepool.speaking import link_of_caller
from tests.support import ScriptedSource, on_thread


@pytest.fixture
def pool() -> Iterator[PoolHandle]:
    with open_pool(source=NumberedNames()) as pool:
        yield pool


def heard(pool: PoolHandle) -> str | None:
    """Return the id of the agent that speaks here."""
    agent = who.who_speaks(pool.speaking)
    return None if agent is None else agent.id


def id_of(pool: PoolHandle, name: str) -> str:
    return next(lease.id for lease in pool.leases() if lease.name == name)


def in_a_task(pool: PoolHandle, call: Callable[[], str | None]) -> str | None:
    async def child() -> str | None:
        return call()

    async def main() -> str | None:
        return await asyncio.create_task(child())

    return asyncio.run(main())


def on_a_workers_thread(pool: PoolHandle, call: Callable[[], str | None]) -> str | None:
    with ThreadPoolExecutor(1) as workers:
        return workers.submit(inherit_owner(call)).result()


def in_an_executor(pool: PoolHandle, call: Callable[[], str | None]) -> str | None:
    with NamedExecutor(1) as workers:
        return workers.submit(call).result()


def in_a_scope(pool: PoolHandle, call: Callable[[], str | None]) -> str | None:
    with owner_scope("a role"):
        return call()


def as_a_worker_that_is_associated(pool: PoolHandle, call: Callable[[], str | None]) -> str | None:
    name = pool.speaker()

    def worker() -> str | None:
        pool.associate_name(name)
        return call()

    return on_thread(worker)


def in_a_block_under_the_name(pool: PoolHandle, call: Callable[[], str | None]) -> str | None:
    name = pool.speaker()

    def worker() -> str | None:
        with pool.speaking_as(name):
            return call()

    return on_thread(worker)


def as_a_worker_whom_another_associated(
    pool: PoolHandle, call: Callable[[], str | None]
) -> str | None:
    pool.associate_name(pool.speaker(), owner="worker")

    def worker() -> str | None:
        with owner_scope("worker"):
            return call()

    return on_thread(worker)


WAYS = [
    in_a_task,
    on_a_workers_thread,
    in_an_executor,
    in_a_scope,
    as_a_worker_that_is_associated,
    as_a_worker_whom_another_associated,
    in_a_block_under_the_name,
]


@pytest.mark.parametrize("way", WAYS)
def test_who_has_a_name_from_another_has_the_id_too(
    pool: PoolHandle, way: Callable[[PoolHandle, Callable[[], str | None]], str | None]
) -> None:
    pool.checkout_name(owner="another")
    with pool.named() as name:
        lease_id = id_of(pool, name)

        assert heard(pool) == lease_id
        assert way(pool, lambda: heard(pool)) == lease_id
        assert heard(pool) == lease_id


def test_two_runs_on_one_thread_with_one_name_and_one_owner_have_two_ids(pool: PoolHandle) -> None:
    found = []
    for _ in range(2):
        with pool.named(name="Ada"):
            found.append((current_owner(), pool.speaker(), heard(pool)))

    (owner, name, first), (*same, second) = found
    assert same == [owner, name]
    assert first != second


def test_in_nested_blocks_the_id_is_that_of_the_inner_name(pool: PoolHandle) -> None:
    with pool.named():
        outer = heard(pool)
        with pool.named() as name:
            assert heard(pool) == id_of(pool, name) != outer
        assert heard(pool) == outer


def test_who_has_no_name_has_no_id(pool: PoolHandle) -> None:
    assert heard(pool) is None
    with pool.named(), pool.unnamed():
        assert heard(pool) is None


def test_under_a_default_name_the_id_is_empty() -> None:
    with open_pool(source=ScriptedSource()) as pool, pool.named(default="Reserve"):
        assert who.who_speaks(pool.speaking) == (current_owner(), "Reserve", "")


def test_where_a_name_ends_as_it_is_looked_at_the_name_before_it_counts(
    pool: PoolHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(state: PoolState) -> Link | None:
        link = link_of_caller(state)
        pool.checkin_name("NPC #2")  # its link has just been found
        return link

    with pool.named():
        outer = heard(pool)
        pool.checkout_name()
        monkeypatch.setattr(who, "link_of_caller", late)
        assert heard(pool) == outer
