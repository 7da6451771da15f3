"""A pool to strike the callers of, and what must be true of it after each strike."""

from __future__ import annotations

import gc
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pykka

import namepool
from namepool import (
    DEFAULT_NAME,
    CheckinName,
    CheckoutName,
    ChildSpec,
    NamePool,
    PoolHandle,
    PoolState,
    PoolStats,
    Subscription,
    Supervisor,
)
from namepool.actors.inbox import Inbox
from namepool.core.leases import Token, speaking_owners
from namepool.pool.subscriptions import Dispatcher
from tests.support import HAS_GIL, PATIENCE, Crews


class Stock(pykka.ThreadingActor):
    """A child that knows nothing of us."""

    use_daemon_thread = True


class QueuingInbox(Inbox):
    """An inbox whose turn no caller gets."""

    is_open = property(lambda _: False, lambda _, value: None)


class QueuingPool(NamePool):
    """A pool that handles each request on its own thread."""

    @staticmethod
    def _create_actor_inbox() -> Inbox:
        return QueuingInbox()


class Source(Crews):
    """Has names of some themes, and fails for that of nobody."""

    def fetch(self, count: int, used: Any, theme: str | None = None) -> list[str]:
        if theme == "nobody":
            raise LookupError("there are none")
        return super().fetch(count, used, theme)


class Scene:
    """A pool, supervised or not, and the state each operation starts from.

    Its supervisor has two more children: ``spare`` runs, ``idle`` does not.
    """

    def __init__(
        self, supervised: bool, pool_class: type[NamePool] = NamePool, **options: Any
    ) -> None:
        options = {"source": Source(), "chunk_size": 24, **options}
        self.root: Any = None
        if supervised:
            spec = pool_class.child_spec(id="names", **options)
            self.root = Supervisor.start(children=[spec], max_restarts=0)
            self.target: Any = self.root.handle("names")
            self.ref: Any = self.target.current
        else:
            self.target = self.ref = pool_class.start(**options)
        self.pool = PoolHandle(self.target)
        self.state: PoolState = self.ref.state
        for theme in (None, "sea"):
            for owner in (None, "asker", "lessee", "future"):  # all are known from the beginning
                name = self.pool.checkout_name(owner=owner, theme=theme)
                self.pool.checkin_name(name, owner=owner)
        self.mine = ""
        """A name that the caller holds, unless it is a newcomer."""
        self.kept = ""
        """A bystander's name, until the pool is reset."""
        self.before: set[str] = set()
        """Both, as they were before the operation."""
        self.told: set[str] = set()
        """Names that calls have returned."""
        self.heard: list[str] = []
        """Under which names a struck caller speaks."""
        self.subscriptions: list[Subscription] = []
        """Those that calls have returned."""
        self.numbers = itertools.count()
        self.dead_ref: Any = NamePool.start(source=Source())
        self.dead_ref.stop()

    def refresh(self) -> None:
        """Let the caller hold one name and a bystander another, as before every operation."""
        for name, speakers in self.leases().items():
            if name != self.kept or speakers != ["bystander"]:
                self.pool.checkin_name(name, owner=next(iter(speakers), "nobody"))
        if self.kept not in self.leases():
            self.kept = self.pool.checkout_name(owner="bystander")
        self.mine = self.pool.checkout_name()
        self.before, self.told, self.heard = {self.mine, self.kept}, set(), []
        if self.root is not None:
            self.tidy()

    def tidy(self) -> None:
        """Bring the supervisor's children back to where they were."""
        root = self.root.proxy()
        states = {child.id: child.state for child in root.which_children().get(timeout=5)}
        if "new" in states:
            root.terminate_child("new").get(timeout=5)
            root.delete_child("new").get(timeout=5)
        for id_ in {"spare", "idle"} - states.keys():
            root.start_child(ChildSpec(id=id_, actor_class=Stock)).get(timeout=5)
        if states.get("spare") == "stopped":
            root.restart_child("spare").get(timeout=5)
        if states.get("idle") != "stopped":
            root.terminate_child("idle").get(timeout=5)

    def leases(self) -> dict[str, list[str]]:
        """Return who speaks under which name that is checked out."""
        leases = self.state.leases.copy().items()
        return {name: [*speaking_owners(lease)] for name, lease in leases}

    def took(self, name: Any) -> Any:
        """Note that ``name`` has reached its caller."""
        self.told.add(name)
        return name

    def new_name(self) -> str:
        """Return a name that the pool has never seen."""
        return f"Grace {next(self.numbers)}"

    def reset(self, reset: Callable[[], object]) -> None:
        """Reset the pool; from then on nobody need hold a name."""
        self.kept = ""
        reset()

    def listen(self) -> None:
        """Note under which name the caller speaks, once the pool has dealt with what it left."""
        self.pool.pool_stats(timeout=5)  # its own thread answers: after what was signalled
        self.heard.append(self.pool.speaker())

    def stop(self) -> None:
        (self.root or self.ref).stop()


