"""What becomes of a reply that nobody reads."""

from __future__ import annotations

import gc
import queue

import pytest

from namepool.actors import Reply
from tests.support import PATIENCE, started


def test_a_withdrawn_reply_tells_its_other_readers() -> None:
    reply = Reply[int]()
    thread, results = started(lambda: reply.get(timeout=PATIENCE))

    reply.withdraw()

    thread.join(PATIENCE)
    assert "withdrawn" in str(results[0])


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
