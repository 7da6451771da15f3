"""The blocks of a handle: checkout … checkin, associate … dissociate. None of them leaks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pykka

from namepool.actors import WouldDeadlock, lineage
from namepool.core.leases import Lease
from namepool.core.names import DEFAULT_NAME
from namepool.core.options import GRACE
from namepool.errors import CheckoutTimeout
from namepool.inheritance import restore
from namepool.pool import messages as m


class Askable(Protocol):
    """A pool's ref, or a handle of one that survives restarts."""

    def ask(
        self, message: Any, *, timeout: float | None = None, receipt: list[Any] | None = None
    ) -> Any:
        """Return the answer; what must be given back if it is not delivered is the receipt."""
        ...

    def give_back(self, grant: object) -> None:
        """Return what came with an answer that was not delivered."""
        ...


def give_back(pool: Askable, receipt: list[Any]) -> None:
    """Return what came with an answer that was not delivered; twice does no harm."""
    for grant in receipt:
        pool.give_back(grant)


@contextmanager
def named(pool: Askable, timeout: float | None, theme: str | None = None) -> Iterator[str]:
    """Hold a name of one's own; see ``PoolHandle.named``."""
    before = lineage.get()
    message = m.CheckoutLease(timeout, None, theme)
    noted = lineage.get()
    receipt: list[Any] = []
    try:
        patience = None if timeout is None else timeout + GRACE
        try:
            lease: Lease = pool.ask(message, timeout=patience, receipt=receipt)
        except pykka.Timeout as error:
            raise_checkout_timeout(error, timeout)
            raise
        try:
            yield lease.name
        finally:
            _end(pool, m.CheckinLease(lease))
    except BaseException:
        give_back(pool, receipt)  # it may have been the way in, or out, that was cut short
        raise
    finally:
        restore(noted, before)


@contextmanager
def speaking_as(pool: Askable, name: str, exclusive: bool) -> Iterator[str]:
    """Speak under a given name; see ``PoolHandle.speaking_as``."""
    before = lineage.get()
    message = m.BeginSpeaking(name, exclusive)
    noted = lineage.get()
    receipt: list[Any] = []
    try:
        speaking = pool.ask(message, receipt=receipt)
        try:
            yield DEFAULT_NAME if speaking is None else speaking.name
        finally:
            if speaking is not None:
                _end(pool, m.EndSpeaking(speaking))
    except BaseException:
        give_back(pool, receipt)
        raise
    finally:
        restore(noted, before)


def raise_checkout_timeout(error: BaseException, timeout: float | None) -> None:
    """Raise what a checkout raises instead of a bare timeout, as while the pool is restarting."""
    if isinstance(error, pykka.Timeout) and not isinstance(error, CheckoutTimeout):
        raise CheckoutTimeout(
            f"no name, and no pool, within {timeout} + {GRACE:g} s: allow more time, or see the log"
        ) from error


def _end(pool: Askable, message: m.CheckinLease | m.EndSpeaking) -> None:
    try:
        pool.ask(message)
    except WouldDeadlock:
        pass  # a generator closed by a finaliser inside the pool: the request is queued
    except pykka.ActorDeadError:
        pass  # the pool was stopped inside the block: nothing is left to end
