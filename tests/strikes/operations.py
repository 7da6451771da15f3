"""The public operations, each with what must be so before and what its caller may still hold."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import pykka

import namepool
from namepool import (
    AssociateName,
    CheckinLease,
    CheckinName,
    CheckoutLease,
    CheckoutName,
    DissociateName,
    GetNameByOwner,
    NamePool,
    NumberedNames,
    PoolHandle,
    PoolStats,
    PoolStatsRequest,
    Reset,
    Supervisor,
    owner_scope,
)
from tests.support import PATIENCE


class Scene:
    """A pool, supervised or not, and the state each operation starts from."""

    def __init__(self, supervised: bool) -> None:
        self.root: Any = None
        if supervised:
            spec = NamePool.child_spec(id="names", source=NumberedNames(), chunk_size=24)
            self.root = Supervisor.start(children=[spec])
            self.target: Any = self.root.handle("names")
            self.ref: Any = self.target.current
        else:
            self.target = self.ref = NamePool.start(source=NumberedNames(), chunk_size=24)
        self.pool = PoolHandle(self.target)
        self.pool.checkin_name(self.pool.checkout_name())
        self.mine: str = ""
        self.delivered: set[str] = set()
        self.kept = self.pool.checkout_name(owner="bystander")

    def refresh(self) -> None:
        """Let the caller hold no name but one, as before every operation."""
        for name in [*self.leases()]:
            if name != self.kept:
                self.pool.checkin_name(name, owner=next(iter(self.leases()[name]), "nobody"))
        self.mine = self.pool.checkout_name()
        self.delivered.clear()

    def leases(self) -> dict[str, list[str]]:
        """Return who speaks under which name that is checked out."""
        leases = self.ref._actor._state.leases.items()
        return {name: [*speakers] for name, (_, speakers) in leases}

    def took(self, name: str) -> str:
        """Note that ``name`` has reached its caller."""
        self.delivered.add(name)
        return name

    def stop(self) -> None:
        (self.root or self.ref).stop()


Operation = Callable[[Scene], Any]


def _await_both(scene: Scene) -> None:
    async def agent() -> None:
        proxy = scene.ref.proxy()
        name = scene.took(await proxy.checkout_name(owner="task"))
        await proxy.checkin_name(name, owner="task")

    asyncio.run(agent())


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


def _by_handle_of_a_supervisor(scene: Scene) -> None:
    name = scene.took(scene.target.ask(CheckoutName(owner="asker"), timeout=PATIENCE))
    scene.target.ask(CheckinName(name, "asker"), timeout=PATIENCE)


def _future_of_a_handle(scene: Scene) -> None:
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
    "proxy, both": _proxy,
    "await of both": _await_both,
    "handle.ask of a supervisor": _by_handle_of_a_supervisor,
    "handle.ask of a supervisor, future": _future_of_a_handle,
}
OPERATIONS_OF_A_SUPERVISOR: dict[str, Operation] = {
    "supervisor.which_children": lambda s: s.root.proxy().which_children().get(),
    "supervisor.handle": lambda s: s.root.handle("names"),
}
OPERATIONS_AT_THE_END: dict[str, Operation] = {
    "handle.reset": lambda s: s.pool.reset(),
    "ref.ask, reset": lambda s: s.ref.ask(Reset()),
    "associate_name, new": lambda s: s.pool.associate_name("Grace Hopper"),
}


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
            lost = scene.leases().keys() - scene.delivered - {scene.mine, scene.kept}
            if lost:
                problems.append(f"lost: {lost}")
            if scene.kept not in scene.leases():
                problems.append("the bystander lost its name")
            if stats.restart_count:
                problems.append("the pool died of it")
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


def none_left() -> str | None:
    """Return what is left running after an operation that starts and stops a pool."""
    for ref in pykka.ActorRegistry.get_all():
        if not ref.actor_stopped.wait(2.0):
            return f"{ref} was left running"
    return None
