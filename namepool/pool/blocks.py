"""``Block``: the base of the handles' blocks, for ``with``, ``async with`` and ``@``."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Generator
from copy import copy
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast

from namepool.core.links import OVER, Link, Standing
from namepool.owners import current_owner
from namepool.speaking import chain, is_linked, put_back

P = ParamSpec("P")
R = TypeVar("R")

_chain = chain.get


class Block:
    """A block for ``with``, ``async with`` and ``@``.

    ``@block`` gives each call of a function or coroutine function a block of its own. A generator,
    sync or async, takes its name at its first step. The generator speaks under that name in its
    steps, but the code that iterates over it does not.
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
        import inspect  # imported here because the import is slow

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
    """The steps of a generator in a block; the block's link is in the chain only during a step.

    So the code that iterates does not speak as the generator. Only the chain of the context
    changes, and no other variable of it.
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
        """Raise an exception in the generator."""
        return self._step(self._inner.throw, *error)

    def close(self) -> None:
        """Close the generator, and end the block."""
        self._step(self._inner.close)

    def _step(self, step: Callable[..., Any], *args: Any) -> Any:
        """Make a step; the block ends with the last step."""
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
    """Return an async generator function whose steps run in a block, as those of ``_Steps``."""

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
