"""A future of a name that nobody reads costs no name; a request that is sent again grants once."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
from collections.abc import Callable
from typing import Any

import pykka
import pytest

from namepool import (
    AssociateName,
    CheckinName,
    CheckoutLease,
    CheckoutName,
    Lease,
    NameHeld,
    NamePool,
    NumberedNames,
    PoolHandle,
    PoolState,
    owner_scope,
)
from namepool.actors import ActorHandle
from namepool.core.leases import Taking
from namepool.speaking import asked_for, to_speak, to_take
from tests.support import PATIENCE, GatedSource, on_thread, started, wait_until


class Scene:
    """A pool that restarts when the test says so, and its source, which the test holds back."""

    def __init__(self) -> None:
        self.source = GatedSource()
        self.state = PoolState()
        self.handle = ActorHandle("names")
        self.begin()
        self.pool = PoolHandle(self.handle)

    @property
    def ref(self) -> Any:
        return self.handle.current

    def begin(self) -> None:
        """Start an incarnation, on a thread of the supervisor's."""
        on_thread(lambda: self.handle.install(NamePool.start(source=self.source, state=self.state)))

    def end(self) -> None:
        """End the present incarnation."""
        self.ref.stop()
        self.handle.vacate()

    def stock(self) -> None:
        """See to it that names are ready."""
        self.source.gate.set()
        self.pool.checkin_name(self.pool.checkout_name())

    def is_clear(self) -> bool:
        """Tell whether every name is home and nobody waits."""
        stats = self.pool.pool_stats()
        home = stats.available_count == stats.all_used_count
        return home and (stats.checked_out_count, stats.waiting_count) == (0, 0)

    def wait_clear(self) -> None:
        wait_until(self.is_clear, self.ref)


@pytest.fixture
def scene() -> Any:
    scene = Scene()
    yield scene
    scene.source.gate.set()


WAYS: dict[str, Callable[[Scene], Any]] = {
    "message": lambda scene: scene.ref.ask(CheckoutName(), block=False),
    "lease": lambda scene: scene.ref.ask(CheckoutLease(), block=False),
    "proxy": lambda scene: scene.ref.proxy().checkout_name(),
    "plain proxy": lambda scene: pykka.ActorProxy(actor_ref=scene.ref).checkout_name(owner="agent"),
    "handle": lambda scene: scene.handle.ask(CheckoutName(), block=False),
    "handle, of a lease": lambda scene: scene.handle.ask(CheckoutLease(), block=False),
    "handle's proxy": lambda scene: scene.handle.proxy().checkout_name(),
}
by_any_way = pytest.mark.parametrize("ask", WAYS.values(), ids=WAYS.keys())
across_restarts = pytest.mark.parametrize(
    "ask", [WAYS["handle"], WAYS["handle, of a lease"]], ids=["name", "lease"]
)


def dropped(futures: list[Any]) -> None:
    futures.clear()
    gc.collect()


def given_up(futures: list[Any]) -> None:
    futures[0].give_up()


def cancelled(futures: list[Any]) -> None:
    async def main() -> None:
        async def read() -> None:
            await futures[0]

        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


by_any_end = pytest.mark.parametrize(
    "end", [dropped, given_up, cancelled], ids=lambda end: end.__name__
)
by_those_unread = pytest.mark.parametrize("end", [dropped, given_up], ids=lambda end: end.__name__)


# -- nobody reads it ------------------------------------------------------------------------


@by_any_way
@by_those_unread
def test_a_future_of_a_name_that_is_there_costs_none(ask: Any, end: Any, scene: Scene) -> None:
    scene.stock()
    futures = [ask(scene)]
    assert scene.pool.pool_stats().checked_out_count == 1

    end(futures)

    scene.wait_clear()


@by_any_way
@by_any_end
def test_a_future_that_waits_costs_no_name(ask: Any, end: Any, scene: Scene) -> None:
    futures = [ask(scene)]
    scene.source.wait_asked()

    end(futures)

    wait_until(lambda: scene.pool.pool_stats().waiting_count == 0, scene.ref)
    scene.source.gate.set()
    wait_until(lambda: scene.pool.pool_stats().fetching_count == 0, scene.ref)
    assert scene.is_clear()


@by_any_way
@by_those_unread
def test_a_future_that_was_granted_after_a_wait_costs_no_name(
    ask: Any, end: Any, scene: Scene
) -> None:
    futures = [ask(scene)]
    scene.source.wait_asked()
    scene.source.gate.set()
    wait_until(lambda: scene.pool.pool_stats().checked_out_count == 1, scene.ref)

    end(futures)

    scene.wait_clear()


