"""``PoolHandle``: the blocking, restart-proof face of a pool; and what all its faces share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

from namepool.actors import LATER, acting
from namepool.actors.never_copied import NeverCopied
from namepool.core.leases import Lease
from namepool.core.links import OVER
from namepool.core.names import DEFAULT_NAME
from namepool.core.options import DEFAULT_TIMEOUT, check_seconds, check_theme
from namepool.core.speakers import Speaking
from namepool.core.stats import PoolStats
from namepool.events import PoolEvent
from namepool.owners import owner_id, whose_stack
from namepool.pool import messages as m
from namepool.pool.access import Access, Askable, Held, default_of
from namepool.pool.blocks import Block
from namepool.pool.observing import LeaseInfo
from namepool.pool.ref import ANOTHER, hold
from namepool.pool.resumed import resumed
from namepool.pool.subscriptions import Kinds, Subscription, begin, reading_of, undo
from namepool.speaking import asked_for, chain, name_of_caller, to_speak, unnamed

if TYPE_CHECKING:
    from namepool.owners import OwnerLike

_chain: Callable[[], Any] = chain.get
_acting: Callable[[], Any] = acting.get


class Face(NeverCopied):
    """What needs no answer, so that it is the same on threads and on tasks."""

    _instead = ANOTHER

    def __init__(self, access: Access) -> None:
        self._access = access
        self._state = access.state

    def default_name(self) -> str:
        """Return the name of an agent that has none."""
        return DEFAULT_NAME

    # -- speaking ---------------------------------------------------------------------------

    @property
    def speaking(self) -> Speaking:
        """Owner → name: read-only, always current, free to read from anywhere."""
        return self._state.speaking

    def speaker(self) -> str:
        """Return the name that the caller speaks under, or the default name.

        Its own name, or that of the agent that started it. No message, no lock; safe inside any
        handler, finaliser or log filter.
        """
        return name_of_caller(self._state) or DEFAULT_NAME

    def named(
        self,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        theme: str | None = None,
        default: bool | str = False,
        name: str | None = None,
        identity: str | None = None,
    ) -> Block:
        """Speak under a name of one's own, of a ``theme`` or any, for the length of the block.

        Nests: the inner block's name ends with it, and the outer name speaks again. The end of the
        block ends this very checkout, never a later one of the same name. Raises as
        ``checkout_name`` does.

        With ``default`` it raises neither ``NamesUnavailable`` nor ``CheckoutTimeout``: the block,
        and what it starts, speaks under the default name (``True``) or under the one given, which
        is unknown to the pool and shared by all who get it. A caller that holds another name keeps
        that. A warning says so, the first time.

        With ``name`` it is this very name, perhaps from an earlier run. With ``identity`` the
        ledger keeps the name for who has it: in another process, once this one has ended, that
        identity gets it back by its ``name``.

        Raises:
            NameHeld: another session has the name, or another agent of this pool; it says which
            LedgerError: the ledger cannot be reached
        """
        if timeout is not DEFAULT_TIMEOUT:
            check_seconds("timeout", timeout, none=True)
        if theme is not None:
            check_theme(theme)
        access, stand_in = self._access, None if default is False else default_of(default)
        if name is None and identity is None:
            return Held(access, partial(asked_for, access.state, None, theme, timeout), stand_in)
        return resumed(access, theme, timeout, stand_in, name, identity)

    def speaking_as(self, name: str, exclusive: bool = False) -> Block:
        """Speak under a given name, a parent's or a saved one, for the length of the block.

        A name that was checked out before stays so; one that was not goes home at the end of the
        last block that speaks under it. A caller that spoke under it before the block still does.
        Blocks under one name may overlap. Raises as ``associate_name`` does.
        """
        return Held(self._access, partial(to_speak, self._state, name, exclusive))

    def unnamed(self) -> AbstractContextManager[None]:
        """Be nobody for the length of the block; what is started in it inherits no name.

        For workers that many agents share: ``with pool.unnamed(): scheduler.start()``.
        """
        return unnamed(self._state)


class PoolHandle(Face):
    """A pool to work with: each call returns its result and finds the pool's present incarnation.

    An incarnation is the pool as it runs between two restarts. A call waits for one, and for its
    answer, up to its ``timeout``; without a timeout it waits until the pool answers or is stopped
    for good.

    Make it of what ``NamePool.start()`` or ``supervisor.handle(id)`` returns. Raises
    ``pykka.ActorDeadError`` from any call when the pool has been stopped for good.

    A copy of a handle, as of an agent's state, is the handle itself. It cannot be pickled.

    Raises:
        InvalidOption: ``target`` is no pool's ref or handle, or its pool is not running now
    """

    def __init__(
        self,
        target: Askable,
        *,
        close: Callable[[], object] | None = None,
    ) -> None:
        super().__init__(Access(target))
        self._target = target
        self._ask = target.ask
        self._close = close

    # -- the operations ---------------------------------------------------------------------

    def checkout_name(
        self,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        owner: OwnerLike | None = None,
        theme: str | None = None,
    ) -> str:
        """Return a name nobody else has; the caller speaks under it.

        With a ``theme`` it is a name of that theme; a source that knows no themes gives what it
        has. Waits up to ``timeout`` seconds (``None``: for ever) if there is none at the moment.

        Raises:
            UnknownTheme: the source does not know that theme
            NamesUnavailable: the source failed; its error is the cause
            CheckoutTimeout: no name in time; the request is withdrawn, and no name is lost
        """
        access = self._access
        lease = asked_for(access.state, owner, theme, timeout)
        try:
            name: str = access.run(access.begin, lease)
            if name is LATER:
                name = access.waited_for(lease)
            if not lease.outside:
                chain.set(lease)
            return name
        except BaseException:
            access.state.signal.put(lease)  # whatever has come of it: it ends
            raise

    def checkin_name(self, name: str | None, *, owner: OwnerLike | None = None) -> bool:
        """End the lease of ``name``: its speakers lose it, it goes to the back of the queue.

        Returns ``False``, and changes nothing, for ``None``, the default name, and a name that is
        not checked out (the last with a logged warning). Somebody else's name is taken back too,
        with a warning that names both.
        """
        lease, access, has_ended = _chain(), self._access, LATER
        if lease.__class__ is Lease and name.__class__ is str and owner is None:
            is_mine = lease.says == name and lease.state is access.state
            # Else it is inherited, or a scope's.
            if is_mine and _acting() is None and lease.owner == whose_stack():
                has_ended = access.run(access.end, lease)
        if has_ended is not True:
            has_ended = self._ask(m.CheckinName(name, owner))
        if lease is not None and lease.says == OVER and _chain() is lease:
            chain.set(lease.before)  # only to save memory: the link is over
        return has_ended  # type: ignore[no-any-return]

    def associate_name(
        self,
        name: str | None,
        exclusive: bool = False,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        owner: OwnerLike | None = None,
    ) -> str | None:
        """Speak under ``name`` from now on, with those who do already; return its spelling.

        With ``exclusive`` the others lose it. A name that the pool has never seen becomes known and
        checked out. ``None`` and the default name change nothing and return ``None``.

        Raises:
            InvalidName: it may not be a name
            pykka.Timeout: the pool did not answer in ``timeout`` seconds
        """
        check_seconds("timeout", timeout, none=True)
        binding = to_speak(self._state, name, exclusive, owner)
        try:
            spelled = cast("str | None", self._ask(binding, timeout=timeout))
            hold(binding)
            return spelled
        except BaseException:
            self._state.signal.put(binding)
            raise

    def dissociate_name(self, name: str | None = None, *, owner: OwnerLike | None = None) -> bool:
        """Stop speaking under ``name`` (the latest if ``None``); the lease stays.

        Returns whether the caller did speak under it.
        """
        return self._ask(m.DissociateName(name, owner))  # type: ignore[no-any-return]

    def get_name_by_owner(
        self, owner: OwnerLike | None = None, timeout: float | None = 5.0
    ) -> str | None:
        """Return the name that ``owner`` speaks under, or ``None``.

        If no owner is given: the name of the caller, or of whoever started it.

        Raises:
            pykka.Timeout: the pool did not answer in ``timeout`` seconds
        """
        check_seconds("timeout", timeout, none=True)
        run, state = self._access.run, self._state
        if owner is None:
            answer = run(name_of_caller, state)
        else:
            answer = run(state.look_up, owner_id(owner))
        if answer is LATER:
            answer = self._ask(m.GetNameByOwner(owner), timeout=timeout)
        return cast("str | None", answer)

    def pool_stats(self, timeout: float | None = 5.0) -> PoolStats:
        """Return the pool's counts at this moment.

        Raises:
            pykka.Timeout: the pool did not answer in ``timeout`` seconds
        """
        check_seconds("timeout", timeout, none=True)
        return cast("PoolStats", self._ask(m.PoolStatsRequest(), timeout=timeout))

    def leases(self, timeout: float | None = 5.0) -> list[LeaseInfo]:
        """Return who holds what, the oldest lease first.

        Since when is known of leases that began while the pool had ``leak_after`` or a subscriber;
        from which line of the program, while it had ``leak_after``.

        Raises:
            pykka.Timeout: the pool did not answer in ``timeout`` seconds
        """
        check_seconds("timeout", timeout, none=True)
        return cast("list[LeaseInfo]", self._ask(m.LeasesRequest(), timeout=timeout))

    def subscribe(self, callback: Callable[[Any], object], only: Kinds = PoolEvent) -> Subscription:
        """Call ``callback(event)`` for each event of the pool from now on, in their order.

        Args:
            callback: runs on a thread of its own, where it may block, raise, and use the pool; the
                first exception is logged
            only: a class of ``namepool.events``, or several: nothing else is delivered. Without
                ``LeaseEvent`` and those below it, checkouts cost what they cost without subscribers

        Who falls more than 10,000 events behind loses the oldest: it gets ``EventsLost`` in their
        place, and the log says so once. See ``pool.leases()`` for how things stand then. The
        subscription ends when it is closed, or with the pool.
        """
        reading = reading_of(callback, only)
        subscription = Subscription(self._target, reading)
        is_kept = False
        try:
            begin(self._target, reading)
            is_kept = True  # no call from here to the return
            return subscription
        finally:
            if not is_kept:
                undo(self._target, reading)

    def reset(self) -> None:
        """Empty the pool: no names, no leases, nothing used; a chunk on its way is dropped."""
        self._ask(m.Reset())

    # -- the end ----------------------------------------------------------------------------

    def close(self) -> None:
        """Stop what ``open_pool`` started; waits until it has stopped. Twice does no harm.

        A handle of a pool that was started elsewhere leaves that pool alone.
        """
        if self._close is not None:
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.close()
        finally:
            self.close()  # struck: it is closed all the same
