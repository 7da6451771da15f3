"""A reply: set, get, time out, withdraw, drop, hook, derive, several readers."""

from __future__ import annotations

from typing import Any

import pykka
import pytest

from namepool.actors import Reply
from namepool.actors import reply as replies
from tests.interleavings.support import holds, is_found, under_the_explorer

pytestmark = under_the_explorer


class Answer:
    """A reply that brings a grant, and what became of it."""

    def __init__(self) -> None:
        self.reply: Reply[str] | None = Reply()
        self.came_home: list[Any] = []
        self.refused = False
        self.read: list[str] = []
        self.failed: list[str] = []
        self.reply.carry("the name", self.came_home.append)

    def answer(self) -> None:
        reply = self.reply
        if reply is not None and not reply.set_quietly("the name"):
            self.refused = True

    def read_it(self, timeout: float | None = None) -> None:
        reply = self.reply
        if reply is None:
            return
        try:
            self.read.append(reply.get(timeout=timeout))
        except (pykka.Timeout, replies.Withdrawn) as error:
            self.failed.append(type(error).__name__)

    def read_it_once(self) -> None:
        assert self.reply is not None
        try:
            self.read.append(self.reply.get_once(0.001))
        except pykka.Timeout as error:
            self.failed.append(type(error).__name__)

    def withdraw(self) -> None:
        if self.reply is not None:
            self.reply.withdraw()

    def drop(self) -> None:
        self.reply = None

    def is_read_or_home(self) -> bool:
        self.reply = None  # now at the latest
        home = self.refused or bool(self.came_home)
        return home != bool(self.read)


def test_an_answer_that_crosses_a_timeout_is_read_or_goes_home() -> None:
    holds(Answer, [Answer.answer, Answer.read_it_once], Answer.is_read_or_home)


def test_it_is_found_when_who_times_out_does_not_ask_whether_the_answer_came(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def give_up(self: Any, timeout: float | None) -> Any:
        try:
            self._wait(timeout)
        except pykka.Timeout:
            if self.withdraw():
                raise
        return self._outcomes[0][1]

    monkeypatch.setattr(Reply, "get_once", give_up)
    is_found(Answer, [Answer.answer, Answer.read_it_once], Answer.is_read_or_home)


def test_an_answer_that_crosses_a_withdrawal_and_a_reader_is_read_or_goes_home() -> None:
    holds(Answer, [Answer.answer, Answer.withdraw, Answer.read_it], Answer.is_read_or_home)


def test_it_is_found_when_a_reader_does_not_claim_what_it_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replies, "_READ", ())
    monkeypatch.setattr(Reply, "_answer", property(lambda self: self._outcomes[0][1]))
    is_found(Answer, [Answer.answer, Answer.withdraw, Answer.read_it], Answer.is_read_or_home)


def test_an_answer_whose_reply_is_dropped_meanwhile_goes_home_or_is_read() -> None:
    holds(
        Answer,
        [Answer.answer, Answer.drop, lambda a: a.read_it(timeout=0.001)],
        Answer.is_read_or_home,
    )


def test_several_readers_all_read_it_or_none_does() -> None:
    def all_or_none(answer: Answer) -> bool:
        return answer.is_read_or_home() and len(answer.read) in (0, 2)

    holds(Answer, [Answer.answer, Answer.read_it, Answer.read_it], all_or_none)


class Hooked:
    """A reply whose value a hook produces, while others wait, and one derived from it."""

    def __init__(self) -> None:
        self.reply: Reply[int] = Reply()
        self.doubled = self.reply.map(lambda value: value * 2)
        self.calls = 0
        self.values: list[int] = []

    def hook(self) -> None:
        def produce(timeout: float | None) -> int:
            self.calls += 1
            return 21

        self.reply.set_get_hook(produce)

    def read(self) -> None:
        self.values.append(self.reply.get())

    def read_doubled(self) -> None:
        self.values.append(self.doubled.get())

    def is_right(self) -> bool:
        return self.calls == 1 and sorted(self.values) == [21, 42]


def test_a_hook_set_while_others_wait_runs_once_for_all() -> None:
    holds(Hooked, [Hooked.hook, Hooked.read, Hooked.read_doubled], Hooked.is_right)


class Follower:
    """A reply that is resolved as another one is."""

    def __init__(self) -> None:
        self.came_home: list[Any] = []
        self.inner: Reply[str] = Reply()
        self.inner.carry("the name", self.came_home.append)
        self.outer: Reply[str] | None = Reply()
        self.outer.resolved_by(self.inner)
        self.refused = False
        self.read: list[str] = []

    def answer(self) -> None:
        self.refused = not self.inner.set_quietly("the name")

    def read_once(self) -> None:
        assert self.outer is not None
        try:
            self.read.append(self.outer.get_once(0.001))
        except pykka.Timeout:
            pass

    def is_read_or_home(self) -> bool:
        self.outer = None
        return (self.refused or bool(self.came_home)) != bool(self.read)


def test_an_answer_that_is_passed_on_is_read_or_goes_home() -> None:
    holds(Follower, [Follower.answer, Follower.read_once], Follower.is_read_or_home)
