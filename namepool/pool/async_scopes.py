"""As ``scopes``, for tasks: to ask and to leave a block suspends the task, never its loop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Any

import pykka

from namepool.actors import Reply, WouldDeadlock, lineage
from namepool.core.bindings import Speaking
from namepool.core.leases import Lease
from namepool.core.names import DEFAULT_NAME
from namepool.core.options import GRACE
from namepool.errors import CheckoutTimeout, NameHeld, NamesUnavailable
from namepool.ledgers.base import Ledger
from namepool.lineage import leave, standing_in, within
from namepool.owners import current_owner, name_of_caller
from namepool.pool import messages as m
from namepool.pool.identities import take
from namepool.pool.scopes import Askable, raise_checkout_timeout


async def checkout(pool: Askable, message: m.CheckoutName | m.CheckoutLease) -> Any:
    """Return what the pool grants. Whoever gives up, however late, costs no name."""
    timeout = message.timeout
    # The pool keeps the time; the wait here ends one without a pool, as during a restart.
    patience = None if timeout is None else timeout + GRACE
    try:
        return await answer(pool, message, patience)
    except pykka.Timeout as error:
        raise_checkout_timeout(error, timeout)
        raise


async def answer(pool: Askable, message: Any, timeout: float | None = None) -> Any:
    """Return the answer, or raise ``pykka.Timeout`` after ``timeout`` seconds."""
    reply: Reply[Any] | None = None
    try:
        reply = pool.ask(message, block=False)
        answer = await reply.within(timeout)
        return answer  # noqa: RET504  it may be struck in between
    except BaseException:
        _take_back(pool, reply)
        raise


class _Block(AbstractAsyncContextManager[str]):
    """The block of one ``async with``: begun with a ``CheckoutLease`` or a ``BeginSpeaking``.

    A class, because to close a task leaves an async generator that waits for its start as it is.
    """

    _grant: Lease | Speaking | None = None

    def __init__(
        self, pool: Askable, begin: Callable[[], m.CheckoutLease | m.TakeLease | m.BeginSpeaking]
    ) -> None:
        self._pool = pool
        self._begin = begin

    async def __aenter__(self) -> str:
        self._before = before = lineage.get()
        message = self._begin()  # here, where the owner is
        self._mine = within(message.owner, before)
        try:
            lineage.set(self._mine)
            if isinstance(message, m.CheckoutLease):
                self._grant = await checkout(self._pool, message)
            else:
                self._grant = await answer(self._pool, message)
            return DEFAULT_NAME if self._grant is None else self._grant.name
        except BaseException:
            leave(self._mine, self._before)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # Whoever closes a task does not run it on: then there is no awaiting. Nor is a pool
            # waited for that may be restarting: its supervisor may wait for this very block.
            is_awaited = kind is not GeneratorExit and self._pool.is_alive()
            if self._grant is not None and is_awaited:
                await self._pool.ask(_end(self._grant), block=False)
                self._grant = None
        except (pykka.ActorDeadError, WouldDeadlock):
            pass  # the pool was stopped inside the block: nothing is left to end
        finally:
            try:
                self._let_go()
                self.__class__ = _Block  # no finaliser, where what strikes it would vanish
            finally:
                leave(self._mine, self._before)

    def _let_go(self) -> None:
        if self._grant is not None:
            self._pool.give_back(self._grant)  # first, because twice does no harm
            self._grant = None


class Scope(_Block):
    """A block that may be dropped before anybody has left it."""

    def __del__(self) -> None:
        self._let_go()


class ScopeOrDefault(AbstractAsyncContextManager[str]):
    """As ``block``; where no name is to be had, ``tell`` of it and speak under ``default``."""

    def __init__(
        self,
        block: AbstractAsyncContextManager[str],
        speaking: Mapping[str, str],
        default: str,
        tell: Callable[[str, Exception], object],
    ) -> None:
        self._block = block
        self._speaking = speaking
        self._default = default
        self._tell = tell
        self._blocks = AsyncExitStack()

    async def __aenter__(self) -> str:
        try:
            return await self._blocks.enter_async_context(self._block)
        except (NamesUnavailable, CheckoutTimeout) as error:
            self._tell(self._default, error)
            owner = current_owner()
            if owner not in self._speaking:  # else it holds another name, and goes on under that
                self._blocks.enter_context(standing_in(self._speaking, self._default, owner))
            return name_of_caller(self._speaking) or self._default

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._blocks.__aexit__(kind, error, trace)


def on_its_own_thread(function: Callable[[], Any]) -> Reply[Any]:
    """Run ``function``: not on a loop's executor, whose threads may all wait for names.

    Where no thread can be started it runs here, and the loop waits.
    """
    reply: Reply[Any] = Reply()

    def run() -> None:
        try:
            reply.set_quietly(function())
        except BaseException as error:
            reply.fail_quietly(error)

    try:
        threading.Thread(target=run, name="namepool-aside", daemon=True).start()
    except RuntimeError:
        run()
    return reply


class Resumed(AbstractAsyncContextManager[str]):
    """As ``resuming.resumed``; it is another thread that waits for the ledger."""

    def __init__(
        self,
        block: Callable[[], Scope],
        ledger: Ledger | None,
        name: str | None,
        identity: str | None,
    ) -> None:
        self._block = block
        self._ledger = ledger
        self._name = name
        self._identity = identity
        self._blocks = AsyncExitStack()

    async def __aenter__(self) -> str:
        if self._name is not None:
            await self._take(self._name)
        async with AsyncExitStack() as of_others:
            while True:
                attempt = await of_others.enter_async_context(AsyncExitStack())
                given = await attempt.enter_async_context(self._block())
                if self._name is None:
                    try:
                        await self._take(given)
                    except NameHeld:
                        continue
                self._blocks = attempt.pop_all()
                return given

    async def _take(self, name: str) -> None:
        if self._ledger is not None:
            await on_its_own_thread(partial(take, self._ledger, name, self._identity))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._blocks.__aexit__(kind, error, trace)


def _end(grant: Lease | Speaking) -> m.CheckinLease | m.EndSpeaking:
    return m.CheckinLease(grant) if isinstance(grant, Lease) else m.EndSpeaking(grant)


def _take_back(pool: Askable, reply: Reply[Any] | None) -> None:
    if reply is not None:
        reply.withdraw()
        grant = reply._grant  # noqa: SLF001  also of an answer that was read
        if grant is not None:
            pool.give_back(grant)
