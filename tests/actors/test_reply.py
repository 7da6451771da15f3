"""Replies derived from others, and replies that follow others."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pykka
import pytest

from namepool.actors import Reply
from tests.actors.test_reply_waiting import watch
from tests.support import PATIENCE


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


def test_dropping_what_was_derived_drops_the_source() -> None:
    source = Reply[int]()
    given_up = watch(source)
    derived = source.map(str)
    source.set(1)
    del source
    assert given_up == []

    del derived
    gc.collect()

    assert [dropped.was_read() for dropped in given_up] == [False]


def test_reading_what_was_derived_reads_the_source() -> None:
    source = Reply[int]()
    given_up = watch(source)
    derived = source.map(str)
    source.set(1)
    assert derived.get() == "1"

    del derived, source
    gc.collect()

    assert [dropped.was_read() for dropped in given_up] == [True]


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


def test_giving_up_a_forwarding_reply_gives_up_its_source() -> None:
    source, reply = Reply[str](), Reply[str]()
    given_up = watch(source)
    reply.resolved_by(source)

    reply.give_up()

    assert [dropped.was_read() for dropped in given_up] == [False]
