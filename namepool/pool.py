"""``NamePool``: the actor around ``PoolState``; its ref and its typed proxy."""

from __future__ import annotations

import itertools
import logging
import queue
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pykka

from namepool import messages as m
from namepool.actors import LATER, Reply, ServiceActor, ServiceRef, is_exiting
from namepool.actors.child_spec import ChildSpec
from namepool.actors.death_watch import give_up, launch
from namepool.errors import (
    CheckoutTimeout,
    InvalidOption,
    NamesUnavailable,
    OwnerRequired,
    SourceError,
)
from namepool.fetcher import (
    ChunkArrived,
    ChunkFailed,
    ChunkFetcher,
    CloseSource,
    FetchChunk,
    close_source,
)
from namepool.names import DEFAULT_NAME, is_default_name, one_line, shown, validate_name
from namepool.options import PoolOptions, invalid
from namepool.owners import notify_gone, owner_id
from namepool.refill import Backoff, RefillPolicy
from namepool.sources.base import NameSource, check_source
from namepool.sources.offline import OfflineNames
from namepool.state import Chunk, Lease, PoolState, PoolStats, Speaking, Waiter, Withdrawal

if TYPE_CHECKING:
    from namepool.owners import OwnerLike

logger = logging.getLogger(__name__)


class _Expire(NamedTuple):
    ticket: int
    timeout: float


class _Overdue(NamedTuple):
    request: int


class _FetcherDied(NamedTuple):
    fetcher: pykka.ActorRef[Any]
    reason: str | None


class _Fetch:
    """A fetch under way. ``expected`` falls to 0 when its chunk is no longer wanted."""

    __slots__ = ("expected", "fetcher")

    def __init__(self, fetcher: ServiceRef[ChunkFetcher], expected: int) -> None:
        self.fetcher = fetcher
        self.expected = expected


