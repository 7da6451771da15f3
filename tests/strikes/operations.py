"""The public operations, each with what must be so before and what its caller may still hold."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pykka

import namepool
from namepool import (
    AssociateName,
    AsyncPoolHandle,
    CheckinLease,
    CheckinName,
    CheckoutLease,
    CheckoutName,
    ChildSpec,
    DissociateName,
    GetNameByOwner,
    NamePool,
    NumberedNames,
    PoolHandle,
    PoolStats,
    PoolStatsRequest,
    Reset,
    Supervisor,
    inherit_owner,
    owner_scope,
)
from namepool.actors import StartChild, WhichChildren
from tests.support import PATIENCE, Crews


class Stock(pykka.ThreadingActor):
    """A child that knows nothing of us."""

    use_daemon_thread = True


class Scene:
    """A pool, supervised or not, and the state each operation starts from.

    Its supervisor has two more children: ``spare`` runs, ``idle`` does not.
    """

    def __init__(self, supervised: bool, **options: Any) -> None:
        self.root: Any = None
        if supervised:
            spec = NamePool.child_spec(id="names", source=Crews(), chunk_size=24, **options)
            self.root = Supervisor.start(children=[spec], max_restarts=0)
            self.target: Any = self.root.handle("names")
            self.ref: Any = self.target.current
        else:
            self.target = self.ref = NamePool.start(source=Crews(), chunk_size=24, **options)
        self.pool = PoolHandle(self.target)
        for theme in (None, "sea"):
            self.pool.checkin_name(self.pool.checkout_name(theme=theme))
        self.mine = ""
        self.kept = ""
        self.delivered: set[str] = set()
        self.numbers = itertools.count()

    def refresh(self) -> None:
        """Let the caller hold one name and a bystander another, as before every operation."""
        for name, speakers in self.leases().items():
            if name != self.kept or speakers != ["bystander"]:
                self.pool.checkin_name(name, owner=next(iter(speakers), "nobody"))
        if self.kept not in self.leases():
            self.kept = self.pool.checkout_name(owner="bystander")
        self.mine = self.pool.checkout_name()
        self.delivered = {self.mine, self.kept}
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
        leases = self.ref._actor._state.leases.copy().items()
        return {name: [*speakers] for name, (_, speakers) in leases}

    def took(self, name: str) -> str:
        """Note that ``name`` has reached its caller."""
        self.delivered.add(name)
        return name

    def new_name(self) -> str:
        """Return a name that the pool has never seen, which will be checked out."""
        return self.took(f"Grace {next(self.numbers)}")

    def reset(self, reset: Callable[[], object]) -> None:
        """Reset the pool; from then on nobody need hold a name."""
        self.kept = ""
        reset()

    def stop(self) -> None:
        (self.root or self.ref).stop()


Operation = Callable[[Scene], Any]


def _run(agent: Callable[[], Coroutine[Any, Any, object]]) -> None:
    lost: list[BaseException] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: lost.append(context["exception"]))
        await agent()

    asyncio.run(main())
    for error in lost:  # in a callback: the loop is whom it reaches
        raise error


def _await_both(scene: Scene) -> None:
    async def agent() -> None:
        proxy = scene.ref.proxy()
        name = scene.took(await proxy.checkout_name())
        await proxy.checkin_name(name)

    _run(agent)


def _async_both(scene: Scene) -> None:
    async def agent() -> None:
        pool = AsyncPoolHandle(scene.pool)
        name = scene.took(await pool.checkout_name())
        await pool.checkin_name(name)

    _run(agent)


def _async_scopes(scene: Scene) -> None:
    async def agent() -> None:
        pool = AsyncPoolHandle(scene.pool)
        async with pool.named(), pool.speaking_as(scene.kept):
            pool.speaker()

    _run(agent)


def _future(scene: Scene) -> None:
    future = scene.ref.ask(CheckoutName(owner="future"), block=False)
    name = scene.took(future.get(timeout=PATIENCE))
    scene.ref.ask(CheckinName(name, "future"))


def _proxy(scene: Scene) -> None:
    proxy = scene.ref.proxy()
    name = scene.took(proxy.checkout_name(owner="proxy").get())
    proxy.checkin_name(name, owner="proxy").get()


def _named(scene: Scene) -> None:
    with scene.pool.named():
        scene.pool.speaker()


def _named_by_theme(scene: Scene) -> None:
    with scene.pool.named(theme="sea"):
        scene.pool.speaker()


def _ask_both_by_theme(scene: Scene) -> None:
    name = scene.took(scene.ref.ask(CheckoutName(owner="asker", theme="sea")))
    scene.ref.ask(CheckinName(name, "asker"))


def _nested(scene: Scene) -> None:
    with scene.pool.named(), scene.pool.named():
        pass


def _raising(scene: Scene) -> None:
    try:
        with scene.pool.named():
            raise LookupError
    except LookupError:
        pass


def _speaking_as(scene: Scene) -> None:
    with scene.pool.speaking_as(scene.kept):
        scene.pool.speaker()


def _scoped(scene: Scene) -> None:
    with owner_scope("somebody"), scene.pool.named():
        pass


def _lease(scene: Scene) -> None:
    lease = scene.ref.ask(CheckoutLease(owner="lessee"))
    scene.took(lease.name)
    scene.ref.ask(CheckinLease(lease))


def _ask_both(scene: Scene) -> None:
    name = scene.took(scene.ref.ask(CheckoutName(owner="asker")))
    scene.ref.ask(CheckinName(name, "asker"))


def _by_target(scene: Scene) -> None:
    name = scene.took(scene.target.ask(CheckoutName(owner="asker"), timeout=PATIENCE))
    scene.target.ask(CheckinName(name, "asker"), timeout=PATIENCE)


def _future_of_target(scene: Scene) -> None:
    future = scene.target.ask(CheckoutName(owner="asker"), block=False)
    name = scene.took(future.get(timeout=PATIENCE))
    scene.target.ask(CheckinName(name, "asker"), block=False).get(timeout=PATIENCE)


OPERATIONS: dict[str, Operation] = {
    "handle.checkout_name": lambda s: s.took(s.pool.checkout_name(owner="asker")),
    "handle.checkin_name": lambda s: s.pool.checkin_name(s.mine),
    "handle.associate_name, known": lambda s: s.pool.associate_name(s.kept),
    "handle.associate_name, exclusive": lambda s: s.pool.associate_name(s.mine, exclusive=True),
    "handle.dissociate_name": lambda s: s.pool.dissociate_name(),
    "handle.get_name_by_owner": lambda s: s.pool.get_name_by_owner(),
    "handle.pool_stats": lambda s: s.pool.pool_stats(),
    "handle.speaker": lambda s: s.pool.speaker(),
    "handle.named": _named,
    "handle.named, nested": _nested,
    "handle.named, theme": _named_by_theme,
    "ref.ask, both, theme": _ask_both_by_theme,
    "handle.named, raising": _raising,
    "handle.speaking_as": _speaking_as,
    "owner_scope and named": _scoped,
    "ref.ask, both": _ask_both,
    "ref.ask, lease": _lease,
    "ref.ask, future": _future,
    "ref.ask, lookup": lambda s: s.ref.ask(GetNameByOwner()),
    "ref.ask, stats": lambda s: s.ref.ask(PoolStatsRequest()),
    "ref.ask, associate": lambda s: s.ref.ask(AssociateName(s.kept)),
    "ref.ask, dissociate": lambda s: s.ref.ask(DissociateName()),
    "ref.ask, dropped": lambda s: s.ref.ask(CheckoutName(owner="dropper"), block=False) and None,
    "ref.tell": lambda s: s.ref.tell(CheckinName(s.mine)),
    "ref.ask, associate, new": lambda s: s.ref.ask(AssociateName(s.new_name())),
    "ref.ask, reset": lambda s: s.reset(lambda: s.ref.ask(Reset())),
    "handle.associate_name, new": lambda s: s.pool.associate_name(s.new_name()),
    "handle.associate_name, none": lambda s: s.pool.associate_name(None),
    "handle.reset": lambda s: s.reset(s.pool.reset),
    "handle.get_name_by_owner, thread": lambda s: s.pool.get_name_by_owner(
        threading.current_thread()
    ),
    "PoolHandle": lambda s: PoolHandle(s.target),
    "inherit_owner": lambda s: inherit_owner(s.pool.speaker)(),
    "proxy, both": _proxy,
    "proxy.associate_name": lambda s: s.ref.proxy().associate_name(s.kept).get(),
    "proxy.associate_name, new": lambda s: s.ref.proxy().associate_name(s.new_name()).get(),
    "proxy.dissociate_name": lambda s: s.ref.proxy().dissociate_name().get(),
    "proxy.get_name_by_owner": lambda s: s.ref.proxy().get_name_by_owner().get(),
    "proxy.pool_stats": lambda s: s.ref.proxy().pool_stats().get(),
    "proxy.reset": lambda s: s.reset(lambda: s.ref.proxy().reset().get()),
    "await of both": _await_both,
    "async handle, both": _async_both,
    "async handle, scopes": _async_scopes,
    "target.ask, both": _by_target,
    "target.ask, future": _future_of_target,
    "target.tell": lambda s: s.target.tell(CheckinName(s.mine)),
    "target.proxy": lambda s: s.target.proxy().get_name_by_owner().get(),
}
OPERATIONS_OF_A_NEWCOMER: dict[str, Operation] = {
    "first words": lambda s: s.pool.speaker(),
    "first checkout": lambda s: s.took(s.pool.checkout_name()),
    "first scope": _named,
    "first message": lambda s: s.ref.ask(GetNameByOwner()),
}
"""Struck on a thread that has never spoken before."""
OPERATIONS_OF_A_SUPERVISOR: dict[str, Operation] = {
    "supervisor.which_children": lambda s: s.root.proxy().which_children().get(),
    "supervisor.which_children, ask": lambda s: s.root.ask(WhichChildren(), timeout=PATIENCE),
    "supervisor.count_children": lambda s: s.root.proxy().count_children().get(),
    "supervisor.get_child_spec": lambda s: s.root.proxy().get_child_spec("names").get(),
    "supervisor.handle": lambda s: s.root.handle("names"),
    "supervisor.start_child": lambda s: s.root.proxy().start_child(_spec()).get(),
    "supervisor.start_child, ask": lambda s: s.root.ask(StartChild(_spec())),
    "supervisor.terminate_child": lambda s: s.root.proxy().terminate_child("spare").get(),
    "supervisor.restart_child": lambda s: s.root.proxy().restart_child("idle").get(),
    "supervisor.delete_child": lambda s: s.root.proxy().delete_child("idle").get(),
}


def _spec() -> ChildSpec:
    return ChildSpec(id="new", actor_class=Stock)


def open_and_close() -> None:
    """Open a pool, use it, close it."""
    with namepool.open_pool(source=NumberedNames()) as pool:
        pool.checkin_name(pool.checkout_name())


def start_and_stop() -> None:
    """Start a pool of its own, and stop it; if that is cut short, again."""
    ref = NamePool.start(source=NumberedNames())
    try:
        ref.stop()
    except BaseException:
        ref.stop()
        raise


def start_a_tree() -> None:
    """Start a supervisor over a pool and a stranger to us, and stop it; if cut short, again."""
    children = [NamePool.child_spec(source=NumberedNames()), _spec()]
    root = Supervisor.start(children=children)
    try:
        root.stop()
    except BaseException:
        root.stop()
        raise


EVERY = {**OPERATIONS, **OPERATIONS_OF_A_NEWCOMER, **OPERATIONS_OF_A_SUPERVISOR}
"""All that can be asked of a pool, and of its supervisor."""
STARTS = {"open_pool": open_and_close, "start, stop": start_and_stop, "a tree": start_a_tree}


def harm_done(scene: Scene) -> str | None:
    """Return what is wrong with the pool after a strike, or ``None``.

    Checked out are what the caller held before or has received since, and the bystander's name.
    """
    gc.collect(0)
    problems: list[str] = []

    def stranger() -> None:
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
            lost = scene.leases().keys() - scene.delivered
            if lost:
                problems.append(f"lost: {lost}")
            if scene.kept and scene.kept not in scene.leases():
                problems.append("the bystander lost its name")
            if stats.restart_count:
                problems.append("the pool died of it")
            if scene.root is not None:
                scene.tidy()
        except BaseException as error:
            problems.append(f"the stranger got {error!r}")

    thread = threading.Thread(target=stranger)
    thread.start()
    thread.join(3 * PATIENCE)
    if thread.is_alive():
        problems.append("the stranger hangs")
    if scene.root is not None and not scene.root.is_alive():
        problems.append("the supervisor died of it")
    if namepool.current_owner() in ("somebody", "task"):
        problems.append("the caller speaks as somebody else")
    return "; ".join(problems) or None


def stop_all() -> None:
    """Stop what an operation has left running."""
    for ref in pykka.ActorRegistry.get_all():
        ref.stop()


def none_left() -> str | None:
    """Return what is left running after an operation that starts and stops a pool."""
    for ref in pykka.ActorRegistry.get_all():
        if not ref.actor_stopped.wait(2.0):
            return f"{ref} was left running"
    return None
