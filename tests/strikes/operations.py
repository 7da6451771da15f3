"""The public operations, each as a caller may write it."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

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
    LeasesRequest,
    NameHeld,
    NamePool,
    NumberedNames,
    PoolHandle,
    PoolStatsRequest,
    Reset,
    Supervisor,
    inherit_owner,
    owner_scope,
)
from namepool.actors import ActorHandle, StartChild, WhichChildren
from tests.strikes.scene import Scene, Stock
from tests.support import PATIENCE

Operation = Callable[[Scene], Any]


# -- on threads -----------------------------------------------------------------------------


def _both(scene: Scene) -> None:
    name = scene.took(scene.pool.checkout_name())
    scene.pool.checkin_name(name)


def _both_by_theme(scene: Scene) -> None:
    name = scene.took(scene.pool.checkout_name(theme="sea"))
    scene.pool.checkin_name(name)


def _both_associations(scene: Scene) -> None:
    name = scene.took(scene.pool.associate_name(scene.new_name()))
    scene.pool.dissociate_name(name)


def _future(scene: Scene) -> None:
    future = scene.ref.ask(CheckoutName(), block=False)
    name = scene.took(future.get(timeout=PATIENCE))
    scene.ref.ask(CheckinName(name))


def _future_for_another(scene: Scene) -> None:
    future = scene.ref.ask(CheckoutName(owner="future"), block=False)
    name = scene.took(future.get(timeout=PATIENCE))
    scene.ref.ask(CheckinName(name, "future"))


def _future_of_association(scene: Scene) -> None:
    name = scene.took(scene.new_name())  # it need not be read
    scene.ref.ask(AssociateName(name), block=False).get(timeout=PATIENCE)


def _derived_future(scene: Scene) -> None:
    scene.ref.ask(CheckoutName(), block=False).map(scene.took).get(timeout=PATIENCE)


def _proxy_of_association(scene: Scene) -> None:
    scene.ref.proxy().associate_name(scene.took(scene.kept)).get()


def _proxy_of_association_new(scene: Scene) -> None:
    scene.ref.proxy().associate_name(scene.took(scene.new_name())).get()


def _proxy(scene: Scene) -> None:
    proxy = scene.ref.proxy()
    name = scene.took(proxy.checkout_name().get())
    proxy.checkin_name(name).get()


def _ask_both(scene: Scene) -> None:
    name = scene.took(scene.ref.ask(CheckoutName()))
    scene.ref.ask(CheckinName(name))


def _ask_both_for_another(scene: Scene) -> None:
    name = scene.took(scene.ref.ask(CheckoutName(owner="asker")))
    scene.ref.ask(CheckinName(name, "asker"))


def _ask_both_by_theme(scene: Scene) -> None:
    name = scene.took(scene.ref.ask(CheckoutName(owner="asker", theme="sea")))
    scene.ref.ask(CheckinName(name, "asker"))


def _lease(scene: Scene) -> None:
    lease = scene.ref.ask(CheckoutLease(owner="lessee"))
    scene.took(lease.name)
    scene.ref.ask(CheckinLease(lease))


def _by_target(scene: Scene) -> None:
    name = scene.took(scene.target.ask(CheckoutName(owner="asker"), timeout=PATIENCE))
    scene.target.ask(CheckinName(name, "asker"), timeout=PATIENCE)


def _future_of_target(scene: Scene) -> None:
    future = scene.target.ask(CheckoutName(owner="asker"), block=False)
    name = scene.took(future.get(timeout=PATIENCE))
    scene.target.ask(CheckinName(name, "asker"), block=False).get(timeout=PATIENCE)


def _between_incarnations(scene: Scene, last: Any = None) -> None:
    handle, is_over = ActorHandle("names"), threading.Event()
    if last is not None:
        handle.install(last)

    def next_one() -> None:
        while not handle._parked and not is_over.wait(0.001):
            pass
        handle.install(scene.ref)

    supervisor = threading.Thread(target=next_one)
    supervisor.start()
    try:
        name = scene.took(handle.ask(CheckoutName(owner="asker"), timeout=PATIENCE))
    finally:
        is_over.set()
        supervisor.join()
    handle.ask(CheckinName(name, "asker"))


def _subscribe(scene: Scene) -> None:
    subscription = scene.pool.subscribe(lambda _: None)
    scene.subscriptions.append(subscription)
    subscription.close()


# -- blocks ---------------------------------------------------------------------------------


def _named(scene: Scene) -> None:
    with scene.pool.named():
        scene.pool.speaker()


def _nested(scene: Scene) -> None:
    with scene.pool.named(), scene.pool.named():
        scene.pool.speaker()


def _named_by_theme(scene: Scene) -> None:
    with scene.pool.named(theme="sea"):
        scene.pool.speaker()


def _named_with_default(scene: Scene) -> None:
    with scene.pool.named(default="Stand In"):
        scene.pool.speaker()


def _default_name(scene: Scene) -> None:
    with scene.pool.named(PATIENCE, theme="nobody", default="Stand In"):
        scene.pool.speaker()


def _default_name_in_a_block(scene: Scene) -> None:
    with scene.pool.named(), scene.pool.named(PATIENCE, theme="nobody", default=True):
        scene.pool.speaker()


def _by_name(scene: Scene) -> None:
    with scene.pool.named(name=scene.new_name()):
        scene.pool.speaker()


def _by_name_that_is_held(scene: Scene) -> None:
    try:
        with scene.pool.named(name=scene.kept):
            raise AssertionError("it is the bystander's")
    except NameHeld:
        pass


def _by_identity(scene: Scene) -> None:
    with scene.pool.named(identity="me"):
        scene.pool.speaker()


def _by_name_and_identity(scene: Scene) -> None:
    name = scene.new_name()
    with scene.pool.named(name=name, identity=f"the identity of {name}"):
        scene.pool.speaker()


def _raising(scene: Scene) -> None:
    try:
        with scene.pool.named():
            raise LookupError
    except LookupError:
        pass


def _taking_in_a_block(scene: Scene) -> None:
    with scene.pool.named():
        scene.pool.checkin_name(scene.took(scene.pool.checkout_name()))


def _giving_back_in_a_block(scene: Scene) -> None:
    with scene.pool.named() as name:
        scene.pool.checkin_name(name)


def _speaking_as(scene: Scene) -> None:
    with scene.pool.speaking_as(scene.kept):
        scene.pool.speaker()


def _speaking_as_twice(scene: Scene) -> None:
    with scene.pool.speaking_as(scene.kept), scene.pool.speaking_as(scene.kept):
        scene.pool.speaker()


def _speaking_as_only_one(scene: Scene) -> None:
    with scene.pool.speaking_as(scene.kept, exclusive=True):
        scene.pool.speaker()


def _speaking_as_new(scene: Scene) -> None:
    with scene.pool.speaking_as(scene.new_name()):
        scene.pool.speaker()


def _scoped(scene: Scene) -> None:
    with owner_scope("somebody"), scene.pool.named():
        scene.pool.speaker()


def _unnamed(scene: Scene) -> None:
    with scene.pool.unnamed():
        scene.pool.speaker()


def _unnamed_in_a_block(scene: Scene) -> None:
    with scene.pool.named(), scene.pool.unnamed(), scene.pool.named():
        scene.pool.speaker()


def _function(scene: Scene) -> None:
    @scene.pool.named()
    def agent() -> str:
        return scene.pool.speaker()

    agent()


def _generator(scene: Scene) -> None:
    @scene.pool.named()
    def agent() -> Iterator[str]:
        yield scene.pool.speaker()
        yield scene.pool.speaker()

    before = scene.pool.speaker()
    for name in agent():
        assert scene.pool.speaker() == before != name


def _closed_generator(scene: Scene) -> None:
    @scene.pool.named()
    def agent() -> Iterator[str]:
        yield scene.pool.speaker()

    steps: Any = agent()
    next(steps)
    steps.close()


# -- in tasks -------------------------------------------------------------------------------


def run_task(
    agent: Callable[[], Coroutine[Any, Any, object]], listen: Callable[[], object] = bool
) -> None:
    """Run a task; a strike that reaches only its loop, as it hits a callback, comes out as well."""
    lost: list[BaseException] = []

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None

        def reached(_: object, context: dict[str, Any]) -> None:
            lost.append(context["exception"])
            task.cancel()  # it may be waiting for what the callback was to do

        asyncio.get_running_loop().set_exception_handler(reached)
        try:
            await agent()
        except BaseException as error:
            lost.append(error.with_traceback(None))  # which would keep the blocks
        sys.settrace(None)
        listen()

    asyncio.run(main())
    for error in lost:
        raise error


def _in_a_task(
    agent: Callable[[Scene, AsyncPoolHandle], Coroutine[Any, Any, object]],
) -> Operation:
    def operation(scene: Scene) -> None:
        run_task(lambda: agent(scene, AsyncPoolHandle(scene.pool)), scene.listen)

    return operation


@_in_a_task
async def _await_both(scene: Scene, _: AsyncPoolHandle) -> None:
    proxy = scene.ref.proxy()
    name = scene.took(await proxy.checkout_name())
    await proxy.checkin_name(name)


@_in_a_task
async def _async_both(scene: Scene, pool: AsyncPoolHandle) -> None:
    name = scene.took(await pool.checkout_name())
    await pool.checkin_name(name)


@_in_a_task
async def _async_both_within(scene: Scene, pool: AsyncPoolHandle) -> None:
    name = scene.took(await asyncio.wait_for(pool.checkout_name(theme="sea"), PATIENCE))
    await pool.checkin_name(name)


@_in_a_task
async def _async_associations(scene: Scene, pool: AsyncPoolHandle) -> None:
    name = scene.took(await pool.associate_name(scene.new_name()))
    await pool.dissociate_name(name)


@_in_a_task
async def _async_questions(_: Scene, pool: AsyncPoolHandle) -> None:
    await pool.get_name_by_owner()
    await pool.leases()
    await pool.pool_stats()


async def _async_reset(scene: Scene) -> None:
    await AsyncPoolHandle(scene.pool).reset()


@_in_a_task
async def _async_blocks(scene: Scene, pool: AsyncPoolHandle) -> None:
    async with pool.named(), pool.speaking_as(scene.kept), pool.named(theme="sea"):
        pool.speaker()


@_in_a_task
async def _async_block_of_a_new_name(scene: Scene, pool: AsyncPoolHandle) -> None:
    async with pool.speaking_as(scene.new_name()):
        pool.speaker()


@_in_a_task
async def _async_default_name(_: Scene, pool: AsyncPoolHandle) -> None:
    async with pool.named(PATIENCE, theme="nobody", default="Stand In"):
        pool.speaker()


@_in_a_task
async def _async_by_name(scene: Scene, pool: AsyncPoolHandle) -> None:
    async with pool.named(name=scene.new_name()):
        pool.speaker()


@_in_a_task
async def _async_by_identity(scene: Scene, pool: AsyncPoolHandle) -> None:
    async with pool.named(identity="me"):
        pool.speaker()


@_in_a_task
async def _async_by_name_and_identity(scene: Scene, pool: AsyncPoolHandle) -> None:
    name = scene.new_name()
    async with pool.named(name=name, identity=f"the identity of {name}"):
        pool.speaker()


@_in_a_task
async def _coroutine(_: Scene, pool: AsyncPoolHandle) -> None:
    @pool.named()
    async def agent() -> str:
        return pool.speaker()

    await agent()


@_in_a_task
async def _async_generator(_: Scene, pool: AsyncPoolHandle) -> None:
    @pool.named()
    async def agent() -> AsyncIterator[str]:
        yield pool.speaker()
        yield pool.speaker()

    before = pool.speaker()
    async for name in agent():
        assert pool.speaker() == before != name


OPERATIONS: dict[str, Operation] = {
    "handle.checkout_name": lambda s: s.took(s.pool.checkout_name()),
    "handle.checkout_name, for another": lambda s: s.took(s.pool.checkout_name(owner="asker")),
    "handle, both": _both,
    "handle, both, theme": _both_by_theme,
    "handle.checkin_name": lambda s: s.pool.checkin_name(s.mine),
    "handle.checkin_name, another's": lambda s: s.pool.checkin_name(
        s.took(s.pool.checkout_name(owner="asker"))
    ),
    "handle.associate_name, known": lambda s: s.took(s.pool.associate_name(s.kept)),
    "handle.associate_name, exclusive": lambda s: s.pool.associate_name(s.mine, exclusive=True),
    "handle.associate_name, only one": lambda s: s.took(s.pool.associate_name(s.kept, True)),
    "handle.associate_name, for another": lambda s: s.took(
        s.pool.associate_name(s.mine, owner="asker")
    ),
    "handle.associate_name, new": lambda s: s.took(s.pool.associate_name(s.new_name())),
    "handle.associate_name, none": lambda s: s.pool.associate_name(None),
    "handle, both associations": _both_associations,
    "handle.dissociate_name": lambda s: s.pool.dissociate_name(),
    "handle.dissociate_name, given": lambda s: s.pool.dissociate_name(s.mine),
    "handle.get_name_by_owner": lambda s: s.pool.get_name_by_owner(),
    "handle.get_name_by_owner, thread": lambda s: s.pool.get_name_by_owner(
        threading.current_thread()
    ),
    "handle.pool_stats": lambda s: s.pool.pool_stats(),
    "handle.leases": lambda s: s.pool.leases(),
    "handle.speaker": lambda s: s.pool.speaker(),
    "handle.subscribe": _subscribe,
    "handle.reset": lambda s: s.reset(s.pool.reset),
    "PoolHandle": lambda s: PoolHandle(s.target),
    "inherit_owner": lambda s: inherit_owner(s.pool.speaker)(),
    "ref.ask, both": _ask_both,
    "ref.ask, both, for another": _ask_both_for_another,
    "ref.ask, both, theme": _ask_both_by_theme,
    "ref.ask, lease": _lease,
    "ref.ask, future": _future,
    "ref.ask, future, for another": _future_for_another,
    "ref.ask, future of an association": _future_of_association,
    "ref.ask, derived future": _derived_future,
    "ref.ask, dropped": lambda s: s.ref.ask(CheckoutName(), block=False) and None,
    "ref.ask, lookup": lambda s: s.ref.ask(GetNameByOwner()),
    "ref.ask, stats": lambda s: s.ref.ask(PoolStatsRequest()),
    "ref.ask, leases": lambda s: s.ref.ask(LeasesRequest()),
    "ref.ask, associate": lambda s: s.took(s.ref.ask(AssociateName(s.kept))),
    "ref.ask, associate, new": lambda s: s.took(s.ref.ask(AssociateName(s.new_name()))),
    "ref.ask, dissociate": lambda s: s.ref.ask(DissociateName()),
    "ref.ask, reset": lambda s: s.reset(lambda: s.ref.ask(Reset())),
    "ref.tell": lambda s: s.ref.tell(CheckinName(s.mine)),
    "proxy, both": _proxy,
    "proxy.associate_name": _proxy_of_association,
    "proxy.associate_name, new": _proxy_of_association_new,
    "proxy.dissociate_name": lambda s: s.ref.proxy().dissociate_name().get(),
    "proxy.get_name_by_owner": lambda s: s.ref.proxy().get_name_by_owner().get(),
    "proxy.pool_stats": lambda s: s.ref.proxy().pool_stats().get(),
    "proxy.leases": lambda s: s.ref.proxy().leases().get(),
    "proxy.reset": lambda s: s.reset(lambda: s.ref.proxy().reset().get()),
    "await of both": _await_both,
    "async handle, both": _async_both,
    "async handle, both, within": _async_both_within,
    "async handle, associations": _async_associations,
    "async handle, questions": _async_questions,
    "async handle.reset": lambda s: s.reset(lambda: run_task(lambda: _async_reset(s))),
    "target.ask, both": _by_target,
    "target.ask, future": _future_of_target,
    "target.tell": lambda s: s.target.tell(CheckinName(s.mine)),
    "handle, no incarnation": _between_incarnations,
    "handle, dead incarnation": lambda s: _between_incarnations(s, s.dead_ref),
    "target.proxy": lambda s: s.target.proxy().get_name_by_owner().get(),
}
BLOCKS: dict[str, Operation] = {
    "named": _named,
    "named, nested": _nested,
    "named, theme": _named_by_theme,
    "named, default, not needed": _named_with_default,
    "named, default": _default_name,
    "named, default, nested": _default_name_in_a_block,
    "named, name": _by_name,
    "named, name, held": _by_name_that_is_held,
    "named, raising": _raising,
    "named, one more taken": _taking_in_a_block,
    "named, given back": _giving_back_in_a_block,
    "speaking_as": _speaking_as,
    "speaking_as, twice": _speaking_as_twice,
    "speaking_as, exclusive": _speaking_as_only_one,
    "speaking_as, new": _speaking_as_new,
    "owner_scope and named": _scoped,
    "unnamed": _unnamed,
    "unnamed, between": _unnamed_in_a_block,
    "decorated function": _function,
    "decorated generator": _generator,
    "decorated generator, closed": _closed_generator,
    "async with": _async_blocks,
    "async with, new": _async_block_of_a_new_name,
    "async with, default": _async_default_name,
    "async with, name": _async_by_name,
    "decorated coroutine": _coroutine,
    "decorated async generator": _async_generator,
}
"""After each the caller speaks as before, whatever happened."""
OPERATIONS_OF_A_NEWCOMER: dict[str, Operation] = {
    "first words": lambda s: s.pool.speaker(),
    "first checkout": lambda s: s.took(s.pool.checkout_name()),
    "first message": lambda s: s.ref.ask(GetNameByOwner()),
    **{f"first {name}": operation for name, operation in BLOCKS.items()},
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
OPERATIONS_OF_A_LEDGER: dict[str, Operation] = {
    "named, identity": _by_identity,
    "named, name and identity": _by_name_and_identity,
    "async with, identity": _async_by_identity,
    "async with, name and identity": _async_by_name_and_identity,
}
THAT_SILENCE_THE_CALLER = frozenset(
    name
    for name in OPERATIONS
    if any(part in name for part in ("checkin", "dissociate", "reset", "tell"))
)
"""Struck in these, a caller may have lost the name that it had."""


def _spec() -> ChildSpec:
    return ChildSpec(id="new", actor_class=Stock)


def open_and_close() -> None:
    """Open a pool, use it, close it."""
    with namepool.open_pool(source=NumberedNames()) as pool:
        pool.checkin_name(pool.checkout_name())


def open_and_close_in_a_task() -> None:
    """Do the same in a task."""

    async def agent() -> None:
        async with namepool.open_async_pool(source=NumberedNames()) as pool:
            await pool.checkin_name(await pool.checkout_name())

    run_task(agent)


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


COMMON = {**OPERATIONS, **BLOCKS, **OPERATIONS_OF_A_NEWCOMER}
"""All that can be asked of any pool."""
EVERY = {**COMMON, **OPERATIONS_OF_A_SUPERVISOR, **OPERATIONS_OF_A_LEDGER}
STARTS = {
    "open_pool": open_and_close,
    "open_async_pool": open_and_close_in_a_task,
    "start, stop": start_and_stop,
    "a tree": start_a_tree,
}
