"""``AsyncPoolHandle``: the handle of a pool for tasks, which await its answers."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from namepool.actors.reply import watched
from namepool.core.leases import Lease, Token
from namepool.core.options import CHECKS, DEFAULT_TIMEOUT
from namepool.core.stats import PoolStats
from namepool.pool import messages as m
from namepool.pool.access import Askable
from namepool.pool.handle import Face, PoolHandle
from namepool.pool.observing import LeaseInfo
from namepool.pool.ref import hold
from namepool.speaking import asked_for, chain, is_linked, speak_soon, to_speak

if TYPE_CHECKING:
    from typing import TypeAlias

    from namepool.owners import OwnerLike

T = TypeVar("T")
Awaited: TypeAlias = Coroutine[Any, Any, T]


class AsyncPoolHandle(Face):
    """A handle of a pool for tasks of asyncio or trio; an await never blocks the event loop.

    The operations have the arguments, results and errors of ``PoolHandle``. The caller is the task
    that makes the call, even if another task awaits it, as in
    ``asyncio.wait_for(pool.checkout_name(), 5)``. No name is lost if a task is cancelled at an
    await. A handle is tied to no event loop: any number of loops and threads may share one pool.

    ``open_async_pool`` gives such a handle, and stops the pool when its block ends. You can also
    make a handle from a ``PoolHandle``, a pool's ref or a supervisor's handle of a pool. A handle
    that you make does not stop the pool.

    ``speaker``, ``speaking``, ``default_name``, ``named``, ``speaking_as`` and ``unnamed`` are the
    same as those of ``PoolHandle``. A task enters their blocks with ``async with``.

    Raises:
        InvalidOption: ``pool`` is no pool's ref or handle, or its pool is not running now

    Examples:
        >>> pool = namepool.AsyncPoolHandle(namepool.open_pool(source=namepool.NumberedNames()))
        >>> await pool.checkout_name(owner="planner-7")
        'NPC #1'
    """

    def __init__(self, pool: PoolHandle | Askable) -> None:
        self.handle: PoolHandle = pool if isinstance(pool, PoolHandle) else PoolHandle(pool)
        """The blocking handle of the same pool, for tools that run on threads."""
        super().__init__(self.handle._access)  # noqa: SLF001  both are handles of one pool

    # -- the operations ---------------------------------------------------------------------

    def checkout_name(
        self,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        owner: OwnerLike | None = None,
        theme: str | None = None,
    ) -> Awaited[str]:
        """Return a name that nobody else has; the caller speaks under it from now on.

        With a ``theme`` the name is of that theme. A source that knows no themes gives any name. If
        no name is available, the task waits up to ``timeout`` seconds (``None``: without limit).

        Raises:
            UnknownTheme: the source does not know that theme
            NamesUnavailable: the source failed; its error is the cause
            CheckoutTimeout: no name came in time; the request is withdrawn, and no name is lost

        Examples:
            >>> await pool.checkout_name(timeout=5.0, owner="tester-1")
            'NPC #2'
        """
        lease = asked_for(self._access.state, owner, theme, timeout)
        if not lease.outside:
            chain.set(lease)  # in the caller's context, because another task may await the call
        return self._call(lease, timeout)

    def checkin_name(self, name: str | None, *, owner: OwnerLike | None = None) -> Awaited[bool]:
        """End the lease of ``name`` and return ``True``; see ``PoolHandle.checkin_name``.

        Examples:
            >>> await pool.checkin_name("NPC #1", owner="planner-7")
            True
        """
        return self._answer(m.CheckinName(name, owner))

    def associate_name(
        self,
        name: str | None,
        exclusive: bool = False,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        owner: OwnerLike | None = None,
    ) -> Awaited[str | None]:
        """Speak under ``name`` from now on; see ``PoolHandle.associate_name``.

        Raises:
            InvalidName: ``name`` is not allowed as a name
            pykka.Timeout: the pool did not answer in ``timeout`` seconds

        Examples:
            >>> await pool.associate_name("npc #1", owner="reviewer-2")
            'NPC #1'
        """
        CHECKS.seconds("timeout", timeout, none=True)
        binding = to_speak(self._access.state, name, exclusive, owner)
        speak_soon(binding)
        return self._call(binding, timeout)

    def dissociate_name(
        self, name: str | None = None, *, owner: OwnerLike | None = None
    ) -> Awaited[bool]:
        """Stop speaking under ``name`` (``None``: the latest name); its lease stays.

        Returns whether the caller spoke under that name.

        Examples:
            >>> await pool.dissociate_name(owner="planner-7")
            True
            >>> await pool.get_name_by_owner("planner-7") is None
            True
        """
        return self._answer(m.DissociateName(name, owner))

    def get_name_by_owner(
        self, owner: OwnerLike | None = None, timeout: float | None = 5.0
    ) -> Awaited[str | None]:
        """Return the name that ``owner`` speaks under, or ``None``.

        Without an ``owner`` the call returns the name that the caller speaks under: its own, or
        that of the agent that started it.

        Raises:
            pykka.Timeout: the pool did not answer in ``timeout`` seconds

        Examples:
            >>> await pool.get_name_by_owner("planner-7")
            'NPC #1'
        """
        return self._answer(m.GetNameByOwner(owner), timeout)

    def pool_stats(self, timeout: float | None = 5.0) -> Awaited[PoolStats]:
        """Return the pool's counts at this moment.

        Raises:
            pykka.Timeout: the pool did not answer in ``timeout`` seconds

        Examples:
            >>> (await pool.pool_stats()).checked_out_count
            1
        """
        return self._answer(m.PoolStatsRequest(), timeout)

    def leases(self, timeout: float | None = 5.0) -> Awaited[list[LeaseInfo]]:
        """Return each lease, the oldest first; see ``PoolHandle.leases``.

        Raises:
            pykka.Timeout: the pool did not answer in ``timeout`` seconds

        Examples:
            >>> [lease.name for lease in await pool.leases()]
            ['NPC #1']
        """
        return self._answer(m.LeasesRequest(), timeout)

    def reset(self) -> Awaited[None]:
        """Empty the pool: all names, all leases and the memory of used names are gone.

        A chunk that is still on its way is dropped when it arrives.

        Examples:
            >>> await pool.reset()
            >>> await pool.leases()
            []
        """
        return self._answer(m.Reset())

    def _answer(self, message: Any, timeout: float | None = None) -> Awaited[Any]:
        CHECKS.seconds("timeout", timeout, none=True)
        return self._access.answer(message, timeout)

    def _call(self, token: Token, timeout: float | None) -> Awaited[Any]:
        """Return the call for the caller to await; if the call never begins, its token ends."""
        call = self._granted(token, timeout)
        watched(call, token, self._state.signal.put, bool)
        return call

    async def _granted(self, token: Token, timeout: float | None) -> Any:
        access = self._access
        token.watch = None  # from here on, the ``except`` below ends the token
        try:
            if isinstance(token, Lease):
                return await access.granted(token)
            answer = await access.answer(token, timeout)
            if is_linked(token):  # otherwise another task awaits the call
                hold(token)
            return answer
        except BaseException:
            access.state.signal.put(token)  # ends the token, granted or not
            raise
