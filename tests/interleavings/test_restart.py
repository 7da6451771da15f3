"""A pool that dies and comes up again, against those who ask, hold, wait, drop and end."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pykka
import pytest

from namepool import CheckoutName, PoolState
from namepool.actors.inbox import Inbox
from namepool.core.judging import judge
from namepool.core.state import LateChunk
from namepool.pool.waiting_list import abandon_waiters
from tests.interleavings import scene as scenes
from tests.interleavings.scene import FATAL, KILLING, Lives, caller, cancelling, task
from tests.interleavings.support import POOL, SCHEDULES, run_own_thread, under_the_explorer
from tests.interleavings.support import holds as _holds
from tests.interleavings.support import is_found as _is_found
from tests.support import lease_for

pytestmark = under_the_explorer

TRACE = (*POOL, "namepool.actors.supervision.handle")
holds = partial(_holds, trace=TRACE, schedules=SCHEDULES // 7)
is_found = partial(_is_found, trace=TRACE)


def drop(scene: Lives) -> None:
    """Ask for a name and keep no future of it."""
    scene.restarting.ask(CheckoutName(None), block=False)


def give_up(scene: Lives) -> None:
    """Ask for a name, and give it up while somebody else keeps the future."""
    reply = scene.restarting.ask(CheckoutName(None), block=False)
    scene.given_up.append(reply)
    reply.give_up()


def read_for_a_moment(scene: Lives) -> None:
    reply = scene.restarting.ask(CheckoutName(None), block=False)
    try:
        name = reply.get(timeout=0.001)
    except pykka.Timeout:
        return
    scene.use(name)
    assert scene.handle.checkin_name(name)


class Struck(Exception):
    """What comes from outside."""


def leave_it_half_done(scene: Lives) -> None:
    """Be struck in the middle of a checkout, if the turn is to be had, and give the name up."""
    state, lease = scene.state, lease_for(scene.state, "struck")

    def half_of_begin(lease: Any) -> None:
        names = state.stocks[None].names
        if names:
            state.torn = True
            lease.name, lease.stock, lease.number = names[0], state.stocks[None], state.number + 1
            state.leases[names[0]] = lease
            raise Struck

    try:
        scene.ref.actor_inbox.run(half_of_begin, lease)
    except Struck:
        state.signal.put(lease)


OWN = Lives.own_thread
BLOCK = caller("a", partial(scenes.block, timeout=None))
CALL = caller("b", partial(scenes.call, timeout=None))
IMPATIENT = caller("c", partial(scenes.block, timeout=0.001))
ADOPTING = caller("d", partial(scenes.adopt, name="Name 1"))
DROPPER = caller("dropper", drop)
GIVING_UP = caller("giver-up", give_up)
READER = caller("reader", read_for_a_moment)
TASK = task("task", partial(scenes.async_block, timeout=None))
STRUCK = caller("struck", leave_it_half_done)


def test_blocks_and_calls_across_a_restart_get_a_name_and_give_it_back() -> None:
    holds(partial(Lives, 3), [OWN, BLOCK, CALL, KILLING], Lives.faults)


def test_a_timeout_across_a_restart_costs_no_name() -> None:
    holds(partial(Lives, 3), [OWN, IMPATIENT, CALL, KILLING], Lives.faults)


def test_an_association_that_times_out_across_a_restart_is_undone() -> None:
    workers = [OWN, ADOPTING, BLOCK, KILLING]
    holds(partial(Lives, 3, names=2), workers, Lives.faults)


def test_a_future_that_is_dropped_across_a_restart_costs_no_name() -> None:
    holds(partial(Lives, 3), [OWN, DROPPER, CALL, KILLING], Lives.faults)


def test_a_future_that_is_given_up_across_a_restart_costs_no_name() -> None:
    holds(partial(Lives, 3), [OWN, GIVING_UP, CALL, KILLING], Lives.faults)


def test_a_future_that_is_read_across_a_restart_holds_its_name_or_costs_none() -> None:
    holds(partial(Lives, 3), [OWN, READER, BLOCK, KILLING], Lives.faults)


def test_a_task_that_is_cancelled_across_a_restart_loses_no_name(on_tasks: None) -> None:
    workers = [OWN, TASK, cancelling("task"), KILLING]
    holds(partial(Lives, 3), workers, Lives.faults)


def test_what_was_left_half_done_is_put_right_by_whoever_comes_next() -> None:
    holds(partial(Lives, 3), [OWN, STRUCK, BLOCK, KILLING], Lives.faults)


def send_poison(scene: Lives) -> None:
    """Have the pool die of what it was told, with the rest of that."""

    def names() -> Iterator[str]:
        raise ValueError(FATAL)
        yield

    judged: Any = judge([])
    judged.names = names()
    scene.state.signal.put(LateChunk(judged, scene.state.epoch, None))


def test_a_pool_that_dies_of_what_it_was_told_leaves_the_rest_to_the_next() -> None:
    workers = [OWN, DROPPER, BLOCK, caller("poisoner", send_poison)]
    holds(partial(Lives, 3), workers, Lives.faults)


class LastLife(Lives):
    """A pool that is not started again after its first death."""

    def own_thread(self) -> None:
        run_own_thread(self.actor)
        self.restarting.vacate()
        self.restarting.close("it was given up")
        abandon_waiters(self.state)

    def is_over_for_all(self) -> list[str]:
        """All have left, and what they were granted is home."""
        return self.faults() + ([] if len(self.gone) == self.left else ["somebody is left"])


def test_those_who_wait_for_a_pool_that_is_given_up_are_told() -> None:
    workers = [LastLife.own_thread, BLOCK, IMPATIENT, DROPPER, KILLING]
    holds(partial(LastLife, 4), workers, LastLife.is_over_for_all)


def test_it_is_found_when_what_was_left_half_done_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PoolState, "recover", lambda self: setattr(self, "torn", False))
    is_found(partial(Lives, 3), [OWN, STRUCK, BLOCK, KILLING], Lives.faults)


def test_it_is_found_when_what_was_to_be_done_dies_with_an_incarnation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    close = Inbox.close

    def close_for_good(self: Any, refuse: Any) -> None:
        close(self, refuse)
        self.signalled.clear()
        while not self.signal.empty():
            self.signal.get()

    monkeypatch.setattr(Inbox, "close", close_for_good)
    is_found(partial(Lives, 3), [OWN, DROPPER, BLOCK, KILLING], Lives.faults)
