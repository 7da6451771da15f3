"""Errors without the frames that raised them, because the locals of those frames hold secrets.

Sentry, ``rich`` and other tools show the locals of each frame of an exception.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E", bound=BaseException)


def raises_bare(*kinds: type[Exception]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return a decorator. Errors of ``kinds`` leave the function without its frames, see ``bare``.

    Of the function, a traceback shows only a frame of this module, and that has no arguments. An
    error of another kind keeps its frames, because it is a fault that somebody must find.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return function(*args, **kwargs)
            except kinds as error:
                raised = bare(error)
            except BaseException:
                del args, kwargs  # also if they do not fit the function
                raise
            # Outside of the block above, so that the error of the inside is not its context.
            del args, kwargs
            try:
                raise raised
            finally:
                del raised  # a frame in the traceback of its own local lives on as garbage

        return call

    return decorate


def bare(error: E) -> E:
    """Return the error without its traceback and context, and its causes without theirs.

    The causes keep their types and texts. Raise the result outside of the ``except`` block.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        link.__traceback__ = None
        # An assignment to __context__ leaves "from None" and the cause as they are.
        link.__context__ = None
        link = link.__cause__
    return error
