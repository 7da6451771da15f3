"""``pykka.ActorRegistry.stop_all()``, the way most Pykka programs end, stops a tree in order."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import logging, sys, threading
import pykka
import namepool
from namepool import ChildSpec, NamePool, NumberedNames, Supervisor
from namepool.actors import Backoff

logging.basicConfig(level=logging.WARNING)
stops = []
BORNE = 3  # Deaths of children that the inner supervisor bears.

class Stock(pykka.ThreadingActor):
    def __init__(self, name):
        super().__init__()
        self.name = name
    def on_receive(self, message):
        raise LookupError(message)
    def on_stop(self):
        stops.append(self.name)

class Watched(NamePool):
    def on_stop(self):
        stops.append("names")
        super().on_stop()

def stock(name, **options):
    return ChildSpec(id=name, actor_class=Stock, kwargs={"name": name}, **options)

def names():
    return Watched.child_spec(id="names", source=NumberedNames())

def tree():
    inner = Supervisor.child_spec(id="inner", children=[stock("c"), stock("d")],
                                  max_restarts=BORNE, max_seconds=3600.0)
    middle = Supervisor.child_spec(id="middle", children=[stock("b"), inner, stock("e")])
    return Supervisor.start(children=[names(), stock("a"), middle, stock("f")])

IN_REVERSE = ["f", "e", "d", "c", "b", "a", "names"]

def kill(handle):
    # Let an incarnation die, and wait for the next one.
    logging.disable(logging.ERROR)
    died = handle.current
    died.tell("die")
    died.actor_stopped.wait(20)
    while handle.current in (died, None):
        pass
    logging.disable(logging.NOTSET)

def a_pool_alone():
    pool = Watched.start(source=NumberedNames())
    pool.ask(namepool.CheckoutName())
    return ["names"]

def a_pool_that_was_opened():
    pool = namepool.open_pool(source=NumberedNames())
    pool.checkout_name()
    globals()["kept"] = pool
    return []

def a_tree():
    tree()
    return IN_REVERSE

def two_trees():
    tree(), Stock.start("z")
    Supervisor.start(children=[stock("y")])
    return ["y", "z", *IN_REVERSE]

def a_tree_whose_children_were_restarted():
    root = tree()
    middle = root.handle("middle").current
    inner = middle.handle("inner").current
    for handle in (root.handle("a"), inner.handle("c"), middle.handle("b")):
        kill(handle)
    return IN_REVERSE

def a_tree_whose_inner_supervisor_was_restarted():
    root = tree()
    inner = root.handle("middle").current.handle("inner")
    before = inner.current
    c = before.handle("c")
    for _ in range(BORNE + 1):
        kill(c)
    while inner.current in (before, None) or not inner.current.lifecycle.is_up.is_set():
        pass
    stops.clear()
    return IN_REVERSE

def a_tree_with_children_started_since():
    root = tree()
    inner = root.handle("middle").current.handle("inner").current
    inner.proxy().start_child(stock("late")).get()
    root.proxy().start_child(stock("later")).get()
    return ["later", "f", "e", "late", "d", "c", "b", "a", "names"]

def a_tree_with_a_child_being_restarted():
    root = Supervisor.start(children=[stock("a"), stock("b"), stock("c")],
                            backoff=Backoff(3600.0, 7200.0))
    b = root.handle("b")
    logging.disable(logging.ERROR)
    died = b.current
    died.tell("die")
    died.actor_stopped.wait(20)
    while root.proxy().which_children().get()[1].state != "restarting":
        pass
    logging.disable(logging.NOTSET)
    return ["c", "a"]

expected = globals()[sys.argv[1]]()
pykka.ActorRegistry.stop_all()
assert stops == expected, (stops, expected)
assert pykka.ActorRegistry.get_all() == []
left = [t for t in threading.enumerate() if t is not threading.main_thread()]
for thread in left:
    thread.join(5)
assert not any(thread.is_alive() for thread in left), left
"""


@pytest.mark.parametrize(
    "what",
    [
        "a_pool_alone",
        "a_pool_that_was_opened",
        "a_tree",
        "two_trees",
        "a_tree_whose_children_were_restarted",
        "a_tree_whose_inner_supervisor_was_restarted",
        "a_tree_with_children_started_since",
        "a_tree_with_a_child_being_restarted",
    ],
)
def test_stop_all_stops_in_the_supervisors_order_each_actor_once_and_says_nothing(
    what: str,
) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, what],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
