"""Being waited for: by threads, and by tasks that suspend instead of blocking their loop."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator
from typing import Any, Final, TypeAlias, TypeVar

import pykka

from namepool.actors.latch import LONGEST_WAIT, passed_on
from namepool.actors.replies.giving_up import GivingUp
from namepool.actors.replies.resolving import HOOKED
from namepool.actors.replies.suspending import called_back, next_turn

T = TypeVar("T")

Wait: TypeAlias = float | None
"""Seconds to wait at most; ``None``: for ever."""

EVERY: Final = 64
"""Every so many awaits of an answer that is ready, the event loop goes on: else a task that asks
and asks would never let others run, nor be cancelled, nor hear of a Ctrl-C, which cancels it."""
_awaits = itertools.count(1)


class _OthersTurn:
    """Await it where nothing need be waited for: every so many times, others run."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        if not next(_awaits) % EVERY:
            yield from next_turn()


others_turn: Final = _OthersTurn()


class WouldDeadlock(RuntimeError):
    """An actor, or a finaliser that ran inside it, waits for that same actor.

    The request itself is queued and will be handled; only the wait is refused.
    """


class Waiting(GivingUp[T]):
    """What those who asked see of a reply."""

    _timeout_error: Callable[[float], BaseException] | None = None
    _inbox: Any = None
    """Where its request went, if it is known."""

    def fail_timeouts_with(self, make: Callable[[float], BaseException]) -> None:
        """Raise ``make(timeout)`` instead of a bare ``pykka.Timeout`` when a ``get`` times out."""
        self._timeout_error = make

    def get(self, *, timeout: float | None = None) -> Any:
        """Return the value, or raise the exception; wait for it up to ``timeout`` seconds.

        Raises:
            pykka.Timeout: not resolved in time (a checkout raises its subclass CheckoutTimeout)
            WouldDeadlock: called from inside the actor that is to answer
        """
        outcomes = self._outcomes
        if not outcomes or outcomes[0][0] is HOOKED:
            self.wait(timeout)
        return self._answer

    def wait(self, timeout: float | None = None) -> None:
        """Wait for an outcome, and for the value behind a hook; ``get`` returns at once then."""
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._outcomes:
            self._refuse_vain_wait()
            if not self._latch.wait(timeout):
                assert timeout is not None  # noqa: S101  without one it waits for ever
                raise self._timed_out(timeout)
        if self._outcomes[0][0] is HOOKED:
            self._run_hook(timeout, deadline)

    def _refuse_vain_wait(self) -> None:
        """Raise if waiting can never succeed."""
        inbox = self._inbox
        if inbox is not None and inbox.is_mine():
            raise WouldDeadlock(
                "an actor cannot wait for its own answer: the request is queued behind the "
                "message that this thread is handling now; tell it, or read the future later"
            )
        if inbox is not None and inbox.is_elsewhere:
            raise pykka.ActorDeadError(
                "the request went to an actor that this forked child lacks: start one here"
            )
        for source in self._upstream:
            if isinstance(source, Waiting) and not source._outcomes:
                source._refuse_vain_wait()

    def _run_hook(self, timeout: float | None, deadline: float | None) -> None:
        if self._hooked is not None:
            return
        wait = -1.0 if deadline is None else min(_left(deadline), LONGEST_WAIT)
        try:
            if not self._hook_turn.acquire(timeout=wait):
                raise pykka.Timeout(f"{timeout} seconds")
            if self._hooked is None:
                hook = self._outcomes[0][1]
                self._hooked = (hook(timeout if deadline is None else _left(deadline)),)
        finally:
            try:
                self._hook_turn.release()
            except RuntimeError as error:
                passed_on(error)  # else it was not ours

    # -- await ------------------------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, T]:
        outcomes = self._outcomes
        if not outcomes or outcomes[0][0] is HOOKED or not next(_awaits) % EVERY:
            is_there = False
            try:
                yield from self._await()
                is_there = True
            finally:
                if not is_there:
                    self.give_up()
        answer: T = self._answer  # no call here: it has been delivered by now
        return answer

    __iter__ = __await__

    async def within(self, timeout: float | None) -> T:
        """Like ``await``, for up to ``timeout`` seconds.

        Raises:
            pykka.Timeout: not resolved in time (a checkout raises its subclass CheckoutTimeout)
        """
        if timeout is not None and not self._outcomes:
            self._refuse_vain_wait()
            is_over = False
            try:
                await called_back(self._when_open, timeout)
                is_over = bool(self._outcomes)
            finally:
                if not is_over:
                    self.give_up()
            if not is_over:
                raise self._timed_out(timeout)
        return await self

    def _timed_out(self, timeout: float) -> BaseException:
        make = self._timeout_error
        return make(timeout) if make else pykka.Timeout(f"{timeout} seconds")

    def _await(self) -> Generator[Any, None, None]:
        if not self._outcomes:
            self._refuse_vain_wait()
            yield from called_back(self._when_open).__await__()
        elif self._outcomes[0][0] is not HOOKED:
            yield from next_turn()
        if self._outcomes[0][0] is HOOKED:
            yield from self._await_hook()

    def _await_hook(self) -> Generator[Any, None, None]:
        if not self._upstream or not all(isinstance(f, Waiting) for f in self._upstream):
            from asyncio import get_running_loop

            # A hook of unknown make may block: on another thread, then.
            yield from get_running_loop().run_in_executor(None, self.wait, None)
            return
        for source in self._upstream:  # without withdrawing it: others may read it too
            assert isinstance(source, Waiting)  # noqa: S101  checked above
            yield from source._await()
        self.wait(None)


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)