class NamePool(ServiceActor):
    """Hands out names: unique while checked out, tied to their owners, given back for reuse.

    Start it with ``NamePool.start(**options)``, or embed ``NamePool.child_spec(**options)``.

    Args, all by keyword:
        source: where names come from; ``None``: offline names
        chunk_size: names asked for at a time (12)
        max_chunk_size: and at most, while waiters outnumber that (50)
        low_water_mark: fetch when fewer are available; ``None``: half a chunk; 0: when empty only
        max_fetches: fetches under way at once (1)
        fetch_timeout: seconds until a fetch is abandoned and its fetcher replaced (30)
        prefetch: fetch the first chunk at the start, before anybody asks (``False``)
        reclaim_after: seconds until a name comes home whose owners all ended without giving it
            back (300); ``None``: never
        state: a ``PoolState`` that outlives this incarnation

    No handler blocks: what must wait for the world is the fetcher's. On a caller's thread runs the
    bare transition of ``PoolState`` where nothing else is to be done (``_inline``); whoever waits,
    is served, warned or refused, and every fetch, is the business of the pool's own thread.
    """

    prompt = True

    def __init__(
        self, *, source: NameSource | None = None, state: PoolState | None = None, **options: Any
    ) -> None:
        super().__init__()
        checked = _checked(source, state, options)
        source = source if source is not None else OfflineNames()
        low = checked.low_water_mark
        self._source = source
        self._options = checked
        self._low = checked.chunk_size // 2 if low is None else low
        self._policy = RefillPolicy(
            checked.chunk_size, cast("int", checked.max_chunk_size), self._low, checked.max_fetches
        )
        self._state = state if state is not None else PoolState()
        self._outlived = state is not None
        self._backoff = Backoff()
        self._cause: BaseException | None = None
        self._fetches: dict[int, _Fetch] = {}
        self._idle: list[ServiceRef[ChunkFetcher]] = []
        self._requests = itertools.count(1)
        self._floor = (
            self._low
        )  # a caller's checkout goes by itself while more than so many are left
        if self._state.mail is None:
            self._state.mail = queue.SimpleQueue()
        self.actor_inbox.signal = self._state.mail
        self.actor_inbox.returned = self._state.outside
        self._actor_ref = NamePoolRef(self)
        self._handlers.update(self._table())
        self._inline.update(self._inline_table())
        self._inline_other = lambda _: LATER

    def _table(self) -> dict[type, Callable[[Any], Any]]:
        return {
            m.CheckoutName: self._checkout,
            m.CheckoutLease: self._checkout_lease,
            m.CheckinName: self._checkin_name,
            m.CheckinLease: self._checkin_lease,
            m.AssociateName: self._associate_name,
            m.BeginSpeaking: self._begin_speaking,
            m.EndSpeaking: self._end_speaking,
            m.DissociateName: self._dissociate_name,
            m.GetNameByOwner: self._get_name_by_owner,
            m.PoolStatsRequest: lambda _: self.pool_stats(),
            m.Reset: lambda _: self.reset(),
            ChunkArrived: self._chunk_arrived,
            ChunkFailed: self._chunk_failed,
            _Expire: self._expire,
            _Overdue: self._overdue,
            _FetcherDied: self._fetcher_died,
        }

    def _inline_table(self) -> dict[type, Callable[[Any], Any]]:
        return {
            m.CheckoutName: self._checkout_now,
            m.CheckoutLease: self._checkout_lease_now,
            m.CheckinName: self._checkin_now,
            m.CheckinLease: self._checkin_lease_now,
            m.AssociateName: self._associate_now,
            m.BeginSpeaking: self._begin_speaking_now,
            m.EndSpeaking: self._end_speaking_now,
            m.DissociateName: self._dissociate_now,
            m.GetNameByOwner: self._get_name_now,
        }

    # -- what Pykka and supervisors call ----------------------------------------------------

    @classmethod
    def start(cls, *args: Any, **options: Any) -> NamePoolRef:
        """Start a pool of its own; see the class for the options.

        Raises:
            InvalidOption: an unknown option, or one of the wrong type or range
        """
        started: list[Any] = []
        try:
            ref = cast("NamePoolRef", launch(cls, args, options, receipt=started))
            return ref  # noqa: RET504  it may be struck in between
        except BaseException:
            give_up(started)
            raise

    @classmethod
    def child_spec(
        cls,
        id: str = "namepool",  # noqa: A002  OTP's word for it
        *,
        source: NameSource | None = None,
        state: PoolState | None = None,
        **options: Any,
    ) -> ChildSpec:
        """Return how a supervisor starts this pool; its state survives restarts.

        Takes the options of ``start``, and ``restart``, ``shutdown`` and ``significant`` as
        ``ChildSpec`` does.

        Raises:
            InvalidOption: an unknown option, or one of the wrong type or range
            InvalidChildSpec: the same of what the spec takes
        """
        own = {"restart", "shutdown", "significant"}
        fields = {name: options.pop(name) for name in own & options.keys()}
        _checked(source, state, options)
        # One source and one state for all incarnations: no name comes twice, no lease is lost.
        state = options["state"] = state if state is not None else PoolState()
        options["source"] = source if source is not None else OfflineNames()
        abandon = partial(_abandon, state, options["source"])
        return ChildSpec(id=id, actor_class=cls, kwargs=options, on_abandon=abandon, **fields)

    def on_start(self) -> None:
        """Take over the state; those who waited for an earlier incarnation are served."""
        state = self._state
        state.recover()
        state.tally.starts += 1
        notify_gone(state)
        now = self.actor_inbox.clock()
        for waiter in state.waiters.values():
            if waiter.deadline is not None:
                left = max(waiter.deadline - now, 0.0)
                self.schedule(left, _Expire(waiter.ticket, left))
        self._settle()
        if state.waiters:
            self._refill()
        elif self._options.prefetch and not state.available:
            self._fetch(self._options.chunk_size)

    def on_stop(self) -> None:
        """Let go of the fetchers; answer who waits and close the source, unless others go on."""
        self._let_go(*self._idle)
        if not self._outlived:
            _abandon(self._state, self._source)

    def on_failure(self, *_: Any) -> None:
        """Let go of the fetchers; who waits is served by the next incarnation, if there is one."""
        self._let_go(*self._idle)
        if not self._outlived:
            _abandon(self._state, self._source)

    def _let_go(self, *fetchers: ServiceRef[ChunkFetcher]) -> None:
        busy = [fetch.fetcher for fetch in self._fetches.values()]
        for fetcher in dict.fromkeys([*fetchers, *busy]):
            fetcher.stop(block=False)

    # -- the operations, for proxies and messages -------------------------------------------

    def checkout_name(
        self, timeout: float | None = m.DEFAULT_TIMEOUT, *, owner: OwnerLike | None = None
    ) -> str:
        """See ``messages.CheckoutName``; runs in the pool, so the owner must be given."""
        return cast("str", self._checkout(m.CheckoutName(timeout, _require(owner))))

    def checkin_name(self, name: str | None, *, owner: OwnerLike | None = None) -> bool:
        """See ``messages.CheckinName``."""
        return self._checkin_name(m.CheckinName(name, _require(owner)))

    def associate_name(
        self, name: str | None, exclusive: bool = False, *, owner: OwnerLike | None = None
    ) -> str | None:
        """See ``messages.AssociateName``."""
        return self._associate_name(m.AssociateName(name, exclusive, _require(owner)))

    def dissociate_name(self, name: str | None = None, *, owner: OwnerLike | None = None) -> bool:
        """See ``messages.DissociateName``."""
        return self._dissociate_name(m.DissociateName(name, _require(owner)))

    def get_name_by_owner(self, owner: OwnerLike | None = None) -> str | None:
        """See ``messages.GetNameByOwner``."""
        return self._get_name_by_owner(m.GetNameByOwner(_require(owner)))

    def default_name(self) -> str:
        """Return the name of an agent that has none."""
        return DEFAULT_NAME

    def pool_stats(self) -> PoolStats:
        """Return the pool's counts at this moment."""
        state = self._state
        if state.outside:
            self._settle()
        tally = state.tally
        return PoolStats(
            available_count=len(state.available),
            checked_out_count=len(state.leases),
            all_used_count=state.known_count,
            chunk_size=self._options.chunk_size,
            waiting_count=len(state.waiters),
            fetching_count=len(self._fetches),
            fetch_count=tally.fetches,
            fetch_failure_count=tally.failures,
            invalid_count=tally.invalid,
            duplicate_count=tally.duplicates,
            reclaimed_count=tally.reclaimed,
            restart_count=max(tally.starts - 1, 0),
            last_error=tally.last_error,
            last_source=tally.last_source,
        )

    def reset(self) -> None:
        """Empty the pool; a chunk still on its way is dropped when it arrives."""
        self._state.reset()
        self._state.outside.clear()
        self._backoff = Backoff()
        for fetch in self._fetches.values():
            fetch.expected = 0
        self._fetches_changed()
        if self._state.waiters:
            self._refill()

    def on_receive(self, message: Any) -> None:
        """Warn of a message that a pool does not answer; on one line, whatever it is."""
        _warn("unexpected message: %s", shown(message))

    # -- requests on their callers' threads: one transition, or LATER -----------------------

    def _checkout_now(self, message: m.CheckoutName | m.CheckoutLease) -> Any:
        state = self._state
        if state.outside or len(state.available) <= self._floor:
            return LATER
        return state.checkout(message.owner, self)

    def _checkout_lease_now(self, message: m.CheckoutLease) -> Any:
        name = self._checkout_now(message)
        return name if name is LATER else self._state.lease_of(name)

    def _checkin_now(self, message: m.CheckinName) -> Any:
        state = self._state
        name = message.name
        if (
            state.outside
            or state.waiters
            or name.__class__ is not str
            or name not in state.leases
            or message.owner not in state.leases[name][1]
        ):
            return LATER
        return state.checkin(name)

    def _checkin_lease_now(self, message: m.CheckinLease) -> Any:
        state = self._state
        if state.outside or state.waiters or not state.is_current(message.lease):
            return LATER
        return state.checkin(message.lease.name)

    def _associate_now(self, message: m.AssociateName) -> Any:
        state = self._state
        if self._must_look_closer(message):
            return LATER
        return state.associate(
            message.owner, cast("str", message.name), exclusive=message.exclusive
        )

    def _begin_speaking_now(self, message: m.BeginSpeaking) -> Any:
        if self._must_look_closer(message):
            return LATER
        name, exclusive = cast("str", message.name), message.exclusive
        return self._state.begin_scope(message.owner, name, exclusive=exclusive, journal=self)

    def _must_look_closer(self, message: m.AssociateName) -> bool:
        """Tell whether it is more than one more speaker of a name that is checked out."""
        name = message.name
        plain = name.__class__ is str and message.exclusive.__class__ is bool
        return not plain or bool(self._state.outside) or name not in self._state.leases

    def _end_speaking_now(self, message: m.EndSpeaking) -> Any:
        return LATER if self._state.outside else self._state.end_scope(message.speaking)

    def _dissociate_now(self, message: m.DissociateName) -> Any:
        name = message.name
        if self._state.outside or not (name is None or name.__class__ is str):
            return LATER
        if name is not None and name not in self._state.leases:
            return LATER
        return self._state.dissociate(message.owner, name)

    def _get_name_now(self, message: m.GetNameByOwner) -> Any:
        return LATER if self._state.outside else self._state.speaking.get(message.owner)

    def on_torn(self) -> None:
        """Mend a transition that its caller did not end, and take back what it granted."""
        self._state.mend()
        self._settle()

    # -- requests on the pool's own thread --------------------------------------------------

    def _checkout(self, message: m.CheckoutName | m.CheckoutLease) -> str | Reply[Any]:
        state = self._state
        if state.outside:
            self._settle()
        name = state.checkout(message.owner, self)
        if name is None:
            return self._park(message)
        if len(state.available) < self._low:
            self._refill()
        return name

    def _checkout_lease(self, message: m.CheckoutLease) -> Lease | Reply[Any]:
        answer = self._checkout(message)
        return answer if isinstance(answer, Reply) else self._state.lease_of(answer)

    def _park(self, message: m.CheckoutName | m.CheckoutLease) -> Reply[Any]:
        """Let the caller wait; its reply is held weakly, so that a dropped one is noticed."""
        state = self._state
        timeout = message.timeout
        reply = self.deferred()
        reply.fail_timeouts_with(self._timeout_error)
        deadline = None if timeout is None else self.actor_inbox.clock() + timeout
        wants_lease = message.__class__ is m.CheckoutLease
        notice = reply.carry(None, self.actor_inbox.signal.put)
        ticket = state.park(message.owner, deadline, (notice, wants_lease))
        notice.grant = Withdrawal(ticket)
        if timeout is not None:
            self.schedule(timeout, _Expire(ticket, timeout))
        self._reclaim()
        self._refill()
        return reply

    def _checkin_name(self, message: m.CheckinName) -> bool:
        state = self._state
        name = message.name
        if name.__class__ is not str or name not in state.leases:
            name = self._checked_out(name)
            if name is None:
                return False
        speakers = state.leases[name][1]
        if message.owner not in speakers and speakers:
            _warn("%a, held by %a, was checked in by %a", name, [*speakers], message.owner)
        state.checkin(name)
        if state.waiters:
            self._serve()
        return True

    def _checked_out(self, name: object) -> str | None:
        """Return the name that is checked out and reads like ``name``, or ``None``."""
        if name is None:
            return None
        known = self._state.canonical(validate_name(name))
        if known in self._state.leases:
            return known
        if not is_default_name(known):
            _warn("check-in of a name that is not checked out: %a", known)
        return None

    def _checkin_lease(self, message: m.CheckinLease) -> bool:
        if not self._state.is_current(message.lease):
            return False
        self._state.checkin(message.lease.name)
        self._serve()
        return True

    def _associate_name(self, message: m.AssociateName) -> str | None:
        name = _spoken(message)
        if name is None:
            return None
        return self._state.associate(message.owner, name, exclusive=message.exclusive)

    def _begin_speaking(self, message: m.BeginSpeaking) -> Speaking | None:
        name = _spoken(message)
        if name is None:
            return None
        owner = message.owner
        exclusive = message.exclusive
        return self._state.begin_scope(owner, name, exclusive=exclusive, journal=self)

    def _end_speaking(self, message: m.EndSpeaking) -> None:
        self._state.end_scope(message.speaking)

    def _dissociate_name(self, message: m.DissociateName) -> bool:
        name = None if message.name is None else validate_name(message.name)
        return self._state.dissociate(message.owner, name)

    def _get_name_by_owner(self, message: m.GetNameByOwner) -> str | None:
        if self._state.outside:
            self._settle()
        return self._state.speaking.get(message.owner)

    # -- waiters ----------------------------------------------------------------------------

    def _serve(self) -> None:
        """Pair those who wait with names, first come first served."""
        state = self._state
        while state.waiters and state.available:
            waiter = state.withdraw(next(iter(state.waiters)))
            reply = _reply_of(waiter)
            if waiter is None or reply is None:
                continue  # nobody will read it: the name stays
            if waiter.deadline is not None and self.actor_inbox.clock() >= waiter.deadline:
                _fail(waiter, self._timeout_error(0.0))
                continue
            name = state.grant(waiter, self.actor_inbox.clock())
            reply.carry(state.leases[name], self.actor_inbox.signal.put)
            if not reply.set_quietly(state.lease_of(name) if waiter.reply[1] else name):
                # The grant crossed the withdrawal on the way; then the name comes home.
                state.checkin(name)

    def _expire(self, message: _Expire) -> None:
        waiter = self._state.withdraw(message.ticket)
        if waiter is not None:
            _fail(waiter, self._timeout_error(message.timeout))

    def _timeout_error(self, timeout: float) -> CheckoutTimeout:
        """Say what a caller that timed out must know; any thread, so these are glances only."""
        state = self._state
        error = CheckoutTimeout(
            f"no name within {timeout:g} s ({len(state.leases)} checked out, "
            f"{len(state.waiters)} waiting, {len(self._fetches)} fetches under way, "
            f"last error: {state.tally.last_error})"
        )
        error.__cause__ = self._cause
        return error

    def _fail_waiters(self, cause: BaseException | None) -> None:
        pause = max(self._backoff.until - self.actor_inbox.clock(), 0.0)
        text = f"the source gave no name: {one_line(cause)}; next try in {pause:.1f} s"
        for waiter in self._state.take_waiters():
            error = NamesUnavailable(text)
            error.__cause__ = cause
            _fail(waiter, error)

    # -- what happened outside --------------------------------------------------------------

    def on_returned(self) -> None:
        """Take in what came home: granted and never read, or not waited for any more."""
        self._settle()

    def _settle(self) -> None:
        self._state.settle(self.actor_inbox.clock())
        self._serve()

    def _reclaim(self) -> None:
        after = self._options.reclaim_after
        if after is None:
            return
        reclaimed = self._state.reclaim(self.actor_inbox.clock() - after)
        for name in reclaimed:
            _warn("%a came home: its owners ended without giving it back", name)
        if reclaimed:
            self._serve()

    # -- refill -----------------------------------------------------------------------------

    def _refill(self) -> None:
        """Begin the fetches that are due."""
        state = self._state
        while True:
            count = self._policy.plan(
                len(state.available), len(state.waiters), len(self._fetches), self._expected()
            )
            if not count:
                return
            if not self._backoff.allows(self.actor_inbox.clock()):
                if not self._fetches:
                    self._fail_waiters(self._cause)
                return
            self._fetch(count)

    def _expected(self) -> int:
        return sum(fetch.expected for fetch in self._fetches.values())

    def _fetches_changed(self) -> None:
        self._floor = self._policy.floor(len(self._fetches), self._expected())

    def _fetch(self, count: int) -> None:
        self._reclaim()
        fetcher = self._idle.pop() if self._idle else self._start_fetcher()
        request = next(self._requests)
        self._fetches[request] = _Fetch(fetcher, count)
        self._fetches_changed()
        self._state.tally.fetches += 1
        self.schedule(self._options.fetch_timeout, _Overdue(request))
        seconds = self._options.fetch_timeout
        fetcher.post(FetchChunk(request, count, self._state.used(), self._state.epoch, seconds))

    def _start_fetcher(self) -> ServiceRef[ChunkFetcher]:
        ref = self._actor_ref
        deliver = partial(_deliver, cast("NamePoolRef", ref), self._state)
        fetcher = cast("ServiceRef[ChunkFetcher]", ChunkFetcher.start(self._source, deliver))
        fetcher.watch(lambda reason: ref.post(_FetcherDied(fetcher, reason)))
        return fetcher

    def _chunk_arrived(self, message: ChunkArrived) -> None:
        fetch = self._end_fetch(message.request)
        if fetch is None:
            return
        admission = self._state.admit(message.names)
        if not admission.accepted:
            self._fetch_failed(
                SourceError(
                    f"{message.source} gave no new name: {admission.invalid} invalid, "
                    f"{admission.duplicate} known already"
                )
            )
            return
        self._backoff.succeeded()
        self._cause = None
        self._state.tally.last_error = None
        self._state.tally.last_source = message.source
        self._serve()
        self._refill()

    def _chunk_failed(self, message: ChunkFailed) -> None:
        if self._end_fetch(message.request) is not None:
            self._fetch_failed(message.error)

    def _end_fetch(self, request: int) -> _Fetch | None:
        """Return the fetch if its answer is still wanted; its fetcher is idle again."""
        fetch = self._fetches.pop(request, None)
        if fetch is None:
            return None  # abandoned as overdue
        self._fetches_changed()
        self._idle.append(fetch.fetcher)
        if not fetch.expected:  # reset since
            self._refill()
            return None
        return fetch

    def _overdue(self, message: _Overdue) -> None:
        fetch = self._fetches.pop(message.request, None)
        if fetch is None:
            return
        self._fetches_changed()
        fetch.fetcher.stop(block=False)  # abandoned: it ends when its source lets go of it
        if not fetch.expected:  # reset since: nobody waits for this one
            self._refill()
            return
        seconds = self._options.fetch_timeout
        self._fetch_failed(SourceError(f"{type(self._source).__name__} took over {seconds:g} s"))

    def _fetcher_died(self, message: _FetcherDied) -> None:
        fetcher = message.fetcher
        self._idle = [idle for idle in self._idle if idle is not fetcher]
        for request, fetch in list(self._fetches.items()):
            if fetch.fetcher is fetcher:
                del self._fetches[request]
                self._fetches_changed()
                self._fetch_failed(SourceError(f"the fetcher died: {one_line(message.reason)}"))

    def _fetch_failed(self, cause: BaseException) -> None:
        self._cause = cause
        tally = self._state.tally
        tally.failures += 1
        tally.last_error = one_line(f"{type(cause).__name__}: {one_line(cause)}")
        pause = self._backoff.failed(self.actor_inbox.clock(), cause)
        if not self._fetches:
            self._fail_waiters(cause)
        _warn("no names fetched, next try in %.1f s: %s", pause, tally.last_error)


