"""``PoolHandle``: the blocking, restart-proof face of a pool."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any, Self, cast

from namepool.actors import LATER
from namepool.core.leases import Lease
from namepool.core.options import DEFAULT_TIMEOUT, check_seconds
from namepool.core.stats import PoolStats
from namepool.events import PoolEvent
from namepool.owners import current_owner, owner_id
from namepool.pool import messages as m
from namepool.pool.access import Access, Askable
from namepool.pool.face import Face
from namepool.pool.observing import LeaseInfo
from namepool.pool.ref import hold
from namepool.pool.subscriptions import Kinds, Subscription, begin, reading_of, undo
from namepool.speaking import asked_for, chain, name_of_caller, to_speak

if TYPE_CHECKING:
    from namepool.owners import OwnerLike

_chain: Callable[[], Any] = chain.get


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
        super().__init__(Access(target), Lock())
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
        access, state = self._access, self._state
        lease = asked_for(state, owner, theme, timeout)
        try:
            name: str = access.granted(lease)
            if not lease.outside:
                chain.set(lease)
            return name
        except BaseException:
            state.signal.put(lease)  # whatever has come of it: it ends
            raise

    def checkin_name(self, name: str | None, *, owner: OwnerLike | None = None) -> bool:
        """End the lease of ``name``: its speakers lose it, it goes to the back of the queue.

        Returns ``False``, and changes nothing, for ``None``, the default name, and a name that is
        not checked out (the last with a logged warning). Somebody else's name is taken back too,
        with a warning that names both.
        """
        lease = _chain()
        if lease.__class__ is Lease and owner is None and name.__class__ is str:
            is_mine = lease.says == name and lease.state is self._state
            is_mine = is_mine and lease.owner == current_owner()  # else it is inherited
            if is_mine and self._access.inbox.run(self._state.end, lease) is True:
                chain.set(lease.before)
                return True
        return self._ask(m.CheckinName(name, owner))  # type: ignore[no-any-return]

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
        run, state = self._access.inbox.run, self._state
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
