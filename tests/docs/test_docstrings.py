"""Every function and class of the reference shows an example, and every example runs.

An example is written as at the prompt of ``python -m asyncio``: it may ``await``. ``namepool`` is
imported. The example of a method goes on where the example of its class ends.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import importlib
import inspect
import io
import pkgutil
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, is_typeddict

import pykka
import pytest

import namepool
from tests.docs.pages import ROOT

REFERENCE = sorted((ROOT / "docs" / "reference").rglob("*.md"))
CHECK = doctest.OutputChecker()
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

RETURNED = {
    "namepool.Lease",
    "namepool.LeaseInfo",
    "namepool.PoolStats",
    "namepool.PoolState",
    "namepool.actors.ChildCounts",
    "namepool.actors.ChildInfo",
    "namepool.actors.SupervisorRef",
    "namepool.NamePoolProxy",
    "namepool.NamePoolRef",
    "namepool.ledgers.Holder",
    "namepool.ledgers.LedgerStats",
}
"""Classes that no user calls: the pool, a supervisor or a ledger returns them."""


# -- running an example -----------------------------------------------------------------------


def run(text: str, names: dict[str, Any], loop: asyncio.Runner, *, is_checked: bool = True) -> None:
    """Run the example of a docstring in ``names``; fail unless it prints its output."""
    for example in doctest.DocTestParser().get_examples(text):
        code = compile(
            example.source,
            "<docstring>",
            "single",
            ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            dont_inherit=True,
        )
        printed = io.StringIO()
        error: str | None = None
        with contextlib.redirect_stdout(printed):
            try:
                if code.co_flags & inspect.CO_COROUTINE:
                    loop.run(eval(code, names))  # noqa: S307
                else:
                    exec(code, names)  # noqa: S102
            except Exception as raised:
                error = traceback.format_exception_only(raised)[-1]
        if is_checked or error:
            got = printed.getvalue() if error is None else error
            want = example.exc_msg or example.want
            same = CHECK.check_output(want, got, OPTIONS)
            assert same, f"{example.source}shows\n{want}\nbut gave\n{got}"


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        (">>> 1 + 1\n2\n", True),
        (">>> 1 + 1\n3\n", False),
        (">>> 1 + 1\n", False),
        (">>> import asyncio\n>>> await asyncio.to_thread(str, 'awaited')\n'awaited'\n", True),
        (">>> int('x')\nTraceback (most recent call last):\nValueError: invalid ...\n", True),
        (">>> int('x')\nTraceback (most recent call last):\nTypeError: invalid ...\n", False),
        (">>> int('x')\n", False),
    ],
)
def test_an_example_is_run_as_at_the_prompt(text: str, is_right: bool) -> None:
    with (
        asyncio.Runner() as loop,
        contextlib.nullcontext() if is_right else pytest.raises(AssertionError),
    ):
        run(text, {}, loop)


# -- the docstrings with an example -----------------------------------------------------------


def modules() -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(namepool.__path__, "namepool."):
        if "__main__" not in found.name and "hook-" not in found.name:
            yield importlib.import_module(found.name)


def function_of(member: object) -> Any:
    """Return the function or the class behind a member; ``None`` if the member is data."""
    member = getattr(member, "fget", None) or getattr(member, "__func__", member)
    return member if inspect.isfunction(member) or inspect.isclass(member) else None


def documented(owner: Any, module: str) -> Iterator[tuple[str, str, str]]:
    """Yield the dotted name, the docstring and the class's docstring of each definition."""
    for member in list(vars(owner).values()):
        found = function_of(member)
        if found is not None and found.__module__ == module and "<" not in found.__qualname__:
            before = (owner.__doc__ or "") if inspect.isclass(owner) else ""
            yield f"{module}.{found.__qualname__}", found.__doc__ or "", before
            if inspect.isclass(found) and found is not owner:
                yield from documented(found, module)


EXAMPLES = sorted(
    {
        (name, text, before)
        for module in modules()
        for name, text, before in [
            (module.__name__, module.__doc__ or "", ""),
            *documented(module, module.__name__),
        ]
        if ">>>" in text
    }
)


@pytest.mark.parametrize(
    ("name", "text", "before"), EXAMPLES, ids=[name for name, _, _ in EXAMPLES]
)
def test_an_example_does_what_it_shows(
    name: str, text: str, before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"namepool": namepool, "__name__": "__main__"}
    try:
        with asyncio.Runner() as loop:
            run(before, names, loop, is_checked=False)
            run(text, names, loop)
    finally:
        pykka.ActorRegistry.stop_all()


# -- what must have one -----------------------------------------------------------------------


class Listed(NamedTuple):
    """An object that the reference shows."""

    name: str
    thing: Any
    members: list[str]
    """The names of the members that it shows."""


def listed() -> Iterator[Listed]:
    for page in REFERENCE:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"^::: (\S+)\n((?:(?: {4}.*)?\n)*)", text, re.MULTILINE):
            thing: Any = namepool
            for part in match[1].split(".")[1:]:
                thing = getattr(thing, part, None) or importlib.import_module(match[1])
            members = re.search(r"\bmembers: *(false|\[.*?\]|(?:\n +- \w+)+)", match[2])
            shown = re.findall(r"\w+", members[1]) if members else members_of(thing, match[2])
            yield Listed(match[1], thing, [] if shown == ["false"] else shown)


def members_of(thing: Any, options: str) -> list[str]:
    """Return the members that the reference shows if its options name none."""
    if not inspect.isclass(thing):
        return []
    bases = thing.__mro__ if "inherited_members: true" in options else [thing]
    ours = [base for base in bases if base.__module__.startswith("namepool.")]
    return [name for base in ours for name in vars(base)]


def needed() -> Iterator[tuple[str, Any]]:
    """Yield the functions, the classes and the methods that need an example."""
    for name, thing, members in listed():
        if inspect.ismodule(thing):
            yield from ((f"{name}.{one}", getattr(thing, one)) for one in members)
        elif callable(thing) and not is_typeddict(thing) and name not in RETURNED:
            yield name, thing
        if inspect.isclass(thing):
            for one in members:
                method = function_of(inspect.getattr_static(thing, one, None))
                if one[0] != "_" and method is not None:
                    yield f"{name}.{one}", method


NEEDED = dict(needed())


@pytest.mark.parametrize("name", NEEDED)
def test_a_function_or_class_that_a_user_calls_has_an_example(name: str) -> None:
    assert ">>>" in (NEEDED[name].__doc__ or ""), f"{name} has no example"


def test_a_class_that_is_only_returned_is_still_in_the_reference() -> None:
    assert {one.name for one in listed()} >= RETURNED