class NamePoolRef(ServiceRef[NamePool]):
    """A pool's ref: as any ``pykka.ActorRef``, with a view of who speaks under which name."""

    def __init__(self, actor: NamePool) -> None:
        super().__init__(actor)
        self.speaking: Mapping[str, str] = actor._state.speaking  # noqa: SLF001
        """Owner → name; read-only and always current: a dict read, no message, no lock."""

    def _prepare(self, message: Any, reply: Reply[Any]) -> None:
        actor = self._actor
        if actor is not None and isinstance(message, m.CheckoutName | m.CheckoutLease):
            reply.fail_timeouts_with(actor._timeout_error)  # noqa: SLF001  one module

    def proxy(self) -> NamePoolProxy:
        """Return a proxy whose calls name their caller.

        Raises:
            pykka.ActorDeadError: the pool is dead
        """
        return NamePoolProxy(actor_ref=self)


class NamePoolProxy(pykka.ActorProxy[NamePool]):
    """A pool's typed proxy: each call finds its owner on this thread and returns a future."""

    actor_ref: NamePoolRef

    def checkout_name(
        self, timeout: float | None = m.DEFAULT_TIMEOUT, *, owner: OwnerLike | None = None
    ) -> pykka.Future[str]:
        """See ``messages.CheckoutName``. A future that is dropped unread costs no name."""
        return self.actor_ref.ask(m.CheckoutName(timeout, owner), block=False)

    def checkin_name(
        self, name: str | None, *, owner: OwnerLike | None = None
    ) -> pykka.Future[bool]:
        """See ``messages.CheckinName``."""
        return self.actor_ref.ask(m.CheckinName(name, owner), block=False)

    def associate_name(
        self, name: str | None, exclusive: bool = False, *, owner: OwnerLike | None = None
    ) -> pykka.Future[str | None]:
        """See ``messages.AssociateName``."""
        return self.actor_ref.ask(m.AssociateName(name, exclusive, owner), block=False)

    def dissociate_name(
        self, name: str | None = None, *, owner: OwnerLike | None = None
    ) -> pykka.Future[bool]:
        """See ``messages.DissociateName``."""
        return self.actor_ref.ask(m.DissociateName(name, owner), block=False)

    def get_name_by_owner(self, owner: OwnerLike | None = None) -> pykka.Future[str | None]:
        """See ``messages.GetNameByOwner``; without an argument, the caller's name."""
        return self.actor_ref.ask(m.GetNameByOwner(owner), block=False)

    def pool_stats(self) -> pykka.Future[PoolStats]:
        """See ``messages.PoolStatsRequest``."""
        return self.actor_ref.ask(m.PoolStatsRequest(), block=False)

    def reset(self) -> pykka.Future[None]:
        """See ``messages.Reset``."""
        return self.actor_ref.ask(m.Reset(), block=False)


