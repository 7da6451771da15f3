"""A pool whose own thread is one worker, callers that are the others, and what they may expect."""

from __future__ import annotations

import queue
from asyncio import CancelledError
from collections.abc import Callable, Coroutine
from traceback import extract_tb
from typing import Any

import pykka
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from namepool import (
    AsyncPoolHandle,
    CheckinName,
    CheckoutName,
    CheckoutTimeout,
    PoolHandle,
    PoolState,
)
from namepool.actors import ActorHandle, Reply
from namepool.actors.later import LATER
from namepool.actors.service_actor import _Crash
from namepool.core.judging import judge
from namepool.core.leases import Binding, Lease, Token
from tests.core.scene import is_true_to, look_at
from tests.interleavings.support import run_own_thread, unstarted_pool

NAME = "Name 0"
FATAL = "what a killer sends"


class SeenState(PoolState):
    """Remembers each token that it was asked for, and those that are over."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.signal = queue.Queue()
        self.tokens: dict[Token, None] = {}
        self.over: list[Token] = []
        self.checkouts = 0
        self.checkins = 0
        self.admit(judge(names))

    def begin(self, lease: Lease, spare: int | None = None) -> Any:
        self.tokens[lease] = None
        is_new = lease.says is None
        name = super().begin(lease, spare)
        self.checkouts += is_new and name is not LATER
        return name

    def associate(self, binding: Binding) -> str:
        self.tokens[binding] = None
        return super().associate(binding)

    def end(self, token: Token, is_reclaimed: bool = False) -> bool:
        self.tokens[token] = None
        is_leased = self.leases.get(token.name) is token
        is_ended = super().end(token, is_reclaimed)
        self.checkins += is_leased
        self.over.append(token)
        return is_ended

    def reset(self) -> None:
        tokens = [token for mine in self.owners.values() for token in mine]
        super().reset()
        self.over += tokens

    def still_speaking(self) -> list[str]:
        """Return the tokens that are over and yet speak; any thread may ask."""
        return [f"{token} is over and speaks" for token in [*self.over] if token.says]


class PoolScene:
    """A pool with a few names, its callers, and what these found that they should not."""

    def __init__(self, callers: int, names: int = 1, **options: Any) -> None:
        self.names = [f"Name {n}" for n in range(names)]
        self.state = SeenState(self.names)
        self.deaths: list[str | None] = []
        self.actor: Any = self.incarnation(**options)
        self.ref: Any = self.actor.actor_ref
        self.handle = PoolHandle(self.target())
        self.async_handle = AsyncPoolHandle(self.handle)
        self.left = callers
        self.gone: list[str] = []
        self.held: list[str] = []
        self.surprises: list[str] = []
        self.kept: list[Reply[Any]] = []
        self.given_up: list[Reply[Any]] = []
        self.tasks: dict[str, Task] = {}

    def incarnation(self, **options: Any) -> Any:
        """Return a pool of the state, whose death is noted."""
        actor = unstarted_pool(self.state, **options)
        actor.actor_ref.watch(self.deaths.append)
        return actor

    def target(self) -> Any:
        """Return what the callers ask."""
        return self.ref

    def own_thread(self) -> None:
        run_own_thread(self.actor)

    def leave(self, who: str) -> None:
        """The last caller to leave stops the pool."""
        self.gone.append(who)
        if len(self.gone) == self.left:
            self.stop()

    def stop(self) -> None:
        self.ref.stop(block=False)

    def hold(self, name: str) -> None:
        """Have a name, which nobody else has."""
        if name in self.held:
            self.surprises.append(f"{name} is held twice")
        self.held.append(name)
        self.surprises += self.state.still_speaking()

    def let_go(self, name: str) -> None:
        self.held.remove(name)

    def use(self, name: str) -> None:
        """Have a name for a moment."""
        self.hold(name)
        self.let_go(name)

    def succeed(self) -> None:
        """Have the next incarnation do what this one was only told of.

        It rebuilds no index, unless it must: those of this one are to be right.
        """
        if not self.state.torn:
            self.state.recover = lambda: None  # type: ignore[method-assign]
        successor = self.incarnation()
        successor.actor_inbox.schedule(0.0, _ActorStop())  # behind all that is to be done
        run_own_thread(successor)
        vars(self.state).pop("recover", None)

    def faults(self) -> list[str]:
        """Return what is wrong once all have left: names, tokens, those who wait, and counts."""
        self.kept.clear()
        self.tasks.clear()
        self.succeed()
        died = [f"it died of {why}" for why in self.deaths if why is not None and FATAL not in why]
        wrong = [*self.surprises, *died, *self._disorder(), *self._lost()]
        return wrong + self._miscounted()

    def _disorder(self) -> list[str]:
        try:
            look_at(self.state)
        except AssertionError as error:
            return [f"not in order: {extract_tb(error.__traceback__)[-1].line} {error}"]
        return [f"not true: {t}" for t in self.state.tokens if not is_true_to(self.state, t)]

    def _lost(self) -> list[str]:
        state = self.state
        known = sorted(state.known.used())
        return [
            *([f"known: {known}"] if known != sorted(self.names) else []),
            *([f"leases: {state.leases}"] if sorted(state.leases) != sorted(self.held) else []),
            *(["somebody waits"] if state.stocks.waiting else []),
            *([f"left to do: {state.signalled}"] if state.signalled else []),
        ]

    def _miscounted(self) -> list[str]:
        """Compare the pool's counts with what the state was seen to do."""
        stats, state = self.actor.pool_stats(), self.state
        waits = stats.timeout_count + stats.unavailable_count + stats.withdrawn_count
        waits += state.counters.served_count
        checkins = stats.checkin_count + stats.reclaimed_count
        return [
            f"{what}: {counted}, not {seen}"
            for what, counted, seen in (
                ("waits", waits, stats.waited_count),
                ("checkouts", stats.checkout_count, state.checkouts),
                ("checkins", checkins, state.checkins),
            )
            if counted != seen
        ]


