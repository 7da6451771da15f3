"""How threads and tasks wait for a reply."""

from __future__ import annotations

import asyncio
import sys
import threading
from types import FrameType
from typing import Any

import pykka
import pytest

from namepool.actors.reply import Dropped, Reply
from tests.support import PATIENCE, on_thread, run_together, started, switching_often


class Grant:
    """Stands in for a lease that an answer brings."""

    watch: Any


def watch(reply: Reply[Any]) -> list[Dropped]:
    """Have ``reply`` bring something; return the list to which it goes when it is given up."""
    given_up: list[Dropped] = []
    reply.watched(Grant(), given_up.append, lambda _: None)
    return given_up


def test_a_value_may_be_read_repeatedly_and_from_several_threads() -> None:
    reply = Reply[int]()
    waiting = [started(lambda: reply.get(timeout=PATIENCE)) for _ in range(8)]

    reply.set(7)

    for thread, results in waiting:
        thread.join(PATIENCE)
        assert results == [7]
    assert (reply.get(), reply.get(timeout=0)) == (7, 7)


def test_a_timeout_is_pykkas_and_the_reply_may_still_come() -> None:
    reply = Reply[int]()
    with pytest.raises(pykka.Timeout, match=r"0\.01 seconds"):
        reply.get(timeout=0.01)

    reply.set(1)

    assert reply.get() == 1


def test_a_timeout_may_have_an_error_of_its_own() -> None:
    reply = Reply[int]()
    reply.fail_timeouts_with(lambda timeout: KeyError(timeout))

    with pytest.raises(KeyError):
        reply.get(timeout=0)


def test_a_hook_set_while_somebody_waits_wakes_that_one() -> None:
    reply = Reply[int]()
    thread, results = started(lambda: reply.get(timeout=PATIENCE))

    reply.set_get_hook(lambda timeout: 5)

    thread.join(PATIENCE)
    assert results == [5]


def test_a_hook_that_times_out_may_be_asked_again() -> None:
    source = Reply[int]()
    reply = Reply[int]()
    reply.set_get_hook(lambda timeout: source.get(timeout=timeout))
    with pytest.raises(pykka.Timeout):
        reply.get(timeout=0)

    source.set(4)

    assert reply.get(timeout=0) == 4


def test_two_who_wait_for_a_hooked_reply_each_keep_their_own_timeout() -> None:
    source = Reply[int]()
    mapped = source.map(lambda x: x)
    holder, held = started(lambda: mapped.get(timeout=PATIENCE))

    # Whoever of the two is in the hook, this one gives up in time.
    with pytest.raises(pykka.Timeout):
        mapped.get(timeout=0.01)

    source.set(9)
    holder.join(PATIENCE)
    assert held == [9]


def test_await_suspends_and_the_loop_goes_on() -> None:
    async def main() -> list[str]:
        reply = Reply[str]()
        steps: list[str] = []

        async def reader() -> None:
            steps.append("waiting")
            steps.append(await reply)

        task = asyncio.create_task(reader())
        await asyncio.sleep(0)
        steps.append("the loop goes on")
        setter = threading.Thread(target=reply.set, args=("resolved",))
        setter.start()
        await task
        setter.join()
        return steps

    assert asyncio.run(main()) == ["waiting", "the loop goes on", "resolved"]


def test_an_exception_is_raised_where_it_is_awaited() -> None:
    async def main() -> None:
        reply = Reply[int]()
        asyncio.get_running_loop().call_soon(
            reply.set_exception, (LookupError, LookupError("lost"), None)
        )
        with pytest.raises(LookupError, match="lost"):
            await reply

    asyncio.run(main())


def test_a_hook_of_unknown_make_is_awaited_off_the_loop() -> None:
    async def main() -> tuple[int, bool]:
        gate = threading.Event()
        reply = Reply[int]()
        reply.set_get_hook(lambda _: 1 if gate.wait(PATIENCE) else 0)

        async def reader() -> int:
            return await reply

        task = asyncio.create_task(reader())
        await asyncio.sleep(0)
        blocked = gate.is_set()
        gate.set()
        return await task, blocked

    assert asyncio.run(main()) == (1, False)