def _warn(text: str, *args: object) -> None:
    """Log a warning; a filter or handler that raises must not cost a pool."""
    try:
        logger.warning(text, *args)
    except Exception:
        return


def _deliver(ref: NamePoolRef, state: PoolState, answer: ChunkArrived | ChunkFailed) -> None:
    """Tell the pool what was fetched; what comes for a dead one waits for its successor."""
    if not ref.post(answer) and isinstance(answer, ChunkArrived):
        state.outside.append(Chunk(answer.names, answer.epoch))


def _checked(source: object, state: object, options: dict[str, Any]) -> PoolOptions:
    if source is not None:
        check_source(source)
    if state is not None and not isinstance(state, PoolState):
        raise invalid("state", state, "a PoolState")
    known = PoolOptions.__dataclass_fields__
    for option in options:
        if option not in known:
            # Not its value: it may be a key that was meant for a source.
            raise InvalidOption(
                f"{one_line(option)} is not an option: there are source, {', '.join(known)}"
            )
    return PoolOptions(**options)


def _spoken(message: m.AssociateName) -> str | None:
    """Return the name to speak under; ``None`` if there is nothing to do."""
    if not isinstance(message.exclusive, bool):
        raise invalid("exclusive", message.exclusive, "True or False")
    name = None if message.name is None else validate_name(message.name)
    return None if name is None or is_default_name(name) else name


def _require(owner: OwnerLike | None) -> str:
    if owner is None:
        raise OwnerRequired(
            "this call does not say who makes it: use NamePoolRef.proxy(), a message such as "
            "CheckoutName(), or pass owner=... (a plain pykka.ActorProxy runs in the pool's thread)"
        )
    return owner_id(owner)


def _reply_of(waiter: Waiter | None) -> Reply[Any] | None:
    return None if waiter is None else waiter.reply[0]()


def _abandon(state: PoolState, source: NameSource) -> None:
    """No pool of this state will be started again: answer who waits, have the source closed."""
    for waiter in state.take_waiters():
        _fail(waiter, pykka.ActorDeadError("the pool ended before a name came"))
    if not hasattr(source, "close"):
        return
    if is_exiting():
        close_source(source)  # here, because from CPython 3.12 on no thread starts at the exit
    else:
        closer = ChunkFetcher.start(source, lambda _: None)
        closer.tell(CloseSource())
        closer.stop(block=False)


def _fail(waiter: Waiter, error: BaseException) -> None:
    reply = _reply_of(waiter)
    if reply is not None:
        reply.fail_quietly(error)
