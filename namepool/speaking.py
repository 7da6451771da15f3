"""Under which name a context speaks: **identity follows the context**.

1. A context (of ``contextvars``) carries a chain of links, and each says under which name.
2. You speak under the name of the first link of your context that still speaks in that pool;
   without one you are Nemo Nobody.
3. Taking a name (checkout, block, associate) puts a link in front of your own context, and of
   nobody else's.
4. Whatever copies your context (task, callback, ``to_thread``) copies the chain: it speaks as you
   until it takes a name, or yours ends.
5. When a lease or binding ends, its link speaks nowhere, however often it was copied; the next
   living link speaks.
6. Which thread runs a context makes no difference: a worker thread's own names are in the thread's
   own context and stay there.
7. The owner of record (``owners``) is for lookups by owner, for takeover and for reclaim, and does
   not decide who speaks.
8. A name that another party took for an owner (``owner=``), or that the owner of an ``owner_scope``
   has, is found by that owner. The later of it and of your own latest name counts, and both count
   before inherited ones.
9. A thread that runs a context whose first link is not the thread's own does not speak under a name
   by 8.
10. An actor's handlers run in the actor's own context, on whatever thread.

Putting a chain back to what it was is only economy: a link that is over says nothing.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from namepool.actors import acting
from namepool.actors.forks import remember
from namepool.call_sites import place_of_caller
from namepool.core.leases import Asked, Binding, Lease, Taking, Token
from namepool.core.links import NOBODY, OVER, Link, Standing, in_front, living
from namepool.core.options import DEFAULT_TIMEOUT, check_seconds, check_theme
from namepool.core.state import PoolState
from namepool.ends import listeners
from namepool.owners import (
    Scope,
    current_owner,
    entered,
    given_owner,
    is_scoped,
    owners_here,
    whose_stack,
)

if TYPE_CHECKING:
    from namepool.owners import OwnerLike

P = ParamSpec("P")
R = TypeVar("R")

chain: ContextVar[Link | None] = ContextVar("chain", default=None)
"""The latest link of this context; the others are ``before`` it."""

_chain = chain.get
_acting = acting.get


# -- asking for a name ----------------------------------------------------------------------


def asked_for(
    state: PoolState,
    owner: OwnerLike | None = None,
    theme: str | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    kind: type[Asked] = Lease,
) -> Any:
    """Return the token by which the caller asks, for itself or for ``owner``.

    Raises:
        InvalidOwner, InvalidOption: an argument that may not be
    """
    if timeout is not DEFAULT_TIMEOUT:
        check_seconds("timeout", timeout, none=True)
    if theme is not None:
        check_theme(theme)
    token: Any = kind()  # no __init__: that would be a quarter of the time to make one
    token.state, token.theme, token.timeout = state, theme, timeout
    token.says = token.name = token.further = token.seen = None
    token.in_block = token.outside = False
    scoped = _acting()
    if scoped is None:
        token.owner = whose_stack()
    else:
        token.owner, token.outside = current_owner(), is_scoped()
    if owner is not None and owner != token.owner and (given := given_owner(owner)) != token.owner:
        token.owner, token.outside = given, True
    link = _chain()
    token.before = None if link is None else living(link)
    if state.wants_places:
        token.seen = place_of_caller()
    return token


def to_take(state: PoolState, name: object) -> Taking:
    """Return the lease by which the caller asks for this very name."""
    taking: Taking = asked_for(state, kind=Taking)
    taking.wanted = name
    return taking


def to_speak(
    state: PoolState, name: object, exclusive: object = False, owner: OwnerLike | None = None
) -> Binding:
    """Return the binding by which the caller, or ``owner``, asks to speak under a name.

    Raises:
        InvalidOwner: see ``owner_id``
    """
    binding: Binding = asked_for(state, owner, kind=Binding)
    binding.wanted, binding.exclusive = name, exclusive
    binding.lease = binding.spoken = None
    return binding


def received(token: Token) -> None:
    """Speak by a token from here on: its answer is read here, for the first time or again."""
    if isinstance(token, Binding):
        token = token.spoken
        if token is None:
            return  # there was nothing to speak under
    if token.outside and (is_scoped() or token.owner != current_owner()):
        return  # another party asked for it, and not for the reader
    first = _chain()
    if first is None or first.origin is not token:
        chain.set(in_front(token, living(first)))


def speak_soon(binding: Binding) -> None:
    """Speak by a binding as soon as it begins, whichever context reads its answer."""
    if binding.outside:
        return
    chain.set(binding)
    for token in [*binding.state.owners.get(binding.owner, ())]:
        if token.says == binding.wanted and not token.in_block:
            received(token)  # the owner speaks under that name, and will go on by this token


def is_linked(one: Link) -> bool:
    """Tell whether this context has a link."""
    link = _chain()
    while link is not None and link.origin is not one:
        link = link.before
    return link is not None


# -- who speaks -----------------------------------------------------------------------------


def link_of_caller(state: PoolState) -> Link | None:
    """Return the link by which the caller speaks in a pool; no message, no lock."""
    link = _chain()
    if state.given and (given := _given_to_caller(state, link)) is not None:
        return given
    while link is not None:
        if link.state is state and link.says:
            return link
        link = link.before
    return None


def name_of_caller(state: PoolState) -> str | None:
    """Return the name that the caller speaks under in a pool, or ``None``."""
    link = _chain()
    if state.given and (given := _given_to_caller(state, link)) is not None:
        name = given.says
        if name:  # else it has just ended; those before it are the giver's
            return None if name == NOBODY else name
    while link is not None:
        name = link.says
        if name and link.state is state:
            return None if name == NOBODY else name
        link = link.before
    return None


def _given_to_caller(state: PoolState, link: Link | None) -> Link | None:
    """Return the token that another party took for the caller, unless it took one itself since.

    Or for whoever entered the scope in which the caller has none.
    """
    owners = owners_here()
    for n, owner in enumerate(owners, 1):
        given = state.given.get(owner)
        if given is not None and not given.says:  # over already, while its end waits for the turn
            given = state.latest_given(owner)
        if given is not None and given.says:
            is_ours = not _is_of_another(link, owner)
            return _later(state, link, given, owners[:n]) if is_ours else None
    return None


def _later(state: PoolState, link: Link | None, given: Link, owners: tuple[str, ...]) -> Link:
    """Return the later one of ``given`` and of the owners' own latest link."""
    while link is not None and link.owner in owners:
        if link.says and link.state is state:
            return link if link.number > given.number else given
        link = link.before
    return given


