"""Supervisors under supervisors: handles by their paths, and what cannot be started again."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pykka
import pytest

from namepool import NamePool, NumberedNames, PoolHandle
from namepool.actors import (
    Backoff,
    ChildNotFound,
    ChildSpec,
    DeleteChild,
    GetHandle,
    RestartChild,
    StartChild,
    Supervisor,
    SupervisorRef,
    TerminateChild,
)
from tests.actors.supervision.support import (
    Journal,
    die,
    kill,
    refs,
    spec,
    states,
    until,
)
from tests.support import PATIENCE, MovableClock, threads_dying


class ClosableNames(NumberedNames):
    """Numbered names; once closed it gives none."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = 0

    def fetch(self, count: int, used: Any) -> Any:
        assert not self.closed, "it is closed"
        return super().fetch(count, used)

    def close(self) -> None:
        self.closed += 1


def tree(*children: ChildSpec, **options: Any) -> SupervisorRef:
    """Return a root with a supervisor ``outer``, and below that ``inner``, which bears no death."""
    inner = Supervisor.child_spec("inner", children=children, max_restarts=0, **options)
    outer = Supervisor.child_spec("outer", children=[inner], max_restarts=50)
    return Supervisor.start(children=[outer])


def inner_of(root: SupervisorRef) -> Any:
    return refs(refs(root)["outer"])["inner"]


def restart_inner(root: SupervisorRef, name: str = "fuse") -> None:
    """Have a child of ``inner`` die; that is one death too many for it."""
    outer, before = refs(root)["outer"], inner_of(root)
    refs(before)[name].tell(die)
    assert before.wait_gone(PATIENCE)
    until(outer, lambda: inner_of(root) not in (None, before))
    until(outer, lambda: set(states(outer).values()) == {"running"})


# -- what a pool in a tree keeps ------------------------------------------------------------


def test_a_pool_in_a_subtree_that_is_restarted_goes_on(journal: Journal) -> None:
    source = ClosableNames()
    pool_spec = NamePool.child_spec("names", source=source, chunk_size=2)
    root = tree(pool_spec, spec("fuse", journal))
    names = PoolHandle(root.handle("outer/inner/names"))
    held = names.checkout_name(owner="keeper")

    for _ in range(3):
        restart_inner(root)
        assert names.get_name_by_owner("keeper") == held
        for _ in range(4):
            names.checkout_name(PATIENCE)

    assert source.closed == 0
    assert names.pool_stats().checked_out_count == 13
    root.stop()
    assert source.closed == 1
    with pytest.raises(pykka.ActorDeadError):
        names.checkout_name(PATIENCE)


def test_a_handle_is_the_same_by_its_path_and_from_its_supervisor(journal: Journal) -> None:
    root = tree(spec("a", journal), spec("fuse", journal))
    handle = root.handle("outer/inner/a")

    assert handle.name == "outer/inner/a"
    assert inner_of(root).handle("a") is handle
    assert root.handle("outer").find("inner/a") is handle
    restart_inner(root)
    assert inner_of(root).handle("a") is handle
    assert root.ask(GetHandle("outer/inner/a")) is handle
    assert handle.generation == 2
    assert handle.ask("?", timeout=PATIENCE) == "a heard ?"


@pytest.mark.parametrize("path", ["x", "outer/x", "outer/inner/x", "inner", "/", "outer/", 7])
def test_a_path_that_leads_nowhere_is_refused(journal: Journal, path: Any) -> None:
    root = tree(spec("a", journal))

    with pytest.raises(ChildNotFound):
        root.handle(path)


def test_an_id_may_have_a_slash(journal: Journal) -> None:
    below = Supervisor.child_spec("x/y", children=[spec("a/b", journal)])
    root = Supervisor.start(children=[spec("x", journal), below])

    assert root.handle("x/y/a/b").ask("?", timeout=PATIENCE) == "a/b heard ?"
    assert root.handle("x").ask("?", timeout=PATIENCE) == "x heard ?"


def test_a_request_waits_for_its_child_while_the_supervisor_above_is_restarted(
    journal: Journal,
) -> None:
    root = tree(spec("a", journal), spec("fuse", journal))
    handle, inner = root.handle("outer/inner/a"), inner_of(root)
    inner.stop()
    inner.wait_gone()

    assert handle.ask("?", timeout=PATIENCE) == "a heard ?"


def test_a_supervisor_that_was_left_behind_takes_nothing_from_its_successor(
    journal: Journal,
) -> None:
    journal.gates["stop slow"] = gate = threading.Event()
    children = [spec("a", journal), spec("slow", journal)]
    inner = Supervisor.child_spec("inner", children=children, shutdown=0.0)
    root = Supervisor.start(children=[inner])
    handle, old = root.handle("inner/a"), refs(root)["inner"]
    root.ask(TerminateChild("inner"), timeout=PATIENCE)
    root.ask(RestartChild("inner"), timeout=PATIENCE)

    gate.set()
    assert old.wait_gone(PATIENCE)

    assert handle.ask("?", timeout=PATIENCE) == "a heard ?"
    assert handle.current is refs(refs(root)["inner"])["a"]


