"""A reply: set, get, time out, give up, drop, hook, derive, pass on, several readers."""

from __future__ import annotations

from functools import partial
from typing import Any

import pykka
import pytest

from namepool.actors import Reply
from namepool.actors import reply as replies
from namepool.actors.reply import Dropped
from tests.interleavings.support import RUNTIME, under_the_explorer
from tests.interleavings.support import holds as _holds
from tests.interleavings.support import is_found as _is_found

pytestmark = under_the_explorer

holds = partial(_holds, trace=RUNTIME)
is_found = partial(_is_found, trace=RUNTIME)


class Grant:
    """What an answer brings."""

    watch: Dropped | None = None


class Answer:
    """A reply that brings a grant, and what became of that."""

    def __init__(self) -> None:
        self.given_up: list[Dropped] = []
        self.is_home = False
        self.received: list[object] = []
        self.read: list[str] = []
        self.failed: list[str] = []
        self.reply: Reply[str] | None = Reply()
        self.answering = self.reply.watched(Grant(), self.given_up.append, self.received.append)

    def answer(self) -> None:
        self.answering.set_quietly("the name")

    def read_it(self, timeout: float | None = None) -> None:
        reply = self.reply
        if reply is None:
            return
        try:
            self.read.append(reply.get(timeout=timeout))
        except (pykka.Timeout, replies.Withdrawn) as error:
            self.failed.append(type(error).__name__)

    def read_for_a_moment(self) -> None:
        self.read_it(0.001)

    def give_up(self) -> None:
        """Give it up, as a task does that is cancelled; others keep it."""
        if self.reply is not None:
            self.reply.give_up()

    def drop(self) -> None:
        self.reply = None

    def take_home(self) -> None:
        """Take home what was not read, as the pool's own thread does."""
        for dropped in [*self.given_up]:
            if dropped.grant.watch is dropped and not dropped.was_read():
                self.is_home = True

    def is_read_or_home(self) -> bool:
        """Somebody has the name, or it is home; never both."""
        self.reply = None  # now at the latest
        self.take_home()
        return self.is_home != bool(self.read) and len(self.received) >= len(self.read)

    def is_home_or_read_before(self) -> bool:
        """As ``is_read_or_home``, though the reply that was given up is kept."""
        self.take_home()
        return self.is_home != bool(self.read) and self.is_read_or_home()


def test_an_answer_that_crosses_a_timeout_is_read_or_goes_home() -> None:
    holds(Answer, [Answer.answer, Answer.read_for_a_moment], Answer.is_read_or_home)


def test_an_answer_that_crosses_its_giving_up_and_a_reader_is_read_or_goes_home() -> None:
    workers = [Answer.answer, Answer.give_up, Answer.read_it, Answer.take_home]
    holds(Answer, workers, Answer.is_home_or_read_before)


def test_it_is_found_when_a_reader_does_not_claim_what_it_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Reply, "_answer", property(lambda self: self._outcomes[0][1]))
    workers = [Answer.answer, Answer.give_up, Answer.read_it]
    is_found(Answer, workers, Answer.is_read_or_home)


def test_it_is_found_when_what_is_given_up_is_taken_home_unasked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Dropped, "was_read", lambda self: False)
    workers = [Answer.answer, Answer.give_up, Answer.read_it]
    is_found(Answer, workers, Answer.is_read_or_home)


def test_an_answer_whose_reply_is_dropped_meanwhile_goes_home_or_is_read() -> None:
    workers = [Answer.answer, Answer.drop, Answer.read_for_a_moment, Answer.take_home]
    holds(Answer, workers, Answer.is_read_or_home)


def test_it_is_found_when_a_dropped_reply_is_not_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def watched(self: Any, grant: Any, sink: Any, received: Any) -> Any:
        return self

    monkeypatch.setattr(Reply, "watched", watched)
    is_found(Answer, [Answer.answer, Answer.drop], Answer.is_read_or_home)


def test_several_readers_all_read_it_or_none_does() -> None:
    def all_or_none(answer: Answer) -> bool:
        return answer.is_read_or_home() and len(answer.read) in (0, 2)

    workers = [Answer.answer, Answer.read_it, Answer.read_it, Answer.give_up, Answer.take_home]
    holds(Answer, workers, all_or_none)


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
        assert self.reply is not None
        self.reply = self.reply.map(str.upper)  # type: ignore[assignment]


def test_an_answer_that_is_read_through_a_derived_future_is_read_or_goes_home() -> None:
    workers = [Derived.answer, Derived.give_up, Derived.read_it]
    holds(Derived, workers, Derived.is_home_or_read_before)


def test_it_is_found_when_a_derived_future_does_not_give_up_its_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def derived(future: Any, *_: Any) -> Any:
        future._upstream = ()
        return future

    monkeypatch.setattr(replies, "_derived", derived)
    workers = [Derived.answer, Derived.give_up]
    is_found(Derived, workers, Derived.is_home_or_read_before)


class Follower(Answer):
    """An answer that is read through a reply that is resolved as its own is."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = self.reply
        self.reply = Reply()

    def follow(self) -> None:
        reply, inner = self.reply, self.inner
        self.inner = None
        assert inner is not None
        if reply is not None:
            reply.resolved_by(inner)


FOLLOWED = [Follower.answer, Follower.follow]


def test_an_answer_that_is_passed_on_is_read_or_goes_home() -> None:
    workers = [*FOLLOWED, Follower.read_for_a_moment]
    holds(Follower, workers, Follower.is_read_or_home)


def test_an_answer_that_is_passed_on_while_it_is_dropped_goes_home() -> None:
    workers = [*FOLLOWED, Follower.drop, Follower.take_home]
    holds(Follower, workers, Follower.is_read_or_home)


def test_an_answer_that_is_passed_on_while_it_is_given_up_goes_home_or_is_read() -> None:
    workers = [*FOLLOWED, Follower.give_up, Follower.read_it, Follower.take_home]
    holds(Follower, workers, Follower.is_home_or_read_before)


def test_it_is_found_when_a_reply_that_passes_its_answer_on_keeps_its_fate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watched = Reply.watched
    monkeypatch.setattr(Reply, "watched", lambda self, *args: watched(self, *args[:3]))
    workers = [*FOLLOWED, Follower.give_up, Follower.read_it, Follower.take_home]
    is_found(Follower, workers, Follower.is_home_or_read_before)


def test_it_is_found_when_a_follower_does_not_look_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def when_open(self: Any, callback: Any) -> None:
        if self._outcomes:
            callback()
        else:
            self._callbacks.append((callback, []))

    monkeypatch.setattr(Reply, "_when_open", when_open)
    workers = [*FOLLOWED, Follower.read_it]
    is_found(Follower, workers, Follower.is_read_or_home)
