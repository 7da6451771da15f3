"""The blocks of the handles, ``named()`` and ``speaking_as()``: ``with``, ``async with`` and ``@``.

A block is held by a generator, its guard: see ``Access.until_left``. Once that is over it has no
finaliser in which an exception from outside could vanish.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, cast

from namepool.core.leases import Binding, Lease, Taking, Token
from namepool.core.links import OVER, Link, Standing
from namepool.core.names import DEFAULT_NAME, validate_name
from namepool.core.options import check_seconds, check_theme, invalid
from namepool.errors import CheckoutTimeout, NameHeld, NamesUnavailable
from namepool.ledgers.base import Ledger
from namepool.owners import current_owner
from namepool.pool.access import Access
from namepool.pool.aside import on_its_own_thread
from namepool.pool.identities import check, take
from namepool.speaking import asked_for, chain, name_of_caller, standing_in, to_speak

P = ParamSpec("P")
R = TypeVar("R")

_chain = chain.get


class Block:
    """What ``with``, ``async with`` and ``@`` have in common.

    ``@block`` gives each call of a function, or of a coroutine function, a block of its own. A
    generator, sync or async, takes its name at its first step; it speaks under it in its steps, and
    whoever iterates does not.
    """

    _again: Callable[[], Block]

    def __enter__(self) -> str:
        raise NotImplementedError

    async def __aenter__(self) -> str:
        raise NotImplementedError

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        raise NotImplementedError

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        raise NotImplementedError

    def __call__(self, func: Callable[P, R]) -> Callable[P, R]:
        """Return ``func`` with a block of its own around each call."""
        import inspect  # a slow import, for the few who decorate

        again, function = self._again, cast("Callable[..., Any]", func)

        def calling(*args: Any, **kwargs: Any) -> Any:
            with again():
                return function(*args, **kwargs)

        async def awaiting(*args: Any, **kwargs: Any) -> Any:
            async with again():
                return await function(*args, **kwargs)

        def stepping(*args: Any, **kwargs: Any) -> Any:
            return (yield from _Steps(again(), function(*args, **kwargs)))

        wrapped: Callable[..., Any] = calling
        if inspect.iscoroutinefunction(func):
            wrapped = awaiting
        elif inspect.isasyncgenfunction(func):
            wrapped = _stepping_async(again, function)
        elif inspect.isgeneratorfunction(func):
            wrapped = stepping
        return cast("Callable[P, R]", functools.wraps(func)(wrapped))


class _Steps(Generator[Any, Any, Any]):
    """The steps of a generator in a block, whose link is there while a step runs, and not between.

    So whoever iterates does not speak as the generator. Of the context only the chain is changed.
    """

    def __init__(self, block: Block, inner: Generator[Any, Any, Any]) -> None:
        self._block = block
        self._inner = inner
        self._chain: Link | None = None
        self._has_begun = False

    def send(self, value: Any) -> Any:
        """Run to the next ``yield``."""
        return self._step(self._inner.send, value)

    def throw(self, *error: Any) -> Any:
        """Raise an exception in it."""
        return self._step(self._inner.throw, *error)

    def close(self) -> None:
        """End it."""
        self._step(self._inner.close)

    def _step(self, step: Callable[..., Any], *args: Any) -> Any:
        """Make a step; the block ends with the last one."""
        around, is_over = _chain(), True
        try:
            if not self._has_begun:
                self._has_begun = True
                self._block.__enter__()
                self._chain = _chain()
            chain.set(self._chain)
            item = step(*args)
            is_over = step == self._inner.close
            return item
        finally:
            self._chain = _chain()
            try:
                if is_over:
                    self._block.__exit__(None, None, None)
            finally:
                chain.set(around)


def _stepping_async(again: Callable[[], Block], func: Callable[..., Any]) -> Callable[..., Any]:
    """As ``_Steps``, of an async generator."""

    async def stepping(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        around = _chain()
        async with again():
            mine, inner = _chain(), func(*args, **kwargs)
            step, given = inner.asend, None
            try:
                while True:
                    try:
                        chain.set(mine)
                        item = await step(given)
                    except StopAsyncIteration:
                        return
                    finally:
                        mine = _chain()
                        chain.set(around)
                    try:
                        given, step = (yield item), inner.asend
                    except GeneratorExit:
                        raise
                    except BaseException as error:
                        given, step = error, inner.athrow
                    around = _chain()
            finally:
                await _closed(inner, mine)

    return stepping


async def _closed(inner: Any, mine: Link | None) -> None:
    """Close an async generator in its own chain."""
    around = _chain()
    try:
        chain.set(mine)
        await inner.aclose()
    finally:
        chain.set(around)


class Held(Block):
    """A block that holds one token, or speaks under a default name."""

    __slots__ = ("_access", "_guard", "_token")

    _access: Access
    _token: Token
    _guard: Generator[None, None, None] | None

    def _asked(self) -> Token:
        """Make the token."""
        raise NotImplementedError

    def _operation(self) -> Callable[[Any], Any] | None:
        """Return what of the state grants it, if that can be done here and now."""
        raise NotImplementedError

    def _stand_in(self, error: Exception) -> str:
        """Return the name to go on under where none is to be had, or raise the error."""
        raise error

    @property
    def is_held(self) -> bool:
        """A name is held, rather than a default name spoken."""
        return self._guard is not None

    def _hold(self) -> Token:
        if self._guard is not None:
            raise RuntimeError("this block is entered already: call named() again for another")
        token = self._asked()
        token.in_block = True
        self._token, self._guard = token, self._access.until_left(token)
        next(self._guard)
        return token

    def __enter__(self) -> str:
        token, is_held = self._hold(), False
        try:
            name = self._access.granted(token, self._operation())
            chain.set(token)
            is_held = True
            return name or DEFAULT_NAME
        except (NamesUnavailable, CheckoutTimeout) as error:
            return self._stand_in(error)
        finally:
            if not is_held:
                self._let_go()

    async def __aenter__(self) -> str:
        token, is_held = self._hold(), False
        try:
            name = await self._access.granted_async(token, self._operation())
            chain.set(token)
            is_held = True
            return name or DEFAULT_NAME
        except (NamesUnavailable, CheckoutTimeout) as error:
            return self._stand_in(error)
        finally:
            if not is_held:
                self._let_go()

    def _let_go(self) -> None:
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._guard is not None:
            next(self._guard, None)
            self._guard = None
            if _chain() is self._token:
                chain.set(self._token.before)  # only to save memory: the link is over
        else:
            self._stop_standing()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, trace)

    def _stop_standing(self) -> None:
        """End a block that is without a token."""


class Named(Held):
    """Hold a name of one's own, or this very ``name``; see ``PoolHandle.named``."""

    __slots__ = ("_default", "_name", "_standing", "_tell", "_theme", "_timeout")

    def __init__(
        self,
        access: Access,
        timeout: float | None,
        theme: str | None = None,
        name: str | None = None,
        default: str | None = None,
        tell: Callable[[str, Exception], object] | None = None,
    ) -> None:
        self._access, self._timeout, self._theme, self._name = access, timeout, theme, name
        self._default, self._tell = default, tell
        self._guard = None
        self._standing: Standing | None = None

    @property
    def _again(self) -> Callable[[], Self]:  # type: ignore[override]
        return partial(
            type(self),
            *(self._access, self._timeout, self._theme, self._name, self._default, self._tell),
        )

    def _asked(self) -> Lease:
        state = self._access.state
        if self._name is None:
            return asked_for(state, None, self._theme, self._timeout)
        taking = cast("Taking", asked_for(state, None, None, None, Taking))
        taking.wanted = self._name
        return taking

    def _operation(self) -> Callable[[Any], Any] | None:
        return self._access.state.begin if self._name is None else None

    def _stand_in(self, error: Exception) -> str:
        """Speak under the default name, if there is one, unless one holds another."""
        default, state = self._default, self._access.state
        if default is None:
            raise error
        if self._tell is not None:
            self._tell(default, error)
        if state.name_of(current_owner()) is None:
            self._standing = standing = standing_in(state, default)
            chain.set(standing)
        return name_of_caller(state) or default

    def _stop_standing(self) -> None:
        standing, self._standing = self._standing, None
        if standing is not None:
            standing.says = OVER
            if _chain() is standing:
                chain.set(standing.before)


