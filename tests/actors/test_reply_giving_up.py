"""What becomes of an answer that brings something, and of what it brings."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from namepool.actors.reply import Dropped, Reply, Withdrawn
from tests.support import PATIENCE, run_together, started, switching_often


class Grant:
    """Stands in for a lease that an answer brings."""

    watch: Any = None


def watched(reply: Reply[Any], grant: Grant | None = None) -> tuple[list[Dropped], Grant]:
    """Have ``reply`` bring something; return the list to which it goes unread, and the grant."""
    unread: list[Dropped] = []
    grant = Grant() if grant is None else grant
    reply.watched(grant, unread.append, _ignore)
    return unread, grant


def _ignore(_: object) -> None:
    pass


def test_a_reply_that_dies_unread_goes_to_its_sink_with_what_it_brought() -> None:
    reply = Reply.resolved("Ada")
    unread, grant = watched(reply)

    del reply

    (dropped,) = unread
    assert dropped is grant.watch
    assert dropped.grant is grant
    assert not dropped.was_read()


def test_a_reply_that_dies_in_a_cycle_goes_to_its_sink_while_its_grant_lives() -> None:
    reply: Any = Reply.resolved("Ada")
    unread, grant = watched(reply)
    reply.cycle = reply

    del reply
    gc.collect()

    assert unread == [grant.watch]


def test_a_reply_that_dies_after_it_was_read_says_that_it_was() -> None:
    reply = Reply.resolved("Ada")
    unread, grant = watched(reply)
    reply.get()

    del reply

    assert [dropped.was_read() for dropped in unread] == [True]
    assert grant.watch is unread[0]


def test_a_reply_that_is_given_up_goes_to_its_sink_and_can_no_longer_be_read() -> None:
    reply = Reply.resolved("Ada")
    unread, _ = watched(reply)

    reply.give_up()

    assert not unread[0].was_read()
    with pytest.raises(Withdrawn, match="another reader .* has withdrawn"):
        reply.get()


def test_a_reply_that_is_given_up_after_it_was_read_stays_read() -> None:
    reply = Reply.resolved("Ada")
    unread, _ = watched(reply)
    reply.get()

    reply.give_up()

    assert unread[0].was_read()
    assert reply.get() == "Ada"


def test_a_reply_that_brings_nothing_is_given_up_without_a_trace() -> None:
    reply = Reply[str]()

    reply.give_up()

    reply.set("Ada")
    assert reply.get() == "Ada"


def test_of_a_reader_and_one_who_gives_up_exactly_one_comes_first() -> None:
    for _ in range(300):
        reply = Reply.resolved("Ada")
        _, grant = watched(reply)
        got: list[object] = []

        def reader(reply: Reply[Any] = reply, got: list[object] = got) -> None:
            try:
                got.append(reply.get())
            except Withdrawn:
                pass

        with switching_often():
            run_together([reader, grant.watch.was_read])
        assert grant.watch.was_read() == bool(got)


def test_what_it_brings_is_received_where_it_is_read_by_each_reader() -> None:
    reply, grant = Reply[str](), Grant()
    received: list[object] = []
    reply.watched(grant, _ignore, received.append)
    reply.set("Ada")
    assert received == []

    reply.get()
    reply.get()

    assert received == [grant, grant]


def test_a_reader_that_is_struck_while_it_receives_has_not_read() -> None:
    reply = Reply.resolved("Ada")
    unread: list[Dropped] = []
    grant = Grant()

    def struck(_: object) -> None:
        raise KeyboardInterrupt

    reply.watched(grant, unread.append, struck)
    with pytest.raises(KeyboardInterrupt):
        reply.get()

    del reply

    assert [dropped.was_read() for dropped in unread] == [False]


def test_an_error_brings_nothing_so_reading_it_decides_nothing() -> None:
    reply = Reply[str]()
    _, grant = watched(reply)
    reply.set_exception((LookupError, LookupError("lost"), None))

    with pytest.raises(LookupError):
        reply.get()

    assert not grant.watch.was_read()


def test_what_stands_in_for_a_reply_resolves_it_and_does_not_keep_it_alive() -> None:
    reply = Reply[str]()
    _, grant = watched(reply)
    stand_in: Dropped = grant.watch
    thread, results = started(lambda reply=reply: reply.get(timeout=PATIENCE))

    assert stand_in.set_quietly("Ada") is True

    thread.join(PATIENCE)
    assert results == ["Ada"]
    assert stand_in.set_quietly("Bob") is False
    del reply, thread
    assert stand_in() is None


def test_what_stands_in_for_a_reply_fails_it() -> None:
    reply = Reply[str]()
    _, grant = watched(reply)

    grant.watch.fail_quietly(LookupError("lost"))
    grant.watch.fail_quietly(KeyError("too late"))

    with pytest.raises(LookupError, match="lost"):
        reply.get(timeout=PATIENCE)


def test_what_stands_in_for_a_dead_reply_has_nobody_to_answer() -> None:
    reply = Reply[str]()
    _, grant = watched(reply)

    del reply

    assert grant.watch.set_quietly("Ada") is False
    grant.watch.fail_quietly(LookupError("lost"))


def test_a_reply_that_follows_another_brings_what_that_one_brought() -> None:
    source, reply = Reply[str](), Reply[str]()
    unread, grant = watched(source)
    first = grant.watch
    reply.resolved_by(source)
    source.set("Ada")
    assert grant.watch is not first

    del source, reply

    assert grant.watch in unread  # the one of the source is there too, and is not its watch
    assert not grant.watch.was_read()


@pytest.mark.parametrize("derive", ["map", "filter", "reduce", "join"])
def test_giving_up_what_was_derived_gives_up_its_source(derive: str) -> None:
    source: Any = Reply.resolved(["Ada"])
    unread, grant = watched(source)
    arguments: dict[str, Any] = {
        "map": sum,
        "filter": bool,
        "reduce": max,
        "join": Reply.resolved("Bob"),
    }
    derived = getattr(source, derive)(arguments[derive])

    derived.give_up()

    assert unread == [grant.watch]
