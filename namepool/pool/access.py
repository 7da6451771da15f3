"""The way into a pool and out of it, across its restarts: what both handles stand on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pykka

from namepool.actors import LATER, Reply
from namepool.actors.inbox import Inbox
from namepool.actors.reply import others_turn
from namepool.core.leases import Lease, Token
from namepool.core.options import GRACE, invalid
from namepool.core.state import PoolState
from namepool.errors import CheckoutTimeout
from namepool.ledgers.base import Ledger


class Askable(Protocol):
    """A pool's ref, or a handle of one that survives restarts."""

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Return the answer, or a future of it."""
        ...


class Access:
    """A pool, in whichever incarnation it runs now.

    Whoever asks by a token and does not get the answer puts the token into ``state.signal``: a call
    of C, which nothing can keep from being made.

    Raises:
        InvalidOption: ``target`` is no pool's ref or handle, or its pool is not running now
    """

    def __init__(self, target: Askable) -> None:
        ref: Any = getattr(target, "current", target)
        state = getattr(ref, "state", None)
        if not isinstance(state, PoolState) or not callable(getattr(target, "ask", None)):
            raise invalid("target", target, "a running pool's ref or handle")
        self.target: Askable = target
        # The state is the same for every incarnation; the inbox is that of the last one seen.
        self.state: PoolState = state
        self.inbox: Inbox = ref.actor_inbox
        self.ledger: Ledger | None = ref.ledger

    def granted(self, token: Token) -> Any:
        """Return the answer to a token; blocks as long as its timeout says.

        A lease is granted here and now, if that can be.

        Raises:
            pykka.Timeout: no answer in time; of a lease, ``CheckoutTimeout``
        """
        answer = self.inbox.run(self.state.begin, token) if token.__class__ is Lease else LATER
        if answer is LATER:
            with self._waiting(token):
                answer = self.target.ask(token, timeout=_patience(token))
        return answer

    async def granted_async(self, token: Token) -> Any:
        """As ``granted``; suspends the task instead of blocking."""
        answer = self.inbox.run(self.state.begin, token) if token.__class__ is Lease else LATER
        if answer is LATER:
            with self._waiting(token):
                return await self.answer(token, _patience(token))
        await others_turn
        return answer

    @contextmanager
    def _waiting(self, token: Token) -> Iterator[None]:
        """Raise what a checkout raises instead of a bare timeout, as while the pool restarts."""
        try:
            yield
        except pykka.Timeout as error:
            if not isinstance(token, Lease) or isinstance(error, CheckoutTimeout):
                raise
            raise CheckoutTimeout(
                f"no name, and no pool, within {token.timeout} + {GRACE:g} s: allow more time, or "
                "see the log"
            ) from error
        ref: Any = getattr(self.target, "current", self.target)
        if ref is not None:
            self.inbox = ref.actor_inbox

    async def answer(self, message: Any, timeout: float | None = None) -> Any:
        """Return the answer, or raise ``pykka.Timeout`` after ``timeout`` seconds."""
        reply: Reply[Any] = self.target.ask(message, block=False)
        return await reply.within(timeout)

    def until_left(self, token: Token) -> Generator[None, None, None]:
        """Guard a block: gone on, closed or dropped, it ends the block's token.

        Here and now, if the turn is free. Else the pool's own thread does it, or that of its next
        incarnation, before any message that is queued after this. It never blocks.
        """
        try:
            yield
        finally:
            is_done = False
            try:
                is_done = self.inbox.run(self.state.end, token) is not LATER
            finally:
                if not is_done:
                    self.state.signal.put(token)  # struck: it ends all the same


def _patience(token: Token) -> float | None:
    """Return how long to wait: the pool keeps the time, and this ends a wait without a pool."""
    if not isinstance(token, Lease) or token.timeout is None:
        return None
    return token.timeout + GRACE


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
    except RuntimeError as error:
        if isinstance(error, RecursionError):
            raise  # it came from outside
        run()
    return reply
