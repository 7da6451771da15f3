"""``NamePool``: the actor that owns the pool's state and handles its messages."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Never, Unpack, cast

from namepool.actors import LATER, Reply, ServiceActor, is_exiting
from namepool.actors.bare import bare, raises_bare
from namepool.actors.lifecycle import give_up, launch
from namepool.actors.supervision.child_spec import ChildSpec, Restart, Shutdown
from namepool.core.leases import Lease
from namepool.core.names import DEFAULT_NAME, shown
from namepool.core.options import DEFAULT_TIMEOUT, PoolOptions
from namepool.core.refill import RefillPolicy
from namepool.core.state import OwnerEnded, PoolState
from namepool.core.stats import PoolStats
from namepool.ends import notify_gone
from namepool.errors import CheckoutTimeout, NamePoolError, OwnerRequired
from namepool.pool import messages as m
from namepool.pool.fetcher import ChunkArrived, ChunkFailed, SourceCloser, close_source
from namepool.pool.fetches import Fetches
from namepool.pool.observing import Observing
from namepool.pool.operations import Operations
from namepool.pool.options import NamePoolOptions, checked_options, supply
from namepool.pool.ref import NamePoolRef, token_of
from namepool.pool.refilling import (
    Fetcher,
    FetcherDied,
    Gathered,
    Late,
    Overdue,
    Refilling,
    TryAgain,
)
from namepool.pool.waiting_list import Expire, Reclaim, WaitingList, abandon_waiters
from namepool.pool.warnings import warn
from namepool.process_tag import process_tag
from namepool.sources.base import NameSource
from namepool.speaking import received

if TYPE_CHECKING:
    from namepool.owners import OwnerLike


class NamePool(ServiceActor):
    """The actor that hands out names: a name that is checked out belongs to one lease only.

    Start it with ``NamePool.start(**options)``, or give ``NamePool.child_spec(**options)`` to a
    supervisor. All options are keywords: see ``NamePoolOptions``.

    No handler blocks, because a fetcher waits for the source on a thread of its own. Callers run
    the requests of ``operations`` on their own thread. The pool's own thread handles all other
    messages.

    Examples:
        >>> ref = namepool.NamePool.start(source=namepool.NumberedNames())
        >>> namepool.PoolHandle(ref).checkout_name()
        'NPC #1'
    """

    non_blocking = True

    def __init__(self, **options: Unpack[NamePoolOptions]) -> None:
        super().__init__()
        self._options = checked = checked_options(options)
        self._source = supply(options.get("source"), options.get("ledger"))
        state = options.get("state")
        self._state = state if state is not None else PoolState()
        self._outlived = state is not None
        self._state.options = checked
        self._state.id_prefix = f"{process_tag()}-{self._state.serial}-"
        self._use_inbox_of(self._state)
        self._fetches: Fetches[Fetcher] = Fetches(_policy(checked), self._state.stocks[None])
        self._waiting = WaitingList(self._state, self._fetches, self.actor_inbox)
        self._refilling = Refilling(
            self._source, checked, self._state, self._fetches, self._waiting
        )
        self._operations = Operations(
            self._state, self.actor_inbox, self._waiting, self._refilling, self.deferred
        )
        self._observing = Observing(self._state, self.actor_inbox)
        operations = self._operations.table()
        ref = NamePoolRef(self, self._state, operations, self._source)
        self._actor_ref = self._refilling.ref = ref
        self._handlers.update(self._table())
        self._handlers.update(operations)
        self._inline.update(operations)
        self._inline_other = lambda _: LATER

    def _use_inbox_of(self, state: PoolState) -> None:
        """Use the signal of the state, so that signals to an earlier incarnation arrive here."""
        self.actor_inbox.signal = state.signal
        self.actor_inbox.signalled = state.signalled
        self.actor_inbox.guarded = state
        state.is_busy = self.actor_inbox.is_busy

    def _table(self) -> dict[type, Callable[[Any], Any]]:
        return {
            **self._observing.table(),
            m.CheckoutName: self._by_message,
            m.CheckoutLease: self._by_message,
            m.AssociateName: self._by_message,
            m.PoolStatsRequest: lambda _: self.pool_stats(),
            m.Reset: lambda _: self.reset(),
            ChunkArrived: self._refilling.chunk_arrived,
            ChunkFailed: self._refilling.chunk_failed,
            Late: self._waiting.late,
            Overdue: self._refilling.overdue,
            FetcherDied: self._refilling.fetcher_died,
            Gathered: self._refilling.gathered,
            TryAgain: lambda _: self._refilling.refill() if self._state.stocks.waiting else None,
            Expire: self._waiting.expire,
            OwnerEnded: self._waiting.owner_ended,
            Reclaim: self._waiting.reclaim,
        }

    def _by_message(self, message: Any) -> Any:
        """Handle a request that came by ``tell`` or by a plain proxy of Pykka, without a token."""
        token = token_of(self._state, message)
        token.outside, token.seen = True, None  # because another thread asks
        reply = self._replying
        if isinstance(reply, Reply) and isinstance(token, Lease):
            self._replying = reply.watched(token, self._state.signal.put, received)
        return self._handlers[token.__class__](token)

    # -- Pykka and supervisors call these ---------------------------------------------------

    @classmethod
    def start(cls, *args: Never, **options: Unpack[NamePoolOptions]) -> NamePoolRef:
        """Start a pool without a supervisor and return its ref.

        Args:
            args: none; a subclass with arguments of its own overrides ``start`` for their types
            options: the options of ``NamePoolOptions``

        Raises:
            InvalidOption: an option is unknown, or has a wrong type or range

        Examples:
            >>> ref = namepool.NamePool.start(source=namepool.NumberedNames(), chunk_size=20)
            >>> ref.ask(namepool.CheckoutName())
            'NPC #1'
            >>> ref.stop()
            True
        """
        started: list[Any] = []
        is_kept = False
        try:
            ref = cast("NamePoolRef", launch(cls, args, options, receipt=started))
            is_kept = True  # no call, so no exception, before the return
            return ref
        except NamePoolError as error:
            bare(error)  # its frames, and this one, may hold the URL of a ledger with a password
            del options
            raise
        finally:
            if not is_kept:
                give_up(started)

    @classmethod
    @raises_bare(NamePoolError)
    def child_spec(
        cls,
        id: str = "namepool",  # noqa: A002  OTP's word for it
        *,
        restart: Restart = "permanent",
        shutdown: Shutdown = "default",
        significant: bool = False,
        **options: Unpack[NamePoolOptions],
    ) -> ChildSpec:
        """Return a child spec, by which a supervisor starts this pool.

        The pool's state survives the restarts.

        Args:
            id: the child's id, unique among the supervisor's children
            restart: the ends after which the supervisor starts the pool again, see ``ChildSpec``
            shutdown: the seconds to wait until the pool has stopped, see ``ChildSpec``
            significant: whether the pool's own end may end the supervisor, see ``ChildSpec``
            options: the options of ``NamePoolOptions``

        Raises:
            InvalidOption: an option is unknown, or has a wrong type or range
            InvalidChildSpec: an argument of the spec itself has a wrong type or range

        Examples:
            >>> spec = namepool.NamePool.child_spec(source=namepool.NumberedNames())
            >>> supervisor = namepool.Supervisor.start(children=[spec])
            >>> namepool.PoolHandle(supervisor.handle("namepool")).checkout_name()
            'NPC #1'
        """
        options["reserved"] = checked_options(options).reserved  # an iterator is read only once
        # All incarnations share one source and one state, so that no name comes twice and no lease
        # is lost.
        given = options.get("state")
        options["state"] = state = given if given is not None else PoolState()
        options["source"] = source = supply(options.get("source"), options.pop("ledger", None))
        return ChildSpec(
            id=id,
            actor_class=cls,
            kwargs=options,
            restart=restart,
            shutdown=shutdown,
            significant=significant,
            on_abandon=partial(_abandon, state, source),
        )

    def on_start(self) -> None:
        """Take over the state, and serve the callers that waited for an earlier incarnation."""
        state = self._state
        self._observing.resume()
        state.recover()
        state.counters.starts += 1
        notify_gone(state)
        self._waiting.resume()
        if state.stocks.waiting:
            self._refilling.refill()
        elif self._options.prefetch and not state.stocks.available:
            self._refilling.fetch(self._options.chunk_size, state.stocks[None])

    def on_stop(self) -> None:
        """Let go of the fetchers.

        A pool that was started with a ``state``, as by a child spec, leaves its waiting callers and
        its source to the next pool with this state. Any other pool answers its waiting callers, and
        closes its source.
        """
        self._waiting.let_go()
        self._refilling.let_go()
        if not self._outlived:
            _abandon(self._state, self._source)

    def on_failure(self, *_: Any) -> None:
        """Do the same as ``on_stop``; the next incarnation, if any, serves the waiting callers."""
        self.on_stop()

    def on_receive(self, message: Any) -> None:
        """Log a warning, on one line, for a message that a pool does not answer."""
        warn("unexpected message: %s", shown(message))

    def on_signal(self, signalled: Any) -> None:
        """Deal with an object from the signal."""
        self._waiting.signalled(signalled)

    # -- the operations, for proxies --------------------------------------------------------

    def checkout_name(
        self,
        timeout: float | None = DEFAULT_TIMEOUT,
        *,
        owner: OwnerLike | None = None,
        theme: str | None = None,
    ) -> str:
        """See ``messages.CheckoutName``.

        A call by a plain proxy of Pykka runs in the pool, so the caller must give the owner.
        """
        return cast("str", self._by_message(m.CheckoutName(timeout, _given(owner), theme)))

    def checkin_name(self, name: str | None, *, owner: OwnerLike | None = None) -> bool:
        """See ``messages.CheckinName``."""
        return cast("bool", self._operations.checkin(m.CheckinName(name, _given(owner))))

    def associate_name(
        self, name: str | None, exclusive: bool = False, *, owner: OwnerLike | None = None
    ) -> str | None:
        """See ``messages.AssociateName``."""
        message = m.AssociateName(name, exclusive, _given(owner))
        return cast("str | None", self._by_message(message))

    def dissociate_name(self, name: str | None = None, *, owner: OwnerLike | None = None) -> bool:
        """See ``messages.DissociateName``."""
        return cast("bool", self._operations.dissociate(m.DissociateName(name, _given(owner))))

    def get_name_by_owner(self, owner: OwnerLike | None = None) -> str | None:
        """See ``messages.GetNameByOwner``."""
        return self._state.name_of(m.GetNameByOwner(_given(owner)).owner)

    def default_name(self) -> str:
        """Return the default name: an agent without a name of its own speaks under it."""
        return DEFAULT_NAME

    def pool_stats(self) -> PoolStats:
        """Return the pool's counts at this moment."""
        return self._refilling.stats()

    def reset(self) -> None:
        """Empty the pool; a chunk that is still on its way is dropped when it arrives."""
        self._refilling.keeping.forget_admitted()
        self._state.reset()
        self._refilling.reset()

    def timeout_error(self, timeout: float, theme: str | None = None) -> CheckoutTimeout:
        """Return the error for a caller whose timeout has passed; any thread may ask."""
        return self._waiting.timeout_error(timeout, theme)


def _policy(options: PoolOptions) -> RefillPolicy:
    low = options.low_water_mark
    return RefillPolicy(
        options.chunk_size,
        cast("int", options.max_chunk_size),
        options.chunk_size // 2 if low is None else low,
        options.max_fetches,
    )


def _given(owner: OwnerLike | None) -> OwnerLike:
    if owner is None:
        raise OwnerRequired(
            "this call does not say who makes it: use NamePoolRef.proxy(), a message such as "
            "CheckoutName(), or pass owner=... (a plain pykka.ActorProxy runs in the pool's thread)"
        )
    return owner


def _abandon(state: PoolState, source: NameSource) -> None:
    """End a state that no pool uses again: answer its waiting callers and close its source."""
    abandon_waiters(state)
    state.silence()
    state.log.end()
    if not hasattr(source, "close"):
        return
    try:
        if not is_exiting():
            SourceCloser.start(source)
            return
    except RuntimeError:
        pass  # no thread can be started, for example while CPython 3.12 or later exits
    close_source(source)
