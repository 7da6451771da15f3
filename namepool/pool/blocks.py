"""The blocks of the handles, ``named()`` and ``speaking_as()``: ``with``, ``async with`` and ``@``.

A block is held by a generator, its guard: see ``Access.until_left``. Once that is over it has no
finaliser in which an exception from outside could vanish.
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Generator
from copy import copy
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

from namepool.core.leases import Token
from namepool.core.links import OVER, Link, Standing
from namepool.core.names import DEFAULT_NAME, validate_name
from namepool.core.options import check_seconds, check_theme, invalid
from namepool.errors import CheckoutTimeout, NameHeld, NamesUnavailable
from namepool.ledgers.base import Ledger
from namepool.owners import current_owner
from namepool.pool.access import Access, on_its_own_thread
from namepool.pool.identities import check, take
from namepool.speaking import (
    asked_for,
    chain,
    is_linked,
    link_of_caller,
    name_of_caller,
    put_back,
    standing_in,
    to_speak,
    to_take,
)

P = ParamSpec("P")
R = TypeVar("R")

_chain = chain.get

ENTERED = "this block is entered already: call named() again for another"


class Block:
    """What ``with``, ``async with`` and ``@`` have in common.

    ``@block`` gives each call of a function, or of a coroutine function, a block of its own. A
    generator, sync or async, takes its name at its first step; it speaks under it in its steps, and
    whoever iterates does not.
    """

    __slots__ = ()

    def __enter__(self) -> str:
        raise NotImplementedError

    async def __aenter__(self) -> str:
        raise NotImplementedError

    def __exit__(self, *error: Any) -> None:
        raise NotImplementedError

    async def __aexit__(self, *error: Any) -> None:
        self.__exit__(*error)

    def __call__(self, func: Callable[P, R]) -> Callable[P, R]:
        """Return ``func`` with a block of its own around each call."""
        import inspect  # a slow import, for the few who decorate

        again, function = partial(copy, self), cast("Callable[..., Any]", func)

        def calling(*args: Any, **kwargs: Any) -> Any:
            with again():
                return function(*args, **kwargs)

        async def awaiting(*args: Any, **kwargs: Any) -> Any:
            async with again():
                return await function(*args, **kwargs)

        def stepping(*args: Any, **kwargs: Any) -> Any:
            return (yield from _Steps(again(), function(*args, **kwargs)))

        wrapped: Callable[..., Any] = calling
        called = func if inspect.isroutine(func) else getattr(func, "__call__", func)  # noqa: B004
        if inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(called):
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
            try:
                if is_over:
                    self._block.__exit__()
                else:
                    self._chain = _chain()
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
                    mark = Standing(None, current_owner(), None, mine)
                    try:
                        chain.set(mark)
                        item = await step(given)
                    except StopAsyncIteration:
                        return
                    finally:
                        mine = _chain() if is_linked(mark) else mine
                        chain.set(put_back(mark, around))
                        mark.says = OVER
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
    mark = Standing(None, current_owner(), None, mine)
    try:
        chain.set(mark)
        await inner.aclose()
    finally:
        chain.set(put_back(mark, around))
        mark.says = OVER


class Held(Block):
    """A block that holds one token, or speaks under a default name; ``ask`` makes the token."""

    __slots__ = ("_access", "_ask", "_default", "_guard", "_link", "_tell")

    def __init__(
        self,
        access: Access,
        ask: Callable[[], Token],
        default: str | None = None,
        tell: Callable[[str, Exception], object] | None = None,
    ) -> None:
        self._access, self._ask, self._default, self._tell = access, ask, default, tell
        self._guard: Generator[None, None, None] | None = None
        self._link: Link | None = None

    def __copy__(self) -> Held:
        """Return another block of the same kind, not entered."""
        return Held(self._access, self._ask, self._default, self._tell)

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
        token, answer = self._hold(), None
        try:
            name = self._access.granted(token)
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
            name = await self._access.granted_async(token)
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
        if self._tell is not None:
            self._tell(default, error)
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


class Resumed(Block):
    """Hold this very name, or any, for an identity that a ledger keeps it for."""

    def __init__(
        self,
        named: Callable[[], Held],
        ledger: Ledger | None,
        name: str | None,
        identity: str | None,
    ) -> None:
        self._named, self._ledger, self._name, self._identity = named, ledger, name, identity
        self._block: Held | None = None

    def __enter__(self) -> str:
        self._refuse_twice()
        if self._name is not None:
            self._take(self._name)
        tried, kept = list[Held](), None
        try:
            while True:
                tried.append(block := self._named())
                given = block.__enter__()
                if self._name is None and block.is_held:
                    try:
                        self._take(given)
                    except NameHeld:
                        continue
                self._block = kept = block
                return given
        finally:
            _end(tried, kept)

    def _take(self, name: str) -> None:
        if self._ledger is not None:
            take(self._ledger, name, self._identity)

    def _refuse_twice(self) -> None:
        if self._block is not None:
            raise RuntimeError(ENTERED)

    def __exit__(self, *error: Any) -> None:
        block, self._block = self._block, None
        if block is not None:
            block.__exit__()

    async def __aenter__(self) -> str:
        """As ``__enter__``; it is another thread that waits for the ledger."""
        self._refuse_twice()
        if self._name is not None:
            await on_its_own_thread(partial(self._take, self._name))
        tried, kept = list[Held](), None
        try:
            while True:
                tried.append(block := self._named())
                given = await block.__aenter__()
                if self._name is None and block.is_held:
                    try:
                        await on_its_own_thread(partial(self._take, given))
                    except NameHeld:
                        continue
                self._block = kept = block
                return given
        finally:
            _end(tried, kept)


def _end(tried: list[Held], kept: Held | None) -> None:
    """End the blocks whose names other identities keep: all but the last, if that is kept."""
    for block in tried:
        if block is not kept:
            block.__exit__()


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
    check(access.ledger, theme, name, identity)
    ask: Callable[[], Token] = partial(asked_for, access.state, None, theme, timeout)
    if name is not None:
        ask = partial(to_take, access.state, name)
    block = partial(Held, access, ask, default_of(default), tell)
    if name is None and identity is None:
        return block()
    return Resumed(block, access.ledger, name, identity)


def speaking_as(access: Access, name: str, exclusive: bool) -> Block:
    """Return the block that ``speaking_as()`` asks for."""
    return Held(access, partial(to_speak, access.state, name, exclusive))


def default_of(default: object) -> str | None:
    """Return the name to speak under where none is to be had; ``None``: such a block raises."""
    if isinstance(default, bool):
        return DEFAULT_NAME if default else None
    if isinstance(default, str):
        return validate_name(default)
    raise invalid("default", default, "True, False or a name")