@pytest.mark.parametrize("ends", ["root", "inner"])
def test_an_actor_that_asks_a_sibling_as_both_are_stopped_is_not_waited_for(
    journal: Journal, ends: str
) -> None:
    answers: list[str] = []

    class Asking(pykka.ThreadingActor):
        def on_stop(self) -> None:
            try:
                handles[0].ask("flush")
            except pykka.ActorDeadError as error:
                answers.append(str(error))

    children = [ChildSpec("asking", Asking, shutdown=None), spec("b", journal)]
    root = Supervisor.start(children=[Supervisor.child_spec("inner", children=children)])
    handles = [root.handle("inner/b")]

    root.stop(timeout=PATIENCE) if ends == "root" else refs(root)["inner"].stop(timeout=PATIENCE)

    assert "inner/b is not running: its supervisor is ending" in answers[0]


def test_a_request_that_waits_for_an_actor_with_an_inbox_of_its_own_make_is_answered(
    clock: MovableClock,
) -> None:
    class Own(pykka.ThreadingActor):
        @staticmethod
        def _create_actor_inbox() -> Any:
            return queue.Queue()

        def on_receive(self, message: Any) -> Any:
            if message == "die":
                raise LookupError
            return f"heard {message}"

    backoff = Backoff(first=10.0, longest=10.0)
    root = Supervisor.start(children=[ChildSpec("own", Own)], backoff=backoff)
    clock.drive(root)
    kill(root, "own", "die")
    waiting = root.handle("own").ask("hello", block=False)

    clock.advance(10)

    assert waiting.get(timeout=PATIENCE) == "heard hello"
    assert root.is_alive()


@pytest.mark.parametrize("ends", ["has ended", "was deleted"])
def test_a_handle_of_a_child_that_comes_again_with_its_supervisor_is_valid_again(
    journal: Journal, ends: str
) -> None:
    child = spec("t", journal, restart="temporary" if ends == "has ended" else "permanent")
    root = tree(child, spec("fuse", journal))
    handle, inner = root.handle("outer/inner/t"), inner_of(root)
    if ends == "has ended":
        refs(inner)["t"].stop()
        until(inner, lambda: "t" not in states(inner))
    else:
        inner.ask(TerminateChild("t"))
        inner.ask(DeleteChild("t"))
    with pytest.raises(pykka.ActorDeadError, match=ends):
        handle.ask("?", timeout=PATIENCE)

    restart_inner(root)

    assert handle.ask("?", timeout=PATIENCE) == "t heard ?"


# -- what cannot be started again -----------------------------------------------------------


@pytest.fixture
def abandoned() -> list[str]:
    return []


@pytest.fixture
def keen(journal: Journal, abandoned: list[str]) -> Callable[..., ChildSpec]:
    """Return a spec that says when it is abandoned."""

    def keen(name: str, **fields: Any) -> ChildSpec:
        return spec(name, journal, on_abandon=partial(abandoned.append, name), **fields)

    return keen


def test_children_of_a_supervisor_that_is_started_again_are_not_abandoned(
    abandoned: list[str], keen: Any
) -> None:
    root = tree(keen("a"), keen("fuse"))

    restart_inner(root)
    refs(root)["outer"].stop()
    until(root, lambda: states(root) == {"outer": "running"})

    assert abandoned == []
    root.stop()
    assert sorted(abandoned) == ["a", "fuse"]


def test_a_child_that_was_added_goes_with_its_supervisors_incarnation(
    abandoned: list[str], keen: Any
) -> None:
    root = tree(keen("fuse"))
    inner_of(root).ask(StartChild(keen("added")))
    handle = root.handle("outer/inner/added")

    restart_inner(root)
    waiting = handle.ask("?", block=False)

    assert abandoned == ["added"]
    with pytest.raises(pykka.ActorDeadError, match="started again without it"):
        waiting.get(timeout=PATIENCE)
    with pytest.raises(ChildNotFound):
        root.handle("outer/inner/added")


def test_a_spec_that_was_deleted_and_comes_again_with_its_supervisor_is_not_abandoned(
    abandoned: list[str], keen: Any
) -> None:
    root = tree(keen("a"), keen("fuse"))
    inner_of(root).ask(TerminateChild("a"))
    inner_of(root).ask(DeleteChild("a"))
    assert abandoned == []

    restart_inner(root)

    assert states(inner_of(root)) == {"a": "running", "fuse": "running"}
    root.ask(TerminateChild("outer"))
    assert abandoned == []
    root.ask(DeleteChild("outer"))
    assert sorted(abandoned) == ["a", "fuse"]


def test_a_supervisor_that_makes_its_specs_itself_abandons_them_with_each_incarnation(
    abandoned: list[str], keen: Any
) -> None:
    class Own(Supervisor):
        def __init__(self) -> None:
            super().__init__(children=[keen("a")])

    root = Supervisor.start(children=[ChildSpec("own", Own, kind="supervisor")])
    handle = root.handle("own/a")

    kill_and_wait_for_restart_of_supervisor(root, "own")

    assert abandoned == ["a"]
    assert handle.ask("?", timeout=PATIENCE) == "a heard ?"
    root.stop()
    assert abandoned == ["a", "a"]