def caller(who: str, act: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a worker that acts as ``who``, then leaves."""

    def work(scene: Any) -> None:
        try:
            act(scene)
        except pykka.ActorDeadError:
            pass
        finally:
            scene.leave(who)

    return work


class Lives(PoolScene):
    """A pool behind a handle; whenever an incarnation dies, there is another."""

    is_over = False

    def target(self) -> Any:
        self.restarting = ActorHandle("pool")
        self.restarting.install(self.ref)
        return self.restarting

    def own_thread(self) -> None:
        run_own_thread(self.actor)
        while not self.is_over:
            self.restarting.vacate()  # as its supervisor does when it hears of the death
            self.actor = self.incarnation()
            self.ref = self.actor.actor_ref
            self.restarting.install(self.ref)
            if self.is_over:
                self.stop()
            run_own_thread(self.actor)

    def leave(self, who: str) -> None:
        self.gone.append(who)
        if len(self.gone) == self.left:
            self.is_over = True
            self.stop()

    def kill(self) -> None:
        self.ref.actor_inbox.put(Envelope(_Crash(ValueError(FATAL))))


KILLING = caller("killer", Lives.kill)


# -- ways to have a name for a moment -----------------------------------------------------------


def ask(scene: PoolScene, who: str, timeout: float | None) -> None:
    """Hold a name that another party gives back, or give up."""
    try:
        name = scene.ref.ask(CheckoutName(timeout, who), timeout=timeout)
    except CheckoutTimeout:
        return
    scene.use(name)
    assert scene.ref.ask(CheckinName(name, who)) is True


def call(scene: PoolScene, timeout: float | None) -> None:
    """The same by the handle, and for oneself."""
    try:
        name = scene.handle.checkout_name(timeout)
    except CheckoutTimeout:
        return
    scene.hold(name)
    if scene.handle.speaker() != name:
        scene.surprises.append(f"{scene.handle.speaker()} speaks for {name}")
    scene.let_go(name)
    assert scene.handle.checkin_name(name)


def block(scene: PoolScene, timeout: float | None) -> None:
    """The same for the length of a block."""
    try:
        with scene.handle.named(timeout) as name:
            scene.hold(name)
            if scene.handle.speaker() != name:
                scene.surprises.append(f"{scene.handle.speaker()} speaks for {name}")
            scene.let_go(name)
    except CheckoutTimeout:
        return


async def async_call(scene: PoolScene) -> None:
    """The same by the async handle, unless the task is cancelled before it has a name."""
    name = await scene.async_handle.checkout_name(None)
    scene.use(name)
    assert scene.handle.checkin_name(name)


async def async_block(scene: PoolScene, timeout: float | None) -> None:
    """The same for the length of an async block."""
    async with scene.async_handle.named(timeout) as name:
        scene.use(name)


def speak_as(scene: PoolScene, name: str) -> None:
    """Speak under a given name for the length of a block."""
    with scene.handle.speaking_as(name):
        pass


def associate(scene: PoolScene, name: str) -> None:
    """Begin to speak under a name and stop again, or give up."""
    try:
        scene.handle.associate_name(name, timeout=0.001)
    except pykka.Timeout:
        return
    if scene.handle.speaker() != name:
        scene.surprises.append(f"{scene.handle.speaker()} speaks for {name}")
    assert scene.handle.dissociate_name(name)


def adopt(scene: PoolScene, name: str) -> None:
    """Begin to speak under a name that nobody has and give it back, or give up."""
    try:
        scene.handle.associate_name(name, timeout=0.001)
    except pykka.Timeout:
        return
    scene.use(name)
    assert scene.handle.checkin_name(name)


# -- tasks --------------------------------------------------------------------------------------


class Task:
    """Runs a coroutine on a thread of its own, as an event loop would, until it is cancelled."""

    def __init__(self) -> None:
        self._woken: queue.Queue[None] = queue.Queue()
        self._is_cancelled = False

    def wake(self) -> None:
        self._woken.put(None)

    def cancel(self) -> None:
        self._is_cancelled = True
        self._woken.put(None)

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        step: Callable[[Any], Any] = coroutine.send
        argument: Any = None
        try:
            while True:
                subscribe = step(argument)
                step, argument = coroutine.send, None
                if subscribe is not None:  # else it only lets others run
                    subscribe(self.wake)
                    self._woken.get()
                if self._is_cancelled:
                    step, argument = coroutine.throw, CancelledError()
                    self._is_cancelled = False
        except (StopIteration, CancelledError, CheckoutTimeout):
            pass


class _CalledBack:
    def __init__(self, subscribe: Callable[[Callable[[], None]], object]) -> None:
        self._subscribe = subscribe

    def __await__(self) -> Any:
        yield self._subscribe


def called_back(
    subscribe: Callable[[Callable[[], None]], object], timeout: float | None = None
) -> _CalledBack:
    """Stands for that of an event loop, which the explorer does not see."""
    return _CalledBack(subscribe)


def task(who: str, act: Callable[[Any], Coroutine[Any, Any, None]]) -> Callable[[Any], None]:
    """Return a worker that acts as ``who`` in a task."""

    def run(scene: Any) -> None:
        scene.tasks.setdefault(who, Task()).run(act(scene))

    return caller(who, run)


def cancelling(whom: str) -> Callable[[Any], None]:
    """Return a worker that cancels a task."""
    return caller("canceller", lambda scene: scene.tasks.setdefault(whom, Task()).cancel())
