"""The access of both handles to a pool, across its restarts; and the block that holds a name.

Each block has a generator as its guard: see ``Access.until_left``. The guard is no object with a
finaliser, because Python would run the finaliser even after a block that ended normally. If an
exception from outside arrives in a finaliser, Python drops the exception. A generator that has
finished runs no code when Python frees it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pykka

from namepool.actors import LATER, Reply
from namepool.actors.reply import others_turn
from namepool.core.leases import Lease, Token
from namepool.core.links import OVER, Link, Standing
from namepool.core.names import DEFAULT_NAME, validate_name
from namepool.core.options import CHECKS, GRACE
from namepool.core.state import PoolState
from namepool.core.stock import Apart
from namepool.errors import CheckoutTimeout, NamesUnavailable
from namepool.ledgers.base import Ledger
from namepool.ledgers.identities import Identities
from namepool.owners import current_owner
from namepool.pool.blocks import Block
from namepool.pool.warnings import warn
from namepool.speaking import chain, link_of_caller, name_of_caller, standing_in

_chain = chain.get


class Askable(Protocol):
    """A pool's ref, or a handle of a pool that survives the pool's restarts."""

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Return the answer; with ``block=False`` return a future of it."""
        ...


class Access:
    """The access to a pool's present incarnation.

    A caller with a token first runs ``begin`` in the pool's turn. If the answer is ``LATER``, the
    caller calls ``waited_for``. A caller that does not get the answer puts the token into
    ``state.signal``. The method ``put`` is written in C, so no exception from outside can cut it
    short.

    Raises:
        InvalidOption: ``target`` is no pool's ref or handle, or its pool is not running now
    """

    def __init__(self, target: Askable) -> None:
        ref: Any = getattr(target, "current", target)
        state = getattr(ref, "state", None)
        if not isinstance(state, PoolState) or not callable(getattr(target, "ask", None)):
            raise CHECKS.invalid("target", target, "a running pool's ref or handle")
        self.target: Askable = target
        self.state: PoolState = state  # the same for every incarnation
        self.begin: Callable[[Lease], Any] = state.begin
        self.end: Callable[[Token], Any] = state.end
        self.run: Callable[[Callable[[Any], Any], Any], Any] = ref.actor_inbox.run
        """Runs a function in the turn of the last incarnation seen: see ``Inbox.run``."""
        self.ledger: Ledger | None = ref.ledger
        self.identities: Identities | None = ref.identities
        self._untold = threading.Lock()

    def waited_for(self, token: Token) -> Any:
        """Return the answer to a token; block up to the token's timeout.

        Raises:
            pykka.Timeout: no answer came in time; for a lease it is a ``CheckoutTimeout``
        """
        with self._waiting(token):
            return self.target.ask(token, timeout=_patience(token))

    async def granted(self, token: Token) -> Any:
        """Return the answer to a token; suspend the task up to the token's timeout.

        Raises:
            pykka.Timeout: no answer came in time; for a lease it is a ``CheckoutTimeout``
        """
        answer = self.run(self.begin, token) if token.__class__ is Lease else LATER
        if answer is LATER:
            with self._waiting(token):
                return await self.answer(token, _patience(token))
        await others_turn
        return answer

    @contextmanager
    def _waiting(self, token: Token) -> Iterator[None]:
        """Raise ``CheckoutTimeout`` for a lease instead of a bare timeout.

        A bare timeout comes if no pool is there to answer, for example while it restarts.
        """
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
            self.run = ref.actor_inbox.run

    async def answer(self, message: Any, timeout: float | None = None) -> Any:
        """Return the answer, or raise ``pykka.Timeout`` after ``timeout`` seconds."""
        reply: Reply[Any] = self.target.ask(message, block=False)
        return await reply.within(timeout)

    def until_left(self, token: Token) -> Generator[None, None, None]:
        """Guard a block: when the generator is resumed, closed or dropped, the block's token ends.

        If the turn is free, the token ends at once. Otherwise it says nothing from now on, and the
        thread of the pool, or of its next incarnation, ends it before any message that is queued
        later. The guard never blocks.
        """
        try:
            yield
        finally:
            is_done = False
            try:
                is_done = self.run(self.end, token) is not LATER
            finally:
                if not is_done:
                    if token.says:  # otherwise another thread is just beginning it
                        token.says = OVER
                    self.state.signal.put(token)  # also if an exception from outside came

    def tell_of_default(self, name: str, error: Exception) -> None:
        """Warn, the first time, that an agent speaks under a default name."""
        if self._untold.acquire(blocking=False):
            warn(
                "no name is available, so an agent works as %a (this is said once): %s", name, error
            )


