"""Threads and executors that inherit the name of the agent that starts them or submits work.

Tasks inherit by themselves, because asyncio copies contexts. Before CPython 3.14, threads do not.
These threads inherit only namepool's own context variable; all other variables stay as they are.
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
    """A ``ThreadPoolExecutor`` whose work speaks under the name of the agent that submits it.

    This holds for ``submit``, ``map`` and a loop's ``run_in_executor``. The work speaks under the
    submitter's name while it runs, as long as the submitter has that name. The worker thread does
    not keep the name for later work. ``initializer`` runs without a name.

    Examples:
        >>> pool = namepool.open_pool(source=namepool.NumberedNames())
        >>> with pool.named(), namepool.NamedExecutor() as executor:
        ...     executor.submit(pool.speaker).result()
        'NPC #1'
    """

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Submit work, as ``Executor.submit`` does; the work speaks under the caller's name.

        Examples:
            >>> with pool.named(), namepool.NamedExecutor() as executor:
            ...     executor.submit(pool.get_name_by_owner).result()
            'NPC #2'
        """
        return _starting_nobody(super().submit, run_following, own_chain(), fn, *args, **kwargs)


def named_thread(
    target: Callable[..., object],
    name: str | None = None,
    args: Iterable[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    daemon: bool | None = None,
) -> threading.Thread:
    """Return a ``threading.Thread`` that speaks under the name of the agent that starts it.

    The arguments are those of ``threading.Thread``.

    Examples:
        >>> pool = namepool.open_pool(source=namepool.NumberedNames())
        >>> thread = namepool.named_thread(lambda: print(pool.speaker(), "is at work"))
        >>> with pool.named():
        ...     thread.start()
        ...     thread.join()
        NPC #1 is at work
    """
    return _NamedThread(None, target, name, args, kwargs, daemon=daemon)


class _NamedThread(threading.Thread):
    def start(self) -> None:
        _start(super().start, self)


@contextmanager
def inherit_everywhere() -> Iterator[None]:
    """Let all threads and executors of the program inherit names, until the ``with`` block ends.

    Each thread speaks under the name of the agent that starts it. The work of each
    ``ThreadPoolExecutor`` speaks under the name of the agent that submits it. The block replaces
    ``threading.Thread.start`` and ``ThreadPoolExecutor.submit``, for threads and executors of any
    class. Blocks may nest and overlap; the replacement ends with the last block. Other libraries
    may replace the same methods, before or after; their replacements stay. A thread that still
    runs at the end of the block keeps its inherited name.

    Examples:
        >>> import threading
        >>> pool = namepool.open_pool(source=namepool.NumberedNames())
        >>> thread = threading.Thread(target=lambda: print(pool.speaker(), "is at work"))
        >>> with namepool.inherit_everywhere(), pool.named():
        ...     thread.start()
        ...     thread.join()
        NPC #1 is at work
    """
    user = object()
    try:
        under(_lock, _join, user)
        yield
    finally:
        try:
            under(_lock, _leave, user)
        finally:
            under(_lock, _leave, user)  # an exception from outside may have cut the first call


_COPIES_CONTEXTS: bool = getattr(sys.flags, "thread_inherit_context", False)
"""Whether a thread begins with a copy of its starter's context: an option of CPython 3.14."""

_here = threading.local()
_lock = threading.RLock()  # re-entrant, because a finaliser may end a block inside it
_users: list[object] = []
_patches: list[Callable[[], None]] = []
"""The functions that undo each replacement."""
_FOLLOWS = "_namepool_follows"
"""The attribute in which a thread keeps its starter's chain until it runs."""


def _join(user: object) -> None:
    _users.append(user)
    if not _patches:
        _patch(threading.Thread, "start", _start)
        if "start" in vars(threading.Timer):  # another library has patched it there
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
    """Replace a method of ``cls`` by ``ours``, whose first argument is the old bound method."""
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
            return  # another library has patched over this patch, and its patch stays
        if is_own:
            setattr(cls, method, before)
        else:
            delattr(cls, method)

    _patches.append(undo)
    setattr(cls, method, patched)


def _start(start: Callable[[], None], thread: threading.Thread) -> None:
    """Start a thread that follows its starter, also if its class has its own ``run``."""
    is_first = thread.ident is None
    if is_first and not getattr(_here, "is_submitting", False):
        _follow(own_chain(), thread)
    start()


def _follow(link: Link | None, thread: threading.Thread) -> None:
    """Let ``thread.run`` follow ``link``, once.

    ``run`` stays a bound method, because a tracer such as Sentry calls the method's function with
    the thread.
    """
    fields = vars(thread)
    is_second = _FOLLOWS in fields  # the first start of this thread failed
    fields[_FOLLOWS] = link
    if is_second:
        return
    own = fields.get("run")

    def run(thread: threading.Thread) -> None:
        fields = vars(thread)
        fields.pop("run", None)  # this method itself, which holds a reference to the thread
        if own is not None:
            fields["run"] = own
        run_following(fields.pop(_FOLLOWS), thread.run)

    fields["run"] = types.MethodType(run, thread)


def _submit(
    submit: Callable[..., Future[Any]], _: object, fn: Callable[..., Any], /, *args: Any, **kw: Any
) -> Future[Any]:
    """Submit work that follows its submitter; a worker thread that starts for it does not."""
    link = own_chain()
    before = getattr(_here, "is_submitting", False)
    try:
        _here.is_submitting = True
        future = _starting_nobody(submit, run_following, link, fn, *args, **kw)
        return future  # noqa: RET504  an exception from outside may come in between
    finally:
        _here.is_submitting = before


def _starting_nobody(submit: Callable[..., Future[R]], /, *args: Any, **kwargs: Any) -> Future[R]:
    """Submit work so that a worker thread that starts for it inherits no name."""
    if _COPIES_CONTEXTS and chain.get() is not None:
        return run_following(None, submit, *args, **kwargs)
    return submit(*args, **kwargs)


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()  # the old lock's holder may not exist in this process


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
