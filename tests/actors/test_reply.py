"""``Reply``: a whole ``pykka.Future``, awaitable, that knows when nobody will read it."""

from __future__ import annotations

import asyncio
import gc
import queue
import threading
import traceback
from functools import partial
from typing import Any

import pykka
import pytest

from namepool.actors import Reply
from tests.support import PATIENCE, on_thread, run_together, switching_often


def started(function: Any) -> tuple[threading.Thread, list[Any]]:
    """Run ``function`` on a thread; return the thread and the list that its result will be in."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(function())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


def test_a_value_may_be_read_repeatedly_and_from_several_threads() -> None:
    reply = Reply[int]()
    waiting = [started(lambda: reply.get(timeout=PATIENCE)) for _ in range(8)]

    reply.set(7)

    for thread, results in waiting:
        thread.join(PATIENCE)
        assert results == [7]
    assert (reply.get(), reply.get(timeout=0)) == (7, 7)


def test_setting_twice_is_refused() -> None:
    reply = Reply[int]()
    reply.set(1)

    with pytest.raises(queue.Full):
        reply.set(2)
    with pytest.raises(queue.Full):
        reply.set_exception((ValueError, ValueError(), None))
    with pytest.raises(queue.Full):
        reply.set_get_hook(lambda _: 3)
    assert reply.get() == 1


def test_of_many_who_set_exactly_one_wins() -> None:
    for _ in range(200):
        reply = Reply[int]()
        won: list[int] = []

        def setter(n: int, reply: Reply[int] = reply, won: list[int] = won) -> None:
            try:
                reply.set(n)
                won.append(n)
            except queue.Full:
                pass

        with switching_often():
            run_together([partial(setter, n) for n in range(4)])
        assert won == [reply.get()]


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


def test_an_exception_keeps_its_traceback() -> None:
    reply = Reply[int]()

    def fails_here() -> None:
        raise LookupError("lost")

    try:
        fails_here()
    except LookupError:
        reply.set_exception()

    with pytest.raises(LookupError) as caught:
        reply.get()
    assert "fails_here" in "".join(traceback.format_tb(caught.value.__traceback__))


def test_an_exception_may_be_given_by_its_type_alone() -> None:
    reply = Reply[int]()
    reply.set_exception((KeyError, None, None))

    with pytest.raises(KeyError):
        reply.get()


def test_a_hook_set_while_somebody_waits_wakes_that_one() -> None:
    reply = Reply[int]()
    thread, results = started(lambda: reply.get(timeout=PATIENCE))

    reply.set_get_hook(lambda timeout: 5)

    thread.join(PATIENCE)
    assert results == [5]


def test_a_hook_is_called_once_and_its_value_kept() -> None:
    reply = Reply[object]()
    calls: list[float | None] = []

    def hook(timeout: float | None) -> object:
        calls.append(timeout)
        return None

    reply.set_get_hook(hook)

    assert [reply.get(), reply.get(timeout=3)] == [None, None]
    assert calls == [None]


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


def test_derived_futures_work_as_pykkas_do() -> None:
    reply = Reply[Any]()
    other = Reply[Any]()
    derived: list[pykka.Future[Any]] = [
        reply.map(sum),
        reply.filter(lambda x: x > 1),
        reply.reduce(lambda x, y: x * y),
        reply.join(other),
    ]
    reply.set([1, 2, 3])
    other.set("x")

    assert pykka.get_all(derived) == [6, [2, 3], 6, [[1, 2, 3], "x"]]


# -- await ----------------------------------------------------------------------------------


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


@pytest.mark.parametrize("derive", ["map", "filter", "reduce", "join"])
def test_derived_futures_can_be_awaited_without_blocking_the_loop(derive: str) -> None:
    async def main() -> Any:
        reply = Reply[Any]()
        arguments: dict[str, Any] = {
            "map": sum,
            "filter": lambda x: x > 2,
            "reduce": lambda x, y: x + y,
            "join": reply,
        }
        derived = getattr(reply, derive)(arguments[derive])

        async def reader() -> Any:
            return await derived

        task = asyncio.create_task(reader())
        await asyncio.sleep(0)
        reply.set([1, 2, 3])  # on the loop's own thread: it must not be blocked by the await
        return await task

    expected = {"map": 6, "filter": [3], "reduce": 6, "join": [[1, 2, 3], [1, 2, 3]]}
    assert asyncio.run(main()) == expected[derive]


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


def test_cancelling_the_awaiting_task_withdraws_the_request() -> None:
    dropped: list[bool] = []

    async def main() -> None:
        reply = Reply[int]()
        reply.on_drop(lambda: dropped.append(True))

        async def reader() -> int:
            return await reply

        task = asyncio.create_task(reader())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert dropped == [True]
        with pytest.raises(queue.Full):
            reply.set(1)

    asyncio.run(main())


def test_cancelling_one_reader_of_two_derived_replies_leaves_the_other_its_answer() -> None:
    async def main() -> int:
        reply = Reply[int]()
        first, second = reply.map(lambda x: x + 1), reply.map(lambda x: x + 2)

        async def read(future: Any) -> int:
            return await future  # type: ignore[no-any-return]

        tasks = [asyncio.create_task(read(future)) for future in (first, second)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
        reply.set(40)
        return await tasks[1]

    assert asyncio.run(main()) == 42


def test_a_withdrawn_reply_tells_its_other_readers() -> None:
    reply = Reply[int]()
    thread, results = started(lambda: reply.get(timeout=PATIENCE))

    reply.withdraw()

    thread.join(PATIENCE)
    assert "withdrawn" in str(results[0])


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


# -- nobody reads it ------------------------------------------------------------------------


def test_a_reply_dropped_unread_says_so_once() -> None:
    calls: list[str] = []
    reply = Reply[int]()
    reply.on_drop(lambda: calls.append("dropped"))
    reply.set(1)

    del reply
    gc.collect()

    assert calls == ["dropped"]


def test_a_reply_that_was_read_is_not_dropped() -> None:
    calls: list[str] = []
    reply = Reply[int]()
    reply.on_drop(lambda: calls.append("dropped"))
    reply.set(1)
    reply.get()

    del reply
    gc.collect()

    assert calls == []


def test_a_withdrawn_reply_can_no_longer_be_resolved() -> None:
    calls: list[str] = []
    reply = Reply[int]()
    reply.on_drop(lambda: calls.append("dropped"))

    assert reply.withdraw() is True

    with pytest.raises(queue.Full):
        reply.set(1)
    assert reply.withdraw() is False
    assert calls == ["dropped"]


def test_withdrawing_a_resolved_reply_gives_back_what_it_brought() -> None:
    calls: list[str] = []
    reply = Reply[int]()
    reply.on_drop(lambda: calls.append("dropped"))
    reply.set(1)

    assert reply.withdraw() is False
    assert calls == ["dropped"]


def test_dropping_what_was_derived_drops_the_source() -> None:
    calls: list[str] = []
    source = Reply[int]()
    source.on_drop(lambda: calls.append("dropped"))
    derived = source.map(str)
    source.set(1)
    del source
    assert calls == []

    del derived
    gc.collect()

    assert calls == ["dropped"]


@pytest.mark.parametrize("hooked", [False, True])
def test_a_forwarding_reply_is_resolved_as_its_source_is(hooked: bool) -> None:
    source, reply = Reply[str](), Reply[str]()
    reply.resolved_by(source)

    if hooked:
        source.set_get_hook(lambda _: "value")
    else:
        source.set("value")

    assert reply.get(timeout=PATIENCE) == "value"


def test_a_forwarding_reply_fails_as_its_source_does() -> None:
    source, reply = Reply[str](), Reply[str]()
    reply.resolved_by(source)

    source.set_exception((KeyError, KeyError("lost"), None))

    with pytest.raises(KeyError, match="lost"):
        reply.get(timeout=PATIENCE)


def test_withdrawing_a_forwarding_reply_withdraws_its_source() -> None:
    source, reply = Reply[str](), Reply[str]()
    reply.resolved_by(source)

    reply.withdraw()

    with pytest.raises(queue.Full):
        source.set("late")


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


def test_repr_tells_the_state() -> None:
    reply = Reply[int]()
    assert repr(reply) == "<Reply pending>"
    reply.set(1)
    assert repr(reply) == "<Reply resolved>"


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