def _patience(token: Token) -> float | None:
    """Return the seconds to wait for an answer.

    The pool itself ends a wait at the token's timeout. The longer wait here ends if no pool runs.
    """
    if not isinstance(token, Lease) or token.timeout is None:
        return None
    return token.timeout + GRACE


ENTERED = "this block is entered already: call named() again for another"


class Held(Block):
    """A block that holds one token, or a default name; ``ask`` makes the token."""

    __slots__ = ("_access", "_ask", "_default", "_guard", "_link")

    def __init__(
        self, access: Access, ask: Callable[[], Token], default: str | None = None
    ) -> None:
        self._access, self._ask, self._default = access, ask, default
        self._guard: Generator[None, None, None] | None = None
        self._link: Link | None = None

    def __copy__(self) -> Held:
        """Return a block of the same kind that is not entered."""
        return Held(self._access, self._ask, self._default)

    @property
    def is_held(self) -> bool:
        """Whether the block holds a name of the pool, rather than a default name."""
        return self._guard is not None and not isinstance(self._link, Standing)

    def set_apart(self, is_apart: bool = True) -> None:
        """Let the name leave the pool at the end of the block, instead of going back to its stock.

        The name is in no stock of the pool from now on, so the pool never hands it out again.
        ``set_apart(False)`` takes that back.
        """
        lease: Any = self._link
        if is_apart and not self.is_apart:
            lease.stock = Apart(lease, lease.stock)
        elif not is_apart and self.is_apart:
            lease.stock = lease.stock.before

    @property
    def is_apart(self) -> bool:
        """Whether the name leaves the pool at the end of the block."""
        return isinstance(getattr(self._link, "stock", None), Apart)

    def _hold(self) -> Token:
        if self._link is not None:
            raise RuntimeError(ENTERED)
        self._link = token = self._ask()
        token.in_block = True
        self._guard = self._access.until_left(token)
        next(self._guard)
        return token

    def __enter__(self) -> str:
        token, access, answer = self._hold(), self._access, None
        try:
            name = access.run(access.begin, token) if token.__class__ is Lease else LATER
            if name is LATER:
                name = access.waited_for(token)
            chain.set(token)
            answer = name or DEFAULT_NAME  # no call, so no exception, before the return
            return answer
        except (NamesUnavailable, CheckoutTimeout) as error:
            answer = self._stand_in(error)
            return answer
        finally:
            if answer is None:
                self.__exit__()

    async def __aenter__(self) -> str:
        token, answer = self._hold(), None
        try:
            name = await self._access.granted(token)
            chain.set(token)
            answer = name or DEFAULT_NAME
            return answer
        except (NamesUnavailable, CheckoutTimeout) as error:
            answer = self._stand_in(error)
            return answer
        finally:
            if answer is None:
                self.__exit__()

    def _stand_in(self, error: Exception) -> str:
        """Speak under the default name, unless the caller has a name of its own.

        A block without a default name raises ``error``.
        """
        default, state, guard = self._default, self._access.state, self._guard
        if default is None or guard is None:
            raise error
        guard.close()
        self._guard = self._link = None
        self._access.tell_of_default(default, error)
        error.__traceback__ = None  # it would keep this block, and so its link, alive
        link = link_of_caller(state)
        if link is None or link.owner != current_owner():  # otherwise the caller keeps its own name
            self._link = standing = standing_in(state, default)
            self._guard = _until_left(standing)
            next(self._guard)
            chain.set(standing)
        return name_of_caller(state) or default

    def __exit__(self, *error: Any) -> None:
        guard, link = self._guard, self._link
        if guard is not None:
            next(guard, None)
            self._guard = None
        if link is not None and _chain() is link:
            chain.set(link.before)  # only to save memory, because the link is over
        self._link = None


def _until_left(standing: Standing) -> Generator[None, None, None]:
    """Guard a block that holds a default name, as ``Access.until_left`` guards other blocks."""
    try:
        yield
    finally:
        standing.says = OVER


def default_of(default: object) -> str | None:
    """Return the default name of a block; ``None``: the block raises if there is no name."""
    if isinstance(default, bool):
        return DEFAULT_NAME if default else None
    if isinstance(default, str):
        return validate_name(default)
    raise CHECKS.invalid("default", default, "True, False or a name")


def on_its_own_thread(function: Callable[[], Any]) -> Reply[Any]:
    """Run ``function`` on a new thread, and return its answer as a future.

    An event loop's executor will not do, because all its threads may be waiting for names. If no
    thread can be started, ``function`` runs on the caller's thread, and the loop waits.
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
            raise  # the caller's stack is full
        run()
    return reply
