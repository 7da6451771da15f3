"""The name under which a context speaks: **identity follows the context**.

1. A context (of ``contextvars``) carries a chain of links. Each link says one name.
2. The caller speaks under the name of the first link of its context that still speaks in that pool.
   Without such a link, the caller is Nemo Nobody.
3. If the caller takes a name (checkout, block, associate), a link goes in front of the chain of its
   own context. The chains of other contexts do not change.
4. A copy of the context (for a task, a callback, ``to_thread``) has a copy of the chain. So the
   copy speaks as the caller until it takes a name itself, or until the caller's name ends.
5. If a lease or a binding ends, its link speaks nowhere, however often it was copied. The next link
   that still speaks counts.
6. The thread that runs a context makes no difference. The names of a worker thread are in the
   thread's own context, and stay there.
7. The pool records the owner of each name (``owners``) for three purposes: for lookups by owner,
   for ``associate_name(exclusive=True)``, which takes the name from its other owners, and for
   reclaim. The owner does not decide which name a context speaks under. Only rule 8 makes an
   exception.
8. Another party may take a name for an owner (``owner=``), and the owner of an ``owner_scope`` may
   have a name. The pool finds such a name by the owner. Between that name and the caller's own
   latest name, the later one counts. An inherited name counts only if the caller has neither.
9. A thread may run the context of another owner. For example, ``asyncio.to_thread`` runs a copy of
   a task's context on a worker thread. Rule 8 does not apply there: a name that another party took
   for the worker thread does not count.
10. The handlers of an actor run in the actor's own context, even on another thread.

At the end of a block, the code puts the old chain back. This only saves memory and time. Without it
the names would be the same, because a link that is over says nothing.
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
from namepool.core.options import CHECKS, DEFAULT_TIMEOUT, check_theme
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
"""The latest link of this context. Its attribute ``before`` is the next older link, and so on."""

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
        InvalidOwner: ``owner`` cannot be an owner
        InvalidOption: ``theme`` or ``timeout`` is wrong
    """
    if timeout is not DEFAULT_TIMEOUT:
        CHECKS.seconds("timeout", timeout, none=True)
    if theme is not None:
        check_theme(theme)
    token: Any = kind()  # no __init__: it would take a quarter of the time to make a token
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


def to_take(state: PoolState, name: object, *, leaves: bool = False) -> Taking:
    """Return the lease by which the caller asks for one particular name.

    With ``leaves`` the name leaves the pool with the end of the lease.
    """
    taking: Taking = asked_for(state, kind=Taking)
    taking.wanted, taking.leaves = name, leaves
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
    """Let this context speak under the name of ``token`` from now on.

    Each reader of the token's answer calls this function, also a second reader.
    """
    if isinstance(token, Binding):
        token = token.spoken
        if token is None:
            return  # there is no name to speak under
    if token.outside and (is_scoped() or token.owner != current_owner()):
        return  # another party asked for it, but not for this reader
    first = _chain()
    if first is None or first.origin is not token:
        chain.set(in_front(token, living(first)))


def speak_soon(binding: Binding) -> None:
    """Let this context speak by a binding as soon as the binding begins.

    Another context may read the answer to the request. That makes no difference.
    """
    if binding.outside:
        return
    chain.set(binding)
    for token in [*binding.state.owners.get(binding.owner, ())]:
        if token.says == binding.wanted and not token.in_block:
            received(token)  # the owner already speaks under that name, and goes on by this token


def is_linked(one: Link) -> bool:
    """Tell whether the chain of this context has the link ``one``."""
    link = _chain()
    while link is not None and link.origin is not one:
        link = link.before
    return link is not None


# -- the name of the caller -----------------------------------------------------------------


def link_of_caller(state: PoolState) -> Link | None:
    """Return the link by which the caller speaks in a pool; send no message, take no lock."""
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
        if name:  # else it has just ended; the links before it are the giver's
            return None if name == NOBODY else name
    while link is not None:
        name = link.says
        if name and link.state is state:
            return None if name == NOBODY else name
        link = link.before
    return None


def _given_to_caller(state: PoolState, link: Link | None) -> Link | None:
    """Return the token that another party took for the caller.

    If the caller took a name itself since, return the link of that name. If the caller is in a
    scope and has no such token, look for a token of the owner that entered the scope.
    """
    owners = owners_here()
    for n, owner in enumerate(owners, 1):
        given = state.given.get(owner)
        if given is not None and not given.says:  # over, but its end waits for the turn
            given = state.latest_given(owner)
        if given is not None and given.says:
            is_ours = not _is_of_another(link, owner)
            return _later(state, link, given, owners[:n]) if is_ours else None
    return None