def _is_of_another(link: Link | None, me: str) -> bool:
    """Tell whether a context is not that of ``me``, which is this thread."""
    if link is None or link.owner == me:
        return False
    if me != whose_stack() or me.startswith("namepool:task:"):
        return False
    own = getattr(threading.current_thread(), "_context", None)  # in CPython 3.14
    return own is None or own.get(chain) is not link  # else it is a copy of the starter's


# -- handing on -----------------------------------------------------------------------------


def own_chain() -> Link | None:
    """Return the chain for what the caller starts, with the names that others took for it."""
    link = mine = living(_chain())
    while link is not None and link.state is None:
        link = link.before  # it says only whose context this is
    for state in cast("list[PoolState]", listeners()):
        given = state.given and _given_to_caller(state, mine)
        if given and (link is None or link.origin is not given.origin):
            link = in_front(given, link)
    return link


def run_following(
    link: Link | None, func: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call ``func`` in this context with another chain, and put back what was there."""
    before = _chain()
    mark = Standing(None, whose_stack(), None, link)  # the chain is this thread's own meanwhile
    try:  # not a ``with``: a worker that is struck between its two ends would keep the chain
        chain.set(mark)
        result = func(*args, **kwargs)
        return result  # noqa: RET504  it may be struck in between
    finally:
        chain.set(before)
        mark.says = OVER  # so that what has copied it leaves it out


def put_back(mark: Link, before: Link | None) -> Link | None:
    """Return ``before`` where ``mark`` was set, and the chain as it is in any other context."""
    return before if is_linked(mark) else _chain()


def inherit_owner(func: Callable[P, R]) -> Callable[P, R]:
    """Return ``func`` so that, on whatever thread it runs, it speaks as the owner calling *now*.

    For tools run on a thread pool: ``executor.submit(inherit_owner(tool), argument)``. ``func`` may
    be a coroutine function; a generator function's body runs later, as whoever iterates.
    """
    from inspect import iscoroutinefunction  # a slow import, for the few who hand identity on

    owner, link = current_owner(), own_chain()
    if iscoroutinefunction(func):

        @functools.wraps(func)
        async def speaking_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            before = _chain()
            mark = Standing(None, whose_stack(), None, link)
            try:
                chain.set(mark)
                with entered(Scope(owner, ())):
                    return await func(*args, **kwargs)
            finally:
                try:
                    before = put_back(mark, before)
                finally:  # it may be struck
                    chain.set(before)
                    mark.says = OVER

        return cast("Callable[P, R]", speaking_async)

    @functools.wraps(func)
    def speaking(*args: P.args, **kwargs: P.kwargs) -> R:
        with entered(Scope(owner, ())):
            return run_following(link, func, *args, **kwargs)

    return speaking


@contextmanager
def unnamed(state: PoolState) -> Iterator[None]:
    """Be nobody in a pool for the length of the block; what is started in it inherits no name."""
    before = _chain()
    # It is never over: what was started here never inherits, wherever it copied this.
    nobody = Standing(state, current_owner(), NOBODY, _of_others(state, living(before)))
    try:
        chain.set(nobody)
        yield
    finally:
        try:
            before = _left_out(nobody, before)
        finally:  # it may be struck
            chain.set(before)


def _left_out(link: Link, before: Link | None) -> Link | None:
    """Return this context's chain with ``before`` in the place of ``link``, if that is there."""
    kept, first, rest = list[Link](), _chain(), before
    if not is_linked(link):
        return first  # another context: a generator was closed there
    while first is not None and first is not link:
        kept.append(first)
        first = first.before
    for one in reversed(kept):
        rest = one.again(rest)
    return rest


def _of_others(state: PoolState, link: Link | None) -> Link | None:
    """Return what a chain says in other pools."""
    others = list[Link]()
    while link is not None:
        if link.state is not state:
            others.append(link)
        link = link.before
    for other in reversed(others):
        link = other.again(link)
    return link


def standing_in(state: PoolState, name: str) -> Standing:
    """Return a link by which the caller speaks under ``name``, which is in no pool."""
    link = Standing(state, current_owner(), name, living(_chain()))
    link.number = state.number  # a name that the caller is given later comes before it
    remember(link)
    return link


def _after_fork_in_child() -> None:
    chain.set(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
