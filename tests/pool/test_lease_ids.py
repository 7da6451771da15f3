"""Each lease has an id of its own, in all pools, over resets and restarts, and in all processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import namepool
from namepool import CheckinLease, CheckoutLease, Lease, NumberedNames, PoolHandle, open_pool
from namepool import events as e
from tests.mirror import Mirror
from tests.pool.test_service import crash
from tests.support import run_together


@pytest.fixture
def pool() -> Iterator[PoolHandle]:
    with open_pool(source=NumberedNames(), reuse_gap=0) as pool:
        yield pool


def ids(pool: PoolHandle) -> dict[str, str]:
    """Return the id of each lease, by its name, the oldest lease first."""
    return {lease.name: lease.id for lease in pool.leases()}


def whole_lease(pool: PoolHandle) -> Lease:
    lease: Lease = pool._target.ask(CheckoutLease())
    return lease


def test_an_id_is_short_and_has_neither_a_space_nor_a_foreign_letter(pool: PoolHandle) -> None:
    assert re.fullmatch(r"[0-9a-f]{12}-\d+-1", whole_lease(pool).id)


def test_each_way_to_a_name_gives_its_lease_an_id_of_its_own(pool: PoolHandle) -> None:
    lease = whole_lease(pool)
    pool.checkout_name()
    pool.associate_name("Ada")
    with pool.named(), pool.named(name="Bea"), pool.speaking_as("Cid"):
        found = ids(pool)

    assert found.keys() == {"NPC #1", "NPC #2", "Ada", "NPC #3", "Bea", "Cid"}
    assert len({*found.values()}) == 6
    assert found["NPC #1"] == lease.id


def test_a_name_that_is_handed_out_again_has_another_id(pool: PoolHandle) -> None:
    found = []
    for _ in range(3):
        with pool.named(name="Ada"):
            found.append(ids(pool)["Ada"])

    assert len({*found}) == 3


def test_the_id_and_the_order_of_a_lease_stay_when_its_owner_is_associated_again(
    pool: PoolHandle,
) -> None:
    lease = whole_lease(pool)
    pool.checkout_name()
    before, token = ids(pool), lease.token

    pool.associate_name(lease.name)

    assert [*ids(pool).items()] == [*before.items()]
    assert (lease.id, lease.token) == (before[lease.name], token)


def test_the_id_of_a_lease_that_ended_stays(pool: PoolHandle) -> None:
    lease = whole_lease(pool)
    before = lease.id
    pool._target.ask(CheckinLease(lease))
    pool.reset()

    assert lease.id == before


def test_no_id_comes_again_after_a_reset(pool: PoolHandle) -> None:
    pool.checkout_name()
    before = ids(pool)
    pool.reset()
    name = pool.checkout_name()

    assert ids(pool)[name] not in before.values()


def test_a_lease_keeps_its_id_over_a_restart_and_no_id_comes_again(pool: PoolHandle) -> None:
    lease = whole_lease(pool)
    before = lease.id
    crash(pool)
    pool.checkout_name()

    after = ids(pool)

    assert lease.id == after[lease.name] == before
    assert len({*after.values()}) == 2


def test_no_two_leases_of_two_pools_have_one_id(pool: PoolHandle) -> None:
    with open_pool(source=NumberedNames()) as other:
        found = [whole_lease(one).id for one in (pool, other) for _ in range(3)]

    assert len({*found}) == 6
    assert len({lease_id.split("-")[0] for lease_id in found}) == 1


def test_pools_that_are_opened_at_once_give_out_no_id_twice() -> None:
    found: list[str] = []

    def agent() -> None:
        with open_pool(source=NumberedNames()) as pool:
            found.extend(whole_lease(pool).id for _ in range(5))

    run_together([agent] * 8)
    assert len({*found}) == 40


PROGRAM = """
import namepool
with namepool.open_pool(source=namepool.NumberedNames()) as pool, pool.named():
    print(*[lease.id for lease in pool.leases()])
"""


def test_no_two_processes_give_out_one_id() -> None:
    root = str(Path(namepool.__file__).parents[1])
    command, env = [sys.executable, "-c", PROGRAM], {**os.environ, "PYTHONPATH": root}
    found = [
        subprocess.run(command, env=env, capture_output=True, check=True, text=True).stdout
        for _ in range(2)
    ]

    assert all(re.fullmatch(r"[0-9a-f]{12}-1-1\n", printed) for printed in found)
    assert found[0] != found[1]


def test_all_events_of_a_lease_have_its_id(pool: PoolHandle) -> None:
    mirror: Any = Mirror()
    with pool.subscribe(mirror, only=e.LeaseEvent):
        found = []
        for _ in range(2):
            with pool.named(name="Ada") as name:
                pool.associate_name(name, owner="worker")
                pool.dissociate_name(name, owner="worker")
                found.append(ids(pool)[name])

    first, second = found
    assert [event.lease_id for event in mirror.events] == [first] * 4 + [second] * 4