def test_cancelling_the_awaiting_task_gives_the_answer_up() -> None:
    reply = Reply[int]()
    given_up = watch(reply)

    async def main() -> None:
        async def reader() -> int:
            return await reply

        task = asyncio.create_task(reader())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert [dropped.was_read() for dropped in given_up] == [False]


def test_a_reply_that_is_resolved_after_the_loop_closed_does_no_harm() -> None:
    reply = Reply[int]()

    async def main() -> None:
        async def reader() -> int:
            return await reply

        pending = asyncio.create_task(reader())
        await asyncio.sleep(0)
        assert not pending.done()
        callbacks.extend(callback for callback, _ in reply._callbacks)
        assert callbacks
        pending.cancel()

    callbacks: list[Any] = []
    asyncio.run(main())

    for callback in callbacks:
        callback()


def test_a_signal_that_cancels_the_task_while_the_loop_wakes_it_is_not_logged() -> None:
    logged: list[dict[str, Any]] = []

    async def cancelled_at(place: int) -> bool:
        """Cancel a task at that line of the callback that wakes it; return whether it came."""
        asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
        places_left = place

        def trace(frame: FrameType, event: str, _: object) -> Any:
            nonlocal places_left
            if frame.f_code.co_name != "_finish":
                return None
            if event == "line":
                if not places_left:
                    waiting.cancel()
                places_left -= 1
            return trace

        reply = Reply[int]()
        waiting = asyncio.ensure_future(reply.within(PATIENCE))
        await asyncio.sleep(0)
        reply.set(1)
        traced_before = sys.gettrace()
        sys.settrace(trace)
        try:
            await asyncio.wait([waiting])
        finally:
            sys.settrace(traced_before)
        return places_left < 0

    places = 0
    while asyncio.run(cancelled_at(places)):
        places += 1

    assert places > 1
    assert logged == []


def test_a_reply_read_from_a_thread_while_it_is_set_is_never_half_there() -> None:
    for _ in range(500):
        reply = Reply[tuple[int, int]]()
        seen: list[tuple[int, int]] = []
        with switching_often():
            run_together(
                [
                    lambda r=reply: r.set((1, 2)),  # type: ignore[misc]
                    lambda r=reply, s=seen: s.append(r.get(timeout=PATIENCE)),  # type: ignore[misc]
                ]
            )
        assert seen == [(1, 2)]


def test_a_get_on_another_thread_is_released_when_the_reply_fails() -> None:
    reply = Reply[int]()
    thread, results = started(lambda: reply.get(timeout=PATIENCE))

    on_thread(lambda: reply.set_exception((LookupError, LookupError("lost"), None)))

    thread.join(PATIENCE)
    assert isinstance(results[0], LookupError)


def test_a_task_that_awaits_only_what_is_there_lets_others_run_and_can_be_cancelled() -> None:
    async def busy() -> None:
        while True:
            await Reply.resolved("there")

    async def main() -> None:
        task = asyncio.ensure_future(busy())
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


# -- await, within a time -------------------------------------------------------------------


def test_an_answer_within_its_time_is_the_value() -> None:
    there, later = Reply[int](), Reply[int]()
    there.set(1)

    async def main() -> list[int]:
        asyncio.get_running_loop().call_soon(later.set, 2)
        return [await there.within(0), await later.within(PATIENCE), await later.within(None)]

    assert asyncio.run(main()) == [1, 2, 2]


@pytest.mark.parametrize("end", ["timeout", "cancel"])
def test_who_awaits_no_longer_than_its_time_gives_the_answer_up(end: str) -> None:
    reply = Reply[int]()
    given_up = watch(reply)

    async def main() -> None:
        task = asyncio.create_task(reply.within(0.01 if end == "timeout" else PATIENCE))
        await asyncio.sleep(0)
        if end == "cancel":
            task.cancel()
        with pytest.raises((pykka.Timeout, asyncio.CancelledError)):
            await task

    asyncio.run(main())
    assert [dropped.was_read() for dropped in given_up] == [False]


def test_an_answer_that_crosses_the_end_of_its_time_counts() -> None:
    reply = Reply[int]()

    async def main() -> int:
        waiting = asyncio.create_task(reply.within(0.0))
        await asyncio.sleep(0)
        reply.set(1)  # the alarm is due, and its task has not run yet
        return await waiting

    assert asyncio.run(main()) == 1
