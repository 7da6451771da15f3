"""The way into a pool and out of it, across its restarts: what both handles stand on.

A block is held by a generator, its guard: see ``Access.until_left``. Once that is over it has no
finaliser in which an exception from outside could vanish.
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
from namepool.core.options import GRACE, invalid
from namepool.core.state import PoolState
from namepool.errors import CheckoutTimeout, NamesUnavailable
from namepool.ledgers.base import Ledger
from namepool.owners import current_owner
from namepool.pool.blocks import Block
from namepool.pool.warnings import warn
from namepool.speaking import chain, link_of_caller, name_of_caller, standing_in

_chain = chain.get


class Askable(Protocol):
    """A pool's ref, or a handle of one that survives restarts."""

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Return the answer, or a future of it."""
        ...


class Access:
    """A pool, in whichever incarnation it runs now.

    Whoever asks by a token runs ``begin`` in the turn, and has it ``waited_for`` if that answers
    ``LATER``. Whoever does not get the answer puts the token into ``state.signal``: a call of C,
    which nothing can keep from being made.

    Raises:
        InvalidOption: ``target`` is no pool's ref or handle, or its pool is not running now
    """

    def __init__(self, target: Askable) -> None:
        ref: Any = getattr(target, "current", target)
        state = getattr(ref, "state", None)
        if not isinstance(state, PoolState) or not callable(getattr(target, "ask", None)):
            raise invalid("target", target, "a running pool's ref or handle")
        self.target: Askable = target
        self.state: PoolState = state  # the same for every incarnation
        self.begin: Callable[[Lease], Any] = state.begin
        self.end: Callable[[Token], Any] = state.end
        self.run: Callable[[Callable[[Any], Any], Any], Any] = ref.actor_inbox.run
        """In the turn of the last incarnation seen: see ``Inbox.run``."""
        self.ledger: Ledger | None = ref.ledger
        self._untold = threading.Lock()

    def waited_for(self, token: Token) -> Any:
        """Return the answer to a token; blocks as long as its timeout says.

        Raises:
            pykka.Timeout: no answer in time; of a lease, ``CheckoutTimeout``
        """
        with self._waiting(token):
            return self.target.ask(token, timeout=_patience(token))

    async def granted(self, token: Token) -> Any:
        """Return the answer to a token; suspends the task as long as its timeout says.

        Raises:
            pykka.Timeout: no answer in time; of a lease, ``CheckoutTimeout``
        """
        answer = self.run(self.begin, token) if token.__class__ is Lease else LATER
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
            self.run = ref.actor_inbox.run

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
                is_done = self.run(self.end, token) is not LATER
            finally:
                if not is_done:
                    self.state.signal.put(token)  # struck: it ends all the same

    def tell_of_default(self, name: str, error: Exception) -> None:
        """Warn, the first time, that an agent speaks under a default name."""
        if self._untold.acquire(blocking=False):
            warn("no name to be had, so an agent works as %a (this is said once): %s", name, error)


def _patience(token: Token) -> float | None:
    """Return how long to wait: the pool keeps the time, and this ends a wait without a pool."""
    if not isinstance(token, Lease) or token.timeout is None:
        return None
    return token.timeout + GRACE


ENTERED = "this block is entered already: call named() again for another"


class Held(Block):
    """A block that holds one token, or speaks under a default name; ``ask`` makes the token."""

    __slots__ = ("_access", "_ask", "_default", "_guard", "_link")

    def __init__(
        self, access: Access, ask: Callable[[], Token], default: str | None = None
    ) -> None:
        self._access, self._ask, self._default = access, ask, default
        self._guard: Generator[None, None, None] | None = None
        self._link: Link | None = None

    def __copy__(self) -> Held:
        """Return another block of the same kind, not entered."""
        return Held(self._access, self._ask, self._default)

    @property
    def is_held(self) -> bool:
        """A name is held, rather than a default name spoken."""
        return self._guard is not None and not isinstance(self._link, Standing)

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
            answer = name or DEFAULT_NAME  # no call from here to the return
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
        """Speak under the default name, if there is one, unless one holds another."""
        default, state, guard = self._default, self._access.state, self._guard
        if default is None or guard is None:
            raise error
        guard.close()
        self._guard = self._link = None
        self._access.tell_of_default(default, error)
        error.__traceback__ = None  # it would keep this block, and so the link, after its use
        link = link_of_caller(state)
        if link is None or link.owner != current_owner():  # else it goes on under its own
            self._link = standing = standing_in(state, default)
            self._guard = _until_left(standing)
            next(self._guard)
            chain.set(standing)
        return name_of_caller(state) or default

    def __exit__(self, *error: Any) -> None:
        guard, link = self._guard, self._link
        if link is not None and link.says:  # else it is just beginning, in the turn of another
            link.says = OVER  # at once, though the name may have to wait for the turn
        if guard is not None:
            next(guard, None)
            self._guard = None
        if link is not None and _chain() is link:
            chain.set(link.before)  # only to save memory: the link is over
        self._link = None


def _until_left(standing: Standing) -> Generator[None, None, None]:
    """Guard a block of a default name, as ``Access.until_left`` does one of a token."""
    try:
        yield
    finally:
        standing.says = OVER


def default_of(default: object) -> str | None:
    """Return the name to speak under where none is to be had; ``None``: such a block raises."""
    if isinstance(default, bool):
        return DEFAULT_NAME if default else None
    if isinstance(default, str):
        return validate_name(default)
    raise invalid("default", default, "True, False or a name")


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
