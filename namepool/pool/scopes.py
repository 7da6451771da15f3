"""The blocks of a handle: checkout … checkin, associate … dissociate. None of them leaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Protocol

import pykka

from namepool.actors import WouldDeadlock, lineage
from namepool.core.leases import Lease
from namepool.core.names import DEFAULT_NAME, validate_name
from namepool.core.options import GRACE, invalid
from namepool.errors import CheckoutTimeout, NamesUnavailable
from namepool.lineage import leave, standing_in, within
from namepool.owners import current_owner, name_of_caller
from namepool.pool import messages as m


class Askable(Protocol):
    """A pool's ref, or a handle of one that survives restarts."""

    def ask(
        self,
        message: Any,
        *,
        block: bool = True,
        timeout: float | None = None,
        receipt: list[Any] | None = None,
    ) -> Any:
        """Return the answer, or a future of it.

        What must be given back if the answer is not delivered is the receipt.
        """
        ...

    def give_back(self, grant: object) -> None:
        """Return what came with an answer that was not delivered."""
        ...

    def is_alive(self) -> bool:
        """Tell whether it runs at this moment."""
        ...


def give_back(pool: Askable, receipt: list[Any]) -> None:
    """Return what came with an answer that was not delivered; twice does no harm."""
    for grant in receipt:
        pool.give_back(grant)


@contextmanager
def named(
    pool: Askable, timeout: float | None, theme: str | None = None, name: str | None = None
) -> Iterator[str]:
    """Hold a name of one's own, or this very ``name``; see ``PoolHandle.named``."""
    before = lineage.get()
    message = m.CheckoutLease(timeout, None, theme) if name is None else m.TakeLease(name)
    mine = within(message.owner, before)
    receipt: list[Any] = []
    try:
        lineage.set(mine)
        patience = None if timeout is None else timeout + GRACE
        try:
            lease: Lease = pool.ask(message, timeout=patience, receipt=receipt)
        except pykka.Timeout as error:
            raise_checkout_timeout(error, timeout)
            raise
        try:
            yield lease.name
        finally:
            _end(pool, m.CheckinLease(lease), lease)
    except BaseException:
        give_back(pool, receipt)  # it may have been the way in, or out, that was cut short
        raise
    finally:
        leave(mine, before)


def default_of(default: object) -> str | None:
    """Return the name to speak under where none is to be had; ``None``: such a block raises."""
    if isinstance(default, bool):
        return DEFAULT_NAME if default else None
    if isinstance(default, str):
        return validate_name(default)
    raise invalid("default", default, "True, False or a name")


@contextmanager
def named_or_default(
    block: AbstractContextManager[str],
    speaking: Mapping[str, str],
    default: str,
    tell: Callable[[str, Exception], object],
) -> Iterator[str]:
    """Enter a block of ``named``; where no name is to be had, tell and speak under ``default``."""
    with ExitStack() as blocks:
        try:
            name = blocks.enter_context(block)
        except (NamesUnavailable, CheckoutTimeout) as error:
            tell(default, error)
            owner = current_owner()
            if owner not in speaking:  # else it holds another name, and goes on under that
                blocks.enter_context(standing_in(speaking, default, owner))
            name = name_of_caller(speaking) or default
        yield name


@contextmanager
def speaking_as(pool: Askable, name: str, exclusive: bool) -> Iterator[str]:
    """Speak under a given name; see ``PoolHandle.speaking_as``."""
    before = lineage.get()
    message = m.BeginSpeaking(name, exclusive)
    mine = within(message.owner, before)
    receipt: list[Any] = []
    try:
        lineage.set(mine)
        speaking = pool.ask(message, receipt=receipt)
        try:
            yield DEFAULT_NAME if speaking is None else speaking.name
        finally:
            if speaking is not None:
                _end(pool, m.EndSpeaking(speaking), speaking)
    except BaseException:
        give_back(pool, receipt)
        raise
    finally:
        leave(mine, before)


def raise_checkout_timeout(error: BaseException, timeout: float | None) -> None:
    """Raise what a checkout raises instead of a bare timeout, as while the pool is restarting."""
    if isinstance(error, pykka.Timeout) and not isinstance(error, CheckoutTimeout):
        raise CheckoutTimeout(
            f"no name, and no pool, within {timeout} + {GRACE:g} s: allow more time, or see the log"
        ) from error


def _end(pool: Askable, message: m.CheckinLease | m.EndSpeaking, grant: object) -> None:
    if not pool.is_alive():
        # Perhaps it restarts. Then its supervisor may be waiting for this very block to end, in an
        # actor that it stops first: so nobody waits for the pool here.
        pool.give_back(grant)
        return
    try:
        pool.ask(message)
    except WouldDeadlock:
        pass  # a generator closed by a finaliser inside the pool: the request is queued
    except pykka.ActorDeadError:
        pass  # the pool was stopped inside the block: nothing is left to end
