"""``AsyncPoolHandle``: the face of a pool for tasks; what may have to wait is awaited."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from namepool.actors.reply import watched
from namepool.core.leases import Lease, Token
from namepool.core.options import DEFAULT_TIMEOUT, check_seconds
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
    """A pool to work with from tasks, of asyncio or trio: awaiting never blocks the event loop.

    The operations are those of ``PoolHandle``: the same arguments, results and errors. The caller
    is the task that makes the call, also where another one awaits it, as in
    ``asyncio.wait_for(pool.checkout_name(), 5)``. A task that is cancelled at any await costs no
    name. A handle is tied to no loop: any number of loops and threads may share one pool.

    Make it of a ``PoolHandle``, or of what a ``PoolHandle`` is made of. It does not end the pool:
    see ``open_async_pool``.

    Raises:
        InvalidOption: ``pool`` is no pool's ref or handle, or its pool is not running now
    """

    def __init__(self, pool: PoolHandle | Askable) -> None:
        self.handle: PoolHandle = pool if isinstance(pool, PoolHandle) else PoolHandle(pool)
        """The blocking face of the same pool: for tools that run on threads."""
        super().__init__(self.handle._access)  # noqa: SLF001  faces of one

    # -- the operations ---------------------------------------------------------------------

    def checkout_name(
        self,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        owner: OwnerLike | None = None,
        theme: str | None = None,
    ) -> Awaited[str]:
        """Return a name nobody else has; the caller speaks under it.

        With a ``theme`` it is a name of that theme; a source that knows no themes gives what it
        has. Suspends up to ``timeout`` seconds (``None``: for ever) if there is none at the moment.

        Raises:
            UnknownTheme: the source does not know that theme
            NamesUnavailable: the source failed; its error is the cause
            CheckoutTimeout: no name in time; the request is withdrawn, and no name is lost
        """
        lease = asked_for(self._access.state, owner, theme, timeout)
        if not lease.outside:
            chain.set(lease)  # here, where the caller is: another task may await it
        return self._call(lease, timeout)

    def checkin_name(self, name: str | None, *, owner: OwnerLike | None = None) -> Awaited[bool]:
        """End the lease of ``name``; see ``PoolHandle.checkin_name``."""
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
            InvalidName: it may not be a name
            pykka.Timeout: the pool did not answer in ``timeout`` seconds
        """
        check_seconds("timeout", timeout, none=True)
        binding = to_speak(self._access.state, name, exclusive, owner)
        speak_soon(binding)
        return self._call(binding, timeout)

    def dissociate_name(
        self, name: str | None = None, *, owner: OwnerLike | None = None
    ) -> Awaited[bool]:
        """Stop speaking under ``name`` (the latest if ``None``); the lease stays.

        Returns whether the caller did speak under it.
        """
        return self._answer(m.DissociateName(name, owner))

    def get_name_by_owner(
        self, owner: OwnerLike | None = None, timeout: float | None = 5.0
    ) -> Awaited[str | None]:
        """Return the name that ``owner`` speaks under, or ``None``.

        If no owner is given: the name of the caller, or of whoever started it.

        Raises:
            pykka.Timeout: the pool did not answer in ``timeout`` seconds
        """
        return self._answer(m.GetNameByOwner(owner), timeout)

    def pool_stats(self, timeout: float | None = 5.0) -> Awaited[PoolStats]:
        """Return the pool's counts at this moment.

        Raises:
            pykka.Timeout: the pool did not answer in ``timeout`` seconds
        """
        return self._answer(m.PoolStatsRequest(), timeout)

    def leases(self, timeout: float | None = 5.0) -> Awaited[list[LeaseInfo]]:
        """Return who holds what, the oldest lease first; see ``PoolHandle.leases``.

        Raises:
            pykka.Timeout: the pool did not answer in ``timeout`` seconds
        """
        return self._answer(m.LeasesRequest(), timeout)

    def reset(self) -> Awaited[None]:
        """Empty the pool: no names, no leases, nothing used; a chunk on its way is dropped."""
        return self._answer(m.Reset())

    def _answer(self, message: Any, timeout: float | None = None) -> Awaited[Any]:
        check_seconds("timeout", timeout, none=True)
        return self._access.answer(message, timeout)

    def _call(self, token: Token, timeout: float | None) -> Awaited[Any]:
        """Return what is to be awaited; if that never begins, the token is given up."""
        call = self._granted(token, timeout)
        watched(call, token, self._state.signal.put, bool)
        return call

    async def _granted(self, token: Token, timeout: float | None) -> Any:
        access = self._access
        token.watch = None  # from here on, this sees to it
        try:
            if isinstance(token, Lease):
                return await access.granted(token)
            answer = await access.answer(token, timeout)
            if is_linked(token):  # else it is another task that awaits the call
                hold(token)
            return answer
        except BaseException:
            access.state.signal.put(token)  # whatever has come of it: it ends
            raise
