"""Threads and executors whose work speaks under the name of whoever started it, or handed it on.

Tasks inherit by themselves, because asyncio copies contexts; threads do not (before CPython 3.14).
Of the context only our own variable is handed on: what others keep in theirs stays as it is.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from namepool.actors.latch import under
from namepool.actors.never_copied import NeverCopied
from namepool.core.links import Link
from namepool.speaking import chain, own_chain, run_following

P = ParamSpec("P")
R = TypeVar("R")


class NamedExecutor(NeverCopied, ThreadPoolExecutor):
    """A ``ThreadPoolExecutor`` whose work speaks under the name of whoever submits it.

    ``submit`` and ``map``, and a loop's ``run_in_executor``. It is the submitter's name while the
    work runs, if the submitter still has one; a worker keeps nothing of it for the work that
    follows. ``initializer`` runs as nobody.
    """

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """As ``Executor.submit``."""
        return _starting_nobody(super().submit, run_following, own_chain(), fn, *args, **kwargs)


def named_thread(
    target: Callable[..., object],
    name: str | None = None,
    args: Iterable[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    daemon: bool | None = None,
) -> threading.Thread:
    """Return a ``threading.Thread`` that speaks under the name of whoever starts it.

    The arguments are those of ``threading.Thread``.
    """
    return _NamedThread(None, target, name, args, kwargs, daemon=daemon)


class _NamedThread(threading.Thread):
    def start(self) -> None:
        _start(super().start, self)


@contextmanager
def inherit_everywhere() -> Iterator[None]:
    """Let each thread of the program speak under the name of whoever starts it, for a block.

    And all work of a ``ThreadPoolExecutor`` under the name of whoever submits it, until the
    ``with`` block ends. It replaces ``threading.Thread.start`` and ``ThreadPoolExecutor.submit``,
    for threads and executors of any class. Blocks may nest and overlap: it ends with the last of
    them. Others that replace the same methods are left in place, whoever came first. What still
    runs at its end keeps what it has inherited.
    """
    user = object()
    try:
        under(_lock, _join, user)
        yield
    finally:
        try:
            under(_lock, _leave, user)
        finally:
            under(_lock, _leave, user)  # struck: it ends all the same


_COPIES_CONTEXTS: bool = getattr(sys.flags, "thread_inherit_context", False)
"""A thread begins with a copy of its starter's context: an option of CPython 3.14."""

_here = threading.local()
_lock = threading.RLock()  # re-entrant: a finaliser may end a block inside it
_users: list[object] = []
_patches: list[Callable[[], None]] = []
"""How each is undone."""
_FOLLOWS = "_namepool_follows"
"""Where a thread that is being started keeps the chain of its starter."""


def _join(user: object) -> None:
    _users.append(user)
    if not _patches:
        _patch(threading.Thread, "start", _start)
        if "start" in vars(threading.Timer):  # another patched it, past Thread's
            _patch(threading.Timer, "start", _start)
        _patch(ThreadPoolExecutor, "submit", _submit)


def _leave(user: object) -> None:
    if user in _users:
        _users.remove(user)
    if not _users:
        for undo in reversed(_patches):
            undo()
        _patches.clear()


def _patch(cls: type, method: str, ours: Callable[..., Any]) -> None:
    """Have ``ours`` called for a method of ``cls``, with the bound method that was there first."""
    before = next(vars(base)[method] for base in cls.__mro__ if method in vars(base))
    is_own = method in vars(cls)
    is_on = True

    @functools.wraps(before)
    def patched(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        bound = before.__get__(self, type(self)) if hasattr(before, "__get__") else before
        return ours(bound, self, *args, **kwargs) if is_on else bound(*args, **kwargs)

    def undo() -> None:
        nonlocal is_on
        is_on = False
        if vars(cls).get(method) is not patched:
            return  # another has patched over this one, and goes on
        if is_own:
            setattr(cls, method, before)
        else:
            delattr(cls, method)

    _patches.append(undo)
    setattr(cls, method, patched)


def _start(start: Callable[[], None], thread: threading.Thread) -> None:
    """Start a thread that follows its starter, whatever its class makes of ``run``."""
    is_first = thread.ident is None
    if is_first and not getattr(_here, "is_submitting", False):
        _follow(own_chain(), thread)
    start()


def _follow(link: Link | None, thread: threading.Thread) -> None:
    """Have ``thread.run`` follow ``link``, once.

    ``run`` stays a bound method: a tracer such as Sentry calls its function with the thread.
    """
    fields = vars(thread)
    is_second = _FOLLOWS in fields  # it could not be started the first time
    fields[_FOLLOWS] = link
    if is_second:
        return
    own = fields.get("run")

    def run(thread: threading.Thread) -> None:
        fields = vars(thread)
        fields.pop("run", None)  # what is called here, and holds the thread
        if own is not None:
            fields["run"] = own
        run_following(fields.pop(_FOLLOWS), thread.run)

    fields["run"] = types.MethodType(run, thread)


def _submit(
    submit: Callable[..., Future[Any]], _: object, fn: Callable[..., Any], /, *args: Any, **kw: Any
) -> Future[Any]:
    """Submit work that follows its submitter; a worker that is started for it follows nobody."""
    link = own_chain()
    before = getattr(_here, "is_submitting", False)
    try:
        _here.is_submitting = True
        future = _starting_nobody(submit, run_following, link, fn, *args, **kw)
        return future  # noqa: RET504  it may be struck in between
    finally:
        _here.is_submitting = before


def _starting_nobody(submit: Callable[..., Future[R]], /, *args: Any, **kwargs: Any) -> Future[R]:
    """Submit work so that a worker that is started for it inherits no name from its starter."""
    if _COPIES_CONTEXTS and chain.get() is not None:
        return run_following(None, submit, *args, **kwargs)
    return submit(*args, **kwargs)


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()  # the thread that may have held the old one does not exist here


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
