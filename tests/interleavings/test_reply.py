"""A reply: set, get, time out, withdraw, drop, hook, derive, several readers."""

from __future__ import annotations

from functools import partial
from typing import Any

import pykka
import pytest

from namepool.actors import Reply
from namepool.actors import reply as replies
from namepool.actors.replies import giving_up
from tests.interleavings.support import RUNTIME, under_the_explorer
from tests.interleavings.support import holds as _holds
from tests.interleavings.support import is_found as _is_found

pytestmark = under_the_explorer

holds = partial(_holds, trace=RUNTIME)
is_found = partial(_is_found, trace=RUNTIME)


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
    monkeypatch.setattr(giving_up, "READ", ())
    monkeypatch.setattr(Reply, "_answer", property(lambda self: self._outcomes[0][1]))
    is_found(Answer, [Answer.answer, Answer.withdraw, Answer.read_it], Answer.is_read_or_home)


def test_an_answer_whose_reply_is_dropped_meanwhile_goes_home_or_is_read() -> None:
    holds(
        Answer,
        [Answer.answer, Answer.drop, lambda a: a.read_it(timeout=0.001)],
        Answer.is_read_or_home,
    )


def test_it_is_found_when_a_dropped_reply_is_not_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def carry(self: Any, grant: object, sink: Any) -> None:
        self._grant = grant

    monkeypatch.setattr(Reply, "carry", carry)
    is_found(Answer, [Answer.answer, Answer.drop], Answer.is_read_or_home)


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


def test_it_is_found_when_the_hook_is_run_by_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_hook(self: Any, timeout: float | None, deadline: float | None) -> None:
        if self._hooked is None:
            self._hooked = (self._outcomes[0][1](timeout),)

    monkeypatch.setattr(Reply, "_run_hook", run_hook)
    is_found(Hooked, [Hooked.hook, Hooked.read, Hooked.read_doubled], Hooked.is_right)


class Derived(Answer):
    """An answer that is read through a future derived from its reply."""

    def __init__(self) -> None:
        super().__init__()
        self.source = self.reply
        assert self.reply is not None
        self.reply = self.reply.map(str.upper)  # type: ignore[assignment]

    def answer(self) -> None:
        source = self.source
        assert source is not None
        self.refused = not source.set_quietly("the name")

    def is_read_or_home(self) -> bool:
        self.source = None
        return super().is_read_or_home()


def test_an_answer_that_is_read_through_a_derived_future_is_read_or_goes_home() -> None:
    holds(Derived, [Derived.answer, Derived.withdraw, Derived.read_it], Derived.is_read_or_home)
    holds(Derived, [Derived.answer, Derived.read_it_once], Derived.is_read_or_home)


def test_it_is_found_when_a_derived_future_does_not_withdraw_its_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def derived(future: Any, *_: Any) -> Any:
        future._upstream = ()
        return future

    monkeypatch.setattr(replies, "_derived", derived)
    is_found(Derived, [Derived.answer, Derived.withdraw], lambda d: d.refused or bool(d.read))


class Follower:
    """A reply that is resolved as another one is."""

    def __init__(self) -> None:
        self.came_home: list[Any] = []
        self.inner: Reply[str] = Reply()
        self.inner.carry("the name", self.came_home.append)
        self.outer: Reply[str] | None = Reply()
        self.refused = False
        self.read: list[str] = []

    def answer(self) -> None:
        self.refused = not self.inner.set_quietly("the name")

    def follow(self) -> None:
        assert self.outer is not None
        self.outer.resolved_by(self.inner)

    def read_once(self, timeout: float | None = 0.001) -> None:
        assert self.outer is not None
        try:
            self.read.append(self.outer.get_once(timeout))
        except pykka.Timeout:
            pass

    def wait(self) -> None:
        self.read_once(None)

    def is_read_or_home(self) -> bool:
        self.outer = None
        return (self.refused or bool(self.came_home)) != bool(self.read)


def test_an_answer_that_is_passed_on_is_read_or_goes_home() -> None:
    workers = [Follower.answer, Follower.follow, Follower.read_once]
    holds(Follower, workers, Follower.is_read_or_home)


def test_it_is_found_when_who_follows_does_not_look_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def when_open(self: Any, callback: Any) -> None:
        if self._outcomes:
            callback()
        else:
            self._callbacks.append((callback, []))

    monkeypatch.setattr(Reply, "_when_open", when_open)
    workers = [Follower.answer, Follower.follow, Follower.wait]
    is_found(Follower, workers, Follower.is_read_or_home)
