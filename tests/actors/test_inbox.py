"""The turn: who runs what in it, what is put right first, and what is signalled."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from pykka._envelope import Envelope

from namepool.actors import LATER, ServiceActor, ServiceRef, WouldDeadlock
from namepool.actors.inbox import Inbox
from tests.support import PATIENCE, on_thread, run_together, switching_often


class Ledger:
    """Guarded by an inbox: counts how often it was put right."""

    def __init__(self) -> None:
        self.torn = False
        self.recoveries: list[threading.Thread] = []
        self.errors: list[Exception] = []

    def recover(self) -> None:
        if self.errors:
            raise self.errors.pop()
        self.recoveries.append(threading.current_thread())
        self.torn = False


class Clerk(ServiceActor):
    """Runs the functions it is sent, and writes down all else and what is signalled."""

    non_blocking = True

    def __init__(self, ledger: Ledger | None = None, signal: Any = None) -> None:
        super().__init__()
        self.notes: list[object] = []
        self.failures: list[BaseException] = []
        if ledger is not None:
            self.actor_inbox.guarded = ledger
        if signal is not None:
            self.actor_inbox.signal = signal

    def on_signal(self, signalled: Any) -> None:
        if self.failures:
            raise self.failures.pop()
        self.notes.append(signalled)

    def on_receive(self, message: Any) -> Any:
        if callable(message):
            return message()
        self.notes.append(message)
        return list(self.notes)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def ref(ledger: Ledger) -> ServiceRef[Any]:
    return up(Clerk.start(ledger))


def up(ref: ServiceRef[Any]) -> ServiceRef[Any]:
    """Return ``ref`` once its actor is idle, so that callers may run their requests."""
    with idle(ref):
        return ref


@contextmanager
def idle(ref: ServiceRef[Any]) -> Iterator[None]:
    """Have the turn, from the moment at which the actor waits for a message."""
    while True:
        ref.ask(lambda: None, timeout=PATIENCE)
        if ref.actor_inbox.turn.acquire(timeout=PATIENCE):
            try:
                if ref.actor_inbox.is_open and not ref.actor_inbox.queue:
                    yield
                    return
            finally:
                ref.actor_inbox.turn.release()


def own_thread_of(ref: ServiceRef[Any]) -> threading.Thread:
    threads: queue.SimpleQueue[threading.Thread] = queue.SimpleQueue()
    ref.tell(lambda: threads.put(threading.current_thread()))
    return threads.get(timeout=PATIENCE)


def is_free(inbox: Inbox) -> bool:
    """Tell whether another thread could take the turn."""

    def take() -> bool:
        taken: bool = inbox.turn.acquire(timeout=PATIENCE)
        if taken:
            inbox.turn.release()
        return taken

    return on_thread(take)


# -- run ------------------------------------------------------------------------------------


def test_an_operation_runs_on_its_callers_thread_in_the_turn(ref: ServiceRef[Any]) -> None:
    inbox = ref.actor_inbox

    def operation(about: object) -> tuple[object, threading.Thread, bool]:
        return about, threading.current_thread(), inbox.has_turn()

    assert inbox.run(operation, "this") == ("this", threading.current_thread(), True)
    assert not inbox.has_turn()
    assert is_free(inbox)


def test_what_an_operation_raises_its_caller_gets_and_the_turn_is_free(
    ref: ServiceRef[Any],
) -> None:
    def operation(_: object) -> None:
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        ref.actor_inbox.run(operation, None)

    assert is_free(ref.actor_inbox)


def test_an_operation_may_say_later_itself(ref: ServiceRef[Any]) -> None:
    assert ref.actor_inbox.run(lambda _: LATER, None) is LATER


def test_while_another_thread_has_the_turn_an_operation_is_for_later(ref: ServiceRef[Any]) -> None:
    inbox = ref.actor_inbox
    with idle(ref):
        assert on_thread(lambda: inbox.run(_must_not_run, None)) is LATER


def test_inside_the_turn_an_operation_is_for_later(ref: ServiceRef[Any]) -> None:
    inbox = ref.actor_inbox

    assert inbox.run(lambda _: (inbox.run(_must_not_run, None), inbox.has_turn()), None) == (
        LATER,
        True,
    )


def test_behind_a_queued_message_an_operation_is_for_later(ref: ServiceRef[Any]) -> None:
    inbox = ref.actor_inbox
    with idle(ref):
        inbox.queue.append(Envelope("told"))  # nobody is woken: the turn stays free

    assert inbox.run(_must_not_run, None) is LATER

    inbox.wake()
    assert ref.ask("asked", timeout=PATIENCE) == ["told", "asked"]


def test_an_operation_is_for_later_before_the_actor_is_up_and_after_it_is_dead() -> None:
    gate, starting = threading.Event(), threading.Event()

    class Slow(Clerk):
        def on_start(self) -> None:
            starting.set()
            gate.wait(PATIENCE)

    ref = Slow.start()
    assert starting.wait(PATIENCE)
    assert ref.actor_inbox.run(_must_not_run, None) is LATER
    gate.set()
    up(ref)
    ref.stop()
    assert ref.wait_gone(PATIENCE)

    assert ref.actor_inbox.run(_must_not_run, None) is LATER


def _must_not_run(_: object) -> None:
    raise AssertionError("it ran")


def test_operations_of_many_callers_run_one_at_a_time(ref: ServiceRef[Any]) -> None:
    inbox, inside, disturbed, done = ref.actor_inbox, threading.Lock(), [], []

    def operation(number: int) -> None:
        if not inside.acquire(blocking=False):
            disturbed.append(number)
            return
        done.append(number)
        inside.release()

    def caller() -> None:
        for number in range(300):
            while inbox.run(operation, number) is LATER:
                ref.ask("in between", timeout=PATIENCE)

    with switching_often():
        run_together([caller] * 3)

    assert disturbed == []
    assert sorted(done) == sorted([*range(300)] * 3)


# -- torn -----------------------------------------------------------------------------------


def tear(ledger: Ledger) -> Callable[[object], None]:
    def operation(_: object) -> None:
        ledger.torn = True
        raise KeyboardInterrupt

    return operation


def test_what_a_caller_left_half_done_the_next_caller_puts_right(
    ref: ServiceRef[Any], ledger: Ledger
) -> None:
    own_thread = own_thread_of(ref)
    with pytest.raises(KeyboardInterrupt):
        ref.actor_inbox.run(tear(ledger), None)

    def caller() -> tuple[threading.Thread, object]:
        return threading.current_thread(), ref.actor_inbox.run(lambda _: ledger.torn, None)

    thread, was_torn = on_thread(caller)
    assert was_torn is not True  # ``LATER``: the actor's own thread is at it, which was woken
    ref.ask("anything")
    assert ledger.recoveries in ([thread], [own_thread])


def test_what_a_caller_left_half_done_the_actor_puts_right_before_its_next_message(
    ref: ServiceRef[Any], ledger: Ledger
) -> None:
    own_thread = own_thread_of(ref)
    seen: queue.SimpleQueue[bool] = queue.SimpleQueue()
    with idle(ref):
        ref.tell(lambda: seen.put(ledger.torn))
        ledger.torn = True  # as by a caller that is struck while this is being sent

    assert seen.get(timeout=PATIENCE) is False
    assert ledger.recoveries == [own_thread]


def test_nothing_is_put_right_that_is_whole(ref: ServiceRef[Any], ledger: Ledger) -> None:
    ref.actor_inbox.run(lambda _: None, None)
    ref.ask("asked", timeout=PATIENCE)
    own_thread_of(ref)

    assert ledger.recoveries == []


def test_one_who_does_not_get_the_turn_puts_nothing_right(
    ref: ServiceRef[Any], ledger: Ledger
) -> None:
    with idle(ref):
        ledger.torn = True
        on_thread(lambda: ref.actor_inbox.run(_must_not_run, None))
        assert ledger.recoveries == []


def test_a_caller_that_is_struck_while_it_puts_things_right_leaves_that_to_the_next(
    ref: ServiceRef[Any], ledger: Ledger
) -> None:
    ledger.torn, ledger.errors = True, [MemoryError()]
    with pytest.raises(MemoryError):
        ref.actor_inbox.run(_must_not_run, None)
    assert ledger.torn

    assert ref.actor_inbox.run(lambda _: ledger.torn, None) is False


def test_an_actor_without_memory_to_put_things_right_tries_again_and_loses_no_message(
    ref: ServiceRef[Any], ledger: Ledger
) -> None:
    seen: queue.SimpleQueue[bool] = queue.SimpleQueue()
    with idle(ref):
        ref.tell(lambda: seen.put(ledger.torn))
        ledger.torn, ledger.errors = True, [MemoryError(), MemoryError()]

    assert seen.get(timeout=PATIENCE) is False
    assert ref.is_alive()


# -- signals --------------------------------------------------------------------------------


def test_what_was_signalled_is_dealt_with_in_order_before_what_was_queued_after_it(
    ref: ServiceRef[Any],
) -> None:
    with idle(ref):
        ref.tell("queued before")
        ref.actor_inbox.signal.put("first")
        ref.actor_inbox.signal.put("second")
        ref.tell("queued after")

    notes = ref.ask("asked", timeout=PATIENCE)
    assert notes == ["first", "second", "queued before", "queued after", "asked"]


def test_a_signal_is_dealt_with_though_no_message_follows(ref: ServiceRef[Any]) -> None:
    dealt_with = threading.Event()
    actor: Any = ref._actor
    actor.on_signal = lambda _: dealt_with.set()

    ref.actor_inbox.signal.put("signalled")

    assert dealt_with.wait(PATIENCE)


@pytest.mark.parametrize("rounds", [300, pytest.param(5_000, marks=pytest.mark.proof)])
def test_a_senders_signal_never_comes_after_the_message_it_sends_next(
    ref: ServiceRef[Any], rounds: int
) -> None:
    actor: Any = ref._actor

    def sender(who: int) -> None:
        for number in range(rounds):
            ref.actor_inbox.signal.put((who, number, "signalled"))
            ref.tell((who, number, "told"))
            if number % 3 == 0:
                ref.ask((who, number, "asked"), timeout=PATIENCE)

    with switching_often():
        run_together([partial(sender, who) for who in range(3)])
    ref.ask("the last", timeout=PATIENCE)

    places = {note: place for place, note in enumerate(actor.notes)}
    assert len(places) == len(actor.notes)
    for who in range(3):
        for number in range(rounds):
            assert places[who, number, "signalled"] < places[who, number, "told"]


def test_signals_come_when_the_actor_is_whole(ref: ServiceRef[Any], ledger: Ledger) -> None:
    seen: queue.SimpleQueue[bool] = queue.SimpleQueue()
    actor: Any = ref._actor
    actor.on_signal = lambda _: seen.put(ledger.torn)
    with idle(ref):
        ledger.torn = True
        ref.actor_inbox.signal.put("signalled")

    assert seen.get(timeout=PATIENCE) is False


def test_a_signal_for_which_memory_ended_is_dealt_with_again(ref: ServiceRef[Any]) -> None:
    actor: Any = ref._actor
    actor.failures = [MemoryError()]
    with idle(ref):
        ref.actor_inbox.signal.put("first")
        ref.actor_inbox.signal.put("second")
        ref.tell("told")

    assert ref.ask("asked", timeout=PATIENCE) == ["first", "second", "told", "asked"]


def test_a_signal_that_kills_an_actor_does_not_kill_the_next_one() -> None:
    signal: queue.SimpleQueue[object] = queue.SimpleQueue()
    first = Clerk.start(signal=signal)
    own_thread_of(first)
    actor: Any = first._actor
    actor.failures = [LookupError("lost")]
    signal.put("deadly")
    assert first.wait_gone(PATIENCE)
    signal.put("harmless")  # to nobody in particular

    second = Clerk.start(signal=signal)

    assert second.ask("asked", timeout=PATIENCE) == ["harmless", "asked"]


# -- the actor's own thread -----------------------------------------------------------------


def test_whoever_waits_for_the_actor_on_its_own_thread_between_two_turns_is_refused(
    ref: ServiceRef[Any],
) -> None:
    inbox = ref.actor_inbox
    refused: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
    clock = inbox.clock

    def clock_that_asks() -> float:
        """Be looked at between two turns, where a finaliser may run."""
        if not inbox.has_turn():
            inbox.clock = clock
            ref.tell("told")  # so that what follows is queued
            try:
                ref.ask("from a finaliser", timeout=PATIENCE)
            except WouldDeadlock as error:
                refused.put(error)
        return clock()

    with idle(ref):
        inbox.schedule(1e6, "a timer, so that the clock is read")
        inbox.clock = clock_that_asks
        inbox.wake()

    assert "cannot wait for its own answer" in str(refused.get(timeout=PATIENCE))
    assert ref.ask("asked", timeout=PATIENCE) == ["told", "from a finaliser", "asked"]


def test_who_hears_of_an_actors_death_on_its_thread_is_outside_it() -> None:
    ref = up(Clerk.start())
    is_inside: queue.SimpleQueue[bool] = queue.SimpleQueue()
    ref.watch(lambda _: is_inside.put(ref.actor_inbox.is_mine()))

    ref.stop()

    assert is_inside.get(timeout=PATIENCE) is False


def test_what_is_put_into_a_closed_inbox_is_refused_once() -> None:
    inbox, refused = Inbox(), list[object]()
    inbox.put(Envelope("before"))

    inbox.close(lambda envelope: refused.append(envelope.message))
    inbox.put(Envelope("after"))

    assert refused == ["before", "after"]
    assert inbox.empty()
