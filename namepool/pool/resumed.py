"""Blocks that take one particular name, or the name that the ledger keeps for an identity.

If a thread enters or leaves such a block, this thread waits for the ledger. If a task does, another
thread waits for the ledger, and the event loop goes on.

The name of an identity never goes back to the pool's stock, because the pool could then hand it out
to another agent while the identity takes it back elsewhere. So its lease gets a stock of its own,
and with the end of the block the name leaves the pool.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from namepool.core.leases import Token, speaking_owners
from namepool.core.names import name_key, one_line
from namepool.core.options import CHECKS
from namepool.errors import InvalidOption, NameHeld
from namepool.ledgers.base import LONGEST
from namepool.ledgers.identities import OURS, Hold
from namepool.pool.access import ENTERED, Access, Held, on_its_own_thread
from namepool.pool.blocks import Block
from namepool.speaking import asked_for, to_take


def resumed(
    access: Access,
    theme: str | None,
    timeout: float | None,
    default: str | None,
    name: str | None,
    identity: str | None,
) -> Block:
    """Return a block that takes the name ``name``; without it, the name of ``identity``.

    An identity without a name gets any name, and the ledger keeps that name for it.

    Raises:
        InvalidOption: ``theme`` is given with ``name``, or ``identity`` without a ledger
    """
    if name is not None and theme is not None:
        raise CHECKS.invalid("theme", theme, "left out if a name is asked for by name")
    if identity is not None and access.ledger is None:
        raise InvalidOption("identity needs a ledger, which remembers it: open_pool(ledger=...)")

    def held(name: str | None) -> Held:
        ask: Callable[[], Token] = partial(asked_for, access.state, None, theme, timeout)
        if name is not None:
            ask = partial(to_take, access.state, name, leaves=identity is not None)
        return Held(access, ask, default)

    return Resumed(access, held, name, identity, math.inf if timeout is None else timeout)


class Resumed(Block):
    """A block that holds a given name, or the name of an identity."""

    def __init__(
        self,
        access: Access,
        held: Callable[[str | None], Held],
        name: str | None,
        identity: str | None,
        timeout: float,
    ) -> None:
        self._access, self._held, self._name, self._identity = access, held, name, identity
        self._timeout = timeout
        self._blocks: list[Held] | None = None  # the last block holds the name
        self._hold: Hold | None = None
        self._given: str | None = None

    # -- entering ---------------------------------------------------------------------------

    def __enter__(self) -> str:
        entering, given = self._entering(is_task=False), None
        try:
            for _ in entering.__await__():
                raise RuntimeError("a thread awaits nothing here")
            given = self._given
            return given or ""
        finally:
            if given is None:
                self.__exit__()

    async def __aenter__(self) -> str:
        entering, given = self._entering(is_task=True), None
        try:
            await entering
            given = self._given
            return given or ""
        finally:
            if given is None and (let_go := self._leave()) is not None:
                on_its_own_thread(let_go)

    def _entering(self, *, is_task: bool) -> Coroutine[Any, Any, None]:
        if self._blocks is not None:
            raise RuntimeError(ENTERED)
        self._blocks, self._given = [], None
        return self._enter(is_task) if self._identity is None else self._identify(is_task)

    async def _enter(self, is_task: bool) -> None:
        """Hold the name, which the ledger has for no other session; a thread awaits nothing."""
        identities = self._access.identities
        if identities is not None:
            self._hold = hold = identities.hold(None)
            await _aside(partial(hold.take, self._name or "", self._deadline()), is_task)
        await self._check_out(self._name, is_task)

    async def _identify(self, is_task: bool) -> None:
        """Hold the name of the identity. If it has none yet, give it one."""
        identities: Any = self._access.identities
        identity, deadline, name = self._identity, self._deadline(), self._name
        self._refuse_if_in_use(name)
        self._hold = hold = identities.hold(identity)
        kept = await _aside(partial(identities.kept, identity, name), is_task)
        if kept is not None and (name is None or name_key(name) == name_key(kept)):
            name = kept  # as the ledger spells it
        if name is None:
            name = await self._take_new(hold, deadline, is_task)
        if name is not None:
            self._refuse_if_in_use(name)
            await _aside(partial(hold.take, name, deadline), is_task)
            await self._check_out(name, is_task)

    async def _take_new(self, hold: Hold, deadline: float, is_task: bool) -> str | None:
        """Take any name for the identity; return the name that it has got elsewhere meanwhile."""
        blocks, name = self._blocks or [], None
        while True:
            block = await self._check_out(None, is_task)
            try:
                if block.is_held:
                    take = partial(hold.take, self._given or "", deadline, block.set_apart)
                    await _aside(take, is_task)
                break
            except NameHeld as error:
                if error.holder.identity == one_line(hold.identity, LONGEST):
                    block.set_apart(False)
                    name = error.holder.name
                    break
                # Hold the refused name meanwhile, so that the pool offers another.
        for refused in blocks if name is not None else blocks[:-1]:
            refused.__exit__()
        return name

    def _deadline(self) -> float:
        return time.monotonic() + self._timeout

    async def _check_out(self, name: str | None, is_task: bool) -> Held:
        block = self._held(name)
        if self._blocks is not None:
            self._blocks.append(block)
        self._given = await block.__aenter__() if is_task else block.__enter__()
        if self._hold is not None:
            self._hold.wanted = None  # the pool has the name from now on
        return block

    def _refuse_if_in_use(self, name: str | None) -> None:
        """Refuse a name that another agent of this pool has; the ledger cannot tell them apart."""
        state, identities = self._access.state, self._access.identities
        lease = state.leases.get(state.known.canonical(name)) if name else None
        owners = [*speaking_owners(lease)] if lease is not None else []
        if lease is not None and owners and identities is not None:  # else it is just ending
            text = f"{lease.name!r} is checked out in this pool by {owners}"
            if (identity := identities.held().get(lease.name)) is not None:
                text += f", for the identity '{one_line(identity)}'; {OURS}"
            raise NameHeld(one_line(text, 1000))

    # -- leaving ----------------------------------------------------------------------------

    def __exit__(self, *error: object) -> None:
        if (let_go := self._leave()) is not None:
            let_go()

    async def __aexit__(self, *error: object) -> None:
        if (let_go := self._leave()) is not None:
            ended = on_its_own_thread(let_go)
            if error[:1] != (GeneratorExit,):  # a task that is being closed runs no further
                await ended

    def _leave(self) -> Callable[[], None] | None:
        """End the blocks; return a function that gives the name of an identity back, if needed."""
        blocks, self._blocks = self._blocks or [], None
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.end()  # first: from now on ``take``, on another thread, gives the name back
        is_apart = any(block.is_apart for block in blocks)
        try:
            for block in blocks:
                block.__exit__()
        finally:
            let_go = None
            if hold is not None and hold.identity is not None and hold.name is not None:
                let_go = partial(hold.let_go, is_free=is_apart)
        return let_go


async def _aside(work: Callable[[], Any], is_task: bool) -> Any:
    return await on_its_own_thread(work) if is_task else work()