class SpeakingAs(Held):
    """Speak under a given name; see ``PoolHandle.speaking_as``."""

    __slots__ = ("_exclusive", "_name")

    def __init__(self, access: Access, name: str, exclusive: bool) -> None:
        self._access, self._name, self._exclusive = access, name, exclusive
        self._guard = None

    @property
    def _again(self) -> Callable[[], Self]:  # type: ignore[override]
        return partial(type(self), self._access, self._name, self._exclusive)

    def _asked(self) -> Binding:
        return to_speak(self._access.state, self._name, self._exclusive)

    def _operation(self) -> None:
        return None


class Resumed(Block):
    """Hold this very name, or any, for an identity that a ledger keeps it for."""

    def __init__(
        self,
        named: Callable[[], Named],
        ledger: Ledger | None,
        name: str | None,
        identity: str | None,
    ) -> None:
        self._named, self._ledger, self._name, self._identity = named, ledger, name, identity
        self._blocks: ExitStack | AsyncExitStack = ExitStack()

    @property
    def _again(self) -> Callable[[], Self]:  # type: ignore[override]
        return partial(type(self), self._named, self._ledger, self._name, self._identity)

    def __enter__(self) -> str:
        if self._name is not None:
            self._take(self._name)
        with ExitStack() as of_others:  # names that other identities keep, until one is free
            while True:
                attempt = of_others.enter_context(ExitStack())
                block = self._named()
                given = attempt.enter_context(block)
                if self._name is None and block.is_held:
                    try:
                        self._take(given)
                    except NameHeld:
                        continue
                self._blocks = attempt.pop_all()
                return given

    def _take(self, name: str) -> None:
        if self._ledger is not None:
            take(self._ledger, name, self._identity)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        cast("ExitStack", self._blocks).__exit__(kind, error, trace)

    async def __aenter__(self) -> str:
        """As ``__enter__``; it is another thread that waits for the ledger."""
        if self._name is not None:
            await on_its_own_thread(partial(self._take, self._name))
        async with AsyncExitStack() as of_others:
            while True:
                attempt = await of_others.enter_async_context(AsyncExitStack())
                block = self._named()
                given = await attempt.enter_async_context(block)
                if self._name is None and block.is_held:
                    try:
                        await on_its_own_thread(partial(self._take, given))
                    except NameHeld:
                        continue
                self._blocks = attempt.pop_all()
                return given

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await cast("AsyncExitStack", self._blocks).__aexit__(kind, error, trace)


def named(
    access: Access,
    timeout: float | None,
    theme: str | None,
    default: bool | str,
    name: str | None,
    identity: str | None,
    tell: Callable[[str, Exception], object],
) -> Block:
    """Return the block that ``named()`` asks for."""
    check_seconds("timeout", timeout, none=True)
    check_theme(theme)
    substitute = default_of(default)
    check(access.ledger, theme, name, identity)
    block = partial(Named, access, timeout, theme, name, substitute, tell)
    if name is None and identity is None:
        return block()
    return Resumed(block, access.ledger, name, identity)


def default_of(default: object) -> str | None:
    """Return the name to speak under where none is to be had; ``None``: such a block raises."""
    if isinstance(default, bool):
        return DEFAULT_NAME if default else None
    if isinstance(default, str):
        return validate_name(default)
    raise invalid("default", default, "True, False or a name")
