"""Blocks that take one particular name, or a name that the ledger keeps for an identity.

If a thread enters such a block, this thread waits for the ledger. If a task enters it, another
thread waits for the ledger, and the event loop goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from namepool.core.leases import Token
from namepool.core.names import one_line
from namepool.core.options import CHECKS
from namepool.errors import InvalidOption, NameHeld
from namepool.ledgers.base import Holder, Ledger
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
    """Return a block that takes the name ``name``; without a ``name``, it takes any name.

    With an ``identity``, the ledger keeps the name for that identity.

    Raises:
        InvalidOption: ``theme`` is given with ``name``, or ``identity`` without a ledger
    """
    if name is not None and theme is not None:
        raise CHECKS.invalid("theme", theme, "left out if a name is asked for by name")
    if identity is not None and access.ledger is None:
        raise InvalidOption("identity needs a ledger, which remembers it: open_pool(ledger=...)")
    ask: Callable[[], Token] = partial(asked_for, access.state, None, theme, timeout)
    if name is not None:
        ask = partial(to_take, access.state, name)
    return Resumed(partial(Held, access, ask, default), access.ledger, name, identity)


class Resumed(Block):
    """A block that holds a given name, or any name, and has the ledger keep it for an identity."""

    def __init__(
        self,
        named: Callable[[], Held],
        ledger: Ledger | None,
        name: str | None,
        identity: str | None,
    ) -> None:
        self._named, self._ledger, self._name, self._identity = named, ledger, name, identity
        self._blocks: list[Held] | None = None  # the last block holds the name
        self._given = ""

    def __enter__(self) -> str:
        entering, given = self._entering(is_task=False), None
        try:
            for _ in entering.__await__():
                raise RuntimeError("a thread awaits nothing here")
            given = self._given
            return given
        finally:
            if not given:
                self.__exit__()

    async def __aenter__(self) -> str:
        entering, given = self._entering(is_task=True), None
        try:
            await entering
            given = self._given
            return given
        finally:
            if not given:
                self.__exit__()

    def __exit__(self, *error: object) -> None:
        try:
            for block in self._blocks or ():
                block.__exit__()
        finally:
            self._blocks = None

    def _entering(self, *, is_task: bool) -> Coroutine[Any, Any, None]:
        if self._blocks is not None:
            raise RuntimeError(ENTERED)
        self._blocks = []
        return self._enter(self._blocks, is_task)

    async def _enter(self, blocks: list[Held], is_task: bool) -> None:
        """Hold a name that the ledger keeps for no other session; a thread awaits nothing here."""
        if self._name is not None:
            await self._take(self._name, is_task)
        while True:
            blocks.append(block := self._named())
            self._given = await block.__aenter__() if is_task else block.__enter__()
            if self._name is not None or not block.is_held:
                break
            try:
                await self._take(self._given, is_task)
                break
            except NameHeld:
                continue  # hold the refused name meanwhile, so that the pool offers another
        for refused in blocks[:-1]:
            refused.__exit__()

    async def _take(self, name: str, is_task: bool) -> None:
        if self._ledger is not None:
            taking = partial(take, self._ledger, name, self._identity)
            await on_its_own_thread(taking) if is_task else taking()


def take(ledger: Ledger, name: str, identity: str | None) -> None:
    """Let the ledger keep a name for an identity.

    Raises:
        NameHeld: another session has the name; the error names that session
    """
    holder = ledger.take(name, identity)
    if holder is not None:
        raise NameHeld(one_line(_told(ledger, holder), 1000), holder)


def _told(ledger: Ledger, holder: Holder) -> str:
    """Return the message of ``NameHeld``: the holder of the name, and advice."""
    # The texts of our own ledgers are escaped already, so they are shown without ``repr``.
    session, whose = holder.session, f"the identity '{one_line(holder.identity)}'"
    since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(holder.claimed))
    who = f"'{one_line(holder.name)}' is held by {session} since {since}, for "
    who += "no identity" if holder.identity is None else whose
    if session.id == getattr(ledger, "session", None):
        return f"{who}; this very process holds it: take another name"
    ended = "that session has ended" if session.ended else "that process is dead"
    freed = "until 'namepool ledger prune' frees them: take another name"
    # A ledger of a user's own may lack ``runs``. ``None`` then means that nothing is known.
    runs = getattr(ledger, "runs", lambda _: None)(session)
    if session.ended or runs is False:
        waits = "stay claimed" if holder.identity is None else "wait for their identities"
        return f"{who}; {ended}, and its names {waits} {freed}"
    seen = f"it was seen {session.silent:.0f} s ago"
    if runs:
        return f"{who}; {seen}, and that process runs: take another name"
    return f"{who}; {seen}: if it lives, take another name"
