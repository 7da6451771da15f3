"""``PoolHandle``: the blocking handle of a pool; and ``Face``, the part that all handles share."""

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
from namepool.core.options import CHECKS, DEFAULT_TIMEOUT, check_theme
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
    """The part of a handle that is the same for threads and for tasks: none of it has to wait.

    Examples:
        >>> pool = namepool.open_pool(source=namepool.NumberedNames())
        >>> pool.checkout_name()
        'NPC #1'
    """

    _instead = ANOTHER

    def __init__(self, access: Access) -> None:
        self._access = access
        self._state = access.state

    def default_name(self) -> str:
        """Return the default name: an agent without a name of its own speaks under it.

        Examples:
            >>> pool.default_name()
            'Nemo Nobody'
        """
        return DEFAULT_NAME

    # -- speaking ---------------------------------------------------------------------------

    @property
    def speaking(self) -> Speaking:
        """The name of each owner that speaks: a mapping, read-only and always current.

        Any thread may read it. Reading sends no message and takes no lock.

        Examples:
            >>> list(pool.speaking.values())
            ['NPC #1']
        """
        return self._state.speaking

    def speaker(self) -> str:
        """Return the name that the caller speaks under, or the default name.

        A caller without a name of its own speaks under the name of the agent that started it. The
        call sends no message and takes no lock. It is safe in any handler, finaliser or log filter.

        Examples:
            >>> pool.speaker()
            'NPC #1'
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
        """Speak under a new name for the length of the block.

        With a ``theme`` the name is of that theme. Blocks nest: at the end of the inner block its
        name ends, and the caller speaks under the outer name again. The end of the block ends this
        checkout only, never a later checkout of the same name. The block also raises the errors of
        ``checkout_name``.

        With ``default`` the block raises neither ``NamesUnavailable`` nor ``CheckoutTimeout``. The
        caller, and each task that the block starts, then speaks under a default name: ``True``
        means the pool's default name, a string is the default name itself. The pool does not know
        that string, and several agents may share it. But if the caller already has another name of
        its own, the caller keeps that name, and gets no default name. The pool logs a warning the
        first time.

        With ``name`` the caller gets exactly this name, for example the name of an earlier run.

        With ``identity`` the caller gets the name of that identity. If it has none yet, it gets a
        new name, or ``name``. The ledger keeps the name for the identity: after the block, any
        process gets it back with the same ``identity``. An identity has one name in a namespace,
        and one holder at a time. If another process may hold it and is not known to live, the block
        asks again until ``timeout`` is over. A thread waits for the ledger at both ends of the
        block, and a task lets its event loop go on.

        Raises:
            NameHeld: another session, or another agent of this pool, has the name; or the identity
                has another name. The error tells which
            LedgerError: the ledger cannot be reached

        Examples:
            >>> with pool.named():
            ...     pool.speaker()
            'NPC #2'
            >>> pool.speaker()
            'NPC #1'
        """
        if timeout is not DEFAULT_TIMEOUT:
            CHECKS.seconds("timeout", timeout, none=True)
        if theme is not None:
            check_theme(theme)
        access, stand_in = self._access, None if default is False else default_of(default)
        if name is None and identity is None:
            return Held(access, partial(asked_for, access.state, None, theme, timeout), stand_in)
        return resumed(access, theme, timeout, stand_in, name, identity)

    def speaking_as(self, name: str, exclusive: bool = False) -> Block:
        """Speak under a given name, a parent's or a saved one, for the length of the block.

        A name that was checked out before the block stays checked out. Any other name is checked in
        at the end of the last block that speaks under it. A caller that spoke under the name before
        the block still speaks under it afterwards. Blocks under one name may overlap. ``exclusive``
        and the errors are those of ``associate_name``.

        Examples:
            >>> with pool.speaking_as("Ada the Reviewer"):
            ...     pool.speaker()
            'Ada the Reviewer'
        """
        return Held(self._access, partial(to_speak, self._state, name, exclusive))

    def unnamed(self) -> AbstractContextManager[None]:
        """Speak under no name for the length of the block.

        The threads and tasks that the block starts inherit no name. Start workers that many agents
        share in such a block: ``with pool.unnamed(): scheduler.start()``.

        Examples:
            >>> with pool.unnamed():
            ...     pool.speaker()
            'Nemo Nobody'
        """
        return unnamed(self._state)


class PoolHandle(Face):
    """A handle of a pool; each call finds the pool's present incarnation and returns its answer.

    An incarnation is the pool as it runs between two restarts. A call waits up to its ``timeout``
    for an incarnation and its answer. A call without a timeout waits until the pool answers or is
    stopped for good. After the pool has been stopped for good, every call raises
    ``pykka.ActorDeadError``.

    ``open_pool`` returns a handle. You can also make one from the result of ``NamePool.start()`` or
    ``supervisor.handle(id)``.

    A copy of a handle is the handle itself, so an agent's state with a handle in it can be copied.
    A handle cannot be pickled.

    Raises:
        InvalidOption: ``target`` is no pool's ref or handle, or its pool is not running now

    Examples:
        >>> pool = namepool.open_pool(source=namepool.NumberedNames())
        >>> pool.checkout_name()
        'NPC #1'
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
        """Return a name that nobody else has; the caller speaks under it from now on.

        With a ``theme`` the name is of that theme. A source that knows no themes gives any name. If
        no name is available, the call waits up to ``timeout`` seconds (``None``: without limit).

        Raises:
            UnknownTheme: the source does not know that theme
            NamesUnavailable: the source failed; its error is the cause
            CheckoutTimeout: no name came in time; the request is withdrawn, and no name is lost

        Examples:
            >>> pool.checkout_name(timeout=5.0, owner="planner-7")
            'NPC #2'
            >>> pool.get_name_by_owner("planner-7")
            'NPC #2'
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
            access.state.signal.put(lease)  # ends the lease, granted or not
            raise

    def checkin_name(self, name: str | None, *, owner: OwnerLike | None = None) -> bool:
        """End the lease of ``name`` and return ``True``.

        The speakers lose the name, and it goes to the back of the queue. For ``None``, the default
        name and a name that is not checked out, the call changes nothing and returns ``False``. For
        a name that is not checked out, the pool logs a warning too. The caller may check in a name
        of another owner: the pool then logs a warning with both owners.

        Examples:
            >>> pool.checkin_name("NPC #1")
            True
            >>> pool.checkin_name("NPC #1")
            False
        """
        lease, access, has_ended = _chain(), self._access, LATER
        if lease.__class__ is Lease and name.__class__ is str and owner is None:
            is_mine = lease.says == name and lease.state is access.state
            # Any other link is inherited, or belongs to an ``owner_scope``.
            if is_mine and _acting() is None and lease.owner == whose_stack():
                has_ended = access.run(access.end, lease)
        if has_ended is not True:
            has_ended = self._ask(m.CheckinName(name, owner))
        if lease is not None and lease.says == OVER and _chain() is lease:
            chain.set(lease.before)  # only to save memory, because the link is over
        return has_ended  # type: ignore[no-any-return]

    def associate_name(
        self,
        name: str | None,
        exclusive: bool = False,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        owner: OwnerLike | None = None,
    ) -> str | None:
        """Speak under ``name`` from now on, and return the name as the pool spells it.

        The other speakers of the name keep it; with ``exclusive`` they lose it. A name that the
        pool has never seen becomes known and checked out. ``None`` and the default name change
        nothing, and the call returns ``None``.

        Raises:
            InvalidName: ``name`` is not allowed as a name
            pykka.Timeout: the pool did not answer in ``timeout`` seconds

        Examples:
            >>> pool.associate_name("npc #1", owner="reviewer-2")
            'NPC #1'
            >>> pool.get_name_by_owner("reviewer-2")
            'NPC #1'
        """
        CHECKS.seconds("timeout", timeout, none=True)
        binding = to_speak(self._state, name, exclusive, owner)
        try:
            spelled = cast("str | None", self._ask(binding, timeout=timeout))
            hold(binding)
            return spelled
        except BaseException:
            self._state.signal.put(binding)
            raise

    def dissociate_name(self, name: str | None = None, *, owner: OwnerLike | None = None) -> bool:
        """Stop speaking under ``name`` (``None``: the latest name); its lease stays.

        Returns whether the caller spoke under that name.

        Examples:
            >>> pool.dissociate_name()
            True
            >>> pool.speaker()
            'Nemo Nobody'
        """
        return self._ask(m.DissociateName(name, owner))  # type: ignore[no-any-return]

    def get_name_by_owner(
        self, owner: OwnerLike | None = None, timeout: float | None = 5.0
    ) -> str | None:
        """Return the name that ``owner`` speaks under, or ``None``.

        Without an ``owner`` the call returns the name that the caller speaks under: its own, or
        that of the agent that started it.

        Raises:
            pykka.Timeout: the pool did not answer in ``timeout`` seconds

        Examples:
            >>> pool.get_name_by_owner()
            'NPC #1'
            >>> pool.get_name_by_owner("planner-7") is None
            True
        """
        CHECKS.seconds("timeout", timeout, none=True)
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

        Examples:
            >>> pool.pool_stats().checked_out_count
            1
        """
        CHECKS.seconds("timeout", timeout, none=True)
        return cast("PoolStats", self._ask(m.PoolStatsRequest(), timeout=timeout))

    def leases(self, timeout: float | None = 5.0) -> list[LeaseInfo]:
        """Return each lease with its owner and its speakers, the oldest lease first.

        The pool knows the start of a lease only if, at that start, it had ``leak_after`` or a
        subscriber to lease events. It knows the line of the program only if it had ``leak_after``.

        Raises:
            pykka.Timeout: the pool did not answer in ``timeout`` seconds

        Examples:
            >>> [lease.name for lease in pool.leases()]
            ['NPC #1']
        """
        CHECKS.seconds("timeout", timeout, none=True)
        return cast("list[LeaseInfo]", self._ask(m.LeasesRequest(), timeout=timeout))

    def subscribe(self, callback: Callable[[Any], object], only: Kinds = PoolEvent) -> Subscription:
        """Call ``callback(event)`` for each event of the pool from now on, in the events' order.

        A callback that falls more than 10,000 events behind loses the oldest events. It gets
        ``EventsLost`` in their place, and the log says so once. ``pool.leases()`` then returns
        the present leases. The subscription ends when it is closed, or with the pool.

        Args:
            callback: it runs on a thread of its own, where it may block, raise and use the pool;
                its first exception is logged
            only: a class of ``namepool.events``, or a tuple of them: the pool delivers no other
                event. If no lease event is among them (``LeaseEvent``, a class below it, or
                ``PoolEvent``), a checkout is as cheap as without subscribers

        Examples:
            >>> seen = []
            >>> with pool.subscribe(seen.append, only=namepool.events.NameCheckedOut):
            ...     pool.checkout_name()
            'NPC #2'
            >>> [event.name for event in seen]
            ['NPC #2']
        """
        reading = reading_of(callback, only)
        subscription = Subscription(self._target, reading)
        is_kept = False
        try:
            begin(self._target, reading)
            is_kept = True  # no call, so no exception, before the return
            return subscription
        finally:
            if not is_kept:
                undo(self._target, reading)

    def reset(self) -> None:
        """Empty the pool: all names, all leases and the memory of used names are gone.

        A chunk that is still on its way is dropped when it arrives.

        Examples:
            >>> pool.reset()
            >>> pool.pool_stats().checked_out_count
            0
        """
        self._ask(m.Reset())

    # -- the end ----------------------------------------------------------------------------

    def close(self) -> None:
        """Stop the pool that ``open_pool`` started, and wait until it has stopped.

        A second call does no harm. If the handle was made in another way, the call does nothing.

        Examples:
            >>> pool.close()
            >>> pool.checkout_name()
            Traceback (most recent call last):
            namepool.actors.inbox.NotHandled: namepool is not running: its supervisor ...
        """
        if self._close is not None:
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.close()
        finally:
            self.close()  # an exception from outside may have cut the first call short
