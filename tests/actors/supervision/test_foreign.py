"""Each way an actor can die, ours or stock: one report, with its reason, and nobody else dies."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from typing import Any

import pykka
import pytest

from namepool.actors import NotHandled, ServiceActor
from namepool.actors.lifecycle import launch, lifecycle_of
from namepool.actors.supervision.foreign import watched
from tests.support import PATIENCE, run_together, switching_often


class Mortal:
    """Raises what it is told to, where it is told to."""

    def __init__(self, **deaths: BaseException) -> None:
        super().__init__()
        self.deaths = deaths
        self.events: list[str] = []
        if "init" in deaths:
            raise deaths["init"]

    def _meet(self, where: str) -> None:
        self.events.append(where)
        if where in self.deaths:
            raise self.deaths[where]

    def on_start(self) -> None:
        self._meet("on_start")

    def on_stop(self) -> None:
        self._meet("on_stop")

    def on_failure(self, *_: Any) -> None:
        self._meet("on_failure")

    def on_receive(self, message: Any) -> Any:
        if callable(message):
            return message()
        self._meet("handler")
        return message


class OurMortal(Mortal, ServiceActor):
    pass


class StockMortal(Mortal, pykka.ThreadingActor):
    pass


class Bystander(pykka.ThreadingActor):
    pass


BOTH = pytest.mark.parametrize("mortal", [OurMortal, StockMortal], ids=["ours", "stock"])
ERRORS = pytest.mark.parametrize(
    "error",
    [LookupError("lost"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()],
    ids=lambda error: type(error).__name__,
)


class Watched:
    """A launched actor, and the reports of its death."""

    def __init__(self, mortal: type[Any], **deaths: BaseException) -> None:
        self.reports: list[str | None] = []
        self.told = threading.Semaphore(0)
        before = threading.enumerate()
        self.ref: Any = launch(watched(mortal), (), deaths)
        self.threads = [thread for thread in threading.enumerate() if thread not in before]
        self.lifecycle = lifecycle_of(self.ref)
        self.lifecycle.watch(self._report)

    def _report(self, reason: str | None) -> None:
        self.reports.append(reason)
        self.told.release()

    def only_report(self) -> str | None:
        """Wait for the report, and for the thread, so that a second one would be seen."""
        assert self.told.acquire(timeout=PATIENCE)
        for thread in self.threads:
            thread.join(PATIENCE)
        assert len(self.reports) == 1
        assert not self.ref.is_alive()
        assert pykka.ActorRegistry.get_by_urn(self.ref.actor_urn) is None
        with pytest.raises(NotHandled):
            self.ref.ask("?", timeout=PATIENCE)
        return self.reports[0]


def reason_of(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


@BOTH
def test_a_normal_stop_has_no_reason(mortal: type[Any]) -> None:
    watched = Watched(mortal)

    watched.ref.stop()

    assert watched.only_report() is None
    assert watched.lifecycle.is_up.is_set()


@BOTH
@ERRORS
def test_a_failure_in_a_told_handler(mortal: type[Any], error: BaseException) -> None:
    bystander = Bystander.start()
    watched = Watched(mortal, handler=error)
    actor = watched.ref._actor_weakref()
    watched.ref.tell("die")

    assert watched.only_report() == reason_of(error)
    assert actor.events == ["on_start", "handler", "on_failure"]
    assert bystander.is_alive()


@BOTH
def test_a_failure_in_an_asked_handler_is_the_askers(mortal: type[Any]) -> None:
    watched = Watched(mortal, handler=LookupError("lost"))

    with pytest.raises(LookupError, match="lost"):
        watched.ref.ask("fail", timeout=PATIENCE)

    assert watched.ref.is_alive()
    watched.ref.stop()
    assert watched.only_report() is None


@BOTH
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()], ids=repr)
def test_a_base_exception_in_an_asked_handler_ends_this_actor_and_answers(
    mortal: type[Any], error: BaseException
) -> None:
    bystander = Bystander.start()
    watched = Watched(mortal, handler=error)
    actor = watched.ref._actor_weakref()

    with pytest.raises(pykka.ActorDeadError, match="died of"):
        watched.ref.ask("die", timeout=PATIENCE)

    assert watched.only_report() == reason_of(error)
    assert actor.events == ["on_start", "handler", "on_failure"]
    assert bystander.is_alive()


@BOTH
@ERRORS
def test_a_failure_in_on_start(mortal: type[Any], error: BaseException) -> None:
    watched = Watched(mortal, on_start=error)

    assert watched.only_report() == reason_of(error)
    assert not watched.lifecycle.is_up.is_set()


@BOTH
@ERRORS
def test_a_failure_in_on_stop(mortal: type[Any], error: BaseException) -> None:
    watched = Watched(mortal, on_stop=error)
    actor = watched.ref._actor_weakref()

    watched.ref.stop(timeout=PATIENCE)

    assert watched.only_report() == reason_of(error)
    assert actor.events == ["on_start", "on_stop"]


@BOTH
@ERRORS
def test_a_failure_in_on_failure_leaves_the_first_reason(
    mortal: type[Any], error: BaseException
) -> None:
    watched = Watched(mortal, handler=LookupError("first"), on_failure=error)

    watched.ref.tell("die")

    assert watched.only_report() == "LookupError: first"


@BOTH
def test_a_constructor_that_raises_leaves_nothing(mortal: type[Any]) -> None:
    with pytest.raises(LookupError):
        launch(watched(mortal), (), {"init": LookupError("lost")})

    assert pykka.ActorRegistry.get_all() == []


@BOTH
def test_a_thread_that_could_not_start_leaves_nothing(
    mortal: type[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    with pytest.raises(RuntimeError, match="can't start"):
        launch(watched(mortal), (), {})

    assert pykka.ActorRegistry.get_all() == []


@BOTH
@pytest.mark.parametrize("where", ["handler", "on_stop"])
def test_what_is_queued_behind_a_death_is_answered(mortal: type[Any], where: str) -> None:
    gate = threading.Event()
    watched = Watched(mortal, **{where: SystemExit(3)})
    watched.ref.tell(lambda: gate.wait(PATIENCE))
    if where == "handler":
        watched.ref.tell("die")
    stopping = watched.ref.stop(block=False)
    futures = [watched.ref.ask("?", block=False) for _ in range(5)]

    gate.set()

    for future in futures:
        with pytest.raises(NotHandled):
            future.get(timeout=PATIENCE)
    stopping.get(timeout=PATIENCE)
    watched.only_report()


@BOTH
def test_asks_that_race_with_a_death_are_all_answered(mortal: type[Any]) -> None:
    for _ in range(100):
        watched = Watched(mortal, handler=SystemExit(3))
        futures: list[Any] = []

        def asker(ref: Any = watched.ref, futures: list[Any] = futures) -> None:
            futures.extend(ref.ask(int, block=False) for _ in range(10))

        def killer(ref: Any = watched.ref) -> None:
            ref.tell("die")

        with switching_often():
            run_together([asker, asker, killer])
        for future in futures:
            try:
                future.get(timeout=PATIENCE)
            except pykka.ActorDeadError:
                pass
        assert watched.only_report() == "SystemExit: 3"


@BOTH
def test_the_report_keeps_no_traceback_alive(mortal: type[Any]) -> None:
    watched = Watched(mortal, handler=LookupError("lost"))
    watched.ref.tell("die")

    assert isinstance(watched.only_report(), str)
    held = [value for value in vars(watched.lifecycle).values() if isinstance(value, BaseException)]
    assert held == []


def test_a_watched_class_is_made_once_and_keeps_its_name() -> None:
    first, second = launch(watched(StockMortal), (), {}), launch(watched(StockMortal), (), {})

    assert first.actor_class is second.actor_class
    assert first.actor_class.__name__ == "StockMortal"
    assert issubclass(first.actor_class, StockMortal)
    assert pykka.ActorRegistry.get_by_class(StockMortal) == [first, second]


def test_late_and_early_watchers_of_the_start_are_told_once() -> None:
    gate = threading.Event()

    class Slow(pykka.ThreadingActor):
        def on_start(self) -> None:
            gate.wait(PATIENCE)

    lifecycle = lifecycle_of(launch(watched(Slow), (), {}))
    calls: list[str] = []
    lifecycle.watch_up(lambda: calls.append("early"))
    gate.set()
    assert lifecycle.is_up.wait(PATIENCE)
    lifecycle.watch_up(lambda: calls.append("late"))
    pykka.ActorRegistry.stop_all()

    assert sorted(calls) == ["early", "late"]


def test_the_hooks_of_pykka_that_are_overridden_exist() -> None:
    for hook in (
        "_create_actor_inbox",
        "_create_future",
        "_start_actor_loop",
        "_actor_loop",
        "_actor_loop_setup",
        "_actor_loop_teardown",
        "_handle_failure",
        "_handle_receive",
        "_stop",
    ):
        assert callable(getattr(pykka.ThreadingActor, hook))


# -- the interpreter's exit -----------------------------------------------------------------

FORGETFUL = """
import pykka
from namepool.actors import ChildSpec, Supervisor

class Stock(pykka.ThreadingActor):
    def on_stop(self):
        print("stopped", flush=True)

inner = Supervisor.child_spec("inner", children=[ChildSpec("stock", Stock)])
Supervisor.start(children=[inner])
print("at the end", flush=True)
"""


def test_a_stock_actor_in_a_tree_does_not_keep_the_interpreter_from_its_exit() -> None:
    run = subprocess.run(
        [sys.executable, "-c", FORGETFUL], capture_output=True, text=True, timeout=2 * PATIENCE
    )

    assert run.stdout.splitlines() == ["at the end", "stopped"], run.stderr
    assert run.returncode == 0


def test_a_class_that_says_so_itself_keeps_its_kind_of_thread() -> None:
    class Stock(pykka.ThreadingActor):
        pass

    class Keeping(pykka.ThreadingActor):
        use_daemon_thread = False

    class Heir(Keeping):
        pass

    assert watched(Stock).use_daemon_thread  # type: ignore[attr-defined]
    assert not watched(Keeping).use_daemon_thread  # type: ignore[attr-defined]
    assert not watched(Heir).use_daemon_thread  # type: ignore[attr-defined]
    assert not Stock.use_daemon_thread
