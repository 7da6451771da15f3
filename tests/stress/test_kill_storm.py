"""A supervised pool killed many times under load: nothing is lost, unanswered or left behind."""

from __future__ import annotations

import random
import threading
from typing import Any

import pykka
import pytest

from namepool import (
    AssociateName,
    CheckoutTimeout,
    NamePool,
    NumberedNames,
    PoolHandle,
    PoolStatsRequest,
    Supervisor,
)
from namepool.core.names import name_key
from tests.support import PATIENCE, MovableClock, switching_often


@pytest.mark.parametrize("kills", [20, pytest.param(500, marks=pytest.mark.proof)])
def test_a_pool_killed_many_times_under_load_loses_nothing(clock: MovableClock, kills: int) -> None:
    source = NumberedNames()
    root = Supervisor.start(children=[NamePool.child_spec(id="names", source=source)])
    root.actor_inbox.clock = clock  # its budget lives by this clock: the kills are spaced
    handle = root.handle("names")
    pool = PoolHandle(handle)
    keeper = pool.checkout_name(owner="keeper")
    held: set[str] = set()
    lock = threading.Lock()
    stopping = threading.Event()
    faults: list[str] = []
    done = [0] * 8

    def agent(number: int) -> None:
        owner = f"agent {number}"
        while not stopping.is_set():
            try:
                name = pool.checkout_name(timeout=PATIENCE, owner=owner)
            except CheckoutTimeout:
                faults.append("unanswered")
                continue
            except pykka.ActorDeadError:
                continue  # it died of somebody's message while it handled this one
            with lock:
                if name_key(name) in held or name == keeper:
                    faults.append(f"{name} held twice")
                held.add(name_key(name))
            if pool.get_name_by_owner(owner, timeout=PATIENCE) != name:
                faults.append(f"{owner} lost {name}")
            with lock:
                held.discard(name_key(name))
            pool.checkin_name(name, owner=owner)
            done[number] += 1

    agents = [threading.Thread(target=agent, args=(n,)) for n in range(8)]
    with switching_often():
        for thread in agents:
            thread.start()
        for kill in range(1, kills + 1):
            clock.now += 10.0
            _kill(handle, kill)
        stopping.set()
        for thread in agents:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "an agent hangs"

    assert faults == []
    assert min(done) > 0
    assert pool.get_name_by_owner("keeper") == keeper
    stats = pool.pool_stats()
    assert stats.restart_count == kills
    assert stats.checked_out_count == 1
    assert stats.all_used_count == stats.available_count + stats.checked_out_count
    root.stop()
    assert pykka.ActorRegistry.get_by_class_name("NamePool") == []


def _kill(handle: Any, kill: int) -> None:
    """Have the present incarnation die at a random moment, and wait for the next one."""
    for _ in range(random.randrange(50)):
        handle.is_alive()
    while (ref := handle.current) is None:
        pass
    ref.tell(AssociateName(7))  # type: ignore[arg-type]
    ref.wait_gone(PATIENCE)
    handle.ask(PoolStatsRequest(), timeout=PATIENCE)
    assert handle.generation > kill