def _later(state: PoolState, link: Link | None, given: Link, owners: tuple[str, ...]) -> Link:
    """Return the later one of ``given`` and the latest link of the owners themselves."""
    while link is not None and link.owner in owners:
        if link.says and link.state is state:
            return link if link.number > given.number else given
        link = link.before
    return given


def _is_of_another(link: Link | None, me: str) -> bool:
    """Tell whether the context of ``link`` is another owner's, while ``me`` is this thread."""
    if link is None or link.owner == me:
        return False
    if me != whose_stack() or me.startswith("namepool:task:"):
        return False
    own = getattr(threading.current_thread(), "_context", None)  # CPython 3.14 has it
    return own is None or own.get(chain) is not link  # else it is its starter's copy


# -- handing on -----------------------------------------------------------------------------


def own_chain() -> Link | None:
    """Return the chain for a new task or thread, with the names that others took for the caller."""
    link = mine = living(_chain())
    while link is not None and link.state is None:
        link = link.before  # it only marks the owner of the context
    for state in cast("list[PoolState]", listeners()):
        given = state.given and _given_to_caller(state, mine)
        if given and (link is None or link.origin is not given.origin):
            link = in_front(given, link)
    return link


def run_following(
    link: Link | None, func: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
) -> R:
    """Call ``func`` in this context with another chain; then put the old chain back."""
    before = _chain()
    mark = Standing(None, whose_stack(), None, link)  # meanwhile the chain is this thread's own
    try:  # no ``with``: an interruption at one of its ends would leave the chain behind
        chain.set(mark)
        result = func(*args, **kwargs)
        return result  # noqa: RET504  it may be interrupted in between
    finally:
        chain.set(before)
        mark.says = OVER  # so that every copy of the chain leaves it out


def put_back(mark: Link, before: Link | None) -> Link | None:
    """Return the chain that this context has from now on.

    It is ``before`` if the present chain has the link ``mark``. Otherwise it is the present chain.
    """
    return before if is_linked(mark) else _chain()


def inherit_owner(func: Callable[P, R]) -> Callable[P, R]:
    """Return ``func`` bound to the current caller: on every thread, it speaks as that owner.

    It is for tools on a thread pool: ``executor.submit(inherit_owner(tool), argument)``. ``func``
    may be a coroutine function. The body of a generator function runs later, as the agent that
    iterates.

    Examples:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> pool = namepool.open_pool(source=namepool.NumberedNames())
        >>> pool.checkout_name()
        'NPC #1'
        >>> with ThreadPoolExecutor() as executor:
        ...     executor.submit(namepool.inherit_owner(pool.speaker)).result()
        'NPC #1'
    """
    from inspect import iscoroutinefunction  # a slow import that few programs need

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
                finally:  # ``put_back`` may be interrupted
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
    """Be nobody in a pool for the length of the block.

    A task or thread that is started in the block inherits no name.
    """
    before = _chain()
    # This link is never over. So a task that was started here never inherits a name.
    nobody = Standing(state, current_owner(), NOBODY, _of_others(state, living(before)))
    try:
        chain.set(nobody)
        yield
    finally:
        try:
            before = _left_out(nobody, before)
        finally:  # ``_left_out`` may be interrupted
            chain.set(before)


def _left_out(link: Link, before: Link | None) -> Link | None:
    """Return this context's chain with ``before`` in the place of ``link``, if the chain has it."""
    kept, first, rest = list[Link](), _chain(), before
    if not is_linked(link):
        return first  # this is another context, in which a generator was closed
    while first is not None and first is not link:
        kept.append(first)
        first = first.before
    for one in reversed(kept):
        rest = one.again(rest)
    return rest


def _of_others(state: PoolState, link: Link | None) -> Link | None:
    """Return a chain with only its links of other pools."""
    others = list[Link]()
    while link is not None:
        if link.state is not state:
            others.append(link)
        link = link.before
    for other in reversed(others):
        link = other.again(link)
    return link


def standing_in(state: PoolState, name: str) -> Standing:
    """Return a link by which the caller speaks under ``name``. The name is in no pool."""
    link = Standing(state, current_owner(), name, living(_chain()))
    link.number = state.number  # a name that another party takes for the caller later counts first
    remember(link)
    return link


def _after_fork_in_child() -> None:
    chain.set(None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