@across_restarts
@by_any_end
def test_a_future_that_waits_while_the_pool_restarts_costs_no_name(
    ask: Any, end: Any, scene: Scene
) -> None:
    futures = [ask(scene)]
    scene.source.wait_asked()
    scene.end()

    end(futures)
    scene.source.gate.set()
    scene.begin()

    scene.wait_clear()


@across_restarts
@by_any_end
def test_a_future_that_was_asked_for_between_two_incarnations_costs_no_name(
    ask: Any, end: Any, scene: Scene
) -> None:
    scene.stock()
    scene.end()
    futures = [ask(scene)]

    end(futures)
    scene.begin()

    scene.wait_clear()


class Struck(BaseException):
    """What strikes a caller."""


class Noting(list[Any]):
    """A list that tells when something has been put into it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_filled = threading.Event()

    def append(self, item: Any) -> None:
        super().append(item)
        self.is_filled.set()


def test_a_caller_that_is_struck_as_it_reads_the_next_incarnations_answer_costs_no_name(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def struck(_: object) -> None:
        raise Struck

    def restart() -> None:
        assert parked.is_filled.wait(PATIENCE)
        scene.begin()

    scene.stock()
    scene.end()
    monkeypatch.setattr("namepool.pool.ref.received", struck)
    scene.handle._parked = parked = Noting()
    supervisor = threading.Thread(target=restart)
    supervisor.start()

    with pytest.raises(Struck) as caught:
        scene.handle.ask(CheckoutName(), timeout=PATIENCE)

    supervisor.join(PATIENCE)
    scene.wait_clear()
    assert caught.tb is not None  # whose frames hold the answer


@across_restarts
@by_those_unread
def test_a_future_that_the_next_incarnation_has_granted_costs_no_name(
    ask: Any, end: Any, scene: Scene
) -> None:
    scene.stock()
    scene.end()
    futures = [ask(scene)]
    scene.begin()
    assert scene.pool.pool_stats().checked_out_count == 1

    end(futures)

    scene.wait_clear()


@across_restarts
@by_those_unread
def test_a_future_that_waited_across_a_restart_and_was_granted_costs_no_name(
    ask: Any, end: Any, scene: Scene
) -> None:
    futures = [ask(scene)]
    scene.source.wait_asked()
    scene.end()
    scene.source.gate.set()
    scene.begin()
    wait_until(lambda: scene.pool.pool_stats().checked_out_count == 1, scene.ref)

    end(futures)

    scene.wait_clear()


@across_restarts
@by_those_unread
def test_a_granted_future_that_is_not_read_before_the_pool_restarts_costs_no_name(
    ask: Any, end: Any, scene: Scene
) -> None:
    scene.stock()
    futures = [ask(scene)]
    scene.end()

    end(futures)
    scene.begin()

    scene.wait_clear()


def test_a_future_of_an_association_need_not_be_read(scene: Scene) -> None:
    scene.ref.proxy().associate_name("Saved Sue")
    gc.collect()

    assert scene.pool.get_name_by_owner() == scene.pool.speaker() == "Saved Sue"
    assert scene.pool.pool_stats().checked_out_count == 1


# -- somebody reads it ----------------------------------------------------------------------


@by_any_way
def test_what_was_read_is_kept_when_the_future_is_dropped(ask: Any, scene: Scene) -> None:
    scene.stock()
    futures = [ask(scene)]
    answer = futures[0].get(timeout=PATIENCE)
    name = answer.name if isinstance(answer, Lease) else answer

    dropped(futures)

    assert [lease.name for lease in scene.pool.leases()] == [name]


@across_restarts
def test_a_future_is_answered_by_the_next_incarnation_and_spoken_where_it_is_read(
    ask: Any, scene: Scene
) -> None:
    scene.stock()
    scene.end()
    future = ask(scene)
    reader, results = started(lambda: contextvars.copy_context().run(future.get))
    scene.begin()
    reader.join(PATIENCE)

    answer = future.get(timeout=PATIENCE)

    name = answer.name if isinstance(answer, Lease) else answer
    assert results == [answer]
    assert scene.pool.speaker() == scene.pool.get_name_by_owner() == name
    inherited = contextvars.copy_context()
    assert on_thread(lambda: inherited.run(scene.pool.speaker)) == name
    assert scene.pool.pool_stats().checked_out_count == 1


# -- a caller that blocks -------------------------------------------------------------------


def test_a_caller_that_gives_up_between_two_incarnations_costs_no_name(scene: Scene) -> None:
    scene.stock()
    scene.end()
    with pytest.raises(pykka.Timeout):
        scene.handle.ask(CheckoutName(timeout=None), timeout=0.01)

    scene.begin()

    scene.wait_clear()


def test_a_caller_that_gives_up_while_it_waits_costs_no_name(scene: Scene) -> None:
    with pytest.raises(pykka.Timeout):
        scene.handle.ask(CheckoutName(timeout=None), timeout=0.01)

    scene.source.gate.set()
    wait_until(lambda: scene.pool.pool_stats().fetching_count == 0, scene.ref)

    scene.wait_clear()


def test_a_caller_that_the_next_incarnation_answers_speaks_under_the_name_with_what_it_starts(
    scene: Scene,
) -> None:
    scene.stock()
    scene.end()

    def agent() -> tuple[str, str, str]:
        name = scene.handle.ask(CheckoutName(), timeout=PATIENCE)
        context = contextvars.copy_context()
        return name, scene.pool.speaker(), on_thread(lambda: context.run(scene.pool.speaker))

    thread, results = started(agent)
    scene.begin()
    thread.join(PATIENCE)

    assert len(set(results[0])) == 1
    assert len(scene.pool.leases()) == 1


# -- sent again -----------------------------------------------------------------------------


TOKENS: dict[str, Callable[[PoolState], Any]] = {
    "checkout": asked_for,
    "this very name": lambda state: to_take(state, "Saved Sue"),
    "association": lambda state: to_speak(state, "Saved Sue"),
    "block": lambda state: _of_block(to_speak(state, "Saved Sue")),
}
of_any_kind = pytest.mark.parametrize("make", TOKENS.values(), ids=TOKENS.keys())


def _of_block(token: Any) -> Any:
    token.in_block = True
    return token


@of_any_kind
def test_a_request_that_is_sent_again_is_answered_alike_and_granted_once(
    make: Any, scene: Scene
) -> None:
    scene.stock()
    token = make(scene.state)
    answers = [scene.ref.ask(token, timeout=PATIENCE)]
    answers.append(scene.ref.ask(token, timeout=PATIENCE))
    with scene.ref.actor_inbox.turn:
        queued = scene.ref.ask(token, block=False)
    answers.append(queued.get(timeout=PATIENCE))
    scene.end()
    scene.begin()
    answers.append(scene.handle.ask(token, timeout=PATIENCE))

    assert len(set(answers)) == 1
    (lease,) = scene.pool.leases()
    assert lease.name == answers[0]
    assert lease.speakers == (token.owner,)


def test_a_waiting_request_that_is_sent_again_waits_once_in_its_old_place(scene: Scene) -> None:
    first, second = [asked_for(scene.state, owner) for owner in ("first", "second")]
    futures = [scene.ref.ask(token, block=False) for token in (first, second, first)]
    scene.source.wait_asked()
    assert scene.pool.pool_stats().waiting_count == 2

    scene.source.gate.set()

    assert [future.get(timeout=PATIENCE) for future in futures[1:]] == ["Name 2", "Name 1"]
    assert scene.pool.pool_stats().checked_out_count == 2


@of_any_kind
def test_a_request_that_is_sent_again_after_its_end_is_not_granted(make: Any, scene: Scene) -> None:
    scene.stock()
    token = make(scene.state)
    name = scene.ref.ask(token, timeout=PATIENCE)
    scene.ref.actor_inbox.run(scene.state.end, token)
    other = scene.pool.associate_name(name, owner="other")

    with pytest.raises(NameHeld if isinstance(token, Taking) else LookupError):
        scene.ref.ask(token, timeout=PATIENCE)

    assert scene.pool.get_name_by_owner("other") == other
    assert scene.pool.pool_stats().checked_out_count == 1


@of_any_kind
def test_a_request_that_was_given_up_before_it_is_handled_is_not_granted(
    make: Any, scene: Scene
) -> None:
    scene.stock()
    token = make(scene.state)
    scene.ref.actor_inbox.run(scene.state.end, token)

    with pytest.raises(LookupError, match="given up"):
        scene.ref.ask(token, timeout=PATIENCE)

    assert scene.pool.pool_stats().checked_out_count == 0


def test_a_name_that_another_has_is_not_taken_by_sending_again(scene: Scene) -> None:
    with owner_scope("other"):
        scene.ref.ask(AssociateName("Saved Sue"))
    token = to_take(scene.state, "Saved Sue")
    for _ in range(2):
        with pytest.raises(NameHeld):
            scene.ref.ask(token, timeout=PATIENCE)
    scene.ref.ask(CheckinName("Saved Sue", "other"))

    assert scene.ref.ask(token, timeout=PATIENCE) == "Saved Sue"


def test_a_name_is_numbered_anew_at_each_checkout() -> None:
    ref = NamePool.start(source=NumberedNames(), chunk_size=1, low_water_mark=0, reuse_gap=0)
    leases = []
    for _ in range(2):
        leases.append(ref.ask(CheckoutLease()))
        ref.ask(CheckinName(leases[-1].name))

    assert leases[0].name == leases[1].name
    assert leases[0].token < leases[1].token