def harm_done(scene: Scene, speakers: set[str]) -> str | None:
    """Return what is wrong with the pool after a strike, or ``None``.

    Checked out are what the caller held before or was told since, and the bystander's name. The
    caller may speak under a name that it was told, or under one of ``speakers``.
    """
    gc.collect(0)
    problems: list[str] = []
    thread = threading.Thread(target=_look, args=(scene, problems))
    thread.start()
    thread.join(3 * PATIENCE)
    if thread.is_alive():
        problems.append("a stranger hangs")
    if scene.root is not None and not scene.root.is_alive():
        problems.append("the supervisor died of it")
    if namepool.current_owner() in ("somebody", "task"):
        problems.append("the caller acts as somebody else")
    for name in scene.heard:
        if name not in speakers | scene.told:
            problems.append(f"the caller speaks as {name}, and not as {speakers | scene.told}")
    return "; ".join(problems) or None


def _look(scene: Scene, problems: list[str]) -> None:
    """On another thread: do something, and look at everything."""
    try:
        for _ in range(2):
            name = scene.ref.ask(CheckoutName(5, "stranger"), timeout=5)
            if scene.pool.get_name_by_owner("stranger", timeout=5) != name:
                problems.append("the stranger's name is not known")
            if scene.ref.ask(CheckinName(name, "stranger"), timeout=5) is not True:
                problems.append("the stranger's name was not checked out")
        stats: PoolStats = scene.pool.pool_stats(timeout=5)
        if stats.available_count + stats.checked_out_count != stats.all_used_count:
            problems.append(f"the books do not balance: {stats}")
        leases = scene.leases()
        if lost := leases.keys() - scene.told - scene.before:
            problems.append(f"lost: {lost}")
        if scene.kept and scene.kept not in leases:
            problems.append("the bystander lost its name")
        others = {*leases.get(scene.kept, ())} - {"bystander"}
        if others and scene.kept not in scene.told:
            problems.append(f"{others} speaks under the bystander's name")
        if stats.restart_count:
            problems.append("the pool died of it")
        if stats.waiting_count:
            problems.append("a request waits for ever")
        while scene.subscriptions:
            scene.subscriptions.pop().close()
        for ref in pykka.ActorRegistry.get_by_class(Dispatcher):
            if not ref.actor_stopped.wait(2.0):
                problems.append("a subscription was left behind")
                ref.stop()
        problems += inconsistencies(scene.ref)
        if scene.root is not None:
            scene.tidy()
    except BaseException as error:
        problems.append(f"the stranger got {error!r}")


def inconsistencies(ref: Any) -> Iterator[str]:
    """Tell what of a pool's state ``recover`` would change."""
    state: PoolState = ref.state
    with turn_of(ref):
        if state.torn:
            yield "torn, and nobody has put it right"
        before = picture(state)
        state.recover()
        after = picture(state)
    for part, found in before.items():
        if found != after[part]:
            yield f"{part}: {found} should be {after[part]}"


@contextmanager
def turn_of(ref: Any) -> Iterator[None]:
    """Keep the pool's turn for the length of the block."""
    assert ref.actor_inbox.turn.acquire(timeout=PATIENCE), "somebody keeps the turn"
    try:
        yield
    finally:
        ref.actor_inbox.turn.release()


def picture(state: PoolState) -> dict[str, Any]:
    """Return all that a state knows, for comparing; in its turn."""

    def told(token: Token) -> tuple[Any, ...]:
        number = getattr(token, "number", None)  # one that waits has none yet
        return type(token).__name__, token.owner, token.name, token.says, number

    return {
        "stocks": {
            theme: ([*stock.names], [*map(told, stock.waiters)], stock.drawn)
            for theme, stock in state.stocks.items()
        },
        "leases": {
            name: (told(lease), [*map(told, lease.further or ())])
            for name, lease in state.leases.items()
        },
        "owners": {owner: [*map(told, mine)] for owner, mine in state.owners.items() if mine},
        "given": {owner: told(token) for owner, token in state.given.items()},
        "orphans": [told(lease) for lease in state.orphans],
        "known names": [*state.known.used()],
    }


NOBODY = {DEFAULT_NAME}


def stop_all() -> None:
    """Stop what an operation has left running."""
    for ref in pykka.ActorRegistry.get_all():
        ref.stop()


def none_left() -> str | None:
    """Return what is left running after an operation that starts and stops a pool."""
    for ref in pykka.ActorRegistry.get_all():
        if not HAS_GIL:
            gc.collect()  # a handle that was dropped may end its pool only now
        if not ref.actor_stopped.wait(2.0):
            return f"{ref} was left running"
    return None