def kill_and_wait_for_restart_of_supervisor(root: SupervisorRef, name: str) -> None:
    before = refs(root)[name]
    before.stop()
    until(root, lambda: refs(root)[name] not in (None, before))
    until(root, lambda: states(root)[name] == "running")


def test_a_transient_child_that_has_ended_well_can_be_started_again_with_its_source(
    journal: Journal,
) -> None:
    source = ClosableNames()
    root = Supervisor.start(children=[NamePool.child_spec(source=source, restart="transient")])
    names = PoolHandle(root.handle("namepool"))
    refs(root)["namepool"].stop()
    until(root, lambda: states(root) == {"namepool": "stopped"})

    root.proxy().restart_child("namepool").get(timeout=PATIENCE)

    assert names.checkout_name(PATIENCE) == "NPC #1"
    assert source.closed == 0


def test_an_on_abandon_that_raises_is_logged_and_harms_nobody(
    journal: Journal, abandoned: list[str], keen: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise LookupError("cannot let go")

    bad = partial(spec, journal=journal, on_abandon=fail)
    root = Supervisor.start(children=[keen("a"), bad("b"), keen("c")])
    root.ask(StartChild(bad("d", restart="temporary")))
    refs(root)["d"].stop()
    until(root, lambda: [*states(root)] == ["a", "b", "c"])
    root.ask(TerminateChild("b"))
    root.ask(DeleteChild("b"))
    assert states(root) == {"a": "running", "c": "running"}
    root.ask(StartChild(bad("e")))

    root.stop()

    assert root.lifecycle.reason is None
    assert journal.of("stop") == ["d", "b", "e", "c", "a"]
    assert abandoned == ["c", "a"]
    for name in "bde":
        assert f"on_abandon of the child '{name}' failed" in caplog.text
    assert "cannot let go" in caplog.text


def test_a_child_whose_on_abandon_exits_keeps_none_of_the_others_alive(
    journal: Journal, abandoned: list[str], keen: Any
) -> None:
    exits = spec("c", journal, on_abandon=sys.exit)
    root = Supervisor.start(children=[keen("a"), keen("b"), exits])

    root.stop()

    assert journal.of("stop") == ["c", "b", "a"]
    assert abandoned == ["b", "a"]


def test_the_specs_of_any_iterable_last_as_long_as_their_supervisors(keen: Any) -> None:
    source = ClosableNames()
    specs = {"names": NamePool.child_spec("names", source=source)}
    root = Supervisor.start(children=[Supervisor.child_spec("inner", children=specs.values())])

    kill_and_wait_for_restart_of_supervisor(root, "inner")

    assert source.closed == 0
    root.stop()
    assert source.closed == 1


def test_a_root_whose_on_start_fails_abandons_its_children(abandoned: list[str], keen: Any) -> None:
    class Fallible(Supervisor):
        def on_start(self) -> None:
            raise LookupError("no disk")

    with pytest.raises(pykka.ActorDeadError, match="no disk"):
        Fallible.start(children=[keen("a")])

    assert abandoned == ["a"]


def test_a_child_that_asks_its_supervisor_as_that_ends_is_answered(journal: Journal) -> None:
    asked, answers = threading.Event(), list[str]()

    class Asking(pykka.ThreadingActor):
        def on_receive(self, root: Any) -> None:
            starting = root.ask(StartChild(spec("slow", journal, shutdown=0)), block=False)
            asked.set()
            try:
                starting.get()
            except pykka.ActorDeadError as error:
                answers.append(str(error))

    journal.gates["start slow"] = gate = threading.Event()
    root = Supervisor.start(children=[ChildSpec("asking", Asking, shutdown=None)])
    refs(root)["asking"].tell(root)
    assert asked.wait(PATIENCE)
    until(root, lambda: states(root).get("slow") == "starting")

    root.stop(timeout=PATIENCE)

    assert "its supervisor has stopped" in answers[0]
    gate.set()


@pytest.mark.parametrize("way", ["child_spec", "ChildSpec"])
def test_children_from_an_iterator_are_there_after_a_restart(journal: Journal, way: str) -> None:
    def children() -> Iterator[ChildSpec]:
        yield spec("a", journal)
        yield spec("b", journal)

    if way == "child_spec":
        inner = Supervisor.child_spec("inner", children=children())
    else:
        inner = ChildSpec("inner", Supervisor, kwargs={"children": children()}, kind="supervisor")
    root = Supervisor.start(children=iter([inner]))

    kill_and_wait_for_restart_of_supervisor(root, "inner")

    assert states(refs(root)["inner"]) == {"a": "running", "b": "running"}


def test_a_supervisor_that_cannot_be_started_for_a_while_abandons_nothing(
    journal: Journal, abandoned: list[str], keen: Any
) -> None:
    root = tree(keen("a"))
    outer = refs(root)["outer"]

    with threads_dying(first=2):
        inner_of(root).stop()
        until(outer, lambda: states(outer) == {"inner": "running"})

    assert abandoned == []
    assert root.handle("outer/inner/a").ask("?", timeout=PATIENCE) == "a heard ?"
