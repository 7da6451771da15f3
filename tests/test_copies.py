"""What an agent may hold can be copied with it, and says why it cannot be pickled."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pykka
import pytest
import structlog

import namepool
from namepool import (
    AsyncPoolHandle,
    ChildSpec,
    FallbackSource,
    ListedNames,
    NamedExecutor,
    NamePool,
    Nomenclater,
    NumberedNames,
    OfflineNames,
    Supervisor,
    events,
    open_pool,
)
from namepool.actors import Reply, ServiceActor
from namepool.actors.never_copied import NeverCopied
from namepool.attribution.logging import AgentFilter
from namepool.attribution.otel import AgentSpanProcessor
from namepool.attribution.structlog import AgentProcessor
from namepool.core.links import Link
from namepool.ledgers import Book, MemoryLedger, RedisLedger, SQLiteLedger
from namepool.ledgers.server import Server

OPEN = "open a pool there, or share names through a ledger"
START = "start an actor there"
MAKE = "make another there"
OPEN_LEDGER = "open the ledger there, for a session of its own"
SHARE = "use a ledger in a file or on a server"


class Idle(ServiceActor):
    """An actor of ours."""


class Plain(pykka.ThreadingActor):
    """An actor that knows nothing of us."""


@contextlib.contextmanager
def _of_a_pool(get: Callable[[Any], Any]) -> Iterator[Any]:
    with open_pool(source=NumberedNames()) as pool:
        yield get(pool)


@contextlib.contextmanager
def _of_a_ref(get: Callable[[Any], Any]) -> Iterator[Any]:
    ref = NamePool.start(source=NumberedNames())
    yield get(ref)
    ref.stop()


@contextlib.contextmanager
def _of_a_supervisor(get: Callable[[Any], Any]) -> Iterator[Any]:
    root = Supervisor.start(children=[ChildSpec("idle", Idle), ChildSpec("plain", Plain)])
    yield get(root)
    root.stop()


def _ignore(event: object) -> None:
    """Be told."""


SHARED: dict[str, tuple[Callable[[], Any], str]] = {
    "PoolHandle": (lambda: _of_a_pool(lambda pool: pool), OPEN),
    "AsyncPoolHandle": (lambda: _of_a_pool(AsyncPoolHandle), OPEN),
    "NamePoolRef": (lambda: _of_a_ref(lambda ref: ref), OPEN),
    "NamePoolProxy": (lambda: _of_a_ref(lambda ref: ref.proxy()), OPEN),
    "Reply": (
        lambda: _of_a_ref(lambda ref: ref.proxy().pool_stats()),
        "send the value that get() returns",
    ),
    "Subscription": (
        lambda: _of_a_pool(lambda pool: pool.subscribe(_ignore)),
        "subscribe there, to a pool of that process",
    ),
    "SupervisorRef": (lambda: _of_a_supervisor(lambda root: root), START),
    "ActorHandle": (lambda: _of_a_supervisor(lambda root: root.handle("idle")), START),
    "ServiceRef": (lambda: _of_a_supervisor(lambda root: root.handle("idle").current), START),
    "QueuingRef": (lambda: _of_a_supervisor(lambda root: root.handle("plain").current), START),
    "QueuingProxy": (lambda: _of_a_supervisor(lambda root: root.handle("plain").proxy()), START),
    "OfflineNames": (lambda: contextlib.nullcontext(OfflineNames(seed=1)), MAKE),
    "ListedNames": (lambda: contextlib.nullcontext(ListedNames(["Ada"])), MAKE),
    "NumberedNames": (lambda: contextlib.nullcontext(NumberedNames()), MAKE),
    "FallbackSource": (lambda: contextlib.nullcontext(FallbackSource(NumberedNames())), MAKE),
    "Nomenclater": (
        lambda: contextlib.nullcontext(Nomenclater("m", "http://127.0.0.1:9", "sk-12345")),
        MAKE,
    ),
    "NamedExecutor": (lambda: NamedExecutor(1), MAKE),
    "AgentFilter": (lambda: _of_a_pool(AgentFilter), MAKE),
    "AgentProcessor": (lambda: _of_a_pool(AgentProcessor), MAKE),
    "AgentSpanProcessor": (lambda: _of_a_pool(AgentSpanProcessor), MAKE),
    "Book": (lambda: contextlib.nullcontext(Book()), SHARE),
    "MemoryLedger": (lambda: contextlib.closing(MemoryLedger()), SHARE),
    "SQLiteLedger": (lambda: contextlib.closing(SQLiteLedger("/nowhere/names.db")), OPEN_LEDGER),
    "RedisLedger": (lambda: contextlib.closing(RedisLedger("redis://127.0.0.1:9")), OPEN_LEDGER),
    "Server": (
        lambda: contextlib.closing(Server("redis://127.0.0.1:9", 1.0, cluster=False)),
        "open the ledger there",
    ),
}


@pytest.fixture(params=SHARED)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shared(kind: str) -> Iterator[Any]:
    make, _ = SHARED[kind]
    with make() as thing:
        yield thing


@dataclasses.dataclass
class State:
    """The state of an agent."""

    goal: list[str]
    held: Any


class Agent:
    """An agent as frameworks have it: its state, and what it works with."""

    def __init__(self, held: Any) -> None:
        self.held = held
        self.state = State(["plan"], {"tools": [held, (held,)]})
        self.act = functools.partial(print, held)


def test_a_copy_is_the_thing_itself(shared: Any) -> None:
    assert copy.copy(shared) is shared
    assert copy.deepcopy(shared) is shared


def test_an_agent_that_holds_it_is_copied_deeply_and_shares_it(shared: Any) -> None:
    agent = Agent(shared)
    twins: list[Agent] = [copy.deepcopy(agent), *copy.deepcopy((agent, {"again": agent}))[:1]]
    for twin in twins:
        assert twin is not agent
        assert twin.state.goal == ["plan"]
        assert twin.state.goal is not agent.state.goal
        assert twin.state.held is not agent.state.held
        assert twin.held is shared
        assert twin.state.held["tools"][0] is twin.state.held["tools"][1][0] is shared
        assert twin.act.args[0] is shared


def test_a_dataclass_that_holds_it_is_told_as_a_dict(shared: Any) -> None:
    assert dataclasses.asdict(State([], shared))["held"] is shared
    assert dataclasses.replace(State([], shared)).held is shared


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_it_says_in_one_sentence_what_to_do_instead(
    kind: str, shared: Any, protocol: int
) -> None:
    expected = f"this {kind} cannot be pickled, as it cannot leave its process: {SHARED[kind][1]}"
    for held in (shared, State([], [shared]), Agent((shared,))):
        with pytest.raises(TypeError) as refusal:
            pickle.dumps(held, protocol)
        assert str(refusal.value) == expected


def test_a_method_of_it_is_refused_as_it_is() -> None:
    with open_pool(source=NumberedNames()) as pool, pytest.raises(TypeError, match="PoolHandle"):
        pickle.dumps(pool.checkout_name)


def test_an_argument_of_a_spawned_process_is_refused_with_the_same_words(tmp_path: Path) -> None:
    program = tmp_path / "program.py"  # in a process of its own: spawning leaves a tracker behind
    program.write_text(
        "import multiprocessing, namepool\n"
        "if __name__ == '__main__':\n"
        "    with namepool.open_pool(source=namepool.NumberedNames()) as pool:\n"
        "        spawn = multiprocessing.get_context('spawn')\n"
        "        try:\n"
        "            spawn.Process(target=print, args=({'pool': pool},)).start()\n"
        "        except TypeError as error:\n"
        "            print(error)\n"
    )
    run = subprocess.run([sys.executable, program], capture_output=True, text=True, check=True)
    cannot = "this PoolHandle cannot be pickled, as it cannot leave its process"
    assert (run.stdout, run.stderr) == (f"{cannot}: {OPEN}\n", "")


def test_a_copied_agent_works_with_the_same_pool() -> None:
    with open_pool(source=NumberedNames()) as pool:
        with pool.named() as name:
            twin = copy.deepcopy(Agent(pool))
            assert twin.held.speaker() == name
        with twin.held.named() as another:
            assert another != name
        assert pool.pool_stats().checked_out_count == 0


def test_a_copy_does_not_close_the_pool_when_it_goes() -> None:
    with open_pool(source=NumberedNames()) as pool:
        twin = copy.deepcopy(Agent(pool))
        del twin
        assert pool.checkout_name() == "NPC #1"


def test_a_handle_that_was_copied_still_works_after_a_restart() -> None:
    root = Supervisor.start(children=[NamePool.child_spec("names", source=NumberedNames())])
    handle = copy.deepcopy({"names": root.handle("names")})["names"]
    root.proxy().terminate_child("names").get()
    root.proxy().restart_child("names").get()
    assert namepool.PoolHandle(handle).checkout_name() == "NPC #1"
    root.stop()


def test_the_proxy_of_any_actor_of_ours_still_calls_it() -> None:
    root = Supervisor.start(children=[ChildSpec("idle", Idle)])
    twin = copy.deepcopy(root.proxy())
    assert [child.id for child in twin.which_children().get()] == ["idle"]
    assert copy.deepcopy(twin.count_children)().get().active == 1
    root.stop()


def test_an_agent_is_copied_with_its_logger() -> None:
    lines: list[str] = []

    def told(_: object, __: str, event: structlog.typing.EventDict) -> str:
        lines.append(f"{event['agent']}: {event['event']}")
        raise structlog.DropEvent

    with open_pool(source=NumberedNames()) as pool, pool.named():
        log = structlog.wrap_logger(None, processors=[AgentProcessor(pool), told]).bind()
        copy.deepcopy(Agent(log)).held.info("starting")
    assert lines == ["NPC #1: starting"]


def test_a_lease_is_copied_with_its_agent_as_itself_and_given_back_by_the_copy() -> None:
    with open_pool(source=NumberedNames()) as pool:
        lease = pool._ask(namepool.CheckoutLease())
        held = copy.deepcopy(Agent(lease)).held
        assert held is copy.copy(lease) is lease
        assert (held.name, held.token) == (pool.speaker(), lease.token)
        assert pool._ask(namepool.CheckinLease(held)) is True
        assert pool._ask(namepool.CheckinLease(lease)) is False


def test_a_copied_future_is_read_by_whoever_holds_it() -> None:
    reply = copy.deepcopy([Reply.resolved("Ada")])[0]
    assert reply.get() == "Ada"
    assert copy.deepcopy(reply.map(str.upper)).get() == "ADA"


def test_a_source_in_two_agents_never_gives_a_name_twice() -> None:
    agent = Agent(NumberedNames())
    twin = copy.deepcopy(agent)
    assert agent.held.fetch(2, ()) + twin.held.fetch(2, ()) == [f"NPC #{n}" for n in range(1, 5)]


class Saved(NumberedNames):
    """A source of somebody else's, who knows how to pickle it."""

    def __reduce__(self) -> Any:
        return Saved, ()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_subclass_may_say_how_it_is_pickled(protocol: int) -> None:
    assert isinstance(pickle.loads(pickle.dumps(Saved(), protocol)), Saved)  # noqa: S301


def test_no_class_of_ours_is_forgotten() -> None:
    def below(kind: type[Any]) -> Iterator[type[Any]]:
        for sub in type.__subclasses__(kind):
            yield sub
            yield from below(sub)

    found = [kind for kind in below(NeverCopied) if kind.__module__.startswith("namepool.")]
    ours = {kind.__name__ for kind in found if not issubclass(kind, Link)}  # see test_speaking
    inner = {"Endpoint", "Asker", "Line", "Call", "Chunk", "Answer"}  # see test_pickling
    bases = {"Engine", "Looking", "SessionLedger", "Tables", "TextLedger", "Face"}
    assert ours - bases - inner == set(SHARED)


# What is a value is copied and pickled as one


def test_values_are_copied_and_pickled_as_values() -> None:
    seen: list[events.PoolEvent] = []
    with open_pool(source=NumberedNames(), leak_after=100) as pool:
        with pool.subscribe(seen.append):
            pool.checkout_name()
            values = [*pool.leases(), pool.pool_stats(), namepool.CheckoutName(theme="sea")]
        for value in [*values, *seen]:
            assert copy.deepcopy(value) == value
            assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301
