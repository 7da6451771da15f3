"""``AsyncPoolHandle``: the face of a pool for tasks; what may have to wait is awaited."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from namepool.actors.never_copied import NeverCopied
from namepool.core.observed import LeaseInfo
from namepool.core.options import DEFAULT_TIMEOUT, check_seconds
from namepool.core.stats import PoolStats
from namepool.pool import async_scopes, scopes
from namepool.pool import messages as m
from namepool.pool.handle import PoolHandle
from namepool.pool.identities import check
from namepool.pool.ref import ANOTHER

if TYPE_CHECKING:
    from typing import TypeAlias

    from namepool.owners import OwnerLike

T = TypeVar("T")
Awaited: TypeAlias = Coroutine[Any, Any, T]


class AsyncPoolHandle(NeverCopied):
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

    _instead = ANOTHER

    def __init__(self, pool: PoolHandle | scopes.Askable) -> None:
        self.handle: PoolHandle = pool if isinstance(pool, PoolHandle) else PoolHandle(pool)
        """The blocking face of the same pool: for tools that run on threads."""
        self._target = self.handle._target  # noqa: SLF001  the two are faces of one thing

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
        return async_scopes.checkout(self._target, m.CheckoutName(timeout, owner, theme))

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
        return self._answer(m.AssociateName(name, exclusive, owner), timeout)

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

    def default_name(self) -> str:
        """Return the name of an agent that has none; nothing to await."""
        return self.handle.default_name()

    def _answer(self, message: Any, timeout: float | None = None) -> Awaited[Any]:
        check_seconds("timeout", timeout, none=True)
        return async_scopes.answer(self._target, message, timeout)

    # -- speaking ---------------------------------------------------------------------------

    @property
    def speaking(self) -> Mapping[str, str]:
        """Owner → name: read-only, always current, free to read from anywhere."""
        return self.handle.speaking

    def speaker(self) -> str:
        """Return the name that the caller speaks under, or the default name; nothing to await."""
        return self.handle.speaker()

    def named(
        self,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        theme: str | None = None,
        default: bool | str = False,
        name: str | None = None,
        identity: str | None = None,
    ) -> AbstractAsyncContextManager[str]:
        """Speak under a name of one's own, of a ``theme`` or any, for the length of the block.

        Nests, and ends this very checkout, as ``PoolHandle.named`` does. A task that is cancelled
        on its way in or out loses no name. Raises as ``checkout_name`` does; with ``default`` it
        runs under that name instead, and with ``name`` or ``identity`` it takes an earlier name
        back, as ``PoolHandle.named`` does.
        """
        substitute = scopes.default_of(default)
        block: AbstractAsyncContextManager[str] = self._named(timeout, theme, name, identity)
        if substitute is None:
            return block
        tell = self.handle._tell_of_default  # noqa: SLF001  once for both faces
        return async_scopes.ScopeOrDefault(block, self.speaking, substitute, tell)

    def _named(
        self, timeout: float | None, theme: str | None, name: str | None, identity: str | None
    ) -> AbstractAsyncContextManager[str]:
        ledger = self.handle._ledger  # noqa: SLF001
        check(ledger, theme, name, identity)

        def begin() -> m.CheckoutLease | m.TakeLease:
            return m.CheckoutLease(timeout, None, theme) if name is None else m.TakeLease(name)

        block = partial(async_scopes.Scope, self._target, begin)
        if name is None and identity is None:
            return block()
        return async_scopes.Resumed(block, ledger, name, identity)

    def speaking_as(self, name: str, exclusive: bool = False) -> AbstractAsyncContextManager[str]:
        """Speak under a given name for the length of the block; see ``PoolHandle.speaking_as``."""
        return async_scopes.Scope(self._target, lambda: m.BeginSpeaking(name, exclusive))
