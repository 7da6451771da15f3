"""How a reply is resolved: once, with a value, an exception or a hook."""

from __future__ import annotations

import queue
import traceback
from functools import partial

import pytest

from namepool.actors import Reply
from tests.support import run_together, switching_often


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


def test_a_hook_is_called_once_and_its_value_kept() -> None:
    reply = Reply[object]()
    calls: list[float | None] = []

    def hook(timeout: float | None) -> object:
        calls.append(timeout)
        return None

    reply.set_get_hook(hook)

    assert [reply.get(), reply.get(timeout=3)] == [None, None]
    assert calls == [None]


def test_repr_tells_the_state() -> None:
    reply = Reply[int]()
    assert repr(reply) == "<Reply pending>"
    reply.set(1)
    assert repr(reply) == "<Reply resolved>"
