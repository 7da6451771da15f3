"""Looks for a secret in all that a tool can show of an exception: texts, and locals of frames."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from traceback import walk_tb
from types import FrameType
from typing import Any

TESTS = str(Path(__file__).parent)

DEEPEST = 5
"""Containers inside each other that are looked into."""


def assert_hidden(error: BaseException, *secrets: str) -> None:
    """Hold that no frame of the error, its causes and its contexts shows one of the secrets."""
    told = [place for secret in secrets for place in shown_in(error, secret)]
    assert told == []


def shown_in(error: BaseException, secret: str) -> list[str]:
    """Return the places where an exception, or one that is chained to it, shows a secret."""
    found: list[str] = []
    for one in _chain(error):
        kind = type(one).__name__
        texts = (str(one), repr(one), one.args, vars(one), getattr(one, "__notes__", ()))
        found += [f"the text of {kind}" for text in texts if _shows(text, secret)]
        for frame, line in walk_tb(one.__traceback__):
            found += [f"{kind}: {place}:{line}" for place in _locals(frame, secret)]
    return found


def _locals(frame: FrameType, secret: str) -> Iterator[str]:
    """Yield the locals that show the secret. The frames of the tests hold it by right."""
    code = frame.f_code
    if code.co_filename.startswith(TESTS):
        return
    for name, value in frame.f_locals.items():
        if _shows(value, secret):
            yield f"{name} of {code.co_qualname} in {code.co_filename}"


def _chain(error: BaseException) -> list[BaseException]:
    """Return the error, and all that are chained to it, also those that are suppressed."""
    found: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is not None and not any(one is known for known in found):
            found.append(one)
            inner = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
            todo += [one.__cause__, one.__context__, *inner]
    return found


def _shows(value: Any, secret: str, depth: int = DEEPEST) -> bool:
    if any(secret in form(value) for form in (repr, str)):
        return True
    if not depth:
        return False
    return any(_shows(inner, secret, depth - 1) for inner in _inside(value))


def _inside(value: Any) -> Iterator[Any]:
    """Yield what a tool that looks inside a value finds there."""
    if isinstance(value, Mapping):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    elif isinstance(value, functools.partial):
        yield from (value.func, value.args, value.keywords)
    elif not type(value).__module__.startswith("namepool") and not isinstance(value, type):
        yield from map(repr, getattr(value, "__dict__", {}).values())
