"""As ``scopes``, for tasks: to ask and to leave a block suspends the task, never its loop."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pykka

from namepool.actors import Reply, WouldDeadlock
from namepool.core.bindings import Speaking
from namepool.core.leases import Lease
from namepool.core.names import DEFAULT_NAME
from namepool.core.options import GRACE
from namepool.pool import messages as m
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


@asynccontextmanager
async def named(pool: Askable, timeout: float | None) -> AsyncIterator[str]:
    """Hold a name of one's own; see ``AsyncPoolHandle.named``."""
    lease: Lease | None = None
    try:
        lease = await checkout(pool, m.CheckoutLease(timeout))
        try:
            yield lease.name
        finally:
            await _end(pool, m.CheckinLease(lease), lease)
    except BaseException:
        if lease is not None:
            pool.give_back(lease)  # it may have been the way out that was cut short
        raise


@asynccontextmanager
async def speaking_as(pool: Askable, name: str, exclusive: bool) -> AsyncIterator[str]:
    """Speak under a given name; see ``AsyncPoolHandle.speaking_as``."""
    speaking: Speaking | None = None
    try:
        speaking = await answer(pool, m.BeginSpeaking(name, exclusive))
        try:
            yield DEFAULT_NAME if speaking is None else speaking.name
        finally:
            if speaking is not None:
                await _end(pool, m.EndSpeaking(speaking), speaking)
    except BaseException:
        if speaking is not None:
            pool.give_back(speaking)
        raise


async def _end(pool: Askable, message: m.CheckinLease | m.EndSpeaking, grant: object) -> None:
    if isinstance(sys.exception(), GeneratorExit):
        pool.give_back(grant)  # whoever closes a task does not run it on: it cannot await
        return
    try:
        await pool.ask(message, block=False)
    except (pykka.ActorDeadError, WouldDeadlock):
        pass  # the pool was stopped inside the block: nothing is left to end


def _take_back(pool: Askable, reply: Reply[Any] | None) -> None:
    if reply is not None:
        reply.withdraw()
        grant = reply._grant  # noqa: SLF001  also of an answer that was read
        if grant is not None:
            pool.give_back(grant)
